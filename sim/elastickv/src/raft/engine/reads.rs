//! Linearizable reads (`handleRead`, `handleReadStates`, `resolveReadyReads`) and leases (`LastQuorumAck`).
//!
//! Reads asked while the engine was busy share one round (upstream: a round each); the round begins after all of them.
//!
//! A lease is a promise of a quorum not to elect another leader for an election time-out after it heard from this one. It
//! is counted from when the acknowledged message was made: when the answer arrives says nothing of when it was heard.

use super::Engine;
use crate::bug::Bug;
use crate::env::{Env, Fact};
use crate::kv::error::KvError;
use futures_channel::oneshot;
use std::collections::BTreeMap;
use std::time::Duration;

type Answer = oneshot::Sender<Result<u64, KvError>>;

/// Calls waiting for a read index, or for it to be applied.
#[derive(Default)]
pub(super) struct Reads {
    contexts: u64,
    /// Asked since the engine's last turn: they share the next round.
    queued: Vec<Answer>,
    asked: BTreeMap<u64, Vec<Answer>>,
    unapplied: Vec<(u64, Answer)>,
    /// The last lease, for who forgets that it is lost.
    lease: Option<(u64, u64)>,
}

impl Reads {
    pub(super) fn fail_all(&mut self, error: KvError) {
        let queued = std::mem::take(&mut self.queued).into_iter();
        let asked = std::mem::take(&mut self.asked).into_values().flatten();
        let unapplied = std::mem::take(&mut self.unapplied).into_iter().map(|(_, answer)| answer);
        for answer in queued.chain(asked).chain(unapplied) {
            // Err: nobody waits any more.
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Raft confirmed leadership for a round.
    pub(super) fn confirmed(&mut self, context: u64, index: u64) {
        let answers = self.asked.remove(&context).unwrap_or_default();
        self.unapplied.extend(answers.into_iter().map(|answer| (index, answer)));
    }

    /// Answers the reads whose index is applied.
    pub(super) fn resolve(&mut self, applied: u64) {
        if self.unapplied.is_empty() {
            return;
        }
        let (ready, waiting) = std::mem::take(&mut self.unapplied)
            .into_iter()
            .partition(|(index, _)| *index <= applied);
        self.unapplied = waiting;
        for (index, answer) in ready {
            // Err: nobody waits any more.
            let _ = answer.send(Ok(index));
        }
    }
}

impl<E: Env> Engine<E> {
    /// Returns when a quorum confirmed that this node leads and everything committed before the call is applied here.
    pub async fn linearizable_read(&self) -> Result<u64, KvError> {
        if !self.is_leader() {
            return Err(KvError::NotLeader);
        }
        let (answer, receiver) = oneshot::channel();
        self.0.reads.borrow_mut().queued.push(answer);
        self.0.wake.notify();
        receiver.await.unwrap_or(Err(KvError::Closed))
    }

    /// One round of heartbeats for all reads asked since the last turn.
    pub(super) fn ask_reads(&self) {
        let inner = &self.0;
        let mut reads = inner.reads.borrow_mut();
        // A round that nobody waits for any more was lost on the way.
        reads.asked.retain(|_, answers| answers.iter().any(|answer| !answer.is_canceled()));
        if reads.queued.is_empty() {
            return;
        }
        reads.contexts += 1;
        let context = reads.contexts;
        let answers = std::mem::take(&mut reads.queued);
        inner.stamp();
        match inner.raft.borrow_mut().read_index(context) {
            Ok(()) => {
                reads.asked.insert(context, answers);
            }
            Err(_) => {
                for answer in answers {
                    // Err: nobody waits any more.
                    let _ = answer.send(Err(KvError::NotLeader));
                }
            }
        }
    }

    /// `VerifyLeader`. Raft confirms no read before an entry of its own term is committed, so a leader that is verified also serves.
    pub async fn verify_leader(&self) -> Result<(), KvError> {
        self.linearizable_read().await.map(|_| ())
    }

    /// Whether a quorum heard from this leader so lately that no other can have been elected, and everything that its predecessors
    /// acknowledged is applied here.
    pub fn lease_holds(&self) -> bool {
        let inner = &self.0;
        let Some((term, heard)) = self.lease() else { return false };
        let since = inner.env.monotonic().saturating_sub(Duration::from_nanos(heard));
        let holds = since < inner.options.lease();
        if holds {
            let applied = inner.fsm.borrow().applied();
            inner.env.observe(Fact::LeaseRead { term, applied });
        }
        holds
    }

    /// The term that this node may lead and the time from which its lease counts (`LastQuorumAck`, and the state that `LeaseRead` asks).
    fn lease(&self) -> Option<(u64, u64)> {
        let inner = &self.0;
        let bugs = inner.options.bugs;
        let raft = inner.raft.borrow();
        let ready = inner.serves.get() || bugs.has(Bug::LeaseIgnoresTermCommit);
        let leads = inner.leads.get().is_some() && ready;
        let heard = raft.quorum_stamp().filter(|_| leads).map(|heard| (raft.term(), heard));
        if bugs.has(Bug::LeaseNoInvalidateOnLoss) {
            let mut reads = inner.reads.borrow_mut();
            reads.lease = heard.or(reads.lease);
            return reads.lease;
        }
        heard.filter(|_| !raft.transfer_sent())
    }
}
