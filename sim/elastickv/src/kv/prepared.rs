//! Transactions that a group has prepared and not decided, and the keys that they hold (`kv/fsm.go` handlePrepareRequest,
//! `kv/txn_keys.go`).
//!
//! A transaction's part in a group is one record under `!txn|int|`, from the entry that prepared it to the entry that decided it. The
//! keys that it holds are read from the records, so they are where the records are: in the store, in its snapshots, on its disk.
//!
//! Differs from upstream: one record for a transaction, not an intent and a lock for each key; keys that were only read are held too,
//! so that nothing which was checked can change before the transaction is decided (upstream checks them and lets
//! go, its documented read-only-shard TOCTOU); and who holds a key does so by its identity, not by its timestamp.

use super::request::{Payload, Phase, TxnRequest};
use crate::codec::Writer;
use crate::env::{GroupId, RequestId};
use crate::kv::request::write_request_id;
use crate::mvcc::Store;
use bytes::Bytes;
use std::collections::BTreeMap;

const INTENT: &[u8] = b"!txn|int|";

/// Who holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The transaction.
    pub txn: RequestId,
    /// Where it is decided.
    pub primary: GroupId,
    /// When anybody may roll it back; milliseconds since 1970.
    pub expires_ms: u64,
    /// It will write the key; otherwise it has only read it.
    pub writes: bool,
}

/// The undecided transactions of one group.
#[derive(Default)]
pub struct Prepared {
    txns: BTreeMap<RequestId, TxnRequest>,
    locks: BTreeMap<Bytes, Lock>,
}

/// Where a transaction's part is kept until it is decided.
pub fn intent_key(request: RequestId) -> Bytes {
    let mut writer = Writer::new();
    write_request_id(&mut writer, request);
    [INTENT, &writer.finish()].concat().into()
}

impl Prepared {
    /// What the store says is undecided.
    pub fn read(store: &Store) -> Prepared {
        let mut prepared = Prepared::default();
        for (_, record) in store.scan_at(INTENT, u64::MAX) {
            if let Ok(Payload::Txn(txn)) = Payload::decode(record) {
                prepared.add(txn);
            }
        }
        prepared
    }

    /// Takes a transaction in, which nothing here stands against.
    pub fn add(&mut self, txn: TxnRequest) {
        let Phase::Prepare { primary, expires_ms } = txn.phase else { return };
        let lock = |writes| Lock { txn: txn.request, primary, expires_ms, writes };
        for key in &txn.read_keys {
            self.locks.insert(key.clone(), lock(false));
        }
        for elem in &txn.elems {
            self.locks.insert(elem.key.clone(), lock(true));
        }
        self.txns.insert(txn.request, txn);
    }

    /// Takes a transaction out, with the keys that it held.
    pub fn remove(&mut self, request: RequestId) -> Option<TxnRequest> {
        let txn = self.txns.remove(&request)?;
        for key in txn.read_keys.iter().chain(txn.elems.iter().map(|elem| &elem.key)) {
            self.locks.remove(key);
        }
        Some(txn)
    }

    /// Whether the transaction is prepared here.
    pub fn holds(&self, request: RequestId) -> bool {
        self.txns.contains_key(&request)
    }

    /// The first key of a transaction that another holds: one that it would write, or would read and another will
    /// write. Of one that prepares, any: it will hold what it reads.
    pub fn against<'t>(&self, txn: &'t TxnRequest) -> Option<&'t Bytes> {
        if self.locks.is_empty() {
            return None;
        }
        let alone = txn.phase == Phase::OnePhase;
        let held = |key: &&Bytes| self.locks.get(*key).is_some_and(|lock| lock.writes || !alone);
        let written = || txn.elems.iter().map(|elem| &elem.key);
        let read = txn.read_keys.iter().find(held);
        read.or_else(|| written().find(|key| self.locks.contains_key(*key)))
    }

    /// Who will write one of the keys, if anybody will: what is read of it now may be over already.
    pub fn hides<'a>(&self, mut keys: impl Iterator<Item = &'a Bytes>) -> Option<Lock> {
        if self.locks.is_empty() {
            return None;
        }
        keys.find_map(|key| self.locks.get(key).filter(|lock| lock.writes)).copied()
    }

    /// Who will write anything at all.
    pub fn writer(&self) -> Option<Lock> {
        self.locks.values().find(|lock| lock.writes).copied()
    }

    /// Who holds the key.
    pub fn lock(&self, key: &Bytes) -> Option<Lock> {
        self.locks.get(key).copied()
    }

    /// Whose time is up: one lock of each.
    pub fn expired(&self, now_ms: u64) -> Vec<Lock> {
        let lock = |txn: &TxnRequest| match txn.phase {
            Phase::Prepare { primary, expires_ms } if expires_ms <= now_ms => {
                Some(Lock { txn: txn.request, primary, expires_ms, writes: true })
            }
            _ => None,
        };
        self.txns.values().filter_map(lock).collect()
    }
}
