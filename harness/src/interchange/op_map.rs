//! What both formats share: a datum, and how an event is made from an op map.

use super::bank;
use super::call::{self, Calls};
use super::drain::{self, Drains};
use super::plain::{Cursor, Notation, Scratch};
use super::{Alphabet, Imported, KeyName};
use crate::cluster::NodeId;
use crate::history::{Event, History, Kind, Process};
use crate::op::{Held, Key, Mop, Object, Op, RegisterMop, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A piece of EDN or JSON.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum<'a> {
    Nil,
    Bool(bool),
    Int(i128),
    Float(f64),
    /// A keyword without its colon.
    Keyword(Cow<'a, str>),
    Symbol(Cow<'a, str>),
    Text(Cow<'a, str>),
    Seq(Vec<Datum<'a>>),
    Map(Vec<(Datum<'a>, Datum<'a>)>),
}

impl Datum<'_> {
    /// A keyword's or a string's text.
    pub fn word(&self) -> Option<&str> {
        match self {
            Datum::Keyword(word) | Datum::Text(word) => Some(word.trim_start_matches(':')),
            _ => None,
        }
    }
}

/// As EDN.
impl fmt::Display for Datum<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Datum::Nil => write!(f, "nil"),
            Datum::Bool(value) => write!(f, "{value}"),
            Datum::Int(value) => write!(f, "{value}"),
            Datum::Float(value) => write!(f, "{value}"),
            Datum::Keyword(word) => write!(f, ":{word}"),
            Datum::Symbol(word) => write!(f, "{word}"),
            Datum::Text(text) => write!(f, "{text:?}"),
            Datum::Seq(items) => {
                write!(f, "[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i == 0 { "" } else { " " })?;
                }
                write!(f, "]")
            }
            Datum::Map(pairs) => {
                write!(f, "{{")?;
                for (i, (key, value)) in pairs.iter().enumerate() {
                    write!(f, "{}{key} {value}", if i == 0 { "" } else { ", " })?;
                }
                write!(f, "}}")
            }
        }
    }
}

/// A datum in a sentence: its beginning will do.
pub(super) fn brief(datum: &Datum) -> String {
    brief_text(&datum.to_string())
}

/// The same of a text as it stands.
pub(super) fn brief_text(text: &str) -> String {
    let (shown, rest) = match text.char_indices().nth(40) {
        Some((end, _)) => (&text[..end], "…"),
        None => (text, ""),
    };
    format!("`{}{rest}`", self::shown(shown))
}

/// A text without what moves the cursor of a terminal.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter })
        .collect()
}

/// Keys without a number of their own are numbered from here until the end of the input is known.
pub(super) const PROVISIONAL: Key = 1 << 63;

/// Collects events: transactions of one alphabet, or calls of a kind of object.
pub(super) struct Reader {
    alphabet: Alphabet,
    calls: Option<Calls>,
    drains: Option<Drains>,
    history: History,
    numbers: BTreeMap<KeyName, Key>,
    next_number: Key,
    scratch: Scratch,
    /// Plain op maps are read like all others.
    is_slow: bool,
    /// Every op map names its process.
    is_strict: bool,
    /// An event, and why it is none.
    refused: Option<(usize, String)>,
}

impl Reader {
    /// For histories of one alphabet.
    pub fn new(alphabet: Alphabet) -> Reader {
        Reader {
            alphabet,
            calls: None,
            drains: None,
            history: History::default(),
            numbers: BTreeMap::new(),
            next_number: 0,
            scratch: Scratch::default(),
            is_slow: false,
            is_strict: false,
            refused: None,
        }
    }

    /// Of calls.
    pub fn of_calls(object: Object) -> Reader {
        Reader { calls: Some(Calls::of(object)), ..Reader::new(Alphabet::Lists) }
    }

    /// Of calls of queues, drains among them.
    pub fn of_drained_queues() -> Reader {
        Reader { drains: Some(Drains::default()), ..Reader::of_calls(Object::Queue) }
    }

    /// Refuses op maps that name no process, which Elle's own tests have.
    pub fn strict(self) -> Reader {
        Reader { is_strict: true, ..self }
    }

    /// Takes an event for an error.
    pub fn refusing(self, event: usize, why: &str) -> Reader {
        Reader { refused: Some((event, why.to_owned())), ..self }
    }

    /// Reads everything as it reads what is not plain.
    #[cfg(test)]
    pub fn slowly(self) -> Reader {
        Reader { is_slow: true, ..self }
    }

    /// Adds the event of the op map that begins here, if it is a plain one: then the place after it is told.
    pub fn add_plain<N: Notation>(&mut self, bytes: &[u8], at: usize) -> Option<usize> {
        if self.is_slow || self.calls.is_some() || self.drains.is_some() {
            return None;
        }
        let is_refused = |(event, _): &(usize, String)| *event == self.history.events.len();
        if self.refused.as_ref().is_some_and(is_refused) {
            return None;
        }
        let mut cursor = Cursor::new(bytes, at);
        let event = self.scratch.event::<N>(&mut cursor, self.alphabet)?;
        self.next_number = self.next_number.max(self.scratch.next_key);
        self.history.push(event);
        Some(cursor.at)
    }

    /// Adds the event of an op map, if it is a client's.
    pub fn add(&mut self, datum: Datum) -> Result<(), String> {
        let Datum::Map(pairs) = datum else {
            return Err(format!(
                "{} is not an op map: {{:type :invoke, :process 0, :value {}}} is",
                brief(&datum),
                self.example()
            ));
        };
        let mut fields = Fields::default();
        for (key, value) in pairs {
            match key.word() {
                Some("type") => fields.kind = Some(value),
                Some("process") => fields.process = Some(value),
                Some("time") => fields.time = Some(value),
                Some("f") => fields.f = Some(value),
                Some("value") => fields.value = Some(value),
                Some("answer") => fields.answer = Some(value),
                Some("error") => fields.error = Some(value),
                Some("node") => fields.node = Some(value),
                _ => {}
            }
        }
        if self.is_strict && fields.process.is_none() {
            return Err("an op map without a process: a number, or a word such as :nemesis".into());
        }
        let Some(process) = process(fields.process.take())? else { return Ok(()) };
        let kind = kind(fields.kind.take())?;
        if self.drains.is_some() && drain::is_one(fields.f.as_ref()) {
            return self.drain(fields, process, kind);
        }
        let op = match self.calls.take() {
            None if self.alphabet == Alphabet::Bank => {
                Op::Bank(bank::read(fields.f.as_ref(), fields.value.as_ref(), kind)?)
            }
            None => self.transaction(fields.value, kind)?,
            Some(mut calls) => {
                let (f, value, answer) = (fields.f, fields.value, fields.answer);
                let fields = call::Fields { f, value, answer };
                let call = calls.call(kind, process, &fields, |datum| self.key(datum))?;
                self.calls = Some(calls);
                Op::Call(call)
            }
        };
        let event = Event {
            time: time(fields.time)?,
            process,
            kind,
            op,
            node: fields.node.as_ref().and_then(node),
            error: fields.error.and_then(error),
        };
        match &self.refused {
            Some((event, why)) if *event == self.history.events.len() => return Err(why.clone()),
            _ => {}
        }
        self.history.push(event);
        Ok(())
    }

    fn drain(&mut self, fields: Fields, process: Process, kind: Kind) -> Result<(), String> {
        let took = drain::took(fields.value.as_ref());
        // Of what did not succeed, the value may be anything.
        let (name, taken) = if kind == Kind::Ok { took? } else { took.unwrap_or_default() };
        let key = name.map_or(Ok(0), |name| self.key(name))?;
        let event = Event {
            time: time(fields.time)?,
            process,
            kind,
            op: Op::Txn(Vec::new()),
            node: fields.node.as_ref().and_then(node),
            error: fields.error.and_then(error),
        };
        if let Some(drains) = &mut self.drains {
            drains.add(&mut self.history, event, key, &taken);
        }
        Ok(())
    }

    /// The history, once every key is known.
    pub fn finish(mut self) -> Imported {
        let mut key_names = BTreeMap::new();
        if self.numbers.is_empty() {
            return Imported { history: self.history, key_names };
        }
        for key in self.history.events.iter_mut().flat_map(|event| keys_mut(&mut event.op)) {
            if *key >= PROVISIONAL {
                *key = *key - PROVISIONAL + self.next_number;
            }
        }
        for (name, number) in self.numbers {
            key_names.insert(number - PROVISIONAL + self.next_number, name);
        }
        Imported { history: self.history, key_names }
    }

    fn transaction(&mut self, value: Option<Datum>, kind: Kind) -> Result<Op, String> {
        Ok(match self.alphabet {
            Alphabet::Registers => {
                Op::Registers(self.mops(value, |reader, mop| reader.register_mop(mop, kind))?)
            }
            _ => Op::Txn(self.mops(value, Reader::list_mop)?),
        })
    }

    fn mops<M>(
        &mut self,
        value: Option<Datum>,
        mop: impl Fn(&mut Reader, Datum) -> Result<M, String>,
    ) -> Result<Vec<M>, String> {
        match value {
            None | Some(Datum::Nil) => Ok(Vec::new()),
            Some(Datum::Seq(mops)) => mops.into_iter().map(|datum| mop(self, datum)).collect(),
            Some(other) => Err(format!(
                "value {} is not a list of micro-operations: {} is",
                brief(&other),
                self.example()
            )),
        }
    }

    fn list_mop(&mut self, datum: Datum) -> Result<Mop, String> {
        match parts(&datum) {
            (Some("append"), [key, value]) => {
                Ok(Mop::Append { key: self.key(key)?, value: element(value, "an element")? })
            }
            (Some("r"), [key] | [key, Datum::Nil]) => {
                Ok(Mop::Read { key: self.key(key)?, values: None })
            }
            (Some("r"), [key, Datum::Seq(values)]) => {
                let values = values.iter().map(|value| element(value, "an element"));
                let values: Result<Vec<Value>, String> = values.collect();
                Ok(Mop::Read { key: self.key(key)?, values: Some(values?) })
            }
            _ => Err(self.no_mop(&datum)),
        }
    }

    fn register_mop(&mut self, datum: Datum, kind: Kind) -> Result<RegisterMop, String> {
        let (key, value) = match parts(&datum) {
            (Some("w"), [key, value]) => {
                let value = element(value, "a value to write")?;
                return Ok(RegisterMop::Write { key: self.key(key)?, value });
            }
            (Some("r"), [key]) => (key, Held::Unknown),
            (Some("r"), [key, Datum::Nil]) if kind == Kind::Ok => (key, Held::Nothing),
            (Some("r"), [key, Datum::Nil]) => (key, Held::Unknown),
            (Some("r"), [key, value @ Datum::Int(_)]) => {
                (key, Held::Value(element(value, "a value")?))
            }
            _ => return Err(self.no_mop(&datum)),
        };
        Ok(RegisterMop::Read { key: self.key(key)?, value })
    }

    fn example(&self) -> &'static str {
        match self.alphabet {
            _ if self.calls.is_some() => "[1 2], :f :write",
            Alphabet::Lists => "[[:append 1 2] [:r 1 nil]]",
            Alphabet::Registers => "[[:w 1 2] [:r 1 nil]]",
            Alphabet::Bank => bank::EXAMPLE,
        }
    }

    fn no_mop(&self, datum: &Datum) -> String {
        let right = match self.alphabet {
            Alphabet::Registers => "[:w key value] and [:r key value] are",
            _ => "[:append key element] and [:r key [..]] are",
        };
        format!("{} is not a micro-operation: {right}", brief(datum))
    }

    fn key(&mut self, datum: &Datum) -> Result<Key, String> {
        let name = match datum {
            Datum::Int(number) => match Key::try_from(*number) {
                Ok(key) if key < PROVISIONAL => {
                    self.next_number = self.next_number.max(key + 1);
                    return Ok(key);
                }
                _ => KeyName::Number(*number),
            },
            Datum::Keyword(word) => KeyName::Keyword(word.to_string()),
            Datum::Text(text) => KeyName::Text(text.to_string()),
            other => {
                let key = brief(other);
                return Err(format!("{key} is not a key: keys are numbers, keywords or strings"));
            }
        };
        let next = PROVISIONAL + self.numbers.len() as Key;
        Ok(*self.numbers.entry(name).or_insert(next))
    }
}

/// The word of a micro-operation and what follows it.
fn parts<'d>(datum: &'d Datum<'_>) -> (Option<&'d str>, &'d [Datum<'d>]) {
    match datum {
        Datum::Seq(parts) => match &parts[..] {
            [word, rest @ ..] => (word.word(), rest),
            [] => (None, &[]),
        },
        _ => (None, &[]),
    }
}

/// Every key that an operation names.
fn keys_mut(op: &mut Op) -> Vec<&mut Key> {
    match op {
        Op::Txn(mops) => mops.iter_mut().map(Mop::key_mut).collect(),
        Op::Registers(mops) => mops.iter_mut().map(RegisterMop::key_mut).collect(),
        Op::Call(call) => vec![&mut call.key],
        Op::Fault(_) | Op::Bank(_) => Vec::new(),
    }
}

/// How a micro-operation over registers is written: its word and the value, `Some(None)` for nil, `None` where
/// nil would say too much.
pub(crate) fn register_parts(
    mop: &RegisterMop,
    kind: Kind,
) -> (&'static str, Option<Option<Value>>) {
    match mop {
        RegisterMop::Write { value, .. } => ("w", Some(Some(*value))),
        RegisterMop::Read { value: Held::Value(value), .. } => ("r", Some(Some(*value))),
        RegisterMop::Read { value: Held::Unknown, .. } if kind == Kind::Ok => ("r", None),
        RegisterMop::Read { .. } => ("r", Some(None)),
    }
}

#[derive(Default)]
struct Fields<'a> {
    kind: Option<Datum<'a>>,
    f: Option<Datum<'a>>,
    answer: Option<Datum<'a>>,
    process: Option<Datum<'a>>,
    time: Option<Datum<'a>>,
    value: Option<Datum<'a>>,
    error: Option<Datum<'a>>,
    node: Option<Datum<'a>>,
}

pub(super) fn element(datum: &Datum, what: &str) -> Result<Value, String> {
    let number = match datum {
        Datum::Int(number) => Value::try_from(*number).ok(),
        _ => None,
    };
    number.ok_or_else(|| format!("{} is not {what}: a number from 0 to 2^64 - 1 is", brief(datum)))
}

/// `None` for whoever is no client: a word, which in JSON is `nemesis`, or nobody.
fn process(datum: Option<Datum>) -> Result<Option<Process>, String> {
    let number = match &datum {
        None | Some(Datum::Nil | Datum::Keyword(_) | Datum::Symbol(_)) => return Ok(None),
        Some(Datum::Text(text)) if text == "nemesis" => return Ok(None),
        Some(Datum::Int(number)) => u32::try_from(*number).ok(),
        Some(_) => None,
    };
    match (number, datum) {
        (Some(number), _) => Ok(Some(Process::Client(number))),
        (None, datum) => {
            let found = datum.as_ref().map_or_else(String::new, Datum::to_string);
            Err(format!("process {} is not a number from 0 to 2^32 - 1", brief_text(&found)))
        }
    }
}

fn kind(datum: Option<Datum>) -> Result<Kind, String> {
    match datum.as_ref().and_then(Datum::word) {
        Some("invoke") => Ok(Kind::Invoke),
        Some("ok") => Ok(Kind::Ok),
        Some("fail") => Ok(Kind::Fail),
        Some("info") => Ok(Kind::Info),
        _ => {
            let found = datum.map_or("a missing type".to_string(), |datum| brief(&datum));
            Err(format!("{found} is not a type of event: :invoke, :ok, :fail and :info are"))
        }
    }
}

/// Times before the start of the run (Jepsen's tests write -1) are the start.
fn time(datum: Option<Datum>) -> Result<Duration, String> {
    match datum {
        None | Some(Datum::Nil) => Ok(Duration::ZERO),
        Some(Datum::Int(nanoseconds)) => match u64::try_from(nanoseconds.max(0)) {
            Ok(nanoseconds) => Ok(Duration::from_nanos(nanoseconds)),
            Err(_) => Err(format!("time {nanoseconds} is not a number of nanoseconds below 2^64")),
        },
        // 2^64 itself is the first that is too much; what is no number is not less than it.
        Some(Datum::Float(nanoseconds)) if nanoseconds < 18_446_744_073_709_551_616.0 => {
            Ok(Duration::from_nanos(nanoseconds as u64))
        }
        Some(other) => Err(format!("time {} is not a number of nanoseconds", brief(&other))),
    }
}

fn node(datum: &Datum) -> Option<NodeId> {
    datum.word()?.strip_prefix('n')?.parse().ok().map(NodeId)
}

fn error(datum: Datum) -> Option<String> {
    match datum {
        Datum::Nil => None,
        Datum::Text(text) => Some(text.into_owned()),
        other => Some(other.to_string()),
    }
}

/// Jepsen's word.
pub(super) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Invoke => "invoke",
        Kind::Ok => "ok",
        Kind::Fail => "fail",
        Kind::Info => "info",
    }
}
