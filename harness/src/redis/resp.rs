//! RESP2: requests written, replies decoded as bytes come in.
//!
//! The decoder is linear in what it is fed, bounded ([`LINE_MAX`], [`BULK_MAX`], [`ELEMENTS_MAX`], [`DEPTH_MAX`])
//! and returns an error, never panics, on any bytes. After an error it stays in error: there is no resynchronising.

use bytes::{Buf, Bytes, BytesMut};
use std::fmt;

/// Bytes in a line: a status, an error, a number.
pub const LINE_MAX: usize = 64 * 1024;
/// Bytes in a bulk string.
pub const BULK_MAX: usize = 16 * 1024 * 1024;
/// Elements in one reply, all its arrays together.
pub const ELEMENTS_MAX: usize = 1024 * 1024;
/// Arrays inside arrays.
pub const DEPTH_MAX: usize = 8;

/// A reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Status(String),
    /// `-ERR …`
    Error(String),
    /// `:3`
    Integer(i64),
    /// `$3`
    Bulk(Bytes),
    /// `$-1`
    Null,
    /// `*2`
    Array(Vec<Reply>),
    /// `*-1`
    NullArray,
}

impl Reply {
    /// Whether it is this status. Elastickv's leader proxy turns a status into a bulk string: both count.
    pub fn is_status(&self, word: &str) -> bool {
        match self {
            Reply::Status(text) => text == word,
            Reply::Bulk(bytes) => bytes == word.as_bytes(),
            _ => false,
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Status(text) => write!(f, "status `{text}`"),
            Reply::Error(text) => write!(f, "error `{text}`"),
            Reply::Integer(number) => write!(f, "integer {number}"),
            Reply::Bulk(bytes) => {
                let shown = &bytes[..bytes.len().min(80)];
                write!(f, "bulk string `{}`", shown.escape_ascii())
            }
            Reply::Null => write!(f, "null"),
            Reply::Array(items) => write!(f, "array of {}", items.len()),
            Reply::NullArray => write!(f, "null array"),
        }
    }
}

/// Bytes that are not RESP2, or more than the bounds allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a RESP2 reply: {0}")]
pub struct RespError(String);

/// Adds a command to what is to be sent.
pub fn encode(command: &[&[u8]], to: &mut Vec<u8>) {
    header(b'*', command.len(), to);
    for word in command {
        header(b'$', word.len(), to);
        to.extend_from_slice(word);
        to.extend_from_slice(b"\r\n");
    }
}

fn header(kind: u8, count: usize, to: &mut Vec<u8>) {
    to.push(kind);
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = count;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
    to.extend_from_slice(b"\r\n");
}

/// Turns bytes into replies.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    /// Arrays begun, outermost first: elements still missing, and those that came.
    open: Vec<(usize, Vec<Reply>)>,
    /// The length of the bulk string whose line was read.
    bulk: Option<usize>,
    /// Bytes at the beginning of the buffer that hold no line end.
    scanned: usize,
    elements: usize,
    broken: Option<RespError>,
}

impl Decoder {
    /// Takes more bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether every byte so far belongs to a reply that was taken.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.open.is_empty() && self.bulk.is_none()
    }

    /// The next whole reply; `None` if more bytes are needed.
    pub fn reply(&mut self) -> Result<Option<Reply>, RespError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let result = self.advance();
        if let Err(error) = &result {
            self.broken = Some(error.clone());
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Reply>, RespError> {
        while let Some(piece) = self.piece()? {
            let mut whole = match piece {
                Piece::Begin(count) => {
                    self.open.push((count, Vec::with_capacity(count.min(256))));
                    continue;
                }
                Piece::Whole(reply) => reply,
            };
            // A finished element may finish the array around it, and so on outwards.
            loop {
                let Some((mut missing, mut items)) = self.open.pop() else {
                    self.elements = 0;
                    return Ok(Some(whole));
                };
                items.push(whole);
                missing -= 1;
                if missing > 0 {
                    self.open.push((missing, items));
                    break;
                }
                whole = Reply::Array(items);
            }
        }
        Ok(None)
    }

    /// The next scalar, empty array or beginning of an array.
    fn piece(&mut self) -> Result<Option<Piece>, RespError> {
        if let Some(length) = self.bulk {
            return self.bulk_body(length);
        }
        let Some(end) = self.line_end()? else { return Ok(None) };
        let (kind, rest) = (self.buffer[0], &self.buffer[1..end]);
        let piece = match kind {
            b'+' => Piece::Whole(Reply::Status(text(rest))),
            b'-' => Piece::Whole(Reply::Error(text(rest))),
            b':' => Piece::Whole(Reply::Integer(number(rest)?)),
            b'$' => match length(rest, BULK_MAX)? {
                None => Piece::Whole(Reply::Null),
                Some(length) => {
                    self.bulk = Some(length);
                    self.buffer.advance(end + 2);
                    return self.bulk_body(length);
                }
            },
            b'*' => {
                let count = length(rest, ELEMENTS_MAX)?;
                self.array(count)?
            }
            _ => return Err(RespError(format!("a line begins with `{}`", kind.escape_ascii()))),
        };
        self.buffer.advance(end + 2);
        Ok(Some(piece))
    }

    fn array(&mut self, count: Option<usize>) -> Result<Piece, RespError> {
        let Some(count) = count else { return Ok(Piece::Whole(Reply::NullArray)) };
        if count == 0 {
            return Ok(Piece::Whole(Reply::Array(Vec::new())));
        }
        self.elements += count;
        if self.elements > ELEMENTS_MAX {
            return Err(RespError(format!("more than {ELEMENTS_MAX} elements in a reply")));
        }
        if self.open.len() == DEPTH_MAX {
            return Err(RespError(format!("arrays more than {DEPTH_MAX} deep")));
        }
        Ok(Piece::Begin(count))
    }

    fn bulk_body(&mut self, length: usize) -> Result<Option<Piece>, RespError> {
        if self.buffer.len() < length + 2 {
            return Ok(None);
        }
        let body = self.buffer.split_to(length).freeze();
        if !self.buffer.starts_with(b"\r\n") {
            return Err(RespError(format!("a bulk string of {length} bytes does not end there")));
        }
        self.buffer.advance(2);
        self.bulk = None;
        Ok(Some(Piece::Whole(Reply::Bulk(body))))
    }

    /// Where the next line ends: the place of its CR, with something before it.
    fn line_end(&mut self) -> Result<Option<usize>, RespError> {
        let end = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n');
        let length = end.map_or(self.buffer.len(), |end| end + self.scanned);
        if length > LINE_MAX {
            return Err(RespError(format!("a line of more than {LINE_MAX} bytes")));
        }
        if end.is_none() {
            self.scanned = length;
            return Ok(None);
        }
        self.scanned = 0;
        match length.checked_sub(1) {
            Some(cr) if self.buffer[cr] != b'\r' => {
                Err(RespError("a line that does not end in CR LF".into()))
            }
            Some(0) => Err(RespError("an empty line".into())),
            Some(cr) => Ok(Some(cr)),
            None => Err(RespError("a line that does not end in CR LF".into())),
        }
    }
}

enum Piece {
    Begin(usize),
    Whole(Reply),
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(bytes: &[u8]) -> Result<i64, RespError> {
    let digits = std::str::from_utf8(bytes).ok();
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| RespError(format!("`{}` is not a number", bytes.escape_ascii())))
}

/// A length up to `max`, or -1 for none.
fn length(bytes: &[u8], max: usize) -> Result<Option<usize>, RespError> {
    match number(bytes)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= max => Ok(Some(length)),
            _ => Err(RespError(format!("length {length}, which is not between -1 and {max}"))),
        },
    }
}
