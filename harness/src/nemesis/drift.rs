//! Wall clocks run fast or slow, by up to a tenth, and gain no more than that of [`DRIFT_MAX`].

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
#[derive(Clone, Debug, Default)]
pub struct Drifts;

impl Family for Drifts {
    fn told(&self) -> String {
        "a leader or some nodes; by up to a tenth, for 2 to 20 s".to_owned()
    }

    /// Of a leader in four cases of ten, of some random nodes in the others; over after 2 to 20 s, whatever else happens
    /// to the clock.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let drifts: Vec<(NodeId, i32)> =
            nodes.into_iter().filter_map(|node| Some((node, ppm(view, node, rng)?))).collect();
        let reset = clock::reset(rng).min(DRIFT_MAX);
        let begin = drifts.iter().map(|(node, ppm)| Fault::WallDrift { node: *node, ppm: *ppm });
        let mut timed: Vec<Timed> = begin.map(Timed::now).collect();
        let end = drifts.iter().map(|(node, _)| Timed::after(reset, Fault::WallReset(*node)));
        timed.extend(end);
        timed
    }
}

/// So fast or so slow, as it fits; `None` where the clock stands at both bounds already.
fn ppm(view: &ClusterView, node: NodeId, rng: &mut ChaCha8Rng) -> Option<i32> {
    let size = rng.log_uniform(DRIFT_MIN_PPM, DRIFT_MAX_PPM) as i32;
    let ppm = if rng.chance(0.5) { size } else { -size };
    let fits = |ppm: &i32| {
        let mut skew = clock::skew(view, node);
        skew.drift(*ppm, view.now);
        skew.has_room(0)
    };
    [ppm, -ppm].into_iter().find(fits)
}
