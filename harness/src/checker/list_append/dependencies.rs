//! The dependency graph: write-write, write-read and anti-dependency edges from the version orders, and
//! the order within processes or in real time.
//!
//! Real time is written with barriers: nodes between a maximal run of completions and the next invocation,
//! chained. Their paths are exactly the pairs `completed before invoked`, with a number of edges linear in
//! the history. Transactions of unknown outcome take part; one that nothing can follow (it appended nothing
//! that was seen, and read nothing) closes no cycle and is left out. Where many read the last version of a key
//! and many appended to it unseen, relays carry their anti-dependencies, again with a linear number of edges.

use super::columns::{Columns, NONE, Outcome};
use super::graph::{Edge, Graph, PackedEdge};
use super::versions::{Seen, Versions, read_values};
use crate::history::{Kind, Process};
use crate::op::Mop;
use std::collections::BTreeMap;

/// Which order outside the data counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// None.
    Data,
    /// That of each process.
    Process,
    /// That of real time.
    Realtime,
}

/// The graph. Nodes below the number of transactions are transactions, the others barriers and relays.
#[derive(Debug)]
pub(super) struct Dependencies {
    pub graph: Graph,
    /// Whether there is no edge at all, counting those that were left out as hopeless.
    pub is_empty: bool,
}

impl Dependencies {
    pub fn new(columns: &Columns, versions: &Versions, order: Order) -> Dependencies {
        let mut builder = Builder {
            columns,
            versions,
            followed: followed(columns, versions),
            edges: Vec::with_capacity(columns.touches.len() * 2 + columns.txns.len() * 2),
            is_empty: true,
            nodes: columns.txns.len() as u32,
        };
        for row in 0..columns.keys.len() {
            builder.appends(row);
            builder.reads(row);
        }
        match order {
            Order::Data => {}
            Order::Process => builder.processes(),
            Order::Realtime => builder.realtime(),
        }
        let graph = Graph::new(builder.nodes as usize, &builder.edges);
        Dependencies { graph, is_empty: builder.is_empty }
    }
}

/// The transactions that something may come after.
fn followed(columns: &Columns, versions: &Versions) -> Vec<bool> {
    let mut followed: Vec<bool> =
        columns.txns.iter().map(|txn| txn.outcome == Outcome::Ok).collect();
    for (row, key) in versions.keys.iter().enumerate() {
        for writer in key.writers.iter().filter(|writer| **writer != NONE) {
            followed[versions.appends[*writer as usize].txn as usize] = true;
        }
        for i in columns.touches_of(row) {
            let touch = &columns.touches[i];
            if versions.seen[i] == Seen::Nothing {
                continue;
            }
            followed[touch.txn as usize] = true;
            if versions.seen[i] == Seen::Off
                && let Some(last) = read_values(touch.mop).and_then(<[_]>::last)
                && let Some(append) = versions.append_of(columns, row, *last)
            {
                followed[append.txn as usize] = true;
            }
        }
    }
    followed
}

/// From each reader to each other's writer, both ascending: one chain of relays upwards, one downwards.
fn relay(readers: &[u32], writers: &[u32], nodes: &mut u32, edges: &mut Vec<PackedEdge>) {
    // A writer is served before its own transaction's read joins the chain.
    let mut stops: Vec<(u32, bool)> = writers.iter().map(|writer| (*writer, false)).collect();
    stops.extend(readers.iter().map(|reader| (*reader, true)));
    for upwards in [true, false] {
        stops.sort_unstable_by_key(|(txn, reads)| (if upwards { *txn } else { !*txn }, *reads));
        let mut last: Option<u32> = None;
        for (txn, reads) in &stops {
            if *reads {
                let fresh = *nodes;
                *nodes += 1;
                edges.push(PackedEdge::new(*txn, fresh, Edge::Rw));
                edges.extend(last.replace(fresh).map(|l| PackedEdge::new(l, fresh, Edge::Relay)));
            } else if let Some(last) = last {
                edges.push(PackedEdge::new(last, *txn, Edge::Relay));
            }
        }
    }
}

struct Builder<'a, 'h> {
    columns: &'a Columns<'h>,
    versions: &'a Versions<'h>,
    followed: Vec<bool>,
    edges: Vec<PackedEdge>,
    is_empty: bool,
    nodes: u32,
}

impl Builder<'_, '_> {
    fn edge(&mut self, from: u32, to: u32, edge: Edge) {
        let outcome = |txn: u32| self.columns.txns[txn as usize].outcome;
        let (before, after) = (outcome(from), outcome(to));
        if from == to || before == Outcome::Fail || after == Outcome::Fail {
            return;
        }
        self.is_empty &= before == Outcome::Open || after == Outcome::Open;
        if self.followed[to as usize] {
            self.edges.push(PackedEdge::new(from, to, edge));
        }
    }

    /// The transaction that appended an element of the order, by position.
    fn writer(&self, row: usize, position: usize) -> Option<u32> {
        let writer = *self.versions.keys[row].writers.get(position)?;
        (writer != NONE).then(|| self.versions.appends[writer as usize].txn)
    }

    fn appends(&mut self, row: usize) {
        let length = self.versions.keys[row].order.len();
        for append in self.versions.appends_of(row) {
            let before = if append.position == NONE { length } else { append.position as usize };
            if let Some(writer) = before.checked_sub(1).and_then(|last| self.writer(row, last)) {
                self.edge(writer, append.txn, Edge::Ww);
            }
        }
    }

    fn reads(&mut self, row: usize) {
        let length = self.versions.keys[row].order.len();
        let mut readers_of_last = Vec::new();
        for i in self.columns.touches_of(row) {
            let touch = self.columns.touches[i];
            let seen = self.versions.seen[i];
            if seen == Seen::Nothing || self.columns.txn(&touch).outcome == Outcome::Fail {
                continue;
            }
            let last = self.versions.last_seen(row, &touch, seen);
            let writer = match last {
                Some(last) => last.and_then(|last| self.writer(row, last)),
                None => self.writer_of_unordered(row, touch.mop),
            };
            if let Some(writer) = writer {
                self.edge(writer, touch.txn, Edge::Wr);
            }
            let Some(last) = last else { continue };
            let next = last.map_or(0, |last| last + 1);
            if next < length {
                if let Some(writer) = self.writer(row, next) {
                    self.edge(touch.txn, writer, Edge::Rw);
                }
            } else {
                readers_of_last.push(touch.txn);
            }
        }
        self.unseen(row, readers_of_last);
    }

    /// Each reader of the last version comes before every append that nobody saw.
    fn unseen(&mut self, row: usize, mut readers: Vec<u32>) {
        let unseen = self.versions.appends_of(row).iter().filter(|append| append.position == NONE);
        let mut writers: Vec<u32> = unseen.map(|append| append.txn).collect();
        writers.sort_unstable();
        writers.dedup();
        readers.sort_unstable();
        readers.dedup();
        if readers.len() * writers.len() <= 4 * (readers.len() + writers.len()) {
            for reader in readers {
                writers.iter().for_each(|writer| self.edge(reader, *writer, Edge::Rw));
            }
            return;
        }
        let outcome = |txn: u32| self.columns.txns[txn as usize].outcome;
        writers.retain(|writer| outcome(*writer) != Outcome::Fail);
        // More than four of each: one of them is another's.
        self.is_empty &= writers.iter().all(|writer| outcome(*writer) == Outcome::Open);
        writers.retain(|writer| self.followed[*writer as usize]);
        relay(&readers, &writers, &mut self.nodes, &mut self.edges);
    }

    /// Who appended the last element of a read that the version order does not hold.
    fn writer_of_unordered(&self, row: usize, mop: &Mop) -> Option<u32> {
        let last = read_values(mop)?.last()?;
        self.versions.append_of(self.columns, row, *last).map(|append| append.txn)
    }

    fn processes(&mut self) {
        let mut last: BTreeMap<Process, u32> = BTreeMap::new();
        for (index, event) in self.columns.history.client_events() {
            if event.kind == Kind::Ok {
                let txn = self.columns.txn_of_event[index];
                if let Some(before) = last.insert(event.process, txn) {
                    self.edge(before, txn, Edge::Process);
                }
            }
        }
    }

    fn realtime(&mut self) {
        let mut barrier: Option<u32> = None;
        let mut invoked_since = true;
        for (index, event) in self.columns.history.client_events() {
            let txn = self.columns.txn_of_event[index];
            match (event.kind, barrier) {
                (Kind::Ok, _) => {
                    if std::mem::take(&mut invoked_since) {
                        let fresh = self.nodes;
                        self.nodes += 1;
                        if let Some(earlier) = barrier.replace(fresh) {
                            self.edges.push(PackedEdge::new(earlier, fresh, Edge::Realtime));
                        }
                    }
                    let to = self.nodes - 1;
                    self.edges.push(PackedEdge::new(txn, to, Edge::Realtime));
                }
                (Kind::Invoke, Some(barrier)) => {
                    invoked_since = true;
                    self.is_empty &= self.columns.txns[txn as usize].outcome == Outcome::Open;
                    let failed = self.columns.txns[txn as usize].outcome == Outcome::Fail;
                    if self.followed[txn as usize] && !failed {
                        self.edges.push(PackedEdge::new(barrier, txn, Edge::Realtime));
                    }
                }
                (Kind::Invoke, None) => invoked_since = true,
                (Kind::Fail | Kind::Info, _) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn reached(graph: &Graph, node: u32, txns: u32, found: &mut BTreeSet<u32>) {
        for (_, to) in graph.out(node) {
            if to < txns {
                found.insert(to);
            } else {
                reached(graph, to, txns, found);
            }
        }
    }

    #[test]
    fn relays_join_every_reader_with_every_writer_but_itself() {
        let (readers, writers) = ([0, 2, 3, 5, 8], [1, 2, 3, 7, 8, 9]);
        let (mut nodes, mut edges) = (10, Vec::new());
        relay(&readers, &writers, &mut nodes, &mut edges);
        let graph = Graph::new(nodes as usize, &edges);
        for reader in readers {
            let mut found = BTreeSet::new();
            reached(&graph, reader, 10, &mut found);
            let others = writers.into_iter().filter(|writer| *writer != reader);
            assert_eq!(found, others.collect::<BTreeSet<u32>>(), "{reader}");
        }
        assert!(edges.len() <= 4 * readers.len() + 2 * writers.len());
    }
}
