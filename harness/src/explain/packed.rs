//! The operations of a history in a few bytes each: what a timeline holds of them.
//!
//! | for each operation             | as                                                                   |
//! |--------------------------------|----------------------------------------------------------------------|
//! | its first event                | how far from that of the one before                                  |
//! | its completion                 | how far from its first event; 0 is none                              |
//! | its beginning                  | nanoseconds since that of the one before, signed                     |
//! | its end                        | nanoseconds since its beginning                                      |
//! | process, node, outcome         | places in the tables; a node's is one more, 0 is none                |
//! | error                          | place in the table, one more; 0 is none                              |
//! | keys                           | how many, then places in the table                                   |
//! | words                          | their length in bytes; the bytes of all words come after the numbers |
//!
//! Numbers are LEB128, signed ones in zigzag, in the order of [`super::operations`]. Promises that [`unpacked`] gives back
//! what was packed.

use super::operations::{Operation, Outcome, words};
use crate::op::Key;
use std::collections::BTreeMap;
use std::fmt;

/// Texts or numbers, each once, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table<T> {
    /// In their order.
    pub all: Vec<T>,
    places: BTreeMap<T, usize>,
}

impl<T: Ord + Clone> Table<T> {
    fn place(&mut self, of: &T) -> usize {
        if let Some(place) = self.places.get(of) {
            return *place;
        }
        self.places.insert(of.clone(), self.all.len());
        self.all.push(of.clone());
        self.all.len() - 1
    }
}

/// Operations, packed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// How many.
    pub count: usize,
    /// The numbers, then the words.
    pub bytes: Vec<u8>,
    /// Where the words begin.
    pub words: usize,
    /// The names of processes.
    pub processes: Table<String>,
    /// The names of nodes.
    pub nodes: Table<String>,
    /// Why operations failed.
    pub errors: Table<String>,
    /// What was asked about.
    pub keys: Table<Key>,
}

/// Packs operations.
pub fn packed(operations: &[Operation]) -> Packed {
    let mut packed = Packed { count: operations.len(), ..Packed::default() };
    let mut texts = Vec::new();
    let (mut event, mut time) = (0, 0);
    for operation in operations {
        let (begin, end) =
            (operation.span.0.as_nanos() as i128, operation.span.1.as_nanos() as i128);
        number(&mut packed.bytes, (operation.first - event) as u128);
        number(&mut packed.bytes, operation.completed.map_or(0, |at| at - operation.first) as u128);
        number(&mut packed.bytes, zigzag(begin - time));
        number(&mut packed.bytes, (end - begin) as u128);
        (event, time) = (operation.first, begin);
        let process = packed.processes.place(&operation.process.to_string());
        let node = operation.node.map_or(0, |node| packed.nodes.place(&node.to_string()) + 1);
        let error = operation.error.map_or(0, |error| packed.errors.place(&error.to_owned()) + 1);
        let told = words(operation.op);
        let mut keys = operation.op.keys();
        keys.sort_unstable();
        keys.dedup();
        for place in [process, node, code(operation.outcome), error, keys.len()] {
            number(&mut packed.bytes, place as u128);
        }
        for key in &keys {
            let place = packed.keys.place(key);
            number(&mut packed.bytes, place as u128);
        }
        number(&mut packed.bytes, told.len() as u128);
        texts.extend_from_slice(told.as_bytes());
    }
    packed.words = packed.bytes.len();
    packed.bytes.extend(texts);
    packed
}

fn code(outcome: Outcome) -> usize {
    OUTCOMES.iter().position(|other| *other == outcome).unwrap_or_default()
}

const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::Fail, Outcome::Info, Outcome::Open];

fn zigzag(number: i128) -> u128 {
    ((number << 1) ^ (number >> 127)) as u128
}

fn number(bytes: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// An operation as it was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Its first event.
    pub first: usize,
    /// Its completion.
    pub completed: Option<usize>,
    /// Nanoseconds from its beginning to its end.
    pub span: (i128, i128),
    /// Who asked.
    pub process: String,
    /// The node it was asked of.
    pub node: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it failed.
    pub error: Option<String>,
    /// What was asked about, ascending.
    pub keys: Vec<Key>,
    /// What was asked.
    pub words: String,
}

/// Bytes that are no packed operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "these are no packed operations")
    }
}

impl std::error::Error for Damaged {}

/// The operations that were packed.
pub fn unpacked(packed: &Packed) -> Result<Vec<Unpacked>, Damaged> {
    let (mut numbers, mut texts) = packed.bytes.split_at_checked(packed.words).ok_or(Damaged)?;
    let mut operations = Vec::new();
    let (mut event, mut time) = (0, 0);
    for _ in 0..packed.count {
        let mut next = || take(&mut numbers);
        let first = event + next()? as usize;
        let completed =
            Some(next()? as usize).filter(|after| *after > 0).map(|after| first + after);
        let begin = time + unzigzag(next()?);
        let end = begin + next()? as i128;
        (event, time) = (first, begin);
        let process = packed.processes.all.get(next()? as usize).ok_or(Damaged)?.clone();
        let node = one_more(&packed.nodes.all, next()? as usize)?;
        let outcome = *OUTCOMES.get(next()? as usize).ok_or(Damaged)?;
        let error = one_more(&packed.errors.all, next()? as usize)?;
        let count = next()? as usize;
        let key = |place: u128| packed.keys.all.get(place as usize).copied().ok_or(Damaged);
        let keys = (0..count).map(|_| key(next()?)).collect::<Result<Vec<Key>, Damaged>>()?;
        let length = next()? as usize;
        let (words, rest) = texts.split_at_checked(length).ok_or(Damaged)?;
        texts = rest;
        let words = String::from_utf8(words.to_vec()).map_err(|_| Damaged)?;
        let span = (begin, end);
        operations.push(Unpacked {
            first,
            completed,
            span,
            process,
            node,
            outcome,
            error,
            keys,
            words,
        });
    }
    Ok(operations)
}

fn one_more(table: &[String], place: usize) -> Result<Option<String>, Damaged> {
    match place.checked_sub(1) {
        None => Ok(None),
        Some(place) => table.get(place).cloned().map(Some).ok_or(Damaged),
    }
}

fn unzigzag(number: u128) -> i128 {
    (number >> 1) as i128 ^ -((number & 1) as i128)
}

fn take(bytes: &mut &[u8]) -> Result<u128, Damaged> {
    let mut number = 0u128;
    for shift in (0..126).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Damaged)?;
        *bytes = rest;
        number |= u128::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Damaged)
}
