//! The dependency graph in the making: edges that a checker draws from version orders, and the order within
//! processes or in real time.
//!
//! Real time is written with barriers: nodes between a maximal run of completions and the next invocation,
//! chained. Their paths are exactly the pairs `completed before invoked`, with a number of edges linear in
//! the history. Transactions of unknown outcome take part; one that nothing can follow closes no cycle and is
//! left out. Where many read a version and many overwrote it, relays carry their anti-dependencies, again with
//! a linear number of edges.

use super::graph::{Edge, Graph, PackedEdge};
use crate::columns::Outcome;
use crate::history::Process;
use std::collections::BTreeMap;

/// What an event does for the order of its transaction with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Invoked,
    Succeeded,
}

/// Who did what when.
pub trait Timeline {
    /// How many transactions there are, in the order of their completions.
    fn count(&self) -> usize;
    fn outcome(&self, txn: u32) -> Outcome;
    fn process(&self, txn: u32) -> Process;
    /// Every invocation and every success, in order.
    fn each_moment(&self, act: impl FnMut(u32, Moment));
}

/// Which order outside the data counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// None.
    Data,
    /// That of each process.
    Process,
    /// That of real time.
    Realtime,
}

/// The graph. Nodes below the number of transactions are transactions, the others barriers and relays.
#[derive(Debug)]
pub struct Dependencies {
    pub graph: Graph,
    /// Whether there is no edge at all, counting those that were left out as hopeless.
    pub is_empty: bool,
}

/// Collects edges.
pub struct Builder<'a, T> {
    timeline: &'a T,
    /// The transactions that something may come after.
    followed: Vec<bool>,
    edges: Vec<PackedEdge>,
    is_empty: bool,
    nodes: u32,
}

impl<'a, T: Timeline> Builder<'a, T> {
    /// Edges into and out of transactions that are not `followed` are left out: they lie on no cycle.
    pub fn new(timeline: &'a T, followed: Vec<bool>) -> Builder<'a, T> {
        let nodes = timeline.count() as u32;
        Builder { timeline, followed, edges: Vec::new(), is_empty: true, nodes }
    }

    /// Adds an order outside the data and closes the graph.
    pub fn finish(mut self, order: Order) -> Dependencies {
        match order {
            Order::Data => {}
            Order::Process => self.processes(),
            Order::Realtime => self.realtime(),
        }
        let graph = Graph::new(self.nodes as usize, &self.edges);
        Dependencies { graph, is_empty: self.is_empty }
    }

    /// Whether there was no edge so far, counting those that were left out.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// One transaction comes before another, unless one of them failed or they are the same.
    pub fn edge(&mut self, from: u32, to: u32, edge: Edge) {
        let (before, after) = (self.outcome(from), self.outcome(to));
        if from == to || before == Outcome::Fail || after == Outcome::Fail {
            return;
        }
        self.is_empty &= before == Outcome::Open || after == Outcome::Open;
        if self.followed[from as usize] && self.followed[to as usize] {
            self.edges.push(PackedEdge::new(from, to, edge));
        }
    }

    /// A transaction depends on itself: no edge, but something to go by.
    pub fn depends_on_itself(&mut self, txn: u32) {
        self.is_empty &= self.outcome(txn) != Outcome::Ok;
    }

    /// Each reader comes before each other's write. No reader may have failed.
    pub fn overwritten(&mut self, mut readers: Vec<u32>, mut writers: Vec<u32>) {
        writers.retain(|writer| self.outcome(*writer) != Outcome::Fail);
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
        // More than four of each: one of them is another's.
        self.is_empty &= writers.iter().all(|writer| self.outcome(*writer) == Outcome::Open);
        writers.retain(|writer| self.followed[*writer as usize]);
        readers.retain(|reader| self.followed[*reader as usize]);
        relay(&readers, &writers, &mut self.nodes, &mut self.edges);
    }

    fn outcome(&self, txn: u32) -> Outcome {
        self.timeline.outcome(txn)
    }

    fn processes(&mut self) {
        let mut last: BTreeMap<Process, u32> = BTreeMap::new();
        self.timeline.each_moment(|txn, moment| {
            if moment == Moment::Succeeded
                && let Some(before) = last.insert(self.timeline.process(txn), txn)
            {
                self.edge(before, txn, Edge::Process);
            }
        });
    }

    fn realtime(&mut self) {
        let mut barrier: Option<u32> = None;
        let mut invoked_since = true;
        self.timeline.each_moment(|txn, moment| match (moment, barrier) {
            (Moment::Succeeded, _) => {
                if std::mem::take(&mut invoked_since) {
                    let fresh = self.nodes;
                    self.nodes += 1;
                    if let Some(earlier) = barrier.replace(fresh) {
                        self.edges.push(PackedEdge::new(earlier, fresh, Edge::Realtime));
                    }
                }
                if self.followed[txn as usize] {
                    let to = self.nodes - 1;
                    self.edges.push(PackedEdge::new(txn, to, Edge::Realtime));
                }
            }
            (Moment::Invoked, Some(barrier)) => {
                invoked_since = true;
                let outcome = self.outcome(txn);
                self.is_empty &= outcome == Outcome::Open;
                if self.followed[txn as usize] && outcome != Outcome::Fail {
                    self.edges.push(PackedEdge::new(barrier, txn, Edge::Realtime));
                }
            }
            (Moment::Invoked, None) => invoked_since = true,
        });
    }
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
