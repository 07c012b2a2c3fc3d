//! Objects that fall into parts: a set of which only single elements were asked is one flag an element, and so with a
//! map's fields and a sorted set's members. Parts are objects of their own, and a history is linearizable if that of each
//! object is (Herlihy and Wing, 1990): so each is searched alone.
//!
//! One call of the whole object (`read`, `zrange`, `clear`) holds all parts together; so does a type that the object may change.

use super::calls::One;
use crate::op::{Function, Object, Value};
use std::collections::BTreeMap;

/// The parts of an object, ascending, or the object.
pub(super) fn split(object: Object, one: One<'_>) -> Vec<One<'_>> {
    if object == Object::Mixed {
        return vec![one];
    }
    let parts: Option<Vec<Value>> =
        one.operations.iter().map(|operation| part(operation.what.function)).collect();
    let Some(parts) = parts else { return vec![one] };
    let mut split: BTreeMap<Value, One> = BTreeMap::new();
    for ((operation, completed), value) in one.operations.into_iter().zip(one.completed).zip(parts)
    {
        let part = split.entry(value).or_insert_with(|| One {
            key: one.key,
            part: Some(value),
            operations: Vec::new(),
            completed: Vec::new(),
        });
        part.operations.push(operation);
        part.completed.push(completed);
    }
    split.into_values().collect()
}

/// The only part that a call asks of or changes.
fn part(function: &Function) -> Option<Value> {
    match function {
        Function::Insert(value) | Function::Remove(value) | Function::Contains(value) => {
            Some(*value)
        }
        Function::Put { field, .. } | Function::Get(field) | Function::Delete(field) => {
            Some(*field)
        }
        Function::ZAdd { member, .. } | Function::ZIncrBy { member, .. } => Some(*member),
        Function::ZRem(member) => Some(*member),
        _ => None,
    }
}
