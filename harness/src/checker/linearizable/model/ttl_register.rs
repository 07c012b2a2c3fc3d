//! A register of which nothing may be left after a time. When that is, the model does not say: what was given a time may be gone
//! in the next moment, and is gone for good once somebody saw so. That a value lives as long as it was given is not judged, since
//! no clock in a history is the server's.

use super::{Asked, Model};
use crate::op::{Answer, Function, Value};

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct TtlRegister;

/// What is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// This, to stay.
    Lasting(Value),
    /// This, or, if its time is over, nothing.
    Passing(Value),
    /// This, to stay, or nothing: nobody knows whether it was told to stay before its time was over.
    Doubtful(Value),
}

impl Held {
    fn value(self) -> Option<Value> {
        match self {
            Held::Nothing => None,
            Held::Lasting(value) | Held::Passing(value) | Held::Doubtful(value) => Some(value),
        }
    }

    fn may_be_gone(self) -> bool {
        !matches!(self, Held::Lasting(_))
    }

    /// As it is if somebody saw that it is there.
    fn there(self) -> Option<Held> {
        match self {
            Held::Nothing => None,
            Held::Doubtful(value) => Some(Held::Lasting(value)),
            held => Some(held),
        }
    }

    fn gone(self) -> Option<Held> {
        self.may_be_gone().then_some(Held::Nothing)
    }
}

impl Model<Asked<'_>> for TtlRegister {
    type State = Held;

    fn initial(&self) -> Held {
        Held::Nothing
    }

    fn step(&self, state: &Held, asked: &Asked) -> Option<Held> {
        let held = *state;
        let flag = match asked.answer {
            Some(Answer::Flag(flag)) => Some(*flag),
            _ => None,
        };
        match asked.function {
            Function::Read => match asked.answer {
                Some(Answer::Value(value)) => {
                    held.there().filter(|held| held.value() == Some(*value))
                }
                Some(Answer::Nil) => held.gone(),
                _ => Some(held),
            },
            Function::Write(value) => Some(Held::Lasting(*value)),
            Function::WriteFor { value, .. } => Some(Held::Passing(*value)),
            Function::Expire(_) => match flag {
                Some(true) => held.there()?.value().map(Held::Passing),
                Some(false) => held.gone(),
                None => Some(held.value().map_or(Held::Nothing, Held::Passing)),
            },
            Function::Persist => match (flag, held) {
                (Some(true), Held::Passing(value)) => Some(Held::Lasting(value)),
                (Some(true), _) => None,
                (Some(false) | None, Held::Nothing | Held::Lasting(_) | Held::Doubtful(_)) => {
                    Some(held)
                }
                (Some(false), Held::Passing(_)) => Some(Held::Nothing),
                (None, Held::Passing(value)) => Some(Held::Doubtful(value)),
            },
            Function::Clear => match flag {
                Some(true) => held.there().map(|_| Held::Nothing),
                Some(false) => held.gone(),
                None => Some(Held::Nothing),
            },
            _ => None,
        }
    }

    /// Even a read changes what was in doubt.
    fn is_pure(&self, _: &Asked) -> bool {
        false
    }

    fn words(&self, state: &Held) -> String {
        match state {
            Held::Nothing => "nil".to_owned(),
            Held::Lasting(value) => value.to_string(),
            Held::Passing(value) => format!("{value} for a time"),
            Held::Doubtful(value) => format!("{value}, or nil"),
        }
    }
}
