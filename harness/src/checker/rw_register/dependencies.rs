//! What depends on what: edges from write to write, from write to read and from read to write, out of the
//! order of versions.
//!
//! Only what comes right after a version by some rule makes an edge, as in Elle; longer ways are paths.
//! Transactions of unknown outcome take part once one of their values was read. A transaction that wrote over
//! what it had read is no edge, but where there is one the graph does not count as empty: Elle's reading.

use super::orders::Orders;
use super::versions::{Version, Versions};
use crate::checker::transactional::columns::{Columns, NONE, Outcome};
use crate::checker::transactional::dependencies::{Builder, Dependencies, Order};
use crate::checker::transactional::graph::Edge;
use crate::op::RegisterMop;

/// All dependencies of a history.
pub(super) fn infer(
    columns: &Columns<RegisterMop>,
    versions: &Versions,
    orders: &Orders,
    order: Order,
) -> Dependencies {
    let happened = happened(columns, versions);
    let writers = Writers::new(columns, versions, &happened);
    let mut builder = Builder::new(columns, happened);
    let readers = Readers::new(columns, versions);
    for version in 0..versions.count() as Version {
        let readers = readers.of(version);
        let mut next: Vec<Version> = orders.after(version).iter().map(|after| after.to).collect();
        next.sort_unstable();
        next.dedup();
        let next: Vec<u32> = next.into_iter().filter_map(|version| writers.of(version)).collect();
        let writer = writers.of(version);
        let own = next.iter().copied().chain(writer).find(|txn| readers.binary_search(txn).is_ok());
        own.into_iter().for_each(|txn| builder.depends_on_itself(txn));
        if let Some(writer) = writer {
            readers.iter().for_each(|reader| builder.edge(writer, *reader, Edge::Wr));
            next.iter().for_each(|later| builder.edge(writer, *later, Edge::Ww));
        }
        if !readers.is_empty() && !next.is_empty() {
            builder.overwritten(readers.to_vec(), next);
        }
    }
    builder.finish(order)
}

/// The transactions that succeeded, or whose values were read.
fn happened(columns: &Columns<RegisterMop>, versions: &Versions) -> Vec<bool> {
    let mut happened: Vec<bool> =
        columns.txns.iter().map(|txn| txn.outcome == Outcome::Ok).collect();
    for version in (0..versions.count() as Version).filter(|v| versions.is_read[*v as usize]) {
        if let Some(writer) = versions.writer(version) {
            happened[columns.touches[writer].txn as usize] = true;
        }
    }
    happened
}

/// For each version the transaction that left its key at it, if it happened.
struct Writers(Vec<u32>);

impl Writers {
    fn new(columns: &Columns<RegisterMop>, versions: &Versions, happened: &[bool]) -> Writers {
        let mut writers = vec![NONE; versions.count()];
        for access in (0..columns.keys.len()).flat_map(|row| versions.accesses(row)) {
            if access.write != NONE && happened[access.txn as usize] {
                writers[access.write as usize] = access.txn;
            }
        }
        Writers(writers)
    }

    fn of(&self, version: Version) -> Option<u32> {
        let writer = self.0[version as usize];
        (writer != NONE).then_some(writer)
    }
}

/// For each version the transactions that found its key at it.
struct Readers {
    start: Vec<u32>,
    txns: Vec<u32>,
}

impl Readers {
    fn new(columns: &Columns<RegisterMop>, versions: &Versions) -> Readers {
        let reads = || {
            let accesses = (0..columns.keys.len()).flat_map(|row| versions.accesses(row));
            accesses.filter(|access| access.read != NONE)
        };
        let mut start = vec![0u32; versions.count() + 1];
        reads().for_each(|access| start[access.read as usize + 1] += 1);
        for version in 0..versions.count() {
            start[version + 1] += start[version];
        }
        let mut free = start.clone();
        let mut txns = vec![0u32; reads().count()];
        for access in reads() {
            let slot = &mut free[access.read as usize];
            txns[*slot as usize] = access.txn;
            *slot += 1;
        }
        Readers { start, txns }
    }

    /// Ascending.
    fn of(&self, version: Version) -> &[u32] {
        let version = version as usize;
        &self.txns[self.start[version] as usize..self.start[version + 1] as usize]
    }
}
