//! Any other server, described by a file: its program and words with placeholders, its ports, when it is ready, what it leaves.
//!
//! Promises: what is wrong with the file is told before anything runs; two nodes never share a data folder or a log; and no path is
//! removed that [`checked_path`] does not pass.

use super::one_daemon::{self, OneDaemon};
use super::{
    Daemon, Db, DbError, End, Kill, LogFiles, LogPath, Metrics, Pause, Primary, Program, Step,
    ready, resp,
};
use crate::remote::{Command, done};
use crate::site::{Site, Sites, checked_path};
use file::{Asks, File, Ready};
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;
use text::{Scope, Text, View};

mod file;
mod text;

/// What helps if the program is not there.
const MEND: &str = "install it there, or name a file here as `upload`";
/// What clients use.
const REDIS: &str = "redis";
/// Where metrics are, if the server has this port.
const METRICS: &str = "metrics";

/// A server that was described by a file.
#[derive(Debug)]
pub struct Template {
    name: String,
    program: Program,
    words: Vec<Text>,
    first_words: Vec<Text>,
    other_words: Vec<Text>,
    peer_words: Vec<Text>,
    member: Text,
    between: String,
    data: Text,
    log: Text,
    more_logs: Vec<Text>,
    environment: Vec<Text>,
    ports: BTreeMap<String, u16>,
    ready: Probe,
    serves_within: Duration,
    primary: Option<Asks>,
    clock: bool,
}

#[derive(Debug)]
enum Probe {
    Tcp,
    Resp,
    Command(Vec<Text>),
}

impl Template {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Template, String> {
        let told = |why: String| format!("{}: {why}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|error| told(format!("cannot be read: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Template::parse(&text, folder).map_err(told)
    }

    /// Reads what a file says; `folder` is where the file is.
    pub fn parse(text: &str, folder: &Path) -> Result<Template, String> {
        let file: File =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let program = match (file.program, file.upload) {
            (Some(program), None) => Program::There(program),
            (None, Some(file)) => Program::Here(folder.join(file)),
            _ => {
                return Err("one of `program` (a path or name on the hosts) and `upload` (a file here) is to be said, and not both"
                    .to_owned());
            }
        };
        let ports = file.ports;
        if !ports.contains_key(REDIS) {
            return Err(
                "[ports] lacks `redis`, the port that clients use: write redis = 6379".to_owned()
            );
        }
        let one = |field: &str, text: &str, scope| {
            Text::read(text, scope, &ports).map_err(|why| format!("`{field}`: {why}"))
        };
        let all = |field: &str, texts: &[String], scope| {
            texts.iter().map(|text| one(field, text, scope)).collect::<Result<Vec<Text>, String>>()
        };
        let template = Template {
            name: file.name,
            program,
            words: all("words", &file.words, Scope::Cluster)?,
            first_words: all("first_words", &file.first_words, Scope::Cluster)?,
            other_words: all("other_words", &file.other_words, Scope::Cluster)?,
            peer_words: all("peer_words", &file.peer_words, Scope::Place)?,
            member: one("member", &file.member, Scope::Place)?,
            between: file.between,
            data: one("data", &file.data, Scope::Place)?,
            log: one("log", &file.log, Scope::Place)?,
            more_logs: all("more_logs", &file.more_logs, Scope::Place)?,
            environment: environment(&file.environment)
                .iter()
                .map(|pair| one("environment", pair, Scope::Cluster))
                .collect::<Result<_, _>>()?,
            ready: match file.ready {
                Ready::Tcp => Probe::Tcp,
                Ready::Resp => Probe::Resp,
                Ready::Command(words) if words.is_empty() => {
                    return Err("`ready`: the command has no words".to_owned());
                }
                Ready::Command(words) => Probe::Command(all("ready", &words, Scope::Cluster)?),
            },
            serves_within: match file.serves_within {
                0 => return Err("`serves_within` is 0: give it a second at least".to_owned()),
                seconds => Duration::from_secs(seconds),
            },
            ports,
            primary: file.primary,
            clock: file.clock,
        };
        Ok(template)
    }

    /// What would go wrong on these places: a path that may not be removed, or one that two nodes of a host would share.
    pub fn check(&self, sites: &Sites) -> Result<(), String> {
        let mut taken: BTreeMap<(String, String), NodeId> = BTreeMap::new();
        for at in sites.iter() {
            for path in self.paths(at) {
                let path = checked_path(&path)?.trim_end_matches('/').to_owned();
                match taken.insert((at.host.clone(), path.clone()), at.node) {
                    Some(other) if other != at.node => {
                        return Err(format!(
                            "{other} and {} are on one host and would share {path}: write {{node}} or {{folder}} into it",
                            at.node
                        ));
                    }
                    Some(_) => {
                        return Err(format!(
                            "{path} is named twice: give data and logs a path each"
                        ));
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Everything that it fills on a node, and that is removed.
    fn paths(&self, at: &Site) -> Vec<String> {
        let texts = [&self.data, &self.log].into_iter().chain(&self.more_logs);
        texts.map(|text| text.of_place(at)).collect()
    }

    /// The words, filled in.
    fn filled<'a>(
        &self,
        sites: &Sites,
        at: &Site,
        texts: impl IntoIterator<Item = &'a Text>,
    ) -> Vec<String> {
        let (data, log) = (self.data.of_place(at), self.log.of_place(at));
        let view = View {
            sites,
            at,
            data: &data,
            log: &log,
            member: &self.member,
            between: &self.between,
        };
        texts.into_iter().map(|text| text.of(&view)).collect()
    }

    fn port(&self, at: &Site) -> u16 {
        // Read only if there is one.
        at.port(REDIS, self.ports.get(REDIS).copied().unwrap_or_default())
    }

    async fn serves(&self, sites: &Sites, at: &Site) -> Result<(), DbError> {
        match &self.ready {
            Probe::Tcp => {
                for (name, port) in self.ports(at) {
                    ready::port_open(at, &name, port, self.serves_within).await?;
                }
                Ok(())
            }
            Probe::Resp => ready::reads_what_it_writes(at, self.port(at), self.serves_within).await,
            Probe::Command(words) => {
                let command = Command::new("env").args(self.filled(sites, at, words));
                let what = format!("{}, asked by `{}`,", self.name, command.title());
                ready::until(at.node, &what, self.serves_within, || async {
                    let output =
                        at.remote.run(&command).await.map_err(|error| error.to_string())?;
                    match output.status {
                        0 => Ok(()),
                        status => Err(format!("it ended with {status}: {}", output.complaint())),
                    }
                })
                .await
            }
        }
    }
}

/// `NAME=VALUE` each.
fn environment(pairs: &BTreeMap<String, String>) -> Vec<String> {
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

impl OneDaemon for Template {
    fn daemon(&self, sites: &Sites, at: &Site) -> Daemon {
        let mut words = Vec::new();
        if !self.environment.is_empty() {
            words.push("env".to_owned());
            words.extend(self.filled(sites, at, &self.environment));
        }
        if self.clock {
            words.extend(at.under_shim());
        }
        words.push(self.program.word(at));
        words.extend(self.filled(sites, at, &self.words));
        let is_first = sites.iter().next().is_some_and(|first| first.node == at.node);
        let by_rank = if is_first { &self.first_words } else { &self.other_words };
        words.extend(self.filled(sites, at, by_rank));
        for peer in sites.iter().filter(|peer| peer.node != at.node) {
            words.extend(self.peer_words.iter().map(|text| text.of_place(peer)));
        }
        Daemon { folder: at.path("daemon"), log: self.log.of_place(at), words }
    }
}

impl Db for Template {
    fn name(&self) -> &str {
        &self.name
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        self.ports.iter().map(|(name, usual)| (name.clone(), at.port(name, *usual))).collect()
    }

    fn preflight<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.check(sites).map_err(io::Error::other)?;
            self.program.preflight(at, MEND).await
        })
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.check(sites).map_err(io::Error::other)?;
            self.program.provide(at, MEND).await?;
            let data = self.data.of_place(at);
            done(&*at.remote, &Command::new("mkdir").args(["-p", "--", &data])).await?;
            one_daemon::launch(self, sites, at, self.serves(sites, at)).await
        })
    }

    fn tear_down<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.check(sites).map_err(io::Error::other)?;
            one_daemon::remove(&self.kept(at), at, &self.paths(at)).await
        })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        vec![self.kept(at).undo()]
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        let words = &["panic", "PANIC", "fatal", "FATAL", "Fatal", "assert"];
        Box::pin(async move { Ok(self.kept(at).ends(&*at.remote, words).await?) })
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        let usual = self.ports.get(METRICS)?;
        Some(Metrics::Http(at.port(METRICS, *usual)))
    }

    fn has_clock(&self) -> bool {
        self.clock
    }

    fn kill(&self) -> Option<&dyn Kill> {
        Some(self)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        Some(self)
    }

    fn primary(&self) -> Option<&dyn Primary> {
        self.primary.map(|_| self as &dyn Primary)
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        Some(self)
    }
}

impl Primary for Template {
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>> {
        Box::pin(async move {
            let port = |at: &Site| self.port(at);
            match self.primary {
                Some(Asks::Role) => resp::leaders(sites, port, &["ROLE"], resp::is_master).await,
                Some(Asks::Info) => {
                    let leads = |info: &_| resp::has_line(info, "role:master");
                    resp::leaders(sites, port, &["INFO"], leads).await
                }
                None => Vec::new(),
            }
        })
    }
}

impl LogFiles for Template {
    fn log_files(&self, _: &Sites, at: &Site) -> Vec<LogPath> {
        let own = LogPath::Named(self.log.of_place(at), "log.txt".to_owned());
        let more = self.more_logs.iter().map(|text| LogPath::Path(text.of_place(at)));
        std::iter::once(own).chain(more).collect()
    }
}
