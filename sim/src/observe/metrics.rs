//! Each node's numbers once a second of virtual time, as OpenMetrics with times: the file that a real run has of each node, with
//! its names where a real node counts the same, and with what only the simulation knows under `sim_`.
//!
//! A sample is taken when the first timer fires after a full second, a timer that fires anyway. As with a scrape, a node whose
//! process is gone or stopped has no samples, but for `up`, which is 0 then; counts begin with the process. `promtool tsdb
//! create-blocks-from openmetrics n1/metrics.om DIR` loads it.
//!
//! Cannot see: what a node counted between its last sample and its end; durations of syncs.

use super::{After, Carried, File, Load, Seen, Watch, name};
use crate::clock::WALL_START_MS;
use crate::world::World;
use elastickv::env::{Fact, GroupId, Lane};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Between two samples.
const EVERY_NS: u64 = 1_000_000_000;
const LANES: [(Lane, &str); 3] =
    [(Lane::Heartbeat, "heartbeat"), (Lane::Normal, "normal"), (Lane::Snapshot, "snapshot")];

/// The numbers of all nodes.
pub(super) struct Metrics {
    nodes: Vec<Node>,
    next: u64,
}

#[derive(Default)]
struct Node {
    counted: Counted,
    families: BTreeMap<&'static str, Family>,
}

/// What a process counts; gone with it.
#[derive(Default)]
struct Counted {
    leader: bool,
    term: u64,
    applied: u64,
    boot: u64,
    ceiling_ms: u64,
    stamps: u64,
    installed: u64,
    syncs: u64,
    lost: u64,
    marks: BTreeMap<&'static str, u64>,
    /// Messages and bytes by lane, sent and received.
    datagrams: [[(u64, u64); 3]; 2],
    /// The same of packets of byte streams.
    packets: [(u64, u64); 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

struct Family {
    kind: Kind,
    help: &'static str,
    /// Samples by labels.
    metrics: BTreeMap<String, String>,
}

impl Metrics {
    pub(super) fn new(nodes: u16) -> Metrics {
        Metrics { nodes: (0..=nodes).map(|_| Node::default()).collect(), next: EVERY_NS }
    }

    fn of(&mut self, node: u16) -> &mut Counted {
        &mut self.nodes[usize::from(node)].counted
    }

    fn carried(&mut self, node: u16, direction: usize, carried: &Carried<'_>) {
        let counted = self.of(node);
        let (count, bytes) = match carried.load {
            Load::Datagram { lane, message } => {
                (&mut counted.datagrams[direction][lane as usize], message.len())
            }
            Load::Packet { body, .. } => (&mut counted.packets[direction], body.bytes().len()),
        };
        count.0 += 1;
        count.1 += bytes as u64;
    }
}

impl Counted {
    /// As `real-cluster`'s nodes count: the default group's facts are the node's, of the others only what adds up.
    fn fact(&mut self, group: GroupId, fact: &Fact) {
        let is_default = group == GroupId::DEFAULT;
        match *fact {
            Fact::Installed { index, .. } => {
                self.installed += 1;
                if is_default {
                    self.applied = index;
                }
            }
            Fact::Stamped { .. } => self.stamps += 1,
            Fact::Ceiling { ceiling_ms, .. } => self.ceiling_ms = ceiling_ms,
            Fact::Recovered { boot, applied, .. } if is_default => {
                (self.boot, self.applied) = (boot.into(), applied);
            }
            Fact::Leads { term } if is_default => {
                (self.leader, self.term) = (true, self.term.max(term));
            }
            Fact::Follows { term } if is_default => {
                (self.leader, self.term) = (false, self.term.max(term));
            }
            Fact::Applied { index, term, .. } if is_default => {
                (self.applied, self.term) = (index, self.term.max(term));
            }
            _ => {}
        }
    }
}

impl Watch for Metrics {
    fn see(&mut self, _: u64, seen: &Seen<'_>) {
        match seen {
            Seen::Booted { node, .. } => *self.of(*node) = Counted::default(),
            Seen::Fact { boot: 0, .. } => {}
            Seen::Fact { node, group, fact, .. } => self.of(*node).fact(*group, fact),
            Seen::Mark { node, mark } => *self.of(*node).marks.entry(mark).or_default() += 1,
            Seen::Synced { node } => self.of(*node).syncs += 1,
            Seen::Left { carried, .. } => self.carried(carried.from, 0, carried),
            Seen::Came(carried) => self.carried(carried.to, 1, carried),
            Seen::Lost { from, .. } => self.of(*from).lost += 1,
            _ => {}
        }
    }

    fn look(&mut self, now: u64, world: &World) {
        if now < self.next {
            return;
        }
        self.next = (now / EVERY_NS + 1) * EVERY_NS;
        for (number, node) in self.nodes.iter_mut().enumerate().skip(1) {
            Sampling { node, number: number as u16, now }.all(world);
        }
    }

    fn files(self: Box<Self>, _: &After<'_>) -> Vec<File> {
        let nodes = self.nodes.into_iter().enumerate().skip(1);
        let file = |(number, node): (usize, Node)| File {
            path: format!("{}/metrics.om", name(number as u16)),
            bytes: node.exposition().into_bytes(),
        };
        nodes.map(file).collect()
    }
}

/// One node being sampled.
struct Sampling<'a> {
    node: &'a mut Node,
    number: u16,
    now: u64,
}

impl Sampling<'_> {
    fn all(mut self, world: &World) {
        let place = usize::from(self.number);
        let (answers, inboxes) = {
            let host = &world.hosts.borrow()[place];
            let waiting = LANES.map(|(lane, _)| host.lanes[lane as usize].queue.len() as i64);
            (host.up && !host.paused, waiting)
        };
        self.gauge("up", "whether the process runs and is not stopped", &[], answers.into());
        if !answers {
            return;
        }
        self.of_the_layers();
        self.traffic();
        for ((_, lane), waiting) in LANES.into_iter().zip(inboxes) {
            let help = "datagrams that have arrived and were not taken";
            self.gauge("sim_inbox_datagrams", help, &[("lane", lane)], waiting);
        }
        let unsynced = world.disks[place].borrow().volume.unsynced_bytes() as i64;
        self.gauge("sim_disk_unsynced_bytes", "bytes that a power cut could take", &[], unsynced);
        let ends = world.streams.borrow().ends_at(self.number) as i64;
        self.gauge("sim_connections", "byte streams that the kernel keeps", &[], ends);
        let offset = world.wall.borrow().offset_ms(self.number, self.now);
        self.gauge(
            "clock_offset_milliseconds",
            "how far the wall clock is from true time",
            &[],
            offset,
        );
    }

    fn of_the_layers(&mut self) {
        let Counted {
            leader, term, applied, boot, ceiling_ms, stamps, installed, syncs, lost, ..
        } = self.node.counted;
        let gauges = [
            ("elastickv_raft_leader", "whether this node leads", leader.into()),
            ("elastickv_raft_term", "newest term that this node has acted in", term),
            ("elastickv_raft_applied_index", "last log entry in the store", applied),
            ("elastickv_boot", "which start of this node on its data", boot),
            (
                "elastickv_hlc_ceiling_milliseconds",
                "up to when timestamps may be issued, since 1970",
                ceiling_ms,
            ),
        ];
        for (name, help, value) in gauges {
            self.gauge(name, help, &[], value as i64);
        }
        let counters = [
            ("elastickv_hlc_stamps", "commit timestamps issued as leader", stamps),
            (
                "elastickv_raft_snapshots_installed",
                "snapshots from a leader that replaced the state",
                installed,
            ),
            ("elastickv_disk_syncs", "syncs of files and folders", syncs),
            ("sim_messages_lost", "messages and packets that left and did not arrive", lost),
        ];
        for (name, help, value) in counters {
            self.counter(name, help, &[], value);
        }
        let marks: Vec<(&'static str, u64)> =
            self.node.counted.marks.iter().map(|(mark, count)| (*mark, *count)).collect();
        for (mark, count) in marks {
            let help = "how often the layers came by a marked place";
            self.counter("elastickv_marks", help, &[("mark", mark)], count);
        }
    }

    fn traffic(&mut self) {
        for (way, direction) in ["sent", "received"].into_iter().enumerate() {
            for (lane, of_lane) in LANES {
                let (messages, bytes) = self.node.counted.datagrams[way][lane as usize];
                let labels = [("direction", direction), ("lane", of_lane)];
                self.counter("elastickv_transport_messages", "Raft messages", &labels, messages);
                self.counter("elastickv_transport_bytes", "bytes of Raft messages", &labels, bytes);
            }
            let (packets, bytes) = self.node.counted.packets[way];
            let labels = [("direction", direction)];
            self.counter("sim_stream_packets", "packets of byte streams", &labels, packets);
            self.counter(
                "sim_stream_bytes",
                "bytes that packets of streams carried",
                &labels,
                bytes,
            );
        }
    }

    fn gauge(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: i64,
    ) {
        self.put(name, Kind::Gauge, help, labels, value);
    }

    fn counter(
        &mut self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        value: u64,
    ) {
        self.put(name, Kind::Counter, help, labels, value as i64);
    }

    fn put(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        labels: &[(&str, &str)],
        value: i64,
    ) {
        let fresh = || Family { kind, help, metrics: BTreeMap::new() };
        let family = self.node.families.entry(name).or_insert_with(fresh);
        let mut identity = format!("node=\"n{}\"", self.number);
        let total = if kind == Kind::Counter { "_total" } else { "" };
        let ms = WALL_START_MS + self.now / 1_000_000;
        // Err: a String takes all.
        for (label, value) in labels {
            let _ = write!(identity, ",{label}=\"{value}\"");
        }
        let metric = family.metrics.entry(identity.clone()).or_default();
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        let _ = writeln!(metric, "{name}{total}{{{identity}}} {value} {seconds}.{ms:03}");
    }
}

impl Node {
    /// Samples of a family together, in it those of a metric, in order of time: as the format wants it.
    fn exposition(&self) -> String {
        let mut text = String::new();
        for (name, Family { kind, help, metrics }) in &self.families {
            let kind = if *kind == Kind::Counter { "counter" } else { "gauge" };
            let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}");
            metrics.values().for_each(|samples| text.push_str(samples));
        }
        text.push_str("# EOF\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_by_family_and_metric_with_their_times() {
        let mut node = Node::default();
        for (now, count) in [(1_000_000_000, 3), (2_004_000_000, 5)] {
            let mut at = Sampling { node: &mut node, number: 2, now };
            at.counter("sim_messages_lost", "gone", &[("lane", "normal")], count);
            at.gauge("up", "there", &[], 1);
        }
        let expected = "# HELP sim_messages_lost gone.\n# TYPE sim_messages_lost counter\n\
            sim_messages_lost_total{node=\"n2\",lane=\"normal\"} 3 1767225601.000\n\
            sim_messages_lost_total{node=\"n2\",lane=\"normal\"} 5 1767225602.004\n\
            # HELP up there.\n# TYPE up gauge\n\
            up{node=\"n2\"} 1 1767225601.000\nup{node=\"n2\"} 1 1767225602.004\n# EOF\n";
        assert_eq!(node.exposition(), expected);
        assert_eq!(Node::default().exposition(), "# EOF\n");
    }

    #[test]
    fn what_a_process_counts_is_gone_with_it() {
        let mut metrics = Metrics::new(1);
        let fact = Fact::Leads { term: 4 };
        metrics.see(0, &Seen::Booted { node: 1, boot: 1 });
        metrics.see(0, &Seen::Fact { node: 1, boot: 1, group: GroupId::DEFAULT, fact: &fact });
        metrics.see(0, &Seen::Mark { node: 1, mark: "lease read" });
        assert!(metrics.of(1).leader && metrics.of(1).term == 4);
        metrics.see(0, &Seen::Booted { node: 1, boot: 2 });
        assert!(!metrics.of(1).leader && metrics.of(1).marks.is_empty());
    }

    #[test]
    fn another_group_leads_without_the_node_leading() {
        let mut counted = Counted::default();
        counted.fact(GroupId(2), &Fact::Leads { term: 9 });
        counted.fact(GroupId(2), &Fact::Stamped { term: 9, ts: 1 });
        assert_eq!((counted.leader, counted.term, counted.stamps), (false, 0, 1));
    }
}
