//! Registers: a final read must show the value of a write that no acknowledged write came after.

use super::Tally;
use crate::checker::findings::Findings;
use crate::checker::operations::{End, Operation};
use crate::history::History;
use crate::op::{Answer, Call, Function, Held, Key, Op, RegisterMop, Value};
use std::collections::BTreeMap;

/// One register.
#[derive(Default)]
pub(super) struct Register<'o, 'h> {
    /// Writes that may have happened.
    writes: Vec<(&'o Operation<'h>, Value)>,
    /// Reads that succeeded; `None` saw nothing there.
    reads: Vec<(&'o Operation<'h>, Option<Value>)>,
    /// Whether something may have cleared it.
    cleared: bool,
}

/// By key; the error names an operation that says nothing of a register.
pub(super) fn registers<'o, 'h>(
    operations: &'o [Operation<'h>],
) -> Result<BTreeMap<Key, Register<'o, 'h>>, String> {
    let mut registers: BTreeMap<Key, Register> = BTreeMap::new();
    for operation in operations {
        match operation.op {
            Op::Registers(mops) => {
                for mop in mops {
                    registers.entry(mop.key()).or_default().asked(operation, mop);
                }
            }
            Op::Call(call) => registers.entry(call.key).or_default().called(operation, call)?,
            _ => return Err(format!("event {} is about no register", operation.invoked)),
        }
    }
    Ok(registers)
}

impl<'o, 'h> Register<'o, 'h> {
    fn asked(&mut self, operation: &'o Operation<'h>, mop: &RegisterMop) {
        match mop {
            RegisterMop::Write { value, .. } => self.wrote(operation, *value),
            RegisterMop::Read { value, .. } if operation.end == End::Ok => match value {
                Held::Unknown => {}
                Held::Nothing => self.reads.push((operation, None)),
                Held::Value(value) => self.reads.push((operation, Some(*value))),
            },
            RegisterMop::Read { .. } => {}
        }
    }

    fn called(&mut self, operation: &'o Operation<'h>, call: &Call) -> Result<(), String> {
        match (&call.function, &call.answer) {
            (Function::Write(value), _) => self.wrote(operation, *value),
            (Function::Cas { .. }, Some(Answer::Flag(false))) => {}
            // Whether it wrote, nobody said: like what was cleared, the key may hold what was there before.
            (Function::Cas { .. }, None) if operation.end == End::Ok => self.cleared = true,
            (Function::Cas { to, .. }, _) => self.wrote(operation, *to),
            (Function::Clear, _) => self.cleared |= operation.end != End::Fail,
            (Function::Read, Some(Answer::Nil)) => self.reads.push((operation, None)),
            (Function::Read, Some(Answer::Value(value))) => {
                self.reads.push((operation, Some(*value)))
            }
            (Function::Read, None) => {}
            _ => {
                let event = operation.invoked;
                return Err(format!("event {event}, {call}, is no call of a register"));
            }
        }
        Ok(())
    }

    fn wrote(&mut self, operation: &'o Operation<'h>, value: Value) {
        if operation.end != End::Fail {
            self.writes.push((operation, value));
        }
    }

    /// Whether its final reads show what they must.
    pub fn judge(&self, history: &History, key: Key, tally: &mut Tally, findings: &mut Findings) {
        if self.cleared {
            tally.left_out += 1;
            return;
        }
        let acknowledged = self.writes.iter().filter(|(write, _)| write.returned().is_some());
        let mut acknowledged: Vec<&Operation> = acknowledged.map(|(write, _)| *write).collect();
        acknowledged.sort_by_key(|write| write.invoked);
        let Some(last) = acknowledged.iter().filter_map(|write| write.returned()).max() else {
            return;
        };
        tally.acknowledged += acknowledged.len();
        let finals = self.reads.iter().filter(|(read, _)| read.invoked > last);
        let finals: Vec<_> = finals.collect();
        tally.final_reads += finals.len();
        tally.unread += usize::from(finals.is_empty());
        let Some(newest) = acknowledged.last() else { return };
        for (read, value) in finals {
            if self.may_hold(*value, newest) {
                continue;
            }
            tally.lost += 1;
            let shown = value.map_or("nothing".to_owned(), |value| value.to_string());
            let sentence = format!(
                "key {key}, a write was acknowledged, and a final read shows {shown}, which cannot have come after it"
            );
            findings.anomaly(history, "lost", sentence, &[newest, read]);
        }
    }

    /// Whether a write of the value need not have been over when the newest acknowledged write was asked for.
    fn may_hold(&self, value: Option<Value>, newest: &Operation) -> bool {
        let of_value = self.writes.iter().filter(|(_, written)| Some(*written) == value);
        of_value.into_iter().any(|(write, _)| !write.had_happened(newest.invoked))
    }
}
