//! Wall clocks jump, at most [`SKEW_MAX_MS`] from true time either way. Monotonic clocks are not touched.

use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// How far a wall clock may be from true time.
pub const SKEW_MAX_MS: i64 = 60_000;

/// Jumps of 1 ms to a minute, each factor of two equally likely.
#[derive(Clone, Debug, Default)]
pub struct Clocks;

impl Family for Clocks {
    /// Of a leader in four cases of ten, of some random nodes in the others; reset after 2 to 20 s in half of them: a node
    /// that reads its clock once a second has seen the jump by then.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut nodes = view.which(super::NodeView::acts);
        if nodes.is_empty() {
            return Vec::new();
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
        let resets = rng.chance(0.5);
        let reset = Duration::from_millis(rng.log_uniform(2_000, 20_000));
        let mut timed = Vec::new();
        for id in nodes {
            let shown = view.node(id).map_or(0, |node| node.wall_ms);
            let by_ms = jump(shown, rng);
            timed.push(Timed::now(Fault::WallJump { node: id, by_ms }));
            if resets {
                timed.push(Timed::after(reset, Fault::WallReset(id)));
            }
        }
        timed
    }
}

/// A jump that leaves the clock within its bounds; turned round where it would not.
fn jump(shown: i64, rng: &mut ChaCha8Rng) -> i64 {
    let size = rng.log_uniform(1, SKEW_MAX_MS as u64) as i64;
    let by = if rng.chance(0.5) { size } else { -size };
    if (shown + by).abs() <= SKEW_MAX_MS { by } else { -by }
}
