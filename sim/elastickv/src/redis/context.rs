//! One command, or one MULTI/EXEC, against one snapshot (`txnContext` of `adapter/redis_txn.go`).
//!
//! Reads see the snapshot under what the same transaction wrote before. What was read is remembered, so that the state machine can refuse
//! the writes if any of it has changed. Nothing is written here: [`Context::into_txn`] gives the write set.
//!
//! What has expired by the node's wall clock is not there for a reader; who writes the key buries it first
//! ([`Context::bury_expired`]), and who was told that it is gone, too ([`Context::bury_what_was_missed`]): no clock that is behind finds
//! it again. Differs from upstream, whose readers leave no trace (suspicion S12).

use super::command::CommandError;
use super::keys::{self, Kind, Meta};
use super::view::{HeldUp, View};
use crate::env::GroupId;
use crate::kv::request::Elem;
use crate::kv::transaction::Transaction;
use crate::mvcc::Store;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

mod lists;
mod overlay;
pub mod records;
mod undo;

/// Deltas of one collection that a change folds into the base record. Upstream's DeltaCompactor does it in the background, from 64 on;
/// and every read of the collection scans them.
const FOLD_AT: usize = 32;

/// A snapshot, an overlay and a read set.
pub struct Context<'a> {
    view: View<'a>,
    now_ms: u64,
    /// Who finds a key empty keeps others from filling it.
    fences_absence: bool,
    /// All keys were looked at.
    looked_at_all: bool,
    read_keys: BTreeSet<Bytes>,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    stamped: Vec<Elem>,
    opened: BTreeMap<(Kind, Bytes), Opened>,
    /// Keys that hold something which has expired.
    expired: BTreeSet<Bytes>,
}

/// A collection as this transaction sees it, expired or not.
#[derive(Clone, Copy, Debug, Default)]
struct Opened {
    meta: Meta,
    changes: u32,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Bytes.
    String,
    /// Members.
    Collection(Kind),
    /// Entries by identity.
    Stream,
    /// What was added, to be counted.
    Hll,
}

impl Type {
    /// What TYPE says.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::Collection(kind) => kind.name(),
            Type::Stream => "stream",
            Type::Hll => "string",
        }
    }
}

impl<'a> Context<'a> {
    /// On the snapshot at `ts` of the only store, at a time of the node's wall clock, milliseconds since 1970.
    pub fn new(store: &'a Store, ts: u64, now_ms: u64) -> Context<'a> {
        Context::on(View::alone(store, ts), now_ms)
    }

    /// On what all groups hold.
    pub fn on(view: View<'a>, now_ms: u64) -> Context<'a> {
        Context {
            view,
            now_ms,
            fences_absence: true,
            looked_at_all: false,
            read_keys: BTreeSet::new(),
            writes: BTreeMap::new(),
            stamped: Vec::new(),
            opened: BTreeMap::new(),
            expired: BTreeSet::new(),
        }
    }

    /// As upstream was before F50: that a collection is not there is not among what was read.
    #[must_use]
    pub fn without_fences_of_absence(self) -> Self {
        Context { fences_absence: false, ..self }
    }

    /// What time it is for this transaction.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Whether anything was written.
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.stamped.is_empty()
    }

    /// Who will write what was read here, if a transaction is prepared that will: it may have happened already.
    pub fn held_up_by(&self) -> Option<HeldUp> {
        self.view.held_up_by(self.read_keys.iter(), self.looked_at_all)
    }

    /// The groups of which anything was read or written.
    pub fn groups(&self) -> BTreeSet<GroupId> {
        if self.looked_at_all {
            return self.view.snapshots().into_keys().collect();
        }
        let keys = self.read_keys.iter().chain(self.writes.keys());
        keys.map(|key| self.view.group_of(key)).collect()
    }

    /// The transaction that makes the writes real, if nothing read has changed by then. It has no identity yet.
    pub fn into_txn(self) -> Transaction {
        let plain = self.writes.into_iter().map(|(key, value)| Elem { key, value, stamp_at: None });
        let snapshots = self.view.snapshots();
        let txn = Transaction::parted(
            self.view.routes(),
            self.read_keys,
            plain.chain(self.stamped),
            |group| snapshots.get(&group).copied().unwrap_or_default(),
        );
        if self.looked_at_all { txn.whole(&snapshots) } else { txn }
    }
}

/// Keys and their types.
impl Context<'_> {
    /// What the key holds.
    pub fn type_of(&mut self, key: &[u8]) -> Result<Option<Type>, CommandError> {
        if self.live_string(key).is_some() {
            return Ok(Some(Type::String));
        }
        for kind in Kind::ALL {
            if self.live(kind, key)?.len > 0 {
                return Ok(Some(Type::Collection(kind)));
            }
        }
        match () {
            () if self.live_record(&keys::stream(key), key) => Ok(Some(Type::Stream)),
            () if self.live_record(&keys::hll(key), key) => Ok(Some(Type::Hll)),
            () => Ok(None),
        }
    }

    /// When the key expires; `None` if it never does or is not there.
    pub fn expires_ms(&mut self, key: &[u8]) -> Result<Option<u64>, CommandError> {
        Ok(match self.type_of(key)? {
            None => None,
            Some(Type::String) => self.live_string(key).and_then(|(_, expires)| expires),
            // Who makes these expire writes their own record, and no other that was read.
            Some(Type::Stream) => {
                self.read(keys::stream(key));
                self.collection_expires(key)
            }
            Some(Type::Hll) => {
                self.read(keys::hll(key));
                self.collection_expires(key)
            }
            Some(_) => self.collection_expires(key),
        })
    }

    /// Makes what the key holds expire then, or never; whether it holds anything.
    pub fn expire(&mut self, key: &[u8], at_ms: Option<u64>) -> Result<bool, CommandError> {
        match self.type_of(key)? {
            None => return Ok(false),
            Some(Type::String) => {
                let value = self.live_string(key).map(|(value, _)| value).unwrap_or_default();
                self.put(keys::string(key), keys::encode_string(&value, at_ms));
                return Ok(true);
            }
            Some(Type::Collection(kind)) => self.put(keys::fence(kind, key), Bytes::new()),
            Some(Type::Stream) => self.touch_record(keys::stream(key)),
            Some(Type::Hll) => self.touch_record(keys::hll(key)),
        }
        match at_ms {
            Some(at) => self.put(keys::ttl(key), at.to_be_bytes().to_vec().into()),
            None => self.erase(keys::ttl(key)),
        }
        Ok(true)
    }

    /// Deletes the key; whether it held anything.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let held = self.type_of(key)?.is_some();
        self.erase_all(key)?;
        Ok(held)
    }

    /// Deletes what the key held until it expired. Whoever writes a key does it first, so that nothing old comes back.
    pub fn bury_expired(&mut self, key: &[u8]) -> Result<(), CommandError> {
        let string = self.peek(&keys::string(key)).map(|stored| keys::decode_string(&stored).1);
        let expires = string.unwrap_or_else(|| self.collection_expires(key));
        match expires.is_some_and(|at| at <= self.now_ms) {
            true => self.erase_all(key),
            false => Ok(()),
        }
    }

    /// Deletes what was looked for here and had expired. Not after a look at all keys, which would conflict with every write there is:
    /// what such a look missed, another node may list again.
    pub fn bury_what_was_missed(&mut self) -> Result<(), CommandError> {
        let expired = std::mem::take(&mut self.expired);
        match self.looked_at_all {
            true => Ok(()),
            false => expired.iter().try_for_each(|key| self.bury_expired(key)),
        }
    }

    fn has_expired(&mut self, key: &[u8], expires_ms: Option<u64>) -> bool {
        let has = expires_ms.is_some_and(|at| at <= self.now_ms);
        if has {
            self.expired.insert(Bytes::copy_from_slice(key));
        }
        has
    }

    /// Every key that holds something, in order within its type.
    pub fn all_keys(&mut self) -> Result<Vec<(Bytes, Type)>, CommandError> {
        let mut all = Vec::new();
        for (key, _) in self.scan_all(keys::strings()) {
            if self.live_string(&key).is_some() {
                all.push((key, Type::String));
            }
        }
        for kind in Kind::ALL {
            for (key, _) in self.scan_all(keys::fences(kind)) {
                if self.live(kind, &key)?.len > 0 {
                    all.push((key, Type::Collection(kind)));
                }
            }
        }
        for (rest, _) in self.scan_all(keys::streams()) {
            let key = rest.slice(4..);
            if self.live_record(&keys::stream(&key), &key) {
                all.push((key, Type::Stream));
            }
        }
        for (key, _) in self.scan_all(keys::hlls()) {
            if self.live_record(&keys::hll(&key), &key) {
                all.push((key, Type::Hll));
            }
        }
        Ok(all)
    }

    /// Deletes every key, also what has expired: another node's clock may see it still.
    pub fn erase_everything(&mut self) -> Result<(), CommandError> {
        let kinds = Kind::ALL.map(keys::fences);
        for prefix in [keys::strings(), keys::hlls()].into_iter().chain(kinds) {
            for (key, _) in self.scan_all(prefix) {
                self.erase_all(&key)?;
            }
        }
        for (rest, _) in self.scan_all(keys::streams()) {
            self.erase_all(&rest[4..])?;
        }
        Ok(())
    }

    fn erase_all(&mut self, key: &[u8]) -> Result<(), CommandError> {
        if self.read(keys::string(key)).is_some() {
            self.erase(keys::string(key));
        }
        for kind in Kind::ALL {
            self.erase_collection(kind, key)?;
        }
        self.erase_records(key);
        Ok(())
    }

    fn collection_expires(&self, key: &[u8]) -> Option<u64> {
        let stored = self.peek(&keys::ttl(key))?;
        Some(u64::from_be_bytes(stored.as_ref().try_into().ok()?))
    }
}

/// Strings.
impl Context<'_> {
    /// A string's bytes; an error if the key holds anything else.
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Bytes>, CommandError> {
        match self.type_of(key)? {
            Some(Type::Collection(_) | Type::Stream | Type::Hll) => Err(CommandError::WrongType),
            Some(Type::String) => Ok(self.live_string(key).map(|(value, _)| value)),
            None => Ok(None),
        }
    }

    /// Makes the key a string, whatever it was, that expires then.
    pub fn set_string(
        &mut self,
        key: &[u8],
        value: &[u8],
        expires_ms: Option<u64>,
    ) -> Result<(), CommandError> {
        for kind in Kind::ALL {
            self.erase_collection(kind, key)?;
        }
        self.erase_records(key);
        self.read_keys.insert(keys::string(key));
        self.put(keys::string(key), keys::encode_string(value, expires_ms));
        Ok(())
    }

    fn live_string(&mut self, key: &[u8]) -> Option<(Bytes, Option<u64>)> {
        let (value, expires) = keys::decode_string(&self.read(keys::string(key))?);
        (!self.has_expired(key, expires)).then_some((value, expires))
    }
}

/// Collections.
impl Context<'_> {
    /// How much a collection holds; nothing if there is none. An error if the key holds another type.
    pub fn open(&mut self, kind: Kind, key: &[u8]) -> Result<Meta, CommandError> {
        match self.type_of(key)? {
            None => Ok(Meta::default()),
            Some(Type::Collection(is)) if is == kind => self.live(kind, key),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// A field's value, a member's score; `None` if the collection has no such member.
    pub fn member(&self, kind: Kind, key: &[u8], member: &[u8]) -> Option<Bytes> {
        self.peek(&keys::member(kind, key, member))
    }

    /// All members with their values, in the members' order. The collection was opened.
    pub fn members(&self, kind: Kind, key: &[u8]) -> Vec<(Bytes, Bytes)> {
        self.scan(&keys::members(kind, key))
    }

    /// All members of a sorted set, by score and then by name. It was opened.
    pub fn by_score(&self, key: &[u8]) -> Vec<(f64, Bytes)> {
        let entries = self.scan(&keys::score_entries(key)).into_iter();
        let parted = |(rest, _): (Bytes, Bytes)| {
            let (score, member) = keys::split_score(&rest)?;
            Some((score, rest.slice_ref(member)))
        };
        entries.filter_map(parted).collect()
    }

    /// Sets a field or adds a member, with what lies under it. [`Context::changed`] follows.
    pub fn put_member(&mut self, kind: Kind, key: &[u8], member: &[u8], value: Bytes) {
        self.put(keys::member(kind, key, member), value);
    }

    /// Takes a member out. [`Context::changed`] follows.
    pub fn erase_member(&mut self, kind: Kind, key: &[u8], member: &[u8]) {
        self.erase(keys::member(kind, key, member));
    }

    /// Sets a member's score, in place of the one that it had. [`Context::changed`] follows.
    pub fn put_score(&mut self, key: &[u8], member: &[u8], old: Option<f64>, score: f64) {
        if let Some(old) = old {
            self.erase(keys::score_entry(key, old, member));
        }
        self.put(keys::score_entry(key, score, member), Bytes::new());
        let bits = score.to_bits().to_be_bytes().to_vec();
        self.put_member(Kind::Zset, key, member, bits.into());
    }

    /// Takes a member and its score out. [`Context::changed`] follows.
    pub fn erase_score(&mut self, key: &[u8], member: &[u8], score: f64) {
        self.erase(keys::score_entry(key, score, member));
        self.erase_member(Kind::Zset, key, member);
    }

    /// What was put in and taken out becomes the collection's: once after all changes of a command. One that is empty is gone.
    pub fn changed(&mut self, kind: Kind, key: &[u8], by: Meta) -> Result<(), CommandError> {
        let Opened { meta, changes } = self.opened(kind, key)?;
        let meta = meta.moved(by);
        self.put(keys::fence(kind, key), Bytes::new());
        if meta.len == 0 {
            return self.close(kind, key);
        }
        if by == Meta::default() {
            return Ok(());
        }
        let deltas = self.deltas(kind, key);
        let base = keys::meta(kind, key);
        // Once this transaction has written the base, that is where its later changes go too.
        if deltas.len() >= FOLD_AT || self.writes.contains_key(&base) {
            self.put(base, meta.encode());
            deltas.into_iter().for_each(|delta| self.erase(delta));
            self.forget_stamped(kind, key);
        } else {
            self.stamped.push(keys::delta(kind, key, changes, by));
        }
        self.remember(kind, key, Opened { meta, changes: changes + 1 });
        Ok(())
    }

    fn live(&mut self, kind: Kind, key: &[u8]) -> Result<Meta, CommandError> {
        let meta = self.opened(kind, key)?.meta;
        let expires = if meta.len > 0 { self.collection_expires(key) } else { None };
        Ok(if self.has_expired(key, expires) { Meta::default() } else { meta })
    }

    fn opened(&mut self, kind: Kind, key: &[u8]) -> Result<Opened, CommandError> {
        if let Some(opened) = self.opened.get(&(kind, Bytes::copy_from_slice(key))) {
            return Ok(*opened);
        }
        let mut opened = Opened::default();
        // The fence stands for all of it; without one nothing was ever there.
        let fence = keys::fence(kind, key);
        let there = match self.fences_absence {
            true => self.read(fence).is_some(),
            false => self.peek(&fence).is_some() && self.read(fence).is_some(),
        };
        if there {
            let corrupt = |_| CommandError::Corrupt;
            if let Some(base) = self.peek(&keys::meta(kind, key)) {
                opened.meta = Meta::decode(base).map_err(corrupt)?;
            }
            for (_, delta) in self.view.scan(&keys::delta_prefix(kind, key)) {
                opened.meta = opened.meta.moved(Meta::decode(delta).map_err(corrupt)?);
            }
        }
        self.remember(kind, key, opened);
        Ok(opened)
    }

    fn erase_collection(&mut self, kind: Kind, key: &[u8]) -> Result<(), CommandError> {
        let meta = self.opened(kind, key)?.meta;
        if meta.len == 0 {
            return Ok(());
        }
        if kind == Kind::List {
            for seq in meta.head..meta.head + meta.len {
                self.erase(keys::list_item(key, seq));
            }
        } else {
            for (member, _) in self.members(kind, key) {
                self.erase_member(kind, key, &member);
            }
        }
        if kind == Kind::Zset {
            let prefix = keys::score_entries(key);
            for (rest, _) in self.scan(&prefix) {
                self.erase([&prefix[..], &rest].concat().into());
            }
        }
        self.put(keys::fence(kind, key), Bytes::new());
        self.close(kind, key)
    }

    /// The collection is empty. A base of nothing, so that what follows in this transaction writes the base and no delta.
    fn close(&mut self, kind: Kind, key: &[u8]) -> Result<(), CommandError> {
        for delta in self.deltas(kind, key) {
            self.erase(delta);
        }
        self.forget_stamped(kind, key);
        self.put(keys::meta(kind, key), Meta::default().encode());
        // As a tombstone it conflicts as before, and whoever lists keys does not come by it.
        self.erase(keys::fence(kind, key));
        if self.peek(&keys::ttl(key)).is_some() {
            self.erase(keys::ttl(key));
        }
        self.remember(kind, key, Opened::default());
        Ok(())
    }

    fn deltas(&self, kind: Kind, key: &[u8]) -> Vec<Bytes> {
        let prefix = keys::delta_prefix(kind, key);
        self.view.scan(&prefix).map(|(key, _)| key.clone()).collect()
    }

    fn forget_stamped(&mut self, kind: Kind, key: &[u8]) {
        let prefix = keys::delta_prefix(kind, key);
        self.stamped.retain(|elem| !elem.key.starts_with(&prefix));
    }

    fn remember(&mut self, kind: Kind, key: &[u8], opened: Opened) {
        self.opened.insert((kind, Bytes::copy_from_slice(key)), opened);
    }
}

#[cfg(test)]
mod tests;
