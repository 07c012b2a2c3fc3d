//! A stream: entries in the order in which they were added, each with an id that is higher than all before it.
//!
//! Of an entry whose adding nobody knows the end of, a reading may show any id; elsewhere it is the one that was answered.

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stream;

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
                Some(Answer::Scores(seen)) => shows(state, seen).then(|| state.clone()),
                _ => Some(state.clone()),
            },
            Function::Append(value) => {
                let id = match asked.answer {
                    Some(Answer::Number(id)) => Some(*id),
                    _ => None,
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
        asked.changes_nothing()
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
