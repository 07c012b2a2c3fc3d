//! What a node counts, as OpenMetrics text: the names that dashboards and the tool's scraper rely on.
//!
//! Counts begin with the process. `elastickv_raft_term` is the newest term that a fact of the layers named, so a follower
//! shows a new term when it applies an entry of it.

mod process;
mod server;

pub use server::serve;

use crate::transport::LANES;
use elastickv::env::{Fact, GroupId, Lane};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Why the transport gave a message up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// The queue to the peer was full.
    OutboxFull,
    /// The node did not take messages as fast as they came.
    InboxFull,
    /// The peer could not be reached, or the connection to it broke.
    Unreachable,
    /// Longer than its lane takes.
    Oversized,
    /// To a node that is not in the cluster.
    UnknownPeer,
}

impl Dropped {
    const ALL: [Dropped; 5] = [
        Dropped::OutboxFull,
        Dropped::InboxFull,
        Dropped::Unreachable,
        Dropped::Oversized,
        Dropped::UnknownPeer,
    ];

    fn reason(self) -> &'static str {
        match self {
            Dropped::OutboxFull => "outbox full",
            Dropped::InboxFull => "inbox full",
            Dropped::Unreachable => "unreachable",
            Dropped::Oversized => "oversized",
            Dropped::UnknownPeer => "unknown peer",
        }
    }
}

/// Messages and bytes of one lane in one direction.
#[derive(Clone)]
pub struct Traffic {
    messages: Counter,
    bytes: Counter,
}

impl Traffic {
    /// So many messages of so many bytes went through.
    pub fn count(&self, messages: u64, bytes: u64) {
        self.messages.inc_by(messages);
        self.bytes.inc_by(bytes);
    }
}

/// All of a node's numbers.
pub struct Metrics {
    registry: Registry,
    leader: Gauge,
    term: Gauge,
    applied: Gauge,
    boot: Gauge,
    ceiling_ms: Gauge,
    wall_clock_ms: Gauge,
    stamped: Counter,
    installed: Counter,
    marks: Family<Labels<1>, Counter>,
    by_mark: RefCell<BTreeMap<&'static str, Counter>>,
    messages: Family<Labels<2>, Counter>,
    bytes: Family<Labels<2>, Counter>,
    dropped: Family<Labels<1>, Counter>,
    connects: Family<Labels<1>, Counter>,
    syncs: Counter,
    sync_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut registry = Registry::default();
        // 50 us to 26 s.
        let sync_seconds = Histogram::new(exponential_buckets(50e-6, 2.0, 20));
        let metrics = Metrics {
            leader: gauge(&mut registry, "raft_leader", "whether this node leads"),
            term: gauge(&mut registry, "raft_term", "newest term that this node has acted in"),
            applied: gauge(&mut registry, "raft_applied_index", "last log entry in the store"),
            boot: gauge(&mut registry, "boot", "which start of this node on its data"),
            ceiling_ms: gauge(
                &mut registry,
                "hlc_ceiling_milliseconds",
                "up to when timestamps may be issued, since 1970",
            ),
            wall_clock_ms: gauge(
                &mut registry,
                "wall_clock_milliseconds",
                "what time it is for this node, since 1970",
            ),
            stamped: counter(&mut registry, "hlc_stamps", "commit timestamps issued as leader"),
            installed: counter(
                &mut registry,
                "raft_snapshots_installed",
                "snapshots from a leader that replaced the state",
            ),
            marks: family(&mut registry, "marks", "how often the layers came by a marked place"),
            by_mark: RefCell::default(),
            messages: family(&mut registry, "transport_messages", "Raft messages"),
            bytes: family(&mut registry, "transport_bytes", "bytes of Raft messages and headers"),
            dropped: family(&mut registry, "transport_dropped", "Raft messages given up"),
            connects: family(&mut registry, "transport_connects", "connections made to peers"),
            syncs: counter(&mut registry, "disk_syncs", "syncs of files and folders"),
            sync_seconds: sync_seconds.clone(),
            registry: Registry::default(),
        };
        registry.register(
            "elastickv_disk_sync_seconds",
            "how long a sync took, with its way to the blocking thread and back",
            sync_seconds,
        );
        registry.register_collector(Box::new(process::Process));
        let metrics = Metrics { registry, ..metrics };
        metrics.begin_at_zero();
        metrics
    }
}

impl Metrics {
    /// So that a rate over the first time that something happens is a rate.
    fn begin_at_zero(&self) {
        for why in Dropped::ALL {
            drop(self.dropped.get_or_create(&[("reason", why.reason())]));
        }
        for lane in LANES {
            drop(self.connects.get_or_create(&[("lane", lane_name(lane))]));
            self.traffic("sent", lane);
            self.traffic("received", lane);
        }
    }

    /// The exposition, `# EOF` included.
    pub fn text(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.wall_clock_ms.set(since.as_millis() as i64);
        let mut text = String::new();
        // Err: a String takes every write, and our own collector only passes such errors on.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Takes what a fact of a group says. The default group's are the node's; of the others only what is counted.
    pub fn observe(&self, group: GroupId, fact: &Fact) {
        match fact {
            Fact::Recovered { .. }
            | Fact::Leads { .. }
            | Fact::Follows { .. }
            | Fact::Applied { .. }
                if group != GroupId::DEFAULT => {}
            Fact::Installed { .. } if group != GroupId::DEFAULT => {
                self.installed.inc();
            }
            Fact::Recovered { boot, applied, .. } => {
                self.boot.set(i64::from(*boot));
                self.applied.set(*applied as i64);
            }
            Fact::Leads { term } => {
                self.leader.set(1);
                self.acted_in(*term);
            }
            Fact::Follows { term } => {
                self.leader.set(0);
                self.acted_in(*term);
            }
            Fact::Applied { index, term, .. } => {
                self.applied.set(*index as i64);
                self.acted_in(*term);
            }
            Fact::Installed { index, .. } => {
                self.installed.inc();
                self.applied.set(*index as i64);
            }
            Fact::Ceiling { ceiling_ms, .. } => {
                self.ceiling_ms.set(*ceiling_ms as i64);
            }
            Fact::Stamped { .. } => {
                self.stamped.inc();
            }
            Fact::Committed { .. }
            | Fact::Answered { .. }
            | Fact::Acked { .. }
            | Fact::Elected { .. }
            | Fact::CommittedTo { .. }
            | Fact::LeaseRead { .. }
            | Fact::SnapshotRead { .. } => {}
        }
    }

    fn acted_in(&self, term: u64) {
        self.term.set(self.term.get().max(term as i64));
    }

    /// The layers came by a marked place.
    pub fn reached(&self, mark: &'static str) {
        let mut by_mark = self.by_mark.borrow_mut();
        let counter = by_mark
            .entry(mark)
            .or_insert_with(|| self.marks.get_or_create_owned(&[("mark", mark)]));
        counter.inc();
    }

    /// The counters of one lane.
    pub fn traffic(&self, direction: &'static str, lane: Lane) -> Traffic {
        let labels = [("direction", direction), ("lane", lane_name(lane))];
        Traffic {
            messages: self.messages.get_or_create_owned(&labels),
            bytes: self.bytes.get_or_create_owned(&labels),
        }
    }

    /// So many messages were given up.
    pub fn dropped(&self, why: Dropped, count: u64) {
        if count > 0 {
            self.dropped.get_or_create(&[("reason", why.reason())]).inc_by(count);
        }
    }

    /// A connection to a peer was made.
    pub fn connected(&self, lane: Lane) {
        self.connects.get_or_create(&[("lane", lane_name(lane))]).inc();
    }

    /// A sync ended, well or not.
    pub fn synced(&self, took: Duration) {
        self.syncs.inc();
        self.sync_seconds.observe(took.as_secs_f64());
    }
}

/// The lane's name in labels and logs.
pub fn lane_name(lane: Lane) -> &'static str {
    match lane {
        Lane::Heartbeat => "heartbeat",
        Lane::Normal => "normal",
        Lane::Snapshot => "snapshot",
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    registry.register(format!("elastickv_{name}"), help, gauge.clone());
    gauge
}

fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(format!("elastickv_{name}"), help, counter.clone());
    counter
}

fn family<const N: usize>(
    registry: &mut Registry,
    name: &str,
    help: &str,
) -> Family<Labels<N>, Counter> {
    let family = Family::default();
    registry.register(format!("elastickv_{name}"), help, family.clone());
    family
}
