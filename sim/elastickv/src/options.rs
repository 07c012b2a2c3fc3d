//! What a node is told when it starts: the flags of upstream's `main.go`, as a value.

use crate::admin::Since;
use crate::bug::Bugs;
use crate::env::{GroupId, NodeId};
use crate::kv::routes::Shards;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// How writes reach Raft (upstream has two wirings of the same parts).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// `main.go`: LeaderProxy asks for a quorum (VerifyLeader) before it proposes, and a new leader proposes nothing
    /// before an entry of its own term is applied.
    Verified,
    /// `cmd/server/demo.go`: proposals go straight to the engine. The clock still knows every timestamp in the log.
    Direct,
}

impl Wiring {
    /// The word for it on command lines and in run folders.
    pub fn name(self) -> &'static str {
        match self {
            Wiring::Verified => "verified",
            Wiring::Direct => "direct",
        }
    }
}

impl FromStr for Wiring {
    type Err = String;

    fn from_str(text: &str) -> Result<Wiring, String> {
        match text {
            "verified" => Ok(Wiring::Verified),
            "direct" => Ok(Wiring::Direct),
            _ => Err(format!("`{text}` is not a wiring: it is verified or direct")),
        }
    }
}

/// Options of one node. The same on every node of a cluster, but for tests that say otherwise.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which keys each group holds at first (`--shardRanges`), and so which groups there are. Every node is a member of every group.
    pub shards: Shards,
    /// Every group's first voters. This node is one of them unless it joins.
    pub nodes: Vec<NodeId>,
    /// How often this node has come back with nothing, to be added to a group that is there already (`--raftJoinMembers`); 0 for a
    /// first member. It keeps the requests of its lives apart.
    pub joins: u16,
    /// Of a node that joins: where the leader of each group stood that said that it is no member.
    pub since: BTreeMap<GroupId, Since>,
    /// One Raft tick. Upstream: 10 ms.
    pub tick: Duration,
    /// Ticks between heartbeats. `main.go`: 20 (200 ms).
    pub heartbeat_ticks: u32,
    /// Ticks without a leader before an election. `main.go`: 200 (2 s).
    pub election_ticks: u32,
    /// A lease is this much shorter than the election time-out. Upstream: 300 ms.
    pub lease_margin: Duration,
    /// Applied entries between snapshots. Upstream: 10,000.
    pub snapshot_entries: u64,
    /// How far above its wall clock a leader asks Raft to put the HLC ceiling. Upstream: 10 s.
    pub hlc_window: Duration,
    /// How often it asks. Upstream: 1 s.
    pub hlc_renewal: Duration,
    /// How often a leader asks for old versions to go; zero: never. Upstream: 5 min.
    pub compact_every: Duration,
    /// For how long they stay. Upstream: 30 min.
    pub retention: Duration,
    /// How long a transaction across groups may hold its locks before anybody may roll it back. Upstream: 30 s.
    pub txn_lock_ttl: Duration,
    /// How often a leader looks for locks that are older than that. Upstream: 10 s.
    pub lock_resolver: Duration,
    /// How often a node looks whether the route catalog has changed. Upstream: 100 ms.
    pub route_watch: Duration,
    /// How often the leader of a group looks whether another node leads the default group, and hands leadership over to it, so that
    /// transactions across groups find one leader; zero: never.
    pub gather_leaders: Duration,
    /// How long a Redis command may take on the server. Upstream: 30 s.
    pub dispatch_timeout: Duration,
    /// Which wiring.
    pub wiring: Wiring,
    /// Planted bugs.
    pub bugs: Bugs,
}

impl Options {
    /// `main.go`'s defaults for a cluster of these nodes.
    pub fn new(nodes: Vec<NodeId>) -> Options {
        Options {
            nodes,
            shards: Shards::whole(),
            joins: 0,
            since: BTreeMap::new(),
            tick: Duration::from_millis(10),
            heartbeat_ticks: 20,
            election_ticks: 200,
            lease_margin: Duration::from_millis(300),
            snapshot_entries: 10_000,
            hlc_window: Duration::from_secs(10),
            hlc_renewal: Duration::from_secs(1),
            compact_every: Duration::from_secs(300),
            retention: Duration::from_secs(1800),
            txn_lock_ttl: Duration::from_secs(30),
            lock_resolver: Duration::from_secs(10),
            route_watch: Duration::from_millis(100),
            gather_leaders: Duration::from_secs(2),
            dispatch_timeout: Duration::from_secs(30),
            wiring: Wiring::Verified,
            bugs: Bugs::NONE,
        }
    }

    /// The election time-out, unrandomised.
    pub fn election_timeout(&self) -> Duration {
        self.tick * self.election_ticks
    }

    /// How long after a quorum heard from the leader it may still read locally; zero disables leases.
    pub fn lease(&self) -> Duration {
        self.election_timeout().saturating_sub(self.lease_margin)
    }
}
