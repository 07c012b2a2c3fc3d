//! Anomalies that show without a cycle of transactions: garbage, aborted, intermediate and future reads,
//! internal contradictions, lost updates, and versions that come before each other.
//!
//! One pass over the touches of each key. A version that was written more than once shows nothing.

use super::orders::{Contradiction, Orders};
use super::versions::{Version, Versions};
use crate::checker::transactional::columns::{Columns, NONE, Outcome, Touch};
use crate::checker::transactional::{self, AnomalyType};
use crate::op::{Held, RegisterMop, Value};
use std::collections::BTreeSet;

/// One instance of an anomaly, not yet in words.
#[derive(Clone, Debug)]
pub(super) enum Finding {
    /// Touches show it: the read first, or all that lost an update.
    Seen(AnomalyType, Vec<usize>),
    /// The order of versions shows it.
    Cyclic(Contradiction),
}

impl transactional::Finding for Finding {
    fn anomaly(&self) -> AnomalyType {
        match self {
            Finding::Seen(anomaly, _) => *anomaly,
            Finding::Cyclic(_) => AnomalyType::CyclicVersions,
        }
    }
}

/// Every anomaly that shows without a cycle of transactions, by type and then by the event of its first touch.
pub(super) fn find(
    columns: &Columns<RegisterMop>,
    versions: &Versions,
    orders: &Orders,
) -> Vec<Finding> {
    let mut scan = Scan { columns, versions, found: Vec::new(), internal: Vec::new() };
    for row in 0..columns.keys.len() {
        scan.key(row);
    }
    let Scan { mut found, mut internal, .. } = scan;
    // Elle reports the first contradiction of a transaction only.
    let place = |touch: usize| (columns.touches[touch].txn, columns.touches[touch].index);
    internal.sort_by_key(|touch| place(*touch));
    internal.dedup_by_key(|touch| place(*touch).0);
    found.extend(internal.into_iter().map(|touch| (AnomalyType::Internal, vec![touch])));
    found.sort_by_key(|(anomaly, touches)| {
        let first = touches.first().map(|touch| columns.txn(&columns.touches[*touch]).event);
        (*anomaly, first)
    });
    let found = found.into_iter().map(|(anomaly, touches)| Finding::Seen(anomaly, touches));
    orders.contradictions.iter().cloned().map(Finding::Cyclic).chain(found).collect()
}

struct Scan<'a, 'h> {
    columns: &'a Columns<'h, RegisterMop>,
    versions: &'a Versions,
    found: Vec<(AnomalyType, Vec<usize>)>,
    /// Reads that contradict what their transaction did before.
    internal: Vec<usize>,
}

impl Scan<'_, '_> {
    fn key(&mut self, row: usize) {
        let range = self.columns.touches_of(row);
        let touches = &self.columns.touches[range.clone()];
        let mut garbage = BTreeSet::new();
        let mut updates: Vec<(Version, usize)> = Vec::new();
        let mut from = range.start;
        for run in touches.chunk_by(|a, b| a.txn == b.txn) {
            if self.columns.txns[run[0].txn as usize].outcome == Outcome::Ok {
                self.contradiction(from, run);
                for (i, touch) in run.iter().enumerate() {
                    if matches!(touch.mop, RegisterMop::Read { .. }) {
                        self.read(from + i, &mut garbage);
                    }
                }
                updates.extend(self.update(from, run));
            }
            from += run.len();
        }
        self.lost_updates(updates);
    }

    /// A transaction must read what it last read or wrote.
    fn contradiction(&mut self, from: usize, run: &[Touch<RegisterMop>]) {
        let mut known: Option<Option<Value>> = None;
        for (i, touch) in run.iter().enumerate() {
            let value = match touch.mop {
                RegisterMop::Write { value, .. } => {
                    known = Some(Some(*value));
                    continue;
                }
                RegisterMop::Read { value: Held::Unknown, .. } => continue,
                RegisterMop::Read { value: Held::Nothing, .. } => None,
                RegisterMop::Read { value: Held::Value(value), .. } => Some(*value),
            };
            if known.replace(value).is_some_and(|known| known != value) {
                return self.internal.push(from + i);
            }
        }
    }

    /// What a read says of the transaction that wrote what it saw.
    fn read(&mut self, read: usize, garbage: &mut BTreeSet<Version>) {
        let version = self.versions.of_touch[read];
        if version == NONE || self.versions.value(version).is_none() {
            return;
        }
        let Some(write) = self.versions.writer(version) else {
            // Once for each value: its first reader.
            if garbage.insert(version) {
                self.found.push((AnomalyType::GarbageRead, vec![read]));
            }
            return;
        };
        let (reader, writer) = (self.columns.touches[read], self.columns.touches[write]);
        if reader.txn == writer.txn {
            if reader.index < writer.index {
                self.found.push((AnomalyType::FutureRead, vec![read, write]));
            }
            return;
        }
        if self.columns.txn(&writer).outcome == Outcome::Fail {
            self.found.push((AnomalyType::G1a, vec![read, write]));
        }
        if !self.is_last_write(write) {
            self.found.push((AnomalyType::G1b, vec![read, write]));
        }
    }

    fn is_last_write(&self, write: usize) -> bool {
        let txn = self.columns.touches[write].txn;
        let key = self.columns.touches[write].mop.key();
        let after = self.columns.touches[write + 1..].iter();
        let mut rest = after.take_while(|touch| touch.txn == txn && touch.mop.key() == key);
        !rest.any(|touch| matches!(touch.mop, RegisterMop::Write { .. }))
    }

    /// The first version that a transaction read, if it wrote after that, and the touch that read it.
    fn update(&self, from: usize, run: &[Touch<RegisterMop>]) -> Option<(Version, usize)> {
        let read = run.iter().position(|touch| matches!(touch.mop, RegisterMop::Read { .. }))?;
        let version = self.versions.of_touch[from + read];
        let mut later = run[read..].iter();
        let writes = later.any(|touch| matches!(touch.mop, RegisterMop::Write { .. }));
        (version != NONE && writes).then_some((version, from + read))
    }

    /// Several transactions that read one version and then wrote.
    fn lost_updates(&mut self, mut updates: Vec<(Version, usize)>) {
        updates.sort_unstable();
        for group in updates.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let touches = group.iter().map(|(_, touch)| *touch).collect();
            self.found.push((AnomalyType::LostUpdate, touches));
        }
    }
}
