//! Processes are killed, machines lose power or restart; each process starts again after a while.
//!
//! A target bounds how many nodes are down at once, those counted that were down before, whatever took them down:
//! a seed that draws only `One` and `Minority` always has a majority up.

use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// How many nodes, and so how many may be down at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// One more, within a minority.
    One,
    /// A leader, within a minority; one more if none is known.
    Leader,
    /// Up to a minority.
    Minority,
    /// Up to a majority.
    Majority,
    /// All.
    All,
}

impl Target {
    /// Every target.
    pub const ALL: [Target; 5] =
        [Target::One, Target::Leader, Target::Minority, Target::Majority, Target::All];

    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Target::One => "one",
            Target::Leader => "a leader",
            Target::Minority => "a minority",
            Target::Majority => "a majority",
            Target::All => "all",
        }
    }

    /// Several of them, with commas between.
    pub fn names(of: &[Target]) -> String {
        of.iter().map(|target| target.name()).collect::<Vec<_>>().join(", ")
    }

    /// How many nodes may be down after it struck.
    pub fn down_max(self, view: &ClusterView) -> usize {
        match self {
            Target::One | Target::Leader | Target::Minority => view.minority(),
            Target::Majority => view.minority() + 1,
            Target::All => view.nodes.len(),
        }
    }

    /// Nodes that are up, so many that no more than `down_max` are down afterwards.
    pub fn nodes(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<NodeId> {
        let mut up = view.which(|node| node.up);
        rng.shuffle(&mut up);
        let down = view.nodes.len() - up.len();
        let room = self.down_max(view).saturating_sub(down);
        if self == Target::Leader
            && let Some(at) = up.iter().position(|id| view.leaders.contains(id))
        {
            up.swap(0, at);
        }
        let wanted = match self {
            Target::One | Target::Leader => 1,
            Target::Minority | Target::Majority | Target::All => room,
        };
        up.truncate(wanted.min(room));
        up
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// SIGKILL.
    Kill,
    /// The machine loses power.
    Power,
    /// The machine restarts.
    Reboot,
}

/// Kills, power cuts or reboots of these targets.
#[derive(Clone, Debug)]
pub struct Processes {
    end: End,
    targets: Vec<Target>,
    down: Range,
}

impl Processes {
    /// Chooses among the targets given.
    pub fn new(end: End, targets: Vec<Target>) -> Processes {
        Processes { end, targets, down: DOWN }
    }

    fn fault(&self, node: NodeId) -> Fault {
        match self.end {
            End::Kill => Fault::Kill(node),
            End::Power => Fault::PowerOff(node),
            End::Reboot => Fault::Reboot(node),
        }
    }
}

impl Family for Processes {
    fn told(&self) -> String {
        format!("{}; down for {}", Target::names(&self.targets), self.down)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.down]
    }

    /// Each node starts again by itself: together in one case of three.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.targets.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.targets).nodes(view, rng);
        let together = rng.chance(0.33);
        let common = self.down.time(rng);
        let mut timed: Vec<Timed> =
            nodes.iter().map(|node| Timed::now(self.fault(*node))).collect();
        for node in nodes {
            let down = if together { common } else { self.down.time(rng) };
            timed.push(Timed::after(down, Fault::Restart(node)));
        }
        timed
    }
}

/// How long a process is down.
pub(super) const DOWN: Range = Range::log(50, 8_000, Unit::Ms);
