//! Links between nodes have little room: 8 to 64 KiB a second, each factor of two equally likely.
//!
//! Jepsen's `rate`, as tbf enacts it: a queue for each link, and what does not fit into it is lost. Heartbeats pass while what
//! is to be replicated piles up behind them. A new throttle replaces the one before it without a rest between.

use super::range::{Range, Unit};
use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The narrowest, in KiB a second.
pub const RATE_MIN: u64 = 8;
/// The widest: an append of one entry shows it.
pub const RATE_MAX: u64 = 64;

/// Throttles of these choices.
#[derive(Clone, Debug)]
pub struct Throttle {
    senders: Vec<Senders>,
    rate: Range,
    lasts: Range,
}

impl Throttle {
    /// Chooses among the choices given.
    pub fn new(senders: Vec<Senders>) -> Throttle {
        let rate = Range::log(RATE_MIN, RATE_MAX, Unit::KibPerS);
        Throttle { senders, rate, lasts: Range::log(2_000, 15_000, Unit::Ms) }
    }
}

impl Family for Throttle {
    fn told(&self) -> String {
        format!("of {}; to {}, for {}", Senders::names(&self.senders), self.rate, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.rate, &mut self.lasts]
    }

    /// Over after a while, or with the next throttle.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.senders.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.senders).nodes(view, rng);
        let kib_per_s = self.rate.draw(rng) as u32;
        let lasts = self.lasts.time(rng);
        let fault = Fault::Throttle { nodes, kib_per_s };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::Unthrottle)]
    }
}
