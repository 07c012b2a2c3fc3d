//! Storage that works beside the core: appends and applies are handed to two threads, each of which does its
//! work in order and reports when it is done. Mirrors `AsyncStorageWrites` of `rawnode.go`; without it a driver
//! does the same work between `ready` and `advance`. Elastickv does not use it; etcd's own scripts do.
//!
//! Promises the same as without: votes and acks leave only after what they promise was stored, and an entry is
//! applied only when it is stored here.

use super::core::Raft;
use super::message::{Entry, HardState, Message, Snapshot};
use super::ready::Ready;

/// To store, durable, in this order: the snapshot, the entries, the hard state. Then each answer goes to whom
/// it is for, this node included ([`Raft::step`]), and last `stored` to [`Raft::stored`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendWork {
    /// What has changed of it.
    pub hard_state: Option<HardState>,
    /// To append, after the durable log was cut before the first one's index.
    pub entries: Vec<Entry>,
    /// Replaces the durable log.
    pub snapshot: Option<Snapshot>,
    /// Votes and acks that wait for it.
    pub answers: Vec<Message>,
    /// What the core is to hear afterwards.
    pub stored: Option<Stored>,
}

/// What is durable after an [`AppendWork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The term in which it was handed out.
    pub term: u64,
    /// Index and term of the log's end at that time, if entries were not known to be durable.
    pub last: Option<(u64, u64)>,
    /// Index of the snapshot that was stored.
    pub snapshot: Option<u64>,
}

impl Stored {
    pub(super) fn has_news(&self) -> bool {
        self.last.is_some() || self.snapshot.is_some()
    }
}

/// To apply, in order; then `applied` goes to [`Raft::applied_by_driver`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyWork {
    /// Committed, and stored here.
    pub entries: Vec<Entry>,
    /// What the core is to hear afterwards.
    pub applied: Applied,
}

/// What is applied after an [`ApplyWork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The last entry's index.
    pub index: u64,
    /// What the entries weigh.
    pub bytes: usize,
}

impl Raft {
    /// Whether entries may be applied before they are stored here. They are committed, so others have stored
    /// them; but a thread that reads them from storage would not find them.
    pub(super) fn applies_unstable(&self) -> bool {
        !self.config.async_storage_writes
    }

    pub(super) fn put_to_threads(
        &mut self,
        ready: &mut Ready,
        stored: Option<Stored>,
        applied: Option<Applied>,
    ) {
        let answers = std::mem::take(&mut self.answers);
        let writes = !ready.entries.is_empty() || ready.hard_state.is_some();
        if writes || ready.snapshot.is_some() || !answers.is_empty() {
            ready.append = Some(Box::new(AppendWork {
                hard_state: ready.hard_state,
                entries: ready.entries.clone(),
                snapshot: ready.snapshot.clone(),
                answers,
                stored,
            }));
        }
        ready.apply = applied
            .map(|applied| Box::new(ApplyWork { entries: ready.committed.clone(), applied }));
    }

    /// The append thread has stored what it was given, and all before it.
    pub fn stored(&mut self, stored: Stored) {
        // In a newer term the entries may have been replaced twice: its own first append settles it.
        if let Some((index, term)) = stored.last
            && stored.term == self.term
        {
            self.log.stable_to(index, term);
        }
        // A snapshot is committed state: good in any term.
        if let Some(index) = stored.snapshot {
            self.log.installed(index);
        }
    }

    /// The apply thread has applied what it was given, and all before it.
    pub fn applied_by_driver(&mut self, applied: Applied) {
        self.log.applied_entries(applied, self.config.max_committed_size_per_ready);
        self.leave_joint_if_due();
    }
}
