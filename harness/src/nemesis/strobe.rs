//! Wall clocks strobe: they show two times in turn, up to [`super::skew::SKEW_MAX_MS`] apart, for 1 ms to 10 s each.
//!
//! Jepsen's `strobe-time`. A clock that goes forward and back faster than anyone reads it: two reads a moment apart differ by
//! the whole of it, either way.

use super::clock::{LASTS, SIZES, WHOSE};
use super::range::{Range, Unit};
use super::skew::Skew;
use super::{ClusterView, Family, Timed, clock};
use crate::cluster::NodeId;
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;

/// The shortest time that a clock shows either of its two.
pub const PERIOD_MIN_MS: u64 = 1;
/// The longest.
pub const PERIOD_MAX_MS: u64 = 10_000;

/// Strobes, each factor of two equally likely.
#[derive(Clone, Debug)]
pub struct Strobes {
    sizes: Range,
    periods: Range,
    lasts: Range,
}

impl Default for Strobes {
    /// Of 1 ms to a minute.
    fn default() -> Strobes {
        let periods = Range::log(PERIOD_MIN_MS, PERIOD_MAX_MS, Unit::Ms);
        Strobes { sizes: SIZES, periods, lasts: LASTS }
    }
}

impl Strobes {
    fn strobe(&self, view: &ClusterView, node: NodeId, rng: &mut ChaCha8Rng) -> Fault {
        // The strobe before it ends.
        let skew = Skew { strobe_ms: 0, ..clock::skew(view, node) };
        let delta_ms = clock::fitted(skew, clock::either_way(self.sizes, rng));
        Fault::WallStrobe { node, delta_ms, period_ms: self.periods.draw(rng) as u32 }
    }
}

impl Family for Strobes {
    fn told(&self) -> String {
        let Strobes { sizes, periods, lasts } = self;
        format!("{WHOSE}; between times {sizes} apart, {periods} each, for {lasts}")
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.sizes, &mut self.periods, &mut self.lasts]
    }

    /// Of a leader in four cases of ten, of some random nodes in the others.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let mut timed: Vec<Timed> =
            nodes.iter().map(|id| Timed::now(self.strobe(view, *id, rng))).collect();
        let reset = self.lasts.time(rng);
        timed.extend(nodes.into_iter().map(|id| Timed::after(reset, Fault::WallReset(id))));
        timed
    }
}
