//! Wall clocks strobe: they show two times in turn, up to [`super::skew::SKEW_MAX_MS`] apart, for 1 ms to 10 s each.
//!
//! Jepsen's `strobe-time`. A clock that goes forward and back faster than anyone reads it: two reads a moment apart differ by
//! the whole of it, either way.

use super::skew::Skew;
use super::{ClusterView, Family, Timed, clock};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The shortest time that a clock shows either of its two.
pub const PERIOD_MIN_MS: u64 = 1;
/// The longest.
pub const PERIOD_MAX_MS: u64 = 10_000;

/// Strobes of 1 ms to a minute, each factor of two equally likely.
#[derive(Clone, Debug, Default)]
pub struct Strobes;

impl Family for Strobes {
    fn told(&self) -> String {
        "a leader or some nodes; between times up to a minute apart, for 2 to 20 s".to_owned()
    }

    /// Of a leader in four cases of ten, of some random nodes in the others; over after 2 to 20 s.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let mut timed: Vec<Timed> =
            nodes.iter().map(|id| Timed::now(strobe(view, *id, rng))).collect();
        let reset = clock::reset(rng);
        timed.extend(nodes.into_iter().map(|id| Timed::after(reset, Fault::WallReset(id))));
        timed
    }
}

fn strobe(view: &ClusterView, node: NodeId, rng: &mut ChaCha8Rng) -> Fault {
    // The strobe before it ends.
    let skew = Skew { strobe_ms: 0, ..clock::skew(view, node) };
    let delta_ms = clock::fitted(skew, clock::either_way(rng));
    let period_ms = rng.log_uniform(PERIOD_MIN_MS, PERIOD_MAX_MS) as u32;
    Fault::WallStrobe { node, delta_ms, period_ms }
}
