//! A caller's order of transactions, such as the indices that a replicated log gave them. It is a claim, not
//! evidence: what the history shows against it makes it void.
//!
//! Checked: nobody read a value before it was written, and nothing that had completed comes after what was
//! invoked later. What the versions themselves show is checked where their orders are joined
//! ([`super::orders`]). An order that passes is used for the versions of each key, after every other rule, and
//! what is found with its help names it.
//!
//! Cannot see: a wrong order among transactions that were concurrent. Whoever gives one must know it.

use super::versions::Versions;
use crate::checker::transactional::columns::{Columns, NONE};
use crate::history::Kind;
use crate::op::RegisterMop;
use std::collections::BTreeMap;

/// By the index of a transaction's completion its number; of two, the smaller took effect first. Equal
/// numbers say nothing, and neither does a missing one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderHint(pub BTreeMap<usize, u64>);

impl OrderHint {
    pub(super) fn number(&self, columns: &Columns<RegisterMop>, txn: u32) -> Option<u64> {
        self.0.get(&columns.txns[txn as usize].event).copied()
    }

    /// What the history shows against it, in one sentence.
    pub(super) fn refuted(
        &self,
        columns: &Columns<RegisterMop>,
        versions: &Versions,
    ) -> Option<String> {
        self.read_too_early(columns, versions).or_else(|| self.against_real_time(columns))
    }

    fn read_too_early(
        &self,
        columns: &Columns<RegisterMop>,
        versions: &Versions,
    ) -> Option<String> {
        for access in (0..columns.keys.len()).flat_map(|row| versions.accesses(row)) {
            let writer = Some(access.read).filter(|read| *read != NONE);
            let Some(writer) = writer.and_then(|read| versions.writer(read)) else { continue };
            let writer = columns.touches[writer].txn;
            let numbers = (self.number(columns, writer), self.number(columns, access.txn));
            if let (Some(written), Some(read)) = numbers
                && written > read
            {
                return Some(format!(
                    "event {} has number {written} and wrote what event {}, with number {read}, read",
                    columns.txns[writer as usize].event, columns.txns[access.txn as usize].event
                ));
            }
        }
        None
    }

    fn against_real_time(&self, columns: &Columns<RegisterMop>) -> Option<String> {
        let mut latest: Option<(u64, usize)> = None;
        for (index, event) in columns.history.client_events() {
            let txn = columns.txn_of_event[index];
            let Some(number) = self.number(columns, txn) else { continue };
            match event.kind {
                Kind::Ok => latest = latest.max(Some((number, index))),
                Kind::Invoke => {
                    if let Some((earlier, completed)) = latest.filter(|(l, _)| *l > number) {
                        return Some(format!(
                            "event {completed} has number {earlier} and completed before event {index} \
                             invoked what has number {number}"
                        ));
                    }
                }
                Kind::Fail | Kind::Info => {}
            }
        }
        None
    }
}
