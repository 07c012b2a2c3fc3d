//! Calls as Jepsen writes them: `{:f :cas, :value [k [a b]]}`, where `[k v]` is the tuple of its `independent` tests; a
//! history of one object may have `v` alone.
//!
//! What a call is asked stands in `:value`; so does what `:read`, `:dequeue` and `:zrange` are answered, as in Jepsen. What
//! others are answered, beyond that they succeeded, stands in `:answer`, which Jepsen does not know. An `:ok` whose
//! answer is not known has `:answer :unknown`. A call that failed or of which nobody knows is the one its process
//! asked, whatever `:value` says (Jepsen puts `:timed-out` there).
//!
//! Two words of Jepsen's tests are read as another that means the same: `:write`, of a set, is an `:add` (`causal-reverse`), and
//! `:generate`, of a counter, an `:add` of 1 whose answer stands in `:value` (`unique-ids`).

use super::op_map::{self, Datum, brief};
use crate::history::{Kind, Process};
use crate::op::{Answer, Call, Function, Key, Object, TypeName, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A call in an op map.
pub(super) struct Told {
    pub f: &'static str,
    pub value: Datum<'static>,
    pub answer: Option<Datum<'static>>,
}

/// Puts a call of an event of this kind into an op map; the key is what it is called outside.
pub(super) fn told(call: &Call, kind: Kind, key: Datum<'static>) -> Told {
    let answer = call.answer.as_ref();
    let seen = || answer.map_or(Datum::Nil, answer_datum);
    let in_value = in_value(&call.function) && answer != Some(&Answer::WrongType);
    let value = match &call.function {
        Function::Read | Function::Dequeue | Function::ZRange if in_value => seen(),
        Function::Read | Function::Dequeue | Function::ZRange => Datum::Nil,
        Function::Clear | Function::Persist | Function::Type => Datum::Nil,
        Function::Expire(milliseconds) => number(*milliseconds),
        Function::WriteFor { value, milliseconds } => pair(number(*value), number(*milliseconds)),
        Function::Write(value)
        | Function::Insert(value)
        | Function::Remove(value)
        | Function::Contains(value)
        | Function::Enqueue(value)
        | Function::Append(value)
        | Function::Prepend(value)
        | Function::Get(value)
        | Function::Delete(value)
        | Function::ZRem(value) => number(*value),
        Function::Add(by) => number(*by),
        Function::Cas { from, to } => pair(from.map_or(Datum::Nil, number), number(*to)),
        Function::Put { field, value } => pair(number(*field), number(*value)),
        Function::ZAdd { member, score } => pair(number(*member), number(*score)),
        Function::ZIncrBy { member, by } => pair(number(*member), number(*by)),
        Function::ZRangeByScore { min, max } => pair(number(*min), number(*max)),
    };
    let beside = match (answer, kind) {
        (None, Kind::Ok) => Some(Datum::Keyword(Cow::Borrowed("unknown"))),
        (Some(answer), _) if answer.tells() && !in_value => Some(seen()),
        _ => None,
    };
    Told { f: call.function.word(), value: pair(key, value), answer: beside }
}

/// The answer of what is of another type.
const WRONG_TYPE: &str = "wrong-type";

/// Whether the answer stands in `:value`.
fn in_value(function: &Function) -> bool {
    matches!(function, Function::Read | Function::Dequeue | Function::ZRange)
}

fn answer_datum(answer: &Answer) -> Datum<'static> {
    match answer {
        Answer::Done | Answer::Nil => Datum::Nil,
        Answer::Flag(flag) => Datum::Bool(*flag),
        Answer::Number(count) => number(*count),
        Answer::Value(value) => number(*value),
        Answer::Values(values) => Datum::Seq(values.iter().copied().map(number).collect()),
        Answer::Fields(fields) => {
            Datum::Seq(fields.iter().map(|(a, b)| pair(number(*a), number(*b))).collect())
        }
        Answer::Scores(scores) => {
            Datum::Seq(scores.iter().map(|(a, b)| pair(number(*a), number(*b))).collect())
        }
        Answer::WrongType => Datum::Keyword(Cow::Borrowed(WRONG_TYPE)),
        Answer::Type(name) => Datum::Keyword(Cow::Borrowed(name.word())),
    }
}

fn number(number: impl Into<i128>) -> Datum<'static> {
    Datum::Int(number.into())
}

fn pair(first: Datum<'static>, second: Datum<'static>) -> Datum<'static> {
    Datum::Seq(vec![first, second])
}

/// The fields of an op map that make a call.
pub(super) struct Fields<'a> {
    pub f: Option<Datum<'a>>,
    pub value: Option<Datum<'a>>,
    pub answer: Option<Datum<'a>>,
}

/// Makes calls of one kind of object.
pub(super) struct Calls {
    object: Object,
    open: BTreeMap<Process, Call>,
    /// Whether values come with keys, once that is known.
    is_keyed: Option<bool>,
}

impl Calls {
    pub fn of(object: Object) -> Calls {
        Calls { object, open: BTreeMap::new(), is_keyed: None }
    }

    /// The call of an event; `key` makes a key of what stands for one.
    pub fn call(
        &mut self,
        kind: Kind,
        process: Process,
        fields: &Fields,
        key: impl FnOnce(&Datum) -> Result<Key, String>,
    ) -> Result<Call, String> {
        let asked = self.open.remove(&process);
        if let (Kind::Fail | Kind::Info, Some(asked)) = (kind, asked) {
            return Ok(asked);
        }
        let f = fields.f.as_ref().and_then(Datum::word).unwrap_or_default();
        let Some(shape) = Shape::of(self.object, f) else { return Err(self.no_function(fields)) };
        let value = fields.value.as_ref().unwrap_or(&Datum::Nil);
        let (key, value) = match shape.keyed(value) {
            Some((name, value)) => (Some(key(name)?), value),
            None => (None, value),
        };
        if *self.is_keyed.get_or_insert(key.is_some()) != key.is_some() {
            let value = brief(value);
            return Err(format!(
                "value {value} of :{f}: either all values of a history are [key value] or none is"
            ));
        }
        let function = function(self.object, f, value)?;
        let answer = match kind {
            Kind::Ok if f == "generate" => Some(Answer::Number(signed(value)?)),
            Kind::Ok => answered(self.object, &function, value, fields.answer.as_ref())?,
            _ => None,
        };
        let call = Call { key: key.unwrap_or_default(), function, answer };
        if kind == Kind::Invoke {
            self.open.insert(process, call.clone());
        }
        Ok(call)
    }

    fn no_function(&self, fields: &Fields) -> String {
        let found = fields.f.as_ref().map_or("a missing :f".to_owned(), brief);
        let object = self.object;
        format!("{found} is no function of a {object}: {} are", words(object).join(", "))
    }
}

/// The functions of a kind of object by Jepsen's words.
fn words(object: Object) -> &'static [&'static str] {
    match object {
        Object::Register => &["read", "write", "clear"],
        Object::CasRegister => &["read", "write", "cas", "clear"],
        Object::Counter => &["read", "add", "generate", "clear"],
        Object::Set => &["read", "add", "write", "remove", "contains", "clear"],
        Object::Queue => &["enqueue", "dequeue", "clear"],
        Object::List => &["read", "append", "prepend", "dequeue", "clear"],
        Object::Map => &["read", "put", "get", "delete", "clear"],
        Object::Zset => &["zadd", "zincrby", "zrem", "zrange", "zrangebyscore", "clear"],
        Object::Stream => &["read", "append", "clear"],
        Object::TtlRegister => &["read", "write", "write-for", "expire", "persist", "clear"],
        Object::Mixed => &[
            "read", "write", "append", "dequeue", "add", "remove", "contains", "put", "get",
            "delete", "zadd", "zrem", "zrange", "type", "clear",
        ],
    }
}

/// What a value looks like without a key.
#[derive(Clone, Copy)]
enum Shape {
    /// Nothing, or a number.
    Single,
    /// Two in a row, nil before it is known.
    Pair,
    /// Any number of numbers, nil before they are known.
    List,
    /// Any number of pairs, nil before they are known.
    Pairs,
}

impl Shape {
    fn of(object: Object, f: &str) -> Option<Shape> {
        words(object).contains(&f).then_some(match (f, object) {
            ("read", Object::Set | Object::List) => Shape::List,
            ("read", Object::Map | Object::Stream) | ("zrange", _) => Shape::Pairs,
            ("zrangebyscore" | "cas" | "put" | "zadd" | "zincrby" | "write-for", _) => Shape::Pair,
            _ => Shape::Single,
        })
    }

    /// Key and value, if that is what a value is.
    fn keyed<'d, 'a>(self, value: &'d Datum<'a>) -> Option<(&'d Datum<'a>, &'d Datum<'a>)> {
        let Datum::Seq(items) = value else { return None };
        let [key, value] = &items[..] else { return None };
        let is_seq = |datum: &Datum| matches!(datum, Datum::Seq(_) | Datum::Map(_));
        let is_keyed = match self {
            Shape::Single => true,
            Shape::Pair => is_seq(value),
            Shape::List => is_seq(value) || *value == Datum::Nil,
            Shape::Pairs => !is_seq(key),
        };
        is_keyed.then_some((key, value))
    }
}

fn function(object: Object, f: &str, value: &Datum) -> Result<Function, String> {
    let single = || element(value);
    Ok(match f {
        "write" if object == Object::Set => Function::Insert(single()?),
        "write" => Function::Write(single()?),
        "generate" => Function::Add(1),
        "cas" => {
            let (from, to) = two(value)?;
            let from = if *from == Datum::Nil { None } else { Some(element(from)?) };
            Function::Cas { from, to: element(to)? }
        }
        "add" if object == Object::Counter => Function::Add(signed(value)?),
        "add" => Function::Insert(single()?),
        "remove" => Function::Remove(single()?),
        "contains" => Function::Contains(single()?),
        "enqueue" => Function::Enqueue(single()?),
        "dequeue" => Function::Dequeue,
        "append" => Function::Append(single()?),
        "prepend" => Function::Prepend(single()?),
        "get" => Function::Get(single()?),
        "delete" => Function::Delete(single()?),
        "zrem" => Function::ZRem(single()?),
        "put" => {
            let (field, value) = two(value)?;
            Function::Put { field: element(field)?, value: element(value)? }
        }
        "zadd" => {
            let (member, score) = two(value)?;
            Function::ZAdd { member: element(member)?, score: signed(score)? }
        }
        "zincrby" => {
            let (member, by) = two(value)?;
            Function::ZIncrBy { member: element(member)?, by: signed(by)? }
        }
        "zrangebyscore" => {
            let (min, max) = two(value)?;
            Function::ZRangeByScore { min: signed(min)?, max: signed(max)? }
        }
        "zrange" => Function::ZRange,
        "write-for" => {
            let (value, milliseconds) = two(value)?;
            Function::WriteFor { value: element(value)?, milliseconds: element(milliseconds)? }
        }
        "expire" => Function::Expire(single()?),
        "persist" => Function::Persist,
        "type" => Function::Type,
        "clear" => Function::Clear,
        _ => Function::Read,
    })
}

fn answered(
    object: Object,
    function: &Function,
    value: &Datum,
    beside: Option<&Datum>,
) -> Result<Option<Answer>, String> {
    let f = function.word();
    match beside {
        Some(datum) if datum.word() == Some("unknown") => Ok(None),
        Some(datum)
            if object == Object::Mixed
                && datum.word() == Some(WRONG_TYPE)
                && Object::of_type(function).is_some() =>
        {
            Ok(Some(Answer::WrongType))
        }
        Some(datum) => answer(object, function, datum).map(Some),
        None if in_value(function) => answer(object, function, value).map(Some),
        None if function.reads() => {
            Err(format!("an ok :{f} has its answer in :answer, and this one has none"))
        }
        None if f == "cas" => Ok(Some(Answer::Flag(true))),
        None => Ok(Some(Answer::Done)),
    }
}

fn answer(object: Object, function: &Function, datum: &Datum) -> Result<Answer, String> {
    Ok(match (function, object) {
        (Function::Read, Object::Counter) => Answer::Number(signed(datum)?),
        (Function::Read, Object::Set | Object::List) => Answer::Values(elements(datum)?),
        (Function::Read, Object::Map) => Answer::Fields(pairs(datum, element)?),
        (Function::Type, _) => {
            let name = datum.word().and_then(TypeName::of);
            Answer::Type(name.ok_or_else(|| {
                let names = TypeName::ALL.map(TypeName::word).join(", ");
                format!("{} is not a type: {names} are", brief(datum))
            })?)
        }
        (Function::Read, Object::Stream) => Answer::Scores(pairs(datum, signed)?),
        (Function::ZRange | Function::ZRangeByScore { .. }, _) => {
            Answer::Scores(pairs(datum, signed)?)
        }
        (Function::Read | Function::Dequeue | Function::Get(_), _) => match datum {
            Datum::Nil => Answer::Nil,
            value => Answer::Value(element(value)?),
        },
        _ => match datum {
            Datum::Bool(flag) => Answer::Flag(*flag),
            count => Answer::Number(signed(count)?),
        },
    })
}

fn signed(datum: &Datum) -> Result<i64, String> {
    let number = match datum {
        Datum::Int(number) => i64::try_from(*number).ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{} is not a number from -2^63 to 2^63 - 1", brief(datum)))
}

fn two<'d, 'a>(datum: &'d Datum<'a>) -> Result<(&'d Datum<'a>, &'d Datum<'a>), String> {
    match datum {
        Datum::Seq(items) if items.len() == 2 => Ok((&items[0], &items[1])),
        other => Err(format!("value {} is not two in a row: [1 2] is", brief(other))),
    }
}

fn element(datum: &Datum) -> Result<Value, String> {
    op_map::element(datum, "a value")
}

fn elements(datum: &Datum) -> Result<Vec<Value>, String> {
    match datum {
        Datum::Seq(items) => items.iter().map(element).collect(),
        other => Err(format!("value {} is not a list of numbers: [1 2 3] is", brief(other))),
    }
}

fn pairs<T>(
    datum: &Datum,
    second: impl Fn(&Datum) -> Result<T, String>,
) -> Result<Vec<(Value, T)>, String> {
    match datum {
        Datum::Seq(items) => items
            .iter()
            .map(|item| two(item).and_then(|(a, b)| Ok((element(a)?, second(b)?))))
            .collect(),
        Datum::Map(items) => items.iter().map(|(a, b)| Ok((element(a)?, second(b)?))).collect(),
        other => Err(format!("value {} is not a list of pairs: [[1 2] [3 4]] is", brief(other))),
    }
}
