//! `elastickv-node`: the layers of the simulation as one process a host, of the very build that drives them.

use super::one_daemon::{self, OneDaemon};
use super::{
    Daemon, Db, DbError, End, Kill, LogFiles, LogPath, Members, Metrics, Pause, Primary, Step,
    ready,
};
pub use crate::node::NAME;
use crate::operator;
use crate::remote::{Command, done};
use crate::scrape;
use crate::site::{Site, Sites};
use elastickv::admin::{self, Order, SinceByGroup};
use elastickv::env;
use futures_util::future::LocalBoxFuture;
use harness::cluster::NodeId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

/// What its port is if the nodes file does not say otherwise, by name.
const PORTS: [(&str, u16); 4] =
    [("redis", 6379), ("internal", 50051), ("raft", 50050), ("metrics", 9464)];

/// The database.
pub struct ElastickvNode {
    /// Words for every node besides who and where it is.
    pub args: Vec<String>,
    /// Raft groups of every node.
    pub groups: u16,
    /// Whether it runs under the time shim.
    pub has_clock: bool,
    /// How often each node has started over, to be added to the group again, and where that stood then.
    joins: RefCell<BTreeMap<NodeId, (u16, SinceByGroup)>>,
    /// Who has since it was last a voter.
    empty: RefCell<BTreeSet<NodeId>>,
}

impl ElastickvNode {
    /// With these words for every node.
    pub fn new(args: Vec<String>, groups: u16, has_clock: bool) -> ElastickvNode {
        let (joins, empty) = (RefCell::default(), RefCell::default());
        ElastickvNode { args, groups, has_clock, joins, empty }
    }
}

impl OneDaemon for ElastickvNode {
    fn daemon(&self, sites: &Sites, at: &Site) -> Daemon {
        let mut words = Vec::new();
        if self.has_clock {
            words.extend(at.under_shim());
        }
        words.push(at.program(NAME));
        words.push(format!("--id={}", at.node.0));
        words.push(format!("--data={}", at.path("data")));
        words.push(format!("--listen={}", at.address));
        words.extend(PORTS.map(|(name, usual)| format!("--{name}-port={}", at.port(name, usual))));
        let peers = sites.iter().filter(|peer| peer.node != at.node);
        words.extend(peers.map(|peer| format!("--peer={}={}", peer.node.0, peer.address)));
        words.extend(self.args.iter().cloned());
        if self.groups > 1 {
            words.push(format!("--groups={}", self.groups));
        }
        if let Some((joins, since)) = self.joins.borrow().get(&at.node) {
            words.extend(operator::since_words(*joins, since));
        }
        Daemon { folder: at.path("daemon"), log: at.path("log.txt"), words }
    }
}

impl ElastickvNode {
    /// Nodes find each other by the numbers of their own ports.
    fn same_ports(&self, sites: &Sites, at: &Site) -> Result<(), DbError> {
        let own = self.ports(at);
        match sites.iter().find(|peer| self.ports(peer) != own) {
            None => Ok(()),
            Some(peer) => Err(io::Error::other(format!(
                "{} and {} have different ports, but the nodes of {NAME} expect their own port numbers at their peers: give all \
                 the same",
                at.node, peer.node
            ))
            .into()),
        }
    }
}

impl Db for ElastickvNode {
    fn name(&self) -> &str {
        NAME
    }

    fn ports(&self, at: &Site) -> Vec<(String, u16)> {
        PORTS.map(|(name, usual)| (name.to_owned(), at.port(name, usual))).to_vec()
    }

    fn preflight<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(std::future::ready(self.same_ports(sites, at)))
    }

    fn set_up<'a>(&'a self, sites: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move {
            self.same_ports(sites, at)?;
            let redis = at.port("redis", 6379);
            one_daemon::launch(self, sites, at, ready::serves_redis(at, redis)).await
        })
    }

    fn tear_down<'a>(&'a self, _: &'a Sites, at: &'a Site) -> Step<'a> {
        Box::pin(async move { one_daemon::remove(&self.kept(at), at, &[at.path("data")]).await })
    }

    fn undo(&self, at: &Site) -> Vec<String> {
        vec![self.kept(at).undo()]
    }

    fn ends<'a>(&'a self, at: &'a Site) -> Step<'a, Vec<End>> {
        Box::pin(async move { Ok(self.kept(at).ends(&*at.remote, &["panicked", "ERROR"]).await?) })
    }

    fn metrics(&self, at: &Site) -> Option<Metrics> {
        Some(Metrics::Http(at.port("metrics", 9464)))
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

    fn members(&self) -> Option<&dyn Members> {
        Some(self)
    }

    fn log_files(&self) -> Option<&dyn LogFiles> {
        Some(self)
    }
}

impl Primary for ElastickvNode {
    fn primaries<'a>(&'a self, sites: &'a Sites) -> LocalBoxFuture<'a, Vec<NodeId>> {
        Box::pin(async move {
            let addresses: Vec<_> =
                sites.iter().map(|at| at.socket(at.port("metrics", 9464))).collect();
            let leads = scrape::lead(&addresses).await;
            sites.iter().zip(leads).filter(|(_, leads)| *leads).map(|(at, _)| at.node).collect()
        })
    }
}

impl Members for ElastickvNode {
    fn carry_out<'a>(&'a self, sites: &'a Sites, order: Order) -> Step<'a, u64> {
        Box::pin(async move {
            let desk = Desk { db: self, sites, began: Instant::now() };
            admin::carry_out(&desk, order).await.map_err(|why| io::Error::other(why).into())
        })
    }

    fn is_sharded(&self) -> bool {
        self.groups > 1
    }
}

/// The operator, where the tool runs.
struct Desk<'a> {
    db: &'a ElastickvNode,
    sites: &'a Sites,
    began: Instant,
}

impl Desk<'_> {
    fn site(&self, node: env::NodeId) -> Result<&Site, String> {
        let found = self.sites.iter().find(|at| at.node.0 == node.0);
        found.ok_or_else(|| format!("{node} is not in this cluster"))
    }
}

impl admin::Desk for Desk<'_> {
    type Socket = operator::Socket;

    fn nodes(&self) -> Vec<env::NodeId> {
        self.sites.iter().map(|at| env::NodeId(at.node.0)).collect()
    }

    fn groups(&self) -> Vec<env::GroupId> {
        operator::groups(self.db.groups)
    }

    async fn connect(&self, to: env::NodeId) -> io::Result<operator::Socket> {
        let at = self.site(to).map_err(io::Error::other)?;
        operator::connect(at.socket(at.port("internal", 50051))).await
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn is_empty(&self, node: env::NodeId) -> bool {
        self.db.empty.borrow().contains(&NodeId(node.0))
    }

    fn joined(&self, node: env::NodeId) {
        self.db.empty.borrow_mut().remove(&NodeId(node.0));
    }

    async fn start_over(&self, node: env::NodeId, since: SinceByGroup) -> Result<(), String> {
        let at = self.site(node)?;
        let text = |error: DbError| error.to_string();
        Kill::kill(self.db, self.sites, at).await.map_err(text)?;
        // First of all: whoever starts it from here on starts one that waits.
        let joins = self.db.joins.borrow().get(&at.node).map_or(0, |(joins, _)| *joins);
        self.db.joins.borrow_mut().insert(at.node, (joins + 1, since));
        self.db.empty.borrow_mut().insert(at.node);
        let empty = Command::new("rm").args(["-rf", "--", &at.path("data")]);
        done(&*at.remote, &empty).await.map_err(|error| error.to_string())?;
        self.start(node).await
    }

    async fn start(&self, node: env::NodeId) -> Result<(), String> {
        let at = self.site(node)?;
        let text = |error: DbError| error.to_string();
        Pause::resume(self.db, self.sites, at).await.map_err(text)?;
        Kill::start(self.db, self.sites, at).await.map(drop).map_err(text)
    }
}

impl LogFiles for ElastickvNode {
    fn log_files(&self, _: &Sites, at: &Site) -> Vec<LogPath> {
        vec![LogPath::Named(at.path("log.txt"), "log.txt".to_owned())]
    }
}
