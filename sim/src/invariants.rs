//! White-box invariants: what must hold of the facts that nodes tell, as they tell them. Black-box checkers of histories
//! live in `harness`.
//!
//! A new invariant is one file here and one row in [`all`]. The first violation of each is a finding; a broken
//! invariant is not asked again.

mod acknowledgements;
mod commit_timestamps;
mod durable_before_promised;
mod equal_state;
mod leader_completeness;
mod lease_exclusivity;
mod nothing_lost;
mod one_leader_per_term;
mod restart_timestamps;
mod snapshot_reads_stable;

pub use acknowledgements::Acknowledgements;
pub use commit_timestamps::CommitTimestamps;
pub use durable_before_promised::DurableBeforePromised;
pub use equal_state::EqualState;
pub use leader_completeness::LeaderCompleteness;
pub use lease_exclusivity::LeaseExclusivity;
pub use nothing_lost::NothingLost;
pub use one_leader_per_term::OneLeaderPerTerm;
pub use restart_timestamps::RestartTimestamps;
pub use snapshot_reads_stable::SnapshotReadsStable;

use crate::disk::Volume;
use bytes::Bytes;
use elastickv::env::{Fact, GroupId, Lane};
use elastickv::group::folder;
use std::fmt;

/// Something that holds in every run of a correct system. `Err` is one sentence with the values.
pub trait Invariant {
    /// Its name in findings: `one-leader-per-term`.
    fn name(&self) -> &'static str;

    /// A node says something of itself, in the same poll as the act.
    fn observe(&mut self, node: u16, boot: u64, fact: &Fact) -> Result<(), String>;

    /// A node says something of another group than the one that is watched.
    fn observe_beside(&mut self, _node: u16, _fact: &Fact) -> Result<(), String> {
        Ok(())
    }

    /// Whether [`Invariant::sent`] is to be called. Asked once.
    fn watches_sends(&self) -> bool {
        false
    }

    /// A datagram is about to leave a node; nothing of it has reached anyone.
    fn sent(&mut self, _sent: &Sent<'_>) -> Result<(), String> {
        Ok(())
    }

    /// A node was rebuilt from its disk after the run and reached this log index.
    fn rebuilt(&mut self, _node: u16, _view: View, _reached: u64) -> Result<(), String> {
        Ok(())
    }

    /// The node's disk was wiped, on purpose and after it had been removed: it has to keep nothing of what it promised before.
    fn wiped(&mut self, _node: u16) {}

    /// The node's disk begins to say that it holds what it does not, or holds all that it has said.
    fn doubted(&mut self, _node: u16, _doubted: bool) {}

    /// The run is over.
    fn finish(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// Which of a disk's bytes a node is rebuilt from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What its process wrote.
    Kill,
    /// What no power cut can take.
    PowerCut,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            View::Kill => "kill",
            View::PowerCut => "power cut",
        })
    }
}

/// A datagram at the moment at which it leaves.
pub struct Sent<'a> {
    /// The sender.
    pub node: u16,
    /// Its boot.
    pub boot: u64,
    /// The receiver.
    pub to: u16,
    /// Raft's lane.
    pub lane: Lane,
    /// What is sent.
    pub message: &'a Bytes,
    /// The sender's disk at this moment.
    pub disk: DiskView<'a>,
}

/// A group's files on a node, to look at.
#[derive(Clone, Copy)]
pub struct DiskView<'a> {
    volume: &'a Volume,
    group: GroupId,
}

impl<'a> DiskView<'a> {
    /// The group's folder of a disk.
    pub fn of(volume: &'a Volume, group: GroupId) -> DiskView<'a> {
        DiskView { volume, group }
    }

    /// How many changes of names no power cut can take any more: while it stays, so do the names.
    pub fn names_settled(&self) -> u64 {
        self.volume.names_settled()
    }

    /// The names that no power cut can take.
    pub fn synced_paths(&self) -> impl Iterator<Item = &'a str> + 'a {
        let folder = folder(self.group);
        self.volume.synced_paths().filter_map(move |path| path.strip_prefix(&folder))
    }

    /// The bytes of a file that no power cut can take; `None` if the name itself can be lost.
    pub fn synced_image(&self, path: &str) -> Option<&'a [u8]> {
        match self.group {
            GroupId::DEFAULT => self.volume.synced_image(path),
            group => self.volume.synced_image(&format!("{}{path}", folder(group))),
        }
    }
}

/// Every invariant that a group is watched by in a run.
pub fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(NothingLost::default()),
        Box::new(OneLeaderPerTerm::default()),
        Box::new(DurableBeforePromised::default()),
        Box::new(EqualState::default()),
        Box::new(CommitTimestamps::default()),
        Box::new(Acknowledgements::default()),
        Box::new(RestartTimestamps),
        Box::new(LeaderCompleteness::default()),
        Box::new(LeaseExclusivity::default()),
        Box::new(SnapshotReadsStable::default()),
    ]
}

#[cfg(test)]
mod fed {
    use super::*;

    /// The first violation that this sequence of (node, fact) shows, including at its end.
    pub(super) fn violation(
        mut invariant: impl Invariant,
        facts: impl IntoIterator<Item = (u16, Fact)>,
    ) -> Option<String> {
        let mut told = facts.into_iter().map(|(node, fact)| invariant.observe(node, 1, &fact));
        told.find_map(Result::err).or_else(|| invariant.finish().err())
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<&str> = all().iter().map(|invariant| invariant.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
    }
}
