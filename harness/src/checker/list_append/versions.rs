//! Version orders: for each key, in which order its elements were appended, as its longest read shows.
//!
//! Elements that no longest read holds are *unseen*: they come after the last seen one, in no order among
//! themselves. A key never read but appended to once has that append for its order, as in Elle. Of two
//! different longest reads of equal length the first in the history counts (Elle leaves it to hash order).

use crate::checker::transactional::columns::{Columns, MicroOp, NONE, Outcome, Touch};
use crate::op::{Key, Mop, Op, Value};
use std::borrow::Cow;
use std::ops::Range;

impl MicroOp for Mop {
    fn all(op: &Op) -> &[Mop] {
        op.mops()
    }

    fn key(&self) -> Key {
        Mop::key(self)
    }
}

/// An append.
#[derive(Clone, Copy, Debug)]
pub(super) struct Append {
    pub value: Value,
    pub txn: u32,
    /// Its position in the transaction.
    pub index: u32,
    /// Its position in the version order of its key, [`NONE`] while unseen.
    pub position: u32,
}

/// What a read shows of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Not a read, or nobody knows what it read.
    Nothing,
    /// The empty list.
    Initial,
    /// That many elements of the longest read, from its beginning.
    Prefix(u32),
    /// Something that is no prefix of the longest read.
    Off,
}

/// One key.
#[derive(Debug)]
pub(super) struct KeyVersions<'h> {
    /// The longest read, empty if there is none.
    pub longest: &'h [Value],
    /// The touch that read it.
    pub witness: Option<usize>,
    /// The elements in the order of their appends, each once.
    pub order: Cow<'h, [Value]>,
    /// Position of the second of two equal elements in the longest read.
    pub repeats_at: Option<usize>,
    /// Whether every read is a prefix of the longest.
    pub agreed: bool,
    appends: Range<usize>,
    /// For each element of the order its append in [`Versions::appends`], or [`NONE`].
    pub writers: Vec<u32>,
}

/// All keys.
#[derive(Debug)]
pub(super) struct Versions<'h> {
    /// By row of the columns.
    pub keys: Vec<KeyVersions<'h>>,
    /// By row, then by value, then by transaction.
    pub appends: Vec<Append>,
    /// For each touch what it shows.
    pub seen: Vec<Seen>,
}

impl<'h> Versions<'h> {
    /// Orders the versions of every key. The error is what makes it impossible, in one sentence.
    pub fn new(columns: &Columns<'h, Mop>) -> Result<Versions<'h>, String> {
        let mut versions = Versions {
            keys: Vec::with_capacity(columns.keys.len()),
            appends: Vec::with_capacity(columns.touches.len()),
            seen: vec![Seen::Nothing; columns.touches.len()],
        };
        for row in 0..columns.keys.len() {
            let appends = versions.collect_appends(columns, row);
            versions.refuse_double_appends(columns, row, appends.clone())?;
            let key = versions.order(columns, row, appends);
            versions.keys.push(key);
        }
        Ok(versions)
    }

    /// The appends of a row, by value.
    pub fn appends_of(&self, row: usize) -> &[Append] {
        &self.appends[self.keys[row].appends.clone()]
    }

    /// The append of a value to a row: of several (only bare completions can have them) the last that did
    /// not fail.
    pub fn append_of(&self, columns: &Columns<Mop>, row: usize, value: Value) -> Option<&Append> {
        self.find(columns, self.keys[row].appends.clone(), value).map(|i| &self.appends[i])
    }

    /// The position in the version order of the last element that a touch shows: `None` if that is not in
    /// the order, `Some(None)` for the initial state.
    pub fn last_seen(&self, row: usize, touch: &Touch<Mop>, seen: Seen) -> Option<Option<usize>> {
        let key = &self.keys[row];
        match seen {
            Seen::Nothing => None,
            Seen::Initial => Some(None),
            Seen::Prefix(length) if key.repeats_at.is_none() => Some(Some(length as usize - 1)),
            Seen::Prefix(_) | Seen::Off => {
                let last = read_values(touch.mop)?.last()?;
                key.order.iter().position(|value| value == last).map(Some)
            }
        }
    }

    fn collect_appends(&mut self, columns: &Columns<Mop>, row: usize) -> Range<usize> {
        let from = self.appends.len();
        for touch in &columns.touches[columns.touches_of(row)] {
            if let Mop::Append { value, .. } = touch.mop {
                let (txn, index) = (touch.txn, touch.index);
                self.appends.push(Append { value: *value, txn, index, position: NONE });
            }
        }
        self.appends[from..]
            .sort_unstable_by_key(|append| (append.value, append.txn, append.index));
        from..self.appends.len()
    }

    fn refuse_double_appends(
        &self,
        columns: &Columns<Mop>,
        row: usize,
        appends: Range<usize>,
    ) -> Result<(), String> {
        for pair in self.appends[appends].windows(2) {
            let invoked = |append: &Append| columns.txns[append.txn as usize].invoked;
            if pair[0].value != pair[1].value {
                continue;
            }
            if let (Some(first), Some(second)) = (invoked(&pair[0]), invoked(&pair[1])) {
                return Err(format!(
                    "value {} is appended to key {} by events {first} and {second}: \
                     an element must be unique within its key",
                    pair[0].value, columns.keys[row]
                ));
            }
        }
        Ok(())
    }

    fn find(&self, columns: &Columns<Mop>, range: Range<usize>, value: Value) -> Option<usize> {
        let appends = &self.appends[range.clone()];
        let from = appends.partition_point(|append| append.value < value);
        let same = appends[from..].iter().take_while(|append| append.value == value).count();
        let failed = |i: &usize| columns.txns[appends[*i].txn as usize].outcome == Outcome::Fail;
        let equal = from..from + same;
        let best = equal.clone().rev().find(|i| !failed(i)).or(equal.last());
        best.map(|i| range.start + i)
    }

    fn order(
        &mut self,
        columns: &Columns<'h, Mop>,
        row: usize,
        appends: Range<usize>,
    ) -> KeyVersions<'h> {
        let (witness, longest) = longest_read(columns, row);
        let agreed = self.compare_reads(columns, row, longest);
        let repeats_at = first_repeat(longest);
        let order: Cow<'h, [Value]> = match repeats_at {
            None if longest.is_empty() => Cow::Owned(self.only_append(columns, appends.clone())),
            None => Cow::Borrowed(longest),
            Some(_) => Cow::Owned(distinct(longest)),
        };
        let mut writers = Vec::with_capacity(order.len());
        for (position, value) in order.iter().enumerate() {
            let writer = self.find(columns, appends.clone(), *value);
            writers.push(writer.map_or(NONE, |i| i as u32));
            let Some(writer) = writer else { continue };
            // Equal values (of bare completions) stand at one position.
            let equal = self.appends[appends.start..=writer].iter_mut().rev();
            for append in equal.take_while(|append| append.value == *value) {
                append.position = position as u32;
            }
        }
        KeyVersions { longest, witness, order, repeats_at, agreed, appends, writers }
    }

    /// Notes what every read shows, and whether all agree.
    fn compare_reads(&mut self, columns: &Columns<Mop>, row: usize, longest: &[Value]) -> bool {
        let mut agreed = true;
        for i in columns.touches_of(row) {
            let touch = &columns.touches[i];
            let outcome = columns.txn(touch).outcome;
            let Mop::Read { values, .. } = touch.mop else { continue };
            self.seen[i] = match values.as_deref() {
                _ if outcome == Outcome::Open => Seen::Nothing,
                None if outcome != Outcome::Ok => Seen::Nothing,
                None | Some([]) => Seen::Initial,
                Some(values) if longest.starts_with(values) => Seen::Prefix(values.len() as u32),
                Some(_) => Seen::Off,
            };
            agreed &= self.seen[i] != Seen::Off || outcome == Outcome::Fail;
        }
        agreed
    }

    /// What a key that nobody read holds: its only append, if there is one that may have happened.
    fn only_append(&self, columns: &Columns<Mop>, appends: Range<usize>) -> Vec<Value> {
        let outcome = |append: &&Append| columns.txns[append.txn as usize].outcome;
        let mut possible =
            self.appends[appends].iter().filter(|append| outcome(append) != Outcome::Fail);
        match (possible.next(), possible.next()) {
            (Some(only), None) if counts(outcome(&only)) => vec![only.value],
            _ => Vec::new(),
        }
    }
}

/// The list that a micro-operation read.
pub(super) fn read_values(mop: &Mop) -> Option<&[Value]> {
    match mop {
        Mop::Read { values, .. } => values.as_deref(),
        Mop::Append { .. } => None,
    }
}

/// Whether the transaction's reads count: it did not fail, and it ended.
pub(super) fn counts(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Info)
}

fn longest_read<'h>(columns: &Columns<'h, Mop>, row: usize) -> (Option<usize>, &'h [Value]) {
    let mut found = (None, &[][..]);
    for i in columns.touches_of(row) {
        let touch = columns.touches[i];
        if let Mop::Read { values: Some(values), .. } = touch.mop
            && values.len() > found.1.len()
            && counts(columns.txn(&touch).outcome)
        {
            found = (Some(i), values.as_slice());
        }
    }
    found
}

/// The position of the first element that stood before it already.
pub(super) fn first_repeat(values: &[Value]) -> Option<usize> {
    if values.is_sorted_by(|a, b| a < b) {
        return None;
    }
    let mut sorted: Vec<(Value, usize)> = values.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    let repeats = sorted.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    repeats.map(|pair| pair[1].1).min()
}

/// Each element once, where it stands first.
pub(super) fn distinct(values: &[Value]) -> Vec<Value> {
    let mut sorted: Vec<(Value, usize)> = values.iter().copied().zip(0..).collect();
    sorted.sort_unstable();
    sorted.dedup_by_key(|(value, _)| *value);
    sorted.sort_unstable_by_key(|(_, position)| *position);
    sorted.into_iter().map(|(value, _)| value).collect()
}
