//! The version order of a key: in which order its elements were appended, as its longest read shows.
//!
//! Elements that no longest read holds are *unseen*: they come after the last seen one, in no order among
//! themselves. A key never read but appended to once has that append for its order, as in Elle. Of two
//! different longest reads of equal length the first in the history counts (Elle leaves it to hash order).

use super::touches::{Touch, Touches};
use crate::columns::{NONE, Outcome};
use crate::op::Value;
use std::borrow::Cow;

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
pub(super) struct Versions<'c> {
    pub row: usize,
    /// Its touches.
    pub touches: &'c [Touch],
    /// The longest read, empty if there is none.
    pub longest: &'c [Value],
    /// The touch that read it.
    pub witness: Option<usize>,
    /// The elements in the order of their appends, each once.
    pub order: Cow<'c, [Value]>,
    /// Position of the second of two equal elements in the longest read.
    pub repeats_at: Option<usize>,
    /// Whether every read is a prefix of the longest.
    pub agreed: bool,
    /// By value, then by transaction.
    pub appends: Vec<Append>,
    /// For each element of the order its append, or [`NONE`].
    pub writers: Vec<u32>,
    /// For each touch what it shows.
    pub seen: Vec<Seen>,
}

impl<'c> Versions<'c> {
    /// Orders the versions of a key. The error is what makes it impossible, in one sentence.
    pub fn new(all: &'c Touches<'_>, row: usize) -> Result<Versions<'c>, String> {
        let touches = all.of(row);
        let appends = appends(all, row);
        refuse_double_appends(all, row, &appends)?;
        let (witness, longest) = longest_read(all, row);
        let repeats_at = first_repeat(longest);
        let order: Cow<[Value]> = match repeats_at {
            None if longest.is_empty() => Cow::Owned(only_append(all, &appends)),
            None => Cow::Borrowed(longest),
            Some(_) => Cow::Owned(distinct(longest)),
        };
        let (seen, agreed) = compare_reads(all, row, longest);
        let writers = Vec::with_capacity(order.len());
        let mut versions = Versions {
            row,
            touches,
            longest,
            witness,
            order,
            repeats_at,
            agreed,
            appends,
            writers,
            seen,
        };
        versions.place(all);
        Ok(versions)
    }

    /// The append of a value: of several (only bare completions can have them) the last that did not fail.
    pub fn append_of(&self, all: &Touches, value: Value) -> Option<&Append> {
        self.find(all, value).map(|i| &self.appends[i])
    }

    /// The transaction that appended an element of the order, by position.
    pub fn writer(&self, position: usize) -> Option<u32> {
        let writer = *self.writers.get(position)?;
        (writer != NONE).then(|| self.appends[writer as usize].txn)
    }

    /// The position in the version order of the last element that a touch shows: `None` if that is not in
    /// the order, `Some(None)` for the initial state.
    pub fn last_seen(&self, all: &Touches, touch: usize) -> Option<Option<usize>> {
        match self.seen[touch] {
            Seen::Nothing => None,
            Seen::Initial => Some(None),
            Seen::Prefix(length) if self.repeats_at.is_none() => Some(Some(length as usize - 1)),
            Seen::Prefix(_) | Seen::Off => {
                let last = all.values(self.row, self.touches[touch])?.last()?;
                self.order.iter().position(|value| value == last).map(Some)
            }
        }
    }

    fn find(&self, all: &Touches, value: Value) -> Option<usize> {
        let from = self.appends.partition_point(|append| append.value < value);
        let same = self.appends[from..].iter().take_while(|append| append.value == value).count();
        let failed = |i: &usize| outcome(all, &self.appends[*i]) == Outcome::Fail;
        let equal = from..from + same;
        equal.clone().rev().find(|i| !failed(i)).or(equal.last())
    }

    /// Notes who appended each element of the order, and where each append stands.
    fn place(&mut self, all: &Touches) {
        for position in 0..self.order.len() {
            let value = self.order[position];
            let writer = self.find(all, value);
            self.writers.push(writer.map_or(NONE, |i| i as u32));
            let Some(writer) = writer else { continue };
            // Equal values (of bare completions) stand at one position.
            let equal = self.appends[..=writer].iter_mut().rev();
            for append in equal.take_while(|append| append.value == value) {
                append.position = position as u32;
            }
        }
    }
}

/// Whether the transaction's reads count: it did not fail, and it ended.
pub(super) fn counts(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Ok | Outcome::Info)
}

fn outcome(all: &Touches, append: &Append) -> Outcome {
    all.columns.outcome(append.txn as usize)
}

fn appends(all: &Touches, row: usize) -> Vec<Append> {
    let mut appends = Vec::new();
    for touch in all.of(row) {
        if let Some(value) = all.appended(*touch) {
            let (txn, index) = (touch.txn, touch.index() as u32);
            appends.push(Append { value, txn, index, position: NONE });
        }
    }
    appends.sort_unstable_by_key(|append| (append.value, append.txn, append.index));
    appends
}

fn refuse_double_appends(all: &Touches, row: usize, appends: &[Append]) -> Result<(), String> {
    for pair in appends.windows(2).filter(|pair| pair[0].value == pair[1].value) {
        let [first, second] = [0, 1].map(|i| all.columns.invoked(pair[i].txn as usize));
        if first != NONE && second != NONE {
            return Err(format!(
                "value {} is appended to key {} by events {first} and {second}: \
                 an element must be unique within its key",
                pair[0].value,
                all.key(row)
            ));
        }
    }
    Ok(())
}

/// What every read shows, and whether all agree.
fn compare_reads(all: &Touches, row: usize, longest: &[Value]) -> (Vec<Seen>, bool) {
    let mut agreed = true;
    let mut seen = Vec::with_capacity(all.of(row).len());
    for touch in all.of(row) {
        let outcome = touch.outcome();
        let shows = match all.values(row, *touch) {
            _ if touch.appends() || outcome == Outcome::Open => Seen::Nothing,
            None if outcome != Outcome::Ok => Seen::Nothing,
            None | Some([]) => Seen::Initial,
            Some(values) if longest.starts_with(values) => Seen::Prefix(values.len() as u32),
            Some(_) => Seen::Off,
        };
        agreed &= shows != Seen::Off || outcome == Outcome::Fail;
        seen.push(shows);
    }
    (seen, agreed)
}

/// What a key that nobody read holds: its only append, if there is one that may have happened.
fn only_append(all: &Touches, appends: &[Append]) -> Vec<Value> {
    let mut possible = appends.iter().filter(|append| outcome(all, append) != Outcome::Fail);
    match (possible.next(), possible.next()) {
        (Some(only), None) if counts(outcome(all, only)) => vec![only.value],
        _ => Vec::new(),
    }
}

fn longest_read<'c>(all: &'c Touches<'_>, row: usize) -> (Option<usize>, &'c [Value]) {
    let mut found = (None, &[][..]);
    for (i, touch) in all.of(row).iter().enumerate() {
        if let Some(values) = all.values(row, *touch)
            && values.len() > found.1.len()
            && counts(touch.outcome())
        {
            found = (Some(i), values);
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
