//! Streams and HyperLogLogs: records that know how much they hold, and a stream's entries under keys of their own
//! (`store/stream_helpers.go`, `adapter/redis_stream_cmds.go`).
//!
//! Whoever makes such a key or deletes it writes the string's record, too, as a tombstone: every transaction that asked what the key
//! holds has read that one, and conflicts. Who changes it writes its own record.
//!
//! Differs from upstream: it expires as collections do; no cursor behind which trimmed entries are skipped.

use super::super::command::CommandError;
use super::super::keys;
use super::super::streams::{Meta, StreamId};
use super::{Context, Type};
use crate::codec::{Reader, Writer};
use bytes::Bytes;
use std::collections::BTreeSet;

impl Context<'_> {
    /// Whether the record is there and has not expired. Not part of the read set: the string's record stands for it.
    pub(super) fn live_record(&mut self, record: &Bytes, key: &[u8]) -> bool {
        if self.peek(record).is_none() {
            return false;
        }
        let expires = self.collection_expires(key);
        !self.has_expired(key, expires)
    }

    /// A stream's record; `None` if there is no such key. An error if it holds another type.
    pub fn stream(&mut self, key: &[u8]) -> Result<Option<Meta>, CommandError> {
        match self.type_of(key)? {
            None => Ok(None),
            Some(Type::Stream) => {
                let record = self.read(keys::stream(key)).unwrap_or_default();
                Meta::decode(record).map(Some).map_err(|_| CommandError::Corrupt)
            }
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Entries from one identity to another, both included, in their order.
    pub fn entries(&self, key: &[u8], from: StreamId, to: StreamId) -> Vec<(StreamId, Bytes)> {
        let prefix = keys::entries(key);
        let all = self.scan(&prefix).into_iter();
        let known = all.filter_map(|(id, fields)| Some((StreamId::from_bytes(&id)?, fields)));
        known.filter(|(id, _)| (from..=to).contains(id)).collect()
    }

    /// Adds an entry. [`Context::put_stream`] follows.
    pub fn put_entry(&mut self, key: &[u8], id: StreamId, fields: &[Bytes]) {
        self.put(keys::entry(key, id), joined(fields));
    }

    /// Takes an entry out. [`Context::put_stream`] follows.
    pub fn erase_entry(&mut self, key: &[u8], id: StreamId) {
        self.erase(keys::entry(key, id));
    }

    /// What the stream is after a change; the first one makes it.
    pub fn put_stream(&mut self, key: &[u8], meta: Meta) {
        self.anchor(&keys::stream(key), key);
        self.put(keys::stream(key), meta.encode());
    }

    /// All that was added to a HyperLogLog; `None` if there is no such key. An error if it holds another type.
    pub fn hll(&mut self, key: &[u8]) -> Result<Option<BTreeSet<Bytes>>, CommandError> {
        match self.type_of(key)? {
            None => Ok(None),
            Some(Type::Hll) => {
                let record = self.read(keys::hll(key)).unwrap_or_default();
                fields(record).map(|members| Some(members.into_iter().collect()))
            }
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// What a HyperLogLog holds after a change; the first one makes it.
    pub fn put_hll(&mut self, key: &[u8], members: &BTreeSet<Bytes>) {
        self.anchor(&keys::hll(key), key);
        self.put(keys::hll(key), joined(members));
    }

    fn anchor(&mut self, record: &Bytes, key: &[u8]) {
        if self.peek(record).is_none() {
            self.erase(keys::string(key));
        }
    }

    /// The record as it is, once more: who read it conflicts with what changes beside it.
    pub(super) fn touch_record(&mut self, record: Bytes) {
        if let Some(held) = self.peek(&record) {
            self.put(record, held);
        }
    }

    pub(super) fn erase_records(&mut self, key: &[u8]) {
        let mut erased = false;
        if self.peek(&keys::stream(key)).is_some() {
            for (id, _) in self.entries(key, StreamId::MIN, StreamId::MAX) {
                self.erase_entry(key, id);
            }
            self.erase(keys::stream(key));
            erased = true;
        }
        if self.peek(&keys::hll(key)).is_some() {
            self.erase(keys::hll(key));
            erased = true;
        }
        if erased {
            self.erase(keys::string(key));
            if self.peek(&keys::ttl(key)).is_some() {
                self.erase(keys::ttl(key));
            }
        }
    }
}

fn joined<'a>(words: impl IntoIterator<Item = &'a Bytes>) -> Bytes {
    let mut w = Writer::new();
    for word in words {
        w.bytes(word);
    }
    w.finish().into()
}

/// The words of an entry, or what a HyperLogLog holds.
pub fn fields(record: Bytes) -> Result<Vec<Bytes>, CommandError> {
    let mut reader = Reader::new(record);
    let mut fields = Vec::new();
    while reader.left() > 0 {
        fields.push(reader.bytes().map_err(|_| CommandError::Corrupt)?);
    }
    Ok(fields)
}
