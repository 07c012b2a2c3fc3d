//! The node: what it knows, how it ticks, and which messages it lets in. Mirrors the frame of `raft.go`;
//! elections, replication and membership are in files of their own.

use super::config::{Config, InitialState};
use super::error::{ProposeError, StepError};
use super::log::{CompactError, Log};
use super::message::{EntryKind, HardState, Message, MessageKind, NO_NODE, Snapshot};
use super::read_only::ReadOnly;
use super::ready::Accepted;
use super::tracker::Peers;
use bytes::Bytes;

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Follows a leader, or waits for one.
    Follower,
    /// Asks whether it would be elected.
    PreCandidate,
    /// Asks for votes.
    Candidate,
    /// Leads its term.
    Leader,
}

/// What is not persisted but worth knowing when it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftState {
    /// The leader of the term, or [`NO_NODE`].
    pub leader: u64,
    /// This node's role.
    pub role: Role,
}

/// A read may be served once everything up to `index` is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadState {
    /// As given to [`Raft::read_index`].
    pub context: u64,
    /// Wait for this index.
    pub index: u64,
}

/// One Raft node. See the [module](super) for what the driver owes it.
pub struct Raft {
    pub(super) config: Config,
    draw: Box<dyn FnMut(u64) -> u64>,
    pub(super) term: u64,
    pub(super) vote: u64,
    pub(super) role: Role,
    pub(super) leader: u64,
    pub(super) log: Log,
    pub(super) peers: Peers,
    pub(super) election_elapsed: u32,
    pub(super) heartbeat_elapsed: u32,
    pub(super) election_timeout: u32,
    pub(super) transferee: u64,
    pub(super) transfer_sent: bool,
    /// No conf change is proposed until this index is applied.
    pub(super) pending_conf_index: u64,
    pub(super) stamp: u64,
    pub(super) read_only: ReadOnly,
    /// Reads that wait for an entry of this term to commit.
    pub(super) early_reads: Vec<u64>,
    pub(super) read_states: Vec<ReadState>,
    pub(super) messages: Vec<Message>,
    /// Votes and acks, for others and for this node itself: they count once what they promise is durable.
    pub(super) answers: Vec<Message>,
    pub(super) accepted: Option<Accepted>,
    pub(super) last_soft: SoftState,
    pub(super) last_hard: HardState,
}

impl Raft {
    /// Starts from what is on disk, as a follower. `draw(n)` returns a uniform number below `n`; it is asked
    /// for election time-outs only.
    ///
    /// # Panics
    /// If [`InitialState::check`] fails or the configuration makes no sense.
    pub fn new(config: Config, state: InitialState, draw: Box<dyn FnMut(u64) -> u64>) -> Raft {
        let ticks = config.heartbeat_tick > 0 && config.heartbeat_tick < config.election_tick;
        assert!(config.id != NO_NODE && ticks && config.max_inflight > 0, "bad {config:?}");
        if let Err(error) = state.check(config.applied) {
            panic!("check the initial state first: {error}");
        }
        let InitialState { hard_state, snapshot, conf, entries } = state;
        let mut log = Log::new(&snapshot, entries);
        // What was applied was committed, whatever the unsynced hard state says; upstream panics.
        log.commit_to(hard_state.commit.max(config.applied));
        log.applied_to(config.applied.max(snapshot.index));
        let mut raft = Raft {
            peers: Peers::new(&conf, log.last_index() + 1, config.max_inflight),
            config,
            draw,
            term: hard_state.term,
            vote: hard_state.vote,
            role: Role::Follower,
            leader: NO_NODE,
            log,
            election_elapsed: 0,
            heartbeat_elapsed: 0,
            election_timeout: 0,
            transferee: NO_NODE,
            transfer_sent: false,
            pending_conf_index: 0,
            stamp: 0,
            read_only: ReadOnly::default(),
            early_reads: Vec::new(),
            read_states: Vec::new(),
            messages: Vec::new(),
            answers: Vec::new(),
            accepted: None,
            last_soft: SoftState { leader: NO_NODE, role: Role::Follower },
            last_hard: HardState::default(),
        };
        raft.become_follower(raft.term, NO_NODE);
        raft.last_hard = raft.hard_state();
        raft
    }

    /// The driver's monotonic clock, in nanoseconds: to be set before each tick, step and proposal.
    pub fn set_stamp(&mut self, stamp: u64) {
        self.stamp = stamp;
    }

    /// One tick of the driver's clock has passed.
    pub fn tick(&mut self) {
        self.election_elapsed += 1;
        match self.role {
            Role::Leader => self.tick_leader(),
            _ if self.election_elapsed >= self.election_timeout && self.is_promotable() => {
                self.election_elapsed = 0;
                self.campaign();
            }
            _ => {}
        }
    }

    fn tick_leader(&mut self) {
        self.heartbeat_elapsed += 1;
        if self.election_elapsed >= self.config.election_tick {
            self.election_elapsed = 0;
            if self.config.check_quorum {
                self.check_quorum();
            }
            // A transfer that takes longer than an election has failed.
            self.transferee = NO_NODE;
        }
        if self.role == Role::Leader && self.heartbeat_elapsed >= self.config.heartbeat_tick {
            self.heartbeat_elapsed = 0;
            self.broadcast_heartbeat();
        }
    }

    /// Takes a message from a peer. An error leaves the node as it was.
    pub fn step(&mut self, message: Message) -> Result<(), StepError> {
        self.check(&message)?;
        self.handle(message);
        Ok(())
    }

    fn check(&self, m: &Message) -> Result<(), StepError> {
        // A forwarded transfer request names the transferee as its sender; a storage thread hands this node's
        // own votes and acks back.
        let back = self.config.async_storage_writes && m.kind.is_response();
        let own = m.from == self.config.id && m.kind != MessageKind::TransferLeader && !back;
        if m.to != self.config.id || m.from == NO_NODE || own {
            return Err(StepError::Misrouted { from: m.from, to: m.to });
        }
        if m.kind.is_response() && self.peers.find(m.from).is_none() {
            return Err(StepError::UnknownPeer { from: m.from });
        }
        if m.term == 0 && m.kind != MessageKind::PreVoteResp {
            return Err(StepError::NoTerm);
        }
        let consecutive = m.entries.iter().zip(m.index + 1..).all(|(e, index)| e.index == index);
        if !consecutive || (m.kind == MessageKind::Snap && m.snapshot.is_none()) {
            return Err(StepError::Malformed);
        }
        let last = self.log.last_index();
        if m.kind == MessageKind::Heartbeat && m.term >= self.term && m.commit > last {
            return Err(StepError::LostEntries { commit: m.commit, last });
        }
        let ack = m.kind == MessageKind::AppResp && !m.reject && m.term == self.term;
        if ack && self.role == Role::Leader && m.index > last {
            return Err(StepError::AckPastEnd { index: m.index, last });
        }
        Ok(())
    }

    pub(super) fn handle(&mut self, m: Message) {
        if m.term > self.term && !self.meet_higher_term(&m) {
            return;
        }
        if m.term != 0 && m.term < self.term {
            self.answer_lower_term(&m);
            return;
        }
        match (m.kind, self.role) {
            (MessageKind::Vote | MessageKind::PreVote, _) => self.handle_vote(&m),
            (_, Role::Leader) => self.handle_as_leader(&m),
            (MessageKind::VoteResp, Role::Candidate)
            | (MessageKind::PreVoteResp, Role::PreCandidate) => self.handle_vote_response(&m),
            (kind, role) if kind.is_from_leader() => {
                if role != Role::Follower {
                    self.become_follower(self.term, m.from);
                }
                self.handle_from_leader(m);
            }
            (MessageKind::TimeoutNow, Role::Follower) => self.campaign_for_transfer(),
            (MessageKind::TransferLeader, Role::Follower) => self.forward_transfer(m),
            _ => {}
        }
    }

    fn handle_as_leader(&mut self, m: &Message) {
        match m.kind {
            MessageKind::AppResp => self.handle_append_response(m),
            MessageKind::HeartbeatResp => self.handle_heartbeat_response(m),
            MessageKind::TransferLeader => self.start_transfer(m.from),
            _ => {}
        }
    }

    fn handle_from_leader(&mut self, m: Message) {
        self.election_elapsed = 0;
        self.leader = m.from;
        match m.kind {
            MessageKind::App => self.handle_append(&m),
            MessageKind::Heartbeat => self.handle_heartbeat(&m),
            _ => self.handle_snapshot(m),
        }
    }

    /// Whether the message still counts after the node has taken note of its higher term.
    fn meet_higher_term(&mut self, m: &Message) -> bool {
        if self.is_vote_refused_by_lease(m) {
            return false;
        }
        match m.kind {
            // A pre-vote is for a term that nobody is in yet, and so is a yes to it.
            MessageKind::PreVote => {}
            MessageKind::PreVoteResp if !m.reject => {}
            kind if kind.is_from_leader() => self.become_follower(m.term, m.from),
            _ => self.become_follower(m.term, NO_NODE),
        }
        true
    }

    fn answer_lower_term(&mut self, m: &Message) {
        let guarded = self.config.check_quorum || self.config.pre_vote;
        match m.kind {
            // A leader of an older term learns of the newer one; a follower stuck in the newer term would
            // otherwise neither win nor be reached. The stamp is not echoed: nobody follows that leader.
            MessageKind::Heartbeat | MessageKind::App if guarded => {
                self.send(Message::new(MessageKind::AppResp, m.from));
            }
            MessageKind::PreVote => {
                let mut answer = Message::new(MessageKind::PreVoteResp, m.from);
                answer.term = self.term;
                answer.reject = true;
                self.send(answer);
            }
            _ => {}
        }
    }

    /// Appends a command to the leader's log and says at which index.
    pub fn propose(&mut self, data: Bytes) -> Result<u64, ProposeError> {
        self.may_propose(data.len())?;
        Ok(self.append_and_broadcast(EntryKind::Normal, data))
    }

    pub(super) fn may_propose(&self, len: usize) -> Result<(), ProposeError> {
        let max = super::codec::ENTRY_BYTES_MAX;
        match self.role {
            Role::Leader => {}
            _ => return Err(ProposeError::NotLeader { leader: self.leader }),
        }
        if self.peers.find(self.config.id).is_none() {
            return Err(ProposeError::Removed);
        }
        if self.transferee != NO_NODE {
            return Err(ProposeError::Transferring { to: self.transferee });
        }
        if len > max {
            return Err(ProposeError::TooLarge { len, max });
        }
        Ok(())
    }

    /// Keeps a snapshot, which was taken at an applied index and is durable, for lagging peers, and drops the
    /// entries that it covers. After a restart it is called once with the snapshot on disk, whose data the
    /// initial state lacks: a leader does not send what it does not have.
    pub fn compact(&mut self, snapshot: Snapshot) -> Result<(), CompactError> {
        self.log.compact(snapshot)
    }

    /// As [`Raft::compact`], but the log stays. A node that joins accepts only a snapshot whose configuration
    /// it is in, so a newer one is due after it was added.
    pub fn keep_snapshot(&mut self, snapshot: Snapshot) -> Result<(), CompactError> {
        self.log.keep(snapshot)
    }

    /// Drops the entries up to `index`, which the kept snapshot covers; those between the two stay, for
    /// peers that lag a little.
    pub fn drop_entries_to(&mut self, index: u64) -> Result<(), CompactError> {
        self.log.drop_to(index)
    }

    pub(super) fn draw_election_timeout(&mut self) {
        let drawn = (self.draw)(u64::from(self.config.election_tick));
        self.election_timeout = self.config.election_tick + drawn as u32;
    }

    /// Term, vote and commit as they are now.
    pub fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.log.committed }
    }

    /// Queues a message: sender, term and stamp are filled in here, except that a vote has a term already and
    /// an answer the stamp that it echoes.
    pub(super) fn send(&mut self, mut m: Message) {
        use MessageKind::{AppResp, PreVote, PreVoteResp, TransferLeader, Vote, VoteResp};
        if m.kind != TransferLeader {
            m.from = self.config.id;
        }
        if !matches!(m.kind, Vote | VoteResp | PreVote | PreVoteResp) {
            m.term = self.term;
        }
        if m.kind.is_from_leader() {
            m.stamp = self.stamp;
        }
        match m.kind {
            AppResp | VoteResp | PreVoteResp => self.answers.push(m),
            _ => self.messages.push(m),
        }
    }
}
