//! Anomalies that show without a cycle: aborted, intermediate, garbage and future reads, duplicate elements,
//! incompatible orders, dirty and lost updates, internal contradictions.
//!
//! One pass over the touches of a key. A read that is a prefix of its key's longest read costs a few
//! comparisons; only one that is not is looked at element by element.

use super::touches::{Touch, Touches};
use super::versions::{Seen, Versions, counts, distinct, first_repeat};
use crate::checker::transactional::{self, AnomalyType};
use crate::columns::{NONE, Outcome};
use crate::op::Value;
use std::collections::BTreeSet;
use std::ops::Range;

/// One instance of an anomaly, not yet in words.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub anomaly: AnomalyType,
    /// The key.
    pub row: usize,
    /// The key's touches that it is about: the read first, or all that lost an update.
    pub touches: Vec<usize>,
    /// The elements it is about.
    pub values: Vec<Value>,
}

impl transactional::Finding for Finding {
    fn anomaly(&self) -> AnomalyType {
        self.anomaly
    }
}

/// What shows in some keys without a cycle, each key after the one before.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    internal: Vec<Finding>,
}

impl Findings {
    /// Those of one more key.
    pub fn add(&mut self, all: &Touches, versions: &Versions) {
        let scan = Scan { all, versions, found: &mut self.found, internal: &mut self.internal };
        scan.key();
    }

    /// Those of keys that come after.
    pub fn extend(&mut self, later: Findings) {
        self.found.extend(later.found);
        self.internal.extend(later.internal);
    }

    /// By type and then by the event of the first touch.
    pub fn sorted(self, all: &Touches) -> Vec<Finding> {
        let Findings { mut found, mut internal } = self;
        // Elle reports the first contradiction of a transaction only.
        let place = |finding: &Finding| {
            let touch = all.of(finding.row)[finding.touches[0]];
            (touch.txn, touch.index())
        };
        internal.sort_by_key(place);
        internal.dedup_by_key(|finding| place(finding).0);
        found.extend(internal);
        found.sort_by_key(|finding| {
            let first = finding.touches.first().map(|i| all.of(finding.row)[*i].txn);
            (finding.anomaly, first.map(|txn| all.event(txn)))
        });
        found
    }
}

struct Scan<'a, 'c> {
    all: &'a Touches<'c>,
    versions: &'a Versions<'a>,
    found: &'a mut Vec<Finding>,
    internal: &'a mut Vec<Finding>,
}

impl<'a> Scan<'a, '_> {
    fn key(mut self) {
        let suspects = self.suspects();
        let intermediate = self.transactions();
        self.reads(&suspects, &intermediate);
        if !self.versions.agreed {
            self.incompatible_order();
        }
        if suspects.any_failed {
            self.dirty_update();
        }
    }

    fn report(&mut self, anomaly: AnomalyType, touches: &[usize], values: &[Value]) {
        let (row, touches, values) = (self.versions.row, touches.to_vec(), values.to_vec());
        self.found.push(Finding { anomaly, row, touches, values });
    }

    fn touch(&self, touch: usize) -> Touch {
        self.versions.touches[touch]
    }

    fn values(&self, touch: usize) -> Option<&'a [Value]> {
        self.all.values(self.versions.row, self.touch(touch))
    }

    fn appended(&self, touch: usize) -> Option<Value> {
        self.all.appended(self.touch(touch))
    }

    /// The position of an element in the version order, or [`NONE`].
    fn position(&self, value: Value) -> u32 {
        self.versions.append_of(self.all, value).map_or(NONE, |append| append.position)
    }

    fn failed(&self, txn: u32) -> bool {
        self.all.columns.outcome(txn as usize) == Outcome::Fail
    }

    /// Elements of the order that nobody, or only a failed transaction, appended.
    fn suspects(&self) -> Suspects {
        let any_failed = self.versions.appends.iter().any(|append| self.failed(append.txn));
        let mut suspects = Suspects { any_failed, garbage: Vec::new(), failed: Vec::new() };
        for position in 0..self.versions.order.len() {
            match self.versions.writer(position) {
                None => suspects.garbage.push(position),
                Some(txn) if self.failed(txn) => suspects.failed.push(position),
                Some(_) => {}
            }
        }
        suspects
    }

    fn reads(&mut self, suspects: &Suspects, intermediate: &[(Value, u32)]) {
        let mut garbage = BTreeSet::new();
        for (i, touch) in self.versions.touches.iter().enumerate() {
            let values = self.values(i).filter(|values| !values.is_empty());
            let Some(values) = values.filter(|_| counts(touch.outcome())) else { continue };
            let ok = touch.outcome() == Outcome::Ok;
            match self.versions.seen[i] {
                Seen::Prefix(length) if self.versions.repeats_at.is_none() => {
                    self.read_of_prefix(i, length as usize, suspects, &mut garbage)
                }
                _ => self.read_of_anything(i, values, &mut garbage),
            }
            let last = values[values.len() - 1];
            let at = intermediate.partition_point(|(value, _)| *value <= last);
            let writer = at.checked_sub(1).map(|at| intermediate[at]);
            if ok && writer.is_some_and(|(value, txn)| value == last && txn != touch.txn) {
                self.report(AnomalyType::G1b, &[i], &[last]);
            }
        }
    }

    fn read_of_prefix(
        &mut self,
        touch: usize,
        length: usize,
        suspects: &Suspects,
        garbage: &mut BTreeSet<Value>,
    ) {
        let order = &self.versions.order;
        for position in suspects.garbage.iter().take_while(|position| **position < length) {
            self.garbage_read(touch, order[*position], garbage);
        }
        if self.touch(touch).outcome() == Outcome::Ok {
            for position in suspects.failed.iter().take_while(|position| **position < length) {
                self.report(AnomalyType::G1a, &[touch], &[order[*position]]);
            }
        }
    }

    fn read_of_anything(&mut self, touch: usize, values: &[Value], garbage: &mut BTreeSet<Value>) {
        if let Some(repeat) = first_repeat(values) {
            self.report(AnomalyType::DuplicateElements, &[touch], &[values[repeat]]);
        }
        let ok = self.touch(touch).outcome() == Outcome::Ok;
        for value in distinct(values) {
            match self.versions.append_of(self.all, value) {
                None => self.garbage_read(touch, value, garbage),
                Some(append) if ok && self.failed(append.txn) => {
                    self.report(AnomalyType::G1a, &[touch], &[value]);
                }
                Some(_) => {}
            }
        }
    }

    /// Once for each element: its first reader.
    fn garbage_read(&mut self, touch: usize, value: Value, known: &mut BTreeSet<Value>) {
        if known.insert(value) {
            self.report(AnomalyType::GarbageRead, &[touch], &[value]);
        }
    }

    /// What each transaction does to the key: contradictions, reads of the future, lost updates. Returns the
    /// appends that are not the last of their transaction, by value.
    fn transactions(&mut self) -> Vec<(Value, u32)> {
        let mut intermediate = Vec::new();
        let mut updates: Vec<(Version, usize)> = Vec::new();
        for run in runs(self.versions.touches) {
            if run.len() == 1 {
                continue;
            }
            let Touch { txn, .. } = self.touch(run.start);
            self.reordered_appends(run.clone());
            let mut last_append: Option<Value> = None;
            for value in run.clone().filter_map(|i| self.appended(i)) {
                intermediate.extend(last_append.replace(value).map(|earlier| (earlier, txn)));
            }
            if self.touch(run.start).outcome() == Outcome::Ok {
                self.contradiction(run.clone());
                self.future_read(run.clone());
                updates.extend(self.update(run));
            }
        }
        self.lost_updates(updates);
        intermediate.sort_unstable();
        intermediate
    }

    fn contradiction(&mut self, run: Range<usize>) {
        let mut expected = Expected::Anything;
        for i in run {
            if let Some(value) = self.appended(i) {
                expected.append(value);
                continue;
            }
            let values = self.values(i);
            if !expected.allows(values) {
                let (anomaly, row) = (AnomalyType::Internal, self.versions.row);
                self.internal.push(Finding { anomaly, row, touches: vec![i], values: Vec::new() });
                return;
            }
            expected = Expected::Exactly(values, Vec::new());
        }
    }

    /// The order between transactions says nothing of it: its edges would lead from a transaction to itself.
    fn reordered_appends(&mut self, run: Range<usize>) {
        let Some(witness) = self.versions.witness else { return };
        let mut before: Option<(u32, Value)> = None;
        for value in run.filter_map(|i| self.appended(i)) {
            let position = self.position(value);
            if position == NONE {
                continue;
            }
            if let Some((earlier, first)) = before.replace((position, value))
                && earlier > position
            {
                self.report(AnomalyType::ReorderedAppends, &[witness], &[first, value]);
                return;
            }
        }
    }

    fn future_read(&mut self, run: Range<usize>) {
        for i in run.clone() {
            let Some(value) = self.appended(i) else { continue };
            let position = self.position(value);
            for j in run.start..i {
                let early = match (self.versions.seen[j], self.versions.repeats_at) {
                    (Seen::Nothing | Seen::Initial, _) => false,
                    (Seen::Prefix(length), None) => position < length,
                    _ => self.values(j).is_some_and(|values| values.contains(&value)),
                };
                if early {
                    self.report(AnomalyType::FutureRead, &[j, i], &[value]);
                    break;
                }
            }
        }
    }

    /// The version that a transaction read before it appended, and the touch that read it.
    fn update(&self, run: Range<usize>) -> Option<(Version<'a>, usize)> {
        let first = run.start;
        if self.touch(first).appends() || !run.into_iter().any(|i| self.touch(i).appends()) {
            return None;
        }
        let version = match (self.values(first), self.versions.seen[first]) {
            (None, _) => Version::Nil,
            (Some(_), Seen::Prefix(length)) => Version::Prefix(length),
            (Some(values), _) => Version::Other(values),
        };
        Some((version, first))
    }

    fn lost_updates(&mut self, mut updates: Vec<(Version, usize)>) {
        updates.sort_unstable();
        for group in updates.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let touches: Vec<usize> = group.iter().map(|(_, touch)| *touch).collect();
            self.report(AnomalyType::LostUpdate, &touches, &[]);
        }
    }

    /// The first two neighbours, by length, of which the shorter is no prefix of the longer.
    fn incompatible_order(&mut self) {
        let mut reads: Vec<(&[Value], usize)> = Vec::new();
        for (i, touch) in self.versions.touches.iter().enumerate() {
            if let Some(values @ [_, ..]) = self.values(i)
                && counts(touch.outcome())
            {
                reads.push((values, i));
            }
        }
        reads.sort_by_key(|(values, touch)| (values.len(), *values, *touch));
        reads.dedup_by_key(|(values, _)| *values);
        let pair = reads.windows(2).find(|pair| !pair[1].0.starts_with(pair[0].0));
        if let Some([(_, shorter), (_, longer)]) = pair {
            self.report(AnomalyType::IncompatibleOrder, &[*shorter, *longer], &[]);
        }
    }

    /// Walks the longest read of anyone, failed readers too: from a failed append to an acknowledged one.
    fn dirty_update(&mut self) {
        let mut longest = (self.versions.longest, self.versions.witness);
        for (i, touch) in self.versions.touches.iter().enumerate() {
            if let Some(values) = self.values(i)
                && touch.outcome() == Outcome::Fail
                && values.len() > longest.0.len()
            {
                longest = (values, Some(i));
            }
        }
        let mut aborted: Option<Value> = None;
        for value in distinct(longest.0) {
            let Some(append) = self.versions.append_of(self.all, value) else { continue };
            match self.all.columns.outcome(append.txn as usize) {
                Outcome::Fail => aborted = aborted.or(Some(value)),
                Outcome::Info | Outcome::Open => {}
                Outcome::Ok => {
                    if let (Some(failed), Some(witness)) = (aborted.take(), longest.1) {
                        self.report(AnomalyType::DirtyUpdate, &[witness], &[failed, value]);
                    }
                }
            }
        }
    }
}

/// The touches of each transaction.
pub(super) fn runs(touches: &[Touch]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    touches.chunk_by(|a, b| a.txn == b.txn).map(move |run| {
        let range = from..from + run.len();
        from = range.end;
        range
    })
}

struct Suspects {
    any_failed: bool,
    garbage: Vec<usize>,
    failed: Vec<usize>,
}

/// A version of a key as one read showed it. `nil` and `[]` differ, as in Elle.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version<'h> {
    Nil,
    Prefix(u32),
    Other(&'h [Value]),
}

/// What a transaction must read next.
pub(super) enum Expected<'h> {
    Anything,
    Suffix(Vec<Value>),
    Exactly(Option<&'h [Value]>, Vec<Value>),
}

impl Expected<'_> {
    /// Its next append.
    pub fn append(&mut self, value: Value) {
        match self {
            // What follows a nil read is unknown to Elle.
            Expected::Anything | Expected::Exactly(None, _) => {
                *self = Expected::Suffix(vec![value])
            }
            Expected::Suffix(own) | Expected::Exactly(_, own) => own.push(value),
        }
    }

    /// Whether it may read that.
    pub fn allows(&self, read: Option<&[Value]>) -> bool {
        match self {
            Expected::Anything => true,
            Expected::Suffix(own) => read.unwrap_or(&[]).ends_with(own),
            Expected::Exactly(None, _) => read.is_none(),
            Expected::Exactly(Some(base), own) => read.is_some_and(|values| {
                values.len() == base.len() + own.len()
                    && values.starts_with(base)
                    && values.ends_with(own)
            }),
        }
    }
}
