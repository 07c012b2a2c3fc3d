//! What a node is started with. Mirrors `raft.go`'s `Config` and what it reads from `Storage`.

use super::error::StateError;
use super::message::{ConfState, Entry, HardState, SnapshotMeta};

/// How a node behaves. Sizes in bytes, times in ticks.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node, not [`NO_NODE`](super::NO_NODE).
    pub id: u64,
    /// Least time without a leader before an election; the most is twice that, less one.
    pub election_tick: u32,
    /// Between heartbeats, less than `election_tick`.
    pub heartbeat_tick: u32,
    /// Ask before raising the term.
    pub pre_vote: bool,
    /// A leader steps down without a quorum; followers of a live leader refuse votes.
    pub check_quorum: bool,
    /// Limit of the entries in one append; one entry always fits.
    pub max_size_per_msg: usize,
    /// Limit of the entries to apply in one `Ready`; one entry always fits.
    pub max_committed_size_per_ready: usize,
    /// Unacknowledged appends per peer, at least 1.
    pub max_inflight: usize,
    /// The driver's state holds all entries up to this index; 0 for what the snapshot covers.
    pub applied: u64,
}

/// What a node has on disk.
#[derive(Clone, Debug, Default)]
pub struct InitialState {
    /// As last persisted.
    pub hard_state: HardState,
    /// Where the log starts. Its data is not needed to start; a leader sends it only after the driver has
    /// handed it over with [`Raft::compact`](super::Raft::compact).
    pub snapshot: SnapshotMeta,
    /// The configuration as of the applied index.
    pub conf: ConfState,
    /// From `snapshot.index + 1`, consecutive.
    pub entries: Vec<Entry>,
}

impl InitialState {
    /// Whether [`Raft::new`](super::Raft::new) may start from it with this `applied`; it panics otherwise.
    pub fn check(&self, applied: u64) -> Result<(), StateError> {
        let mut want = self.snapshot.index;
        for entry in &self.entries {
            want += 1;
            if entry.index != want {
                return Err(StateError::Gap { got: entry.index, want });
            }
        }
        match applied.max(self.hard_state.commit) {
            index if index > want => Err(StateError::PastEnd { index, last: want }),
            _ => Ok(()),
        }
    }
}
