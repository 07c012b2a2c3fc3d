//! The multi-version store (`store/lsm_store.go`, `store/mvcc_store.go`): every version of every key, snapshot reads, and the
//! optimistic conflict check at apply.
//!
//! Promises: a transaction's versions appear together, at one commit timestamp, or not at all; a read at a timestamp sees the
//! newest versions at or below it; `last_commit_ts` is the largest commit timestamp applied. The state's hash is
//! a sum over its versions, so it is kept up to date by each write and can be computed anew from the versions alone.
//!
//! Old versions are compacted away below a watermark: of each key the newest at or below it stays, unless it is a tombstone. A
//! transaction whose snapshot lies below the watermark is refused, since what it would conflict with may be gone.
//!
//! Differs from upstream: a key and its timestamp are separate (no byte concatenation, suspicion S14); the watermark is agreed on
//! in the log, so that equal indices have equal states (upstream: each node by its own wall clock, `kv/compactor.go`); and the
//! keys under which the state machine remembers requests stay.

pub mod journal;

use crate::codec::{Malformed, Reader, Writer, hash};
use bytes::Bytes;
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

/// One version to write: a value, or a tombstone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// The key.
    pub key: Bytes,
    /// The value; `None` deletes.
    pub value: Option<Bytes>,
}

/// A key that changed after the transaction's snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteConflict {
    /// The first such key.
    pub key: Bytes,
}

/// What stays of a key's versions at or below a watermark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The newest, which snapshots at the watermark see; not if it is a tombstone.
    Visible,
    /// Nothing (G3).
    Nothing,
}

#[derive(Clone, Debug)]
struct Version {
    ts: u64,
    value: Option<Bytes>,
}

/// All versions, in memory. [`journal::Journal`] makes them durable.
#[derive(Clone, Debug, Default)]
pub struct Store {
    // Oldest version first. Log order is commit order, so a write is a push. Most keys have one.
    keys: BTreeMap<Bytes, SmallVec<[Version; 1]>>,
    last_commit_ts: u64,
    newest_version: u64,
    min_retained_ts: u64,
    applied: u64,
    sum: u64,
    /// Reads find what they would if a key and an inverted timestamp were one string of bytes (S14).
    pub keys_run_together: bool,
}

impl Store {
    /// The newest value at or below `ts`; `None` if there is none or it is a tombstone (`GetAt`).
    pub fn get_at(&self, key: &[u8], ts: u64) -> Option<Bytes> {
        let found = visible(self.keys.get(key)?, ts)?;
        if self.keys_run_together && self.is_behind_another(key, ts, found.ts) {
            return None;
        }
        found.value.clone()
    }

    /// Whether a version of another key would lie between the place where a search for `key` at `ts` begins and its version `found`:
    /// upstream's `getAt` looks at the first entry only (`fillEncodedKey`).
    fn is_behind_another(&self, key: &[u8], ts: u64, found: u64) -> bool {
        let (from, to) = ((!ts).to_be_bytes(), (!found).to_be_bytes());
        let longer = self.keys.range::<[u8], _>((Bound::Excluded(key), Bound::Unbounded));
        longer.take_while(|(other, _)| other.starts_with(key)).any(|(other, versions)| {
            versions.iter().any(|version| {
                let rest = [&other[key.len()..], &(!version.ts).to_be_bytes()].concat();
                rest[..] >= from[..] && rest[..] < to[..]
            })
        })
    }

    /// Keys that start with `prefix` and have a value at `ts`, in order (`ScanAt`).
    pub fn scan_at<'a>(
        &'a self,
        prefix: &'a [u8],
        ts: u64,
    ) -> impl Iterator<Item = (&'a Bytes, Bytes)> + 'a {
        self.keys
            .range::<[u8], _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter_map(move |(key, versions)| Some((key, visible(versions, ts)?.value.clone()?)))
    }

    /// Keys from `first` to `last`, both included, that have a value at `ts`, in order.
    pub fn range_at<'a>(
        &'a self,
        first: &Bytes,
        last: &Bytes,
        ts: u64,
    ) -> impl Iterator<Item = (&'a Bytes, Bytes)> + 'a {
        self.keys
            .range(first.clone()..=last.clone())
            .filter_map(move |(key, versions)| Some((key, visible(versions, ts)?.value.clone()?)))
    }

    /// Timestamp of the key's newest version, 0 if it has none (`LatestCommitTS`).
    pub fn latest_commit_ts(&self, key: &[u8]) -> u64 {
        self.keys.get(key).and_then(|versions| versions.last()).map_or(0, |version| version.ts)
    }

    /// The largest commit timestamp applied: what a snapshot of now reads at (`LastCommitTS`).
    pub fn last_commit_ts(&self) -> u64 {
        self.last_commit_ts
    }

    /// The largest timestamp among the versions held. Equal to `last_commit_ts` unless something was lost.
    pub fn newest_version(&self) -> u64 {
        self.newest_version
    }

    /// Index of the last entry that wrote here (`_meta_applied_index`).
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// The watermark (`_meta_min_retained_ts`): snapshots below it are not whole any more. 0 before the first compaction.
    pub fn min_retained_ts(&self) -> u64 {
        self.min_retained_ts
    }

    /// Versions held.
    pub fn versions(&self) -> usize {
        self.keys.values().map(|versions| versions.len()).sum()
    }

    /// A number that is equal for equal states.
    pub fn state_hash(&self) -> u64 {
        let watermark = match self.min_retained_ts {
            0 => 0,
            ts => hash(&[b"min retained", &ts.to_le_bytes()]),
        };
        let last = hash(&[b"last", &self.last_commit_ts.to_le_bytes()]);
        self.sum.wrapping_add(last).wrapping_add(watermark)
    }

    /// Raises the watermark, as the entry at `index`, and drops what no snapshot at or above it sees; how many versions. A lower
    /// watermark than the store's does nothing. `keep` says what stays of a key's versions at or below it.
    pub fn compact(&mut self, min_ts: u64, keep: Keep, index: u64) -> usize {
        self.applied = index;
        let min_ts = min_ts.min(self.last_commit_ts);
        if min_ts <= self.min_retained_ts {
            return 0;
        }
        self.min_retained_ts = min_ts;
        let (mut dropped, mut sum) = (0, self.sum);
        self.keys.retain(|key, versions| {
            let below = versions.partition_point(|version| version.ts <= min_ts);
            let stays = keep == Keep::Visible && below > 0 && versions[below - 1].value.is_some();
            for gone in versions.drain(..below - usize::from(stays)) {
                sum = sum.wrapping_sub(version_hash(key, gone.ts, &gone.value));
                dropped += 1;
            }
            !versions.is_empty()
        });
        self.sum = sum;
        dropped
    }

    /// The check of optimistic concurrency control: no key written or read has a version above `start_ts`.
    pub fn check<'a>(
        &self,
        mut keys: impl Iterator<Item = &'a Bytes>,
        start_ts: u64,
    ) -> Result<(), WriteConflict> {
        if self.last_commit_ts <= start_ts {
            return Ok(());
        }
        if start_ts < self.min_retained_ts {
            return keys.next().map_or(Ok(()), |key| Err(WriteConflict { key: key.clone() }));
        }
        match keys.find(|key| self.latest_commit_ts(key) > start_ts) {
            Some(key) => Err(WriteConflict { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// Writes all versions at `commit_ts`, as the entry at `index`. The last mutation of a key wins.
    pub fn write(&mut self, mutations: &[Mutation], commit_ts: u64, index: u64) {
        for mutation in mutations {
            self.put(mutation.key.clone(), commit_ts, mutation.value.clone());
        }
        self.wrote(commit_ts, index);
    }

    fn wrote(&mut self, commit_ts: u64, index: u64) {
        self.last_commit_ts = self.last_commit_ts.max(commit_ts);
        self.applied = index;
    }

    fn put(&mut self, key: Bytes, ts: u64, value: Option<Bytes>) {
        self.newest_version = self.newest_version.max(ts);
        self.sum = self.sum.wrapping_add(version_hash(&key, ts, &value));
        let mut entry = match self.keys.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(smallvec![Version { ts, value }]);
                return;
            }
            Entry::Occupied(entry) => entry,
        };
        // Nearly always at the end; never assumed.
        match entry.get().binary_search_by_key(&ts, |version| version.ts) {
            Ok(at) => {
                let before = std::mem::replace(&mut entry.get_mut()[at].value, value);
                self.sum = self.sum.wrapping_sub(version_hash(entry.key(), ts, &before));
            }
            Err(at) => entry.get_mut().insert(at, Version { ts, value }),
        }
    }

    /// Overrides what recovery read for `last_commit_ts`: only a store that keeps it apart from its batches needs this.
    fn set_last_commit_ts(&mut self, ts: u64) {
        self.last_commit_ts = ts;
    }

    /// Everything, as bytes that [`Store::import`] reads.
    pub fn export(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.u64(self.applied).u64(self.last_commit_ts).u32(self.keys.len() as u32);
        for (key, versions) in &self.keys {
            writer.bytes(key).u32(versions.len() as u32);
            for version in versions {
                writer.u64(version.ts);
                write_value(&mut writer, &version.value);
            }
        }
        if self.min_retained_ts > 0 {
            writer.u64(self.min_retained_ts);
        }
        writer.finish()
    }

    /// The store that was exported; values share the bytes.
    pub fn import(bytes: Bytes) -> Result<Store, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut store = Store::default();
        let (applied, last_commit_ts) = (reader.u64()?, reader.u64()?);
        for _ in 0..reader.count(8)? {
            let key = reader.bytes()?;
            for _ in 0..reader.count(9)? {
                let ts = reader.u64()?;
                let value = read_value(&mut reader)?;
                store.put(key.clone(), ts, value);
            }
        }
        if reader.left() > 0 {
            store.min_retained_ts = reader.u64()?;
        }
        reader.end()?;
        store.applied = applied;
        store.last_commit_ts = last_commit_ts;
        Ok(store)
    }
}

fn visible(versions: &[Version], ts: u64) -> Option<&Version> {
    let newer = versions.partition_point(|version| version.ts <= ts);
    versions[..newer].last()
}

fn version_hash(key: &[u8], ts: u64, value: &Option<Bytes>) -> u64 {
    let (kind, bytes): (&[u8], &[u8]) = match value {
        Some(bytes) => (b"put", bytes),
        None => (b"del", b""),
    };
    hash(&[key, &ts.to_le_bytes(), kind, bytes])
}

pub(crate) fn write_value(writer: &mut Writer, value: &Option<Bytes>) {
    match value {
        Some(bytes) => writer.u8(1).bytes(bytes),
        None => writer.u8(0),
    };
}

pub(crate) fn read_value(reader: &mut Reader) -> Result<Option<Bytes>, Malformed> {
    match reader.u8()? {
        0 => Ok(None),
        1 => reader.bytes().map(Some),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &'static str, value: &'static str) -> Mutation {
        Mutation { key: Bytes::from(key), value: Some(Bytes::from(value)) }
    }

    #[test]
    fn a_snapshot_sees_the_newest_versions_at_or_below_it_and_no_tombstones() {
        let mut store = Store::default();
        store.write(&[put("a", "1"), put("b", "1")], 10, 1);
        store.write(&[put("a", "2"), Mutation { key: "b".into(), value: None }], 20, 2);
        assert_eq!(store.get_at(b"a", 9), None);
        assert_eq!(store.get_at(b"a", 19).as_deref(), Some(&b"1"[..]));
        assert_eq!(store.get_at(b"a", 20).as_deref(), Some(&b"2"[..]));
        assert_eq!(store.get_at(b"b", 20), None);
        assert_eq!(store.scan_at(b"", 15).count(), 2);
        assert_eq!(store.scan_at(b"", 25).count(), 1);
        assert_eq!((store.last_commit_ts(), store.applied()), (20, 2));
    }

    #[test]
    fn a_key_written_or_read_that_changed_after_the_snapshot_is_a_conflict() {
        let mut store = Store::default();
        store.write(&[put("a", "1")], 10, 1);
        store.write(&[put("b", "1")], 20, 2);
        let (a, b) = (Bytes::from("a"), Bytes::from("b"));
        assert_eq!(store.check([&a].into_iter(), 10), Ok(()));
        assert_eq!(store.check([&a, &b].into_iter(), 10), Err(WriteConflict { key: b.clone() }));
        assert_eq!(store.check([&b].into_iter(), 20), Ok(()));
    }

    #[test]
    fn a_compacted_store_looks_the_same_from_its_watermark_on() {
        let mut store = Store::default();
        let del = |key: &'static str| Mutation { key: key.into(), value: None };
        store.write(&[put("a", "1"), put("b", "1")], 10, 1);
        store.write(&[put("a", "2"), del("b")], 20, 2);
        store.write(&[put("a", "3"), put("c", "1")], 30, 3);
        let seen = |store: &Store, ts| ["a", "b", "c"].map(|key| store.get_at(key.as_bytes(), ts));
        let (before, hash) = ([20, 25, 30].map(|ts| seen(&store, ts)), store.state_hash());
        let mut broken = store.clone();
        assert_eq!(store.compact(25, Keep::Visible, 4), 3, "one of a, and b with its tombstone");
        assert_eq!([20, 25, 30].map(|ts| seen(&store, ts)), before);
        assert_ne!(store.state_hash(), hash);
        assert_eq!((store.min_retained_ts(), store.applied(), store.versions()), (25, 4, 3));
        assert_eq!(store.compact(25, Keep::Visible, 5) + store.compact(7, Keep::Visible, 6), 0);
        let b = Bytes::from("b");
        assert!(store.check([&b].into_iter(), 24).is_err(), "what it would conflict with is gone");
        assert_eq!(store.check([&b].into_iter(), 25), Ok(()));
        assert_eq!(Store::import(store.export().into()).unwrap().state_hash(), store.state_hash());
        assert_eq!(store.compact(u64::MAX, Keep::Visible, 7), 1);
        assert_eq!(store.min_retained_ts(), 30, "what is still to come is not compacted");
        broken.compact(25, Keep::Nothing, 4);
        assert_eq!(broken.get_at(b"a", 25), None);
    }

    #[test]
    fn an_exported_store_is_the_same_store() {
        let mut store = Store::default();
        store.write(&[put("a", "1"), put("b", "")], 10, 1);
        store.write(&[Mutation { key: "a".into(), value: None }], 20, 7);
        let copy = Store::import(store.export().into()).unwrap();
        assert_eq!(copy.state_hash(), store.state_hash());
        assert_eq!((copy.applied(), copy.last_commit_ts(), copy.newest_version()), (7, 20, 20));
        let mut bytes = store.export();
        bytes.pop();
        assert!(Store::import(bytes.into()).is_err());
    }

    #[test]
    fn the_state_hash_depends_on_the_state_and_not_on_how_it_came_about() {
        let (mut one, mut two) = (Store::default(), Store::default());
        one.write(&[put("a", "1"), put("b", "1")], 10, 1);
        two.write(&[put("b", "1"), put("a", "0"), put("a", "1")], 10, 1);
        assert_eq!(one.state_hash(), two.state_hash());
        two.write(&[put("a", "1")], 11, 2);
        assert_ne!(one.state_hash(), two.state_hash());
    }
}
