//! Ranges are split: what a store that parts its keys among groups does as it grows. Upstream's route shuffle.

use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// One split at a time.
#[derive(Clone, Debug, Default)]
pub struct Splits;

impl Family for Splits {
    /// At a decimal number of three digits: among the keys of the workloads, which are numbers.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let split = Fault::Split { at: rng.range(100, 1_000).to_string() };
        if view.can_act(&split) { vec![Timed::now(split)] } else { Vec::new() }
    }
}
