//! What leads an event to nothing good, and how that is told.

use super::lists::List;
use super::order::{Cycle, Due, Id};
use super::words;
use crate::checker::Anomaly;
use crate::checker::list_append::versions::first_repeat;
use crate::op::{Key, Value};

/// Why an event leads to nothing good.
pub(super) enum Trouble {
    /// The history is not one that can be judged.
    Unfit(String),
    Wrong(Anomaly),
    Cycle(Cycle),
}

impl From<Cycle> for Trouble {
    fn from(cycle: Cycle) -> Trouble {
        Trouble::Cycle(cycle)
    }
}

/// A list that was read.
pub(super) struct Shown<'e> {
    pub key: Key,
    pub values: &'e [Value],
    pub by: Due,
}

pub(super) fn wrong(name: &str, text: &str, events: Vec<usize>, index: usize) -> Trouble {
    Trouble::Wrong(words::anomaly(name, text, events, index))
}

/// A version that was over before the transaction was asked.
pub(super) fn stale(shown: &Shown, list: &List) -> Trouble {
    let Shown { key, values, by } = *shown;
    let (length, first) = (values.len(), list.first);
    let mut events = vec![by.by];
    let mut text = format!("key {key} was read with {length} elements, {}", words::list(values));
    if let Some(Due { event, by: id, process }) = list.gone {
        text.push_str(&format!(
            ", where it had {first} at least before that was asked at event {}: {process}'s transaction of event {id}, \
             which made or saw that, had ended at event {event}",
            by.by
        ));
        events.extend([event, id]);
    }
    wrong("G-single-item-realtime", &text, events, by.event)
}

/// A list of which neither is the other's beginning.
pub(super) fn incompatible(shown: &Shown, list: &List) -> Trouble {
    let Shown { key, values, by } = *shown;
    if let Some(at) = first_repeat(values) {
        return twice(key, values[at], by);
    }
    let known = list.versions.iter().filter_map(|version| Some(version.end?.0));
    let known: Vec<Value> = known.collect();
    let text = format!(
        "key {key} was read as {} ({} elements), and had been read with {} elements that end {}: neither begins with the other",
        words::list(values),
        values.len(),
        list.len(),
        words::list(&known)
    );
    wrong("incompatible-order", &text, vec![by.by], by.event)
}

fn twice(key: Key, value: Value, by: Due) -> Trouble {
    let text = format!("key {key} was read with element {value} twice");
    wrong("duplicate-elements", &text, vec![by.by], by.event)
}

/// An element that nobody can have appended now.
pub(super) fn unknown(shown: &Shown, failed: Option<Id>, value: Value) -> Trouble {
    let Shown { key, values, by } = *shown;
    if first_repeat(values).is_some_and(|at| values[at] == value) {
        return twice(key, value, by);
    }
    if let Some(id) = failed {
        let text = format!(
            "key {key} was read with {value}, which the transaction of event {id} appended that had failed"
        );
        return wrong("G1a", &text, vec![id, by.by], by.event);
    }
    let text = format!("key {key} was read with {value}, which nobody had asked to append by then");
    wrong("garbage-read", &text, vec![by.by], by.event)
}
