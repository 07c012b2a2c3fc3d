//! What goes into a queue comes out, once (Jepsen's `total-queue`). Order does not matter.
//!
//! A queue is *drained* when a dequeue finds nothing or a read shows no element that is left. What was acknowledged before
//! that was asked for, never came out and is not among what is left then, is *lost*: if more of it is missing than
//! dequeues of unknown outcome may have taken. What came out more often than it can have gone in is *duplicated*, and
//! *unexpected* if it cannot have gone in at all. *Recovered* is what came out and was never acknowledged.
//!
//! Differs from Jepsen: a duplicate is an anomaly; what a dequeue of unknown outcome may have taken is not lost but
//! `unknown`, and so is what was acknowledged after the queue was last seen drained. Cannot see: order, and what an empty
//! answer hides on a server whose empty answers mean nothing.

use super::findings::{Analyse, Findings};
use super::operations::{End, Operation, operations};
use crate::history::History;
use crate::op::{Answer, Call, Function, Key, Value};
use std::collections::BTreeMap;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "total-queue";

/// Checks that queues neither lose nor invent nor repeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TotalQueue;

/// One queue.
#[derive(Default)]
struct Queue<'o, 'h> {
    /// Enqueues that did not fail, by element.
    enqueued: BTreeMap<Value, Vec<&'o Operation<'h>>>,
    /// Dequeues, by what they took.
    dequeued: BTreeMap<Value, Vec<&'o Operation<'h>>>,
    /// Enqueues that were refused, by element.
    refused: BTreeMap<Value, &'o Operation<'h>>,
    /// Dequeues that may have taken something, nobody knows what.
    unknown: Vec<&'o Operation<'h>>,
    /// The last look at what is left, by invocation, and that.
    drained: Option<(&'o Operation<'h>, &'h [Value])>,
    /// What took everything away.
    cleared: Option<&'o Operation<'h>>,
}

#[derive(Default)]
struct Tally {
    attempted: usize,
    acknowledged: usize,
    dequeued: usize,
    lost: usize,
    unexpected: usize,
    duplicated: usize,
    recovered: usize,
}

impl Analyse for TotalQueue {
    fn name(&self) -> &'static str {
        NAME
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        let queues = queues(&operations)?;
        let mut findings = Findings::new(NAME);
        let mut tally = Tally::default();
        for (key, queue) in &queues {
            queue.came_out(history, *key, &mut tally, &mut findings);
            queue.went_missing(history, *key, &mut tally, &mut findings);
        }
        tally.tell(&mut findings);
        Ok(findings)
    }
}

fn queues<'o, 'h>(operations: &'o [Operation<'h>]) -> Result<BTreeMap<Key, Queue<'o, 'h>>, String> {
    let mut queues: BTreeMap<Key, Queue> = BTreeMap::new();
    for operation in operations {
        let Some(call) = operation.call() else {
            return Err(format!("event {} is no call of a queue", operation.invoked));
        };
        queues.entry(call.key).or_default().asked(operation, call)?;
    }
    Ok(queues)
}

impl<'o, 'h> Queue<'o, 'h> {
    fn asked(&mut self, operation: &'o Operation<'h>, call: &'h Call) -> Result<(), String> {
        match (&call.function, &call.answer) {
            (Function::Enqueue(value) | Function::Append(value) | Function::Prepend(value), _) => {
                if operation.end == End::Fail {
                    self.refused.entry(*value).or_insert(operation);
                } else {
                    self.enqueued.entry(*value).or_default().push(operation);
                }
            }
            (Function::Read, Some(Answer::Values(left))) => self.drained = Some((operation, left)),
            (Function::Dequeue, Some(Answer::Nil)) => self.drained = Some((operation, &[])),
            (Function::Dequeue, Some(Answer::Value(value))) => {
                self.dequeued.entry(*value).or_default().push(operation);
            }
            (Function::Dequeue, _) if operation.end != End::Fail => self.unknown.push(operation),
            (Function::Clear, _) if operation.end != End::Fail => {
                self.cleared.get_or_insert(operation);
            }
            (Function::Dequeue | Function::Clear | Function::Read, _) => {}
            _ => {
                let event = operation.invoked;
                return Err(format!("event {event}, {call}, is no call of a queue"));
            }
        }
        Ok(())
    }

    /// Judges what was dequeued.
    fn came_out(&self, history: &History, key: Key, tally: &mut Tally, findings: &mut Findings) {
        for (value, dequeues) in &self.dequeued {
            tally.dequeued += dequeues.len();
            let attempts = self.enqueued.get(value).map_or(&[][..], Vec::as_slice);
            let acknowledged = attempts.iter().filter(|add| add.end == End::Ok).count();
            tally.recovered += dequeues.len().min(attempts.len()).saturating_sub(acknowledged);
            // Whoever came out first did so after somebody had asked to enqueue it.
            let earliest = dequeues.iter().min_by_key(|dequeue| dequeue.returned());
            let Some(first) = earliest else { continue };
            if !attempts.iter().any(|add| Some(add.invoked) < first.returned()) {
                tally.unexpected += 1;
                let mut shown_by = vec![*first];
                shown_by.extend(self.refused.get(value).or(attempts.first()));
                let why = match (attempts.first(), self.refused.get(value)) {
                    (Some(_), _) => "nobody had asked to enqueue it by then",
                    (None, Some(_)) => "every enqueue of it was refused",
                    (None, None) => "nobody ever asked to enqueue it",
                };
                let sentence = format!("key {key}, element {value} came out, and {why}");
                findings.anomaly(history, "unexpected", sentence, &shown_by);
            } else if dequeues.len() > attempts.len() {
                tally.duplicated += 1;
                let (out, asked) = (dequeues.len(), attempts.len());
                let sentence = format!(
                    "key {key}, element {value} came out {out} times, and can have gone in {asked} times at most"
                );
                let shown_by: Vec<&Operation> =
                    attempts.iter().chain(dequeues).copied().take(8).collect();
                findings.anomaly(history, "duplicated", sentence, &shown_by);
            }
        }
    }

    /// Judges what was not.
    fn went_missing(
        &self,
        history: &History,
        key: Key,
        tally: &mut Tally,
        findings: &mut Findings,
    ) {
        tally.attempted += self.enqueued.values().map(Vec::len).sum::<usize>();
        let (mut missing, mut waiting) = (Vec::new(), 0);
        for (value, adds) in &self.enqueued {
            let acknowledged = adds.iter().filter(|add| add.end == End::Ok);
            tally.acknowledged += acknowledged.clone().count();
            let out = self.dequeued.get(value).map_or(0, Vec::len);
            let mut known: Vec<&Operation> = acknowledged.copied().collect();
            known.sort_by_key(|add| add.returned());
            let Some((look, left)) = self.drained else {
                waiting += known.len().saturating_sub(out);
                continue;
            };
            let before = known.iter().filter(|add| add.had_happened(look.invoked)).count();
            let there = out + left.iter().filter(|other| *other == value).count();
            waiting += (known.len() - before).min(known.len().saturating_sub(there));
            for add in known.iter().take(before.saturating_sub(there)) {
                missing.push((*value, *add));
            }
        }
        if let Some(cleared) = self.cleared {
            let event = cleared.invoked;
            findings.reason(format!(
                "key {key} was cleared at event {event}: what went missing of it is not judged"
            ));
            return;
        }
        self.lost(history, key, &missing, tally, findings);
        if waiting > 0 {
            findings.reason(format!(
                "key {key}: {waiting} acknowledged elements never came out, and the queue was not seen drained after they \
                 went in"
            ));
        }
    }

    fn lost(
        &self,
        history: &History,
        key: Key,
        missing: &[(Value, &Operation)],
        tally: &mut Tally,
        findings: &mut Findings,
    ) {
        let Some((look, _)) = self.drained.filter(|_| !missing.is_empty()) else { return };
        let takers = self.unknown.iter().filter(|taker| Some(taker.invoked) < look.returned());
        let takers = takers.count();
        let count = missing.len();
        if count <= takers {
            findings.reason(format!(
                "key {key}: {count} acknowledged elements never came out, and {takers} dequeues of unknown outcome may have \
                 taken them"
            ));
            return;
        }
        tally.lost += count - takers;
        let taken = match takers {
            0 => String::new(),
            _ => format!(
                " ({count} elements of the queue are missing, of which {takers} at most were taken by dequeues of unknown \
                 outcome)"
            ),
        };
        for (value, add) in missing {
            let sentence = format!(
                "key {key}, element {value} went in, never came out, and the queue was seen without it{taken}"
            );
            findings.anomaly(history, "lost", sentence, &[add, look]);
        }
    }
}

impl Tally {
    fn tell(&self, findings: &mut Findings) {
        findings.number("attempted", self.attempted);
        findings.number("acknowledged", self.acknowledged);
        findings.number("dequeued", self.dequeued);
        findings.number("lost", self.lost);
        findings.number("unexpected", self.unexpected);
        findings.number("duplicated", self.duplicated);
        findings.number("recovered", self.recovered);
        if self.acknowledged == 0 {
            findings.reason(format!(
                "none of {} enqueues was acknowledged: nothing could be lost",
                self.attempted
            ));
        }
    }
}
