//! Who is in the group, and who leads it, changed on demand (`handleAdmin`): learners added, promoted, removed, leadership
//! handed over. What each comes to is seen in [`Engine::standing`], not waited for.
//!
//! Differs from upstream: a leader that removes itself steps down at once, where upstream's goes on, without a vote and without
//! taking proposals, for as long as its followers hear of it; and a node that waits to be added lends its vote to nobody, where
//! upstream's answers whoever asks. A disk that was wiped forgets what it had voted for and what it had acknowledged, so who
//! comes back with one must have got all that was committed when its disk was wiped before it counts; and it hears no leader of a term
//! from before its removal, who would count on it.

use super::{Engine, raft_id};
use crate::env::{Env, Level, NodeId};
use crate::raft::{ConfChange, ConfChangeError, ConfChangeKind, ProposeError};
use bytes::Bytes;
use std::fmt;

/// A step of membership, as upstream's `raftadmin` names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    /// `add_voter`.
    AddVoter(NodeId),
    /// `add_learner`.
    AddLearner(NodeId),
    /// `promote_learner`: once it holds all that is committed.
    PromoteLearner(NodeId),
    /// `remove_server`.
    RemoveServer(NodeId),
}

/// Why a step was not taken: nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberError {
    /// This node does not lead.
    NotLeader,
    /// One change at a time.
    ConfChangePending,
    /// It is no learner.
    NotLearner(NodeId),
    /// It lacks entries that are committed.
    NotCaughtUp {
        /// Who.
        node: NodeId,
        /// What it is known to hold.
        matched: u64,
        /// What it has to hold.
        want: u64,
    },
    /// Nobody would be left to vote.
    LastVoter,
    /// Leadership is on its way to somebody else.
    TransferInProgress,
    /// It does not vote.
    TransferRejected(NodeId),
}

impl fmt::Display for MemberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MemberError::NotLeader => f.write_str("etcd raft engine is not leader"),
            MemberError::ConfChangePending => {
                f.write_str("etcd raft membership conf change is pending")
            }
            MemberError::NotLearner(node) => {
                write!(f, "id={node}: etcd raft promote-learner target is not a learner")
            }
            MemberError::NotCaughtUp { node, matched, want } => write!(
                f,
                "id={node} match={matched} want>={want}: etcd raft promote-learner target has not caught up to min_applied_index"
            ),
            MemberError::LastVoter => f.write_str("removed all voters"),
            MemberError::TransferInProgress => {
                f.write_str("etcd raft leadership transfer is in progress")
            }
            MemberError::TransferRejected(node) => write!(
                f,
                "id={node}: etcd raft leadership transfer was rejected by raft (target is not a voter)"
            ),
        }
    }
}

impl std::error::Error for MemberError {}

/// Where a node stands, as it sees itself (`raftadmin status` and `configuration`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its term.
    pub term: u64,
    /// It leads that term.
    pub leads: bool,
    /// Index of the last entry applied.
    pub applied: u64,
    /// Who votes, by its applied configuration.
    pub voters: Vec<NodeId>,
    /// Who receives the log only.
    pub learners: Vec<NodeId>,
    /// Its log has a change of them that is not applied: they may be others soon.
    pub changing: bool,
    /// Timestamps that it refused for the ceiling since it was started.
    pub refused: u64,
}

impl<E: Env> Engine<E> {
    /// Where this node stands.
    pub fn standing(&self) -> Standing {
        let raft = self.0.raft.borrow();
        let conf = raft.conf_state();
        let nodes =
            |ids: &[u64]| ids.iter().filter_map(|id| u16::try_from(*id).ok().map(NodeId)).collect();
        Standing {
            term: raft.term(),
            leads: raft.is_leader(),
            applied: self.0.fsm.borrow().applied(),
            voters: nodes(&conf.voters),
            learners: nodes(&conf.learners),
            changing: raft.unapplied().any(|entry| entry.kind.is_conf_change()),
            refused: self.0.refused.get(),
        }
    }

    /// Proposes a step; it holds once it is committed, which may be never.
    pub fn change_members(&self, change: MemberChange) -> Result<(), MemberError> {
        let (kind, node) = match change {
            MemberChange::AddVoter(node) => (ConfChangeKind::AddVoter, node),
            MemberChange::AddLearner(node) => (ConfChangeKind::AddLearner, node),
            MemberChange::RemoveServer(node) => (ConfChangeKind::Remove, node),
            MemberChange::PromoteLearner(node) => {
                self.may_promote(node)?;
                (ConfChangeKind::AddVoter, node)
            }
        };
        let inner = &self.0;
        inner.stamp();
        let change = ConfChange { kind, id: raft_id(node), context: Bytes::new() };
        let proposed = inner.raft.borrow_mut().propose_conf_change(&change);
        match proposed {
            Ok(_) => {
                inner.wake.notify();
                Ok(())
            }
            Err(ProposeError::ConfChangePending { .. }) => Err(MemberError::ConfChangePending),
            Err(ProposeError::ConfChange(ConfChangeError::LastVoter)) => {
                Err(MemberError::LastVoter)
            }
            Err(ProposeError::Transferring { .. }) => Err(MemberError::TransferInProgress),
            Err(_) => Err(MemberError::NotLeader),
        }
    }

    fn may_promote(&self, node: NodeId) -> Result<(), MemberError> {
        let status = self.0.raft.borrow().status();
        let progress = status.progress.iter().find(|(id, _)| *id == raft_id(node));
        match progress {
            _ if status.progress.is_empty() => Err(MemberError::NotLeader),
            Some((_, progress)) if progress.learner && progress.matched < status.commit => {
                let (matched, want) = (progress.matched, status.commit);
                Err(MemberError::NotCaughtUp { node, matched, want })
            }
            Some((_, progress)) if progress.learner => Ok(()),
            _ => Err(MemberError::NotLearner(node)),
        }
    }

    /// Whether a voter answers and holds all that is committed, as this leader knows.
    pub fn keeps_up(&self, node: NodeId) -> bool {
        let status = self.0.raft.borrow().status();
        let progress = status.progress.iter().find(|(id, _)| *id == raft_id(node));
        progress.is_some_and(|(_, progress)| {
            progress.recent_active && !progress.learner && progress.matched >= status.commit
        })
    }

    /// Asks the voter to take over; it does as soon as it holds the whole log, or not at all.
    pub fn transfer_leadership(&self, to: NodeId) -> Result<(), MemberError> {
        let inner = &self.0;
        inner.stamp();
        let mut raft = inner.raft.borrow_mut();
        match raft.transferee() {
            _ if !raft.is_leader() => return Err(MemberError::NotLeader),
            under_way if under_way != 0 && under_way != raft_id(to) => {
                return Err(MemberError::TransferInProgress);
            }
            _ if to == inner.env.id() => return Ok(()),
            _ => raft.transfer_leader(raft_id(to)),
        }
        if raft.transferee() != raft_id(to) {
            return Err(MemberError::TransferRejected(to));
        }
        drop(raft);
        sometimes!(inner.env, "leadership transfer begun");
        inner.env.log(Level::Info, format_args!("is to hand leadership to {to}"));
        inner.wake.notify();
        Ok(())
    }
}
