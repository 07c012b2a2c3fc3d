//! The operations of any history, also of one that no checker would take: what a timeline shows and what is left out to
//! make a history small.
//!
//! Promises an operation for each invocation and, where a completion has none, for that; in the order of their first events.

use crate::cluster::NodeId;
use crate::history::{History, Kind, Process};
use crate::op::{Mop, Op};
use std::collections::BTreeMap;
use std::time::Duration;

/// Characters of an operation that are told.
const TOLD: usize = 240;
/// Elements of a list that is told in full.
const ELEMENTS: usize = 10;
/// Elements of a longer one that are told of its beginning and of its end.
const ENDS: usize = 3;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not.
    Fail,
    /// Nobody knows: it was given up.
    Info,
    /// Nobody knows: there is no end of it in the history.
    Open,
}

/// An operation of a client.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'h> {
    /// Its first event.
    pub first: usize,
    /// Its completion, where that is another.
    pub completed: Option<usize>,
    /// How it ended.
    pub outcome: Outcome,
    /// Who asked.
    pub process: Process,
    /// What its first event says.
    pub asked: &'h Op,
    /// What was asked, with what was seen.
    pub op: &'h Op,
    /// The node it was asked of, where there is one.
    pub node: Option<NodeId>,
    /// Why it failed or why nobody knows.
    pub error: Option<&'h str>,
    /// When it began and when it ended; of an open one the history's end.
    pub span: (Duration, Duration),
}

impl Operation<'_> {
    /// Its events.
    pub fn events(&self) -> impl Iterator<Item = usize> {
        [Some(self.first), self.completed].into_iter().flatten()
    }
}

/// All operations of clients.
pub fn operations(history: &History) -> Vec<Operation<'_>> {
    let end = history.events.iter().map(|event| event.time).max().unwrap_or_default();
    let mut operations: Vec<Operation> = Vec::new();
    let mut open: BTreeMap<Process, usize> = BTreeMap::new();
    for (index, event) in history.client_events() {
        let at = event.time;
        let begun = if event.kind == Kind::Invoke { None } else { open.remove(&event.process) };
        if let Some(place) = begun {
            let operation: &mut Operation = &mut operations[place];
            operation.completed = Some(index);
            operation.outcome = outcome(event.kind);
            operation.span.1 = at.max(operation.span.0);
            operation.error = event.error.as_deref();
            operation.node = operation.node.or(event.node);
            // What did not succeed may not say what was asked; if it does, it may say what was seen.
            if event.kind == Kind::Ok || event.op.length() >= operation.op.length() {
                operation.op = &event.op;
            }
            continue;
        }
        let is_open = event.kind == Kind::Invoke;
        if is_open {
            open.insert(event.process, operations.len());
        }
        let span = (at, if is_open { end.max(at) } else { at });
        operations.push(Operation {
            first: index,
            completed: None,
            outcome: outcome(event.kind),
            process: event.process,
            asked: &event.op,
            op: &event.op,
            node: event.node,
            error: event.error.as_deref(),
            span,
        });
    }
    operations
}

fn outcome(kind: Kind) -> Outcome {
    match kind {
        Kind::Invoke => Outcome::Open,
        Kind::Ok => Outcome::Ok,
        Kind::Fail => Outcome::Fail,
        Kind::Info => Outcome::Info,
    }
}

/// For each event the operation that it belongs to; `None` for those of the nemesis.
pub fn by_event(history: &History, operations: &[Operation]) -> Vec<Option<usize>> {
    let mut of = vec![None; history.events.len()];
    for (number, operation) in operations.iter().enumerate() {
        operation.events().for_each(|event| of[event] = Some(number));
    }
    of
}

/// An operation in words, of what is long the ends.
pub fn words(op: &Op) -> String {
    let text = match op {
        Op::Txn(mops) => format!("[{}]", mops.iter().map(brief).collect::<Vec<String>>().join(" ")),
        other => other.to_string(),
    };
    match text.char_indices().nth(TOLD) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn brief(mop: &Mop) -> String {
    let Mop::Read { key, values: Some(values) } = mop else { return mop.to_string() };
    if values.len() <= ELEMENTS {
        return mop.to_string();
    }
    let join =
        |values: &[u64]| values.iter().map(ToString::to_string).collect::<Vec<String>>().join(" ");
    let (begin, end) = (&values[..ENDS], &values[values.len() - ENDS..]);
    format!("[:r {key} [{} … {}]] ({} elements)", join(begin), join(end), values.len())
}
