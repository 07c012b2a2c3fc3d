//! Wall clocks jump, at most [`SKEW_MAX_MS`] from true time either way. Monotonic clocks are not touched.

use super::range::{Range, Unit};
use super::skew::{SKEW_MAX_MS, Skew};
use super::{ClusterView, Family, NodeView, Timed};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// By how much a clock is moved, each factor of two equally likely.
pub(super) const SIZES: Range = Range::log(1, SKEW_MAX_MS as u64, Unit::Ms);
/// When a clock shows true time again: a node that reads its clock once a second has seen what was done to it by then.
pub(super) const LASTS: Range = Range::log(2_000, 20_000, Unit::Ms);
/// Whose clocks, or disks, in words.
pub(super) const WHOSE: &str = "of a leader or some nodes";

/// Jumps of either way.
#[derive(Clone, Debug)]
pub struct Jumps {
    sizes: Range,
    lasts: Range,
}

impl Default for Jumps {
    /// Of 1 ms to a minute.
    fn default() -> Jumps {
        Jumps { sizes: SIZES, lasts: LASTS }
    }
}

impl Family for Jumps {
    fn told(&self) -> String {
        format!("{WHOSE}; by {}, for {} or to the end", self.sizes, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.sizes, &mut self.lasts]
    }

    /// Of a leader in four cases of ten, of some random nodes in the others; reset in half of them.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = nodes(view, rng);
        if nodes.is_empty() {
            return Vec::new();
        }
        let resets = rng.chance(0.5);
        let reset = self.lasts.time(rng);
        let mut timed = Vec::new();
        for id in nodes {
            let by_ms = fitted(skew(view, id), either_way(self.sizes, rng));
            timed.push(Timed::now(Fault::WallJump { node: id, by_ms }));
            if resets {
                timed.push(Timed::after(reset, Fault::WallReset(id)));
            }
        }
        timed
    }
}

/// Whose clocks: a leader's in four cases of ten, those of some random nodes that run in the others.
pub(super) fn nodes(view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<NodeId> {
    let mut nodes = view.which(NodeView::acts);
    if nodes.is_empty() {
        return nodes;
    }
    rng.shuffle(&mut nodes);
    let count = rng.range(1, nodes.len() as u64 + 1) as usize;
    if rng.chance(0.4)
        && let Some(at) = nodes.iter().position(|id| view.leaders.contains(id))
    {
        nodes.swap(0, at);
        nodes.truncate(1);
    } else {
        nodes.truncate(count);
    }
    nodes
}

/// What the node's wall clock was made to show.
pub(super) fn skew(view: &ClusterView, id: NodeId) -> Skew {
    view.node(id).map_or_else(Skew::default, |node| node.wall)
}

/// So much either way, as it fits: turned round where it would leave the bounds, and less where it would both ways.
pub(super) fn fitted(skew: Skew, by_ms: i64) -> i64 {
    let (least, most) = skew.reach();
    match by_ms {
        by if skew.has_room(by) => by,
        by if skew.has_room(-by) => -by,
        by => by.min(SKEW_MAX_MS - most).max(-SKEW_MAX_MS - least),
    }
}

/// A size, either way.
pub(super) fn either_way(sizes: Range, rng: &mut ChaCha8Rng) -> i64 {
    let size = sizes.draw(rng) as i64;
    if rng.chance(0.5) { size } else { -size }
}
