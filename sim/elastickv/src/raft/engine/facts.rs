//! What the engine says of itself beyond what its acts say: how a new leader's log stands, and how far a log is known to be committed.
//! Nothing here changes anything.

use super::Inner;
use crate::env::{Env, Fact, Level};
use crate::raft::message::{Entry, NO_NODE};
use crate::raft::{Role, SoftState};

impl<E: Env> Inner<E> {
    /// The log with which it came to lead.
    pub(super) fn observe_elected(&self, term: u64) {
        let raft = self.raft.borrow();
        let (covered, last, terms) = (raft.snapshot_index(), raft.last_index(), raft.log_terms());
        drop(raft);
        self.env.observe(Fact::Elected { term, covered, last, terms });
    }

    /// What it is in the group has changed, or whom it follows. That it leads is a fact.
    pub(super) fn log_role(&self, now: SoftState) {
        let term = self.raft.borrow().term();
        match now {
            SoftState { role: Role::Leader, .. } => {}
            SoftState { role: Role::Follower, leader: NO_NODE } => {
                self.env.log(Level::Info, format_args!("knows of no leader in term {term}"));
            }
            SoftState { role: Role::Follower, leader } => {
                self.env.log(Level::Info, format_args!("hears n{leader} lead in term {term}"));
            }
            SoftState { role: Role::PreCandidate, .. } => {
                self.env
                    .log(Level::Info, format_args!("asks who would vote for it, in term {term}"));
            }
            SoftState { role: Role::Candidate, .. } => {
                self.env.log(Level::Info, format_args!("stands for election in term {term}"));
            }
        }
    }

    /// These entries are committed, and it is this node's term now. The core takes no message before they are applied, so they
    /// were committed in this term or before.
    pub(super) fn observe_committed_to(&self, committed: &[Entry]) {
        let Some(Entry { index, term, .. }) = committed.last() else { return };
        let by_term = self.raft.borrow().term();
        self.env.observe(Fact::CommittedTo { by_term, index: *index, term: *term });
    }
}
