//! Redis' own server, one a node: `redis-server` as Debian has it, or a build by path. Alone each, or the others as replicas of the
//! first node.
//!
//! Cannot see: replicas that lose writes their primary acknowledged. That is what replication without a quorum does, and what a
//! test of it should find.

use super::one_daemon::{self, OneDaemon};
use super::{
    Daemon, Db, End, Kill, LogFiles, LogPath, Metrics, Pause, Primary, Program, Step, ready, resp,
};
use crate::remote::{Command, done};
use crate::site::{Site, Sites};
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;

/// Debian's name of it, and ours.
pub const NAME: &str = "redis-server";
/// Its port if the nodes file does not say otherwise.
const PORT: u16 = 6379;
/// What helps if it is not there.
const MEND: &str = "apt-get install redis-server, or name a program of your own";

/// When a write is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before it is acknowledged.
    Always,
    /// Once a second, as Redis does if nobody says otherwise.
    Everysec,
}

/// The database.
#[derive(Clone, Debug)]
pub struct RedisServer {
    /// The server.
    pub program: Program,
    /// Whether all nodes are replicas of the first; otherwise each is alone.
    pub replicas: bool,
    /// When a write is on disk.
    pub fsync: Fsync,
    /// Whether it runs under the time shim.
    pub has_clock: bool,
}

impl Default for RedisServer {
    fn default() -> RedisServer {
        RedisServer {
            program: Program::There(NAME.to_owned()),
            replicas: false,
            fsync: Fsync::Always,
            has_clock: false,
        }
    }
}

impl RedisServer {
    /// The first node, if this one is a replica of it.
    fn primary_of<'a>(&self, sites: &'a Sites, at: &Site) -> Option<&'a Site> {
        let first = sites.iter().next()?;
        (self.replicas && first.node != at.node).then_some(first)
    }

    async fn serves(&self, sites: &Sites, at: &Site) -> Result<(), super::DbError> {
        let Some(primary) = self.primary_of(sites, at) else {
            return ready::serves_redis(at, port(at)).await;
        };
        ready::port_open(at, "redis", port(at), ready::SERVES_WITHIN).await?;
        let what = format!("the link from {} to its primary {}", at.node, primary.node);
        ready::until(at.node, &what, ready::SERVES_WITHIN, || async move {
            let info = resp::ask(at, port(at), &["INFO", "replication"]).await?;
            match resp::said(&info, "master_link_status") {
                status if status == "up" => Ok(()),
                status => Err(format!("master_link_status is `{status}`")),
            }
        })
        .await
    }
}

fn port(at: &Site) -> u16 {
    at.port("redis", PORT)
}

impl OneDaemon for RedisServer {
    fn daemon(&self, sites: &Sites, at: &Site) -> Daemon {
        let fsync = match self.fsync {
            Fsync::Always => "always",
            Fsync::Everysec => "everysec",
        };
        let (address, port, data) = (at.address.to_string(), port(at).to_string(), at.path("data"));
        let mut words = if self.has_clock { at.under_shim() } else { Vec::new() };
        words.push(self.program.word(at));
        let options = [
            ("--bind", address.as_str()),
            ("--port", &port),
            ("--dir", &data),
            ("--appendonly", "yes"),
            ("--appendfsync", fsync),
            ("--save", ""),
            ("--protected-mode", "no"),
            ("--daemonize", "no"),
            ("--logfile", ""),
        ];
        words.extend(
            options.iter().flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]),
        );
        if self.replicas {
            let options = ["--replica-read-only", "yes", "--repl-diskless-sync-delay", "0"];
            words.extend(options.map(str::to_owned));
        }
        if let Some(primary) = self.primary_of(sites, at) {
            let port = self::port(primary).to_string();
            words.extend(["--replicaof".to_owned(), primary.address.to_string(), port]);
        }
        Daemon { folder: at.path("daemon"), log: at.path("log.txt"), words }
    }
}

impl Db for RedisServer {
    fn name(&self) -> &str {
        NAME
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        vec![("redis".to_owned(), port(at))]
    }

    fn preflight<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(self.program.preflight(at, MEND))
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.program.provide(at, MEND).await?;
            done(&*at.remote, &Command::new("mkdir").args(["-p", "--", &at.path("data")])).await?;
            one_daemon::launch(self, sites, at, self.serves(sites, at)).await
        })
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { one_daemon::remove(&self.kept(at), at, &[at.path("data")]).await })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        vec![self.kept(at).undo()]
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        let words = &["crashed by signal", "FATAL", "Fatal", "Can't", "Bad file format"];
        Box::pin(async move { Ok(self.kept(at).ends(&*at.remote, words).await?) })
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        Some(Metrics::RedisInfo(port(at)))
    }

    fn has_clock(&self) -> bool {
        self.has_clock
    }

    fn kill(&self) -> Option<&dyn Kill> {
        Some(self)
    }

    fn pause(&self) -> Option<&dyn Pause> {
        Some(self)
    }

    fn primary(&self) -> Option<&dyn Primary> {
        Some(self)
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        Some(self)
    }
}

impl Primary for RedisServer {
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>> {
        Box::pin(resp::leaders(sites, port, &["ROLE"], resp::is_master))
    }
}

impl LogFiles for RedisServer {
    fn log_files(&self, _: &Sites, at: &Site) -> Vec<LogPath> {
        vec![LogPath::Named(at.path("log.txt"), "log.txt".to_owned())]
    }
}
