//! A map from fields to values: a hash. `put` is told whether the field is new, `delete` whether it was there.

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};
use std::collections::BTreeMap;

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Map;

impl Model<Asked<'_>> for Map {
    type State = BTreeMap<Value, Value>;

    fn initial(&self) -> Self::State {
        BTreeMap::new()
    }

    fn step(&self, state: &Self::State, asked: &Asked) -> Option<Self::State> {
        let mut next = state.clone();
        let possible = match asked.function {
            Function::Read => match asked.answer {
                Some(Answer::Fields(seen)) => {
                    seen.len() == state.len()
                        && seen.iter().copied().collect::<BTreeMap<_, _>>() == *state
                }
                _ => true,
            },
            Function::Get(field) => asked.value_is(state.get(field).copied()),
            Function::Put { field, value } => {
                let new = next.insert(*field, *value).is_none();
                asked.flag_is(new)
            }
            Function::Delete(field) => {
                let was_there = next.remove(field).is_some();
                asked.flag_is(was_there)
            }
            Function::Clear => {
                next.clear();
                asked.flag_is(!state.is_empty())
            }
            _ => false,
        };
        possible.then_some(next)
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        asked.changes_nothing()
    }

    fn words(&self, state: &Self::State) -> String {
        Answer::Fields(state.iter().map(|(field, value)| (*field, *value)).collect()).to_string()
    }
}
