//! Processes are stopped and continued: a leader that wakes up and does not know that it was asleep.

use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Pauses of a leader in six cases of ten, of one node in two, of a minority in two.
#[derive(Clone, Debug)]
pub struct Pauses {
    lasts: Range,
}

impl Default for Pauses {
    /// For 0.1 to 6 s.
    fn default() -> Pauses {
        Pauses { lasts: Range::log(100, 6_000, Unit::Ms) }
    }
}

impl Family for Pauses {
    fn told(&self) -> String {
        format!("a leader, one or a minority; for {}", self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    /// Never more than a minority is stopped at once.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut nodes = view.which(super::NodeView::acts);
        rng.shuffle(&mut nodes);
        let stopped = view.which(|node| node.paused).len();
        let room = view.minority().saturating_sub(stopped);
        let case = rng.range(0, 10);
        if case < 6
            && let Some(at) = nodes.iter().position(|id| view.leaders.contains(id))
        {
            nodes.swap(0, at);
        }
        nodes.truncate(if case < 8 { room.min(1) } else { room });
        let mut timed: Vec<Timed> =
            nodes.iter().map(|node| Timed::now(Fault::Pause(*node))).collect();
        for node in nodes {
            timed.push(Timed::after(self.lasts.time(rng), Fault::Resume(node)));
        }
        timed
    }
}
