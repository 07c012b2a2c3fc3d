//! Wall clocks run fast or slow, by up to a tenth, and gain no more than that of [`DRIFT_MAX`].

use super::clock::{LASTS, WHOSE};
use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed, clock};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The slowest drift, in microseconds a second: in two seconds it shows in a clock of milliseconds.
pub const DRIFT_MIN_PPM: u64 = 500;
/// The fastest.
pub const DRIFT_MAX_PPM: u64 = 100_000;
/// No clock drifts for longer.
pub const DRIFT_MAX: Duration = Duration::from_secs(20);

/// Drifts either way, each factor of two equally likely.
#[derive(Clone, Debug)]
pub struct Drifts {
    ppm: Range,
    lasts: Range,
}

impl Default for Drifts {
    /// By up to a tenth.
    fn default() -> Drifts {
        Drifts { ppm: Range::log(DRIFT_MIN_PPM, DRIFT_MAX_PPM, Unit::Ppm), lasts: LASTS }
    }
}

impl Family for Drifts {
    fn told(&self) -> String {
        format!("{WHOSE}; by {}, for {}", self.ppm, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.ppm, &mut self.lasts]
    }

    /// Of a leader in four cases of ten, of some random nodes in the others; over after a while, whatever else happens to the
    /// clock.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let drifts: Vec<(NodeId, i32)> = nodes
            .into_iter()
            .filter_map(|node| Some((node, self.fits(view, node, rng)?)))
            .collect();
        let reset = self.lasts.time(rng).min(DRIFT_MAX);
        let begin = drifts.iter().map(|(node, ppm)| Fault::WallDrift { node: *node, ppm: *ppm });
        let mut timed: Vec<Timed> = begin.map(Timed::now).collect();
        let end = drifts.iter().map(|(node, _)| Timed::after(reset, Fault::WallReset(*node)));
        timed.extend(end);
        timed
    }
}

impl Drifts {
    /// So fast or so slow, as it fits; `None` where the clock stands at both bounds already.
    fn fits(&self, view: &ClusterView, node: NodeId, rng: &mut ChaCha8Rng) -> Option<i32> {
        let size = self.ppm.draw(rng) as i32;
        let ppm = if rng.chance(0.5) { size } else { -size };
        let fits = |ppm: &i32| {
            let mut skew = clock::skew(view, node);
            skew.drift(*ppm, view.now);
            skew.has_room(0)
        };
        [ppm, -ppm].into_iter().find(fits)
    }
}
