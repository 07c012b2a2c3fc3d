//! The database under test on hosts: how it is set up, started, killed, paused, asked who leads, and where it logs. What Jepsen
//! calls `jepsen.db`, name by name.
//!
//! What a database can do besides being set up is a capability: [`Db::kill`] and the like give it or `None`. What is `None`
//! disables the faults that need it, with a sentence; it is never imitated. (Jepsen's `Process` is [`Kill`] under its older
//! name.)

use crate::remote::RemoteError;
use crate::site::{Site, Sites};
use ::elastickv::admin::Order;
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;
use std::io;

pub mod architecture;
pub mod compose;
pub mod cycle;
pub mod daemon;
pub mod elastickv;
pub mod elastickv_node;
pub mod logs;
pub mod map_test;
pub mod noop;
pub mod one_daemon;
pub mod ports;
pub mod program;
pub mod ready;
pub mod redis_server;
pub mod resp;
pub mod tcpdump;
pub mod template;
pub mod watchdog;

pub use compose::Compose;
pub use cycle::{CYCLE_TRIES, cycle};
pub use daemon::Daemon;
pub use elastickv::Elastickv;
pub use elastickv_node::ElastickvNode;
pub use logs::LogPath;
pub use map_test::MapTest;
pub use noop::Noop;
pub use program::Program;
pub use redis_server::RedisServer;
pub use tcpdump::Tcpdump;
pub use template::Template;
pub use watchdog::Watchdog;

/// Why a database could not do something.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// Setting it up failed in a way that another try may cure: [`cycle()`] tries again.
    #[error("{node}: {why}")]
    SetUpFailed {
        /// Where.
        node: NodeId,
        /// What happened.
        why: String,
    },
    /// Anything else: it is told, and not tried again.
    #[error(transparent)]
    Other(#[from] io::Error),
}

impl From<RemoteError> for DbError {
    fn from(error: RemoteError) -> DbError {
        DbError::Other(error.into())
    }
}

/// A result that takes its time.
pub type Step<'a, T = ()> = LocalBoxFuture<'a, Result<T, DbError>>;

/// A database. Its methods are called for every node at the same time.
pub trait Db {
    /// Its name, for people.
    fn name(&self) -> &str;

    /// Its ports on a node by name, each number once: `redis` is the one that clients use.
    fn ports(&self, at: &Site) -> Vec<(String, u16)>;

    /// Whether it could be set up on a node, as far as that can be known without doing it: its options fit the cluster, the host has
    /// what it needs beside free ports. Changes nothing there. The error says what would mend it.
    fn preflight<'a>(&'a self, _sites: &'a Sites, _at: &'a Site) -> Step<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Installs and starts it on a node, and returns when it serves there. [`Db::tear_down`] came before.
    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a>;

    /// Ends it on a node and removes all that it left, except logs that are wanted. Harmless where there is nothing.
    fn tear_down<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a>;

    /// Ends on a node what runs only to record, which writes down what it has: called after the last operation and before log files
    /// are fetched, so that they are whole. [`Db::tear_down`] does it too. Harmless where there is nothing.
    fn settle<'a>(&'a self, _sites: &'a Sites, _at: &'a Site) -> Step<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Commands for a host's shell that undo whatever this database may leave there, each harmless where there is nothing. Written
    /// down on the host before anything is begun.
    fn undo(&self, _at: &Site) -> Vec<String> {
        Vec::new()
    }

    /// Ends of its processes that nobody asked for, since the last call; and forgets them.
    fn ends<'a>(&'a self, _at: &'a Site) -> Step<'a, Vec<End>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Where it tells numbers about itself.
    fn metrics(&self, _at: &Site) -> Option<Metrics> {
        None
    }

    /// Whether it runs under the time shim, so that its wall clock can be moved.
    fn has_clock(&self) -> bool {
        false
    }

    /// To kill and start its processes.
    fn kill(&self) -> Option<&dyn Kill> {
        None
    }

    /// To stop and continue them.
    fn pause(&self) -> Option<&dyn Pause> {
        None
    }

    /// To ask who leads.
    fn primary(&self) -> Option<&dyn Primary> {
        None
    }

    /// To change who is in its group and who leads it.
    fn members(&self) -> Option<&dyn Members> {
        None
    }

    /// To fetch what it logged.
    fn log_files(&self) -> Option<&dyn LogFiles> {
        None
    }
}

/// A process that ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its exit status; 128 and the signal's number if it was killed.
    pub status: i32,
    /// The line of its log that says why, if one does.
    pub line: String,
}

/// Where numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metrics {
    /// `http://ADDRESS:PORT/metrics`.
    Http(u16),
    /// `INFO` of a Redis server on this port.
    RedisInfo(u16),
}

/// Kills and starts.
pub trait Kill {
    /// Kills all processes on a node, forcefully; returns when they are gone: how many there were.
    fn kill<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, u64>;

    /// Starts it, if it does not run.
    fn start<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, Started>;

    /// The host of a node is about to go down on purpose: nothing starts it again before [`Kill::start`].
    fn goes_down<'a>(&'a self, _at: &'a Site) -> Step<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Whether it runs, which it also does while it is stopped.
    fn running<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, bool>;
}

/// What a start found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// Nothing, and it runs now.
    Started,
    /// It ran, and goes on.
    AlreadyRunning,
}

/// Stops and continues.
pub trait Pause {
    /// Stops all processes on a node; returns when they stand: how many were stopped by this.
    fn pause<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a, u64>;

    /// Continues them.
    fn resume<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a>;
}

/// Knows leaders.
pub trait Primary {
    /// Who thinks it leads, none to several; never takes long.
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>>;

    /// Called once, on the first node, after all were set up.
    fn set_up_primary<'a>(&'a self, _sites: &'a Sites, _at: &'a Site) -> Step<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Changes who is in the group and who leads it.
pub trait Members {
    /// Brings it about, and returns when a leader says that it is so: how many steps that took, none if it was so.
    fn carry_out<'a>(&'a self, sites: &'a Sites, order: Order) -> Step<'a, u64>;

    /// Whether it parts its keys among several groups, so that ranges can be split.
    fn is_sharded(&self) -> bool {
        false
    }
}

/// Logs.
pub trait LogFiles {
    /// The files on a node that are worth fetching.
    fn log_files(&self, sites: &Sites, at: &Site) -> Vec<LogPath>;
}
