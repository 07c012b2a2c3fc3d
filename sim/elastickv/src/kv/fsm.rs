//! The state machine (`kv/fsm.go`): applies committed entries to the store, one after the other, the same on every node.
//!
//! Its state is the store and the HLC ceiling; the result of an entry depends on that state and the entry alone. A
//! transaction whose request was applied before is answered with the first result (the one-phase dedup). The ceiling is volatile: after a
//! restart it comes from the snapshot's header and from replayed lease entries.
//!
//! A transaction that several groups have part in is prepared in each, then decided in one of them, its primary, then in the
//! others. What was decided is on record for ever, under the transaction's identity, so that no phase acts twice and none that comes late
//! undoes it. Differs from upstream: in each group its versions have a timestamp of that group's own log.

use super::prepared::{Prepared, intent_key};
use super::request::{Payload, Phase, TxnRequest, write_request_id};
use crate::codec::{Malformed, Reader, Writer, hash};
use crate::env::RequestId;
use crate::hlc::Hlc;
use crate::mvcc::{Keep, Mutation, Store, journal};
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
    /// The transaction's part is checked and holds its keys.
    Prepared {
        /// Timestamp of the entry.
        commit_ts: u64,
    },
    /// The transaction was rolled back, or never prepared here.
    Aborted,
    /// The transaction wrote nothing.
    Locked {
        /// The key that another holds, who is not decided.
        key: Bytes,
    },
    /// The ceiling was taken note of.
    Ceiling {
        /// The ceiling of the entry.
        ceiling_ms: u64,
    },
    /// Old versions are gone.
    Compacted {
        /// How many.
        versions: usize,
    },
    /// The leader's first entry of a term, or bytes that no version of ours wrote.
    Nothing,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It happened.
    Committed,
    /// It will never happen.
    Aborted,
    /// Nobody has decided.
    Pending,
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
    /// What a compaction leaves of a key below its watermark.
    pub keep: Keep,
    applied: u64,
    prepared: Prepared,
    /// The ceiling as of `applied`. The clock's own may never be lower.
    ceiling_ms: u64,
}

const SNAPSHOT_MAGIC: &[u8; 8] = b"EKVTHLC1";

/// What stands for the key where a transaction looked at all.
const ANY: &[u8] = b"*";

impl Fsm {
    /// A state machine on what recovery read.
    pub fn new(store: Store, hlc: Rc<Hlc>) -> Fsm {
        hlc.observe(store.last_commit_ts());
        let (applied, prepared) = (store.applied(), Prepared::read(&store));
        Fsm { store, hlc, keep: Keep::Visible, applied, prepared, ceiling_ms: 0 }
    }

    /// The transactions that are prepared here and not decided.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// What became of a transaction that several groups have part in, as far as this group knows.
    pub fn decision(&self, request: RequestId) -> Decision {
        match self.committed(request) {
            Some(_) => Decision::Committed,
            None if self.is_rolled_back(request) => Decision::Aborted,
            None => Decision::Pending,
        }
    }

    fn committed(&self, request: RequestId) -> Option<u64> {
        Some(self.store.latest_commit_ts(&once_key(request))).filter(|ts| *ts != 0)
    }

    fn is_rolled_back(&self, request: RequestId) -> bool {
        self.store.latest_commit_ts(&rollback_key(request)) != 0
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
            Ok(Payload::Compact { min_ts }) => self.compact(index, min_ts),
            Ok(Payload::Txn(txn)) => self.apply_txn(index, &txn),
        }
    }

    fn compact(&mut self, index: u64, min_ts: u64) -> Effect {
        let versions = self.store.compact(min_ts, self.keep, index);
        let frame = Some(journal::compaction(index, min_ts, self.keep));
        Effect { frame, ..Effect::of(Response::Compacted { versions }, None) }
    }

    fn apply_txn(&mut self, index: u64, txn: &TxnRequest) -> Effect {
        let effect = |response| Effect::of(response, Some(txn.request));
        if let Some(commit_ts) = self.committed(txn.request) {
            return effect(Response::Committed { commit_ts, duplicate: true });
        }
        if txn.phase != Phase::OnePhase && self.is_rolled_back(txn.request) {
            return effect(Response::Aborted);
        }
        match txn.phase {
            Phase::OnePhase => self.apply_one_phase(index, txn),
            Phase::Prepare { .. } => self.prepare(index, txn),
            Phase::Commit => match self.prepared.remove(txn.request) {
                Some(part) => self.commit(index, TxnRequest { commit_ts: txn.commit_ts, ..part }),
                None => effect(Response::Aborted),
            },
            Phase::Abort => self.roll_back(index, txn),
        }
    }

    /// Why a transaction's writes cannot be, if they cannot.
    fn refusal(&self, txn: &TxnRequest, written: &[Mutation]) -> Option<Response> {
        if let Some(key) = self.prepared.against(txn) {
            return Some(Response::Locked { key: key.clone() });
        }
        if let Some((key, _)) = self.prepared.writer().filter(|_| txn.whole) {
            return Some(Response::Locked { key: key.clone() });
        }
        if txn.whole && self.store.last_commit_ts() > txn.start_ts {
            return Some(Response::Conflict { key: ANY.into() });
        }
        let touched = written.iter().map(|m| &m.key).chain(&txn.read_keys);
        let conflict = self.store.check(touched, txn.start_ts).err()?;
        Some(Response::Conflict { key: conflict.key })
    }

    fn apply_one_phase(&mut self, index: u64, txn: &TxnRequest) -> Effect {
        let mut written = txn.mutations();
        if let Some(refusal) = self.refusal(txn, &written) {
            return Effect::of(refusal, Some(txn.request));
        }
        written.push(Mutation { key: once_key(txn.request), value: Some(Bytes::new()) });
        let response = Response::Committed { commit_ts: txn.commit_ts, duplicate: false };
        self.write(index, txn, written, response)
    }

    fn prepare(&mut self, index: u64, txn: &TxnRequest) -> Effect {
        let prepared = Response::Prepared { commit_ts: txn.commit_ts };
        if self.prepared.holds(txn.request) {
            return Effect::of(prepared, Some(txn.request));
        }
        if let Some(refusal) = self.refusal(txn, &txn.mutations()) {
            return Effect::of(refusal, Some(txn.request));
        }
        self.prepared.add(txn.clone());
        let record = Payload::Txn(txn.clone()).encode();
        let intent = Mutation { key: intent_key(txn.request), value: Some(record.into()) };
        self.write(index, txn, vec![intent], prepared)
    }

    fn commit(&mut self, index: u64, part: TxnRequest) -> Effect {
        let mut written = part.mutations();
        written.push(Mutation { key: once_key(part.request), value: Some(Bytes::new()) });
        written.push(Mutation { key: intent_key(part.request), value: None });
        let response = Response::Committed { commit_ts: part.commit_ts, duplicate: false };
        self.write(index, &part, written, response)
    }

    fn roll_back(&mut self, index: u64, txn: &TxnRequest) -> Effect {
        let key = rollback_key(txn.request);
        let mut written = vec![Mutation { key, value: Some(Bytes::new()) }];
        if self.prepared.remove(txn.request).is_some() {
            written.push(Mutation { key: intent_key(txn.request), value: None });
        }
        self.write(index, txn, written, Response::Aborted)
    }

    fn write(
        &mut self,
        index: u64,
        txn: &TxnRequest,
        written: Vec<Mutation>,
        response: Response,
    ) -> Effect {
        self.store.write(&written, txn.commit_ts, index);
        self.hlc.observe(txn.commit_ts);
        let frame = journal::batch(index, txn.commit_ts, self.store.last_commit_ts(), &written);
        Effect { response, frame: Some(frame), written, request: Some(txn.request) }
    }

    /// The replay of an entry that the store already holds: only the volatile ceiling is taken from it.
    pub fn replay_volatile(&mut self, payload: Bytes) {
        // All but these are transactions, which take long to read.
        if Payload::is_hlc_lease(&payload)
            && let Ok(Payload::HlcLease { ceiling_ms }) = Payload::decode(payload)
        {
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
        self.take(index, state)?;
        Ok(true)
    }

    /// Takes a snapshot's state, however old it is.
    pub fn replace(&mut self, index: u64, snapshot: &Bytes) -> Result<(), Malformed> {
        self.take(index, open_snapshot(snapshot)?.1)
    }

    fn take(&mut self, index: u64, state: Bytes) -> Result<(), Malformed> {
        let keys_run_together = self.store.keys_run_together;
        self.store = Store::import(state)?;
        self.store.keys_run_together = keys_run_together;
        self.prepared = Prepared::read(&self.store);
        self.hlc.observe(self.store.last_commit_ts());
        self.applied = index;
        Ok(())
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

/// Where it is on record that a request's writes are in the store (upstream: `!txn|cmt|`, of transactions across groups only).
fn once_key(request: RequestId) -> Bytes {
    key_of(b"!txn|once|", request)
}

/// Where it is on record that a transaction was rolled back.
fn rollback_key(request: RequestId) -> Bytes {
    key_of(b"!txn|rb|", request)
}

fn key_of(prefix: &[u8], request: RequestId) -> Bytes {
    let mut writer = Writer::new();
    write_request_id(&mut writer, request);
    [prefix, &writer.finish()].concat().into()
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
            ..TxnRequest::default()
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
