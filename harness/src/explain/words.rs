//! An anomaly in words: as its checker tells it, then every dependency with what it was inferred from, the longest order of
//! calls with what the object held, and where the smaller history is.

use super::Explained;
use super::minimal::Minimal;
use crate::checker::linearizable::Partial;
use crate::checker::transactional::proof::{Cycle, Place};
use crate::report;
use std::fmt::Write;

/// Several lines.
pub(super) fn words(explained: &Explained) -> String {
    let mut text = format!("{}\n", report::named(&explained.anomaly));
    if let Some(cycle) = &explained.cycle {
        evidence(&mut text, cycle);
    }
    if let Some(order) = &explained.order {
        in_order(&mut text, order);
    }
    let _ = writeln!(text, "\n{}", smaller(explained));
    text
}

fn evidence(text: &mut String, cycle: &Cycle) {
    text.push_str(
        "\nEvidence, by event and micro-operation of the history, both counted from 0:\n",
    );
    for step in &cycle.steps {
        let name = |member: usize| cycle.members.get(member).map_or("?", |member| &member.name);
        let (from, to) = (name(step.from), name(step.to));
        let _ = writeln!(text, "  {from} < {to}   {}", step.kind.name());
        for proof in &step.proofs {
            let places: Vec<String> = proof.places.iter().map(place).collect();
            let (kind, places) = (proof.kind.name(), places.join(", "));
            let _ = writeln!(text, "    {kind}: {}\n      {places}", proof.text);
        }
    }
}

fn place(place: &Place) -> String {
    match place.mop {
        Some(mop) => format!("event {} micro-operation {mop}", place.event),
        None => format!("event {}", place.event),
    }
}

fn in_order(text: &mut String, order: &Partial) {
    let key = order.key;
    let _ = writeln!(text, "\nThe longest order of the calls of the smaller history, key {key}:");
    if order.is_cut {
        text.push_str("  … what came before …\n");
    }
    for placed in &order.order {
        let states = placed.states.as_ref();
        let states = states.map_or(String::new(), |(from, to)| format!("   {from} => {to}"));
        let _ = writeln!(text, "  {}{states}   (events {})", placed.call, listed(&placed.events));
    }
    let _ = writeln!(
        text,
        "  and then the call of events {} cannot have taken effect: it holds {}, of {} that were possible",
        listed(&order.stuck),
        order.left,
        order.possible.join(" or ")
    );
}

fn listed(events: &[usize]) -> String {
    events.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

/// Where the smaller history is and how to look at it; or why there is none.
pub(super) fn smaller(explained: &Explained) -> String {
    let Explained { name, minimal, .. } = explained;
    let minimal = match minimal {
        Ok(minimal) => minimal,
        Err(sentence) => return format!("No smaller history was made: {sentence}."),
    };
    let Minimal { operations, of, is_capped, .. } = minimal;
    let least = match is_capped {
        true => "more could perhaps be left out: the budget for that ended",
        false => "none of them can be left out with what needs it",
    };
    let words = explained.words.as_deref().unwrap_or_default();
    format!(
        "{operations} of {of} operations still show it, in {name}.jsonl; {least}.\nAgain: cargo sim check {words} \
         {name}.jsonl"
    )
}
