//! Raft as a sans-io core: `tick | step | propose | read_index` in, [`Ready`] out. No clock, no random
//! number generator, no io: ticks, stamps and draws are handed in, and the driver persists, sends, applies.
//!
//! Promises: the five properties of the Raft paper (election safety, leader append-only, log matching,
//! leader completeness, state machine safety) and linearizable read indexes, as long as the driver persists
//! a [`Ready`] before it sends its messages. Cannot see: whether the driver did.
//!
//! The model is etcd's `go.etcd.io/raft` v3.7 as Elastickv configures it
//! (`internal/raftengine/etcd/engine.go`): PreVote, CheckQuorum, ReadOnlySafe, proposal forwarding off,
//! single-step membership. What Elastickv leaves alone of it (joint consensus, storage threads) is there too,
//! because etcd's interaction scripts, which say whether this is the same Raft, use it. Terms, messages, their order and the states of progress follow it. It differs
//! where this is said: lease stamps ([`Raft::quorum_stamp`]), a read index of a lone voter waits for an entry
//! of its own term, a second conf change is refused rather than replaced by an empty entry, a read index is
//! not forwarded, and what upstream answers with a panic on a peer's message is a [`StepError`].

pub mod codec;
pub mod config;
pub mod core;
mod election;
pub mod engine;
pub mod error;
pub mod log;
mod membership;
pub mod message;
pub mod progress;
pub mod quorum;
mod read_only;
pub mod ready;
mod replication;
pub mod snapshots;
pub mod status;
pub mod storage;
mod tracker;
pub mod wal;

pub use self::codec::{DecodeError, ENTRY_BYTES_MAX};
pub use self::config::{Config, InitialState, ReadOnlyOption};
pub use self::core::{Raft, ReadState, Role, SoftState};
pub use self::error::{ConfChangeError, ProposeError, StateError, StepError};
pub use self::log::CompactError;
pub use self::message::{
    ConfChange, ConfChangeKind, ConfChangeV2, ConfState, Entry, EntryKind, HardState, Message,
    MessageKind, NO_NODE, Snapshot, SnapshotMeta, Transition,
};
pub use self::progress::{Progress, ProgressState};
pub use self::ready::Ready;
pub use self::status::Status;
