//! The operations of a history: what was asked, and how that ended. What the checkers of one property each begin with.
//!
//! Promises one operation for each invocation, in the order of these. A moment is the index of an event: closed
//! intervals, so that two operations of which neither ended before the other began are concurrent.
//!
//! Refuses, in one sentence, what is no history: an end without a beginning, a process that asks two things at once,
//! success at something else than was asked.

use crate::history::{Event, History, Kind, Process, seconds};
use crate::op::{Bank, Call, Mop, Op, RegisterMop};
use std::collections::BTreeMap;

/// Characters of an operation that are told, at most.
const TOLD: usize = 160;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It happened.
    Ok,
    /// It did not.
    Fail,
    /// Nobody knows: given up, or still open.
    Unknown,
}

/// An operation and when it took place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation<'h> {
    /// Who asked.
    pub process: Process,
    /// The event at which it was asked.
    pub invoked: usize,
    /// The event that ended it, whatever that said.
    pub completed: Option<usize>,
    /// How it ended.
    pub end: End,
    /// What was asked; once it succeeded, with what was seen.
    pub op: &'h Op,
}

impl<'h> Operation<'h> {
    /// The event by which it had happened, if it is known to have.
    pub fn returned(&self) -> Option<usize> {
        self.completed.filter(|_| self.end == End::Ok)
    }

    /// Whether it had happened before the moment.
    pub fn had_happened(&self, moment: usize) -> bool {
        self.returned().is_some_and(|returned| returned < moment)
    }

    /// Its call, if it is one.
    pub fn call(&self) -> Option<&'h Call> {
        match self.op {
            Op::Call(call) => Some(call),
            _ => None,
        }
    }

    /// The events that it has.
    pub fn events(&self) -> impl Iterator<Item = usize> {
        [Some(self.invoked), self.completed].into_iter().flatten()
    }

    /// `p9 :read -> [1 2], asked of n3 at 18.900 s (event 12), done at 19.911 s (event 15)`.
    pub fn sentence(&self, history: &History) -> String {
        let asked = &history.events[self.invoked];
        let of = asked.node.map_or(String::new(), |node| format!(" of {node}"));
        let (process, at, event) = (self.process, seconds(asked.time), self.invoked);
        let ending = self.ending(history);
        format!("{process} {}, asked{of} at {at} (event {event}), {ending}", brief(self.op))
    }

    fn ending(&self, history: &History) -> String {
        let Some(completed) = self.completed else { return "still open at the end".to_owned() };
        let word = match self.end {
            End::Ok => "done",
            End::Fail => "refused",
            End::Unknown => "given up",
        };
        format!("{word} at {} (event {completed})", seconds(history.events[completed].time))
    }
}

/// The beginning of an operation will do.
fn brief(op: &Op) -> String {
    let text = op.to_string();
    match text.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// All operations of clients.
pub(super) fn operations(history: &History) -> Result<Vec<Operation<'_>>, String> {
    let mut operations: Vec<Operation> = Vec::new();
    let mut running: BTreeMap<Process, usize> = BTreeMap::new();
    for (index, event) in history.client_events() {
        if event.kind != Kind::Invoke {
            end(&mut operations, running.remove(&event.process), index, event)?;
            continue;
        }
        let (process, op) = (event.process, &event.op);
        if let Some(open) = running.insert(process, operations.len()) {
            let earlier = operations[open].invoked;
            return Err(format!(
                "{process} invokes at event {index} while its operation of event {earlier} is open: \
                 a process asks one thing at a time"
            ));
        }
        let (completed, end) = (None, End::Unknown);
        operations.push(Operation { process, invoked: index, completed, end, op });
    }
    Ok(operations)
}

fn end<'h>(
    operations: &mut [Operation<'h>],
    running: Option<usize>,
    index: usize,
    event: &'h Event,
) -> Result<(), String> {
    let Some(running) = running else {
        return Err(format!("event {index} completes what {} has not asked for", event.process));
    };
    let operation = &mut operations[running];
    if event.kind == Kind::Ok && !same(operation.op, &event.op) {
        return Err(format!(
            "event {index}, {}, completes something else than event {} asked for: {}",
            brief(&event.op),
            operation.invoked,
            brief(operation.op)
        ));
    }
    operation.completed = Some(index);
    match event.kind {
        Kind::Ok => (operation.end, operation.op) = (End::Ok, &event.op),
        Kind::Fail => operation.end = End::Fail,
        Kind::Info | Kind::Invoke => {}
    }
    Ok(())
}

/// Whether two operations ask the same, whatever they saw.
fn same(asked: &Op, answered: &Op) -> bool {
    match (asked, answered) {
        (Op::Call(a), Op::Call(b)) => a.key == b.key && a.function == b.function,
        (Op::Bank(Bank::Read { .. }), Op::Bank(Bank::Read { .. })) => true,
        (Op::Txn(a), Op::Txn(b)) => a.len() == b.len() && a.iter().zip(b).all(same_mop),
        (Op::Registers(a), Op::Registers(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(same_register_mop)
        }
        (a, b) => a == b,
    }
}

fn same_mop(pair: (&Mop, &Mop)) -> bool {
    match pair {
        (Mop::Read { key: a, .. }, Mop::Read { key: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

fn same_register_mop(pair: (&RegisterMop, &RegisterMop)) -> bool {
    match pair {
        (RegisterMop::Read { key: a, .. }, RegisterMop::Read { key: b, .. }) => a == b,
        (a, b) => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn history(story: &[(u32, Kind, Op)]) -> History {
        let mut history = History::default();
        for (process, kind, op) in story {
            let (process, time) = (Process::Client(*process), Duration::ZERO);
            let (kind, op) = (*kind, op.clone());
            history.push(Event { time, process, kind, op, node: None, error: None });
        }
        history
    }

    #[test]
    fn what_is_no_history_is_refused_with_its_event() {
        let read = || Op::Bank(Bank::Read { balances: None });
        let seen = || Op::Bank(Bank::Read { balances: Some(vec![(0, 1)]) });
        let transfer = || Op::Bank(Bank::Transfer { from: 0, to: 1, amount: 2 });
        let sentence = |story: &[(u32, Kind, Op)]| operations(&history(story)).unwrap_err();
        assert!(
            sentence(&[(0, Kind::Ok, seen())]).starts_with("event 0 completes what p0 has not")
        );
        let twice = [(0, Kind::Invoke, read()), (0, Kind::Invoke, read())];
        assert!(sentence(&twice).starts_with("p0 invokes at event 1 while"));
        let other = [(0, Kind::Invoke, read()), (0, Kind::Ok, transfer())];
        assert!(sentence(&other).starts_with("event 1, :transfer"));
        let right = history(&[(0, Kind::Invoke, read()), (0, Kind::Ok, seen())]);
        let operations = operations(&right).expect("it is one");
        assert_eq!((operations[0].returned(), operations[0].op), (Some(1), &seen()));
    }
}
