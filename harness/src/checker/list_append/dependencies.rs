//! What depends on what: edges from write to write, from write to read and from read to write, out of the
//! version orders.
//!
//! Transactions of unknown outcome take part; one that nothing can follow (it appended nothing that was seen,
//! and read nothing) closes no cycle.

use super::replay::{slots_of, takes_part};
use super::slots::Slots;
use super::touches::Touches;
use super::versions::{Seen, Versions};
use crate::checker::transactional::dependencies::{Builder, Dependencies, Order};
use crate::checker::transactional::graph::Edge;
use crate::columns::{NONE, Outcome};

/// The dependencies of a history but for those with transactions that lie on no cycle: of some rows out of their versions, of
/// all others as their slots show them, which costs a fraction. The error is what makes it
/// impossible to order versions.
pub(super) fn infer(
    all: &Touches,
    slots: Option<&Slots>,
    careful: &[usize],
    on_no_cycle: &[bool],
    order: Order,
) -> Result<Dependencies, String> {
    let mut followed = followed(all, careful)?;
    for (txn, followed) in followed.iter_mut().enumerate() {
        let takes_part = |slots| takes_part(all.columns, slots, txn);
        *followed = !on_no_cycle[txn] && (*followed || slots.is_some_and(takes_part));
    }
    let mut builder = Builder::new(all, followed);
    if let Some(slots) = slots {
        of_slots(all, slots, &mut builder);
    }
    let mut lists = Lists { all, builder };
    for row in careful {
        let versions = Versions::new(all, *row)?;
        lists.appends(&versions);
        lists.reads(&versions);
    }
    Ok(lists.builder.finish(order))
}

/// What the slots show.
fn of_slots(all: &Touches, slots: &Slots, builder: &mut Builder<Touches>) {
    // Of each key's last slot, where no append has its place: who read the last version, and whose append nobody saw.
    let mut last = Vec::new();
    for txn in 0..all.columns.len() as u32 {
        for (slot, appends) in slots_of(all.columns, slots, txn as usize) {
            if let Some(before) = slots.writer_before(slot) {
                builder.edge(before, txn, if appends { Edge::Ww } else { Edge::Wr });
            }
            match slots.writers[slot] {
                NONE => last.push((slot, appends, txn)),
                writer if !appends => builder.edge(txn, writer, Edge::Rw),
                _ => {}
            }
        }
    }
    last.sort_unstable();
    for key in last.chunk_by(|a, b| a.0 == b.0) {
        let (readers, unseen) = key.split_at(key.partition_point(|(_, appends, _)| !appends));
        let txns = |part: &[(usize, bool, u32)]| part.iter().map(|(.., txn)| *txn).collect();
        builder.overwritten(txns(readers), txns(unseen));
    }
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

/// The transactions that something may come after, as far as their success and some rows tell.
fn followed(all: &Touches, rows: &[usize]) -> Result<Vec<bool>, String> {
    let succeeded = |txn| all.columns.outcome(txn) == Outcome::Ok;
    let mut followed: Vec<bool> = (0..all.columns.len()).map(succeeded).collect();
    for row in rows.iter().copied() {
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
