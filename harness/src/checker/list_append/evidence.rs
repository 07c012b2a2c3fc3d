//! Why a cycle is one: each of its edges in a sentence, with the elements, the lists and the reader that the
//! edge was inferred from.

use super::columns::{NONE, Txn};
use super::cycles::{Cycle, STEPS_MAX};
use super::graph::Edge;
use super::versions::{Append, Seen};
use super::words::{Told, Words, elided_list, seconds};
use crate::op::{Mop, Value};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Of a longer cycle the middle is left out.
const STEPS_SHOWN: usize = 12;

/// What an edge was inferred from.
struct Because {
    text: String,
    events: Vec<usize>,
    /// The elements that matter: lists are shown around them.
    values: Vec<Value>,
}

impl Words<'_, '_> {
    /// A cycle: its transactions, then its edges, the last as the contradiction. Of a long one the middle is
    /// left out.
    pub fn cycle(self, cycle: &Cycle) -> Told {
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
        let because = |step: &(u32, Edge, u32)| self.because(*step, &name(step.0), &name(step.2));
        let reasons: Vec<Because> = shown.iter().map(because).collect();

        let count = numbers.len();
        let mut text = format!("{}: a cycle of {count} transactions\n", cycle.anomaly);
        let txns = shown.iter().flat_map(|step| [step.0, step.2]);
        let txns: BTreeMap<usize, u32> = txns.map(|txn| (numbers[&txn], txn)).collect();
        self.introduce(&mut text, &txns, &reasons);
        for (i, (step, because)) in shown.iter().zip(&reasons).enumerate() {
            if !left_out.is_empty() && i == left_out.start {
                let _ = writeln!(text, "  - … and so on, {} steps more …", left_out.len());
            }
            let last = i + 1 == shown.len();
            let (however, end) =
                if last { ("However, ", ": a contradiction!") } else { ("", ".\n") };
            let (from, to) = (name(step.0), name(step.2));
            let _ = write!(text, "  - {however}{from} < {to}, because {}{end}", because.text);
        }
        if cycle.capped {
            let _ = write!(text, "\n(the search for a shorter one ended after {STEPS_MAX} edges)");
        }
        Told { text, events: self.events(&txns, reasons) }
    }

    fn introduce(self, text: &mut String, txns: &BTreeMap<usize, u32>, reasons: &[Because]) {
        let values: Vec<Value> = reasons.iter().flat_map(|b| b.values.iter().copied()).collect();
        text.push_str("Let:\n");
        for (number, txn) in txns {
            let line = self.line(&self.columns.txns[*txn as usize], &values);
            let _ = writeln!(text, "  T{number} = {line}");
        }
        text.push_str("Then:\n");
    }

    /// What the text names: the transactions, and what their order was inferred from.
    fn events(self, txns: &BTreeMap<usize, u32>, reasons: Vec<Because>) -> Vec<usize> {
        let txns = txns.values().map(|txn| self.columns.txns[*txn as usize].event);
        let mut events: Vec<usize> =
            txns.chain(reasons.into_iter().flat_map(|because| because.events)).collect();
        events.sort_unstable();
        events.dedup();
        events
    }

    fn because(self, (from, edge, to): (u32, Edge, u32), a: &str, b: &str) -> Because {
        let (before, after) = (&self.columns.txns[from as usize], &self.columns.txns[to as usize]);
        match edge {
            Edge::Ww => self.overwritten(from, after, a, b),
            Edge::Wr => self.observed(from, after, a, b),
            Edge::Rw => self.missed(before, to, a, b),
            Edge::Process => self.same_process(before, after, a, b),
            Edge::Realtime => self.earlier(before, after, a, b),
            Edge::Relay => unexplained(a, b),
        }
    }

    fn overwritten(self, from: u32, after: &Txn, a: &str, b: &str) -> Because {
        for mop in after.mops {
            let Mop::Append { key, value } = mop else { continue };
            let row = self.columns.row(*key);
            let Some(append) = self.versions.append_of(self.columns, row, *value) else { continue };
            let order = &self.versions.keys[row].order;
            let at = if append.position == NONE { order.len() } else { append.position as usize };
            let Some(earlier) = at.checked_sub(1) else { continue };
            if self.writer_at(row, earlier) != Some(from) {
                continue;
            }
            let earlier = order[earlier];
            let (witness, events) = self.witness(row, &[earlier, *value]);
            let text = if append.position == NONE {
                format!(
                    "{a}'s append of {earlier} is the last to key {key} in {witness}, which lacks {b}'s append of {value}"
                )
            } else {
                format!(
                    "{b} appended {value} to key {key} right after {a} had appended {earlier}: {witness}"
                )
            };
            return Because { text, events, values: vec![earlier, *value] };
        }
        unexplained(a, b)
    }

    fn observed(self, from: u32, after: &Txn, a: &str, b: &str) -> Because {
        for mop in after.mops {
            let Mop::Read { key, values: Some(values) } = mop else { continue };
            let Some(last) = values.last() else { continue };
            let row = self.columns.row(*key);
            let append = self.versions.append_of(self.columns, row, *last);
            if append.is_some_and(|append| append.txn == from) {
                let text = format!("{b} observed {a}'s append of {last} to key {key}");
                return Because { text, events: Vec::new(), values: vec![*last] };
            }
        }
        unexplained(a, b)
    }

    fn missed(self, before: &Txn, to: u32, a: &str, b: &str) -> Because {
        for mop in before.mops.iter().filter(|mop| matches!(mop, Mop::Read { .. })) {
            let row = self.columns.row(mop.key());
            let Some(last) = self.last_element(row, mop) else { continue };
            let next = last.map_or(0, |last| last + 1);
            let mut appends = self.versions.appends_of(row).iter();
            let follows = |append: &&Append| {
                let order = self.versions.keys[row].order.len();
                let at = if append.position == NONE { order } else { append.position as usize };
                append.txn == to && at == next
            };
            let Some(append) = appends.find(follows) else { continue };
            return self.because_missed(row, last, append, a, b);
        }
        unexplained(a, b)
    }

    fn because_missed(
        self,
        row: usize,
        last: Option<usize>,
        append: &Append,
        a: &str,
        b: &str,
    ) -> Because {
        let key = self.columns.keys[row];
        let last = last.map(|last| self.versions.keys[row].order[last]);
        let values: Vec<Value> = last.into_iter().chain([append.value]).collect();
        let state = match last {
            None => format!("{a} observed key {key} empty"),
            Some(last) => format!("{a} observed key {key} up to {last}"),
        };
        let (witness, events) = self.witness(row, &values);
        let text = if append.position == NONE {
            format!(
                "{state}, the end of all reads, and so did not see {b}'s append of {}",
                append.value
            )
        } else if events.is_empty() {
            format!(
                "{state} and so did not see {b}'s append of {}, the only one to it",
                append.value
            )
        } else {
            format!("{state} and did not see {b}'s append of {}, the next: {witness}", append.value)
        };
        Because { text, events, values }
    }

    /// The position of the last element that a read shows, as the versions of the key have it.
    fn last_element(self, row: usize, mop: &Mop) -> Option<Option<usize>> {
        let range = self.columns.touches_of(row);
        let touches = range.clone().zip(&self.columns.touches[range]);
        let (i, touch) = touches.into_iter().find(|(_, touch)| std::ptr::eq(touch.mop, mop))?;
        match self.versions.seen[i] {
            Seen::Nothing => None,
            seen => self.versions.last_seen(row, touch, seen),
        }
    }

    fn same_process(self, before: &Txn, after: &Txn, a: &str, b: &str) -> Because {
        let event = &self.columns.history.events[before.event];
        let later = &self.columns.history.events[after.event];
        let text = format!(
            "{} completed {a} at {} before it completed {b} at {}",
            event.process,
            seconds(event.time),
            seconds(later.time)
        );
        Because { text, events: Vec::new(), values: Vec::new() }
    }

    fn earlier(self, before: &Txn, after: &Txn, a: &str, b: &str) -> Because {
        let Some(invoked) = after.invoked else { return unexplained(a, b) };
        let time = |event: usize| seconds(self.columns.history.events[event].time);
        let text = format!(
            "{a} completed at {} (event {}), before {b}'s invocation at {} (event {invoked})",
            time(before.event),
            before.event,
            time(invoked),
        );
        Because { text, events: vec![invoked], values: Vec::new() }
    }

    fn writer_at(self, row: usize, position: usize) -> Option<u32> {
        let writer = *self.versions.keys[row].writers.get(position)?;
        (writer != NONE).then(|| self.versions.appends[writer as usize].txn)
    }

    /// The read that the version order of a key comes from.
    fn witness(self, row: usize, around: &[Value]) -> (String, Vec<usize>) {
        let key = &self.versions.keys[row];
        let Some(witness) = key.witness else {
            return ("no read of it".to_string(), Vec::new());
        };
        let reader = self.columns.txn(&self.columns.touches[witness]);
        let list = elided_list(key.longest, around);
        (format!("{list} as read by {}", self.name(reader)), vec![reader.event])
    }
}

fn unexplained(a: &str, b: &str) -> Because {
    let text = format!("{a} comes before {b} in the dependency graph");
    Because { text, events: Vec::new(), values: Vec::new() }
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
