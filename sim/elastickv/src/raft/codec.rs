//! Messages and conf changes as bytes: varints for numbers, eight bytes for ids (they are hashes).
//!
//! Decoding promises no panic and no large allocation on any bytes, one value per message (trailing bytes are
//! an error), and entry data that shares the received buffer. Cannot see: bit rot; the transport has checksums.

use super::message::{
    ConfChange, ConfChangeKind, ConfChangeV2, ConfState, Entry, EntryKind, Message, MessageKind,
    Snapshot, SnapshotMeta, Transition,
};
use bytes::Bytes;
use std::fmt;

/// Largest data of one entry, bytes.
pub const ENTRY_BYTES_MAX: usize = 64 << 20;

/// Terms and indexes stay below this, so that adding to them cannot overflow.
const NUMBER_MAX: u64 = 1 << 62;
const REJECT: u8 = 1;
const SNAPSHOT: u8 = 2;
/// The snapshot's configuration is joint: what that has beyond voters and learners follows it.
const JOINT: u8 = 4;
/// Kind, flags, two ids, and eight numbers of at most ten bytes each.
const HEAD_MAX: usize = 2 + 2 * 8 + 8 * 10;
const KINDS: [MessageKind; 11] = [
    MessageKind::App,
    MessageKind::AppResp,
    MessageKind::Vote,
    MessageKind::VoteResp,
    MessageKind::PreVote,
    MessageKind::PreVoteResp,
    MessageKind::Heartbeat,
    MessageKind::HeartbeatResp,
    MessageKind::Snap,
    MessageKind::TimeoutNow,
    MessageKind::TransferLeader,
];

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// They end before the value does.
    Short {
        /// Bytes that there are.
        have: usize,
    },
    /// They go on after the value.
    Trailing {
        /// Bytes left over.
        left: usize,
    },
    /// A tag has no meaning.
    Tag {
        /// Which tag.
        what: &'static str,
        /// Its value.
        got: u8,
    },
    /// A number is too large.
    Range {
        /// The number.
        got: u64,
        /// What it must not exceed.
        max: u64,
    },
    /// A varint has more than ten bytes.
    Varint,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Short { have } => {
                write!(f, "raft message ends after {have} bytes, before its last field")
            }
            DecodeError::Trailing { left } => {
                write!(f, "raft message has {left} bytes after its last field, expected none")
            }
            DecodeError::Tag { what, got } => write!(f, "raft message has unknown {what} {got}"),
            DecodeError::Range { got, max } => {
                write!(f, "raft message holds the number {got}, expected at most {max}")
            }
            DecodeError::Varint => {
                write!(
                    f,
                    "raft message holds a number of more than ten bytes, expected at most ten"
                )
            }
        }
    }
}

impl std::error::Error for DecodeError {}

impl Message {
    /// The message as bytes. Entries must be consecutive from `index + 1`: their index is not written.
    pub fn encode(&self) -> Bytes {
        let (head, len) = self.head();
        // Exactly: bytes with room left would be copied or wrapped once more.
        let mut out = Vec::with_capacity(len + self.body_bytes());
        out.extend_from_slice(&head[..len]);
        for entry in &self.entries {
            put_entry(&mut out, entry);
        }
        if let Some(snapshot) = &self.snapshot {
            put_snapshot(&mut out, snapshot);
        }
        out.into()
    }

    /// What a message is for, from its first byte alone.
    pub fn kind_of(bytes: &Bytes) -> Option<MessageKind> {
        KINDS.get(usize::from(*bytes.first()?)).copied()
    }

    /// Reads what [`Message::encode`] wrote; entry and snapshot data are slices of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Message, DecodeError> {
        let mut input = Input { of: bytes, bytes, at: 0 };
        let kind = input.byte()?;
        let kind = *KINDS
            .get(usize::from(kind))
            .ok_or(DecodeError::Tag { what: "message kind", got: kind })?;
        let flags = input.byte()?;
        let known = flags & !(REJECT | SNAPSHOT | JOINT) == 0;
        if !known || flags & (SNAPSHOT | JOINT) == JOINT {
            return Err(DecodeError::Tag { what: "flags", got: flags });
        }
        let mut message = Message::new(kind, 0);
        message.reject = flags & REJECT != 0;
        message.from = input.id()?;
        message.to = input.id()?;
        message.term = input.position()?;
        message.log_term = input.position()?;
        message.index = input.position()?;
        message.commit = input.position()?;
        message.reject_hint = input.position()?;
        message.context = input.number()?;
        message.stamp = input.number()?;
        message.entries = input.entries(message.index)?;
        if flags & SNAPSHOT != 0 {
            message.snapshot = Some(Box::new(input.snapshot(flags & JOINT != 0)?));
        }
        input.end(message)
    }

    /// All before the entries, and how many bytes that is: put together where it takes no memory of its own.
    fn head(&self) -> ([u8; HEAD_MAX], usize) {
        let mut head = [0; HEAD_MAX];
        let snapshot = match &self.snapshot {
            Some(snapshot) if snapshot.meta.conf.is_joint() => SNAPSHOT | JOINT,
            Some(_) => SNAPSHOT,
            None => 0,
        };
        head[0] = self.kind as u8;
        head[1] = if self.reject { REJECT } else { 0 } | snapshot;
        head[2..10].copy_from_slice(&self.from.to_le_bytes());
        head[10..18].copy_from_slice(&self.to.to_le_bytes());
        let mut len = 18;
        let positions = [self.term, self.log_term, self.index, self.commit, self.reject_hint];
        let more = [self.context, self.stamp, self.entries.len() as u64];
        for number in positions.into_iter().chain(more) {
            each_byte(number, |byte| {
                head[len] = byte;
                len += 1;
            });
        }
        (head, len)
    }

    fn body_bytes(&self) -> usize {
        let entry = |entry: &Entry| 1 + number_bytes(entry.term) + data_bytes(&entry.data);
        let entries: usize = self.entries.iter().map(entry).sum();
        entries + self.snapshot.as_deref().map_or(0, snapshot_bytes)
    }
}

impl ConfChange {
    /// The data of a conf change entry.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(9 + self.context.len());
        put_step(&mut out, self.kind, self.id);
        out.extend_from_slice(&self.context);
        out.into()
    }

    /// Reads what [`ConfChange::encode`] wrote.
    pub fn decode(bytes: &Bytes) -> Result<ConfChange, DecodeError> {
        let mut input = Input { of: bytes, bytes, at: 0 };
        let (kind, id) = input.step()?;
        Ok(ConfChange { kind, id, context: bytes.slice(input.at..) })
    }
}

impl ConfChangeV2 {
    /// The data of a conf change entry of the second version; one that leaves a joint configuration and says
    /// nothing else is empty.
    pub fn encode(&self) -> Bytes {
        if *self == ConfChangeV2::default() {
            return Bytes::new();
        }
        let mut out = Vec::new();
        out.push(match self.transition {
            Transition::Auto => 0,
            Transition::Implicit => 1,
            Transition::Explicit => 2,
        });
        put_number(&mut out, self.changes.len() as u64);
        self.changes.iter().for_each(|(kind, id)| put_step(&mut out, *kind, *id));
        out.extend_from_slice(&self.context);
        out.into()
    }

    /// Reads what [`ConfChangeV2::encode`] wrote.
    pub fn decode(bytes: &Bytes) -> Result<ConfChangeV2, DecodeError> {
        if bytes.is_empty() {
            return Ok(ConfChangeV2::default());
        }
        let mut input = Input { of: bytes, bytes, at: 0 };
        let transition = match input.byte()? {
            0 => Transition::Auto,
            1 => Transition::Implicit,
            2 => Transition::Explicit,
            got => return Err(DecodeError::Tag { what: "conf change transition", got }),
        };
        let count = input.count(9)?;
        let changes = (0..count).map(|_| input.step()).collect::<Result<_, _>>()?;
        Ok(ConfChangeV2 { transition, changes, context: bytes.slice(input.at..) })
    }
}

fn put_step(out: &mut Vec<u8>, kind: ConfChangeKind, id: u64) {
    out.push(match kind {
        ConfChangeKind::AddVoter => 0,
        ConfChangeKind::AddLearner => 1,
        ConfChangeKind::Remove => 2,
    });
    out.extend_from_slice(&id.to_le_bytes());
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    each_byte(number, |byte| out.push(byte));
}

/// A number's bytes, one after another.
fn each_byte(mut number: u64, mut put: impl FnMut(u8)) {
    while number >= 0x80 {
        put((number as u8) | 0x80);
        number >>= 7;
    }
    put(number as u8);
}

/// Bytes that [`put_number`] writes.
fn number_bytes(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

fn data_bytes(data: &Bytes) -> usize {
    number_bytes(data.len() as u64) + data.len()
}

fn ids_bytes(ids: &[u64]) -> usize {
    number_bytes(ids.len() as u64) + 8 * ids.len()
}

fn snapshot_bytes(snapshot: &Snapshot) -> usize {
    let SnapshotMeta { index, term, conf } = &snapshot.meta;
    let joint = match conf.is_joint() {
        true => ids_bytes(&conf.voters_outgoing) + ids_bytes(&conf.learners_next) + 1,
        false => 0,
    };
    let known = ids_bytes(&conf.voters) + ids_bytes(&conf.learners);
    number_bytes(*index) + number_bytes(*term) + known + joint + data_bytes(&snapshot.data)
}

fn put_data(out: &mut Vec<u8>, data: &Bytes) {
    put_number(out, data.len() as u64);
    out.extend_from_slice(data);
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.push(match entry.kind {
        EntryKind::Normal => 0,
        EntryKind::ConfChange => 1,
        EntryKind::ConfChangeV2 => 2,
    });
    put_number(out, entry.term);
    put_data(out, &entry.data);
}

fn put_snapshot(out: &mut Vec<u8>, snapshot: &Snapshot) {
    put_number(out, snapshot.meta.index);
    put_number(out, snapshot.meta.term);
    let conf = &snapshot.meta.conf;
    put_ids(out, &conf.voters);
    put_ids(out, &conf.learners);
    if conf.is_joint() {
        put_ids(out, &conf.voters_outgoing);
        put_ids(out, &conf.learners_next);
        out.push(u8::from(conf.auto_leave));
    }
    put_data(out, &snapshot.data);
}

fn put_ids(out: &mut Vec<u8>, ids: &[u64]) {
    put_number(out, ids.len() as u64);
    ids.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
}

struct Input<'a> {
    /// What data is a slice of.
    of: &'a Bytes,
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, len: usize) -> Result<usize, DecodeError> {
        if self.left() < len {
            return Err(DecodeError::Short { have: self.bytes.len() });
        }
        self.at += len;
        Ok(self.at - len)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        let at = self.take(1)?;
        Ok(self.bytes[at])
    }

    fn id(&mut self) -> Result<u64, DecodeError> {
        let at = self.take(8)?;
        let mut id = [0; 8];
        id.copy_from_slice(&self.bytes[at..at + 8]);
        Ok(u64::from_le_bytes(id))
    }

    #[inline]
    fn number(&mut self) -> Result<u64, DecodeError> {
        // Most are small.
        match self.bytes.get(self.at) {
            Some(&byte) if byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_number(),
        }
    }

    fn long_number(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0;
        for (place, byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            if place == 9 && *byte > 1 {
                return Err(DecodeError::Varint);
            }
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                self.at += place + 1;
                return Ok(number);
            }
        }
        Err(DecodeError::Short { have: self.bytes.len() })
    }

    #[inline]
    fn position(&mut self) -> Result<u64, DecodeError> {
        match self.number()? {
            number if number <= NUMBER_MAX => Ok(number),
            got => Err(DecodeError::Range { got, max: NUMBER_MAX }),
        }
    }

    /// A count of items that take at least `bytes_each`, so that no count allocates more than was received.
    fn count(&mut self, bytes_each: usize) -> Result<usize, DecodeError> {
        let count = self.number()?;
        if count > (self.left() / bytes_each) as u64 {
            return Err(DecodeError::Short { have: self.bytes.len() });
        }
        Ok(count as usize)
    }

    fn data(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.count(1)?;
        let at = self.take(len)?;
        Ok(self.of.slice(at..at + len))
    }

    fn entries(&mut self, after: u64) -> Result<Vec<Entry>, DecodeError> {
        let count = self.count(3)?;
        let mut entries = Vec::with_capacity(count);
        for index in (after + 1..).take(count) {
            let kind = match self.byte()? {
                0 => EntryKind::Normal,
                1 => EntryKind::ConfChange,
                2 => EntryKind::ConfChangeV2,
                got => return Err(DecodeError::Tag { what: "entry kind", got }),
            };
            entries.push(Entry { term: self.position()?, index, kind, data: self.data()? });
        }
        Ok(entries)
    }

    fn ids(&mut self) -> Result<Vec<u64>, DecodeError> {
        let count = self.count(8)?;
        (0..count).map(|_| self.id()).collect()
    }

    fn step(&mut self) -> Result<(ConfChangeKind, u64), DecodeError> {
        let kind = match self.byte()? {
            0 => ConfChangeKind::AddVoter,
            1 => ConfChangeKind::AddLearner,
            2 => ConfChangeKind::Remove,
            got => return Err(DecodeError::Tag { what: "conf change kind", got }),
        };
        Ok((kind, self.id()?))
    }

    fn snapshot(&mut self, joint: bool) -> Result<Snapshot, DecodeError> {
        let (index, term) = (self.position()?, self.position()?);
        let mut conf = ConfState::new(self.ids()?, self.ids()?);
        if joint {
            conf.voters_outgoing = self.ids()?;
            conf.learners_next = self.ids()?;
            conf.auto_leave = match self.byte()? {
                0 => false,
                1 => true,
                got => return Err(DecodeError::Tag { what: "auto leave", got }),
            };
            if conf.voters_outgoing.is_empty() {
                return Err(DecodeError::Tag { what: "joint configuration of voters", got: 0 });
            }
        }
        let meta = SnapshotMeta { index, term, conf };
        Ok(Snapshot { meta, data: self.data()? })
    }

    fn end(self, message: Message) -> Result<Message, DecodeError> {
        match self.left() {
            0 => Ok(message),
            left => Err(DecodeError::Trailing { left }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_was_reckoned() {
        let conf = |joint| ConfState {
            learners: vec![9],
            voters_outgoing: if joint { vec![1, 2] } else { Vec::new() },
            ..ConfState::voters([1, 2, 3])
        };
        let data = |len| Bytes::from(vec![7; len]);
        for (number, len) in
            [(0, 0), (1, 1), (127, 127), (128, 128), (1 << 49, 300), (NUMBER_MAX, 20_000)]
        {
            let snapshot = |joint| Snapshot {
                meta: SnapshotMeta { index: number, term: number, conf: conf(joint) },
                data: data(len),
            };
            let entry =
                Entry { term: number, index: number, kind: EntryKind::Normal, data: data(len) };
            for snapshot in [None, Some(snapshot(false)), Some(snapshot(true))] {
                let message = Message {
                    term: number,
                    log_term: number,
                    index: number,
                    commit: number,
                    reject_hint: number,
                    context: u64::MAX - number,
                    stamp: number,
                    entries: vec![entry.clone(); len.min(200)],
                    snapshot: snapshot.map(Box::new),
                    ..Message::new(MessageKind::App, 3)
                };
                let (_, head) = message.head();
                assert_eq!(message.encode().len(), head + message.body_bytes(), "{number} {len}");
            }
        }
    }
}
