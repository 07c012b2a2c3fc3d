//! The state machine (`kv/fsm.go`): applies committed entries to the store, one after the other, the same on every node.
//!
//! Its state is the store and the HLC ceiling; the result of an entry depends on that state and the entry alone. A
//! transaction whose request was applied before is answered with the first result (the one-phase dedup). The ceiling is volatile: after a
//! restart it comes from the snapshot's header and from replayed lease entries.

use super::request::{Payload, TxnRequest, write_request_id};
use crate::codec::{Malformed, Reader, Writer, hash};
use crate::env::RequestId;
use crate::hlc::Hlc;
use crate::mvcc::{Mutation, Store, journal};
use bytes::Bytes;
use std::rc::Rc;

/// What applying an entry came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The transaction's versions are in the store, by this entry or by an earlier one of the same request.
    Committed {
        /// Their timestamp.
        commit_ts: u64,
        /// An earlier entry did it.
        duplicate: bool,
    },
    /// The transaction wrote nothing.
    Conflict {
        /// The key that changed after its snapshot.
        key: Bytes,
    },
    /// The ceiling was taken note of.
    Ceiling {
        /// The ceiling of the entry.
        ceiling_ms: u64,
    },
    /// The leader's first entry of a term, or bytes that no version of ours wrote.
    Nothing,
}

/// What an entry leaves for the disk and the observer.
pub struct Effect {
    /// For the waiter.
    pub response: Response,
    /// A journal frame, if versions were written.
    pub frame: Option<Vec<u8>>,
    /// The versions written.
    pub written: Vec<Mutation>,
    /// Whose transaction it was.
    pub request: Option<RequestId>,
}

impl Effect {
    fn of(response: Response, request: Option<RequestId>) -> Effect {
        Effect { response, frame: None, written: Vec::new(), request }
    }
}

/// Store and clock of one node.
pub struct Fsm {
    /// All versions.
    pub store: Store,
    /// The process's clock; its ceiling is part of the state.
    pub hlc: Rc<Hlc>,
    applied: u64,
    /// The ceiling as of `applied`. The clock's own may never be lower.
    ceiling_ms: u64,
}

const SNAPSHOT_MAGIC: &[u8; 8] = b"EKVTHLC1";

impl Fsm {
    /// A state machine on what recovery read.
    pub fn new(store: Store, hlc: Rc<Hlc>) -> Fsm {
        hlc.observe(store.last_commit_ts());
        let applied = store.applied();
        Fsm { store, hlc, applied, ceiling_ms: 0 }
    }

    /// Index of the last entry applied.
    pub fn applied(&self) -> u64 {
        self.applied
    }

    /// Says that entries up to here are in the state without having been applied now.
    pub fn set_applied(&mut self, index: u64) {
        self.applied = self.applied.max(index);
    }

    /// A number that is equal for equal states.
    pub fn state_hash(&self) -> u64 {
        self.store.state_hash() ^ hash(&[b"ceiling", &self.ceiling_ms.to_le_bytes()])
    }

    /// Applies the entry at `index`.
    pub fn apply(&mut self, index: u64, payload: Bytes) -> Effect {
        self.applied = index;
        match Payload::decode(payload) {
            Err(Malformed) => Effect::of(Response::Nothing, None),
            Ok(Payload::HlcLease { ceiling_ms }) => {
                self.raise_ceiling(ceiling_ms);
                Effect::of(Response::Ceiling { ceiling_ms }, None)
            }
            Ok(Payload::Txn(txn)) => self.apply_txn(index, &txn),
        }
    }

    fn apply_txn(&mut self, index: u64, txn: &TxnRequest) -> Effect {
        let once = once_key(txn.request);
        let request = Some(txn.request);
        let earlier = self.store.latest_commit_ts(&once);
        if earlier != 0 {
            return Effect::of(
                Response::Committed { commit_ts: earlier, duplicate: true },
                request,
            );
        }
        let mut written = txn.mutations();
        let touched = written.iter().map(|m| &m.key).chain(&txn.read_keys);
        if let Err(conflict) = self.store.check(touched, txn.start_ts) {
            return Effect::of(Response::Conflict { key: conflict.key }, request);
        }
        written.push(Mutation { key: once, value: Some(Bytes::new()) });
        self.store.write(&written, txn.commit_ts, index);
        self.hlc.observe(txn.commit_ts);
        let frame = journal::batch(index, txn.commit_ts, self.store.last_commit_ts(), &written);
        let response = Response::Committed { commit_ts: txn.commit_ts, duplicate: false };
        Effect { response, frame: Some(frame), written, request }
    }

    /// The replay of an entry that the store already holds: only the volatile ceiling is taken from it.
    pub fn replay_volatile(&mut self, payload: Bytes) {
        if let Ok(Payload::HlcLease { ceiling_ms }) = Payload::decode(payload) {
            self.raise_ceiling(ceiling_ms);
        }
    }

    fn raise_ceiling(&mut self, ceiling_ms: u64) {
        self.ceiling_ms = self.ceiling_ms.max(ceiling_ms);
        self.hlc.set_ceiling_ms(self.ceiling_ms);
    }

    /// The clock shall issue nothing at or below the timestamp that this entry carries, although it is not applied yet. A ceiling is
    /// agreed on only when it is applied.
    pub fn observe_unapplied(&self, payload: Bytes) {
        if let Ok(Payload::Txn(txn)) = Payload::decode(payload) {
            self.hlc.observe(txn.commit_ts);
        }
    }

    /// The state as a snapshot: header with the ceiling (`EKVTHLC1`), then the store.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = SNAPSHOT_MAGIC.to_vec();
        let mut header = Writer::new();
        header.u64(self.ceiling_ms);
        bytes.extend_from_slice(&header.finish());
        bytes.extend_from_slice(&self.store.export());
        bytes
    }

    /// Takes the ceiling from a snapshot's header, and its state too unless the store is at least as new (the restart skip gate).
    /// Returns whether the state was replaced.
    pub fn restore(&mut self, index: u64, snapshot: &Bytes) -> Result<bool, Malformed> {
        let (ceiling_ms, state) = open_snapshot(snapshot)?;
        self.raise_ceiling(ceiling_ms);
        if self.applied >= index {
            return Ok(false);
        }
        self.store = Store::import(state)?;
        self.hlc.observe(self.store.last_commit_ts());
        self.applied = index;
        Ok(true)
    }
}

/// Ceiling and store bytes of a snapshot.
fn open_snapshot(snapshot: &Bytes) -> Result<(u64, Bytes), Malformed> {
    if !snapshot.starts_with(SNAPSHOT_MAGIC) {
        return Err(Malformed);
    }
    let mut reader = Reader::new(snapshot.slice(SNAPSHOT_MAGIC.len()..));
    let ceiling_ms = reader.u64()?;
    Ok((ceiling_ms, snapshot.slice(SNAPSHOT_MAGIC.len() + 8..)))
}

fn once_key(request: RequestId) -> Bytes {
    let mut writer = Writer::new();
    write_request_id(&mut writer, request);
    let mut key = b"!txn|once|".to_vec();
    key.extend_from_slice(&writer.finish());
    key.into()
}

#[cfg(test)]
mod tests {
    use super::super::request::Elem;
    use super::*;

    fn txn(counter: u64, start_ts: u64, commit_ts: u64, key: &'static str) -> Bytes {
        Payload::Txn(TxnRequest {
            request: RequestId { node: 1, boot: 1, counter },
            start_ts,
            commit_ts,
            read_keys: vec!["read".into()],
            elems: vec![Elem::put(key.into(), Bytes::from_static(b"v"))],
        })
        .encode()
        .into()
    }

    fn fsm() -> Fsm {
        Fsm::new(Store::default(), Rc::new(Hlc::default()))
    }

    #[test]
    fn a_repeated_request_is_answered_with_the_first_result_and_writes_nothing() {
        let mut fsm = fsm();
        let first = fsm.apply(1, txn(7, 1, 10, "a"));
        assert_eq!(first.response, Response::Committed { commit_ts: 10, duplicate: false });
        let before = fsm.state_hash();
        let again = fsm.apply(2, txn(7, 1, 20, "a"));
        assert_eq!(again.response, Response::Committed { commit_ts: 10, duplicate: true });
        assert_eq!(fsm.state_hash(), before);
    }

    #[test]
    fn a_read_key_that_changed_after_the_snapshot_is_a_conflict_at_apply() {
        let mut fsm = fsm();
        fsm.apply(1, txn(1, 1, 10, "read"));
        assert_eq!(
            fsm.apply(2, txn(2, 9, 20, "b")).response,
            Response::Conflict { key: "read".into() }
        );
        assert!(matches!(fsm.apply(3, txn(3, 10, 30, "b")).response, Response::Committed { .. }));
    }

    #[test]
    fn a_snapshot_carries_store_and_ceiling_and_an_older_one_changes_the_ceiling_only() {
        let mut leader = fsm();
        leader.apply(1, txn(1, 1, 10, "a"));
        leader.apply(2, Payload::HlcLease { ceiling_ms: 500 }.encode().into());
        let snapshot = Bytes::from(leader.snapshot());
        let mut lagging = fsm();
        assert_eq!(lagging.restore(2, &snapshot), Ok(true));
        assert_eq!(lagging.state_hash(), leader.state_hash());
        assert_eq!(lagging.hlc.last(), 10);
        let mut ahead = fsm();
        for index in 1..=3 {
            ahead.apply(index, txn(index, 100, 100 + index, "a"));
        }
        let before = ahead.store.state_hash();
        assert_eq!(ahead.restore(2, &snapshot), Ok(false));
        assert_eq!((ahead.store.state_hash(), ahead.hlc.ceiling_ms()), (before, 500));
        assert!(fsm().restore(2, &snapshot.slice(..20)).is_err());
    }

    #[test]
    fn bytes_that_nobody_wrote_change_nothing_but_the_applied_index() {
        let mut fsm = fsm();
        assert_eq!(fsm.apply(4, Bytes::from_static(b"\xff junk")).response, Response::Nothing);
        assert_eq!(fsm.apply(5, Bytes::new()).response, Response::Nothing);
        assert_eq!(fsm.applied(), 5);
    }
}
