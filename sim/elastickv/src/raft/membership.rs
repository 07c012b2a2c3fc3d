//! Who is in the configuration, and how it changes. Mirrors `confchange/confchange.go`. Elastickv proposes
//! single steps only and refuses joint consensus; the core has it, as etcd's own scripts use it.

use super::core::{Raft, Role};
use super::error::{ConfChangeError, ProposeError};
use super::message::{
    ConfChange, ConfChangeKind, ConfChangeV2, ConfState, EntryKind, NO_NODE, Transition,
};
use super::progress::Progress;
use super::tracker::{Peer, Peers};
use bytes::Bytes;

impl Raft {
    /// Appends a conf change. One at a time: the next is refused until this one is applied. Upstream appends
    /// an empty entry in place of one that it refuses.
    pub fn propose_conf_change(&mut self, change: &ConfChange) -> Result<u64, ProposeError> {
        self.propose_conf(EntryKind::ConfChange, change.encode(), &change.into())
    }

    /// As [`Raft::propose_conf_change`], for several changes in one, or the end of a joint configuration.
    pub fn propose_conf_change_v2(&mut self, change: &ConfChangeV2) -> Result<u64, ProposeError> {
        self.propose_conf(EntryKind::ConfChangeV2, change.encode(), change)
    }

    fn propose_conf(
        &mut self,
        kind: EntryKind,
        data: Bytes,
        change: &ConfChangeV2,
    ) -> Result<u64, ProposeError> {
        self.may_propose(data.len())?;
        let (index, applied) = (self.pending_conf_index, self.log.applied);
        if !self.config.disable_conf_change_validation {
            if index > applied {
                return Err(ProposeError::ConfChangePending { index, applied });
            }
            self.changed(change).map_err(ProposeError::ConfChange)?;
        }
        self.pending_conf_index = self.log.last_index() + 1;
        Ok(self.append_and_broadcast(kind, data))
    }

    /// To be called when the driver applies a conf change entry, before `advance`. Returns the configuration
    /// from here on. A change that does not fit changes nothing, on every node alike; upstream panics.
    ///
    /// A leader that removes itself goes on leading, without a vote, until it hears of another; or it steps
    /// down at once, if its configuration says so.
    pub fn apply_conf_change(&mut self, change: &ConfChange) -> ConfState {
        self.apply_conf_change_v2(&change.into())
    }

    /// As [`Raft::apply_conf_change`].
    pub fn apply_conf_change_v2(&mut self, change: &ConfChangeV2) -> ConfState {
        if let Ok(peers) = self.changed(change) {
            self.peers = peers;
            self.reconsider();
        }
        self.conf_state()
    }

    fn changed(&self, change: &ConfChangeV2) -> Result<Peers, ConfChangeError> {
        // Active until proven otherwise, or the next quorum check would count it out too early.
        let next = self.log.last_index().max(1);
        let mut fresh = Progress::new(next, false, self.config.max_inflight);
        fresh.recent_active = true;
        self.peers.changed(change, &fresh)
    }

    /// A snapshot brought this configuration; only followers install one.
    pub(super) fn switch_to(&mut self, conf: &ConfState) {
        self.peers = Peers::new(conf, self.log.last_index() + 1, self.config.max_inflight);
    }

    /// The quorum may be another: entries may be committed by it, new peers want the log.
    fn reconsider(&mut self) {
        if self.role != Role::Leader {
            return;
        }
        if !self.peers.is_voter(self.config.id) {
            if self.config.step_down_on_removal {
                self.become_follower(self.term, NO_NODE);
            }
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

    /// A joint configuration that is to end by itself: the leader proposes the end when it has applied the
    /// beginning. While a transfer is under way it does not; each entry applied tries again.
    pub(super) fn leave_joint_if_due(&mut self) {
        let due = self.peers.auto_leave && self.log.applied >= self.pending_conf_index;
        if due && self.may_propose(0).is_ok() {
            self.pending_conf_index = self.log.last_index() + 1;
            self.append_and_broadcast(EntryKind::ConfChangeV2, Bytes::new());
        }
    }
}

impl ConfState {
    /// The configuration after a change, which leaves it as it is if it does not fit.
    #[must_use]
    pub fn after(&self, change: &ConfChange) -> ConfState {
        let fresh = Progress::new(1, false, 1);
        let changed = Peers::new(self, 1, 1).changed(&change.into(), &fresh);
        changed.map_or_else(|_| self.clone(), |peers| peers.conf())
    }
}

impl Peers {
    fn changed(&self, change: &ConfChangeV2, fresh: &Progress) -> Result<Peers, ConfChangeError> {
        let mut peers = self.clone();
        match (change.leaves_joint(), self.joint) {
            (true, true) => peers.leave_joint(),
            (true, false) => return Err(ConfChangeError::NotJoint),
            (false, true) => return Err(ConfChangeError::Joint),
            (false, false) => {
                if change.enters_joint() {
                    peers.enter_joint(change.transition != Transition::Explicit);
                }
                peers.take_steps(change, fresh)?;
            }
        }
        Ok(peers)
    }

    fn enter_joint(&mut self, auto_leave: bool) {
        self.list.iter_mut().for_each(|peer| peer.outgoing = peer.incoming);
        self.joint = true;
        self.auto_leave = auto_leave;
    }

    fn leave_joint(&mut self) {
        for peer in &mut self.list {
            peer.outgoing = false;
            peer.progress.learner |= std::mem::take(&mut peer.learner_next);
        }
        self.list.retain(|peer| peer.incoming || peer.progress.learner);
        self.joint = false;
        self.auto_leave = false;
    }

    fn take_steps(
        &mut self,
        change: &ConfChangeV2,
        fresh: &Progress,
    ) -> Result<(), ConfChangeError> {
        for (kind, id) in change.changes.iter().filter(|(_, id)| *id != NO_NODE) {
            match (kind, self.find(*id)) {
                (ConfChangeKind::AddVoter, Some(at)) => self.list[at].become_voter(),
                (ConfChangeKind::AddLearner, Some(at)) => self.list[at].become_learner(),
                (ConfChangeKind::Remove, Some(at)) => self.drop_from_incoming(at),
                (ConfChangeKind::Remove, None) => {}
                (ConfChangeKind::AddVoter | ConfChangeKind::AddLearner, None) => {
                    let mut peer = Peer { id: *id, progress: fresh.clone(), ..Peer::default() };
                    peer.incoming = *kind == ConfChangeKind::AddVoter;
                    peer.progress.learner = !peer.incoming;
                    self.insert(peer);
                }
            }
        }
        match self.list.iter().any(|peer| peer.incoming) {
            true => Ok(()),
            false => Err(ConfChangeError::LastVoter),
        }
    }

    /// Out of the incoming configuration; one that still votes in the outgoing one stays known.
    fn drop_from_incoming(&mut self, at: usize) {
        let peer = &mut self.list[at];
        (peer.incoming, peer.learner_next) = (false, false);
        if !peer.outgoing {
            self.list.remove(at);
        }
    }
}

impl Peer {
    fn become_voter(&mut self) {
        self.incoming = true;
        self.progress.learner = false;
        self.learner_next = false;
    }

    /// A voter of the outgoing configuration stays one until that ends.
    fn become_learner(&mut self) {
        self.incoming = false;
        match self.outgoing {
            true => self.learner_next = true,
            false => self.progress.learner = true,
        }
    }
}
