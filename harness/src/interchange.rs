//! Histories from and to other tools: Jepsen's EDN and the same op maps as JSON lines; and, to read, the logs of
//! Jepsen's etcd tests.
//!
//! An op map has `:type` (invoke, ok, fail, info), `:process`, `:value` (`[[:append k v] [:r k [..]] …]` or
//! `[[:w k v] [:r k v] …]`: the reader is told which, see [`Alphabet`]) and may have `:time` in nanoseconds, `:error` and
//! `:node` (`"n3"`). The order of the input is the order of the history; `:index` is ignored, and so is `:f` of transactions.
//! Of a bank, `:f` says whether it is a transfer or a read; an account whose balance is nil has none.
//! What calls of objects look like depends on the kind of object, which the reader must say: see [`read_calls`]. Keys may be
//! numbers, keywords or strings: see [`Imported`]. Tagged
//! literals (`#jepsen.history.Op{…}`, `#object[…]`) are read as what follows the tag.
//!
//! What is lost: events whose process is no number (`:nemesis`) are not read, since a fault's words say too
//! little to make a [`crate::fault::Fault`] of them; written they are. `[:r k nil]` over registers is the initial
//! state in an `:ok` event and not known in any other; `[:r k]` is never known.
//!
//! No input panics. An [`ImportError`] names the line, and the column where it is known. Where the bytes come from is
//! bounded by [`input`].

mod bank;
mod call;
mod drain;
mod edn;
mod etcd_log;
mod input;
mod json_lines;
mod op_map;
mod plain;
mod processes;

pub use input::{INPUT_MAX, InputError, LINE_MAX, input};
pub(crate) use op_map::register_parts;

use crate::history::{History, Kind};
use crate::op::{Bank, Call, Key, Object};
use op_map::{Datum, Reader};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Jepsen's own: op maps one after the other, or one vector of them.
    Edn,
    /// One JSON object a line, or one array of them.
    JsonLines,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "edn" => Ok(Format::Edn),
            "json" | "jsonl" | "json-lines" => Ok(Format::JsonLines),
            _ => Err(format!("`{text}` is not a history format: the formats are edn, json-lines")),
        }
    }
}

/// What the micro-operations of a history are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `[:append k v]` and `[:r k [..]]`
    Lists,
    /// `[:w k v]` and `[:r k v]`
    Registers,
    /// No micro-operations: `:transfer {:from 0, :to 1, :amount 5}` and `:read {0 10, 1 20}`
    Bank,
}

/// What a key is called outside, where that is not its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// `:x`
    Keyword(String),
    /// `"x"`
    Text(String),
    /// A number that is not one from 0 to 2^63 - 1.
    Number(i128),
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyName::Keyword(name) => write!(f, ":{name}"),
            KeyName::Text(text) => write!(f, "{text:?}"),
            KeyName::Number(number) => write!(f, "{number}"),
        }
    }
}

/// A key's name for a terminal, on which no control character of it may act.
pub fn shown(name: &KeyName) -> String {
    op_map::shown(&name.to_string())
}

/// A history and what its keys were called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The client events, in the order of the input.
    pub history: History,
    /// Keys that were not numbers from 0 to 2^63 - 1: they got the numbers after the largest such key, in the
    /// order of their appearance.
    pub key_names: BTreeMap<Key, KeyName>,
}

impl Imported {
    fn key_datum(&self, key: Key) -> Datum<'static> {
        match self.key_names.get(&key) {
            None => Datum::Int(key.into()),
            Some(KeyName::Keyword(word)) => Datum::Keyword(Cow::Owned(word.clone())),
            Some(KeyName::Text(text)) => Datum::Text(Cow::Owned(text.clone())),
            Some(KeyName::Number(number)) => Datum::Int(*number),
        }
    }
}

impl From<History> for Imported {
    fn from(history: History) -> Imported {
        Imported { history, key_names: BTreeMap::new() }
    }
}

/// Why an input is no history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ImportError {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: Option<usize>,
    /// What is wrong there and what would be right.
    pub message: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            Some(column) => write!(f, "line {}, column {column}: {}", self.line, self.message),
            None => write!(f, "line {}: {}", self.line, self.message),
        }
    }
}

/// How a history of calls is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFormat {
    /// As op maps.
    OpMaps(Format),
    /// As lines of a log: `INFO jepsen.util - 3 :invoke :cas [1 2]`.
    EtcdLog,
}

impl FromStr for CallFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<CallFormat, String> {
        match text {
            "etcd-log" => Ok(CallFormat::EtcdLog),
            _ => text.parse().map(CallFormat::OpMaps).map_err(|error| format!("{error}, etcd-log")),
        }
    }
}

/// Reads a history of transactions; without a format, in the one that its first characters show.
pub fn read(
    bytes: &[u8],
    format: Option<Format>,
    alphabet: Alphabet,
) -> Result<Imported, ImportError> {
    op_maps(bytes, format, Reader::new(alphabet))
}

/// As [`read`], and refuses what no processes can have done: to complete what was not asked, to ask while something asked is open,
/// and to append an element twice to its key. Histories that were written by hand, as Elle's tests have them, may be without
/// invocations; what was recorded is not.
pub fn read_strictly(
    bytes: &[u8],
    format: Option<Format>,
    alphabet: Alphabet,
) -> Result<Imported, ImportError> {
    strictly(|reader| op_maps(bytes, format, reader), || Reader::new(alphabet).strict())
}

/// As [`read_calls`], and refuses what [`read_strictly`] does.
pub fn read_calls_strictly(
    bytes: &[u8],
    format: Option<CallFormat>,
    object: Object,
) -> Result<Imported, ImportError> {
    strictly(|reader| calls(bytes, format, reader), || Reader::of_calls(object).strict())
}

/// Where an event stands in the input is known only while that is read: so it is read again, up to there.
fn strictly(
    read: impl Fn(Reader) -> Result<Imported, ImportError>,
    reader: impl Fn() -> Reader,
) -> Result<Imported, ImportError> {
    let imported = read(reader())?;
    let Some(impossible) = processes::first_impossible(&imported) else { return Ok(imported) };
    let refused = |event: usize, why: &str| {
        read(reader().refusing(event, why)).expect_err("an input has the events that it had before")
    };
    let line = impossible.earlier.map(|event| refused(event, "").line);
    Err(refused(impossible.event, &impossible.why(line)))
}

/// Reads a history of calls of one kind of object; without a format, in the one that its first characters show.
///
/// `:f` is the function (`:read :write :cas …`); `:value` is `[key value]`, or in all of the history the value alone: then
/// there is one object, key 0. An `:answer` beside it is what a call was answered that has no room for it in its value.
pub fn read_calls(
    bytes: &[u8],
    format: Option<CallFormat>,
    object: Object,
) -> Result<Imported, ImportError> {
    calls(bytes, format, Reader::of_calls(object))
}

fn calls(
    bytes: &[u8],
    format: Option<CallFormat>,
    reader: Reader,
) -> Result<Imported, ImportError> {
    let is_log = without_mark(bytes).trim_ascii_start().starts_with(etcd_log::FIRST_WORD);
    match format {
        Some(CallFormat::EtcdLog) => etcd_log::read(bytes, reader),
        None if is_log => etcd_log::read(bytes, reader),
        Some(CallFormat::OpMaps(format)) => op_maps(bytes, Some(format), reader),
        None => op_maps(bytes, None, reader),
    }
}

/// Reads a history of calls of queues as [`read_calls`] does, and Jepsen's `:drain` with them: for checkers that do not look at
/// the order in which elements come out.
pub fn read_drained_queues(bytes: &[u8], format: Option<Format>) -> Result<Imported, ImportError> {
    op_maps(bytes, format, Reader::of_drained_queues())
}

fn op_maps(bytes: &[u8], format: Option<Format>, reader: Reader) -> Result<Imported, ImportError> {
    match format.unwrap_or_else(|| sniff(bytes)) {
        Format::Edn => edn::read(bytes, reader),
        Format::JsonLines => json_lines::read(bytes, reader),
    }
}

/// A call in an op map of JSON, of a history whose keys are numbers: function, value and, where there is one beside
/// that, answer.
pub(crate) fn call_json(
    call: &Call,
    kind: Kind,
) -> (&'static str, serde_json::Value, Option<serde_json::Value>) {
    json_lines::call_json(call, kind, Datum::Int(call.key.into()))
}

/// What is asked of a bank in an op map of JSON: its function and value.
pub(crate) fn bank_json(bank: &Bank) -> (&'static str, serde_json::Value) {
    json_lines::bank_json(bank)
}

/// Writes a history, one op map a line.
pub fn write(imported: &Imported, format: Format) -> String {
    match format {
        Format::Edn => edn::write(imported),
        Format::JsonLines => json_lines::write(imported),
    }
}

/// JSON's maps have strings for keys, Jepsen's have keywords.
fn sniff(bytes: &[u8]) -> Format {
    let mut visible = without_mark(bytes).iter().filter(|byte| !byte.is_ascii_whitespace());
    let mut first = visible.next();
    if first == Some(&b'[') {
        first = visible.next();
    }
    match (first, visible.next()) {
        (Some(b'{'), Some(b'"' | b'}')) => Format::JsonLines,
        _ => Format::Edn,
    }
}

/// Without a byte order mark.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

#[cfg(test)]
mod tests;
