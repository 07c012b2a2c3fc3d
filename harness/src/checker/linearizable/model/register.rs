//! A register: one value, or none before the first write. With compare-and-set: one that is known to have been refused
//! says that the register did not hold what it asked for.

use super::{Asked, Model};
use crate::op::{Function, Value};

/// The model, of `register` and `cas-register` alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Register;

impl Model<Asked<'_>> for Register {
    type State = Option<Value>;

    fn initial(&self) -> Option<Value> {
        None
    }

    fn step(&self, state: &Option<Value>, asked: &Asked) -> Option<Option<Value>> {
        match asked.function {
            Function::Read => asked.value_is(*state).then_some(*state),
            Function::Write(value) => Some(Some(*value)),
            Function::Cas { from, to } => {
                let holds = state == from;
                let next = if holds { Some(*to) } else { *state };
                asked.flag_is(holds).then_some(next)
            }
            Function::Clear => asked.flag_is(state.is_some()).then_some(None),
            _ => None,
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        asked.changes_nothing()
    }

    fn words(&self, state: &Option<Value>) -> String {
        state.map_or("nil".to_owned(), |value| value.to_string())
    }
}
