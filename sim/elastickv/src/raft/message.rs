//! What Raft keeps and what it says: entries, hard state, configurations, snapshots, messages.
//!
//! Mirrors `raftpb/raft.proto`, less what is local to a node: that is a method of [`Raft`](super::Raft), and
//! work for its storage threads is in [`storage`](super::storage).

use bytes::Bytes;

/// The id of no node.
pub const NO_NODE: u64 = 0;

/// The [`Message::context`] of a vote request that the leader itself asked for: it passes the lease.
pub const CAMPAIGN_TRANSFER: u64 = 1;

/// What an entry means to the layer above.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryKind {
    /// A command for the state machine; empty data is a new leader's no-op.
    #[default]
    Normal,
    /// An encoded [`ConfChange`]: the driver calls `apply_conf_change` when it applies it.
    ConfChange,
    /// An encoded [`ConfChangeV2`]: the driver calls `apply_conf_change_v2` when it applies it.
    ConfChangeV2,
}

impl EntryKind {
    /// Whether it changes the configuration.
    pub fn is_conf_change(self) -> bool {
        self != EntryKind::Normal
    }
}

/// One slot of the log. Cloning shares the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Term of the leader that created it.
    pub term: u64,
    /// Position in the log, from 1.
    pub index: u64,
    /// What it means.
    pub kind: EntryKind,
    /// The command.
    pub data: Bytes,
}

/// What must be durable before a message leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HardState {
    /// Newest term seen.
    pub term: u64,
    /// Whom this node voted for in `term`, or [`NO_NODE`].
    pub vote: u64,
    /// Highest index known to be committed; it may lag on disk.
    pub commit: u64,
}

/// A configuration: ids in ascending order. It is joint while `voters_outgoing` is not empty: decisions take a
/// majority of `voters` and one of `voters_outgoing`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfState {
    /// They vote and make up quorums.
    pub voters: Vec<u64>,
    /// They receive the log only.
    pub learners: Vec<u64>,
    /// The voters of the configuration that is being left.
    pub voters_outgoing: Vec<u64>,
    /// Voters of the configuration that is being left, who become learners with the end of it.
    pub learners_next: Vec<u64>,
    /// The leader leaves the joint configuration by itself.
    pub auto_leave: bool,
}

impl ConfState {
    /// A configuration of voters only.
    pub fn voters(voters: impl Into<Vec<u64>>) -> Self {
        ConfState { voters: voters.into(), ..ConfState::default() }
    }

    /// A configuration of voters and learners.
    pub fn new(voters: impl Into<Vec<u64>>, learners: impl Into<Vec<u64>>) -> Self {
        ConfState { learners: learners.into(), ..ConfState::voters(voters) }
    }

    /// Whether `id` is in it at all.
    pub fn contains(&self, id: u64) -> bool {
        [&self.voters, &self.learners, &self.voters_outgoing].iter().any(|ids| ids.contains(&id))
    }

    /// Whether two majorities decide.
    pub fn is_joint(&self) -> bool {
        !self.voters_outgoing.is_empty()
    }
}

/// Where a snapshot stands. Index 0: there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotMeta {
    /// Last index that it covers.
    pub index: u64,
    /// Term of that entry.
    pub term: u64,
    /// The configuration as of that entry.
    pub conf: ConfState,
}

/// A state that stands for a prefix of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Which prefix.
    pub meta: SnapshotMeta,
    /// The state, or the driver's token for it.
    pub data: Bytes,
}

/// One step of membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfChangeKind {
    /// Adds a voter, or promotes a learner.
    AddVoter,
    /// Adds a learner, or demotes a voter.
    AddLearner,
    /// Removes a voter or a learner.
    Remove,
}

/// The data of an [`EntryKind::ConfChange`] entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfChange {
    /// Which step.
    pub kind: ConfChangeKind,
    /// Whom it concerns.
    pub id: u64,
    /// The driver's own, for example request id and address.
    pub context: Bytes,
}

/// How a [`ConfChangeV2`] gets to its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transition {
    /// At once where one change or none is asked for, else through a joint configuration that ends by itself.
    #[default]
    Auto,
    /// Through a joint configuration that ends by itself.
    Implicit,
    /// Through a joint configuration that ends with an empty [`ConfChangeV2`].
    Explicit,
}

/// The data of an [`EntryKind::ConfChangeV2`] entry: several changes in one, or none to leave a joint
/// configuration. Elastickv proposes no such entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfChangeV2 {
    /// How to get there.
    pub transition: Transition,
    /// Which steps, and whom each concerns.
    pub changes: Vec<(ConfChangeKind, u64)>,
    /// The driver's own.
    pub context: Bytes,
}

impl ConfChangeV2 {
    /// Whether it leaves a joint configuration.
    pub fn leaves_joint(&self) -> bool {
        self.transition == Transition::Auto && self.changes.is_empty()
    }

    /// Whether it enters a joint configuration.
    pub fn enters_joint(&self) -> bool {
        self.transition != Transition::Auto || self.changes.len() > 1
    }
}

impl From<&ConfChange> for ConfChangeV2 {
    fn from(change: &ConfChange) -> Self {
        ConfChangeV2 {
            transition: Transition::Auto,
            changes: vec![(change.kind, change.id)],
            context: change.context.clone(),
        }
    }
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageKind {
    /// Leader to peer: entries after `index`, whose term is `log_term`.
    App,
    /// Peer to leader: matched up to `index`; or rejected at `index` with a hint.
    AppResp,
    /// Candidate: vote for me in `term`; my last entry is (`log_term`, `index`).
    Vote,
    /// Voter's answer.
    VoteResp,
    /// Would you vote for me in `term`? Changes no state.
    PreVote,
    /// Voter's answer.
    PreVoteResp,
    /// Leader to peer: I lead; `commit` is safe for you.
    Heartbeat,
    /// Peer's answer, with the same context.
    HeartbeatResp,
    /// Leader to peer: the prefix you miss.
    Snap,
    /// Leader to the transferee: campaign now.
    TimeoutNow,
    /// Follower to leader: hand over to `from`, which is the transferee, not the sender.
    TransferLeader,
}

impl MessageKind {
    /// Whether it answers a request: accepted from members only.
    pub fn is_response(self) -> bool {
        use MessageKind::{AppResp, HeartbeatResp, PreVoteResp, VoteResp};
        matches!(self, AppResp | VoteResp | PreVoteResp | HeartbeatResp)
    }

    /// Whether only a leader sends it.
    pub fn is_from_leader(self) -> bool {
        matches!(self, MessageKind::App | MessageKind::Heartbeat | MessageKind::Snap)
    }
}

/// What nodes say to each other. Fields that a kind does not use are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is for.
    pub kind: MessageKind,
    /// Who sent it.
    pub from: u64,
    /// Whom to.
    pub to: u64,
    /// The sender's term; in a pre-vote the term it would campaign for.
    pub term: u64,
    /// Term of the entry at `index`; in a rejection, at `reject_hint`.
    pub log_term: u64,
    /// See [`MessageKind`].
    pub index: u64,
    /// The sender's commit index, cut to what the receiver is known to hold in a heartbeat.
    pub commit: u64,
    /// The answer is no.
    pub reject: bool,
    /// Where the follower guesses that the logs may match.
    pub reject_hint: u64,
    /// Heartbeats: the newest read that their acks confirm, 0 for none. Votes: [`CAMPAIGN_TRANSFER`] or 0.
    pub context: u64,
    /// The leader's monotonic clock when it made the request; the response echoes it.
    pub stamp: u64,
    /// Consecutive, from `index + 1`.
    pub entries: Vec<Entry>,
    /// In `Snap` only. Boxed, since all other messages are moved without one.
    pub snapshot: Option<Box<Snapshot>>,
}

impl Message {
    /// A message with the other fields zero. The core fills in sender, term and stamp when it sends.
    pub fn new(kind: MessageKind, to: u64) -> Self {
        Message {
            kind,
            from: NO_NODE,
            to,
            term: 0,
            log_term: 0,
            index: 0,
            commit: 0,
            reject: false,
            reject_hint: 0,
            context: 0,
            stamp: 0,
            entries: Vec::new(),
            snapshot: None,
        }
    }
}
