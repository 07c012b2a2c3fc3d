//! What depends on what: edges from write to write, from write to read and from read to write, out of the
//! version orders.
//!
//! Transactions of unknown outcome take part; one that nothing can follow (it appended nothing that was seen,
//! and read nothing) closes no cycle.

use super::versions::{Seen, Versions, read_values};
use crate::checker::transactional::columns::{Columns, NONE, Outcome};
use crate::checker::transactional::dependencies::{Builder, Dependencies, Order};
use crate::checker::transactional::graph::Edge;
use crate::op::Mop;

/// All dependencies of a history.
pub(super) fn infer(columns: &Columns<Mop>, versions: &Versions, order: Order) -> Dependencies {
    let builder = Builder::new(columns, followed(columns, versions));
    let mut lists = Lists { columns, versions, builder };
    for row in 0..columns.keys.len() {
        lists.appends(row);
        lists.reads(row);
    }
    lists.builder.finish(order)
}

/// The transactions that something may come after.
fn followed(columns: &Columns<Mop>, versions: &Versions) -> Vec<bool> {
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

struct Lists<'a, 'h> {
    columns: &'a Columns<'h, Mop>,
    versions: &'a Versions<'h>,
    builder: Builder<'a, 'h, Mop>,
}

impl Lists<'_, '_> {
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
                self.builder.edge(writer, append.txn, Edge::Ww);
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
                self.builder.edge(writer, touch.txn, Edge::Wr);
            }
            let Some(last) = last else { continue };
            let next = last.map_or(0, |last| last + 1);
            if next < length {
                if let Some(writer) = self.writer(row, next) {
                    self.builder.edge(touch.txn, writer, Edge::Rw);
                }
            } else {
                readers_of_last.push(touch.txn);
            }
        }
        self.unseen(row, readers_of_last);
    }

    /// Each reader of the last version comes before every append that nobody saw.
    fn unseen(&mut self, row: usize, readers: Vec<u32>) {
        let unseen = self.versions.appends_of(row).iter().filter(|append| append.position == NONE);
        let writers = unseen.map(|append| append.txn).collect();
        self.builder.overwritten(readers, writers);
    }

    /// Who appended the last element of a read that the version order does not hold.
    fn writer_of_unordered(&self, row: usize, mop: &Mop) -> Option<u32> {
        let last = read_values(mop)?.last()?;
        self.versions.append_of(self.columns, row, *last).map(|append| append.txn)
    }
}
