//! Writes of unknown outcome to a register that left no trace: whatever order explains the answers explains them without
//! these writes too. After an order's write of a value that nobody saw comes another write, or nothing, or what has an
//! unknown outcome itself and need not happen: so it may be left out. That is true as long as nobody says what was *not*
//! there: one compare-and-set that was refused, or may have been, or one `clear` keeps all of them.
//!
//! So it is with what was added to a stream: an entry that no reading shows was added after all that read, or never, and what
//! else was added after it has its place without it.
//!
//! So it is with what was put into a queue or a list and that no answer shows: while it was there nobody read, and it was taken out by
//! what cleared everything or by a dequeue of unknown outcome, which need not happen either. Only how much was there was more:
//! whoever was told a length, or whether there was anything, and may have been told it after the operation was asked for, keeps it,
//! and so does whoever certainly took something and does not say what.

use super::calls::One;
use crate::op::{Answer, Function, Object, Value};
use std::collections::BTreeSet;

/// Leaves out of an object's operations what may be.
pub(super) fn leave_out(object: Object, one: &mut One) {
    match object {
        Object::Register | Object::CasRegister => leave_out_writes(one),
        Object::Stream => leave_out_entries(one),
        Object::Queue | Object::List => leave_out_elements(one),
        _ => {}
    }
}

/// Leaves out entries that no reading shows.
fn leave_out_entries(one: &mut One) {
    let mut seen: BTreeSet<Value> = BTreeSet::new();
    for operation in &one.operations {
        match (operation.what.function, operation.what.answer) {
            (Function::Clear, _) => return,
            (Function::Read, Some(Answer::Scores(entries))) => {
                seen.extend(entries.iter().map(|(value, _)| *value));
            }
            _ => {}
        }
    }
    let matters = |place: usize| {
        let operation = &one.operations[place];
        match operation.what.function {
            Function::Append(value) => operation.returned.is_some() || seen.contains(value),
            _ => true,
        }
    };
    let matter: Vec<bool> = (0..one.operations.len()).map(matters).collect();
    one.keep(&matter);
}

/// Leaves out what was put in and that no answer shows.
fn leave_out_elements(one: &mut One) {
    let mut seen: BTreeSet<Value> = BTreeSet::new();
    let mut counted = 0;
    for operation in &one.operations {
        let takes = *operation.what.function == Function::Dequeue;
        match operation.what.answer {
            Some(Answer::Nil) => {}
            Some(Answer::Value(value)) => seen.extend([*value]),
            Some(Answer::Values(values)) => seen.extend(values),
            None | Some(Answer::Done) if !takes || operation.returned.is_none() => {}
            _ => counted = counted.max(operation.returned.unwrap_or(usize::MAX)),
        }
    }
    let matters = |place: usize| {
        let operation = &one.operations[place];
        match operation.what.function {
            Function::Enqueue(value) | Function::Append(value) | Function::Prepend(value) => {
                operation.returned.is_some() || seen.contains(value) || operation.invoked < counted
            }
            _ => true,
        }
    };
    let matter: Vec<bool> = (0..one.operations.len()).map(matters).collect();
    one.keep(&matter);
}

/// Leaves out writes that nobody saw.
fn leave_out_writes(one: &mut One) {
    let mut seen: BTreeSet<Value> = BTreeSet::new();
    for operation in &one.operations {
        let happened =
            operation.returned.is_none() || operation.what.answer == Some(&Answer::Flag(true));
        match (operation.what.function, operation.what.answer) {
            (Function::Clear, _) => return,
            (Function::Cas { .. }, _) if !happened => return,
            (Function::Cas { from: Some(from), .. }, _) => seen.extend([*from]),
            (Function::Read, Some(Answer::Value(value))) => seen.extend([*value]),
            _ => {}
        }
    }
    let matters = |place: usize| {
        let operation = &one.operations[place];
        let written = match operation.what.function {
            Function::Write(value) | Function::Cas { to: value, .. } => *value,
            _ => return true,
        };
        operation.returned.is_some() || seen.contains(&written)
    };
    let matter: Vec<bool> = (0..one.operations.len()).map(matters).collect();
    one.keep(&matter);
}
