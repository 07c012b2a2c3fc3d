//! RESP2 as the server speaks it: requests in, replies out; and replies in, for the proxy.
//!
//! Parsing is incremental and bounded: a length above the limits is an error before any memory is asked for.

use bytes::{Buf, Bytes, BytesMut};

const BULK_MAX: usize = 64 << 20;
const ARRAY_MAX: usize = 1 << 20;
const LINE_MAX: usize = 64 << 10;
/// Of one request, all its words together: twice what an entry of the log takes.
const REQUEST_MAX: usize = 128 << 20;
/// Arrays within arrays of a reply.
pub const DEPTH_MAX: usize = 16;

/// A reply, as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`
    Simple(String),
    /// `-ERR …`
    Error(String),
    /// `:7`
    Integer(i64),
    /// `$5…`
    Bulk(Bytes),
    /// `$-1`
    NullBulk,
    /// `*2…`
    Array(Vec<Reply>),
    /// `*-1`
    NullArray,
    /// Another server's reply, passed on as it came.
    Verbatim(Bytes),
}

impl Reply {
    /// `+OK`
    pub fn ok() -> Reply {
        Reply::Simple("OK".into())
    }

    /// Adds the reply to a buffer.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Reply::Simple(text) => write_line(out, b'+', text.as_bytes()),
            Reply::Error(text) => write_line(out, b'-', text.as_bytes()),
            Reply::Integer(number) => write_number(out, b':', *number),
            Reply::NullBulk => write_line(out, b'$', b"-1"),
            Reply::NullArray => write_line(out, b'*', b"-1"),
            Reply::Bulk(bytes) => write_bulk(out, bytes),
            Reply::Verbatim(bytes) => out.extend_from_slice(bytes),
            Reply::Array(items) => {
                write_number(out, b'*', items.len() as i64);
                for item in items {
                    item.write(out);
                }
            }
        }
    }
}

fn write_line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    // A line break inside would end the reply: redcon replaces it too.
    out.extend(text.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
    out.extend_from_slice(b"\r\n");
}

fn write_number(out: &mut Vec<u8>, kind: u8, number: i64) {
    out.push(kind);
    if number < 0 {
        out.push(b'-');
    }
    // 20 digits are enough for every number.
    let (mut digits, mut at, mut left) = ([0; 20], 20, number.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

fn write_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    write_number(out, b'$', bytes.len() as i64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Adds a request to a buffer.
pub fn write_command(out: &mut Vec<u8>, args: &[Bytes]) {
    write_number(out, b'*', args.len() as i64);
    for arg in args {
        write_bulk(out, arg);
    }
}

/// The peer does not speak RESP2; the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError(pub String);

fn error(text: &str) -> ProtocolError {
    ProtocolError(format!("ERR Protocol error: {text}"))
}

/// Takes one request from the front of a buffer; `None` if it is not all there yet. An inline command is split at spaces.
pub fn read_command(buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
    let taken = take_command(buffer)?;
    if taken.is_none() && buffer.len() > REQUEST_MAX {
        return Err(error("too big request"));
    }
    Ok(taken)
}

fn take_command(buffer: &mut BytesMut) -> Result<Option<Vec<Bytes>>, ProtocolError> {
    let mut at = 0;
    let Some(line) = line_at(buffer, &mut at)? else { return Ok(None) };
    if line.first() != Some(&b'*') {
        let args: Vec<Bytes> = line
            .split(|b| *b == b' ')
            .filter(|w| !w.is_empty())
            .map(Bytes::copy_from_slice)
            .collect();
        if args.first().is_some_and(is_http) {
            return Err(error("this is not an HTTP server"));
        }
        buffer.advance(at);
        return Ok(Some(args));
    }
    let count = number(&line[1..])
        .filter(|n| *n <= ARRAY_MAX as i64)
        .ok_or_else(|| error("invalid multibulk length"))?;
    let mut spans = Vec::new();
    for _ in 0..count.max(0) {
        let Some(header) = line_at(buffer, &mut at)? else { return Ok(None) };
        if header.first() != Some(&b'$') {
            return Err(error("expected '$'"));
        }
        let len = number(&header[1..])
            .filter(|n| (0..=BULK_MAX as i64).contains(n))
            .ok_or_else(|| error("invalid bulk length"))? as usize;
        if buffer.len() < at + len + 2 {
            return Ok(None);
        }
        spans.push(at..at + len);
        at += len + 2;
    }
    let whole = buffer.split_to(at).freeze();
    Ok(Some(spans.into_iter().map(|span| whole.slice(span)).collect()))
}

/// Takes one whole reply from the front of a buffer, as bytes; `None` if it is not all there yet.
pub fn read_reply(buffer: &mut BytesMut) -> Result<Option<Bytes>, ProtocolError> {
    let mut at = 0;
    let whole = skip_reply(buffer, &mut at, DEPTH_MAX)?;
    Ok(whole.then(|| buffer.split_to(at).freeze()))
}

/// Moves past one reply; whether it is all there.
fn skip_reply(buffer: &[u8], at: &mut usize, depth: usize) -> Result<bool, ProtocolError> {
    let Some(line) = line_at(buffer, at)? else { return Ok(false) };
    let (kind, rest) = line.split_first().ok_or_else(|| error("empty reply"))?;
    let count = || number(rest).ok_or_else(|| error("invalid number"));
    match kind {
        b'+' | b'-' => Ok(true),
        b':' => count().map(|_| true),
        b'$' => match count()? {
            -1 => Ok(true),
            len if (0..=BULK_MAX as i64).contains(&len) => {
                *at += len as usize + 2;
                Ok(buffer.len() >= *at)
            }
            _ => Err(error("invalid bulk length")),
        },
        b'*' => match count()? {
            -1 => Ok(true),
            len if (0..=ARRAY_MAX as i64).contains(&len) && depth > 0 => {
                for _ in 0..len {
                    if !skip_reply(buffer, at, depth - 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Err(error("invalid multibulk length")),
        },
        _ => Err(error("unknown reply type")),
    }
}

/// A web page can make a browser send a request here whose body reads as commands; as Redis, no word of it is obeyed.
fn is_http(word: &Bytes) -> bool {
    word.eq_ignore_ascii_case(b"POST") || word.eq_ignore_ascii_case(b"Host:")
}

fn line_at<'a>(buffer: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>, ProtocolError> {
    let rest = buffer.get(*at..).unwrap_or_default();
    match rest.iter().position(|b| *b == b'\n') {
        Some(end) => {
            *at += end + 1;
            Ok(Some(rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end])))
        }
        None if rest.len() > LINE_MAX => Err(error("too big inline request")),
        None => Ok(None),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_one_after_the_other_and_wait_for_what_is_missing() {
        let mut wire = Vec::new();
        write_command(&mut wire, &["RPUSH".into(), "k".into(), "a\r\nb".into()]);
        wire.extend_from_slice(b"PING now\r\n");
        for cut in 0..wire.len() - 1 {
            let mut part = BytesMut::from(&wire[..cut]);
            while read_command(&mut part).unwrap().is_some() {}
            part.extend_from_slice(&wire[cut..]);
            let last = std::iter::from_fn(|| read_command(&mut part).unwrap()).last().unwrap();
            assert_eq!(last, ["PING", "now"].map(Bytes::from));
        }
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        for number in [0, 7, -7, 10, 12_345, i64::MAX, i64::MIN, i64::MIN + 1] {
            let mut wire = Vec::new();
            write_number(&mut wire, b':', number);
            assert_eq!(wire, format!(":{number}\r\n").into_bytes());
        }
    }

    #[test]
    fn a_whole_reply_is_taken_as_it_was_written_and_no_part_of_one() {
        let reply = Reply::Array(vec![
            Reply::ok(),
            Reply::Error("ERR no".into()),
            Reply::Integer(-7),
            Reply::Bulk("x\r\ny".into()),
            Reply::NullBulk,
            Reply::Array(vec![]),
            Reply::NullArray,
        ]);
        let mut wire = Vec::new();
        reply.write(&mut wire);
        for cut in 0..wire.len() {
            assert_eq!(read_reply(&mut BytesMut::from(&wire[..cut])), Ok(None), "cut at {cut}");
        }
        let mut two = BytesMut::from(&[&wire[..], b":1\r\n"].concat()[..]);
        assert_eq!(read_reply(&mut two), Ok(Some(Bytes::from(wire.clone()))));
        assert_eq!(&two[..], b":1\r\n");
        let mut passed_on = Vec::new();
        Reply::Verbatim(wire.clone().into()).write(&mut passed_on);
        assert_eq!(passed_on, wire);
    }

    #[test]
    fn a_request_that_outgrows_every_entry_is_refused_before_its_end() {
        let mut wire = BytesMut::from("*9\r\n");
        for _ in 0..2 {
            wire.extend_from_slice(format!("${BULK_MAX}\r\n").as_bytes());
            wire.resize(wire.len() + BULK_MAX, b'x');
            assert_eq!(read_command(&mut wire).is_ok(), wire.len() <= REQUEST_MAX);
            wire.extend_from_slice(b"\r\n");
        }
        assert!(read_command(&mut wire).is_err());
    }

    #[test]
    fn what_a_browser_sends_is_no_command() {
        for wire in ["POST / HTTP/1.1\r\n\r\nSET k v\r\n", "host: 127.0.0.1\r\nSET k v\r\n"] {
            assert!(read_command(&mut BytesMut::from(wire)).is_err(), "{wire:?}");
        }
    }

    #[test]
    fn absurd_lengths_are_refused_before_memory_is_asked_for() {
        for wire in ["*99999999999\r\n", "*1\r\n$-5\r\n", "*1\r\n$999999999\r\n", "*1\r\nx\r\n"] {
            assert!(read_command(&mut BytesMut::from(wire)).is_err(), "{wire:?}");
        }
        assert!(read_reply(&mut BytesMut::from("*9\r\n".repeat(20).as_str())).is_err());
    }
}
