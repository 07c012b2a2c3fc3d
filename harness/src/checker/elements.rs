//! Elements that were added to collections, key by key, and the reads that showed whole collections: sets, lists that
//! grow, and what was enqueued.
//!
//! An element that was, or may have been, taken away again is told apart, and so is a key of which nobody knows which
//! elements were taken: the absence of those says nothing.

use super::operations::{End, Operation};
use crate::op::{Answer, Call, Function, Key, Mop, Op, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A read that showed a whole collection.
#[derive(Clone, Copy)]
pub(super) struct Read<'o, 'h> {
    pub operation: &'o Operation<'h>,
    pub values: &'h [Value],
    /// The event at which it succeeded.
    pub returned: usize,
}

/// What was added to one key and seen of it.
#[derive(Default)]
pub(super) struct Collection<'o, 'h> {
    /// Every attempt to add, by element, in order.
    pub adds: BTreeMap<Value, Vec<&'o Operation<'h>>>,
    /// Those that succeeded, in the order of their invocations.
    pub reads: Vec<Read<'o, 'h>>,
    /// Elements that may have been removed.
    pub removed: BTreeSet<Value>,
    /// What may have taken away any element.
    pub emptied: Option<&'o Operation<'h>>,
}

impl<'o, 'h> Collection<'o, 'h> {
    /// When the element was known to be there, by the first of its adds that succeeded.
    pub fn acknowledged(&self, value: Value) -> Option<&'o Operation<'h>> {
        let adds = self.adds.get(&value).into_iter().flatten().copied();
        adds.filter(|add| add.returned().is_some()).min_by_key(|add| add.returned())
    }

    /// Whether somebody may have added the element by the end of the read.
    pub fn may_show(&self, read: &Read, value: Value) -> bool {
        let attempts = self.adds.get(&value).into_iter().flatten();
        let mut attempts = attempts.filter(|add| add.end != End::Fail);
        attempts.any(|add| add.invoked < read.returned)
    }

    /// Why it must not show the element.
    pub fn why_not(&self, value: Value) -> &'static str {
        match self.adds.get(&value).map(Vec::as_slice) {
            None | Some([]) => "nobody ever asked to add it",
            Some(adds) if adds.iter().all(|add| add.end == End::Fail) => {
                "every add of it was refused"
            }
            Some(_) => "nobody had asked to add it by then",
        }
    }

    /// Elements whose absence means something.
    pub fn kept(&self) -> impl Iterator<Item = Value> {
        let judged = |value: &Value| self.emptied.is_none() && !self.removed.contains(value);
        self.adds.keys().copied().filter(judged)
    }

    /// Every attempt to add the element.
    pub fn attempts(&self, value: Value) -> &[&'o Operation<'h>] {
        self.adds.get(&value).map_or(&[], Vec::as_slice)
    }
}

/// By key; the error names an operation that says nothing of a collection.
pub(super) fn collections<'o, 'h>(
    operations: &'o [Operation<'h>],
) -> Result<BTreeMap<Key, Collection<'o, 'h>>, String> {
    let mut collections: BTreeMap<Key, Collection> = BTreeMap::new();
    for operation in operations {
        match operation.op {
            Op::Call(call) => {
                let collection = collections.entry(call.key).or_default();
                called(collection, operation, call)?;
            }
            Op::Txn(mops) => {
                for mop in mops {
                    asked(collections.entry(mop.key()).or_default(), operation, mop);
                }
            }
            other => {
                return Err(format!(
                    "event {}, {other:?}, is about no collection",
                    operation.invoked
                ));
            }
        }
    }
    Ok(collections)
}

fn called<'o, 'h>(
    collection: &mut Collection<'o, 'h>,
    operation: &'o Operation<'h>,
    call: &'h Call,
) -> Result<(), String> {
    let changed_nothing = operation.end == End::Fail || call.answer == Some(Answer::Flag(false));
    match (&call.function, &call.answer) {
        (
            Function::Insert(value)
            | Function::Append(value)
            | Function::Prepend(value)
            | Function::Enqueue(value),
            _,
        ) => collection.adds.entry(*value).or_default().push(operation),
        (Function::Read, None) | (Function::Contains(_), _) => {}
        (Function::Read, Some(Answer::Values(values))) => collection.saw(operation, values),
        (Function::Remove(_) | Function::Clear | Function::Dequeue, _) if changed_nothing => {}
        (Function::Dequeue, Some(Answer::Nil)) => {}
        (Function::Remove(value), _) => drop(collection.removed.insert(*value)),
        (Function::Clear | Function::Dequeue, _) => {
            collection.emptied.get_or_insert(operation);
        }
        _ => {
            return Err(format!("event {}, {call}, is no call of a collection", operation.invoked));
        }
    }
    Ok(())
}

fn asked<'o, 'h>(collection: &mut Collection<'o, 'h>, operation: &'o Operation<'h>, mop: &'h Mop) {
    match mop {
        Mop::Append { value, .. } => collection.adds.entry(*value).or_default().push(operation),
        Mop::Read { values: Some(values), .. } => collection.saw(operation, values),
        Mop::Read { values: None, .. } => {}
    }
}

impl<'o, 'h> Collection<'o, 'h> {
    fn saw(&mut self, operation: &'o Operation<'h>, values: &'h [Value]) {
        if let Some(returned) = operation.returned() {
            self.reads.push(Read { operation, values, returned });
        }
    }
}
