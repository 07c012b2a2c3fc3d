//! What a driver is to do next, and that it has been done. Mirrors `rawnode.go` without async storage writes.

use super::core::{Raft, ReadState, SoftState};
use super::message::{Entry, HardState, Message, Snapshot};

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
}

/// What counts once a `Ready` is done.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    to_self: Vec<Message>,
    term: u64,
    /// Last index and term of the log at that time.
    last: Option<(u64, u64)>,
    snapshot: Option<u64>,
    applied: u64,
}

impl Raft {
    /// Whether [`Raft::ready`] would return anything. Cheap.
    pub fn has_ready(&self) -> bool {
        !self.messages.is_empty()
            || !self.answers.is_empty()
            || !self.to_self.is_empty()
            || self.log.has_unhanded()
            || self.log.has_unapplied()
            || !self.read_states.is_empty()
            || self.soft_state() != self.last_soft
            || self.hard_state() != self.last_hard
            || self.log.has_unhanded_snapshot()
    }

    /// Hands out the work since the last one.
    ///
    /// # Panics
    /// If the last one was not advanced.
    pub fn ready(&mut self) -> Ready {
        assert!(self.accepted.is_none(), "advance the last ready first");
        let hard = self.hard_state();
        let (soft, last_hard) = (self.soft_state(), self.last_hard);
        let snapshot = self.log.hand_out_snapshot();
        let committed = self.log.hand_out_committed(self.config.max_committed_size_per_ready);
        let entries = self.log.hand_out();
        let mut messages = std::mem::take(&mut self.messages);
        messages.append(&mut self.answers);
        self.accepted = Some(Accepted {
            to_self: std::mem::take(&mut self.to_self),
            term: self.term,
            last: self.log.has_unstable().then(|| (self.log.last_index(), self.log.last_term())),
            snapshot: snapshot.as_ref().map(|snapshot| snapshot.meta.index),
            applied: committed.last().map_or(0, |entry| entry.index),
        });
        let ready = Ready {
            soft_state: (soft != self.last_soft).then_some(soft),
            hard_state: (hard != last_hard).then_some(hard),
            must_sync: !entries.is_empty()
                || (hard.term, hard.vote) != (last_hard.term, last_hard.vote),
            entries,
            snapshot,
            messages,
            committed,
            read_states: std::mem::take(&mut self.read_states),
        };
        self.last_soft = soft;
        self.last_hard = hard;
        ready
    }

    /// The last [`Ready`] was persisted, sent and applied. Only now does this node count its own entries and
    /// its own vote. What was stepped in between is kept apart.
    pub fn advance(&mut self) {
        let Some(accepted) = self.accepted.take() else { return };
        for m in accepted.to_self {
            self.handle(m);
        }
        // In a newer term the entries may have been replaced twice: the next one settles it.
        if let Some((index, term)) = accepted.last
            && accepted.term == self.term
        {
            self.log.stable_to(index, term);
        }
        if let Some(index) = accepted.snapshot {
            self.log.installed(index);
        }
        self.log.applied_to(accepted.applied.max(self.log.applied));
    }
}
