//! EDN, as much of it as histories use: maps, vectors, lists, sets, numbers, strings, characters, keywords,
//! symbols, tags, metadata, comments and discarded forms.

use super::bank;
use super::call::{Told, told};
use super::op_map::{Datum, Reader, brief_text, kind_word, register_parts};
use super::plain;
use super::{ImportError, Imported, KeyName, without_mark};
use crate::history::{Event, Kind, Process};
use crate::op::{Key, Mop, Op, RegisterMop};
use std::borrow::Cow;
use std::fmt::Write;

/// Deeper nesting than any history needs, and less than any stack bears.
const DEPTH_MAX: usize = 100;

/// What newer versions of Jepsen write before an op map.
const OP_TAG: &str = "#jepsen.history.Op";

/// Reads op maps, or vectors of them, until the input ends.
pub(super) fn read(bytes: &[u8], mut reader: Reader) -> Result<Imported, ImportError> {
    let bytes = without_mark(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        place(&good, good.len(), "this byte is not UTF-8: a history is text".to_string())
    })?;
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.op_maps(&mut reader).map_err(|Wrong { at, message }| place(text, at, message))?;
    Ok(reader.finish())
}

/// The one form that a text is; the error has no place.
pub(super) fn datum(text: &str) -> Result<Datum<'_>, String> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    let datum = parser.form().and_then(|datum| parser.skip().map(|()| datum));
    let datum = datum.map_err(|wrong| wrong.message)?;
    match parser.at == text.len() {
        true => Ok(datum),
        false => Err(format!("{} stands after the end of a value", brief_text(&text[parser.at..]))),
    }
}

/// An error with its line and column.
fn place(text: &str, at: usize, message: String) -> ImportError {
    let before = &text[..at];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    ImportError { line, column: Some(before[start..].chars().count() + 1), message }
}

struct Wrong {
    at: usize,
    message: String,
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn op_maps(&mut self, reader: &mut Reader) -> Result<(), Wrong> {
        // Where an enclosing vector or list began, and how it ends.
        let mut enclosing: Option<(usize, u8)> = None;
        loop {
            self.skip()?;
            let at = self.at;
            match (self.peek(), enclosing) {
                (None, None) => return Ok(()),
                (None, Some((open, _))) => return wrong(open, "this vector has no end"),
                (Some(b'['), None) => enclosing = Some((at, b']')),
                (Some(b'('), None) => enclosing = Some((at, b')')),
                (Some(byte), Some((_, close))) if byte == close => enclosing = None,
                _ => {
                    if let Some(after) = self.plain(reader) {
                        self.at = after;
                        continue;
                    }
                    let datum = self.form()?;
                    reader.add(datum).map_err(|message| Wrong { at, message })?;
                    continue;
                }
            }
            self.at += 1;
        }
    }

    /// The end of a plain op map, which is read then.
    fn plain(&self, reader: &mut Reader) -> Option<usize> {
        let is_tagged = self.text[self.at..].starts_with(OP_TAG);
        let tag = if is_tagged { OP_TAG.len() } else { 0 };
        reader.add_plain::<plain::Edn>(self.text.as_bytes(), self.at + tag)
    }

    fn form(&mut self) -> Result<Datum<'a>, Wrong> {
        if self.depth == DEPTH_MAX {
            return wrong(self.at, "this is nested deeper than 100 levels: an op map needs four");
        }
        // Before skipping: discarded forms nest too.
        self.depth += 1;
        self.skip()?;
        let at = self.at;
        let Some(byte) = self.peek() else {
            return wrong(at, "the input ends where a form should begin");
        };
        let datum = match byte {
            b'[' => Datum::Seq(self.items(b']')?),
            b'(' => Datum::Seq(self.items(b')')?),
            b'{' => Datum::Map(self.pairs()?),
            b'"' => Datum::Text(self.string()?),
            b'#' => self.tagged()?,
            b'^' => {
                self.at += 1;
                self.form()?;
                self.form()?
            }
            b'\\' => self.character(),
            b']' | b')' | b'}' => {
                return wrong(at, format!("`{}` closes nothing", char::from(byte)));
            }
            _ => self.token()?,
        };
        self.depth -= 1;
        Ok(datum)
    }

    fn items(&mut self, close: u8) -> Result<Vec<Datum<'a>>, Wrong> {
        let open = self.at;
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.skip()?;
            match self.peek() {
                None => {
                    let close = char::from(close);
                    return wrong(
                        open,
                        format!("the input ends before the `{close}` of this form"),
                    );
                }
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(items);
                }
                Some(_) => items.push(self.form()?),
            }
        }
    }

    fn pairs(&mut self) -> Result<Vec<(Datum<'a>, Datum<'a>)>, Wrong> {
        let open = self.at;
        let mut items = self.items(b'}')?.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let Some(key) = items.next() {
            let Some(value) = items.next() else {
                let key = brief_text(&key.to_string());
                return wrong(open, format!("key {key} of this map has no value"));
            };
            pairs.push((key, value));
        }
        Ok(pairs)
    }

    /// `#tag form`, `#{set}`, `##NaN`, `#"regex"`: the tag itself says nothing to us.
    fn tagged(&mut self) -> Result<Datum<'a>, Wrong> {
        self.at += 1;
        match self.peek() {
            Some(b'{') => Ok(Datum::Seq(self.items(b'}')?)),
            Some(b'"') => self.form(),
            Some(b'#') => {
                self.at += 1;
                Ok(Datum::Symbol(Cow::Borrowed(self.word())))
            }
            _ => {
                self.word();
                self.form()
            }
        }
    }

    fn token(&mut self) -> Result<Datum<'a>, Wrong> {
        let at = self.at;
        let word = self.word();
        if let Some(keyword) = word.strip_prefix(':') {
            return Ok(Datum::Keyword(Cow::Borrowed(keyword)));
        }
        let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
        if digits.starts_with(|first: char| first.is_ascii_digit()) {
            return match number(word) {
                Some(number) => Ok(number),
                None => wrong(at, format!("{} is not a number", brief_text(word))),
            };
        }
        match word {
            "" => wrong(at, "this character begins no form"),
            "nil" => Ok(Datum::Nil),
            "true" => Ok(Datum::Bool(true)),
            "false" => Ok(Datum::Bool(false)),
            _ => Ok(Datum::Symbol(Cow::Borrowed(word))),
        }
    }

    fn character(&mut self) -> Datum<'a> {
        let start = self.at;
        self.at += 1;
        // One character of any kind, then what belongs to its name: `\newline`, `\"`.
        self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
        self.word();
        Datum::Symbol(Cow::Borrowed(&self.text[start..self.at]))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Wrong> {
        let open = self.at;
        let start = open + 1;
        let rest = &self.text[start..];
        let Some(plain) = rest.find(['"', '\\']) else {
            return wrong(open, "this string has no end");
        };
        self.at = start + plain;
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(&rest[..plain]));
        }
        let mut text = rest[..plain].to_string();
        loop {
            let mut letters = self.text[self.at..].chars();
            match letters.next() {
                None => return wrong(open, "this string has no end"),
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some(letter) => {
                    text.push(letter);
                    self.at += letter.len_utf8();
                }
            }
        }
        self.at += 1;
        Ok(Cow::Owned(text))
    }

    fn escape(&mut self) -> Result<char, Wrong> {
        let at = self.at;
        let rest = &self.text[at + 1..];
        let Some(letter) = rest.chars().next() else {
            return wrong(at, "the input ends within a string");
        };
        self.at += 1 + letter.len_utf8();
        let escaped = match letter {
            'n' => Some('\n'),
            't' => Some('\t'),
            'r' => Some('\r'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            '"' | '\\' => Some(letter),
            'u' => {
                let code = rest.get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                self.at += if code.is_some() { 4 } else { 0 };
                code.map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => None,
        };
        match escaped {
            Some(letter) => Ok(letter),
            None => wrong(
                at,
                format!("`\\{letter}` is not an escape: \\n \\t \\r \\\" \\\\ \\u0041 are"),
            ),
        }
    }

    /// Passes what is no form: space, commas, comments, discarded forms.
    fn skip(&mut self) -> Result<(), Wrong> {
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let blank = rest.iter().take_while(|b| b.is_ascii_whitespace() || **b == b',').count();
            self.at += blank;
            let rest = &rest[blank..];
            if rest.starts_with(b";") {
                self.at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            } else if rest.starts_with(b"#_") {
                self.at += 2;
                self.form()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Up to the next delimiter.
    fn word(&mut self) -> &'a str {
        let rest = &self.text[self.at..];
        let ends = |byte: &u8| byte.is_ascii_whitespace() || b"()[]{}\",;".contains(byte);
        let word = &rest[..rest.as_bytes().iter().position(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

fn wrong<T>(at: usize, message: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { at, message: message.into() })
}

fn number(word: &str) -> Option<Datum<'static>> {
    let integer = word.strip_suffix('N').unwrap_or(word);
    if let Ok(number) = integer.parse::<i64>() {
        return Some(Datum::Int(number.into()));
    }
    if let Ok(number) = integer.parse() {
        return Some(Datum::Int(number));
    }
    if let Some(hex) = integer.strip_prefix("0x") {
        return i128::from_str_radix(hex, 16).ok().map(Datum::Int);
    }
    let float = word.strip_suffix('M').unwrap_or(word);
    let float = float.split_once('/').map_or(float, |(numerator, _)| numerator);
    float.parse().ok().map(Datum::Float)
}

/// One op map a line.
pub(super) fn write(imported: &Imported) -> String {
    let mut text = String::new();
    for (index, event) in imported.history.events.iter().enumerate() {
        event_line(&mut text, index, event, imported);
    }
    text
}

fn event_line(text: &mut String, index: usize, event: &Event, imported: &Imported) {
    let process = match event.process {
        Process::Client(number) => number.to_string(),
        Process::Nemesis => ":nemesis".to_string(),
    };
    let (time, kind) = (event.time.as_nanos(), kind_word(event.kind));
    let _ = write!(text, "{{:index {index}, :time {time}, :type :{kind}, :process {process}, ");
    match &event.op {
        Op::Txn(mops) => {
            let mops: Vec<String> = mops.iter().map(|mop| mop_text(mop, imported)).collect();
            let _ = write!(text, ":f :txn, :value [{}]", mops.join(" "));
        }
        Op::Registers(mops) => {
            let mops = mops.iter().map(|mop| register_text(mop, event.kind, imported));
            let _ = write!(text, ":f :txn, :value [{}]", mops.collect::<Vec<_>>().join(" "));
        }
        Op::Bank(bank) => {
            let _ = write!(text, ":f :{}, :value {}", bank.word(), bank::told(bank));
        }
        Op::Fault(fault) => {
            let _ = write!(text, ":f :fault, :value {}", quoted(&fault.to_string()));
        }
        Op::Call(call) => {
            let Told { f, value, answer } = told(call, event.kind, imported.key_datum(call.key));
            let _ = write!(text, ":f :{f}, :value {}", form_text(&value));
            if let Some(answer) = answer {
                let _ = write!(text, ", :answer {}", form_text(&answer));
            }
        }
    }
    if let Some(node) = event.node {
        let _ = write!(text, ", :node \"{node}\"");
    }
    if let Some(error) = &event.error {
        let _ = write!(text, ", :error {}", quoted(error));
    }
    text.push_str("}\n");
}

fn mop_text(mop: &Mop, imported: &Imported) -> String {
    let key = key_text(mop.key(), imported);
    match mop {
        Mop::Append { value, .. } => format!("[:append {key} {value}]"),
        Mop::Read { values: None, .. } => format!("[:r {key} nil]"),
        Mop::Read { values: Some(values), .. } => {
            let values: Vec<String> = values.iter().map(u64::to_string).collect();
            format!("[:r {key} [{}]]", values.join(" "))
        }
    }
}

fn register_text(mop: &RegisterMop, kind: Kind, imported: &Imported) -> String {
    let key = key_text(mop.key(), imported);
    match register_parts(mop, kind) {
        (word, None) => format!("[:{word} {key}]"),
        (word, Some(None)) => format!("[:{word} {key} nil]"),
        (word, Some(Some(value))) => format!("[:{word} {key} {value}]"),
    }
}

fn key_text(key: Key, imported: &Imported) -> String {
    match imported.key_names.get(&key) {
        Some(KeyName::Text(text)) => quoted(text),
        Some(name) => name.to_string(),
        None => key.to_string(),
    }
}

fn form_text(datum: &Datum) -> String {
    match datum {
        Datum::Text(text) => quoted(text),
        Datum::Seq(items) => {
            let items: Vec<String> = items.iter().map(form_text).collect();
            format!("[{}]", items.join(" "))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
