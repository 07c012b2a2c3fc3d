//! A counter that is added to, and what was seen of it (Jepsen's `counter`): at least what had certainly been added when
//! the question was asked, at most what can have been added by its answer. Adds of unknown outcome count into the far bound
//! for ever, failed ones never.
//!
//! Differs from Jepsen: an add may be negative, and what an add was answered is judged like a read, itself included.
//! Cannot see: values between the bounds that no choice of adds makes, and two reads that contradict each other: the search
//! for linearizability (`counter`) sees both, at a cost that grows with what is open at once.

use super::findings::{Analyse, Findings};
use super::operations::{End, Operation, operations};
use crate::history::History;
use crate::op::{Answer, Function, Key};
use std::collections::BTreeMap;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "counter-bounds";

/// Checks what was seen of counters against bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterBounds;

/// What was added by moments, in order of these, summed up.
#[derive(Default)]
struct Sums {
    moments: Vec<usize>,
    sums: Vec<i128>,
}

impl Sums {
    fn new(mut added: Vec<(usize, i64)>) -> Sums {
        added.sort_unstable();
        let mut sums = Sums::default();
        let mut sum = 0;
        for (moment, by) in added {
            sum += i128::from(by);
            sums.moments.push(moment);
            sums.sums.push(sum);
        }
        sums
    }

    /// All that was added before the moment.
    fn before(&self, moment: usize) -> i128 {
        let count = self.moments.partition_point(|known| *known < moment);
        count.checked_sub(1).map_or(0, |last| self.sums[last])
    }
}

/// One counter.
struct Counter<'o, 'h> {
    key: Key,
    /// What was certainly added, up and down, by when it was.
    up_done: Sums,
    down_done: Sums,
    /// What may have been added, by when it was asked for.
    up_asked: Sums,
    down_asked: Sums,
    /// What was seen, and by whom.
    seen: Vec<(&'o Operation<'h>, i64)>,
}

impl Analyse for CounterBounds {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        judged(history, &operations(history)?)
    }
}

fn judged(history: &History, operations: &[Operation]) -> Result<Findings, String> {
    let mut by_key: BTreeMap<Key, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        let event = operation.invoked;
        match operation.call() {
            Some(call) if matches!(call.function, Function::Add(_) | Function::Read) => {
                by_key.entry(call.key).or_default().push(operation);
            }
            Some(call) => {
                return Err(format!(
                    "event {event}, {call}, neither reads a counter nor adds to it"
                ));
            }
            None => return Err(format!("event {event} is no call of a counter")),
        }
    }
    let mut findings = Findings::new(NAME);
    let (mut seen, mut wrong) = (0, 0);
    let added = |operation: &Operation| by(operation).is_some() && operation.end == End::Ok;
    let mut moved = operations.iter().any(added);
    for (key, operations) in by_key {
        let counter = Counter::new(key, &operations);
        seen += counter.seen.len();
        for (operation, value) in &counter.seen {
            moved |= *value != 0;
            wrong += usize::from(counter.judge(history, operation, *value, &mut findings));
        }
    }
    findings.number("seen", seen);
    findings.number("out of bounds", wrong);
    if seen == 0 {
        findings.reason("nobody was answered what a counter held".to_owned());
    }
    if !moved {
        findings.reason("nothing was added as far as anybody knows".to_owned());
    }
    Ok(findings)
}

/// What an operation adds, if it adds.
fn by(operation: &Operation) -> Option<i64> {
    match operation.call()?.function {
        Function::Add(by) => Some(by),
        _ => None,
    }
}

impl<'o, 'h> Counter<'o, 'h> {
    fn new(key: Key, operations: &[&'o Operation<'h>]) -> Counter<'o, 'h> {
        let adds = || {
            let happened = operations.iter().filter(|operation| operation.end != End::Fail);
            happened.filter_map(|operation| by(operation).map(|by| (*operation, by)))
        };
        let done = |up: bool| {
            let done = adds().filter(|(_, by)| (*by > 0) == up);
            Sums::new(done.filter_map(|(add, by)| add.returned().map(|at| (at, by))).collect())
        };
        let asked = |up: bool| {
            let asked = adds().filter(|(_, by)| (*by > 0) == up);
            Sums::new(asked.map(|(add, by)| (add.invoked, by)).collect())
        };
        let seen = |operation: &&'o Operation<'h>| match operation.call()?.answer {
            Some(Answer::Number(value)) => Some((*operation, value)),
            _ => None,
        };
        Counter {
            key,
            up_done: done(true),
            down_done: done(false),
            up_asked: asked(true),
            down_asked: asked(false),
            seen: operations.iter().filter_map(seen).collect(),
        }
    }

    /// Whether it is wrong.
    fn judge(
        &self,
        history: &History,
        operation: &Operation,
        value: i64,
        findings: &mut Findings,
    ) -> bool {
        let Some(returned) = operation.returned() else { return false };
        let own = i128::from(by(operation).unwrap_or(0));
        let low =
            self.up_done.before(operation.invoked) + self.down_asked.before(returned) + own.max(0);
        let high =
            self.up_asked.before(returned) + self.down_done.before(operation.invoked) + own.min(0);
        if (low..=high).contains(&value.into()) {
            return false;
        }
        let key = self.key;
        let sentence =
            format!("key {key}, {value} was seen where only {low} to {high} was possible");
        findings.anomaly(history, "out-of-bounds", sentence, &[operation]);
        true
    }
}
