//! The log in memory: a mirror of the durable log after its last snapshot, with the entries that are not
//! durable yet. Mirrors `log.go` and `log_unstable.go`, and `storage.go`'s `MemoryStorage` beneath them.
//!
//! Promises that committed entries are never replaced. Indexes: `offset <= applied <= applying <= committed
//! <= last`, `offset <= stable <= handed <= last`; an uninstalled snapshot excepts `applied`.

use super::message::{Entry, Snapshot, SnapshotMeta};
use super::storage::Applied;
use std::fmt;

/// What an entry weighs beside its data when sizes are limited, bytes.
const ENTRY_OVERHEAD: usize = 16;

fn weight(entry: &Entry) -> usize {
    ENTRY_OVERHEAD + entry.data.len()
}

/// Why a snapshot does not shorten the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompactError {
    /// It covers entries that were not applied.
    NotApplied {
        /// The snapshot's index.
        index: u64,
        /// The last applied index.
        applied: u64,
    },
    /// A newer one is kept already.
    Stale {
        /// The snapshot's index.
        index: u64,
        /// Index of the kept one.
        kept: u64,
    },
    /// It was taken from another log.
    Term {
        /// The snapshot's index.
        index: u64,
        /// The snapshot's term.
        got: u64,
        /// The log's term at that index.
        want: u64,
    },
}

impl fmt::Display for CompactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompactError::NotApplied { index, applied } => {
                write!(f, "snapshot at index {index} is past the applied index {applied}")
            }
            CompactError::Stale { index, kept } => {
                write!(f, "snapshot at index {index} is older than the kept one at {kept}")
            }
            CompactError::Term { index, got, want } => {
                write!(f, "snapshot at index {index} has term {got}, the log has term {want} there")
            }
        }
    }
}

impl std::error::Error for CompactError {}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The snapshot's index: `entries[0]` comes after it.
    offset: u64,
    offset_term: u64,
    entries: Vec<Entry>,
    pub committed: u64,
    /// Entries up to here were given out for applying.
    pub applying: u64,
    pub applied: u64,
    /// What was given out for applying and is not applied weighs this much.
    applying_bytes: usize,
    /// As much is being applied as may be.
    applying_paused: bool,
    /// Entries up to here were given out for persisting.
    handed: u64,
    /// Entries up to here are durable.
    stable: u64,
    /// Received from the leader, not installed yet.
    pending: Option<Snapshot>,
    pending_handed: bool,
    /// At `offset` or after it, for peers that need it.
    kept: Option<Snapshot>,
}

impl Log {
    pub(super) fn new(snapshot: &SnapshotMeta, entries: Vec<Entry>) -> Self {
        let last = snapshot.index + entries.len() as u64;
        Log {
            offset: snapshot.index,
            offset_term: snapshot.term,
            entries,
            committed: snapshot.index,
            applying: snapshot.index,
            applied: snapshot.index,
            handed: last,
            stable: last,
            ..Log::default()
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn last_index(&self) -> u64 {
        self.offset + self.entries.len() as u64
    }

    pub(super) fn last_term(&self) -> u64 {
        self.entries.last().map_or(self.offset_term, |entry| entry.term)
    }

    /// The term at `index`; `None` where it was compacted or does not exist yet.
    pub(super) fn term(&self, index: u64) -> Option<u64> {
        match index.checked_sub(self.offset)? {
            0 => Some(self.offset_term),
            nth => self.entries.get(nth as usize - 1).map(|entry| entry.term),
        }
    }

    pub(super) fn matches(&self, index: u64, term: u64) -> bool {
        self.term(index) == Some(term)
    }

    /// Whether a log that ends in (`term`, `index`) is at least as new as this one.
    pub(super) fn is_up_to_date(&self, index: u64, term: u64) -> bool {
        (term, index) >= (self.last_term(), self.last_index())
    }

    /// The entries after `index`.
    pub(super) fn after(&self, index: u64) -> &[Entry] {
        let skip = index.saturating_sub(self.offset) as usize;
        self.entries.get(skip..).unwrap_or_default()
    }

    /// The entries after `after` up to and with `to`: as many as weigh `bytes_max`, and at least one.
    pub(super) fn slice(&self, after: u64, to: u64, bytes_max: usize) -> Vec<Entry> {
        let entries = self.after(after);
        let entries = &entries[..entries.len().min(to.saturating_sub(after) as usize)];
        let mut bytes = 0;
        let fits = entries.iter().take_while(|entry| {
            let first = bytes == 0;
            bytes += weight(entry);
            first || bytes <= bytes_max
        });
        let count = fits.count();
        entries[..count].to_vec()
    }

    /// Adds `entries`, replacing what this log has at their indexes and after.
    pub(super) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let before = first.index - 1;
        assert!(
            before >= self.committed && before <= self.last_index(),
            "append after index {before} is outside of {}..={}, our bug",
            self.committed,
            self.last_index(),
        );
        self.entries.truncate((before - self.offset) as usize);
        self.entries.extend_from_slice(entries);
        self.handed = self.handed.min(before);
        self.stable = self.stable.min(before);
    }

    /// Adds what is new in `entries`, which follow an entry that both logs have.
    pub(super) fn merge(&mut self, entries: &[Entry]) {
        let new = entries.iter().position(|entry| !self.matches(entry.index, entry.term));
        if let Some(new) = new {
            self.append(&entries[new..]);
        }
    }

    /// The highest index up to `index` where a log that has `term` at its own end there may agree with this
    /// one, and our term there; 0 when unknown. Skips whole terms instead of probing each index.
    pub(super) fn find_conflict(&self, index: u64, term: u64) -> (u64, u64) {
        let mut guess = index;
        while guess > 0 {
            match self.term(guess) {
                None => return (guess, 0),
                Some(ours) if ours <= term => return (guess, ours),
                Some(_) => guess -= 1,
            }
        }
        (0, 0)
    }

    pub(super) fn commit_to(&mut self, index: u64) {
        assert!(index <= self.last_index(), "commit {index} is past the log's end, our bug");
        self.committed = self.committed.max(index);
    }

    pub(super) fn applied_to(&mut self, index: u64) {
        assert!(index <= self.committed, "applied {index} is past the commit index, our bug");
        self.applied = self.applied.max(index);
        self.applying = self.applying.max(index);
    }

    pub(super) fn has_unhanded(&self) -> bool {
        self.handed < self.last_index()
    }

    /// Entries to persist, given out once.
    pub(super) fn hand_out(&mut self) -> Vec<Entry> {
        let entries = self.after(self.handed).to_vec();
        self.handed = self.last_index();
        entries
    }

    /// Whether entries are not known to be durable.
    pub(super) fn has_unstable(&self) -> bool {
        self.stable < self.last_index()
    }

    /// The entry at `index` and all before it are durable, unless it was replaced meanwhile.
    pub(super) fn stable_to(&mut self, index: u64, term: u64) {
        if self.matches(index, term) {
            self.stable = self.stable.max(index);
            self.handed = self.handed.max(index);
        }
    }

    /// Whether there is anything to apply. Nothing is past a snapshot that is not installed.
    pub(super) fn has_unapplied(&self, unstable_too: bool) -> bool {
        self.pending.is_none()
            && !self.applying_paused
            && self.applying < self.appliable(unstable_too)
    }

    fn appliable(&self, unstable_too: bool) -> u64 {
        if unstable_too { self.committed } else { self.committed.min(self.stable) }
    }

    /// Committed entries to apply, given out once, and how much that is. At most `bytes_max` are being applied
    /// at a time, or one entry.
    pub(super) fn hand_out_committed(
        &mut self,
        bytes_max: usize,
        unstable_too: bool,
    ) -> (Vec<Entry>, Option<Applied>) {
        if !self.has_unapplied(unstable_too) {
            return (Vec::new(), None);
        }
        let to = self.appliable(unstable_too);
        let entries = self.slice(self.applying, to, bytes_max - self.applying_bytes);
        let bytes = entries.iter().map(weight).sum();
        self.applying += entries.len() as u64;
        self.applying_bytes += bytes;
        self.applying_paused = self.applying_bytes >= bytes_max || self.applying < to;
        (entries, Some(Applied { index: self.applying, bytes }))
    }

    /// What was given out for applying is applied.
    pub(super) fn applied_entries(&mut self, applied: Applied, bytes_max: usize) {
        self.applying_bytes = self.applying_bytes.saturating_sub(applied.bytes);
        self.applying_paused = self.applying_bytes >= bytes_max;
        self.applied_to(applied.index);
    }

    pub(super) fn pending_snapshot(&self) -> Option<&Snapshot> {
        self.pending.as_ref()
    }

    pub(super) fn has_unhanded_snapshot(&self) -> bool {
        self.pending.is_some() && !self.pending_handed
    }

    /// The snapshot to persist and install, given out once.
    pub(super) fn hand_out_snapshot(&mut self) -> Option<Snapshot> {
        if !self.has_unhanded_snapshot() {
            return None;
        }
        self.pending_handed = true;
        self.pending.clone()
    }

    /// A state from which the log carries on, if its data is known.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.pending.as_ref().or(self.kept.as_ref())
    }

    /// The log becomes the leader's snapshot.
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        self.offset = snapshot.meta.index;
        self.offset_term = snapshot.meta.term;
        self.entries.clear();
        self.committed = self.offset;
        self.handed = self.offset;
        self.stable = self.offset;
        self.pending = Some(snapshot);
        self.pending_handed = false;
    }

    /// The snapshot at `index` was persisted and installed.
    pub(super) fn installed(&mut self, index: u64) {
        if self.pending.as_ref().is_some_and(|snapshot| snapshot.meta.index == index) {
            self.kept = self.pending.take();
            self.pending_handed = false;
        }
        self.applied_to(index.max(self.applied));
    }

    /// Keeps a local snapshot for lagging peers.
    pub(super) fn keep(&mut self, snapshot: Snapshot) -> Result<(), CompactError> {
        let SnapshotMeta { index, term, .. } = snapshot.meta;
        let oldest = self.snapshot().map_or(self.offset, |kept| kept.meta.index.max(self.offset));
        if index < oldest {
            return Err(CompactError::Stale { index, kept: oldest });
        }
        // The driver may take it while it applies a ready that is not advanced yet.
        if index > self.applying {
            return Err(CompactError::NotApplied { index, applied: self.applying });
        }
        match self.term(index).unwrap_or_default() {
            want if want != term => Err(CompactError::Term { index, got: term, want }),
            _ => {
                self.kept = Some(snapshot);
                Ok(())
            }
        }
    }

    /// Keeps a local snapshot and drops the entries that it covers.
    pub(super) fn compact(&mut self, snapshot: Snapshot) -> Result<(), CompactError> {
        let index = snapshot.meta.index;
        self.keep(snapshot)?;
        self.drop_to(index)
    }

    /// Drops the entries up to `index`, which the kept snapshot covers.
    pub(super) fn drop_to(&mut self, index: u64) -> Result<(), CompactError> {
        if index < self.offset {
            return Err(CompactError::Stale { index, kept: self.offset });
        }
        let covered = self.kept.as_ref().map_or(self.offset, |kept| kept.meta.index);
        if index > covered {
            return Err(CompactError::NotApplied { index, applied: covered });
        }
        self.offset_term = self.term(index).unwrap_or(self.offset_term);
        self.entries.drain(..(index - self.offset) as usize);
        self.offset = index;
        self.handed = self.handed.max(index);
        self.stable = self.stable.max(index);
        Ok(())
    }
}
