//! Values in a row: a queue (in at the tail, out at the head) and a list (at both ends, read as a whole).

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};

/// The model, of `queue` and `list` alike.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequence;

impl Model<Asked<'_>> for Sequence {
    /// The head first.
    type State = Vec<Value>;

    fn initial(&self) -> Vec<Value> {
        Vec::new()
    }

    fn step(&self, state: &Vec<Value>, asked: &Asked) -> Option<Vec<Value>> {
        match asked.function {
            Function::Read => match asked.answer {
                Some(Answer::Values(seen)) if seen != state => None,
                _ => Some(state.clone()),
            },
            Function::Enqueue(value) | Function::Append(value) => {
                let length = state.len() + 1;
                asked.number_is(length as i64).then(|| [state, &[*value][..]].concat())
            }
            Function::Prepend(value) => {
                let length = state.len() + 1;
                asked.number_is(length as i64).then(|| [&[*value][..], state].concat())
            }
            Function::Dequeue => {
                let (head, rest) = match state.split_first() {
                    Some((head, rest)) => (Some(*head), rest),
                    None => (None, &[][..]),
                };
                asked.value_is(head).then(|| rest.to_vec())
            }
            Function::Clear => asked.flag_is(!state.is_empty()).then(Vec::new),
            _ => None,
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        let found_nothing =
            *asked.function == Function::Dequeue && asked.answer == Some(&Answer::Nil);
        found_nothing || asked.changes_nothing()
    }

    fn words(&self, state: &Vec<Value>) -> String {
        Answer::Values(state.clone()).to_string()
    }
}
