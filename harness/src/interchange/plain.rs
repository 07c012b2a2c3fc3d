//! Op maps of the plain shape, from bytes to events with nothing in between: what nearly every line of nearly every history of
//! transactions is.
//!
//! Promises that what is read here is what the format's own reader makes of the same bytes. Whatever is not plain is left to
//! that reader: then [`Scratch::event`] gives `None`, and nothing has happened. Not plain are keys that are no numbers, numbers
//! with a sign or of more than 19 digits, errors that are no plain string, fields of other names or given twice,
//! comments, tags, escapes, nemeses and calls; and whatever is wrong, so that errors are told in one place.

use super::Alphabet;
use crate::cluster::NodeId;
use crate::history::{Event, Kind, Process};
use crate::op::{Held, Key, Mop, Op, RegisterMop, Value};
use std::time::Duration;

/// The digits of which every such number is one below 2^64.
const DIGITS_MAX: usize = 19;

/// What EDN and JSON write differently.
pub(super) trait Notation {
    /// What stands for nothing.
    const NIL: &'static [u8];
    /// What a word begins with.
    const WORD: u8;
    /// Whether a comma must stand between two of a row; else it is blank.
    const HAS_COMMAS: bool;

    /// Whether a byte says nothing.
    fn is_blank(byte: u8) -> bool;

    /// Whether a number may have these digits.
    fn is_number(digits: &[u8]) -> bool;

    /// Passes the end of a word.
    fn end_word(cursor: &mut Cursor) -> Option<()>;

    /// Passes what stands between the name of a field and its value.
    fn colon(cursor: &mut Cursor) -> Option<()>;

    /// Passes what must follow an op map.
    fn end_map(cursor: &mut Cursor) -> Option<()>;
}

/// `{:type :ok, :process 3}`
pub(super) struct Edn;

impl Notation for Edn {
    const NIL: &'static [u8] = b"nil";
    const WORD: u8 = b':';
    const HAS_COMMAS: bool = false;

    fn is_blank(byte: u8) -> bool {
        matches!(byte, b' ' | b',' | b'\n' | b'\r' | b'\t')
    }

    fn is_number(_: &[u8]) -> bool {
        true
    }

    fn end_word(cursor: &mut Cursor) -> Option<()> {
        cursor.end()
    }

    fn colon(_: &mut Cursor) -> Option<()> {
        Some(())
    }

    fn end_map(_: &mut Cursor) -> Option<()> {
        Some(())
    }
}

/// `{"type":"ok","process":3}` on one line.
pub(super) struct Json;

impl Notation for Json {
    const NIL: &'static [u8] = b"null";
    const WORD: u8 = b'"';
    const HAS_COMMAS: bool = true;

    fn is_blank(byte: u8) -> bool {
        matches!(byte, b' ' | b'\r' | b'\t')
    }

    fn is_number(digits: &[u8]) -> bool {
        digits.len() == 1 || digits.first() != Some(&b'0')
    }

    fn end_word(cursor: &mut Cursor) -> Option<()> {
        cursor.pass(b'"')
    }

    fn colon(cursor: &mut Cursor) -> Option<()> {
        cursor.blank::<Json>();
        cursor.pass(b':')
    }

    /// The end of its line, where the next line begins.
    fn end_map(cursor: &mut Cursor) -> Option<()> {
        cursor.blank::<Json>();
        match cursor.peek() {
            None => Some(()),
            Some(_) => cursor.pass(b'\n'),
        }
    }
}

/// A place in the input.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    /// Bytes before it.
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// Somewhere in an input.
    pub fn new(bytes: &'a [u8], at: usize) -> Cursor<'a> {
        Cursor { bytes, at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn pass(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn pass_all(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(bytes).then(|| self.at += bytes.len())
    }

    fn blank<N: Notation>(&mut self) {
        while self.peek().is_some_and(N::is_blank) {
            self.at += 1;
        }
    }

    /// Whether a token ends here. Of what may end it, what is plain.
    fn end(&self) -> Option<()> {
        matches!(self.peek()?, b' ' | b',' | b']' | b'}' | b'\n' | b'\r' | b'\t').then_some(())
    }

    /// Whether a row goes on; passes its end, or what stands before the next.
    fn more<N: Notation>(&mut self, close: u8, is_first: bool) -> Option<bool> {
        self.blank::<N>();
        if self.peek()? == close {
            self.at += 1;
            return Some(false);
        }
        if N::HAS_COMMAS && !is_first {
            self.pass(b',')?;
            self.blank::<N>();
            // Nothing may follow a comma but another.
            return (self.peek()? != close).then_some(true);
        }
        Some(true)
    }

    fn number<N: Notation>(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number: u64 = 0;
        while let Some(byte) = self.peek() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            number = number.wrapping_mul(10).wrapping_add(digit.into());
            self.at += 1;
        }
        self.end()?;
        let digits = &self.bytes[start..self.at];
        let is_plain = !digits.is_empty() && digits.len() <= DIGITS_MAX && N::is_number(digits);
        is_plain.then_some(number)
    }

    /// A keyword, or a string in its place.
    fn word<N: Notation>(&mut self) -> Option<&'a [u8]> {
        self.pass(N::WORD)?;
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            self.at += 1;
        }
        let word = &self.bytes[start..self.at];
        N::end_word(self)?;
        (!word.is_empty()).then_some(word)
    }

    fn is_nil<N: Notation>(&mut self) -> Option<bool> {
        let is_nil = self.pass_all(N::NIL).is_some();
        if is_nil {
            self.end()?;
        }
        Some(is_nil)
    }

    fn key<N: Notation>(&mut self) -> Option<Key> {
        self.number::<N>().filter(|key| *key < super::op_map::PROVISIONAL)
    }

    fn kind<N: Notation>(&mut self) -> Option<Kind> {
        Some(match self.word::<N>()? {
            b"invoke" => Kind::Invoke,
            b"ok" => Kind::Ok,
            b"fail" => Kind::Fail,
            b"info" => Kind::Info,
            _ => return None,
        })
    }

    fn node(&mut self) -> Option<NodeId> {
        let number = self.string()?.strip_prefix('n')?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|_| is_number).map(NodeId)
    }

    /// A string without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.pass(b'"')?;
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
        self.at += length;
        self.pass(b'"')?;
        std::str::from_utf8(&rest[..length]).ok()
    }
}

/// The fields of an op map so far; more than one of a name is not plain.
#[derive(Default)]
struct Fields {
    kind: Option<Kind>,
    process: Option<u32>,
    time: Option<u64>,
    node: Option<NodeId>,
    error: Option<String>,
    has_index: bool,
    has_function: bool,
    has_value: bool,
}

/// Puts a field where there is none yet.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn first(seen: &mut bool) -> Option<()> {
    (!std::mem::replace(seen, true)).then_some(())
}

/// Room that is used again for each event.
#[derive(Default)]
pub(super) struct Scratch {
    values: Vec<Value>,
    lists: Vec<Mop>,
    registers: Vec<RegisterMop>,
    /// One more than the largest key of the last event.
    pub next_key: Key,
}

impl Scratch {
    /// The event of the op map that begins here; the cursor stands after it.
    pub fn event<N: Notation>(&mut self, cursor: &mut Cursor, alphabet: Alphabet) -> Option<Event> {
        self.lists.clear();
        self.registers.clear();
        self.next_key = 0;
        let fields = self.fields::<N>(cursor, alphabet)?;
        N::end_map(cursor)?;
        let (kind, process) = (fields.kind?, Process::Client(fields.process?));
        let op = match alphabet {
            Alphabet::Lists => Op::Txn(self.lists.drain(..).collect()),
            Alphabet::Registers => {
                let mops = self.registers.drain(..);
                Op::Registers(mops.map(|mop| as_known(mop, kind)).collect())
            }
            // What is asked of a bank is no vector.
            Alphabet::Bank => return None,
        };
        Some(Event {
            time: Duration::from_nanos(fields.time.unwrap_or_default()),
            process,
            kind,
            op,
            node: fields.node,
            error: fields.error,
        })
    }

    fn fields<N: Notation>(&mut self, cursor: &mut Cursor, alphabet: Alphabet) -> Option<Fields> {
        let mut fields = Fields::default();
        let mut is_first = true;
        cursor.pass(b'{')?;
        while cursor.more::<N>(b'}', is_first)? {
            is_first = false;
            let name = cursor.word::<N>()?;
            N::colon(cursor)?;
            cursor.blank::<N>();
            match name {
                b"type" => once(&mut fields.kind, cursor.kind::<N>()?)?,
                b"process" => {
                    let process = u32::try_from(cursor.number::<N>()?).ok()?;
                    once(&mut fields.process, process)?;
                }
                b"time" => once(&mut fields.time, cursor.number::<N>()?)?,
                b"node" => once(&mut fields.node, cursor.node()?)?,
                b"error" => once(&mut fields.error, cursor.string()?.to_owned())?,
                b"index" => {
                    cursor.number::<N>()?;
                    first(&mut fields.has_index)?;
                }
                b"f" => {
                    cursor.word::<N>()?;
                    first(&mut fields.has_function)?;
                }
                b"value" => {
                    first(&mut fields.has_value)?;
                    self.mops::<N>(cursor, alphabet)?;
                }
                _ => return None,
            }
        }
        Some(fields)
    }

    fn mops<N: Notation>(&mut self, cursor: &mut Cursor, alphabet: Alphabet) -> Option<()> {
        if cursor.is_nil::<N>()? {
            return Some(());
        }
        let mut is_first = true;
        cursor.pass(b'[')?;
        while cursor.more::<N>(b']', is_first)? {
            is_first = false;
            cursor.pass(b'[')?;
            cursor.blank::<N>();
            let word = cursor.word::<N>()?;
            cursor.more::<N>(b']', false)?.then_some(())?;
            let key = cursor.key::<N>()?;
            self.next_key = self.next_key.max(key + 1);
            let has_value = cursor.more::<N>(b']', false)?;
            match alphabet {
                Alphabet::Lists => {
                    let mop = self.list_mop::<N>(cursor, word, key, has_value)?;
                    self.lists.push(mop);
                }
                Alphabet::Registers => {
                    self.registers.push(register_mop::<N>(cursor, word, key, has_value)?);
                }
                Alphabet::Bank => return None,
            }
            // What a value is followed by; without one the end is passed already.
            if has_value && cursor.more::<N>(b']', false)? {
                return None;
            }
        }
        Some(())
    }

    fn list_mop<N: Notation>(
        &mut self,
        cursor: &mut Cursor,
        word: &[u8],
        key: Key,
        has_value: bool,
    ) -> Option<Mop> {
        match (word, has_value) {
            (b"append", true) => Some(Mop::Append { key, value: cursor.number::<N>()? }),
            (b"r", false) => Some(Mop::Read { key, values: None }),
            (b"r", true) if cursor.is_nil::<N>()? => Some(Mop::Read { key, values: None }),
            (b"r", true) => {
                cursor.pass(b'[')?;
                self.values.clear();
                let mut is_first = true;
                while cursor.more::<N>(b']', is_first)? {
                    is_first = false;
                    self.values.push(cursor.number::<N>()?);
                }
                Some(Mop::Read { key, values: Some(self.values.clone()) })
            }
            _ => None,
        }
    }
}

fn register_mop<N: Notation>(
    cursor: &mut Cursor,
    word: &[u8],
    key: Key,
    has_value: bool,
) -> Option<RegisterMop> {
    let value = match (word, has_value) {
        (b"w", true) => return Some(RegisterMop::Write { key, value: cursor.number::<N>()? }),
        (b"r", false) => Held::Unknown,
        (b"r", true) if cursor.is_nil::<N>()? => Held::Nothing,
        (b"r", true) => Held::Value(cursor.number::<N>()?),
        _ => return None,
    };
    Some(RegisterMop::Read { key, value })
}

/// Nil is the initial state only where it was read.
fn as_known(mop: RegisterMop, kind: Kind) -> RegisterMop {
    match mop {
        RegisterMop::Read { key, value: Held::Nothing } if kind != Kind::Ok => {
            RegisterMop::Read { key, value: Held::Unknown }
        }
        mop => mop,
    }
}
