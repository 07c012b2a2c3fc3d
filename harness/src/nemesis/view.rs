//! A node as a nemesis sees it: what the faults so far made of it, not what it is.

use super::disk::DiskState;
use super::skew::Skew;
use crate::cluster::NodeId;

/// A node as the faults so far left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Which.
    pub id: NodeId,
    /// Not killed, not powered off, not rebooted, not ended by its disk.
    pub up: bool,
    /// Stopped by a signal.
    pub paused: bool,
    /// Not removed from the group.
    pub member: bool,
    /// What its wall clock was made to show.
    pub wall: Skew,
    /// What its monotonic clock gains, in microseconds a second.
    pub pace_ppm: i32,
    /// What was made of its disk.
    pub disk: DiskState,
}

impl NodeView {
    /// Whether it runs.
    pub fn acts(&self) -> bool {
        self.up && !self.paused
    }

    /// Whether what is done to its disk shows. Of one that waits to be added, too little is known to say what a start of it would do.
    pub fn may_be_spoilt(&self) -> bool {
        self.member && self.acts() && self.disk == DiskState::Whole
    }

    pub(super) fn may_be_mended(&self) -> bool {
        use DiskState::{Failing, Lying, Troubled};
        matches!(self.disk, Troubled(_) | Failing | Lying)
    }
}
