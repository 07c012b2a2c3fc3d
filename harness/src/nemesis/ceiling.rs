//! The renewal of the clock's ceiling is cut off: what a store whose timestamps lie below an agreed bound does when nobody can raise it.
//!
//! A ceiling that was raised a moment ago lies one window above the wall clocks (Elastickv: 10 s): before that nothing is refused.

use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// One at a time.
#[derive(Clone, Debug)]
pub struct Ceiling {
    lasts: Range,
}

impl Default for Ceiling {
    /// For 12 to 18 s.
    fn default() -> Ceiling {
        Ceiling { lasts: Range::even(12_000, 18_000, Unit::Ms) }
    }
}

/// The last ceiling is reached by then.
const REACHED_WITHIN: Duration = Duration::from_secs(12);

impl Family for Ceiling {
    fn told(&self) -> String {
        format!("for {}", self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    fn acts_within(&self) -> Duration {
        REACHED_WITHIN
    }

    fn shows_within(&self) -> Duration {
        REACHED_WITHIN
    }

    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let hold = Fault::HoldCeiling { for_ms: self.lasts.draw(rng) as u32 };
        if view.can_act(&hold) { vec![Timed::now(hold)] } else { Vec::new() }
    }
}
