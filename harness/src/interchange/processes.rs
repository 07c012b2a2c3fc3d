//! What no processes can have done: complete what was not asked, ask while something asked is open, append an element
//! twice to its key. Such a history is a mistake of whoever wrote it down, and judging it would be judging that.
//!
//! Cannot see: a completion of something else than was asked, which the checkers of calls refuse themselves.

use super::Imported;
use super::op_map::brief_text;
use crate::history::{Event, Kind, Process};
use crate::op::{Key, Mop, Value};
use std::collections::BTreeMap;

/// An event that cannot have been, by its index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Impossible {
    pub event: usize,
    /// The event that it does not go with, if there is one.
    pub earlier: Option<usize>,
    /// Why, up to where the earlier event is told, and from there on.
    why: [String; 2],
}

impl Impossible {
    /// Why it cannot have been; the earlier event is on this line.
    pub fn why(&self, line: Option<usize>) -> String {
        let place = line.map_or_else(String::new, |line| format!(" on line {line}"));
        let [begins, ends] = &self.why;
        format!("{begins}{place}{ends}")
    }
}

/// The first event that cannot have been.
pub(super) fn first_impossible(imported: &Imported) -> Option<Impossible> {
    let found = [unpaired(imported), doubled(imported)];
    found.into_iter().flatten().min_by_key(|impossible| impossible.event)
}

fn unpaired(imported: &Imported) -> Option<Impossible> {
    let mut open: BTreeMap<Process, usize> = BTreeMap::new();
    for (event, Event { process, kind, .. }) in imported.history.client_events() {
        let is_invocation = *kind == Kind::Invoke;
        let asked = if is_invocation { open.insert(*process, event) } else { open.remove(process) };
        let why = match (is_invocation, asked) {
            (true, None) | (false, Some(_)) => continue,
            (true, Some(_)) => [
                format!("{process} asks while what it asked"),
                " is open: a process asks one thing at a time".to_owned(),
            ],
            (false, None) => [
                format!("{process} completes what it has not asked"),
                ": an :invoke of the same process must stand before".to_owned(),
            ],
        };
        return Some(Impossible { event, earlier: asked, why });
    }
    None
}

/// An element that is appended to its key a second time: a read of it could not say whose it saw.
fn doubled(imported: &Imported) -> Option<Impossible> {
    let mut appends: Vec<(Key, Value, usize)> = Vec::new();
    for (index, event) in imported.history.client_events() {
        if event.kind == Kind::Invoke {
            appends.extend(event.op.mops().iter().filter_map(|mop| match mop {
                Mop::Append { key, value } => Some((*key, *value, index)),
                Mop::Read { .. } => None,
            }));
        }
    }
    appends.sort_unstable();
    let pairs = appends.windows(2).filter(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
    let first = pairs.min_by_key(|pair| pair[1].2)?;
    let ((key, value, event), earlier) = (first[1], Some(first[0].2));
    let key = imported.key_names.get(&key).map_or_else(|| key.to_string(), ToString::to_string);
    let begins = format!("{value} is appended to {} here and", brief_text(&key));
    let ends = ": an element is appended once to its key".to_owned();
    Some(Impossible { event, earlier, why: [begins, ends] })
}
