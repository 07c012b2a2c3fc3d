//! One call of one object, as data: what linearizability is checked on. One enum of functions for all objects, since
//! most of them are Jepsen's `:f` of several workloads.
//!
//! Which functions an object has, and which answers they may give, [`Object::knows`] says: whoever makes a call for an
//! object keeps to it, and the checker refuses what does not.

use super::{Key, Value};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One call: Jepsen's `{:f :cas, :value [k [a b]]}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    /// The object.
    pub key: Key,
    /// What is asked of it.
    pub function: Function,
    /// What it answered; `None` before it completes, or when nobody knows.
    pub answer: Option<Answer>,
}

/// Jepsen's `:f` with its arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Function {
    /// `:read`, of the whole object.
    Read,
    /// `:write`, of a register.
    Write(Value),
    /// `:cas`: writes `to` if the register holds `from`; `None` is a register that was never written.
    Cas {
        /// What it must hold.
        from: Option<Value>,
        /// What it holds then.
        to: Value,
    },
    /// `:add`, to a counter.
    Add(i64),
    /// `:add`, to a set.
    Insert(Value),
    /// `:remove`, from a set.
    Remove(Value),
    /// `:contains`: whether it is in a set.
    Contains(Value),
    /// `:enqueue`, at the tail of a queue.
    Enqueue(Value),
    /// `:dequeue`, from the head of a queue or list.
    Dequeue,
    /// `:append`, at the end of a list.
    Append(Value),
    /// `:prepend`, before the beginning of a list.
    Prepend(Value),
    /// `:put`, of a map's field.
    Put {
        /// Which.
        field: Value,
        /// What it holds then.
        value: Value,
    },
    /// `:get`, of a map's field.
    Get(Value),
    /// `:delete`, of a map's field.
    Delete(Value),
    /// `:zadd`: the member has this score then.
    ZAdd {
        /// Which.
        member: Value,
        /// Its score.
        score: i64,
    },
    /// `:zincrby`: from nothing, if it is not there.
    ZIncrBy {
        /// Which.
        member: Value,
        /// Added to its score.
        by: i64,
    },
    /// `:zrem`
    ZRem(Value),
    /// `:zrange`: every member with its score, lowest first; members of one score in any order.
    ZRange,
    /// `:zrangebyscore`: the same of those with a score from `min` to `max`, both included.
    ZRangeByScore {
        /// The lowest.
        min: i64,
        /// The highest.
        max: i64,
    },
    /// `:clear`: the object is as it was before anything was asked of it.
    Clear,
    /// `:write-for`: a write of which nothing is left after a time.
    WriteFor {
        /// What it holds then.
        value: Value,
        /// For so long.
        milliseconds: u64,
    },
    /// `:expire`: nothing is left after so many milliseconds, if there is something now.
    Expire(u64),
    /// `:persist`: what would be gone after a time stays.
    Persist,
    /// `:type`: what kind of value is there.
    Type,
}

/// What a call was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// It happened, and nothing else is said.
    Done,
    /// Whether it changed anything, or whether it is there.
    Flag(bool),
    /// A counter, a length, a score, a count, the id of an entry.
    Number(i64),
    /// Nothing is there.
    Nil,
    /// What a register, a field or the head of a queue holds.
    Value(Value),
    /// A list in its order, a set in any.
    Values(Vec<Value>),
    /// A map's fields with what they hold, in any order.
    Fields(Vec<(Value, Value)>),
    /// Members with their scores, entries with their ids.
    Scores(Vec<(Value, i64)>),
    /// What is there is of another type than was asked for.
    WrongType,
    /// What is there is of this type.
    Type(TypeName),
}

/// What Redis calls a type of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TypeName {
    /// There is nothing.
    None,
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A hash.
    Hash,
    /// A sorted set.
    Zset,
}

impl TypeName {
    /// Every type.
    pub const ALL: [TypeName; 6] = [
        TypeName::None,
        TypeName::String,
        TypeName::List,
        TypeName::Set,
        TypeName::Hash,
        TypeName::Zset,
    ];

    /// As the command TYPE says it.
    pub fn word(self) -> &'static str {
        match self {
            TypeName::None => "none",
            TypeName::String => "string",
            TypeName::List => "list",
            TypeName::Set => "set",
            TypeName::Hash => "hash",
            TypeName::Zset => "zset",
        }
    }

    /// From what TYPE says.
    pub fn of(word: &str) -> Option<TypeName> {
        TypeName::ALL.into_iter().find(|name| name.word() == word)
    }
}

/// What kind of object calls are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Object {
    /// `read`, `write`
    Register,
    /// `read`, `write`, `cas`
    CasRegister,
    /// `read`, `add`; zero at first.
    Counter,
    /// `read`, `add`, `remove`, `contains`
    Set,
    /// `enqueue`, `dequeue`
    Queue,
    /// `read`, `append`, `prepend`, `dequeue`
    List,
    /// `read`, `put`, `get`, `delete`
    Map,
    /// `zadd`, `zincrby`, `zrem`, `zrange`, `zrangebyscore`
    Zset,
    /// `read`, `append`: entries in the order of their ids, which rise.
    Stream,
    /// `read`, `write`, `write-for`, `expire`, `persist`: a register of which nothing may be left after a time.
    TtlRegister,
    /// What strings, lists, sets, hashes and sorted sets have, and `type`: a key is of the type that it was last given.
    Mixed,
}

impl Object {
    /// Every kind.
    pub const ALL: [Object; 11] = [
        Object::Register,
        Object::CasRegister,
        Object::Counter,
        Object::Set,
        Object::Queue,
        Object::List,
        Object::Map,
        Object::Zset,
        Object::Stream,
        Object::TtlRegister,
        Object::Mixed,
    ];

    /// `cas-register`
    pub fn name(self) -> &'static str {
        match self {
            Object::Register => "register",
            Object::CasRegister => "cas-register",
            Object::Counter => "counter",
            Object::Set => "set",
            Object::Queue => "queue",
            Object::List => "list",
            Object::Map => "map",
            Object::Zset => "zset",
            Object::Stream => "stream",
            Object::TtlRegister => "ttl-register",
            Object::Mixed => "mixed",
        }
    }

    /// Whether it has the function, and whether the function may give the answer, if there is one.
    pub fn knows(self, function: &Function, answer: Option<&Answer>) -> bool {
        use Answer::{Done, Fields, Flag, Number, Scores, Values};
        use Function::*;
        let a = answer;
        match (self, function) {
            (_, Clear) => matches!(a, None | Some(Done | Flag(_))),
            (Object::Register | Object::CasRegister, Read) => is_value(a),
            (Object::Register | Object::CasRegister, Write(_)) => matches!(a, None | Some(Done)),
            (Object::CasRegister, Cas { .. }) => matches!(a, None | Some(Flag(_))),
            (Object::Counter, Read) => matches!(a, None | Some(Number(_))),
            (Object::Counter, Add(_)) => matches!(a, None | Some(Done | Number(_))),
            (Object::Set, Read) => matches!(a, None | Some(Values(_))),
            (Object::Set, Insert(_) | Remove(_)) => matches!(a, None | Some(Done | Flag(_))),
            (Object::Set, Contains(_)) => matches!(a, None | Some(Flag(_))),
            (Object::Queue, Enqueue(_)) => matches!(a, None | Some(Done | Number(_))),
            (Object::Queue | Object::List, Dequeue) => is_value(a),
            (Object::List, Read) => matches!(a, None | Some(Values(_))),
            (Object::List, Append(_) | Prepend(_)) => matches!(a, None | Some(Done | Number(_))),
            (Object::Map, Read) => matches!(a, None | Some(Fields(_))),
            (Object::Map, Put { .. } | Delete(_)) => matches!(a, None | Some(Done | Flag(_))),
            (Object::Map, Get(_)) => is_value(a),
            (Object::Zset, ZAdd { .. } | ZRem(_)) => matches!(a, None | Some(Done | Flag(_))),
            (Object::Zset, ZIncrBy { .. }) => matches!(a, None | Some(Done | Number(_))),
            (Object::Zset, ZRange | ZRangeByScore { .. }) => matches!(a, None | Some(Scores(_))),
            (Object::Stream, Read) => matches!(a, None | Some(Scores(_))),
            (Object::Stream, Append(_)) => matches!(a, None | Some(Done | Number(_))),
            (Object::TtlRegister, Read) => is_value(a),
            (Object::TtlRegister, Write(_) | WriteFor { .. }) => matches!(a, None | Some(Done)),
            (Object::TtlRegister, Expire(_) | Persist) => matches!(a, None | Some(Done | Flag(_))),
            (Object::Mixed, Type) => matches!(a, None | Some(Answer::Type(_))),
            (Object::Mixed, Write(_)) => matches!(a, None | Some(Done)),
            (Object::Mixed, function) => {
                let of = |object: Object| object.knows(function, a);
                let type_of = Object::of_type(function);
                type_of.is_some_and(|object| a == Some(&Answer::WrongType) || of(object))
            }
            _ => false,
        }
    }

    /// The object that a function of a mixed one is of, where it is of one type: a queue is its list.
    pub fn of_type(function: &Function) -> Option<Object> {
        use Function::*;
        match function {
            Read => Some(Object::Register),
            Append(_) | Dequeue => Some(Object::List),
            Insert(_) | Remove(_) | Contains(_) => Some(Object::Set),
            Put { .. } | Get(_) | Delete(_) => Some(Object::Map),
            ZAdd { .. } | ZRem(_) | ZRange => Some(Object::Zset),
            _ => None,
        }
    }
}

fn is_value(answer: Option<&Answer>) -> bool {
    matches!(answer, None | Some(Answer::Value(_) | Answer::Nil))
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Object {
    type Err = String;

    fn from_str(text: &str) -> Result<Object, String> {
        Object::ALL.into_iter().find(|object| object.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Object::ALL.iter().map(|object| object.name()).collect();
            format!("`{text}` is not a kind of object: {} are", names.join(", "))
        })
    }
}

impl Function {
    /// Jepsen's word, without its colon.
    pub fn word(&self) -> &'static str {
        match self {
            Function::Read => "read",
            Function::Write(_) => "write",
            Function::Cas { .. } => "cas",
            Function::Add(_) | Function::Insert(_) => "add",
            Function::Remove(_) => "remove",
            Function::Contains(_) => "contains",
            Function::Enqueue(_) => "enqueue",
            Function::Dequeue => "dequeue",
            Function::Append(_) => "append",
            Function::Prepend(_) => "prepend",
            Function::Put { .. } => "put",
            Function::Get(_) => "get",
            Function::Delete(_) => "delete",
            Function::ZAdd { .. } => "zadd",
            Function::ZIncrBy { .. } => "zincrby",
            Function::ZRem(_) => "zrem",
            Function::ZRange => "zrange",
            Function::ZRangeByScore { .. } => "zrangebyscore",
            Function::Clear => "clear",
            Function::WriteFor { .. } => "write-for",
            Function::Expire(_) => "expire",
            Function::Persist => "persist",
            Function::Type => "type",
        }
    }

    /// Whether it changes nothing, whatever it is answered.
    pub fn reads(&self) -> bool {
        matches!(
            self,
            Function::Read
                | Function::Contains(_)
                | Function::Get(_)
                | Function::ZRange
                | Function::ZRangeByScore { .. }
                | Function::Type
        )
    }
}

/// `:cas [1 2]`
impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ":{}", self.word())?;
        match self {
            Function::Read | Function::Dequeue | Function::ZRange | Function::Clear => Ok(()),
            Function::Persist | Function::Type => Ok(()),
            Function::Expire(milliseconds) => write!(f, " {milliseconds}"),
            Function::WriteFor { value, milliseconds } => write!(f, " [{value} {milliseconds}]"),
            Function::Write(value)
            | Function::Insert(value)
            | Function::Remove(value)
            | Function::Contains(value)
            | Function::Enqueue(value)
            | Function::Append(value)
            | Function::Prepend(value)
            | Function::Get(value)
            | Function::Delete(value)
            | Function::ZRem(value) => write!(f, " {value}"),
            Function::Add(by) => write!(f, " {by}"),
            Function::Cas { from: Some(from), to } => write!(f, " [{from} {to}]"),
            Function::Cas { from: None, to } => write!(f, " [nil {to}]"),
            Function::Put { field, value } => write!(f, " [{field} {value}]"),
            Function::ZAdd { member, score } => write!(f, " [{member} {score}]"),
            Function::ZIncrBy { member, by } => write!(f, " [{member} {by}]"),
            Function::ZRangeByScore { min, max } => write!(f, " [{min} {max}]"),
        }
    }
}

impl Answer {
    /// Whether it says anything of the object.
    pub fn tells(&self) -> bool {
        *self != Answer::Done
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Done => write!(f, "ok"),
            Answer::Flag(flag) => write!(f, "{flag}"),
            Answer::Number(number) => write!(f, "{number}"),
            Answer::Nil => write!(f, "nil"),
            Answer::Value(value) => write!(f, "{value}"),
            Answer::Values(values) => {
                let values: Vec<String> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", values.join(" "))
            }
            Answer::Fields(fields) => pairs(f, fields),
            Answer::Scores(scores) => pairs(f, scores),
            Answer::WrongType => write!(f, "wrong type"),
            Answer::Type(name) => write!(f, "{}", name.word()),
        }
    }
}

fn pairs<T: fmt::Display>(f: &mut fmt::Formatter<'_>, pairs: &[(Value, T)]) -> fmt::Result {
    let pairs: Vec<String> = pairs.iter().map(|(name, what)| format!("[{name} {what}]")).collect();
    write!(f, "[{}]", pairs.join(" "))
}

/// `key 7 :cas [1 2] -> true`
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {} {}", self.key, self.function)?;
        match &self.answer {
            None | Some(Answer::Done) => Ok(()),
            Some(answer) => write!(f, " -> {answer}"),
        }
    }
}
