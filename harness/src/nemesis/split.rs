//! Ranges are split: what a store that parts its keys among groups does as it grows. Upstream's route shuffle.

use super::range::{Range, Unit};
use super::{ClusterView, Family, ORDERED_WITHIN, Timed};
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// One split at a time.
#[derive(Clone, Debug)]
pub struct Splits {
    at: Range,
}

impl Default for Splits {
    /// At a decimal number of three digits: among the keys of the workloads, which are numbers.
    fn default() -> Splits {
        Splits { at: Range::even(100, 999, Unit::Times) }
    }
}

impl Family for Splits {
    fn told(&self) -> String {
        format!("at a key of {}", self.at)
    }

    fn acts_within(&self) -> Duration {
        ORDERED_WITHIN
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.at]
    }

    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let split = Fault::Split { at: self.at.draw(rng).to_string() };
        if view.can_act(&split) { vec![Timed::now(split)] } else { Vec::new() }
    }
}
