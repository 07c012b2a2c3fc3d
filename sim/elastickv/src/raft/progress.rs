//! What a leader knows of a peer's log, and how fast it may send. Mirrors `tracker/progress.go` and
//! `tracker/inflights.go`.
//!
//! Promises `matched < next` whatever answers come late, twice or out of order.

use std::collections::VecDeque;
use std::fmt;

/// How entries flow to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressState {
    /// Where its log ends is unknown: one append at a time.
    #[default]
    Probe,
    /// Its log is known to match: appends are sent ahead of their acks.
    Replicate,
    /// It needs a snapshot: no appends.
    Snapshot,
}

impl fmt::Display for ProgressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProgressState::Probe => "StateProbe",
            ProgressState::Replicate => "StateReplicate",
            ProgressState::Snapshot => "StateSnapshot",
        })
    }
}

/// One peer as the leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Highest index known to be in its log as in ours.
    pub matched: u64,
    /// Next index to send.
    pub next: u64,
    /// How entries flow.
    pub state: ProgressState,
    /// Index of the snapshot under way, 0 for none.
    pub pending_snapshot: u64,
    /// Heard from since the last quorum check.
    pub recent_active: bool,
    /// Appends wait for an answer or a heartbeat's answer.
    pub paused: bool,
    /// Does not vote.
    pub learner: bool,
    /// Newest stamp that it echoed in this term.
    pub stamp: Option<u64>,
    sent_commit: u64,
    inflight: VecDeque<u64>,
    inflight_max: usize,
}

impl Progress {
    pub(super) fn new(next: u64, learner: bool, inflight_max: usize) -> Self {
        Progress { next, learner, inflight_max, ..Progress::default() }
    }

    /// Back to not knowing the peer, keeping the window's allocation: a new term.
    pub(super) fn reset(&mut self, next: u64, matched: u64) {
        let mut inflight = std::mem::take(&mut self.inflight);
        inflight.clear();
        *self =
            Progress { matched, inflight, ..Progress::new(next, self.learner, self.inflight_max) };
    }

    /// Appends that were sent and not acknowledged.
    pub fn inflight(&self) -> usize {
        self.inflight.len()
    }

    /// Whether the window is used up.
    pub fn is_full(&self) -> bool {
        self.inflight.len() >= self.inflight_max
    }

    /// Whether appends are held back.
    pub fn is_paused(&self) -> bool {
        self.paused || self.state == ProgressState::Snapshot
    }

    fn enter(&mut self, state: ProgressState) {
        self.paused = false;
        self.pending_snapshot = 0;
        self.state = state;
        self.inflight.clear();
    }

    pub(super) fn become_probe(&mut self) {
        // A snapshot that was delivered counts: probing starts after it.
        let floor = match self.state {
            ProgressState::Snapshot => self.pending_snapshot,
            _ => 0,
        };
        self.enter(ProgressState::Probe);
        self.next = self.matched.max(floor) + 1;
        self.sent_commit = self.sent_commit.min(self.next - 1);
    }

    pub(super) fn become_replicate(&mut self) {
        self.enter(ProgressState::Replicate);
        self.next = self.matched + 1;
    }

    pub(super) fn become_snapshot(&mut self, index: u64) {
        self.enter(ProgressState::Snapshot);
        self.pending_snapshot = index;
        self.next = index + 1;
        self.sent_commit = index;
    }

    /// The snapshot was lost: the next probe starts from what the peer is known to hold.
    pub(super) fn snapshot_failed(&mut self) {
        self.pending_snapshot = 0;
        self.become_probe();
    }

    pub(super) fn sent(&mut self, entries: usize, commit: u64) {
        match self.state {
            ProgressState::Replicate => {
                if entries > 0 {
                    self.next += entries as u64;
                    self.inflight.push_back(self.next - 1);
                }
                self.paused = self.is_full();
            }
            ProgressState::Probe => self.paused |= entries > 0,
            ProgressState::Snapshot => unreachable!("appends are paused while a snapshot is sent"),
        }
        self.sent_commit(commit);
    }

    pub(super) fn sent_commit(&mut self, commit: u64) {
        self.sent_commit = commit;
    }

    /// Whether telling `commit` may move the peer's commit index.
    pub(super) fn can_bump_commit(&self, commit: u64) -> bool {
        commit > self.sent_commit && self.sent_commit < self.next - 1
    }

    /// The peer matches up to `index`; false if that is old news.
    pub(super) fn acked(&mut self, index: u64) -> bool {
        if index <= self.matched {
            return false;
        }
        self.matched = index;
        self.next = self.next.max(index + 1);
        self.paused = false;
        true
    }

    /// The peer rejected an append at `rejected` and guesses `hint`; false if that is old news.
    pub(super) fn rejected(&mut self, rejected: u64, hint: u64) -> bool {
        if self.state == ProgressState::Replicate {
            if rejected <= self.matched {
                return false;
            }
            self.next = self.matched + 1;
        } else {
            // Probes go one at a time: an answer to another than the last one is late.
            if self.next - 1 != rejected {
                return false;
            }
            // Never below what it already acknowledged: a late rejection must not undo that.
            self.next = rejected.min(hint + 1).max(self.matched + 1);
            self.paused = false;
        }
        self.sent_commit = self.sent_commit.min(self.next - 1);
        true
    }

    pub(super) fn free_inflight(&mut self, to: u64) {
        while self.inflight.front().is_some_and(|index| *index <= to) {
            self.inflight.pop_front();
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} match={} next={}", self.state, self.matched, self.next)?;
        if self.learner {
            f.write_str(" learner")?;
        }
        if self.is_paused() {
            f.write_str(" paused")?;
        }
        if self.pending_snapshot > 0 {
            write!(f, " pendingSnap={}", self.pending_snapshot)?;
        }
        if !self.recent_active {
            f.write_str(" inactive")?;
        }
        if self.inflight() > 0 {
            let full = if self.is_full() { "[full]" } else { "" };
            write!(f, " inflight={}{full}", self.inflight())?;
        }
        Ok(())
    }
}
