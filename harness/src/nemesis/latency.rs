//! Messages are late: what leaves some nodes takes 5 ms to 4 s longer, each factor of two equally likely, and what jitters
//! up to as much again, but never more than 4 s in all.
//!
//! Jepsen's `net/slow!` and `net/fast!`. A slow node is there and behind: it answers after others have given it up, its
//! votes and acknowledgements come in later terms, and of a jittering one the order of datagrams goes. A new slowness
//! replaces the one before it without a rest between.

use super::range::{Range, Unit};
use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The shortest delay.
pub const DELAY_MIN_MS: u64 = 5;
/// The longest, jitter included. Elastickv's followers wait 2 to 4 s for a leader: with less than this, slowness alone never
/// made one lead instead of another. Both ways it is still within a kernel's patience.
pub const DELAY_MAX_MS: u64 = 4_000;

/// Slowness of these choices.
#[derive(Clone, Debug)]
pub struct Latency {
    senders: Vec<Senders>,
    delay: Range,
    lasts: Range,
}

impl Latency {
    /// Chooses among the choices given.
    pub fn new(senders: Vec<Senders>) -> Latency {
        let delay = Range::log(DELAY_MIN_MS, DELAY_MAX_MS, Unit::Ms);
        Latency { senders, delay, lasts: Range::log(1_000, 15_000, Unit::Ms) }
    }
}

impl Family for Latency {
    fn told(&self) -> String {
        format!("of {}; by {}, for {}", Senders::names(&self.senders), self.delay, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.delay, &mut self.lasts]
    }

    /// What is late shows when it comes.
    fn shows_within(&self) -> Duration {
        Duration::from_millis(DELAY_MAX_MS + 1_000)
    }

    /// Without jitter in one case of three; over after a while, or with the next slowness.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.senders.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.senders).nodes(view, rng);
        let delay = self.delay.draw(rng);
        let jitters = rng.chance(0.67);
        let jitter = rng.log_uniform(1, delay).min(DELAY_MAX_MS - delay);
        let lasts = self.lasts.time(rng);
        let jitter_ms = if jitters { jitter as u32 } else { 0 };
        let fault = Fault::Slow { nodes, delay_ms: delay as u32, jitter_ms };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::Fast)]
    }
}
