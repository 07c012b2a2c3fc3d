//! A look at the node that changes nothing.

use super::core::{Raft, Role, SoftState};
use super::message::{ConfState, Entry};
use super::progress::Progress;

/// How a node stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// This node.
    pub id: u64,
    /// Its term.
    pub term: u64,
    /// Its vote in the term, or 0.
    pub vote: u64,
    /// Its role.
    pub role: Role,
    /// The leader that it knows, or 0.
    pub leader: u64,
    /// To whom it is handing leadership, or 0.
    pub transferee: u64,
    /// Commit index.
    pub commit: u64,
    /// Applied index.
    pub applied: u64,
    /// Last index of the log.
    pub last_index: u64,
    /// Its configuration.
    pub conf: ConfState,
    /// Of a leader: each member by id, itself included. Empty otherwise.
    pub progress: Vec<(u64, Progress)>,
}

impl Raft {
    /// All of it; allocates.
    pub fn status(&self) -> Status {
        let members = self.peers.list.iter().filter(|_| self.role == Role::Leader);
        Status {
            id: self.config.id,
            term: self.term,
            vote: self.vote,
            role: self.role,
            leader: self.leader,
            transferee: self.transferee,
            commit: self.log.committed,
            applied: self.log.applied,
            last_index: self.log.last_index(),
            conf: self.conf_state(),
            progress: members.map(|peer| (peer.id, peer.progress.clone())).collect(),
        }
    }

    pub(super) fn soft_state(&self) -> SoftState {
        SoftState { leader: self.leader, role: self.role }
    }

    /// This node.
    pub fn id(&self) -> u64 {
        self.config.id
    }

    /// Its role.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether it leads its term.
    pub fn is_leader(&self) -> bool {
        self.role == Role::Leader
    }

    /// Its term.
    pub fn term(&self) -> u64 {
        self.term
    }

    /// Its vote in the term, or 0.
    pub fn vote(&self) -> u64 {
        self.vote
    }

    /// The leader of the term as far as it knows, or 0.
    pub fn leader_id(&self) -> u64 {
        self.leader
    }

    /// Commit index.
    pub fn commit(&self) -> u64 {
        self.log.committed
    }

    /// Applied index, as of the last `advance`.
    pub fn applied(&self) -> u64 {
        self.log.applied
    }

    /// Last index of the log, durable or not.
    pub fn last_index(&self) -> u64 {
        self.log.last_index()
    }

    /// Index of the snapshot that the log starts after.
    pub fn snapshot_index(&self) -> u64 {
        self.log.offset()
    }

    /// Term of the entry at `index`; `None` where the log has been compacted or does not reach.
    pub fn term_of(&self, index: u64) -> Option<u64> {
        self.log.term(index)
    }

    /// Where each term begins in the log after the snapshot: first index and term, in order.
    pub fn log_terms(&self) -> Vec<(u64, u64)> {
        let mut terms = Vec::new();
        for entry in self.log.after(self.log.offset()) {
            if terms.last().is_none_or(|(_, term)| *term != entry.term) {
                terms.push((entry.index, entry.term));
            }
        }
        terms
    }

    /// The configuration as of the applied index.
    pub fn conf_state(&self) -> ConfState {
        self.peers.conf()
    }

    /// To whom leadership is being handed, or 0.
    pub fn transferee(&self) -> u64 {
        self.transferee
    }

    /// Whether this leader has told a peer to campaign in this term. The peer may do so at any later time,
    /// and the votes it asks for pass the lease: [`Raft::quorum_stamp`] proves nothing from here on, even if
    /// the transfer was given up.
    pub fn transfer_sent(&self) -> bool {
        self.transfer_sent
    }

    /// Whether an entry of the current term is committed.
    pub fn has_committed_in_term(&self) -> bool {
        self.term > 0 && self.log.matches(self.log.committed, self.term)
    }

    /// The log's entries after the applied index, committed or not.
    pub fn unapplied(&self) -> impl Iterator<Item = &Entry> {
        self.log.after(self.log.applied).iter()
    }

    /// The log's entries from `index`, durable or not.
    pub fn entries_from(&self, index: u64) -> Vec<Entry> {
        self.log.after(index.saturating_sub(1)).to_vec()
    }

    /// Ticks since it heard from its leader, or since the last quorum check of a leader.
    pub fn election_elapsed(&self) -> u32 {
        self.election_elapsed
    }

    /// Replaces the drawn election time-out until the next draw: for scripts.
    pub fn set_election_timeout(&mut self, ticks: u32) {
        self.election_timeout = ticks;
    }
}
