//! A brute-force twin of the checkers: on small histories every serial order is tried.
//!
//! Cannot see: models other than serializability, with or without real time.

use harness::history::{History, Kind, Process};
use harness::op::Op;
use std::collections::BTreeMap;

/// What an operation that ended so makes of a state; nothing, if it cannot have seen what it says it saw.
pub type Apply<S> = fn(&Op, Kind, &S) -> Option<S>;

struct Candidate<'h> {
    op: &'h Op,
    invoked: usize,
    completed: usize,
    kind: Kind,
}

/// Whether some order of all successful and some unknown transactions explains every read, and, if real time
/// counts, has everything that completed before an invocation before it.
pub fn serializable<S: Default>(history: &History, realtime: bool, apply: Apply<S>) -> bool {
    let mut txns: Vec<Candidate> = Vec::new();
    let mut running: BTreeMap<Process, usize> = BTreeMap::new();
    for (index, event) in history.events.iter().enumerate() {
        if event.kind == Kind::Invoke {
            running.insert(event.process, txns.len());
            let op = &event.op;
            txns.push(Candidate { op, invoked: index, completed: usize::MAX, kind: Kind::Info });
        } else {
            let txn = &mut txns[running[&event.process]];
            txn.kind = event.kind;
            if event.kind == Kind::Ok {
                (txn.op, txn.completed) = (&event.op, index);
            }
        }
    }
    txns.retain(|txn| txn.kind != Kind::Fail);
    let mut placed = vec![false; txns.len()];
    order(&txns, &mut placed, &S::default(), realtime, apply)
}

fn order<S>(
    txns: &[Candidate],
    placed: &mut [bool],
    state: &S,
    realtime: bool,
    apply: Apply<S>,
) -> bool {
    let waiting = |txn: &usize| txns[*txn].kind == Kind::Ok && !placed[*txn];
    let waiting: Vec<usize> = (0..txns.len()).filter(waiting).collect();
    if waiting.is_empty() {
        return true;
    }
    for next in 0..txns.len() {
        let late = |other: &usize| txns[*other].completed < txns[next].invoked;
        if placed[next] || realtime && waiting.iter().any(late) {
            continue;
        }
        if let Some(state) = apply(txns[next].op, txns[next].kind, state) {
            placed[next] = true;
            if order(txns, placed, &state, realtime, apply) {
                return true;
            }
            placed[next] = false;
        }
    }
    false
}
