//! Elastickv itself: the server that its repository's root builds (`go build .`), one a node, by the flags of its `main.go`.
//!
//! All nodes are told the whole cluster when they start for the first time (`--raftBootstrapMembers`, `--raftGroupPeers`), so there
//! is no order of joining and nothing that a failed join could leave out: a node that comes late is waited for by Raft. After a kill
//! the same flags are harmless, since what is on disk wins. (`add_voter` by `raftadmin`, which upstream's own suite tries, cannot be
//! used: a node that knows no peers refuses to start.)
//!
//! Cannot see: its metrics, which it gives to others than its own host only for a token; and who leads any group but the first.

use super::one_daemon::{self, OneDaemon};
use super::{
    Daemon, Db, DbError, End, Kill, LogFiles, LogPath, Pause, Primary, Program, Step, ready, resp,
};
use crate::site::{Site, Sites};
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;
use std::io;

/// What it is called.
pub const NAME: &str = "elastickv";
/// What helps if it is not there.
const MEND: &str =
    "build it from its repository by `CGO_ENABLED=0 go build -o elastickv .` and name that file";
/// The first group's port if the nodes file does not say otherwise; each other has the next.
const RAFT: u16 = 50051;

/// The database.
#[derive(Clone, Debug)]
pub struct Elastickv {
    /// The server.
    pub program: Program,
    /// Numbers of Raft groups; none means one.
    pub groups: Vec<u64>,
    /// Which group has which keys, where there are several: `:m=1,m:=2`.
    pub shard_ranges: Option<String>,
    /// More words for every node.
    pub args: Vec<String>,
    /// Whether it runs under the time shim.
    pub has_clock: bool,
}

impl Elastickv {
    /// One group, by this program.
    pub fn new(program: Program) -> Elastickv {
        Elastickv {
            program,
            groups: Vec::new(),
            shard_ranges: None,
            args: Vec::new(),
            has_clock: false,
        }
    }

    /// Each group with the name of its port and the number that it has if the nodes file does not say otherwise.
    fn groups(&self) -> Vec<(u64, String, u16)> {
        let numbers = if self.groups.is_empty() { &[1][..] } else { &self.groups };
        let named = numbers.iter().zip(RAFT..).map(|(group, usual)| {
            let name = if usual == RAFT { "raft".to_owned() } else { format!("raft-{group}") };
            (*group, name, usual)
        });
        named.collect()
    }

    fn check(&self) -> io::Result<()> {
        match (self.groups.len(), &self.shard_ranges) {
            (0 | 1, Some(ranges)) => Err(io::Error::other(format!(
                "{NAME} has one Raft group, so there is nothing to share out by `{ranges}`: name the groups, or leave it out"
            ))),
            (2.., None) => Err(io::Error::other(format!(
                "{NAME} has {} Raft groups and does not know which keys are whose: say so by shard ranges such as `:m=1,m:=2`",
                self.groups.len()
            ))),
            _ => Ok(()),
        }
    }

    /// Words that tell a node the whole cluster.
    fn membership(&self, sites: &Sites, at: &Site) -> Vec<String> {
        let groups = self.groups();
        let members = |sign: char, (_, name, usual): &(u64, String, u16)| {
            let all = sites
                .iter()
                .map(|peer| format!("{}{sign}{}", peer.node, peer.socket(peer.port(name, *usual))));
            all.collect::<Vec<_>>().join(",")
        };
        let [first] = groups.as_slice() else {
            let own = groups.iter().map(|(group, name, usual)| {
                format!("{group}={}", at.socket(at.port(name, *usual)))
            });
            let mut words = vec![format!("--raftGroups={}", own.collect::<Vec<_>>().join(","))];
            words.extend(self.shard_ranges.iter().map(|ranges| format!("--shardRanges={ranges}")));
            let peers = groups.iter().map(|group| format!("{}={}", group.0, members('@', group)));
            words.push(match sites.count() {
                // It refuses groups whose only peer is the node itself.
                0 | 1 => "--raftBootstrap".to_owned(),
                _ => format!("--raftGroupPeers={}", peers.collect::<Vec<_>>().join(";")),
            });
            return words;
        };
        vec![format!("--raftBootstrapMembers={}", members('=', first))]
    }

    /// Where whoever leads a group takes clients.
    fn redis_map(&self, sites: &Sites) -> String {
        let groups = self.groups();
        let pairs = groups.iter().flat_map(|(_, name, usual)| {
            sites.iter().map(move |peer| {
                let raft = peer.socket(peer.port(name, *usual));
                format!("{raft}={}", peer.socket(redis(peer)))
            })
        });
        pairs.collect::<Vec<_>>().join(",")
    }

    async fn serves(&self, at: &Site) -> Result<(), DbError> {
        ready::port_open(at, "redis", redis(at), ready::SERVES_WITHIN).await?;
        if self.groups().len() == 1 {
            return ready::reads_what_it_writes(at, redis(at), ready::SERVES_WITHIN).await;
        }
        // Of several groups a node may lead none, and then it takes no write for them.
        ready::until(at.node, "the first Raft group", ready::SERVES_WITHIN, || async move {
            let info = resp::ask(at, redis(at), &["INFO"]).await?;
            match resp::said(&info, "raft_leader_redis").is_empty() {
                true => Err("nobody leads it".to_owned()),
                false => Ok(()),
            }
        })
        .await
    }
}

fn redis(at: &Site) -> u16 {
    at.port("redis", 6379)
}

fn dynamo(at: &Site) -> u16 {
    at.port("dynamo", 8000)
}

impl OneDaemon for Elastickv {
    fn daemon(&self, sites: &Sites, at: &Site) -> Daemon {
        let mut words = if self.has_clock { at.under_shim() } else { Vec::new() };
        words.push(self.program.word(at));
        words.extend([
            format!("--address={}", at.socket(at.port("raft", RAFT))),
            format!("--redisAddress={}", at.socket(redis(at))),
            format!("--dynamoAddress={}", at.socket(dynamo(at))),
            // Two nodes of one host would fight for the usual ports of these.
            "--metricsAddress=".to_owned(),
            "--pprofAddress=".to_owned(),
            format!("--raftId={}", at.node),
            format!("--raftDataDir={}", at.path("data")),
        ]);
        words.extend(self.membership(sites, at));
        words.push(format!("--raftRedisMap={}", self.redis_map(sites)));
        words.extend(self.args.iter().cloned());
        Daemon { folder: at.path("daemon"), log: at.path("log.txt"), words }
    }
}

impl Db for Elastickv {
    fn name(&self) -> &str {
        NAME
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        let mut ports = vec![("redis".to_owned(), redis(at)), ("dynamo".to_owned(), dynamo(at))];
        ports.extend(self.groups().into_iter().map(|(_, name, usual)| {
            let port = at.port(&name, usual);
            (name, port)
        }));
        ports
    }

    fn preflight<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.check()?;
            self.program.preflight(at, MEND).await
        })
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.check()?;
            self.program.provide(at, MEND).await?;
            one_daemon::launch(self, sites, at, self.serves(at)).await
        })
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { one_daemon::remove(&self.kept(at), at, &[at.path("data")]).await })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        vec![self.kept(at).undo()]
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        let words = &["panic:", "fatal error:", "failed to", "flag provided but not defined"];
        Box::pin(async move { Ok(self.kept(at).ends(&*at.remote, words).await?) })
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

impl Primary for Elastickv {
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>> {
        // It has no ROLE, but INFO tells the same.
        let leads = |info: &_| resp::has_line(info, "role:master");
        Box::pin(resp::leaders(sites, redis, &["INFO"], leads))
    }
}

impl LogFiles for Elastickv {
    fn log_files(&self, _: &Sites, at: &Site) -> Vec<LogPath> {
        vec![LogPath::Named(at.path("log.txt"), "log.txt".to_owned())]
    }
}
