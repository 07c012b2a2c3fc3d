//! A process reaches the limit of its memory and is killed for it.

use super::process::{DOWN, Target};
use super::range::{Range, Unit};
use super::{ClusterView, Family, NodeView, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The least limit, in KiB of what waits: what one large command leaves.
pub const LIMIT_MIN_KIB: u64 = 1;
/// The largest: what a store's journal gathers between two snapshots.
pub const LIMIT_MAX_KIB: u64 = 64;
/// How long a process may stay below its limit, at least.
pub const WAIT_MIN_MS: u64 = 500;
/// And at most: then it is killed wherever it is.
pub const WAIT_MAX_MS: u64 = 2_000;

/// Limits of 1 to 64 KiB, each factor of two equally likely.
#[derive(Clone, Debug)]
pub struct Limits {
    targets: Vec<Target>,
    kib: Range,
    wait: Range,
    down: Range,
}

impl Limits {
    /// Chooses among the targets given.
    pub fn new(targets: Vec<Target>) -> Limits {
        let kib = Range::log(LIMIT_MIN_KIB, LIMIT_MAX_KIB, Unit::Kib);
        Limits { targets, kib, wait: Range::log(WAIT_MIN_MS, WAIT_MAX_MS, Unit::Ms), down: DOWN }
    }
}

impl Family for Limits {
    fn told(&self) -> String {
        let Limits { targets, kib, wait, down } = self;
        let targets = Target::names(targets);
        format!("one within {targets}; at {kib} or after {wait}, down for {down}")
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.kib, &mut self.wait, &mut self.down]
    }

    /// One node that runs and may be down besides those that are; it starts again some time after the latest moment of its
    /// death.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.targets.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.targets).nodes(view, rng);
        let kib = self.kib.draw(rng) as u32;
        let or_after_ms = self.wait.draw(rng);
        let down = Duration::from_millis(or_after_ms) + self.down.time(rng);
        let runs = nodes.into_iter().find(|id| view.node(*id).is_some_and(NodeView::acts));
        let Some(node) = runs else { return Vec::new() };
        let limit = Fault::LimitMemory { node, kib, or_after_ms: or_after_ms as u32 };
        vec![Timed::now(limit), Timed::after(down, Fault::Restart(node))]
    }
}
