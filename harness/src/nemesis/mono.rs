//! Monotonic clocks run fast or slow, within what leases pay for.
//!
//! A leader reads locally for as long as its clock says that a quorum's promise lasts; each of the quorum keeps the promise as long as its own
//! clock says. So a lease is exclusive while no clock of the quorum outruns the leader's by more than promise and lease are
//! apart: Elastickv promises 2.0 s and reads for 1.7 s, a ratio of 1.176. Clocks that are each off by no more than [`PACE_MAX_PPM`] keep within
//! 1.07 / 0.93 = 1.151. Beyond that a store of this kind can help reading what is stale only if a clock's pace was seen before
//! its leader is cut off: Elastickv's nodes grant no lease to a leader whose clock theirs outran for some seconds.

use super::clock::{LASTS, WHOSE};
use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed, clock};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The least, in microseconds a second: a clock that is read once a second shows it at once.
pub const PACE_MIN_PPM: u64 = 1_000;
/// The most: 7 % either way.
pub const PACE_MAX_PPM: u64 = 70_000;

/// Paces either way, each factor of two equally likely.
#[derive(Clone, Debug)]
pub struct Paces {
    ppm: Range,
    lasts: Range,
}

impl Default for Paces {
    /// Up to 7 %.
    fn default() -> Paces {
        Paces { ppm: Range::log(PACE_MIN_PPM, PACE_MAX_PPM, Unit::Ppm), lasts: LASTS }
    }
}

impl Family for Paces {
    fn told(&self) -> String {
        format!("{WHOSE}; by {}, for {}", self.ppm, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.ppm, &mut self.lasts]
    }

    /// Of a leader in four cases of ten, of some random nodes in the others.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let mut timed = Vec::new();
        for node in &nodes {
            let size = self.ppm.draw(rng) as i32;
            let ppm = if rng.chance(0.5) { size } else { -size };
            timed.push(Timed::now(Fault::MonoDrift { node: *node, ppm }));
        }
        let reset = self.lasts.time(rng);
        timed.extend(nodes.into_iter().map(|node| Timed::after(reset, Fault::MonoReset(node))));
        timed
    }
}
