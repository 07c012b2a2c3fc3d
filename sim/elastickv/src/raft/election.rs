//! Who leads: pre-votes, votes, leases, quorum checks, transfers of leadership. Mirrors `raft.go`.

use super::config::ReadOnlyOption;
use super::core::{Raft, Role};
use super::message::{CAMPAIGN_TRANSFER, EntryKind, Message, MessageKind, NO_NODE};
use super::quorum::Tally;
use super::read_only::ReadOnly;
use bytes::Bytes;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Campaign {
    Pre,
    Vote,
    /// The old leader asked for it: no pre-vote, and the lease does not protect against it.
    Transfer,
}

impl Raft {
    /// Starts an election now, as an expired time-out would. Ignored by a leader, by a node that does not
    /// vote, and while a snapshot or a committed conf change waits to be applied.
    pub fn campaign(&mut self) {
        let first = if self.config.pre_vote { Campaign::Pre } else { Campaign::Vote };
        self.hang_up(first);
    }

    pub(super) fn campaign_for_transfer(&mut self) {
        self.hang_up(Campaign::Transfer);
    }

    /// A follower no longer regards its leader as one, and so may vote. It must not be used where leases are
    /// served: the forgotten leader still counts on this follower. With lease-based reads it is ignored.
    pub fn forget_leader(&mut self) {
        let leased = self.config.read_only == ReadOnlyOption::LeaseBased;
        if self.role == Role::Follower && !leased {
            self.leader = NO_NODE;
        }
    }

    pub(super) fn is_promotable(&self) -> bool {
        self.peers.is_voter(self.config.id) && self.log.pending_snapshot().is_none()
    }

    fn hang_up(&mut self, campaign: Campaign) {
        let leads = self.role == Role::Leader;
        if !leads && self.is_promotable() && !self.has_unapplied_conf_change() {
            self.start_campaign(campaign);
        }
    }

    /// With a committed conf change unapplied this node may not know who its voters are.
    fn has_unapplied_conf_change(&self) -> bool {
        let (applied, committed) = (self.log.applied, self.log.committed);
        let mut unapplied =
            self.log.after(applied).iter().take_while(|entry| entry.index <= committed);
        unapplied.any(|entry| entry.kind.is_conf_change())
    }

    fn start_campaign(&mut self, campaign: Campaign) {
        let (request, response, term) = if campaign == Campaign::Pre {
            self.become_pre_candidate();
            (MessageKind::PreVote, MessageKind::PreVoteResp, self.term + 1)
        } else {
            self.become_candidate();
            (MessageKind::Vote, MessageKind::VoteResp, self.term)
        };
        for at in 0..self.peers.list.len() {
            let peer = &self.peers.list[at];
            if peer.progress.learner {
                continue;
            }
            // Its own vote counts once it is durable.
            let own = peer.id == self.config.id;
            let mut m = Message::new(if own { response } else { request }, peer.id);
            m.term = term;
            if !own {
                m.index = self.log.last_index();
                m.log_term = self.log.last_term();
                m.context = if campaign == Campaign::Transfer { CAMPAIGN_TRANSFER } else { 0 };
            }
            self.send(m);
        }
    }

    /// Within an election time-out of hearing from its leader a node neither votes nor takes the new term:
    /// the leader's lease relies on it.
    pub(super) fn is_vote_refused_by_lease(&self, m: &Message) -> bool {
        matches!(m.kind, MessageKind::Vote | MessageKind::PreVote)
            && m.context != CAMPAIGN_TRANSFER
            && self.config.check_quorum
            && self.leader != NO_NODE
            && self.election_elapsed < self.config.election_tick
    }

    /// Learners vote as well: one that was promoted may not know it yet.
    pub(super) fn handle_vote(&mut self, m: &Message) {
        let free = self.vote == NO_NODE && self.leader == NO_NODE;
        let pre = m.kind == MessageKind::PreVote;
        let can_vote = self.vote == m.from
            || free
            || (pre && m.term > self.term)
            || (self.config.votes_again && self.leader == NO_NODE);
        let complete = self.config.votes_for_any_log || self.log.is_up_to_date(m.index, m.log_term);
        let granted = can_vote && complete;
        let kind = if pre { MessageKind::PreVoteResp } else { MessageKind::VoteResp };
        let mut answer = Message::new(kind, m.from);
        answer.reject = !granted;
        // A yes carries the candidate's term: a pre-candidate would ignore an older one.
        answer.term = if granted { m.term } else { self.term };
        self.send(answer);
        if granted && !pre {
            self.election_elapsed = 0;
            self.vote = m.from;
        }
    }

    pub(super) fn handle_vote_response(&mut self, m: &Message) {
        match self.peers.record_vote(m.from, !m.reject) {
            Tally::Won if self.role == Role::PreCandidate => self.start_campaign(Campaign::Vote),
            Tally::Won => {
                self.become_leader();
                self.broadcast_append();
            }
            // The answer to a pre-vote may carry a future term: stay in ours.
            Tally::Lost => self.become_follower(self.term, NO_NODE),
            Tally::Pending => {}
        }
    }

    pub(super) fn become_follower(&mut self, term: u64, leader: u64) {
        self.reset(term);
        self.leader = leader;
        self.role = Role::Follower;
    }

    /// Term, vote and time-out stay: a pre-candidate disturbs nobody.
    fn become_pre_candidate(&mut self) {
        self.peers.forget_votes();
        self.leader = NO_NODE;
        self.role = Role::PreCandidate;
    }

    fn become_candidate(&mut self) {
        self.reset(self.term + 1);
        self.vote = self.config.id;
        self.role = Role::Candidate;
    }

    fn become_leader(&mut self) {
        self.reset(self.term);
        self.leader = self.config.id;
        self.role = Role::Leader;
        if let Some(own) = self.peers.get_mut(self.config.id) {
            own.become_replicate();
            own.recent_active = true;
        }
        // There may be a conf change among the entries of older terms: wait for all of them.
        self.pending_conf_index = self.log.last_index();
        self.append(EntryKind::Normal, Bytes::new());
    }

    fn reset(&mut self, term: u64) {
        if self.term != term {
            self.term = term;
            self.vote = NO_NODE;
        }
        self.leader = NO_NODE;
        self.election_elapsed = 0;
        self.heartbeat_elapsed = 0;
        self.draw_election_timeout();
        self.transferee = NO_NODE;
        self.transfer_sent = false;
        self.peers.forget_votes();
        let last = self.log.last_index();
        for peer in &mut self.peers.list {
            let matched = if peer.id == self.config.id { last } else { 0 };
            peer.progress.reset(last + 1, matched);
        }
        self.pending_conf_index = 0;
        self.read_only = ReadOnly::default();
        self.early_reads.clear();
    }

    pub(super) fn check_quorum(&mut self) {
        if !self.peers.quorum_active() {
            self.become_follower(self.term, NO_NODE);
            return;
        }
        for peer in &mut self.peers.list {
            peer.progress.recent_active = peer.id == self.config.id;
        }
    }

    /// Hands leadership to `to`: at once if its log is complete, else after it has caught up; given up after
    /// an election time-out. A follower asks its leader to. Ignored if `to` is no voter or leads already.
    pub fn transfer_leader(&mut self, to: u64) {
        match self.role {
            Role::Leader => self.start_transfer(to),
            Role::Follower => {
                let mut m = Message::new(MessageKind::TransferLeader, NO_NODE);
                m.from = to;
                self.forward_transfer(m);
            }
            Role::PreCandidate | Role::Candidate => {}
        }
    }

    pub(super) fn forward_transfer(&mut self, mut m: Message) {
        if self.leader != NO_NODE {
            m.to = self.leader;
            self.send(m);
        }
    }

    pub(super) fn start_transfer(&mut self, to: u64) {
        if !self.peers.is_voter(to) || self.transferee == to {
            return;
        }
        self.transferee = NO_NODE;
        if to == self.config.id {
            return;
        }
        self.election_elapsed = 0;
        self.transferee = to;
        if self.peers.get(to).is_some_and(|peer| peer.matched == self.log.last_index()) {
            self.send_timeout_now(to);
        } else {
            self.send_append(to);
        }
    }

    pub(super) fn send_timeout_now(&mut self, to: u64) {
        self.transfer_sent = true;
        self.send(Message::new(MessageKind::TimeoutNow, to));
    }

    /// The newest stamp that a quorum of voters, this leader included, is known to have heard; `None` if it
    /// does not lead or has not been answered.
    ///
    /// Upstream counts the time when an ack arrived (`quorum_ack.go`). That proves nothing: an ack may be
    /// delayed or doubled by the network, and its follower has long turned to another leader. Here the request
    /// carries the leader's clock, the answer echoes it, and only answers of the current term count; so the
    /// follower heard this leader at that time or later, and refuses votes for an election time-out after it.
    /// It holds as long as no `TimeoutNow` was sent ([`Raft::transfer_sent`]): votes it causes pass the lease.
    pub fn quorum_stamp(&self) -> Option<u64> {
        if self.role != Role::Leader {
            return None;
        }
        let heard = self.peers.reached(|peer| {
            if peer.id == self.config.id { Some(self.stamp) } else { peer.progress.stamp }
        });
        heard.flatten()
    }
}
