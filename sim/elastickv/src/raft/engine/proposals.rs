//! Proposals and who waits for them (`handleProposal`, `resolveProposal`, `failPending`).

use super::Engine;
use crate::bug::Bug;
use crate::codec::{Reader, Writer};
use crate::env::{Env, Fact, RequestId};
use crate::hlc::LOGICAL_BITS;
use crate::kv::error::KvError;
use crate::kv::fsm::Response;
use crate::kv::request::{Payload, Phase, TxnRequest, read_request_id, write_request_id};
use crate::mvcc::WriteConflict;
use crate::raft::ProposeError;
use crate::raft::message::{Entry, EntryKind};
use bytes::Bytes;
use futures_channel::oneshot;
use std::collections::BTreeMap;
use std::time::Duration;

/// The id inside an entry by which its waiter is found: (node, boot, counter), so that no other entry ever carries it.
pub type ProposalId = RequestId;

const ENVELOPE: u8 = 0x01;

/// Calls waiting for their entry to be applied.
#[derive(Default)]
pub(super) struct Proposals {
    counter: u64,
    waiting: BTreeMap<ProposalId, Waiter>,
}

struct Waiter {
    request: Option<RequestId>,
    answer: oneshot::Sender<Result<Response, KvError>>,
}

impl Proposals {
    pub(super) fn fail_all(&mut self, error: KvError) {
        for waiter in std::mem::take(&mut self.waiting).into_values() {
            // Err: nobody waits any more.
            let _ = waiter.answer.send(Err(error.clone()));
        }
    }
}

/// The id and the payload of an entry; `None` for a leader's empty entry.
pub(super) fn open(data: &Bytes) -> Option<(ProposalId, Bytes)> {
    let mut reader = Reader::new(data.clone());
    if reader.u8().ok()? != ENVELOPE {
        return None;
    }
    let id = read_request_id(&mut reader).ok()?;
    Some((id, data.slice(data.len() - reader.left()..)))
}

/// What an entry says to the state machine; `None` for a leader's empty entry and for configurations.
pub fn payload_of(entry: &Entry) -> Option<Bytes> {
    (entry.kind == EntryKind::Normal)
        .then(|| open(&entry.data))
        .flatten()
        .map(|(_, payload)| payload)
}

fn seal(id: ProposalId, payload: &Payload) -> Bytes {
    let mut writer = Writer::new();
    writer.u8(ENVELOPE);
    write_request_id(&mut writer, id);
    let mut bytes = writer.finish();
    bytes.extend_from_slice(&payload.encode());
    bytes.into()
}

/// Forgets the waiter when the call is dropped (`cancelPendingProposal`): the entry goes its way.
struct Forget<'a, E: Env>(&'a Engine<E>, ProposalId);

impl<E: Env> Drop for Forget<'_, E> {
    fn drop(&mut self) {
        self.0.0.proposals.borrow_mut().waiting.remove(&self.1);
    }
}

impl<E: Env> Engine<E> {
    /// Stamps a transaction, proposes it and returns its commit timestamp when it is applied and durable here.
    pub async fn propose_txn(&self, mut txn: TxnRequest) -> Result<u64, KvError> {
        let mut committed = self.stamp_and_propose(&mut txn);
        if matches!(committed, Err(KvError::CeilingExpired)) {
            // `RecoverHLCLease`: one renewal on demand.
            sometimes!(self.0.env, "ceiling renewed on demand");
            self.renew_ceiling().await?;
            committed = self.stamp_and_propose(&mut txn);
        }
        match self.wait(committed?).await? {
            Response::Committed { commit_ts, duplicate } => {
                if duplicate && txn.phase == Phase::OnePhase {
                    sometimes!(self.0.env, "dedup hit");
                }
                Ok(commit_ts)
            }
            Response::Prepared { commit_ts } => Ok(commit_ts),
            Response::Aborted => Err(KvError::TxnAborted),
            Response::Conflict { key } => Err(KvError::WriteConflict(key)),
            Response::Locked { key } => Err(KvError::TxnLocked(key)),
            // Only an entry that is not ours can be answered so.
            Response::Ceiling { .. } | Response::Compacted { .. } | Response::Nothing => {
                Ok(txn.commit_ts)
            }
        }
    }

    /// For so long this node asks for no higher ceiling.
    pub fn hold_ceiling(&self, time: Duration) {
        self.0.ceiling_held_until.set(self.0.env.monotonic() + time);
    }

    /// Proposes a ceiling one window above this node's wall clock, if that can be believed, and returns when it is applied here.
    pub async fn renew_ceiling(&self) -> Result<(), KvError> {
        if self.0.env.monotonic() < self.0.ceiling_held_until.get() {
            return Err(KvError::CeilingExpired);
        }
        let wall_ms = self.0.env.wall_ms();
        if !self.believes(wall_ms) {
            return Err(KvError::CeilingExpired);
        }
        let ceiling_ms = wall_ms + self.0.options.hlc_window.as_millis() as u64;
        let slack_ms = self.0.options.hlc_renewal.as_millis() as u64;
        if ceiling_ms + slack_ms < self.0.fsm.borrow().hlc.ceiling_ms() {
            sometimes!(self.0.env, "ceiling below the one before it");
        }
        let id = self.propose(&Payload::HlcLease { ceiling_ms }, None)?;
        self.wait(id).await.map(|_| ())
    }

    /// Whether this node's wall clock, which shows this, can be believed.
    pub(crate) fn believes(&self, wall_ms: u64) -> bool {
        let inner = &self.0;
        let (monotonic, window) = (inner.env.monotonic(), inner.options.hlc_window);
        inner.fsm.borrow().hlc.believes(wall_ms, monotonic, window)
    }

    /// Proposes that versions which nobody may ask for any more go, by this node's wall clock (`FSMCompactor`); as leader.
    pub async fn compact(&self, retention: Duration) -> Result<(), KvError> {
        let wall_ms = self.0.env.wall_ms();
        if !self.believes(wall_ms) {
            return Err(KvError::ClockSkew);
        }
        let oldest_ms = wall_ms.saturating_sub(retention.as_millis() as u64);
        let min_ts = oldest_ms << LOGICAL_BITS;
        let id = self.propose(&Payload::Compact { min_ts }, None)?;
        match self.wait(id).await? {
            Response::Compacted { versions } if versions > 0 => {
                sometimes!(self.0.env, "old versions compacted");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// One step, without an await: the timestamp and the place in the log belong together.
    fn stamp_and_propose(&self, txn: &mut TxnRequest) -> Result<(ProposalId, Receiver), KvError> {
        self.may_propose()?;
        let inner = &self.0;
        let bugs = inner.options.bugs;
        let early = bugs.has(Bug::CommitTsAllocatedBeforePropose)
            || (bugs.has(Bug::CommitTsBeforePrewrite) && txn.phase == Phase::Commit);
        if !early || txn.commit_ts == 0 {
            self.issue_commit_ts(txn)?;
        }
        if !inner.options.bugs.has(Bug::ReadKeysNotInLog) {
            return self.propose(&Payload::Txn(txn.clone()), Some(txn.request));
        }
        let without_reads = TxnRequest { read_keys: Vec::new(), ..txn.clone() };
        self.propose(&Payload::Txn(without_reads), Some(txn.request))
    }

    /// The next timestamp of this node's clock, after the transaction's snapshot (`NextTimestampAfterThrough`).
    pub fn issue_commit_ts(&self, txn: &mut TxnRequest) -> Result<(), KvError> {
        let inner = &self.0;
        let term = inner.raft.borrow().term();
        let fsm = inner.fsm.borrow();
        if !inner.options.bugs.has(Bug::NoCommitGtStartCheck) {
            fsm.hlc.observe(txn.start_ts);
        }
        txn.commit_ts = if inner.options.bugs.has(Bug::HlcUnfencedNext) {
            fsm.hlc.next(inner.env.wall_ms())
        } else {
            let next = fsm.hlc.next_fenced(inner.env.wall_ms());
            next.inspect_err(|_| {
                sometimes!(inner.env, "timestamp refused for the ceiling");
                inner.refused.set(inner.refused.get() + 1);
            })?
        };
        drop(fsm);
        inner.env.observe(Fact::Stamped { term, ts: txn.commit_ts });
        Ok(())
    }

    fn may_propose(&self) -> Result<(), KvError> {
        let leads = self.0.raft.borrow().is_leader();
        if leads && self.0.serves() { Ok(()) } else { Err(KvError::NotLeader) }
    }

    fn propose(
        &self,
        payload: &Payload,
        request: Option<RequestId>,
    ) -> Result<(ProposalId, Receiver), KvError> {
        self.may_propose()?;
        let inner = &self.0;
        let mut proposals = inner.proposals.borrow_mut();
        proposals.counter += 1;
        let counter = proposals.counter;
        let id = if inner.options.bugs.has(Bug::ProposalIdProcessCounter) {
            ProposalId { node: 0, boot: 0, counter }
        } else {
            ProposalId { node: inner.env.id().0, boot: inner.boot, counter }
        };
        inner.stamp();
        inner.raft.borrow_mut().propose(seal(id, payload)).map_err(|error| match error {
            ProposeError::TooLarge { .. } => KvError::InvalidRequest,
            _ => KvError::NotLeader,
        })?;
        let (answer, receiver) = oneshot::channel();
        proposals.waiting.insert(id, Waiter { request, answer });
        inner.wake.notify();
        Ok((id, receiver))
    }

    async fn wait(&self, (id, receiver): (ProposalId, Receiver)) -> Result<Response, KvError> {
        let _forget = Forget(self, id);
        receiver.await.unwrap_or(Err(KvError::Closed))
    }

    /// The check that upstream once made here only, before the proposal (F2).
    pub fn check_read_keys(&self, txn: &TxnRequest) -> Result<(), KvError> {
        let fsm = self.0.fsm.borrow();
        let checked = fsm.store.check(txn.read_keys.iter(), txn.start_ts);
        checked.map_err(|WriteConflict { key }| KvError::WriteConflict(key))
    }

    /// Answers whoever waits for the entry with this id.
    pub(super) fn resolve(
        &self,
        id: ProposalId,
        entry: Option<RequestId>,
        index: u64,
        response: Response,
    ) {
        let Some(waiter) = self.0.proposals.borrow_mut().waiting.remove(&id) else { return };
        if let Some(request) = waiter.request {
            self.0.env.observe(Fact::Answered { request, entry, index });
        }
        if let (Some(request), Response::Committed { commit_ts, duplicate: false }) =
            (waiter.request, &response)
        {
            self.0.env.observe(Fact::Acked { request, index, commit_ts: *commit_ts });
        }
        // Err: the caller gave up in this very turn.
        let _ = waiter.answer.send(Ok(response));
    }
}

type Receiver = oneshot::Receiver<Result<Response, KvError>>;
