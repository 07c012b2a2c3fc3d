//! What a node is started with. Mirrors `raft.go`'s `Config` and what it reads from `Storage`.

use super::error::StateError;
use super::message::{ConfState, Entry, HardState, SnapshotMeta};

/// What a read index relies on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadOnlyOption {
    /// A quorum confirms the leader after the read was asked for.
    #[default]
    Safe,
    /// The leader's own clock: `check_quorum` is needed, and clocks that drift apart break it. Elastickv does
    /// not use it.
    LeaseBased,
}

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
    /// How reads are confirmed.
    pub read_only: ReadOnlyOption,
    /// Storage works beside the core: see [`storage`](super::storage).
    pub async_storage_writes: bool,
    /// Conf changes enter the log although one is pending or the configuration does not fit.
    pub disable_conf_change_validation: bool,
    /// A leader that a conf change removes or demotes steps down at once.
    pub step_down_on_removal: bool,
    /// Votes are granted to candidates that lack entries: a planted bug.
    pub votes_for_any_log: bool,
    /// A vote is granted although another was in the same term: a planted bug.
    pub votes_again: bool,
}

impl Config {
    /// A node as etcd's defaults have it: elections after 10 ticks, heartbeats each tick, no limits of size.
    pub fn new(id: u64) -> Config {
        Config {
            id,
            election_tick: 10,
            heartbeat_tick: 1,
            pre_vote: false,
            check_quorum: false,
            max_size_per_msg: usize::MAX,
            max_committed_size_per_ready: usize::MAX,
            max_inflight: 256,
            applied: 0,
            read_only: ReadOnlyOption::Safe,
            async_storage_writes: false,
            disable_conf_change_validation: false,
            step_down_on_removal: false,
            votes_for_any_log: false,
            votes_again: false,
        }
    }
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
