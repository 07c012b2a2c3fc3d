//! Anomalies that show without a cycle: aborted, intermediate, garbage and future reads, duplicate elements,
//! incompatible orders, dirty and lost updates, internal contradictions.
//!
//! One pass over the touches of each key. A read that is a prefix of its key's longest read costs a few
//! comparisons; only one that is not is looked at element by element.

use super::versions::{KeyVersions, Seen, Versions, counts, distinct, first_repeat, read_values};
use crate::checker::transactional::columns::{Columns, NONE, Outcome, Touch};
use crate::checker::transactional::{self, AnomalyType};
use crate::op::{Mop, Value};

/// One instance of an anomaly, not yet in words.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub anomaly: AnomalyType,
    /// The key.
    pub row: usize,
    /// The touches it is about: the read first, or all that lost an update.
    pub touches: Vec<usize>,
    /// The elements it is about.
    pub values: Vec<Value>,
}

impl transactional::Finding for Finding {
    fn anomaly(&self) -> AnomalyType {
        self.anomaly
    }
}

/// Every anomaly that shows without a cycle, by type and then by the event of its first touch.
pub(super) fn find(columns: &Columns<Mop>, versions: &Versions) -> Vec<Finding> {
    let mut scan = Scan { columns, versions, found: Vec::new(), internal: Vec::new() };
    for row in 0..columns.keys.len() {
        scan.key(row);
    }
    let Scan { mut found, mut internal, .. } = scan;
    // Elle reports the first contradiction of a transaction only.
    let place = |finding: &Finding| {
        let touch = &columns.touches[finding.touches[0]];
        (touch.txn, touch.index)
    };
    internal.sort_by_key(place);
    internal.dedup_by_key(|finding| place(finding).0);
    found.extend(internal);
    found.sort_by_key(|finding| {
        let first = finding.touches.first().map(|i| columns.txn(&columns.touches[*i]).event);
        (finding.anomaly, first)
    });
    found
}

struct Scan<'a, 'h> {
    columns: &'a Columns<'h, Mop>,
    versions: &'a Versions<'h>,
    found: Vec<Finding>,
    internal: Vec<Finding>,
}

impl<'h> Scan<'_, 'h> {
    fn key(&mut self, row: usize) {
        let suspects = self.suspects(row);
        let intermediate = self.transactions(row);
        self.reads(row, &suspects, &intermediate);
        if !self.versions.keys[row].agreed {
            self.incompatible_order(row);
        }
        if suspects.any_failed {
            self.dirty_update(row);
        }
    }

    fn report(&mut self, anomaly: AnomalyType, row: usize, touches: &[usize], values: &[Value]) {
        let (touches, values) = (touches.to_vec(), values.to_vec());
        self.found.push(Finding { anomaly, row, touches, values });
    }

    /// Elements of the order that nobody, or only a failed transaction, appended.
    fn suspects(&self, row: usize) -> Suspects {
        let key = &self.versions.keys[row];
        let failed = |txn: u32| self.columns.txns[txn as usize].outcome == Outcome::Fail;
        let any_failed = self.versions.appends_of(row).iter().any(|append| failed(append.txn));
        let mut suspects = Suspects { any_failed, garbage: Vec::new(), failed: Vec::new() };
        for (position, writer) in key.writers.iter().enumerate() {
            if *writer == NONE {
                suspects.garbage.push(position);
            } else if failed(self.versions.appends[*writer as usize].txn) {
                suspects.failed.push(position);
            }
        }
        suspects
    }

    fn reads(&mut self, row: usize, suspects: &Suspects, intermediate: &[(Value, u32)]) {
        let key = &self.versions.keys[row];
        let mut garbage: Vec<Value> = Vec::new();
        for i in self.columns.touches_of(row) {
            let touch = self.columns.touches[i];
            let Some(values) = read_values(touch.mop).filter(|values| !values.is_empty()) else {
                continue;
            };
            let outcome = self.columns.txn(&touch).outcome;
            if !counts(outcome) {
                continue;
            }
            let ok = outcome == Outcome::Ok;
            match self.versions.seen[i] {
                Seen::Prefix(length) if key.repeats_at.is_none() => {
                    self.read_of_prefix(row, i, length as usize, suspects, &mut garbage)
                }
                _ => self.read_of_anything(row, i, values, &mut garbage),
            }
            let last = values[values.len() - 1];
            let at = intermediate.partition_point(|(value, _)| *value <= last);
            let writer = at.checked_sub(1).map(|at| intermediate[at]);
            if ok && writer.is_some_and(|(value, txn)| value == last && txn != touch.txn) {
                self.report(AnomalyType::G1b, row, &[i], &[last]);
            }
        }
    }

    fn read_of_prefix(
        &mut self,
        row: usize,
        touch: usize,
        length: usize,
        suspects: &Suspects,
        garbage: &mut Vec<Value>,
    ) {
        let order = &self.versions.keys[row].order;
        for position in suspects.garbage.iter().take_while(|position| **position < length) {
            self.garbage_read(row, touch, order[*position], garbage);
        }
        if self.columns.txn(&self.columns.touches[touch]).outcome == Outcome::Ok {
            for position in suspects.failed.iter().take_while(|position| **position < length) {
                self.report(AnomalyType::G1a, row, &[touch], &[order[*position]]);
            }
        }
    }

    fn read_of_anything(
        &mut self,
        row: usize,
        touch: usize,
        values: &[Value],
        garbage: &mut Vec<Value>,
    ) {
        if let Some(repeat) = first_repeat(values) {
            self.report(AnomalyType::DuplicateElements, row, &[touch], &[values[repeat]]);
        }
        let ok = self.columns.txn(&self.columns.touches[touch]).outcome == Outcome::Ok;
        for value in distinct(values) {
            match self.versions.append_of(self.columns, row, value) {
                None => self.garbage_read(row, touch, value, garbage),
                Some(append) => {
                    let writer = &self.columns.txns[append.txn as usize];
                    if ok && writer.outcome == Outcome::Fail {
                        self.report(AnomalyType::G1a, row, &[touch], &[value]);
                    }
                }
            }
        }
    }

    /// Once for each element: its first reader.
    fn garbage_read(&mut self, row: usize, touch: usize, value: Value, known: &mut Vec<Value>) {
        if !known.contains(&value) {
            known.push(value);
            self.report(AnomalyType::GarbageRead, row, &[touch], &[value]);
        }
    }

    /// What each transaction does to the key: contradictions, reads of the future, lost updates. Returns the
    /// appends that are not the last of their transaction, by value.
    fn transactions(&mut self, row: usize) -> Vec<(Value, u32)> {
        let mut intermediate = Vec::new();
        let mut updates: Vec<(Version, usize)> = Vec::new();
        let mut from = self.columns.touches_of(row).start;
        let end = self.columns.touches_of(row).end;
        while from < end {
            let txn = self.columns.touches[from].txn;
            let same = self.columns.touches[from..end].iter().take_while(|touch| touch.txn == txn);
            let run = from..from + same.count();
            from = run.end;
            if run.len() == 1 {
                continue;
            }
            self.reordered_appends(row, run.clone());
            let mut last_append: Option<Value> = None;
            for touch in &self.columns.touches[run.clone()] {
                if let Mop::Append { value, .. } = touch.mop {
                    intermediate.extend(last_append.replace(*value).map(|earlier| (earlier, txn)));
                }
            }
            if self.columns.txns[txn as usize].outcome == Outcome::Ok {
                self.contradiction(row, run.clone());
                self.future_read(row, run.clone());
                updates.extend(self.update(run));
            }
        }
        self.lost_updates(row, updates);
        intermediate.sort_unstable();
        intermediate
    }

    fn contradiction(&mut self, row: usize, run: std::ops::Range<usize>) {
        let mut expected = Expected::Anything;
        for i in run {
            match self.columns.touches[i].mop {
                Mop::Append { value, .. } => expected.append(*value),
                Mop::Read { values, .. } => {
                    if !expected.allows(values.as_deref()) {
                        let anomaly = AnomalyType::Internal;
                        let touches = vec![i];
                        self.internal.push(Finding { anomaly, row, touches, values: Vec::new() });
                        return;
                    }
                    expected = Expected::Exactly(values.as_deref(), Vec::new());
                }
            }
        }
    }

    /// The order between transactions says nothing of it: its edges would lead from a transaction to itself.
    fn reordered_appends(&mut self, row: usize, run: std::ops::Range<usize>) {
        let Some(witness) = self.versions.keys[row].witness else { return };
        let mut before: Option<(u32, Value)> = None;
        for i in run {
            let Mop::Append { value, .. } = self.columns.touches[i].mop else { continue };
            let append = self.versions.append_of(self.columns, row, *value);
            let position = append.map_or(NONE, |append| append.position);
            if position == NONE {
                continue;
            }
            if let Some((earlier, first)) = before.replace((position, *value))
                && earlier > position
            {
                self.report(AnomalyType::ReorderedAppends, row, &[witness], &[first, *value]);
                return;
            }
        }
    }

    fn future_read(&mut self, row: usize, run: std::ops::Range<usize>) {
        for i in run.clone() {
            let Mop::Append { value, .. } = self.columns.touches[i].mop else { continue };
            let append = self.versions.append_of(self.columns, row, *value);
            let position = append.map_or(NONE, |append| append.position);
            for j in run.start..i {
                let early = match (self.versions.seen[j], self.versions.keys[row].repeats_at) {
                    (Seen::Nothing | Seen::Initial, _) => false,
                    (Seen::Prefix(length), None) => position < length,
                    _ => read_values(self.columns.touches[j].mop)
                        .is_some_and(|values| values.contains(value)),
                };
                if early {
                    self.report(AnomalyType::FutureRead, row, &[j, i], &[*value]);
                    break;
                }
            }
        }
    }

    /// The version that a transaction read before it appended, and the touch that read it.
    fn update(&self, run: std::ops::Range<usize>) -> Option<(Version<'h>, usize)> {
        let Touch { mop: Mop::Read { values, .. }, .. } = self.columns.touches[run.start] else {
            return None;
        };
        let mut rest = self.columns.touches[run.clone()].iter();
        rest.any(|touch| matches!(touch.mop, Mop::Append { .. })).then_some(())?;
        let version = match (values, self.versions.seen[run.start]) {
            (None, _) => Version::Nil,
            (Some(_), Seen::Prefix(length)) => Version::Prefix(length),
            (Some(values), _) => Version::Other(values),
        };
        Some((version, run.start))
    }

    fn lost_updates(&mut self, row: usize, mut updates: Vec<(Version, usize)>) {
        updates.sort_unstable();
        for group in updates.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            let touches: Vec<usize> = group.iter().map(|(_, touch)| *touch).collect();
            self.report(AnomalyType::LostUpdate, row, &touches, &[]);
        }
    }

    /// The first two neighbours, by length, of which the shorter is no prefix of the longer.
    fn incompatible_order(&mut self, row: usize) {
        let mut reads: Vec<(&[Value], usize)> = Vec::new();
        for i in self.columns.touches_of(row) {
            let touch = &self.columns.touches[i];
            if let Some(values @ [_, ..]) = read_values(touch.mop)
                && counts(self.columns.txn(touch).outcome)
            {
                reads.push((values, i));
            }
        }
        reads.sort_by_key(|(values, touch)| (values.len(), *values, *touch));
        reads.dedup_by_key(|(values, _)| *values);
        let pair = reads.windows(2).find(|pair| !pair[1].0.starts_with(pair[0].0));
        if let Some([(_, shorter), (_, longer)]) = pair {
            self.report(AnomalyType::IncompatibleOrder, row, &[*shorter, *longer], &[]);
        }
    }

    /// Walks the longest read of anyone, failed readers too: from a failed append to an acknowledged one.
    fn dirty_update(&mut self, row: usize) {
        let key: &KeyVersions = &self.versions.keys[row];
        let mut longest = (key.longest, key.witness);
        for i in self.columns.touches_of(row) {
            let touch = &self.columns.touches[i];
            if let Some(values) = read_values(touch.mop)
                && self.columns.txn(touch).outcome == Outcome::Fail
                && values.len() > longest.0.len()
            {
                longest = (values, Some(i));
            }
        }
        let mut aborted: Option<Value> = None;
        for value in distinct(longest.0) {
            let Some(append) = self.versions.append_of(self.columns, row, value) else { continue };
            match self.columns.txns[append.txn as usize].outcome {
                Outcome::Fail => aborted = aborted.or(Some(value)),
                Outcome::Info | Outcome::Open => {}
                Outcome::Ok => {
                    if let (Some(failed), Some(witness)) = (aborted.take(), longest.1) {
                        let anomaly = AnomalyType::DirtyUpdate;
                        self.report(anomaly, row, &[witness], &[failed, value]);
                    }
                }
            }
        }
    }
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
enum Expected<'h> {
    Anything,
    Suffix(Vec<Value>),
    Exactly(Option<&'h [Value]>, Vec<Value>),
}

impl Expected<'_> {
    fn append(&mut self, value: Value) {
        match self {
            // What follows a nil read is unknown to Elle.
            Expected::Anything | Expected::Exactly(None, _) => {
                *self = Expected::Suffix(vec![value])
            }
            Expected::Suffix(own) | Expected::Exactly(_, own) => own.push(value),
        }
    }

    fn allows(&self, read: Option<&[Value]>) -> bool {
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
