//! The configuration with what is known of each member: progress, vote, in which majorities it counts. Mirrors
//! `tracker/tracker.go`.

use super::message::{ConfState, NO_NODE};
use super::progress::Progress;
use super::quorum::{self, Tally};

/// A member of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    pub id: u64,
    pub progress: Progress,
    /// Its answer in the current election.
    pub vote: Option<bool>,
    /// It votes in the configuration, or in the one that a joint configuration leads to.
    pub incoming: bool,
    /// It votes in the configuration that a joint one is leaving.
    pub outgoing: bool,
    /// It becomes a learner when the joint configuration is left.
    pub learner_next: bool,
}

/// The members, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    pub list: Vec<Peer>,
    /// Two majorities decide.
    pub joint: bool,
    /// The leader leaves the joint configuration by itself.
    pub auto_leave: bool,
}

impl Peers {
    pub(super) fn new(conf: &ConfState, next: u64, inflight_max: usize) -> Self {
        let mut peers =
            Peers { joint: conf.is_joint(), auto_leave: conf.auto_leave, ..Peers::default() };
        for id in conf.voters.iter().chain(&conf.voters_outgoing).chain(&conf.learners) {
            if *id == NO_NODE {
                continue;
            }
            let learner = conf.learners.contains(id);
            peers.insert(Peer {
                id: *id,
                progress: Progress::new(next, learner, inflight_max),
                vote: None,
                incoming: conf.voters.contains(id),
                outgoing: conf.voters_outgoing.contains(id),
                learner_next: conf.learners_next.contains(id),
            });
        }
        peers
    }

    pub(super) fn find(&self, id: u64) -> Option<usize> {
        self.list.binary_search_by_key(&id, |peer| peer.id).ok()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Progress> {
        self.find(id).map(|at| &self.list[at].progress)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Progress> {
        self.find(id).map(|at| &mut self.list[at].progress)
    }

    /// Adds a member; one that is there already stays as it is.
    pub(super) fn insert(&mut self, peer: Peer) {
        if let Err(at) = self.list.binary_search_by_key(&peer.id, |peer| peer.id) {
            self.list.insert(at, peer);
        }
    }

    /// Everyone who votes in one of the majorities.
    pub(super) fn voters(&self) -> impl Iterator<Item = &Peer> + Clone {
        self.list.iter().filter(|peer| !peer.progress.learner)
    }

    pub(super) fn is_voter(&self, id: u64) -> bool {
        self.get(id).is_some_and(|progress| !progress.learner)
    }

    /// Whether `id` is the only voter.
    pub(super) fn is_only_voter(&self, id: u64) -> bool {
        self.is_voter(id) && self.voters().count() == 1 && !self.joint
    }

    pub(super) fn conf(&self) -> ConfState {
        let ids = |of: fn(&Peer) -> bool| {
            self.list.iter().filter(|peer| of(peer)).map(|peer| peer.id).collect()
        };
        ConfState {
            voters: ids(|peer| peer.incoming),
            learners: ids(|peer| peer.progress.learner),
            voters_outgoing: ids(|peer| peer.outgoing),
            learners_next: ids(|peer| peer.learner_next),
            auto_leave: self.auto_leave,
        }
    }

    /// The largest value that every deciding majority has reached; `None` without voters.
    pub(super) fn reached<T: Ord + Copy>(&self, value: impl Fn(&Peer) -> T + Copy) -> Option<T> {
        let incoming = self.list.iter().filter(|peer| peer.incoming).map(value);
        let incoming = quorum::reached_by_majority(incoming);
        if !self.joint {
            return incoming;
        }
        let outgoing = self.list.iter().filter(|peer| peer.outgoing).map(value);
        quorum::reached_by_both(incoming, quorum::reached_by_majority(outgoing))
    }

    fn tally(&self, vote: impl Fn(&Peer) -> Option<bool> + Copy) -> Tally {
        let incoming = quorum::tally(self.list.iter().filter(|peer| peer.incoming).map(vote));
        if !self.joint {
            return incoming;
        }
        let outgoing = quorum::tally(self.list.iter().filter(|peer| peer.outgoing).map(vote));
        quorum::tally_both(incoming, outgoing)
    }

    /// The highest index that a quorum of the voters holds.
    pub(super) fn committed(&self) -> Option<u64> {
        self.reached(|peer| peer.progress.matched)
    }

    pub(super) fn forget_votes(&mut self) {
        self.list.iter_mut().for_each(|peer| peer.vote = None);
    }

    /// Counts an answer, of which the first stands, and says how the election is.
    pub(super) fn record_vote(&mut self, id: u64, granted: bool) -> Tally {
        if let Some(at) = self.find(id) {
            self.list[at].vote.get_or_insert(granted);
        }
        self.tally(|peer| peer.vote)
    }

    pub(super) fn quorum_active(&self) -> bool {
        self.tally(|peer| Some(peer.progress.recent_active)) == Tally::Won
    }
}
