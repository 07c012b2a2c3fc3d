//! What the engine says of itself beyond what its acts say: how a new leader's log stands, and how far a log is known to be committed.
//! Nothing here changes anything.

use super::Inner;
use crate::env::{Env, Fact};
use crate::raft::message::Entry;

impl<E: Env> Inner<E> {
    /// The log with which it came to lead.
    pub(super) fn observe_elected(&self, term: u64) {
        let raft = self.raft.borrow();
        let (covered, last, terms) = (raft.snapshot_index(), raft.last_index(), raft.log_terms());
        drop(raft);
        self.env.observe(Fact::Elected { term, covered, last, terms });
    }

    /// These entries are committed, and it is this node's term now. The core takes no message before they are applied, so they
    /// were committed in this term or before.
    pub(super) fn observe_committed_to(&self, committed: &[Entry]) {
        let Some(Entry { index, term, .. }) = committed.last() else { return };
        let by_term = self.raft.borrow().term();
        self.env.observe(Fact::CommittedTo { by_term, index: *index, term: *term });
    }
}
