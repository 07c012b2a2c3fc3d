//! A counter: everything that was added since it began or was cleared. It wraps as `i64` does, and reads as zero where
//! nothing was ever added.

use super::{Asked, Model};
use crate::op::Function;

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter;

impl Model<Asked<'_>> for Counter {
    /// `None` is a counter that is not there, which only `clear` tells from zero.
    type State = Option<i64>;

    fn initial(&self) -> Option<i64> {
        None
    }

    fn step(&self, state: &Option<i64>, asked: &Asked) -> Option<Option<i64>> {
        let count = state.unwrap_or(0);
        match asked.function {
            Function::Read => asked.number_is(count).then_some(*state),
            Function::Add(by) => {
                let next = count.wrapping_add(*by);
                asked.number_is(next).then_some(Some(next))
            }
            Function::Clear => asked.flag_is(state.is_some()).then_some(None),
            _ => None,
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        asked.changes_nothing()
    }

    fn words(&self, state: &Option<i64>) -> String {
        state.map_or("0, never added to".to_owned(), |count| count.to_string())
    }
}
