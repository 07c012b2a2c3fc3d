//! A set of values.

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Set;

impl Model<Asked<'_>> for Set {
    /// Ascending.
    type State = Vec<Value>;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, asked: &Asked) -> Option<Vec<Value>> {
        match asked.function {
            Function::Read => match asked.answer {
                Some(Answer::Values(seen)) => same(state, seen).then(|| state.clone()),
                _ => Some(state.clone()),
            },
            Function::Contains(value) => {
                asked.flag_is(state.binary_search(value).is_ok()).then(|| state.clone())
            }
            Function::Insert(value) => {
                let place = state.binary_search(value);
                let mut next = state.clone();
                if let Err(place) = place {
                    next.insert(place, *value);
                }
                asked.flag_is(place.is_err()).then_some(next)
            }
            Function::Remove(value) => {
                let place = state.binary_search(value);
                let mut next = state.clone();
                if let Ok(place) = place {
                    next.remove(place);
                }
                asked.flag_is(place.is_ok()).then_some(next)
            }
            Function::Clear => asked.flag_is(!state.is_empty()).then(Vec::new),
            _ => None,
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        asked.changes_nothing()
    }

    fn words(&self, state: &Vec<Value>) -> String {
        Answer::Values(state.clone()).to_string()
    }
}

/// Whether what was seen is the set, in any order, each value once.
fn same(state: &[Value], seen: &[Value]) -> bool {
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    seen == state
}
