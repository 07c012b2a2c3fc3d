//! One command, or one MULTI/EXEC, against one snapshot (`txnContext` of `adapter/redis_txn.go`).
//!
//! Reads see the snapshot under what the same transaction wrote before. What was read is remembered, so that the state machine can refuse
//! the writes if any of it has changed. Nothing is written here: [`Context::into_txn`] gives the write set.

use super::command::CommandError;
use super::keys::{self, ListDelta, ListMeta};
use crate::env::RequestId;
use crate::kv::request::{Elem, TxnRequest};
use crate::mvcc::Store;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Deltas of one list that a push folds into the base record (upstream: the background DeltaCompactor).
const FOLD_AT: usize = 64;
/// Largest read set of one transaction (`maxReadKeys`).
const READ_KEYS_MAX: usize = 10_000;

/// A snapshot, an overlay and a read set.
pub struct Context<'a> {
    store: &'a Store,
    ts: u64,
    read_keys: BTreeSet<Bytes>,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    stamped: Vec<Elem>,
    lists: BTreeMap<Bytes, List>,
}

/// A list as this transaction sees it.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    meta: ListMeta,
    pushes: u32,
}

impl<'a> Context<'a> {
    /// On the snapshot at `ts`.
    pub fn new(store: &'a Store, ts: u64) -> Context<'a> {
        Context {
            store,
            ts,
            read_keys: BTreeSet::new(),
            writes: BTreeMap::new(),
            stamped: Vec::new(),
            lists: BTreeMap::new(),
        }
    }

    /// Whether anything was written.
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.stamped.is_empty()
    }

    /// The transaction that makes the writes real, if nothing read has changed by then.
    pub fn into_txn(self, request: RequestId, start_ts: u64) -> TxnRequest {
        let plain = self.writes.into_iter().map(|(key, value)| Elem { key, value, stamp_at: None });
        TxnRequest {
            request,
            start_ts,
            commit_ts: 0,
            read_keys: self.read_keys.into_iter().take(READ_KEYS_MAX).collect(),
            elems: plain.chain(self.stamped).collect(),
        }
    }

    fn read(&mut self, key: Bytes) -> Option<Bytes> {
        let value = match self.writes.get(&key) {
            Some(written) => written.clone(),
            None => self.store.get_at(&key, self.ts),
        };
        self.read_keys.insert(key);
        value
    }

    fn put(&mut self, key: Bytes, value: Bytes) {
        self.writes.insert(key, Some(value));
    }

    /// A string's bytes; an error if the key holds a list.
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Bytes>, CommandError> {
        match self.read(keys::string(key)) {
            Some(stored) => Ok(Some(keys::decode_string(&stored))),
            None if self.list(key)?.len > 0 => Err(CommandError::WrongType),
            None => Ok(None),
        }
    }

    /// Makes the key a string, whatever it was.
    pub fn set_string(&mut self, key: &[u8], value: &[u8]) -> Result<(), CommandError> {
        self.remove_list(key)?;
        self.read_keys.insert(keys::string(key));
        self.put(keys::string(key), keys::encode_string(value));
        Ok(())
    }

    /// Whether the key holds anything.
    pub fn exists(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        Ok(self.read(keys::string(key)).is_some() || self.list(key)?.len > 0)
    }

    /// Deletes the key; whether it held anything.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let held_string = self.read(keys::string(key)).is_some();
        if held_string {
            self.writes.insert(keys::string(key), None);
        }
        Ok(self.remove_list(key)? || held_string)
    }

    /// Where the list's items are; an empty list if there is none. An error if the key holds a string.
    pub fn list_meta(&mut self, key: &[u8]) -> Result<ListMeta, CommandError> {
        if self.read(keys::string(key)).is_some() {
            return Err(CommandError::WrongType);
        }
        self.list(key)
    }

    fn list(&mut self, key: &[u8]) -> Result<ListMeta, CommandError> {
        if let Some(list) = self.lists.get(key) {
            return Ok(list.meta);
        }
        self.read_keys.insert(keys::list_fence(key));
        let base =
            self.read(keys::list_meta(key)).map_or(Ok(ListMeta::default()), ListMeta::decode);
        let mut meta = base.map_err(|_| CommandError::Corrupt)?;
        let prefix = keys::list_delta_prefix(key);
        for (_, delta) in self.store.scan_at(&prefix, self.ts) {
            meta = meta.moved(ListDelta::decode(delta).map_err(|_| CommandError::Corrupt)?);
        }
        self.lists.insert(Bytes::copy_from_slice(key), List { meta, pushes: 0 });
        Ok(meta)
    }

    /// The items `from..=to`, counted from the front.
    pub fn list_items(&mut self, key: &[u8], meta: ListMeta, from: i64, to: i64) -> Vec<Bytes> {
        // The fence stands for the items in the read set: whoever changes one writes it.
        let item = |at: i64| {
            let item_key = keys::list_item(key, meta.head + at);
            match self.writes.get(&item_key) {
                Some(written) => written.clone(),
                None => self.store.get_at(&item_key, self.ts),
            }
        };
        (from..=to).filter_map(item).collect()
    }

    /// Adds items before the first or after the last; the new length.
    pub fn push(&mut self, key: &[u8], values: &[Bytes], front: bool) -> Result<i64, CommandError> {
        let meta = self.list_meta(key)?;
        let count = values.len() as i64;
        for (i, value) in (0i64..).zip(values) {
            let seq = if front { meta.head - 1 - i } else { meta.head + meta.len + i };
            self.put(keys::list_item(key, seq), value.clone());
        }
        let delta = ListDelta { head: if front { -count } else { 0 }, len: count };
        self.put(keys::list_fence(key), Bytes::new());
        self.record_push(key, meta.moved(delta), delta);
        Ok(meta.len + count)
    }

    fn record_push(&mut self, key: &[u8], meta: ListMeta, delta: ListDelta) {
        let pushes = self.lists.get(key).map_or(0, |list| list.pushes);
        let deltas: Vec<Bytes> = self
            .store
            .scan_at(&keys::list_delta_prefix(key), self.ts)
            .map(|(key, _)| key.clone())
            .collect();
        let base = keys::list_meta(key);
        // Once this transaction has written the base, that is where its later pushes go too.
        if deltas.len() >= FOLD_AT || self.writes.contains_key(&base) {
            self.put(base, meta.encode());
            for delta in deltas {
                self.writes.insert(delta, None);
            }
            self.stamped.retain(|elem| keys::user_key(&elem.key) != key);
        } else {
            self.stamped.push(keys::list_delta(key, pushes, delta));
        }
        self.lists.insert(Bytes::copy_from_slice(key), List { meta, pushes: pushes + 1 });
    }

    fn remove_list(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let meta = self.list(key)?;
        if meta.len == 0 {
            return Ok(false);
        }
        for seq in meta.head..meta.head + meta.len {
            self.writes.insert(keys::list_item(key, seq), None);
        }
        let deltas: Vec<Bytes> = self
            .store
            .scan_at(&keys::list_delta_prefix(key), self.ts)
            .map(|(key, _)| key.clone())
            .collect();
        for delta in deltas {
            self.writes.insert(delta, None);
        }
        self.stamped.retain(|elem| keys::user_key(&elem.key) != key);
        // A base of zero length, so that what follows in this transaction writes the base and no delta.
        self.put(keys::list_meta(key), ListMeta::default().encode());
        self.put(keys::list_fence(key), Bytes::new());
        self.lists.insert(Bytes::copy_from_slice(key), List::default());
        Ok(true)
    }
}
