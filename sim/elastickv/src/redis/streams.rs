//! XADD, XREAD and what is like them (`adapter/redis_stream_cmds.go`).
//!
//! An identity that the server gives is the node's wall clock, or the successor of the last one, so that identities grow also where
//! clocks go back.
//!
//! Differs from upstream: XREAD without BLOCK does not wait (upstream waits half a minute); and what reads nothing is answered with a
//! null array, as Redis does it.

use super::command::{CommandError, is};
use super::context::Context;
use super::context::records::fields;
use super::resp::Reply;
use crate::codec::{Malformed, Reader, Writer};
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

type Result<T = Reply> = std::result::Result<T, CommandError>;

/// Of an entry: milliseconds, and a number within them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId {
    /// Milliseconds since 1970, as the server or the client had it.
    pub ms: u64,
    /// Within them.
    pub seq: u64,
}

impl StreamId {
    /// Before all entries: no entry has it.
    pub const MIN: StreamId = StreamId { ms: 0, seq: 0 };
    /// The last that there can be.
    pub const MAX: StreamId = StreamId { ms: u64::MAX, seq: u64::MAX };

    /// Sixteen bytes that sort as identities do.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// From what [`StreamId::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Option<StreamId> {
        let both = u128::from_be_bytes(bytes.try_into().ok()?);
        Some(StreamId { ms: (both >> 64) as u64, seq: both as u64 })
    }

    /// The next identity; `None` after the last.
    pub fn next(self) -> Option<StreamId> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: 0 }),
            (None, None) => None,
        }
    }

    fn before(self) -> Option<StreamId> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(StreamId { seq, ..self }),
            (None, Some(ms)) => Some(StreamId { ms, seq: u64::MAX }),
            (None, None) => None,
        }
    }

    /// `ms-seq`.
    fn whole(word: &[u8]) -> Option<StreamId> {
        let (ms, seq) = std::str::from_utf8(word).ok()?.split_once('-')?;
        Some(StreamId { ms: ms.parse().ok()?, seq: seq.parse().ok()? })
    }

    /// `ms-seq`, or `ms` with this number within it.
    fn short(word: &[u8], seq: u64) -> Result<StreamId> {
        let ms = || std::str::from_utf8(word).ok()?.parse().ok();
        let short = || ms().map(|ms| StreamId { ms, seq });
        StreamId::whole(word).or_else(short).ok_or(CommandError::InvalidStreamId)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// How many entries a stream has, and the last identity that it ever gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Entries.
    pub len: u64,
    /// Also of one that was trimmed.
    pub last: StreamId,
}

impl Meta {
    /// As stored.
    pub fn encode(self) -> Bytes {
        let mut w = Writer::new();
        w.u64(self.len).u64(self.last.ms).u64(self.last.seq);
        w.finish().into()
    }

    /// From what was stored.
    pub fn decode(bytes: Bytes) -> std::result::Result<Meta, Malformed> {
        let mut r = Reader::new(bytes);
        Ok(Meta { len: r.u64()?, last: StreamId { ms: r.u64()?, seq: r.u64()? } })
    }
}

/// `XADD key [MAXLEN [~] n] id field value …`
pub fn add(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (limit, at) = match is(&args[2], "MAXLEN") {
        true => {
            let at = if args[3].as_ref() == b"~" { 4 } else { 3 };
            (Some(count(args.get(at))?), at + 1)
        }
        false => (None, 2),
    };
    let Some((id, pairs)) = args.get(at..).and_then(<[Bytes]>::split_first) else {
        return Err(CommandError::Syntax);
    };
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Arity("XADD".to_owned()));
    }
    let key = &args[1];
    let meta = context.stream(key)?.unwrap_or_default();
    let id = match id.as_ref() {
        b"*" => given(meta.last, context.now_ms())?,
        word => asked(meta.last, word)?,
    };
    context.put_entry(key, id, pairs);
    let meta = Meta { len: meta.len + 1, last: id };
    let len = trim_to(context, key, meta, limit.unwrap_or(u64::MAX));
    context.put_stream(key, Meta { len, ..meta });
    Ok(Reply::Bulk(id.to_string().into()))
}

fn given(last: StreamId, now_ms: u64) -> Result<StreamId> {
    match now_ms > last.ms {
        true => Ok(StreamId { ms: now_ms, seq: 0 }),
        false => last.next().ok_or(CommandError::StreamExhausted),
    }
}

fn asked(last: StreamId, word: &[u8]) -> Result<StreamId> {
    let id = StreamId::whole(word).ok_or(CommandError::InvalidStreamId)?;
    match () {
        () if id == StreamId::MIN => Err(CommandError::StreamIdZero),
        () if id <= last => Err(CommandError::StreamIdTooSmall),
        () => Ok(id),
    }
}

/// Takes the oldest entries out until so many are left, and says how many that are.
fn trim_to(context: &mut Context<'_>, key: &[u8], meta: Meta, limit: u64) -> u64 {
    let surplus = meta.len.saturating_sub(limit);
    if surplus == 0 {
        return meta.len;
    }
    let oldest = context.entries(key, StreamId::MIN, StreamId::MAX);
    for (id, _) in oldest.into_iter().take(surplus as usize) {
        context.erase_entry(key, id);
    }
    meta.len - surplus
}

fn count(word: Option<&Bytes>) -> Result<u64> {
    let text = word.and_then(|word| std::str::from_utf8(word).ok());
    text.and_then(|text| text.parse().ok()).ok_or(CommandError::Syntax)
}

/// `XTRIM key MAXLEN [= | ~] n`: how many entries went.
pub fn trim(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    if !is(&args[2], "MAXLEN") {
        return Err(CommandError::Syntax);
    }
    let at = if matches!(args[3].as_ref(), b"=" | b"~") { 4 } else { 3 };
    if at + 1 != args.len() {
        return Err(CommandError::Syntax);
    }
    let limit = count(args.get(at))?;
    let Some(meta) = context.stream(&args[1])? else { return Ok(Reply::Integer(0)) };
    let len = trim_to(context, &args[1], meta, limit);
    if len < meta.len {
        context.put_stream(&args[1], Meta { len, ..meta });
    }
    Ok(Reply::Integer((meta.len - len) as i64))
}

/// `XLEN key`
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Integer(context.stream(key)?.unwrap_or_default().len as i64))
}

/// `XRANGE key start end [COUNT n]`, and `XREVRANGE key end start [COUNT n]`, which goes from the end.
pub fn range(context: &mut Context<'_>, args: &[Bytes], backwards: bool) -> Result {
    let mut limit = usize::MAX;
    for option in args[4..].chunks(2) {
        match option {
            [word, number] if is(word, "COUNT") => limit = count(Some(number))? as usize,
            _ => return Err(CommandError::Syntax),
        }
    }
    // Upstream takes a count of none for no count.
    let limit = if limit == 0 { usize::MAX } else { limit };
    let held = context.stream(&args[1])?;
    if held.is_none() {
        return Ok(Reply::Array(Vec::new()));
    }
    let (low, high) = if backwards { (&args[3], &args[2]) } else { (&args[2], &args[3]) };
    let (Some(low), Some(high)) = (lowest(low)?, highest(high)?) else {
        return Ok(Reply::Array(Vec::new()));
    };
    let mut found = context.entries(&args[1], low, high);
    if backwards {
        found.reverse();
    }
    found.truncate(limit);
    told(found)
}

/// The first identity of a range; `None` if nothing can be in it.
fn lowest(word: &[u8]) -> Result<Option<StreamId>> {
    match word.strip_prefix(b"(") {
        None if word == b"-" => Ok(Some(StreamId::MIN)),
        None => StreamId::short(word, 0).map(Some),
        Some(word) => Ok(StreamId::short(word, 0)?.next()),
    }
}

/// The last identity of a range; `None` if nothing can be in it.
fn highest(word: &[u8]) -> Result<Option<StreamId>> {
    match word.strip_prefix(b"(") {
        None if word == b"+" => Ok(Some(StreamId::MAX)),
        None => StreamId::short(word, u64::MAX).map(Some),
        Some(word) => Ok(StreamId::short(word, 0)?.before()),
    }
}

fn told(found: Vec<(StreamId, Bytes)>) -> Result {
    let entry = |(id, stored): (StreamId, Bytes)| {
        let words = fields(stored)?.into_iter().map(Reply::Bulk).collect();
        Ok(Reply::Array(vec![Reply::Bulk(id.to_string().into()), Reply::Array(words)]))
    };
    found.into_iter().map(entry).collect::<Result<_>>().map(Reply::Array)
}

/// `XREAD [COUNT n] [BLOCK ms] STREAMS key … id …`
struct Read<'a> {
    limit: usize,
    block: Option<Duration>,
    /// Where the keys begin.
    at: usize,
    keys: &'a [Bytes],
    after: &'a [Bytes],
}

impl Read<'_> {
    fn of(args: &[Bytes]) -> Result<Read<'_>> {
        let (mut limit, mut block, mut at) = (usize::MAX, None, 1);
        while at < args.len() && !is(&args[at], "STREAMS") {
            let number = count(args.get(at + 1))?;
            match &args[at] {
                word if is(word, "COUNT") && number > 0 => limit = number as usize,
                word if is(word, "BLOCK") => block = Some(Duration::from_millis(number)),
                _ => return Err(CommandError::Syntax),
            }
            at += 2;
        }
        let rest = args.get(at + 1..).filter(|rest| !rest.is_empty() && rest.len() % 2 == 0);
        let rest = rest.ok_or(CommandError::Syntax)?;
        let (keys, after) = rest.split_at(rest.len() / 2);
        Ok(Read { limit, block, at: at + 1, keys, after })
    }
}

/// The streams that are asked of.
pub fn keys(args: &[Bytes]) -> Vec<Bytes> {
    Read::of(args).map(|asked| asked.keys.to_vec()).unwrap_or_default()
}

/// Entries after those identities, of each stream that has any; a null array if none has.
pub fn read(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let asked = Read::of(args)?;
    let mut streams = Vec::new();
    for (key, after) in asked.keys.iter().zip(asked.after) {
        let Some(meta) = context.stream(key)? else { continue };
        let after = match after.as_ref() {
            b"$" => meta.last,
            word => StreamId::short(word, 0)?,
        };
        let Some(from) = after.next() else { continue };
        let mut found = context.entries(key, from, StreamId::MAX);
        found.truncate(asked.limit);
        if !found.is_empty() {
            streams.push(Reply::Array(vec![Reply::Bulk(key.clone()), told(found)?]));
        }
    }
    Ok(if streams.is_empty() { Reply::NullArray } else { Reply::Array(streams) })
}

/// How long XREAD may wait for what is not there yet; without limit is zero.
pub fn patience(args: &[Bytes]) -> Option<Duration> {
    Read::of(args).ok()?.block
}

/// The same command with what `$` means now, so that it means the same when it is asked again.
pub fn pinned(context: &mut Context<'_>, args: &[Bytes]) -> Result<Vec<Bytes>> {
    let asked = Read::of(args)?;
    let (at, count) = (asked.at, asked.keys.len());
    let mut pinned = args.to_vec();
    for turn in 0..count {
        if args[at + count + turn].as_ref() == b"$" {
            let last = context.stream(&args[at + turn])?.unwrap_or_default().last;
            pinned[at + count + turn] = last.to_string().into();
        }
    }
    Ok(pinned)
}
