//! Writes of unknown outcome to a register that left no trace: whatever order explains the answers explains them without
//! these writes too. After an order's write of a value that nobody saw comes another write, or nothing, or what has an
//! unknown outcome itself and need not happen: so it may be left out. That is true as long as nobody says what was *not*
//! there: one compare-and-set that was refused, or may have been, or one `clear` keeps all of them.

use super::calls::One;
use crate::op::{Answer, Function, Value};
use std::collections::BTreeSet;

/// Leaves out what may be.
pub(super) fn leave_out(one: &mut One) {
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
