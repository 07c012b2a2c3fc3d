//! Links between nodes have little room: 8 KiB to 1 MiB a second, each factor of two equally likely.
//!
//! Jepsen's `rate`, as tbf enacts it: a queue for each link, and what does not fit into it is lost. Heartbeats pass while what
//! is to be replicated piles up behind them. A new throttle replaces the one before it without a rest between.

use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The narrowest, in KiB a second.
pub const RATE_MIN: u64 = 8;
/// The widest.
pub const RATE_MAX: u64 = 1024;

/// Throttles of these choices.
#[derive(Clone, Debug)]
pub struct Throttle {
    senders: Vec<Senders>,
}

impl Throttle {
    /// Chooses among the choices given.
    pub fn new(senders: Vec<Senders>) -> Throttle {
        Throttle { senders }
    }
}

impl Family for Throttle {
    fn told(&self) -> String {
        format!("of {}; to 8 to 1024 KiB/s, for 0.5 to 15 s", Senders::names(&self.senders))
    }

    /// Over after 0.5 to 15 s, or with the next throttle.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.senders.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.senders).nodes(view, rng);
        let kib_per_s = rng.log_uniform(RATE_MIN, RATE_MAX) as u32;
        let lasts = Duration::from_millis(rng.log_uniform(500, 15_000));
        let fault = Fault::Throttle { nodes, kib_per_s };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::Unthrottle)]
    }
}
