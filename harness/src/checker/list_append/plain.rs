//! Keys of which nothing is to be said: every read is a beginning of one list, every element of that was appended once by a
//! transaction that did not fail, and each transaction for itself agrees with it. Nearly all keys are like that, so they are
//! looked at quickly; any doubt leaves a key to [`versions`](super::versions) and [`direct`](super::direct).
//!
//! Promises: what is called plain is so; a key that is not may be left to the others although nothing is wrong with it.

use super::slots::{Place, Share};
use super::touches::{Touch, Touches};
use super::versions::counts;
use crate::columns::{NONE, Outcome, What};
use crate::op::Value;
use std::ops::Range;

/// What a plain key adds to the coverage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Plain {
    /// Appends that did not fail.
    pub written: usize,
    /// Of these, how many have a place in the order.
    pub observed: usize,
}

/// Room that is used for one key after the other.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Element and touch.
    appends: Vec<(Value, u32)>,
    /// For each touch, where its element stands in the order.
    positions: Vec<u32>,
    /// For each element of the order, whether its transaction appended more.
    intermediate: Vec<bool>,
    any_intermediate: bool,
    /// The versions that transactions read before they appended.
    updated: Vec<u32>,
}

/// A version that no list shows: `nil`, which differs from `[]`.
const NIL: u32 = u32::MAX;

/// Looks at a key and gives each of its micro-operations a place; `None` if it may not be plain.
pub(super) fn look(
    all: &Touches,
    row: usize,
    scratch: &mut Scratch,
    share: &mut Share,
) -> Option<Plain> {
    let key = Key { all, row, touches: all.of(row), scratch };
    key.look(share)
}

struct Key<'a, 'c> {
    all: &'a Touches<'c>,
    row: usize,
    touches: &'a [Touch],
    scratch: &'a mut Scratch,
}

impl Key<'_, '_> {
    fn look(mut self, share: &mut Share) -> Option<Plain> {
        if self.collect()? != self.all.list(self.row).len() {
            return None;
        }
        self.order(share)?;
        self.runs()?;
        let plain = self.settle(share);
        self.nobody_read_between_appends(share)?;
        Some(plain)
    }

    /// Collects the appends, and tells how long the longest read is.
    fn collect(&mut self) -> Option<usize> {
        let appends = &mut self.scratch.appends;
        appends.clear();
        let mut longest = 0;
        for (i, touch) in self.touches.iter().enumerate() {
            match touch.what() {
                What::Append | What::AppendWide => {
                    appends.push((self.all.appended(*touch)?, i as u32));
                }
                What::ReadNil => {}
                What::ReadPrefix => {
                    longest = longest.max(touch.prefix().filter(|_| counts(touch.outcome()))?);
                }
                What::ReadOther => return None,
            }
        }
        if !appends.is_sorted() {
            appends.sort_unstable();
        }
        let twice = appends.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!twice).then_some(longest as usize)
    }

    /// Finds who appended each element of the order.
    fn order(&mut self, share: &mut Share) -> Option<()> {
        let list = self.all.list(self.row);
        let Scratch { appends, positions, .. } = &mut *self.scratch;
        positions.clear();
        positions.resize(self.touches.len(), NONE);
        // Elements mostly ascend.
        let mut next = 0;
        for (position, value) in list.iter().enumerate() {
            let at = match appends.get(next) {
                Some((likely, _)) if likely == value => next,
                _ => appends.binary_search_by_key(value, |(value, _)| *value).ok()?,
            };
            next = at + 1;
            let touch = appends[at].1 as usize;
            if positions[touch] != NONE || self.touches[touch].outcome() == Outcome::Fail {
                return None;
            }
            positions[touch] = position as u32;
            share.writers[position] = self.touches[touch].txn;
        }
        let mut length = list.len();
        if list.is_empty()
            && let Some(only) = self.only_append()
        {
            self.scratch.positions[only] = 0;
            share.writers[0] = self.touches[only].txn;
            length = 1;
        }
        self.scratch.intermediate.clear();
        self.scratch.intermediate.resize(length, false);
        Some(())
    }

    /// What a key that nobody read holds: its only append, if there is one that may have happened.
    fn only_append(&self) -> Option<usize> {
        let outcome = |touch: &u32| self.touches[*touch as usize].outcome();
        let mut possible = self.scratch.appends.iter().map(|(_, touch)| *touch);
        let mut possible = possible.by_ref().filter(|touch| outcome(touch) != Outcome::Fail);
        match (possible.next(), possible.next()) {
            (Some(only), None) if counts(outcome(&only)) => Some(only as usize),
            _ => None,
        }
    }

    /// Whether each transaction agrees with itself, and no two of them with each other on what they overwrote.
    fn runs(&mut self) -> Option<()> {
        self.scratch.any_intermediate = false;
        self.scratch.updated.clear();
        let mut from = 0;
        while from < self.touches.len() {
            let txn = self.touches[from].txn;
            let same = self.touches[from + 1..].iter().take_while(|touch| touch.txn == txn).count();
            let run = from..from + 1 + same;
            from = run.end;
            if same > 0 {
                self.agrees(run)?;
            }
        }
        let updated = &mut self.scratch.updated;
        if !updated.is_sorted() {
            updated.sort_unstable();
        }
        let lost = updated.windows(2).any(|pair| pair[0] == pair[1]);
        (!lost).then_some(())
    }

    fn agrees(&mut self, run: Range<usize>) -> Option<()> {
        let ok = self.touches[run.start].outcome() == Outcome::Ok;
        let mut own = Own { base: None, count: 0, first: 0, last: NONE, seen_to: 0 };
        let mut before: Option<u32> = None;
        let mut appends = false;
        for i in run.clone() {
            let touch = self.touches[i];
            if touch.appends() {
                appends = true;
                let position = self.scratch.positions[i];
                if let Some(earlier) = before.replace(position) {
                    // What was not seen stands at the end.
                    (position == NONE || earlier < position).then_some(())?;
                    if earlier != NONE {
                        self.scratch.intermediate[earlier as usize] = true;
                        self.scratch.any_intermediate = true;
                    }
                }
                (!ok || own.append(position)).then_some(())?;
            } else if ok {
                own.read(touch.prefix()).then_some(())?;
            }
        }
        let first = self.touches[run.start];
        if ok && appends && !first.appends() {
            self.scratch.updated.push(first.prefix().unwrap_or(NIL));
        }
        Some(())
    }

    /// Gives every micro-operation its place.
    fn settle(&mut self, share: &mut Share) -> Plain {
        let length = self.scratch.intermediate.len() as u32;
        let mut plain = Plain::default();
        for (touch, position) in self.touches.iter().zip(&self.scratch.positions) {
            let outcome = touch.outcome();
            if outcome == Outcome::Fail {
                continue;
            }
            let cell = self.all.cell(*touch);
            if touch.appends() {
                plain.written += 1;
                plain.observed += usize::from(*position != NONE);
                let nobody_saw = *position == NONE && outcome == Outcome::Ok;
                share.unseen[length as usize] += u32::from(nobody_saw);
                share.put(cell, Place::Append((*position).min(length)));
            } else if let Some(version) = touch.prefix().or((outcome == Outcome::Ok).then_some(0)) {
                share.readers[version as usize] += 1;
                share.put(cell, Place::Read(version));
            }
        }
        plain
    }

    fn nobody_read_between_appends(&self, share: &Share) -> Option<()> {
        if !self.scratch.any_intermediate {
            return Some(());
        }
        let between = |touch: &Touch| {
            let last = touch.prefix().and_then(|length| length.checked_sub(1));
            last.is_some_and(|last| {
                self.scratch.intermediate[last as usize]
                    && share.writers[last as usize] != touch.txn
                    && touch.outcome() == Outcome::Ok
            })
        };
        (!self.touches.iter().any(between)).then_some(())
    }
}

/// What a transaction knows of a key by its own reads and appends.
struct Own {
    /// The version that it read last: `Some(NIL)` for `nil`.
    base: Option<u32>,
    /// Appends since.
    count: u32,
    /// Where the first of them stands.
    first: u32,
    /// Where the last of them stands.
    last: u32,
    /// The longest version that it read.
    seen_to: u32,
}

impl Own {
    /// Whether an append may stand there.
    fn append(&mut self, position: u32) -> bool {
        if position < self.seen_to {
            return false;
        }
        // A gap between its own appends shows in its next read.
        if self.count == 0 {
            self.first = position;
        } else if self.last == NONE || position != self.last + 1 {
            self.first = NONE;
        }
        self.last = position;
        self.count += 1;
        true
    }

    /// Whether a read may show that much, `None` for `nil`.
    fn read(&mut self, version: Option<u32>) -> bool {
        let follows = match (version, self.base) {
            (None, None | Some(NIL)) => self.count == 0,
            (None, Some(_)) => false,
            (Some(_), Some(NIL)) if self.count == 0 => false,
            (Some(_), None) if self.count == 0 => true,
            (Some(length), Some(base)) if self.count == 0 => length == base,
            (Some(length), None | Some(NIL)) => self.is_end_of(length),
            (Some(length), Some(base)) => self.is_end_of(length) && self.first == base,
        };
        self.base = Some(version.unwrap_or(NIL));
        self.count = 0;
        self.seen_to = self.seen_to.max(version.unwrap_or(0));
        follows
    }

    /// Whether its appends since the last read are the end of that version.
    fn is_end_of(&self, length: u32) -> bool {
        self.first != NONE && self.last != NONE && self.last + 1 == length
    }
}
