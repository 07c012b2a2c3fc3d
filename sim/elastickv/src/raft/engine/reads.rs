//! Linearizable reads (`handleRead`, `handleReadStates`, `resolveReadyReads`) and leases (`LastQuorumAck`).
//!
//! A lease is a promise of a quorum not to elect another leader for an election time-out after it heard from this one. It
//! is counted from when the acknowledged message was made: when the answer arrives says nothing of when it was heard.

use super::Engine;
use crate::env::Env;
use crate::kv::error::KvError;
use futures_channel::oneshot;
use std::collections::BTreeMap;
use std::time::Duration;

/// Calls waiting for a read index, or for it to be applied.
#[derive(Default)]
pub(super) struct Reads {
    contexts: u64,
    asked: BTreeMap<u64, oneshot::Sender<Result<u64, KvError>>>,
    unapplied: Vec<(u64, oneshot::Sender<Result<u64, KvError>>)>,
}

impl Reads {
    pub(super) fn fail_all(&mut self, error: KvError) {
        let asked = std::mem::take(&mut self.asked).into_values();
        let unapplied = std::mem::take(&mut self.unapplied).into_iter().map(|(_, answer)| answer);
        for answer in asked.chain(unapplied) {
            // Err: nobody waits any more.
            let _ = answer.send(Err(error.clone()));
        }
    }

    /// Raft confirmed leadership for this read.
    pub(super) fn confirmed(&mut self, context: u64, index: u64) {
        if let Some(answer) = self.asked.remove(&context) {
            self.unapplied.push((index, answer));
        }
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
        self.asked.retain(|_, answer| !answer.is_canceled());
    }
}

impl<E: Env> Engine<E> {
    /// Returns when a quorum confirmed that this node leads and everything committed before the call is applied here.
    pub async fn linearizable_read(&self) -> Result<u64, KvError> {
        let receiver = {
            let inner = &self.0;
            if !self.is_leader() {
                return Err(KvError::NotLeader);
            }
            let mut reads = inner.reads.borrow_mut();
            reads.contexts += 1;
            let context = reads.contexts;
            inner.stamp();
            inner.raft.borrow_mut().read_index(context).map_err(|_| KvError::NotLeader)?;
            let (answer, receiver) = oneshot::channel();
            reads.asked.insert(context, answer);
            inner.wake.notify();
            receiver
        };
        receiver.await.unwrap_or(Err(KvError::Closed))
    }

    /// `VerifyLeader`. Raft confirms no read before an entry of its own term is committed, so a leader that is verified also serves.
    pub async fn verify_leader(&self) -> Result<(), KvError> {
        self.linearizable_read().await.map(|_| ())
    }

    /// Whether a quorum heard from this leader so lately that no other can have been elected, and everything that its predecessors
    /// acknowledged is applied here.
    pub fn lease_holds(&self) -> bool {
        let inner = &self.0;
        if inner.leads.get().is_none() || !inner.serves.get() {
            return false;
        }
        let raft = inner.raft.borrow();
        let Some(heard) = raft.quorum_stamp().filter(|_| raft.is_leader() && !raft.transfer_sent())
        else {
            return false;
        };
        inner.env.monotonic().saturating_sub(Duration::from_nanos(heard)) < inner.options.lease()
    }
}
