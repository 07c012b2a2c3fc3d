//! Who is in the configuration. Mirrors `confchange/confchange.go` for single steps; joint consensus is not
//! offered, as Elastickv refuses it.

use super::core::{Raft, Role};
use super::message::{ConfChange, ConfChangeKind, ConfState, NO_NODE};
use super::progress::{Peers, Progress};

impl Raft {
    /// To be called when the driver applies a conf change entry, before `advance`. Returns the configuration
    /// from here on. A change that would leave no voter changes nothing, on every node alike.
    ///
    /// A leader that removes itself goes on leading, without a vote, until it hears of another.
    pub fn apply_conf_change(&mut self, change: &ConfChange) -> ConfState {
        let demotes = change.kind != ConfChangeKind::AddVoter;
        if change.id != NO_NODE && !(demotes && self.peers.is_only_voter(change.id)) {
            match change.kind {
                ConfChangeKind::AddVoter => self.add(change.id, false),
                ConfChangeKind::AddLearner => self.add(change.id, true),
                ConfChangeKind::Remove => self.peers.remove(change.id),
            }
            self.reconsider();
        }
        self.conf_state()
    }

    fn add(&mut self, id: u64, learner: bool) {
        match self.peers.get_mut(id) {
            Some(progress) => progress.learner = learner,
            None => {
                // Active until proven otherwise, or the next quorum check would count it out too early.
                let next = self.log.last_index().max(1);
                let mut progress = Progress::new(next, learner, self.config.max_inflight);
                progress.recent_active = true;
                self.peers.insert(id, progress);
            }
        }
    }

    /// A snapshot brought this configuration; only followers install one.
    pub(super) fn switch_to(&mut self, conf: &ConfState) {
        self.peers = Peers::new(conf, self.log.last_index() + 1, self.config.max_inflight);
    }

    /// The quorum may be another: entries may be committed by it, new peers want the log.
    fn reconsider(&mut self) {
        if self.role != Role::Leader || !self.peers.is_voter(self.config.id) {
            return;
        }
        if self.try_commit() {
            self.broadcast_append();
        } else {
            for at in 0..self.peers.list.len() {
                self.try_append(at, false);
            }
        }
        if !self.peers.is_voter(self.transferee) {
            self.transferee = NO_NODE;
        }
    }
}
