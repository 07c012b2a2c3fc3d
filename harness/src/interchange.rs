//! Histories from and to other tools: Jepsen's EDN and the same op maps as JSON lines.
//!
//! An op map has `:type` (invoke, ok, fail, info), `:process`, `:value` (`[[:append k v] [:r k [..]] …]` or
//! `[[:w k v] [:r k v] …]`: the reader is told which, see [`Alphabet`]) and may have `:time` in nanoseconds, `:error` and `:node` (`"n3"`). The order of the input is the order of the
//! history; `:index` and `:f` are ignored. Keys may be numbers, keywords or strings: see [`Imported`]. Tagged
//! literals (`#jepsen.history.Op{…}`, `#object[…]`) are read as what follows the tag.
//!
//! What is lost: events whose process is no number (`:nemesis`) are not read, since a fault's words say too
//! little to make a [`crate::fault::Fault`] of them; written they are. `[:r k nil]` over registers is the initial
//! state in an `:ok` event and not known in any other; `[:r k]` is never known.
//!
//! No input panics. An [`ImportError`] names the line, and the column where it is known.

mod edn;
mod json_lines;
mod op_map;

pub(crate) use op_map::register_parts;

use crate::history::History;
use crate::op::Key;
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

/// A history and what its keys were called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The client events, in the order of the input.
    pub history: History,
    /// Keys that were not numbers from 0 to 2^63 - 1: they got the numbers after the largest such key, in the
    /// order of their appearance.
    pub key_names: BTreeMap<Key, KeyName>,
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

/// Reads a history; without a format, in the one that its first characters show.
pub fn read(
    bytes: &[u8],
    format: Option<Format>,
    alphabet: Alphabet,
) -> Result<Imported, ImportError> {
    let reader = op_map::Reader::new(alphabet);
    match format.unwrap_or_else(|| sniff(bytes)) {
        Format::Edn => edn::read(bytes, reader),
        Format::JsonLines => json_lines::read(bytes, reader),
    }
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
