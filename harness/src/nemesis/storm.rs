//! One process is killed again and again while it starts: what recovery leaves half done, the next recovery finds.

use super::process::Target;
use super::range::{Range, Unit};
use super::{ClusterView, Family, NodeView, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The fewest kills.
pub const TIMES_MIN: u64 = 3;
/// The most.
pub const TIMES_MAX: u64 = 8;
/// The longest that the process is up between two kills, in milliseconds.
pub const UP_MAX_MS: u64 = 800;
/// The longest that it is down, in milliseconds.
pub const DOWN_MAX_MS: u64 = 400;

/// 3 to 8 kills of one node, which is up for 1 to 800 ms between them: from the first reads of its disk to a follower that has heard from
/// its leader.
#[derive(Clone, Debug)]
pub struct Storms {
    targets: Vec<Target>,
    times: Range,
    up: Range,
    down: Range,
}

impl Storms {
    /// Chooses among the targets given.
    pub fn new(targets: Vec<Target>) -> Storms {
        Storms {
            targets,
            times: Range::even(TIMES_MIN, TIMES_MAX, Unit::Times),
            up: Range::log(1, UP_MAX_MS, Unit::Ms),
            down: Range::log(1, DOWN_MAX_MS, Unit::Ms),
        }
    }
}

impl Family for Storms {
    fn told(&self) -> String {
        let Storms { targets, times, up, down } = self;
        let targets = Target::names(targets);
        format!("one within {targets}; {times} kills, up for {up}, down for {down}")
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.times, &mut self.up, &mut self.down]
    }

    /// A node that runs and may be down besides those that are.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.targets.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.targets).nodes(view, rng);
        let times = self.times.draw(rng) as u32;
        let up_ms = self.up.draw(rng) as u32;
        let down_ms = self.down.draw(rng) as u32;
        let runs = nodes.into_iter().find(|id| view.node(*id).is_some_and(NodeView::acts));
        let storm = |node| Timed::now(Fault::Storm { node, times, up_ms, down_ms });
        runs.into_iter().map(storm).collect()
    }
}
