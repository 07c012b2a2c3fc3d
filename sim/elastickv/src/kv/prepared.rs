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

    /// Who will write one of the keys, and which, if anybody will: what is read of it now may be over already.
    pub fn hides<'a>(
        &self,
        mut keys: impl Iterator<Item = &'a Bytes>,
    ) -> Option<(&'a Bytes, Lock)> {
        if self.locks.is_empty() {
            return None;
        }
        keys.find_map(|key| Some((key, *self.locks.get(key).filter(|lock| lock.writes)?)))
    }

    /// Who will write anything at all, and what.
    pub fn writer(&self) -> Option<(&Bytes, Lock)> {
        self.locks.iter().find(|(_, lock)| lock.writes).map(|(key, lock)| (key, *lock))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hlc::Hlc;
    use crate::kv::fsm::{Decision, Fsm, Response};
    use crate::kv::request::Elem;
    use std::rc::Rc;

    const ONE: RequestId = RequestId { node: 1, boot: 1, counter: 1 };
    const TWO: RequestId = RequestId { node: 1, boot: 1, counter: 2 };

    /// Entries one after the other, each stamped with ten times its index.
    struct Log(Fsm, u64);

    impl Log {
        fn new() -> Log {
            Log(Fsm::new(Store::default(), Rc::new(Hlc::default())), 0)
        }

        fn apply(
            &mut self,
            phase: Phase,
            request: RequestId,
            reads: &str,
            writes: &str,
        ) -> Response {
            self.1 += 1;
            let keys = |text: &str| -> Vec<Bytes> {
                text.split_whitespace().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect()
            };
            let txn = TxnRequest {
                phase,
                request,
                start_ts: (self.1 - 1) * 10,
                commit_ts: self.1 * 10,
                read_keys: keys(reads),
                whole: reads == "*",
                elems: keys(writes).into_iter().map(|key| Elem::put(key, "v".into())).collect(),
            };
            self.0.apply(self.1, Payload::Txn(txn).encode().into()).response
        }

        fn prepare(&mut self, request: RequestId, reads: &str, writes: &str) -> Response {
            let phase = Phase::Prepare { primary: GroupId(1), expires_ms: 500 };
            self.apply(phase, request, reads, writes)
        }

        fn decide(&mut self, phase: Phase, request: RequestId) -> Response {
            self.apply(phase, request, "", "")
        }
    }

    fn locked(key: &'static str) -> Response {
        Response::Locked { key: key.into() }
    }

    #[test]
    fn what_is_prepared_is_not_there_before_it_is_committed_and_then_at_once() {
        let mut log = Log::new();
        assert_eq!(log.prepare(ONE, "r", "a b"), Response::Prepared { commit_ts: 10 });
        assert_eq!(log.0.store.get_at(b"a", u64::MAX), None);
        assert_eq!(log.0.decision(ONE), Decision::Pending);
        let committed = |duplicate| Response::Committed { commit_ts: 20, duplicate };
        assert_eq!(log.decide(Phase::Commit, ONE), committed(false));
        assert_eq!(log.0.store.get_at(b"b", 20).as_deref(), Some(&b"v"[..]));
        assert_eq!(log.0.store.get_at(b"b", 19), None);
        assert_eq!(log.0.decision(ONE), Decision::Committed);
        // Whatever comes late finds it decided.
        for phase in [Phase::Commit, Phase::Abort] {
            assert_eq!(log.decide(phase, ONE), committed(true));
        }
        assert_eq!(log.prepare(ONE, "r", "a b"), committed(true));
        assert!(log.0.prepared().writer().is_none());
    }

    #[test]
    fn what_is_aborted_never_happens_also_where_it_is_prepared_later() {
        let mut log = Log::new();
        log.prepare(ONE, "", "a");
        assert_eq!(log.decide(Phase::Abort, ONE), Response::Aborted);
        assert_eq!(log.decide(Phase::Commit, ONE), Response::Aborted);
        assert_eq!(log.0.store.get_at(b"a", u64::MAX), None);
        assert_eq!(log.decide(Phase::Abort, TWO), Response::Aborted);
        assert_eq!(log.prepare(TWO, "", "a"), Response::Aborted);
        assert_eq!(log.0.decision(TWO), Decision::Aborted);
        assert_eq!(log.decide(Phase::Commit, RequestId::default()), Response::Aborted);
    }

    #[test]
    fn a_held_key_is_in_the_way_of_writers_and_of_readers_only_if_it_will_be_written() {
        let mut log = Log::new();
        log.prepare(ONE, "r", "w");
        for (reads, writes, held) in [("", "w", "w"), ("", "r", "r"), ("w", "x", "w")] {
            assert_eq!(log.apply(Phase::OnePhase, TWO, reads, writes), locked(held));
        }
        let keys = [Bytes::from("r"), "w".into()];
        let lock = log.0.prepared().hides(keys.iter());
        assert_eq!(lock.map(|(key, lock)| (key.clone(), lock.txn)), Some(("w".into(), ONE)));
        assert_eq!(log.0.prepared().hides([Bytes::from("r")].iter()), None);
        assert_eq!(log.prepare(TWO, "r", "x"), locked("r"), "who prepares would hold it, too");
        let alone = log.apply(Phase::OnePhase, TWO, "r", "x");
        assert!(matches!(alone, Response::Committed { .. }), "{alone:?}");
    }

    #[test]
    fn who_looked_at_all_keys_conflicts_with_whoever_wrote_any() {
        let mut log = Log::new();
        log.apply(Phase::OnePhase, TWO, "", "a");
        let committed = log.apply(Phase::OnePhase, ONE, "*", "b");
        assert!(matches!(committed, Response::Committed { .. }), "nothing was written meanwhile");
        log.1 = 1;
        let other = RequestId { node: 2, boot: 1, counter: 1 };
        let any = Response::Conflict { key: "*".into() };
        assert_eq!(log.apply(Phase::OnePhase, other, "*", "c"), any);
        log.1 = 5;
        let third = RequestId { node: 3, boot: 1, counter: 1 };
        log.prepare(third, "", "z");
        assert_eq!(log.apply(Phase::OnePhase, other, "*", "c"), locked("z"));
    }

    #[test]
    fn what_was_prepared_is_so_after_a_restart_and_on_who_gets_a_snapshot() {
        let mut log = Log::new();
        log.prepare(ONE, "r", "w");
        let restarted = Fsm::new(log.0.store.clone(), Rc::new(Hlc::default()));
        let mut installed = Log::new();
        installed.0.restore(1, &log.0.snapshot().into()).expect("our own snapshot");
        for fsm in [&restarted, &installed.0] {
            let lock = fsm.prepared().lock(&"w".into()).expect("it is held");
            assert_eq!((lock.txn, lock.primary, lock.expires_ms), (ONE, GroupId(1), 500));
            assert_eq!(fsm.prepared().expired(499).len(), 0);
            assert_eq!(fsm.prepared().expired(500).len(), 1);
        }
        log.decide(Phase::Commit, ONE);
        let after = Fsm::new(log.0.store.clone(), Rc::new(Hlc::default()));
        assert!(after.prepared().lock(&"w".into()).is_none());
    }

    #[test]
    fn a_part_that_was_read_at_an_older_snapshot_is_a_conflict_when_it_prepares() {
        let mut log = Log::new();
        log.apply(Phase::OnePhase, TWO, "", "a");
        log.1 = 0;
        assert_eq!(log.prepare(ONE, "a", "b"), Response::Conflict { key: "a".into() });
    }
}
