//! Planted bugs: mistakes that can be switched on, each in the place where Elastickv's Go code has the guard.
//!
//! A bug removes or reorders one real guard. It fabricates no value and draws no random number, so what it
//! leads to is what the real mistake would lead to. Bugs are data in [`crate::options::Options`], never a `cfg`.

mod profile;

pub use profile::{PROFILE, Profile};

use crate::options::Wiring;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// F3, fixed by 13008e3f: a transaction's start timestamp comes from the clock, ahead of what the store holds.
    StartTsFromHlcNext,
    /// F2, fixed by bf8c9e71: the read set is checked before the proposal only, and is not in the log entry.
    ReadKeysNotInLog,
    /// F6, fixed by 2f3d4a1c: a follower executes MULTI/EXEC on its own state.
    ExecOnFollower,
    /// F7, fixed by b19d0b3a: a follower answers LRANGE from its own state.
    LrangeLocalOnFollower,
    /// S1, suspected at upstream's head: proposal ids are a counter of the process, so another node's entry can
    /// complete a local waiter.
    ProposalIdProcessCounter,
    /// A classic: entries are acknowledged before they are synced.
    AckBeforeFsync,
    /// A classic: a vote is answered without being made durable.
    VoteNotPersisted,
    /// F29, fixed by 08dea3e3: commit timestamps are issued without asking whether the Raft-agreed ceiling still holds.
    HlcUnfencedNext,
    /// F35, fixed by 28808ed3: LastCommitTS is not durable with its batch.
    LastCommitTsNosync,
    /// F32, fixed by 20f90a93: a restart forgets the ceilings in log entries that the store already covers.
    SkipGateDropsHlcLease,
    /// G3, a gap of the TLA+ model: a compaction drops also the version that snapshots at its watermark see.
    CompactDropsVisible,
    /// F44, fixed by 07ef088f: of a transaction across groups the parts that only read are not prepared, so nothing checks them.
    NoReadonlyShardValidation,
    /// S8, suspected at upstream's head: a primary group that has not prepared a transaction means that it was rolled back.
    MissingPrimaryLockMeansRollback,
    /// F39, fixed by 75353f1f: a node that finds its disk empty makes a group of its own instead of waiting to be added.
    SelfBootstrapOnEmptyPeers,
    /// F19, fixed by f86c6898: a leader keeps its lease when it hands leadership over or loses it.
    LeaseNoInvalidateOnLoss,
    /// F1, fixed by a6f333f2: a transaction that is sent to the leader again has no identity by which a repetition is
    /// known.
    DisableOnephaseDedup,
    /// A classic: a vote is granted although another candidate has this node's vote in the same term.
    VoteTwiceInATerm,
    /// A classic: a vote is granted without comparing logs.
    VoteWithoutLogCheck,
    /// S2, suspected at upstream's head: the commit timestamp is issued before VerifyLeader, so that timestamps do
    /// not follow the log.
    CommitTsAllocatedBeforePropose,
    /// S3, suspected at upstream's head: a new leader issues timestamps although its log carries some that it has not
    /// applied.
    HlcNoApplyBarrierOnElection,
    /// S4, suspected at upstream's head: a client is told NOTLEADER of a transaction that may still commit.
    ReplyNotleaderWhenUnknown,
    /// S5, suspected at upstream's head: a follower sends a command to the leader again when its reply does not come.
    ProxyClientRetries,
    /// Fixed by cbc99dd1 for LRANGE, and like it for GET and EXEC: the snapshot is chosen before the fence. What else reads (ZRANGE,
    /// SMEMBERS, HGET and their like) is suspected still: S6.
    ReadTsBeforeFence,
    /// S7, suspected at upstream's head: a new leader reads by its lease before it has applied an entry of its own
    /// term.
    LeaseIgnoresTermCommit,
    /// S11, suspected at upstream's head: a transaction whose leader was deposed is taken for one that was never
    /// proposed, and made anew with a later snapshot.
    RetryUnknownWithFreshTs,
    /// S9, suspected at upstream's head: the commit timestamp of a transaction across groups is
    /// allocated before its keys are held.
    CommitTsBeforePrewrite,
    /// S10, suspected at upstream's head: when a lock expires is worked out by each node's wall
    /// clock while it applies the entry.
    ApplyUsesWallClock,
    /// S13, suspected at upstream's head: a snapshot is chosen before the fence, and then raised to
    /// what the fence returns, which is an index of the log and no timestamp. Of the wiring of `demo.go`.
    FenceReturnsIndex,
    /// S6, suspected at upstream's head: the commands of table A1.5 that only `proxyToLeader`
    /// (ZRANGE, SMEMBERS, HGET, TTL and their like) choose their snapshot before the fence.
    CollectionTsBeforeFence,
    /// S12, suspected at upstream's head: a reader takes for expired what its node's wall clock says
    /// is, and leaves no trace of it: a node whose clock is behind finds the key again.
    TtlWallClockLocal,
    /// S14, suspected at upstream's head: a key and a version's timestamp are one string of bytes,
    /// so another key's versions may lie among a key's own.
    NoKeyTerminator,
    /// S15, suspected at upstream's head: a voter that restarted, or that has forgotten its
    /// leader, votes at once, although that leader may be reading by the lease that it granted.
    VoteBeforeLeaseRunsOut,
    /// F37, fixed by 282304e9: a snapshot that is older than what a node holds replaces it.
    AcceptStaleSnapshot,
    /// G2, a gap of the TLA+ model: nobody sees to it that a commit timestamp lies after the snapshot: not the
    /// clock of the leader that issues it, nor a new leader that has its predecessor's tail still to apply.
    NoCommitGtStartCheck,
    /// F15, fixed by 7c4e8a66: what touches no list has no identity by which a repetition is known, and a conflict
    /// that comes over the wire, be it with itself, is tried again.
    RetryWireWriteConflict,
    /// F40, fixed by 6457c50d: a transaction whose primary says that it was rolled back is taken for cleaned up in every group.
    AbortShortcircuitOnMarker,
    /// F50, fixed by 0ce06408 and others: who finds a key empty does not read the fences of what it might hold, so that two who
    /// make it things of different types both commit.
    NoWideCollectionFence,
}

impl Bug {
    /// Every bug, in the order of the table.
    pub const ALL: [Bug; 37] = [
        Bug::StartTsFromHlcNext,
        Bug::ReadKeysNotInLog,
        Bug::ExecOnFollower,
        Bug::LrangeLocalOnFollower,
        Bug::ProposalIdProcessCounter,
        Bug::AckBeforeFsync,
        Bug::VoteNotPersisted,
        Bug::HlcUnfencedNext,
        Bug::LastCommitTsNosync,
        Bug::SkipGateDropsHlcLease,
        Bug::CompactDropsVisible,
        Bug::NoReadonlyShardValidation,
        Bug::MissingPrimaryLockMeansRollback,
        Bug::SelfBootstrapOnEmptyPeers,
        Bug::LeaseNoInvalidateOnLoss,
        Bug::DisableOnephaseDedup,
        Bug::VoteTwiceInATerm,
        Bug::VoteWithoutLogCheck,
        Bug::CommitTsAllocatedBeforePropose,
        Bug::HlcNoApplyBarrierOnElection,
        Bug::ReplyNotleaderWhenUnknown,
        Bug::ProxyClientRetries,
        Bug::ReadTsBeforeFence,
        Bug::LeaseIgnoresTermCommit,
        Bug::RetryUnknownWithFreshTs,
        Bug::CommitTsBeforePrewrite,
        Bug::ApplyUsesWallClock,
        Bug::FenceReturnsIndex,
        Bug::CollectionTsBeforeFence,
        Bug::TtlWallClockLocal,
        Bug::NoKeyTerminator,
        Bug::VoteBeforeLeaseRunsOut,
        Bug::AcceptStaleSnapshot,
        Bug::NoCommitGtStartCheck,
        Bug::RetryWireWriteConflict,
        Bug::AbortShortcircuitOnMarker,
        Bug::NoWideCollectionFence,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Bug::StartTsFromHlcNext => "start_ts_from_hlc_next",
            Bug::ReadKeysNotInLog => "read_keys_not_in_log",
            Bug::ExecOnFollower => "exec_on_follower",
            Bug::LrangeLocalOnFollower => "lrange_local_on_follower",
            Bug::ProposalIdProcessCounter => "proposal_id_process_counter",
            Bug::AckBeforeFsync => "ack_before_fsync",
            Bug::VoteNotPersisted => "vote_not_persisted",
            Bug::HlcUnfencedNext => "hlc_unfenced_next",
            Bug::LastCommitTsNosync => "last_commit_ts_nosync",
            Bug::SkipGateDropsHlcLease => "skip_gate_drops_hlc_lease",
            Bug::CompactDropsVisible => "compact_drops_visible",
            Bug::NoReadonlyShardValidation => "no_readonly_shard_validation",
            Bug::MissingPrimaryLockMeansRollback => "missing_primary_lock_means_rollback",
            Bug::SelfBootstrapOnEmptyPeers => "self_bootstrap_on_empty_peers",
            Bug::LeaseNoInvalidateOnLoss => "lease_no_invalidate_on_loss",
            Bug::DisableOnephaseDedup => "disable_onephase_dedup",
            Bug::VoteTwiceInATerm => "vote_twice_in_a_term",
            Bug::VoteWithoutLogCheck => "vote_without_log_check",
            Bug::CommitTsAllocatedBeforePropose => "commit_ts_allocated_before_propose",
            Bug::HlcNoApplyBarrierOnElection => "hlc_no_apply_barrier_on_election",
            Bug::ReplyNotleaderWhenUnknown => "reply_notleader_when_unknown",
            Bug::ProxyClientRetries => "proxy_client_retries",
            Bug::ReadTsBeforeFence => "read_ts_before_fence",
            Bug::LeaseIgnoresTermCommit => "lease_ignores_term_commit",
            Bug::RetryUnknownWithFreshTs => "retry_unknown_with_fresh_ts",
            Bug::CommitTsBeforePrewrite => "commit_ts_before_prewrite",
            Bug::ApplyUsesWallClock => "apply_uses_wall_clock",
            Bug::FenceReturnsIndex => "fence_returns_index",
            Bug::CollectionTsBeforeFence => "collection_ts_before_fence",
            Bug::TtlWallClockLocal => "ttl_wall_clock_local",
            Bug::NoKeyTerminator => "no_key_terminator",
            Bug::VoteBeforeLeaseRunsOut => "vote_before_lease_runs_out",
            Bug::AcceptStaleSnapshot => "accept_stale_snapshot",
            Bug::NoCommitGtStartCheck => "no_commit_gt_start_check",
            Bug::RetryWireWriteConflict => "retry_wire_write_conflict",
            Bug::AbortShortcircuitOnMarker => "abort_shortcircuit_on_marker",
            Bug::NoWideCollectionFence => "no_wide_collection_fence",
        }
    }

    /// Where it comes from.
    pub fn origin(self) -> &'static str {
        match self {
            Bug::StartTsFromHlcNext => "F3, fixed by 13008e3f",
            Bug::ReadKeysNotInLog => "F2, fixed by bf8c9e71",
            Bug::ExecOnFollower => "F6, fixed by 2f3d4a1c",
            Bug::LrangeLocalOnFollower => "F7, fixed by b19d0b3a",
            Bug::ProposalIdProcessCounter => "S1, suspected at upstream's head",
            Bug::AckBeforeFsync
            | Bug::VoteNotPersisted
            | Bug::VoteTwiceInATerm
            | Bug::VoteWithoutLogCheck => "a classic Raft mistake",
            Bug::HlcUnfencedNext => "F29, fixed by 08dea3e3",
            Bug::LastCommitTsNosync => "F35, fixed by 28808ed3",
            Bug::SkipGateDropsHlcLease => "F32, fixed by 20f90a93",
            Bug::CompactDropsVisible => "G3, a gap of the TLA+ model",
            Bug::NoReadonlyShardValidation => "F44, fixed by 07ef088f",
            Bug::MissingPrimaryLockMeansRollback => "S8, suspected at upstream's head",
            Bug::SelfBootstrapOnEmptyPeers => "F39, fixed by 75353f1f",
            Bug::LeaseNoInvalidateOnLoss => "F19, fixed by f86c6898",
            Bug::DisableOnephaseDedup => "F1, fixed by a6f333f2",
            Bug::CommitTsAllocatedBeforePropose => "S2, suspected at upstream's head",
            Bug::HlcNoApplyBarrierOnElection => "S3, suspected at upstream's head",
            Bug::ReplyNotleaderWhenUnknown => "S4, suspected at upstream's head",
            Bug::ProxyClientRetries => "S5, suspected at upstream's head",
            Bug::ReadTsBeforeFence => "S6's class, fixed by cbc99dd1",
            Bug::LeaseIgnoresTermCommit => "S7, suspected at upstream's head",
            Bug::RetryUnknownWithFreshTs => "S11, suspected at upstream's head",
            Bug::CommitTsBeforePrewrite => "S9, suspected at upstream's head",
            Bug::ApplyUsesWallClock => "S10, suspected at upstream's head",
            Bug::FenceReturnsIndex => "S13, suspected at upstream's head",
            Bug::CollectionTsBeforeFence => "S6, suspected at upstream's head",
            Bug::TtlWallClockLocal => "S12, suspected at upstream's head",
            Bug::NoKeyTerminator => "S14, suspected at upstream's head",
            Bug::VoteBeforeLeaseRunsOut => "S15, suspected at upstream's head",
            Bug::AcceptStaleSnapshot => "F37, fixed by 282304e9",
            Bug::NoCommitGtStartCheck => "G2, a gap of the TLA+ model",
            Bug::RetryWireWriteConflict => "F15, fixed by 7c4e8a66",
            Bug::AbortShortcircuitOnMarker => "F40, fixed by 6457c50d",
            Bug::NoWideCollectionFence => "F50, fixed by 0ce06408",
        }
    }
}

impl Bug {
    /// Whether upstream's head is thought to have it.
    pub fn is_suspected(self) -> bool {
        self.origin().ends_with("suspected at upstream's head")
    }

    /// The wiring in which it can show.
    pub fn wiring(self) -> Wiring {
        match self {
            // Under `main.go`'s a new leader proposes nothing before it has applied its predecessor's tail.
            Bug::ProposalIdProcessCounter => Wiring::Direct,
            // Under the other a leader has asked a quorum, and so applied its log, before it stamps.
            Bug::HlcNoApplyBarrierOnElection => Wiring::Direct,
            // `Coordinate.Dispatch` is of that wiring.
            Bug::RetryUnknownWithFreshTs => Wiring::Direct,
            // So is the store that asks the leader for a fence.
            Bug::FenceReturnsIndex => Wiring::Direct,
            // As of hlc_no_apply_barrier_on_election.
            Bug::NoCommitGtStartCheck => Wiring::Direct,
            _ => Wiring::Verified,
        }
    }
}

/// What a run's folder and a plan call the planted bug.
pub const BUG: &str = "bug";
/// What they call how writes are wired.
pub const WIRING: &str = "wiring";

/// What a run's folder or a plan says of the layers, each if it is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The planted bug.
    pub bug: Option<Bug>,
    /// How writes are wired.
    pub wiring: Option<Wiring>,
    /// What is wrong beside the bug.
    pub profile: Profile,
}

/// Reads it. A word that this build does not know may mean another run.
pub fn told(words: &BTreeMap<String, String>) -> Result<Told, String> {
    if let Some(word) = words.keys().find(|word| ![BUG, WIRING, PROFILE].contains(&word.as_str())) {
        return Err(format!(
            "it says something of `{word}`, which this build does not know: {BUG}, {WIRING} or {PROFILE}"
        ));
    }
    Ok(Told {
        bug: words.get(BUG).map(|name| name.parse()).transpose()?,
        wiring: words.get(WIRING).map(|name| name.parse()).transpose()?,
        profile: words.get(PROFILE).map(|name| name.parse()).transpose()?.unwrap_or_default(),
    })
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = String;

    fn from_str(text: &str) -> Result<Bug, String> {
        Bug::ALL.into_iter().find(|bug| bug.name() == text).ok_or_else(|| {
            format!(
                "`{text}` is not a planted bug: the bugs are {}",
                Bug::ALL.map(Bug::name).join(", ")
            )
        })
    }
}

/// The bugs that are switched on. None in the clean profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bugs(u64);

impl Bugs {
    /// The clean profile.
    pub const NONE: Bugs = Bugs(0);

    /// These and one more.
    #[must_use]
    pub fn with(self, bug: Bug) -> Bugs {
        Bugs(self.0 | 1 << bug as u32)
    }

    /// Whether a bug is on.
    pub fn has(self, bug: Bug) -> bool {
        self.0 & (1 << bug as u32) != 0
    }
}
