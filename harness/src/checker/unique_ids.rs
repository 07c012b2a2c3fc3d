//! Whoever asks a generator for an id gets one that nobody else got (Jepsen's `unique-ids`). A generator is a key that is
//! only counted up: the id is what the count was answered (`:add 1` of a counter; Jepsen's `:generate`).
//!
//! Cannot see: ids that were made for operations of unknown outcome.

use super::findings::{Analyse, Findings};
use super::operations::{End, Operation, operations};
use crate::history::History;
use crate::op::{Answer, Function, Key};
use std::collections::BTreeMap;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "unique-ids";

/// Checks that no id was given twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UniqueIds;

impl Analyse for UniqueIds {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        judged(history, &operations(history)?)
    }
}

fn judged(history: &History, operations: &[Operation]) -> Result<Findings, String> {
    let mut given: BTreeMap<(Key, i64), Vec<&Operation>> = BTreeMap::new();
    let (mut attempted, mut acknowledged) = (0, 0);
    for operation in operations {
        let Some(call) = operation.call() else {
            return Err(format!("event {} is no call of a generator of ids", operation.invoked));
        };
        match (&call.function, &call.answer) {
            (Function::Add(1..), answer) => {
                attempted += 1;
                if let (End::Ok, Some(Answer::Number(id))) = (operation.end, answer) {
                    acknowledged += 1;
                    given.entry((call.key, *id)).or_default().push(operation);
                }
            }
            (Function::Read, _) => {}
            _ => {
                let event = operation.invoked;
                return Err(format!("event {event}, {call}, makes no id: only counting up does"));
            }
        }
    }
    let mut findings = Findings::new(NAME);
    let mut duplicated = 0;
    for ((key, id), given_to) in &given {
        if given_to.len() > 1 {
            duplicated += 1;
            let times = given_to.len();
            let sentence = format!("key {key}, id {id} was given {times} times");
            findings.anomaly(history, "duplicate-id", sentence, &given_to[..times.min(8)]);
        }
    }
    findings.number("attempted", attempted);
    findings.number("acknowledged", acknowledged);
    findings.number("duplicated", duplicated);
    if let Some(lowest) = given.keys().map(|(_, id)| *id).min() {
        findings.number("lowest", lowest);
    }
    if let Some(highest) = given.keys().map(|(_, id)| *id).max() {
        findings.number("highest", highest);
    }
    if acknowledged < 2 {
        findings.reason(format!(
            "{acknowledged} of {attempted} requests for an id were answered one: two can be equal"
        ));
    }
    Ok(findings)
}
