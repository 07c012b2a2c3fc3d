//! What an operation needs of others so that its answers still make sense.
//!
//! Of a list or a register in a transaction: who wrote what it shows. Of a register that is read, written and compared
//! alone: the same. Of every other object, and of a comparison that was refused: all that may have changed the object,
//! since what an answer does not show may be what somebody took away. Of a bank nothing: what a read shows must be right by itself.
//!
//! Some properties are about single answers, or about what nobody took away: those need no more than the values that they
//! show ([`BY_VALUE`]). Whether a read was a final one depends on every change: `durability` needs them all.

use crate::checker::{causal_reverse, durability, monotonic, unique_ids};
use crate::explain::operations::{Operation, Outcome};
use crate::op::{Answer, Call, Function, Held, Key, Mop, Op, RegisterMop, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Checkers for which the changes of an object that are not shown do not matter.
const BY_VALUE: [&str; 3] = [unique_ids::NAME, monotonic::NAME, causal_reverse::NAME];

/// So many times may one of some operations need another: of one object everybody may need everybody.
const OFTEN_MAX: usize = 4_000_000;

/// Who needs whom. Operations are named by their numbers.
pub(super) struct Needs {
    writers: BTreeMap<(Key, Value), Vec<usize>>,
    /// By key, all that may change its object.
    changes: BTreeMap<Key, Vec<usize>>,
    by_key: BTreeMap<Key, Vec<usize>>,
    /// Keys of which the value is always that of the last write.
    plain: BTreeSet<Key>,
    by_value: bool,
}

impl Needs {
    pub fn of(operations: &[Operation], checker: &str) -> Needs {
        let mut needs = Needs {
            writers: BTreeMap::new(),
            changes: BTreeMap::new(),
            by_key: BTreeMap::new(),
            plain: BTreeSet::new(),
            by_value: BY_VALUE.contains(&checker),
        };
        for (number, operation) in operations.iter().enumerate() {
            for key in operation.op.keys() {
                needs.by_key.entry(key).or_default().push(number);
            }
            for written in written(operation.asked).into_iter().chain(written(operation.op)) {
                needs.writers.entry(written).or_default().push(number);
            }
            for key in changed(operation) {
                needs.changes.entry(key).or_default().push(number);
            }
        }
        let plain =
            |numbers: &[usize]| numbers.iter().all(|number| is_plain(operations[*number].op));
        if checker != durability::NAME {
            let by_key = needs.by_key.iter();
            needs.plain = by_key.filter(|(_, of)| plain(of)).map(|(key, _)| *key).collect();
        }
        needs
    }

    /// Whether it is a comparison that did not find what it asked for.
    fn is_refused(operation: &Operation) -> bool {
        let Operation { outcome, op, .. } = *operation;
        let Op::Call(Call { function: Function::Cas { .. }, answer, .. }) = op else {
            return false;
        };
        outcome == Outcome::Fail || *answer == Some(Answer::Flag(false))
    }

    /// What one needs directly.
    fn of_one(&self, operations: &[Operation], number: usize) -> Vec<usize> {
        let operation = &operations[number];
        let mut needed: Vec<usize> = Vec::new();
        for shown in shown(operation.op) {
            needed.extend(self.writers.get(&shown).into_iter().flatten());
        }
        for key in operation.op.keys() {
            let alone = self.plain.contains(&key) && !Needs::is_refused(operation);
            if !alone && !self.by_value {
                needed.extend(self.changes.get(&key).into_iter().flatten());
            }
        }
        needed.retain(|other| *other != number);
        needed
    }

    /// These and all that they need, ascending; `None` if those are more than so many, or need each other too often.
    pub fn with_needed(
        &self,
        operations: &[Operation],
        of: BTreeSet<usize>,
        most: usize,
    ) -> Option<Vec<usize>> {
        let mut known = of;
        let mut new: Vec<usize> = known.iter().copied().collect();
        let mut often = 0;
        while let Some(number) = new.pop() {
            let needed = self.of_one(operations, number);
            often += needed.len();
            if known.len() > most || often > OFTEN_MAX {
                return None;
            }
            new.extend(needed.into_iter().filter(|needed| known.insert(*needed)));
        }
        (known.len() <= most).then(|| known.into_iter().collect())
    }

    /// Every operation that shares a key with one of these.
    pub fn sharing_keys(&self, operations: &[Operation], of: &BTreeSet<usize>) -> BTreeSet<usize> {
        let keys = of.iter().flat_map(|number| operations[*number].op.keys());
        let keys: BTreeSet<Key> = keys.collect();
        let sharing = keys.iter().filter_map(|key| self.by_key.get(key)).flatten();
        sharing.chain(of).copied().collect()
    }

    /// Among some operations, ascending, who is needed by whom.
    pub fn reversed(&self, operations: &[Operation], kept: &[usize]) -> NeededBy {
        let mut needed_by = vec![Vec::new(); kept.len()];
        for (place, number) in kept.iter().enumerate() {
            for needed in self.of_one(operations, *number) {
                if let Ok(at) = kept.binary_search(&needed) {
                    needed_by[at].push(place);
                }
            }
        }
        NeededBy(needed_by)
    }
}

/// For each of some operations the places of those that need it.
pub(super) struct NeededBy(Vec<Vec<usize>>);

impl NeededBy {
    /// What is left without a part, and without what needs that.
    pub fn without(&self, kept: &[usize], part: &[usize]) -> Vec<usize> {
        let mut gone = vec![false; kept.len()];
        let mut new: Vec<usize> =
            part.iter().filter_map(|number| kept.binary_search(number).ok()).collect();
        while let Some(place) = new.pop() {
            if !std::mem::replace(&mut gone[place], true) {
                new.extend(&self.0[place]);
            }
        }
        kept.iter().zip(gone).filter(|(_, gone)| !gone).map(|(number, _)| *number).collect()
    }
}

/// Whether it leaves room for nothing but the value that was written last.
fn is_plain(op: &Op) -> bool {
    match op {
        Op::Call(Call { function, .. }) => {
            matches!(function, Function::Read | Function::Write(_) | Function::Cas { .. })
        }
        Op::Txn(_) | Op::Registers(_) | Op::Bank(_) | Op::Fault(_) => true,
    }
}

/// The keys whose objects an operation may change.
fn changed(operation: &Operation) -> Vec<Key> {
    match operation.op {
        Op::Txn(mops) => {
            mops.iter().filter(|mop| matches!(mop, Mop::Append { .. })).map(Mop::key).collect()
        }
        Op::Registers(mops) => {
            let writes = mops.iter().filter(|mop| matches!(mop, RegisterMop::Write { .. }));
            writes.map(RegisterMop::key).collect()
        }
        Op::Call(call) if !call.function.reads() => vec![call.key],
        Op::Call(_) | Op::Bank(_) | Op::Fault(_) => Vec::new(),
    }
}

/// What an operation writes that a read can show.
fn written(op: &Op) -> Vec<(Key, Value)> {
    match op {
        Op::Txn(mops) => {
            let append = |mop: &Mop| match mop {
                Mop::Append { key, value } => Some((*key, *value)),
                Mop::Read { .. } => None,
            };
            mops.iter().filter_map(append).collect()
        }
        Op::Registers(mops) => {
            let write = |mop: &RegisterMop| match mop {
                RegisterMop::Write { key, value } => Some((*key, *value)),
                RegisterMop::Read { .. } => None,
            };
            mops.iter().filter_map(write).collect()
        }
        Op::Call(call) => match call.function {
            Function::Write(value)
            | Function::Cas { to: value, .. }
            | Function::Insert(value)
            | Function::Enqueue(value)
            | Function::Append(value)
            | Function::Prepend(value) => vec![(call.key, value)],
            _ => Vec::new(),
        },
        Op::Bank(_) | Op::Fault(_) => Vec::new(),
    }
}

/// What an operation shows that somebody must have written.
fn shown(op: &Op) -> Vec<(Key, Value)> {
    match op {
        Op::Txn(mops) => mops.iter().flat_map(shown_by_list).collect(),
        Op::Registers(mops) => {
            let read = |mop: &RegisterMop| match mop {
                RegisterMop::Read { key, value: Held::Value(value) } => Some((*key, *value)),
                _ => None,
            };
            mops.iter().filter_map(read).collect()
        }
        Op::Call(call) => shown_by_call(call),
        Op::Bank(_) | Op::Fault(_) => Vec::new(),
    }
}

fn shown_by_list(mop: &Mop) -> Vec<(Key, Value)> {
    match mop {
        Mop::Read { key, values: Some(values) } => {
            values.iter().map(|value| (*key, *value)).collect()
        }
        Mop::Read { .. } | Mop::Append { .. } => Vec::new(),
    }
}

fn shown_by_call(call: &Call) -> Vec<(Key, Value)> {
    let mut values: Vec<Value> = match &call.answer {
        Some(Answer::Value(value)) => vec![*value],
        Some(Answer::Values(values)) => values.clone(),
        _ => Vec::new(),
    };
    if let Function::Cas { from: Some(from), .. } = &call.function {
        values.push(*from);
    }
    values.into_iter().map(|value| (call.key, value)).collect()
}
