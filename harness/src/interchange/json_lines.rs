//! JSON lines: one op map a line, keywords as strings. A string that begins with a colon is a keyword.

use super::bank;
use super::call::{Told, told};
use super::op_map::{Datum, Reader, kind_word, register_parts};
use super::{ImportError, Imported, plain, without_mark};
use crate::history::{Event, Kind, Process};
use crate::op::{Bank, Call, Key, Mop, Op, RegisterMop};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// Reads a map from each line, or an array of maps.
pub(super) fn read(bytes: &[u8], mut reader: Reader) -> Result<Imported, ImportError> {
    let bytes = without_mark(bytes);
    if bytes.trim_ascii_start().starts_with(b"[") {
        array(bytes, &mut reader)?;
    } else {
        lines(bytes, &mut reader)?;
    }
    Ok(reader.finish())
}

fn lines(bytes: &[u8], reader: &mut Reader) -> Result<(), ImportError> {
    let (mut at, mut number) = (0, 1);
    while at < bytes.len() {
        match reader.add_plain::<plain::Json>(bytes, at) {
            Some(after) => at = after,
            None => {
                let rest = &bytes[at..];
                let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                if !rest[..length].trim_ascii().is_empty() {
                    op_map(&rest[..length], number, reader)?;
                }
                at += length + 1;
            }
        }
        number += 1;
    }
    Ok(())
}

fn op_map(line: &[u8], number: usize, reader: &mut Reader) -> Result<(), ImportError> {
    let json = serde_json::from_slice(line).map_err(|error| ImportError {
        line: number,
        column: Some(error.column()),
        message: format!("{}: a line holds one op map as a JSON object", plain_words(&error)),
    })?;
    let wrong = |message| ImportError { line: number, column: None, message };
    reader.add(datum(json)).map_err(wrong)
}

/// An array is read item by item: as a whole it would take many times its bytes.
fn array(bytes: &[u8], reader: &mut Reader) -> Result<(), ImportError> {
    let skip = |at: usize| at + bytes[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
    let wrong = |at: usize, message: String| {
        let (line, column) = place(&bytes[..at]);
        Err(ImportError { line, column: Some(column), message })
    };
    let open = skip(0);
    let mut at = skip(open + 1);
    let mut number = 0;
    while bytes.get(at) != Some(&b']') || number > 0 {
        number += 1;
        let mut items = serde_json::Deserializer::from_slice(&bytes[at..]).into_iter::<Json>();
        match items.next() {
            None => return wrong(open, "this array has no end".to_owned()),
            Some(Err(error)) => {
                let (line, column) = place(&bytes[..at]);
                let before = if error.line() == 1 { column - 1 } else { 0 };
                let message = format!("{}: an array holds op maps", plain_words(&error));
                let (line, column) = (line + error.line() - 1, Some(before + error.column()));
                return Err(ImportError { line, column, message });
            }
            Some(Ok(json)) => {
                let told = |message| wrong(at, format!("op map {number} of the array: {message}"));
                reader.add(datum(json)).or_else(told)?;
            }
        }
        at = skip(at + items.byte_offset());
        match bytes.get(at) {
            Some(b',') => at = skip(at + 1),
            Some(b']') => break,
            None => return wrong(open, "this array has no end".to_owned()),
            Some(_) => return wrong(at, "`,` or `]` should stand here".to_owned()),
        }
    }
    match skip(at + 1) {
        end if end == bytes.len() => Ok(()),
        end => wrong(end, "something stands after the end of the array".to_owned()),
    }
}

/// Line and column after all this.
fn place(before: &[u8]) -> (usize, usize) {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    (line, before.len() - start + 1)
}

/// The parser's words without its own line number.
fn plain_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_string()
}

fn datum(json: Json) -> Datum<'static> {
    match json {
        Json::Null => Datum::Nil,
        Json::Bool(value) => Datum::Bool(value),
        Json::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(number), ..) => Datum::Int(number.into()),
            (_, Some(number), _) => Datum::Int(number.into()),
            (.., float) => Datum::Float(float.unwrap_or(f64::NAN)),
        },
        Json::String(text) => text_datum(text),
        Json::Array(items) => Datum::Seq(items.into_iter().map(datum).collect()),
        Json::Object(pairs) => Datum::Map(
            pairs.into_iter().map(|(key, value)| (text_datum(key), datum(value))).collect(),
        ),
    }
}

fn text_datum(text: String) -> Datum<'static> {
    match text.strip_prefix(':') {
        Some(word) if !word.is_empty() => Datum::Keyword(Cow::Owned(word.to_string())),
        _ => Datum::Text(Cow::Owned(text)),
    }
}

/// One object a line.
pub(super) fn write(imported: &Imported) -> String {
    let mut text = String::new();
    for (index, event) in imported.history.events.iter().enumerate() {
        text.push_str(&object(index, event, imported).to_string());
        text.push('\n');
    }
    text
}

fn object(index: usize, event: &Event, imported: &Imported) -> Json {
    let process = match event.process {
        Process::Client(number) => json!(number),
        Process::Nemesis => json!("nemesis"),
    };
    let (f, value, answer) = match &event.op {
        Op::Txn(mops) => {
            ("txn", Json::Array(mops.iter().map(|mop| mop_json(mop, imported)).collect()), None)
        }
        Op::Registers(mops) => {
            let mops = mops.iter().map(|mop| register_json(mop, event.kind, imported));
            ("txn", Json::Array(mops.collect()), None)
        }
        Op::Fault(fault) => ("fault", json!(fault.to_string()), None),
        Op::Call(call) => call_json(call, event.kind, imported.key_datum(call.key)),
        Op::Bank(bank) => {
            let (f, value) = bank_json(bank);
            (f, value, None)
        }
    };
    let time = u64::try_from(event.time.as_nanos()).unwrap_or(u64::MAX);
    let mut object = json!({
        "index": index,
        "time": time,
        "type": kind_word(event.kind),
        "process": process,
        "f": f,
        "value": value,
    });
    if let Some(answer) = answer {
        object["answer"] = answer;
    }
    if let Some(node) = event.node {
        object["node"] = json!(node.to_string());
    }
    if let Some(error) = &event.error {
        object["error"] = json!(error);
    }
    object
}

fn mop_json(mop: &Mop, imported: &Imported) -> Json {
    let key = key_json(mop.key(), imported);
    match mop {
        Mop::Append { value, .. } => json!(["append", key, value]),
        Mop::Read { values, .. } => json!(["r", key, values]),
    }
}

fn register_json(mop: &RegisterMop, kind: Kind, imported: &Imported) -> Json {
    let key = key_json(mop.key(), imported);
    match register_parts(mop, kind) {
        (word, None) => json!([word, key]),
        (word, Some(value)) => json!([word, key, value]),
    }
}

/// Its function, its value and, where there is one beside that, its answer.
pub(super) fn call_json(
    call: &Call,
    kind: Kind,
    key: Datum<'static>,
) -> (&'static str, Json, Option<Json>) {
    let Told { f, value, answer } = told(call, kind, key);
    (f, datum_json(&value), answer.as_ref().map(datum_json))
}

/// Its function and its value; balances are pairs, since a map of JSON has no numbers for keys.
pub(super) fn bank_json(bank: &Bank) -> (&'static str, Json) {
    let value = match bank {
        Bank::Transfer { from, to, amount } => json!({"from": from, "to": to, "amount": amount}),
        Bank::Read { .. } => datum_json(&bank::told(bank)),
    };
    (bank.word(), value)
}

fn key_json(key: Key, imported: &Imported) -> Json {
    datum_json(&imported.key_datum(key))
}

fn datum_json(datum: &Datum) -> Json {
    match datum {
        Datum::Nil => Json::Null,
        Datum::Bool(value) => json!(value),
        Datum::Int(number) => match (u64::try_from(*number), i64::try_from(*number)) {
            (Ok(number), _) => json!(number),
            (_, Ok(number)) => json!(number),
            // JSON readers lose digits beyond 64 bits: as text it stays what it is.
            _ => json!(number.to_string()),
        },
        Datum::Float(number) => json!(number),
        Datum::Keyword(word) => json!(format!(":{word}")),
        Datum::Symbol(text) | Datum::Text(text) => json!(text),
        Datum::Seq(items) => Json::Array(items.iter().map(datum_json).collect()),
        Datum::Map(pairs) => {
            Json::Array(pairs.iter().map(|(a, b)| json!([datum_json(a), datum_json(b)])).collect())
        }
    }
}
