//! Wall clocks stand still, for [`super::drift::DRIFT_MAX`] at most: a drift that loses all there is to gain.

use super::clock::{LASTS, WHOSE};
use super::drift::DRIFT_MAX;
use super::range::Range;
use super::{ClusterView, Family, Timed, clock};
use crate::cluster::NodeId;
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;

/// What a clock that stands still gains, in microseconds a second.
pub const FROZEN_PPM: i32 = -1_000_000;

/// Freezes, of a leader in four cases of ten, of some random nodes in the others.
#[derive(Clone, Debug)]
pub struct Freezes {
    lasts: Range,
}

impl Default for Freezes {
    /// For 2 to 20 s.
    fn default() -> Freezes {
        Freezes { lasts: LASTS }
    }
}

impl Family for Freezes {
    fn told(&self) -> String {
        format!("{WHOSE}; for {}", self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    /// Over after a while, whatever else happens to the clock.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let fits = |node: &NodeId| {
            let mut skew = clock::skew(view, *node);
            skew.drift(FROZEN_PPM, view.now);
            skew.has_room(0)
        };
        let nodes: Vec<NodeId> = clock::nodes(view, rng).into_iter().filter(fits).collect();
        let reset = self.lasts.time(rng).min(DRIFT_MAX);
        let begin = nodes.iter().map(|node| Timed::now(Fault::WallFreeze(*node)));
        let end = nodes.iter().map(|node| Timed::after(reset, Fault::WallReset(*node)));
        begin.chain(end).collect()
    }
}
