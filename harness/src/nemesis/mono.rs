//! Monotonic clocks run fast or slow, within what leases pay for.
//!
//! A leader reads locally for as long as its clock says that a quorum's promise lasts; each of the quorum keeps the promise as long as its own
//! clock says. So a lease is exclusive while no clock of the quorum outruns the leader's by more than promise and lease are
//! apart: Elastickv promises 2.0 s and reads for 1.7 s, a ratio of 1.176. Clocks that are each off by no more than [`PACE_MAX_PPM`] keep within
//! 1.07 / 0.93 = 1.151. Beyond that a store of this kind can help reading what is stale only if a clock's pace was seen before
//! its leader is cut off: Elastickv's nodes grant no lease to a leader whose clock theirs outran for some seconds.

use super::{ClusterView, Family, Timed, clock};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The least, in microseconds a second: a clock that is read once a second shows it at once.
pub const PACE_MIN_PPM: u64 = 1_000;
/// The most: 7 % either way.
pub const PACE_MAX_PPM: u64 = 70_000;

/// Paces either way, each factor of two equally likely.
#[derive(Clone, Debug, Default)]
pub struct Paces;

impl Family for Paces {
    /// Of a leader in four cases of ten, of some random nodes in the others; over after 2 to 20 s.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let mut timed = Vec::new();
        for node in &nodes {
            let size = rng.log_uniform(PACE_MIN_PPM, PACE_MAX_PPM) as i32;
            let ppm = if rng.chance(0.5) { size } else { -size };
            timed.push(Timed::now(Fault::MonoDrift { node: *node, ppm }));
        }
        let reset = clock::reset(rng);
        timed.extend(nodes.into_iter().map(|node| Timed::after(reset, Fault::MonoReset(node))));
        timed
    }
}
