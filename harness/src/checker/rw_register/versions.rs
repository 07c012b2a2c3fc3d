//! Versions: for each key its initial state and every value written to it or read from it, with who wrote it
//! and who read it; and for each transaction and key what it read first and wrote last.
//!
//! A version with more than one write is left out everywhere: nobody knows which of them a read saw.

use crate::checker::transactional::columns::{Columns, MicroOp, NONE, Outcome};
use crate::op::{Held, Key, Op, RegisterMop, Value};
use std::ops::Range;

impl MicroOp for RegisterMop {
    fn all(op: &Op) -> &[RegisterMop] {
        op.register_mops()
    }

    fn key(&self) -> Key {
        RegisterMop::key(self)
    }
}

/// A version of a key. Numbered over all keys: a key's initial state comes before its values.
pub(super) type Version = u32;

/// What a transaction did to a key, as others see it. [`NONE`] where it did not, or nobody knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Access {
    pub txn: u32,
    /// What it read before it wrote, if it succeeded.
    pub read: Version,
    /// What it wrote last, if it did not fail.
    pub write: Version,
    /// The version at which it found the key, and the one at which it left it. Who read nil and then wrote
    /// counts as having found what it wrote: Elle's reading.
    pub found: Version,
    pub left: Version,
}

/// All versions of all keys.
#[derive(Debug)]
pub(super) struct Versions {
    /// By version. Of an initial state it says nothing.
    values: Vec<Value>,
    /// By version: the touch that wrote it, [`NONE`] where nobody did.
    writers: Vec<u32>,
    /// By version: whether a successful transaction read it.
    pub is_read: Vec<bool>,
    /// By touch: the version written, or read by a successful transaction.
    pub of_touch: Vec<Version>,
    /// The initial state of each row.
    initial: Vec<Version>,
    /// By row, then by transaction.
    accesses: Vec<Access>,
    first_access: Vec<u32>,
    /// Touches that write what another touch writes to the same key, and that other.
    twice: Vec<(usize, usize)>,
}

impl Versions {
    /// Numbers the versions of every key.
    pub fn new(columns: &Columns<RegisterMop>) -> Versions {
        let mut versions = Versions {
            values: Vec::with_capacity(columns.touches.len() / 2),
            writers: Vec::with_capacity(columns.touches.len() / 2),
            is_read: Vec::new(),
            of_touch: vec![NONE; columns.touches.len()],
            initial: Vec::with_capacity(columns.keys.len()),
            accesses: Vec::with_capacity(columns.touches.len()),
            first_access: vec![0],
            twice: Vec::new(),
        };
        for row in 0..columns.keys.len() {
            versions.number(columns, row);
        }
        versions.is_read = vec![false; versions.values.len()];
        for (touch, version) in columns.touches.iter().zip(&versions.of_touch) {
            if *version != NONE && matches!(touch.mop, RegisterMop::Read { .. }) {
                versions.is_read[*version as usize] = true;
            }
        }
        for row in 0..columns.keys.len() {
            versions.access(columns, row);
            versions.first_access.push(versions.accesses.len() as u32);
        }
        versions
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.values.len()
    }

    /// Those of a row, the initial state first.
    pub fn of_row(&self, row: usize) -> Range<Version> {
        let end = self.initial.get(row + 1).map_or(self.values.len() as u32, |next| *next);
        self.initial[row]..end
    }

    /// The row of a version.
    pub fn row(&self, version: Version) -> usize {
        self.initial.partition_point(|initial| *initial <= version) - 1
    }

    /// The value, `None` for an initial state.
    pub fn value(&self, version: Version) -> Option<Value> {
        let is_initial = self.initial.binary_search(&version).is_ok();
        (!is_initial).then(|| self.values[version as usize])
    }

    /// The touch that wrote it: its only one, whatever became of the transaction.
    pub fn writer(&self, version: Version) -> Option<usize> {
        let writer = self.writers[version as usize];
        (writer != NONE).then_some(writer as usize)
    }

    /// What the transactions did to a row, by transaction.
    pub fn accesses(&self, row: usize) -> &[Access] {
        &self.accesses[self.first_access[row] as usize..self.first_access[row + 1] as usize]
    }

    /// What one transaction did to a row.
    pub fn access_of(&self, row: usize, txn: u32) -> Option<&Access> {
        let accesses = self.accesses(row);
        let at = accesses.binary_search_by_key(&txn, |access| access.txn).ok()?;
        accesses.get(at)
    }

    /// Why the history says less than it seems to, in one sentence: a value was written twice.
    pub fn doubt(&self, columns: &Columns<RegisterMop>) -> Option<String> {
        let (first, second) = *self.twice.first()?;
        let event = |touch: usize| columns.txn(&columns.touches[touch]).event;
        let mop = columns.touches[first].mop;
        let more = match self.twice.len() {
            1 => String::new(),
            count => format!(", and {} more like it", count - 1),
        };
        Some(format!(
            "{mop} is written by events {} and {}{more}: a value must be written once to its key, so reads \
             of it prove nothing and were left out",
            event(first),
            event(second)
        ))
    }

    fn number(&mut self, columns: &Columns<RegisterMop>, row: usize) {
        let initial = self.values.len() as u32;
        self.initial.push(initial);
        self.values.push(0);
        self.writers.push(NONE);
        let mut found: Vec<(Value, bool, usize)> = Vec::new();
        for i in columns.touches_of(row) {
            let touch = &columns.touches[i];
            let ok = columns.txn(touch).outcome == Outcome::Ok;
            match touch.mop {
                RegisterMop::Write { value, .. } => found.push((*value, false, i)),
                RegisterMop::Read { value: Held::Value(value), .. } if ok => {
                    found.push((*value, true, i));
                }
                RegisterMop::Read { value: Held::Nothing, .. } if ok => self.of_touch[i] = initial,
                RegisterMop::Read { .. } => {}
            }
        }
        // Of each value the writes first.
        found.sort_unstable();
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let writes = same.iter().take_while(|(_, reads, _)| !reads).count();
            if let [(_, _, first), .., (_, _, last)] = same[..writes] {
                self.twice.push((first, last));
                continue;
            }
            let version = self.values.len() as u32;
            self.values.push(same[0].0);
            self.writers.push(if writes == 1 { same[0].2 as u32 } else { NONE });
            same.iter().for_each(|(_, _, touch)| self.of_touch[*touch] = version);
        }
    }

    fn access(&mut self, columns: &Columns<RegisterMop>, row: usize) {
        let range = columns.touches_of(row);
        let touches = &columns.touches[range.clone()];
        let mut from = range.start;
        for run in touches.chunk_by(|a, b| a.txn == b.txn) {
            let versions = &self.of_touch[from..from + run.len()];
            from += run.len();
            let outcome = columns.txns[run[0].txn as usize].outcome;
            if outcome == Outcome::Fail {
                continue;
            }
            let last = run.iter().rposition(|t| matches!(t.mop, RegisterMop::Write { .. }));
            let write = last.map_or(NONE, |last| versions[last]);
            let reads_first = matches!(run[0].mop, RegisterMop::Read { .. });
            let ok = outcome == Outcome::Ok;
            let read = if reads_first && ok { versions[0] } else { NONE };
            let found = reads_first && ok && !(read == self.initial[row] && last.is_some());
            self.accesses.push(Access {
                txn: run[0].txn,
                read,
                write,
                found: if found { read } else { write },
                left: if last.is_some() { write } else { read },
            });
        }
    }
}
