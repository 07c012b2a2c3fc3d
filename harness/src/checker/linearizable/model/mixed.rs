//! A key of Redis as it is: of the type that it was last given, and gone when it is empty. What asks for another type is told
//! so and changes nothing; a `write` gives it the type of a string whatever it was.

use super::{Asked, Map, Model, Sequence, Set, Zset};
use crate::op::{Answer, Function, Object, TypeName, Value};
use std::collections::BTreeMap;

/// The model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mixed;

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Held {
    /// Nothing.
    Nothing,
    /// A string.
    String(Value),
    /// A list.
    List(Vec<Value>),
    /// A set.
    Set(Vec<Value>),
    /// A hash.
    Hash(BTreeMap<Value, Value>),
    /// A sorted set.
    Zset(BTreeMap<Value, i64>),
}

impl Held {
    fn type_name(&self) -> TypeName {
        match self {
            Held::Nothing => TypeName::None,
            Held::String(_) => TypeName::String,
            Held::List(_) => TypeName::List,
            Held::Set(_) => TypeName::Set,
            Held::Hash(_) => TypeName::Hash,
            Held::Zset(_) => TypeName::Zset,
        }
    }

    /// Whether a function of this object finds what it asks for: of nothing, it makes it.
    fn suits(&self, object: Object) -> bool {
        matches!(
            (self, object),
            (Held::Nothing, _)
                | (Held::String(_), Object::Register)
                | (Held::List(_), Object::List)
                | (Held::Set(_), Object::Set)
                | (Held::Hash(_), Object::Map)
                | (Held::Zset(_), Object::Zset)
        )
    }

    fn step_of(&self, object: Object, asked: &Asked) -> Option<Held> {
        Some(match object {
            Object::List => {
                let values =
                    if let Held::List(values) = self { values.clone() } else { Vec::new() };
                let next = Sequence.step(&values, asked)?;
                if next.is_empty() { Held::Nothing } else { Held::List(next) }
            }
            Object::Set => {
                let values = if let Held::Set(values) = self { values.clone() } else { Vec::new() };
                let next = Set.step(&values, asked)?;
                if next.is_empty() { Held::Nothing } else { Held::Set(next) }
            }
            Object::Map => {
                let fields =
                    if let Held::Hash(fields) = self { fields.clone() } else { BTreeMap::new() };
                let next = Map.step(&fields, asked)?;
                if next.is_empty() { Held::Nothing } else { Held::Hash(next) }
            }
            Object::Zset => {
                let scores =
                    if let Held::Zset(scores) = self { scores.clone() } else { BTreeMap::new() };
                let next = Zset.step(&scores, asked)?;
                if next.is_empty() { Held::Nothing } else { Held::Zset(next) }
            }
            _ => {
                let value = if let Held::String(value) = self { Some(*value) } else { None };
                return asked.value_is(value).then(|| self.clone());
            }
        })
    }
}

impl Model<Asked<'_>> for Mixed {
    type State = Held;

    fn initial(&self) -> Held {
        Held::Nothing
    }

    fn step(&self, state: &Held, asked: &Asked) -> Option<Held> {
        match asked.function {
            Function::Write(value) => return Some(Held::String(*value)),
            Function::Clear => {
                return asked.flag_is(*state != Held::Nothing).then_some(Held::Nothing);
            }
            Function::Type => {
                let said =
                    !matches!(asked.answer, Some(Answer::Type(name)) if *name != state.type_name());
                return said.then(|| state.clone());
            }
            _ => {}
        }
        let object = Object::of_type(asked.function)?;
        let wrong = asked.answer == Some(&Answer::WrongType);
        match (state.suits(object), wrong) {
            (true, false) => state.step_of(object, asked),
            (false, true) => Some(state.clone()),
            (false, false) if asked.answer.is_none() => Some(state.clone()),
            _ => None,
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        let refused = matches!(asked.answer, Some(Answer::WrongType));
        let found_nothing =
            *asked.function == Function::Dequeue && asked.answer == Some(&Answer::Nil);
        refused || found_nothing || asked.changes_nothing()
    }

    fn words(&self, state: &Held) -> String {
        let held = match state {
            Held::Nothing => return "nothing".to_owned(),
            Held::String(value) => value.to_string(),
            Held::List(values) => Sequence.words(values),
            Held::Set(values) => Set.words(values),
            Held::Hash(fields) => Map.words(fields),
            Held::Zset(scores) => Zset.words(scores),
        };
        format!("{} {held}", state.type_name().word())
    }
}
