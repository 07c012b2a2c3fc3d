//! What depends on what: edges from write to write, from write to read and from read to write, out of the
//! version orders.
//!
//! Transactions of unknown outcome take part; one that nothing can follow (it appended nothing that was seen,
//! and read nothing) closes no cycle.

use super::touches::Touches;
use super::versions::{Seen, Versions};
use crate::checker::transactional::dependencies::{Builder, Dependencies, Order};
use crate::checker::transactional::graph::Edge;
use crate::columns::{NONE, Outcome};

/// The dependencies of a history but for those with transactions that lie on no cycle. The error is what makes it
/// impossible to order its versions.
pub(super) fn infer(
    all: &Touches,
    on_no_cycle: &[bool],
    order: Order,
) -> Result<Dependencies, String> {
    let mut followed = followed(all)?;
    followed.iter_mut().zip(on_no_cycle).for_each(|(followed, taken)| *followed &= !taken);
    let mut lists = Lists { all, builder: Builder::new(all, followed) };
    for row in 0..all.rows() {
        let versions = Versions::new(all, row)?;
        lists.appends(&versions);
        lists.reads(&versions);
    }
    Ok(lists.builder.finish(order))
}

/// Whether no transaction depends on another.
pub(super) fn is_empty(all: &Touches, order: Order) -> Result<bool, String> {
    let mut lists = Lists { all, builder: Builder::new(all, vec![false; all.columns.len()]) };
    for row in 0..all.rows() {
        let versions = Versions::new(all, row)?;
        lists.appends(&versions);
        lists.reads(&versions);
        if !lists.builder.is_empty() {
            return Ok(false);
        }
    }
    Ok(lists.builder.finish(order).is_empty)
}

/// The transactions that something may come after.
fn followed(all: &Touches) -> Result<Vec<bool>, String> {
    let succeeded = |txn| all.columns.outcome(txn) == Outcome::Ok;
    let mut followed: Vec<bool> = (0..all.columns.len()).map(succeeded).collect();
    for row in 0..all.rows() {
        let versions = Versions::new(all, row)?;
        let writers = (0..versions.writers.len()).filter_map(|at| versions.writer(at));
        writers.for_each(|writer| followed[writer as usize] = true);
        for (touch, seen) in versions.touches.iter().zip(&versions.seen) {
            if *seen == Seen::Nothing {
                continue;
            }
            followed[touch.txn as usize] = true;
            if *seen == Seen::Off
                && let Some(last) = all.values(row, *touch).and_then(<[_]>::last)
                && let Some(append) = versions.append_of(all, *last)
            {
                followed[append.txn as usize] = true;
            }
        }
    }
    Ok(followed)
}

struct Lists<'a, 'c> {
    all: &'a Touches<'c>,
    builder: Builder<'a, Touches<'c>>,
}

impl Lists<'_, '_> {
    fn appends(&mut self, versions: &Versions) {
        for append in &versions.appends {
            let unseen = append.position == NONE;
            let before = if unseen { versions.order.len() } else { append.position as usize };
            if let Some(writer) = before.checked_sub(1).and_then(|last| versions.writer(last)) {
                self.builder.edge(writer, append.txn, Edge::Ww);
            }
        }
    }

    fn reads(&mut self, versions: &Versions) {
        let mut readers_of_last = Vec::new();
        for (i, touch) in versions.touches.iter().enumerate() {
            if versions.seen[i] == Seen::Nothing || touch.outcome() == Outcome::Fail {
                continue;
            }
            let last = versions.last_seen(self.all, i);
            let writer = match last {
                Some(last) => last.and_then(|last| versions.writer(last)),
                None => self.writer_of_unordered(versions, i),
            };
            if let Some(writer) = writer {
                self.builder.edge(writer, touch.txn, Edge::Wr);
            }
            let Some(last) = last else { continue };
            let next = last.map_or(0, |last| last + 1);
            if next < versions.order.len() {
                if let Some(writer) = versions.writer(next) {
                    self.builder.edge(touch.txn, writer, Edge::Rw);
                }
            } else {
                readers_of_last.push(touch.txn);
            }
        }
        self.unseen(versions, readers_of_last);
    }

    /// Each reader of the last version comes before every append that nobody saw.
    fn unseen(&mut self, versions: &Versions, readers: Vec<u32>) {
        let unseen = versions.appends.iter().filter(|append| append.position == NONE);
        let writers = unseen.map(|append| append.txn).collect();
        self.builder.overwritten(readers, writers);
    }

    /// Who appended the last element of a read that the version order does not hold.
    fn writer_of_unordered(&self, versions: &Versions, touch: usize) -> Option<u32> {
        let last = self.all.values(versions.row, versions.touches[touch])?.last()?;
        versions.append_of(self.all, *last).map(|append| append.txn)
    }
}
