//! What is wrong, in words, with the evidence that is still there.

use super::order::{Close, Cycle, Edge, Id, Kind, Order};
use crate::checker::Anomaly;
use crate::checker::list_append::NAME;
use crate::op::Value;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A cycle of which a part was forgotten, so that nobody can say which kind it is of.
const OF_SOME_KIND: &str = "cycle-realtime";

/// Elements of a list that are told, at most.
const ELEMENTS: usize = 8;

/// An anomaly that shows with an event.
pub(super) fn anomaly(name: &str, text: &str, mut events: Vec<usize>, index: usize) -> Anomaly {
    events.push(index);
    events.sort_unstable();
    events.dedup();
    let text = format!("{name}: {text}");
    Anomaly { name: name.to_owned(), found_by: NAME.to_owned(), text, events }
}

/// A contradiction in the order of transactions.
pub(super) fn cycle(cycle: &Cycle, order: &Order, index: usize) -> Anomaly {
    let mut told = Told { order, names: BTreeMap::new(), events: Vec::new() };
    let mut lines = String::new();
    let after: Vec<Id> =
        cycle.steps.iter().skip(1).map(|(id, _)| *id).chain([cycle.last]).collect();
    if let Close::Realtime { asked, forgotten: Some((floor, edge)), .. } = cycle.close {
        let first = cycle.steps.first().map_or(cycle.last, |(id, _)| *id);
        let (first, process, of) = (told.name(first), floor.process, floor.of);
        let because = because(edge);
        let _ = write!(
            lines,
            "\n  what was asked at event {asked} < … < {process}'s transaction of event {of} < {first}, because {because}"
        );
        told.events.extend([asked, of]);
    }
    for ((from, edge), to) in cycle.steps.iter().zip(after) {
        let (from, to) = (told.name(*from), told.name(to));
        let _ = write!(lines, "\n  {from} < {to}, because {}", because(*edge));
    }
    let last = told.name(cycle.last);
    match cycle.close {
        Close::By(edge) => {
            let first = told.name(cycle.steps.first().map_or(cycle.last, |(id, _)| *id));
            let _ = write!(lines, "\n  However, {last} < {first}, because {}", because(edge));
        }
        Close::Realtime { due, asked, .. } => {
            let who = match due.by == cycle.last {
                true => format!("{last} had ended"),
                false => format!("{} had seen {last} and ended", told.name(due.by)),
            };
            told.events.push(due.event);
            let at = due.event;
            let _ = write!(
                lines,
                "\n  However, {who} at event {at}, before the first of them was asked at event {asked}"
            );
        }
    }
    let name = name(cycle);
    let count = cycle.steps.len() + 1;
    let names: Vec<String> = told.names.iter().map(|(id, name)| told.txn(*id, name)).collect();
    let text = format!(
        "a cycle of {count} transactions\nLet:\n  {}\nThen:{lines}: a contradiction!",
        names.join("\n  ")
    );
    anomaly(name, &text, told.events, index)
}

/// Elle's name for it.
fn name(cycle: &Cycle) -> &'static str {
    let mut kinds: Vec<Option<Kind>> =
        cycle.steps.iter().map(|(_, edge)| Some(edge.kind)).collect();
    let realtime = match cycle.close {
        Close::By(edge) => {
            kinds.push(Some(edge.kind));
            false
        }
        Close::Realtime { forgotten: Some(_), .. } => return OF_SOME_KIND,
        Close::Realtime { .. } => {
            kinds.push(None);
            true
        }
    };
    let rw = |kind: &Option<Kind>| *kind == Some(Kind::Rw);
    let count = kinds.iter().filter(|kind| rw(kind)).count();
    let next = kinds.iter().cycle().skip(1);
    let adjacent = kinds.iter().zip(next).any(|(a, b)| rw(a) && rw(b));
    let reads = kinds.contains(&Some(Kind::Wr));
    match (count, adjacent, reads, realtime) {
        (0, _, false, false) => "G0",
        (0, _, true, false) => "G1c",
        (0, _, false, true) => "G0-realtime",
        (0, _, true, true) => "G1c-realtime",
        (1, _, _, false) => "G-single-item",
        (1, _, _, true) => "G-single-item-realtime",
        (_, false, _, false) => "G-nonadjacent-item",
        (_, false, _, true) => "G-nonadjacent-item-realtime",
        (_, true, _, false) => "G2-item",
        (_, true, _, true) => "G2-item-realtime",
    }
}

fn because(Edge { kind, key, value }: Edge) -> String {
    match kind {
        Kind::Ww => {
            format!("the append of {value} to key {key} by the second came after the first's")
        }
        Kind::Wr => format!("the second read key {key} up to the first's append of {value}"),
        Kind::Rw => format!("the first read key {key} without the second's append of {value}"),
    }
}

struct Told<'a> {
    order: &'a Order,
    names: BTreeMap<Id, String>,
    events: Vec<usize>,
}

impl Told<'_> {
    fn name(&mut self, id: Id) -> String {
        let next = self.names.len() + 1;
        self.events.push(id);
        self.events.extend(self.order.get(id).and_then(|txn| txn.ended));
        self.names.entry(id).or_insert_with(|| format!("T{next}")).clone()
    }

    fn txn(&self, id: Id, name: &str) -> String {
        let Some(txn) = self.order.get(id) else {
            return format!("{name} = asked at event {id}, no longer kept");
        };
        let process = txn.process;
        match txn.ended {
            Some(ended) => format!("{name} = {process}, asked at event {id}, ok at event {ended}"),
            None => format!("{name} = {process}, asked at event {id}, of unknown outcome"),
        }
    }
}

/// The end of a list.
pub(super) fn list(values: &[Value]) -> String {
    let from = values.len().saturating_sub(ELEMENTS);
    let told: Vec<String> = values[from..].iter().map(Value::to_string).collect();
    format!("[{}{}]", if from > 0 { "… " } else { "" }, told.join(" "))
}
