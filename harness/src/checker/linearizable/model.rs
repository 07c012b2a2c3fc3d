//! What an object is: a state, and what a call makes of it. Pure; the search knows nothing else of an object.
//!
//! The idea is Porcupine's and Knossos': a model is a function from a state and a call with its answer to the next
//! state, or to nothing where no such answer could be given.

mod counter;
mod map;
mod mixed;
mod register;
mod sequence;
mod set;
mod stream;
mod ttl_register;
mod zset;

pub use counter::Counter;
pub use map::Map;
pub use mixed::Mixed;
pub use register::Register;
pub use sequence::Sequence;
pub use set::Set;
pub use stream::Stream;
pub use ttl_register::TtlRegister;
pub use zset::Zset;

use crate::op::{Answer, Function};

/// A sequential object whose operations are `O`.
pub trait Model<O> {
    /// What it holds.
    type State: Clone + Ord;

    /// Before any operation.
    fn initial(&self) -> Self::State;

    /// After the operation, or `None` if it could not have been answered so. Where the answer is not known there is
    /// always a next state, and only one.
    fn step(&self, state: &Self::State, operation: &O) -> Option<Self::State>;

    /// Whether the operation leaves every state as it is in which it is possible. In doubt, false: a write of the value
    /// that is there already is no such operation, since elsewhere it changes something.
    fn is_pure(&self, operation: &O) -> bool;

    /// The state, for people.
    fn words(&self, state: &Self::State) -> String;
}

/// A call as a model sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked<'h> {
    /// What was asked.
    pub function: &'h Function,
    /// What was answered, where anybody knows.
    pub answer: Option<&'h Answer>,
}

impl Asked<'_> {
    /// Whether it changes nothing: a reading, or a call that was told that it changed nothing. Queues, which say so by
    /// another answer, add to this.
    fn changes_nothing(&self) -> bool {
        self.function.reads() || self.answer == Some(&Answer::Flag(false)) && self.refusable()
    }

    /// Whether `false` means that the object is as it was: not so of a field or member that existed and was set anew.
    fn refusable(&self) -> bool {
        matches!(
            self.function,
            Function::Cas { .. }
                | Function::Insert(_)
                | Function::Remove(_)
                | Function::Delete(_)
                | Function::ZRem(_)
                | Function::Clear
        )
    }

    /// Whether the answer, if it is a flag, is this one.
    fn flag_is(&self, flag: bool) -> bool {
        !matches!(self.answer, Some(Answer::Flag(said)) if *said != flag)
    }

    /// Whether the answer, if it is a number, is this one.
    fn number_is(&self, number: i64) -> bool {
        !matches!(self.answer, Some(Answer::Number(said)) if *said != number)
    }

    /// Whether the answer, if there is one, is this value or, for `None`, nil.
    fn value_is(&self, value: Option<u64>) -> bool {
        match self.answer {
            Some(Answer::Value(said)) => value == Some(*said),
            Some(Answer::Nil) => value.is_none(),
            _ => true,
        }
    }
}
