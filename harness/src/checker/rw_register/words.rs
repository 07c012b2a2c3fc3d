//! Anomalies in words: who, when, which register, which values.

use super::direct::Finding;
use super::orders::{Contradiction, Orders, Precedes};
use super::versions::{Version, Versions};
use crate::checker::transactional::AnomalyType;
use crate::checker::transactional::columns::{Columns, Touch};
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::graph::Edge;
use crate::checker::transactional::words::{Shown, Told, Words, each_once};
use crate::op::{RegisterMop, Value};
use std::collections::{BTreeMap, VecDeque};

/// Of a longer circle of versions the middle is left out.
const VERSIONS_SHOWN: usize = 8;

/// What the words are about.
#[derive(Clone, Copy)]
pub(super) struct RegisterWords<'a, 'h> {
    pub columns: &'a Columns<'h, RegisterMop>,
    pub versions: &'a Versions,
    pub orders: &'a Orders,
}

impl Words for RegisterWords<'_, '_> {
    type Finding = Finding;

    fn shown(&self, txn: u32) -> Shown {
        self.columns.shown(txn)
    }

    fn mops(&self, txn: u32, _: &[Value]) -> String {
        let mops = self.columns.txns[txn as usize].mops.iter();
        let mops: Vec<String> = mops.map(ToString::to_string).collect();
        format!("[{}]", mops.join(" "))
    }

    fn because(&self, (from, edge, to): (u32, Edge, u32), a: &str, b: &str) -> Because {
        match edge {
            Edge::Ww => self.overwritten(from, to, a, b),
            Edge::Wr => self.observed(from, to, a, b),
            Edge::Rw => self.missed(from, to, a, b),
            Edge::Process | Edge::Realtime | Edge::Relay => unexplained(a, b),
        }
    }

    fn finding(&self, finding: &Finding) -> Told {
        let (anomaly, touches) = match finding {
            Finding::Seen(anomaly, touches) => (*anomaly, touches),
            Finding::Cyclic(contradiction) => return self.cyclic(contradiction),
        };
        let touches: Vec<&Touch<RegisterMop>> =
            touches.iter().map(|touch| &self.columns.touches[*touch]).collect();
        let events = touches.iter().map(|touch| self.columns.txn(touch).event).collect();
        let text = match (anomaly, &touches[..]) {
            (AnomalyType::LostUpdate, all) => self.lost_update(all),
            (AnomalyType::GarbageRead, [read, ..]) => {
                format!(
                    "garbage read: {}, read by {}, was written by nobody",
                    read.mop,
                    self.name(read.txn)
                )
            }
            (AnomalyType::G1a, [read, write, ..]) => format!(
                "aborted read: {}, read by {}, was written by {}, which failed",
                read.mop,
                self.name(read.txn),
                self.name(write.txn)
            ),
            (AnomalyType::G1b, [read, write, ..]) => format!(
                "intermediate read: {}, read by {}, was written by {}, which then wrote to it again: {}",
                read.mop,
                self.name(read.txn),
                self.name(write.txn),
                self.mops(write.txn, &[])
            ),
            (AnomalyType::FutureRead, [read, ..]) => format!(
                "future read: {} read {} before it wrote that itself: {}",
                self.name(read.txn),
                read.mop,
                self.mops(read.txn, &[])
            ),
            (_, [read, ..]) => format!(
                "internal contradiction: {} read {}, which is not what it had read or written before: {}",
                self.name(read.txn),
                read.mop,
                self.mops(read.txn, &[])
            ),
            (_, []) => anomaly.to_string(),
        };
        Told { text, events: each_once(events) }
    }
}

impl RegisterWords<'_, '_> {
    fn lost_update(self, touches: &[&Touch<RegisterMop>]) -> String {
        let names: Vec<String> = touches.iter().take(4).map(|touch| self.name(touch.txn)).collect();
        let more = touches.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "lost update: {} was read by {}{more}, and each of them then wrote to it, the first as {}",
            touches[0].mop,
            names.join(" and "),
            self.mops(touches[0].txn, &[])
        )
    }

    fn cyclic(self, contradiction: &Contradiction) -> Told {
        let circle = shortest_circle(&contradiction.precedes);
        let left_out = match circle.len() {
            0..=VERSIONS_SHOWN => 0..0,
            length => VERSIONS_SHOWN - 2..length - 2,
        };
        let key = circle.first().map(|p| self.columns.keys[self.versions.row(p.from)]);
        let mut text = format!(
            "cyclic versions: of key {} {} versions come before each other",
            key.unwrap_or_default(),
            circle.len()
        );
        let mut events = Vec::new();
        for (i, precedes) in circle.iter().enumerate() {
            if left_out.contains(&i) {
                if i == left_out.start {
                    text.push_str(&format!("\n  - … and so on, {} steps more …", left_out.len()));
                }
                continue;
            }
            let because = self.order(precedes);
            let (from, to) = (self.version(precedes.from), self.version(precedes.to));
            text.push_str(&format!("\n  - {from} comes before {to}, because {}", because.text));
            events.extend(because.events);
        }
        text.push_str(&format!(
            ": a contradiction! So the orders by {} were not used further",
            contradiction.rule
        ));
        Told { text, events: each_once(events) }
    }

    /// `7`, or `nil` for the initial state.
    pub fn version(self, version: Version) -> String {
        self.versions.value(version).map_or("nil".to_string(), |value| value.to_string())
    }
}

/// A shortest circle through the smallest version that is on one, begun there.
fn shortest_circle(precedes: &[Precedes]) -> Vec<Precedes> {
    let mut after: BTreeMap<Version, Vec<&Precedes>> = BTreeMap::new();
    precedes.iter().for_each(|p| after.entry(p.from).or_default().push(p));
    let Some(start) = after.keys().next().copied() else { return Vec::new() };
    let mut came_by: BTreeMap<Version, &Precedes> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(version) = queue.pop_front() {
        for p in after.get(&version).into_iter().flatten() {
            came_by.entry(p.to).or_insert_with(|| {
                queue.push_back(p.to);
                p
            });
        }
        if came_by.contains_key(&start) {
            break;
        }
    }
    let mut circle = Vec::new();
    let mut version = start;
    while let Some(p) = came_by.get(&version) {
        circle.push(**p);
        version = p.from;
        if version == start {
            break;
        }
    }
    circle.reverse();
    circle
}
