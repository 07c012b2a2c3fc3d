//! A stream: entries in the order in which they were added, each with an id that is higher than all before it.
//!
//! An entry that was added without an answer has the id that a reading shows beside its value. Where a value was asked to be added
//! once, that is known before the search begins: otherwise such entries could stand anywhere until they are read.

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};
use std::collections::BTreeMap;

/// The model.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// The ids that readings show of values that were asked to be added once.
    seen: BTreeMap<Value, i64>,
    /// Some value was asked to be added again.
    repeats: bool,
}

impl Stream {
    /// Of a stream of which this was asked.
    pub fn of<'a>(asked: impl Iterator<Item = Asked<'a>> + Clone) -> Stream {
        let mut added: BTreeMap<Value, usize> = BTreeMap::new();
        for asked in asked.clone() {
            if let Function::Append(value) = asked.function {
                *added.entry(*value).or_default() += 1;
            }
        }
        let repeats = added.values().any(|count| *count > 1);
        let mut seen = BTreeMap::new();
        for asked in asked {
            if let Some(Answer::Scores(entries)) = asked.answer {
                let once = entries.iter().filter(|(value, _)| added.get(value) == Some(&1));
                seen.extend(once.copied());
            }
        }
        Stream { seen, repeats }
    }
}

/// A value with the id that it was answered.
type Entry = (Value, Option<i64>);

impl Model<Asked<'_>> for Stream {
    /// The oldest first.
    type State = Vec<Entry>;

    fn initial(&self) -> Vec<Entry> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Entry>, asked: &Asked) -> Option<Vec<Entry>> {
        match asked.function {
            Function::Read => match asked.answer {
                Some(Answer::Scores(seen)) => shows(state, seen)
                    .then(|| seen.iter().map(|(value, id)| (*value, Some(*id))).collect()),
                _ => Some(state.clone()),
            },
            Function::Append(value) => {
                let id = match asked.answer {
                    Some(Answer::Number(id)) => Some(*id),
                    _ => self.seen.get(value).copied(),
                };
                let last = state.iter().rev().find_map(|(_, id)| *id);
                let rises = id.zip(last).is_none_or(|(id, last)| id > last);
                rises.then(|| [state, &[(*value, id)][..]].concat())
            }
            Function::Clear => asked.flag_is(!state.is_empty()).then(Vec::new),
            _ => None,
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        // A reading tells the ids of what was added without an answer.
        let tells = self.repeats && *asked.function == Function::Read;
        asked.changes_nothing() && !tells
    }

    fn words(&self, state: &Vec<Entry>) -> String {
        Answer::Values(state.iter().map(|(value, _)| *value).collect()).to_string()
    }
}

fn shows(state: &[Entry], seen: &[(Value, i64)]) -> bool {
    let same = |((value, id), (seen, of)): (&Entry, &(Value, i64))| {
        value == seen && id.is_none_or(|id| id == *of)
    };
    state.len() == seen.len()
        && state.iter().zip(seen).all(same)
        && seen.is_sorted_by(|(_, first), (_, second)| first < second)
}
