//! What a driver is to do next, and that it has been done. Mirrors `rawnode.go`.

use super::core::{Raft, ReadState, SoftState};
use super::message::{Entry, HardState, Message, MessageKind, Snapshot};
use super::storage::{AppendWork, Applied, ApplyWork, Stored};

/// Work for the driver, in the order of the fields; then [`Raft::advance`].
#[derive(Debug, Default)]
pub struct Ready {
    /// Leader or role has changed.
    pub soft_state: Option<SoftState>,
    /// To persist.
    pub hard_state: Option<HardState>,
    /// To persist, after the durable log was cut before the first one's index; after `snapshot`.
    pub entries: Vec<Entry>,
    /// To persist and restore before anything else; durable before the messages leave, whatever `must_sync`
    /// says. The durable log becomes empty after it.
    pub snapshot: Option<Snapshot>,
    /// To send, when all of the above is durable.
    pub messages: Vec<Message>,
    /// To apply; entries of this same `Ready` may be among them.
    pub committed: Vec<Entry>,
    /// Reads that may be served once applied.
    pub read_states: Vec<ReadState>,
    /// `hard_state` and `entries` must be synced before the messages leave; otherwise only the commit index
    /// has changed.
    pub must_sync: bool,
    /// What the append thread is to persist; with `async_storage_writes` only.
    pub append: Option<Box<AppendWork>>,
    /// What the apply thread is to apply; with `async_storage_writes` only.
    pub apply: Option<Box<ApplyWork>>,
}

/// What counts once a `Ready` is done.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    to_self: Vec<Message>,
    stored: Option<Stored>,
    applied: Option<Applied>,
}

impl Raft {
    /// Whether [`Raft::ready`] would return anything. Cheap.
    pub fn has_ready(&self) -> bool {
        !self.messages.is_empty()
            || !self.answers.is_empty()
            || self.log.has_unhanded()
            || self.log.has_unapplied(self.applies_unstable())
            || !self.read_states.is_empty()
            || self.soft_state() != self.last_soft
            || self.hard_state() != self.last_hard
            || self.log.has_unhanded_snapshot()
    }

    /// Hands out the work since the last one. With `async_storage_writes` there may be several under way, whose
    /// work has to be done in this order; otherwise the last one has to be advanced first.
    ///
    /// # Panics
    /// If the last one was not advanced.
    pub fn ready(&mut self) -> Ready {
        assert!(self.accepted.is_none(), "advance the last ready first");
        let hard = self.hard_state();
        let (soft, last_hard) = (self.soft_state(), self.last_hard);
        let snapshot = self.log.hand_out_snapshot();
        let bytes_max = self.config.max_committed_size_per_ready;
        let (committed, applied) = self.log.hand_out_committed(bytes_max, self.applies_unstable());
        let entries = self.log.hand_out();
        let stored = Stored {
            term: self.term,
            last: self.log.has_unstable().then(|| (self.log.last_index(), self.log.last_term())),
            snapshot: snapshot.as_ref().map(|snapshot| snapshot.meta.index),
        };
        let mut ready = Ready {
            soft_state: (soft != self.last_soft).then_some(soft),
            hard_state: (hard != last_hard).then_some(hard),
            must_sync: !entries.is_empty()
                || (hard.term, hard.vote) != (last_hard.term, last_hard.vote),
            entries,
            snapshot,
            messages: std::mem::take(&mut self.messages),
            committed,
            read_states: std::mem::take(&mut self.read_states),
            append: None,
            apply: None,
        };
        self.last_soft = soft;
        self.last_hard = hard;
        let stored = stored.has_news().then_some(stored);
        if self.config.async_storage_writes {
            self.put_to_threads(&mut ready, stored, applied);
        } else {
            let (own, last) = (self.config.id, self.log.last_index());
            // What was acknowledged and then replaced, by a snapshot or by a later leader's entries, before it could be
            // persisted: the deposed leader waits in vain. Upstream answers it.
            let holds = |m: &Message| m.kind != MessageKind::AppResp || m.reject || m.index <= last;
            let mut to_self = Vec::new();
            for answer in self.answers.drain(..).filter(holds) {
                if answer.to == own { &mut to_self } else { &mut ready.messages }.push(answer);
            }
            self.accepted = Some(Accepted { to_self, stored, applied });
        }
        ready
    }

    /// The last [`Ready`] was persisted, sent and applied. Only now does this node count its own entries and
    /// its own vote. What was stepped in between is kept apart. Not with `async_storage_writes`.
    pub fn advance(&mut self) {
        let Some(accepted) = self.accepted.take() else { return };
        for m in accepted.to_self {
            self.handle(m);
        }
        if let Some(stored) = accepted.stored {
            self.stored(stored);
        }
        if let Some(applied) = accepted.applied {
            self.applied_by_driver(applied);
        }
    }
}
