//! Processes are killed from inside: at a step that has a name, or at any await.
//!
//! A kill at a moment of time comes while a process waits for its disk or its peers, since that is where it is most of the time. These come
//! where little time is spent: between an append and its sync, inside the writing of a snapshot, between what was applied and
//! its answer. One node at a time; a target bounds how many are down then, as for other kills.

use super::process::{DOWN, Target};
use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// How long a step is waited for, at least.
pub const WAIT_MIN_MS: u64 = 500;
/// And at most: then the process is killed wherever it is.
pub const WAIT_MAX_MS: u64 = 4_000;
/// A process polls a few hundred times a second when nobody asks it for anything.
pub const POLLS_MAX: u64 = 2_000;
/// How long that may take, before it is killed wherever it is.
pub const POLLS_WITHIN: Duration = Duration::from_secs(2);

/// Kills at each of the steps that the cluster has, equally likely.
#[derive(Clone, Debug)]
pub struct Steps {
    targets: Vec<Target>,
    wait: Range,
    down: Range,
}

impl Steps {
    /// Chooses among the targets given.
    pub fn new(targets: Vec<Target>) -> Steps {
        Steps { targets, wait: Range::log(WAIT_MIN_MS, WAIT_MAX_MS, Unit::Ms), down: DOWN }
    }
}

impl Family for Steps {
    fn told(&self) -> String {
        let targets = Target::names(&self.targets);
        format!("one within {targets}; at a step or after {}, down for {}", self.wait, self.down)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.wait, &mut self.down]
    }

    /// The node starts again some time after the latest moment of its death.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let Some(node) = one(&self.targets, view, rng) else { return Vec::new() };
        if view.steps.is_empty() {
            return Vec::new();
        }
        let step = rng.pick(&view.steps).clone();
        let or_after_ms = self.wait.draw(rng);
        let dead = Duration::from_millis(or_after_ms);
        let fault = Fault::KillAt { node, step, or_after_ms: or_after_ms as u32 };
        struck(fault, dead + self.down.time(rng), node, view)
    }
}

/// Kills after 1 to [`POLLS_MAX`] polls, each factor of two equally likely.
#[derive(Clone, Debug)]
pub struct Awaits {
    targets: Vec<Target>,
    polls: Range,
    down: Range,
}

impl Awaits {
    /// Chooses among the targets given.
    pub fn new(targets: Vec<Target>) -> Awaits {
        Awaits { targets, polls: Range::log(1, POLLS_MAX, Unit::Times), down: DOWN }
    }
}

impl Family for Awaits {
    fn told(&self) -> String {
        let targets = Target::names(&self.targets);
        format!("one within {targets}; after {} polls, down for {}", self.polls, self.down)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.polls, &mut self.down]
    }

    /// The node starts again some time after the latest moment of its death.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let Some(node) = one(&self.targets, view, rng) else { return Vec::new() };
        let polls = self.polls.draw(rng) as u32;
        let back = POLLS_WITHIN + self.down.time(rng);
        struck(Fault::KillAfter { node, polls }, back, node, view)
    }
}

/// One node that may be down besides those that are.
fn one(targets: &[Target], view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<NodeId> {
    let nodes = targets.get(rng.range(0, targets.len().max(1) as u64) as usize)?.nodes(view, rng);
    nodes.into_iter().find(|id| view.node(*id).is_some_and(super::NodeView::acts))
}

fn struck(fault: Fault, back: Duration, node: NodeId, view: &ClusterView) -> Vec<Timed> {
    match view.can_act(&fault) {
        true => vec![Timed::now(fault), Timed::after(back, Fault::Restart(node))],
        false => Vec::new(),
    }
}
