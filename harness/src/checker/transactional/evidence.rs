//! Why a cycle is one: its transactions, and for each of its edges a sentence. What an edge between reads and
//! writes was inferred from, the checker says; the order of processes and of real time is told here.

use super::cycles::{Cycle, STEPS_MAX};
use super::graph::Edge;
use super::proof::{self, Dependency, Member, Place, Proof, Step};
use super::words::{Shown, Told, Words, each_once};
use crate::history::seconds;
use crate::op::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Of a longer cycle the middle is left out.
const STEPS_SHOWN: usize = 12;

/// What an edge was inferred from.
pub struct Because {
    pub text: String,
    /// The events that show it, beyond its two transactions.
    pub events: Vec<usize>,
    /// The values that matter: long micro-operations are shown around them.
    pub values: Vec<Value>,
    /// The same, piece by piece.
    pub proofs: Vec<Proof>,
}

/// A cycle: its transactions, then its edges, the last as the contradiction. Of a long one the middle is
/// left out. Beside the words the same as data.
pub fn cycle<W: Words>(words: &W, cycle: &Cycle) -> (Told, proof::Cycle) {
    let steps = rotated(&cycle.steps);
    let mut numbers: BTreeMap<u32, usize> = BTreeMap::new();
    for (from, ..) in &steps {
        let next = numbers.len() + 1;
        numbers.entry(*from).or_insert(next);
    }
    let left_out = match steps.len() {
        0..=STEPS_SHOWN => 0..0,
        length => STEPS_SHOWN - 2..length - 2,
    };
    let shown = steps.iter().enumerate().filter(|(i, _)| !left_out.contains(i));
    let shown: Vec<(u32, Edge, u32)> = shown.map(|(_, step)| *step).collect();
    let name = |txn: u32| format!("T{}", numbers[&txn]);
    let because = |step: &(u32, Edge, u32)| reason(words, *step, &name(step.0), &name(step.2));
    let reasons: Vec<Because> = shown.iter().map(because).collect();

    let count = numbers.len();
    let mut text = format!("{}: a cycle of {count} transactions\n", cycle.anomaly);
    let txns = shown.iter().flat_map(|step| [step.0, step.2]);
    let txns: BTreeMap<usize, u32> = txns.map(|txn| (numbers[&txn], txn)).collect();
    introduce(words, &mut text, &txns, &reasons);
    for (i, (step, because)) in shown.iter().zip(&reasons).enumerate() {
        if !left_out.is_empty() && i == left_out.start {
            let _ = writeln!(text, "  - … and so on, {} steps more …", left_out.len());
        }
        let last = i + 1 == shown.len();
        let (however, end) = if last { ("However, ", ": a contradiction!") } else { ("", ".\n") };
        let (from, to) = (name(step.0), name(step.2));
        let _ = write!(text, "  - {however}{from} < {to}, because {}{end}", because.text);
    }
    if cycle.capped {
        let _ = write!(text, "\n(the search for a shorter one ended after {STEPS_MAX} edges)");
    }
    let members: Vec<u32> = txns.values().copied().collect();
    let proven = proof::Cycle {
        members: txns.iter().map(|(number, txn)| member(words, *number, *txn, &reasons)).collect(),
        steps: shown.iter().zip(&reasons).map(|(step, why)| proven(&members, *step, why)).collect(),
        length: count,
        left_out: (!left_out.is_empty()).then_some((left_out.start, left_out.len())),
    };
    (Told { text, events: events(words, &txns, reasons) }, proven)
}

fn member<W: Words>(words: &W, number: usize, txn: u32, reasons: &[Because]) -> Member {
    let words_of = words.line(txn, &values(reasons));
    Member { name: format!("T{number}"), words: words_of, event: words.shown(txn).ended.0 }
}

fn proven(members: &[u32], step: (u32, Edge, u32), because: &Because) -> Step {
    let place = |txn: u32| members.iter().position(|member| *member == txn).unwrap_or_default();
    let (from, to, kind) = (place(step.0), place(step.2), Dependency::of(step.1));
    Step { from, to, kind, because: because.text.clone(), proofs: because.proofs.clone() }
}

fn values(reasons: &[Because]) -> Vec<Value> {
    reasons.iter().flat_map(|because| because.values.iter().copied()).collect()
}

fn introduce<W: Words>(
    words: &W,
    text: &mut String,
    txns: &BTreeMap<usize, u32>,
    reasons: &[Because],
) {
    let values = values(reasons);
    text.push_str("Let:\n");
    for (number, txn) in txns {
        let line = words.line(*txn, &values);
        let _ = writeln!(text, "  T{number} = {line}");
    }
    text.push_str("Then:\n");
}

/// What the text names: the transactions, and what their order was inferred from.
fn events<W: Words>(words: &W, txns: &BTreeMap<usize, u32>, reasons: Vec<Because>) -> Vec<usize> {
    let txns = txns.values().map(|txn| words.shown(*txn).ended.0);
    each_once(txns.chain(reasons.into_iter().flat_map(|because| because.events)).collect())
}

fn reason<W: Words>(words: &W, step: (u32, Edge, u32), a: &str, b: &str) -> Because {
    let (before, after) = (words.shown(step.0), words.shown(step.2));
    match step.1 {
        Edge::Ww | Edge::Wr | Edge::Rw => words.because(step, a, b),
        Edge::Process => same_process(&before, &after, a, b),
        Edge::Realtime => earlier(&before, &after, a, b),
        Edge::Relay => unexplained(a, b),
    }
}

fn same_process(before: &Shown, after: &Shown, a: &str, b: &str) -> Because {
    let text = format!(
        "{} completed {a} at {} before it completed {b} at {}",
        before.process,
        seconds(before.ended.1),
        seconds(after.ended.1)
    );
    let places = vec![Place::event(before.ended.0), Place::event(after.ended.0)];
    let proofs = vec![Proof { kind: Dependency::Process, text: text.clone(), places }];
    Because { text, events: Vec::new(), values: Vec::new(), proofs }
}

fn earlier(before: &Shown, after: &Shown, a: &str, b: &str) -> Because {
    let Some((invoked, invoked_at)) = after.invoked else { return unexplained(a, b) };
    let text = format!(
        "{a} completed at {} (event {}), before {b}'s invocation at {} (event {invoked})",
        seconds(before.ended.1),
        before.ended.0,
        seconds(invoked_at),
    );
    let places = vec![Place::event(before.ended.0), Place::event(invoked)];
    let proofs = vec![Proof { kind: Dependency::Realtime, text: text.clone(), places }];
    Because { text, events: vec![invoked], values: Vec::new(), proofs }
}

/// An edge of our graph that nothing in the history shows: a mistake of ours, said as such.
pub fn unexplained(a: &str, b: &str) -> Because {
    let text = format!("{a} comes before {b} in the dependency graph");
    Because { text, events: Vec::new(), values: Vec::new(), proofs: Vec::new() }
}

/// Begun so that its last edge is the most telling: real time, else the process order, else an
/// anti-dependency.
fn rotated(steps: &[(u32, Edge, u32)]) -> Vec<(u32, Edge, u32)> {
    let last = [Edge::Realtime, Edge::Process, Edge::Rw]
        .into_iter()
        .find_map(|kind| steps.iter().position(|(_, edge, _)| *edge == kind));
    let mut steps = steps.to_vec();
    if let Some(last) = last {
        steps.rotate_left(last + 1);
    }
    steps
}
