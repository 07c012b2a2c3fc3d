//! Messages between nodes are lost and doubled: 5 to 50 % of what leaves some nodes, each factor of two equally likely.
//!
//! Jepsen's `net/flaky!`, and netem's `duplicate`. A flaky node is there for some and gone for others, another time the other
//! way round; what it says twice must count once. A new flakiness replaces the one before it without a rest between.

use super::range::{Range, Unit};
use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The least that is lost or doubled, of a hundred: of what a node sends in some seconds, something.
pub const PERCENT_MIN: u64 = 5;
/// The most.
pub const PERCENT_MAX: u64 = 50;

/// Flakiness of these choices.
#[derive(Clone, Debug)]
pub struct Flaky {
    senders: Vec<Senders>,
    percent: Range,
    lasts: Range,
}

impl Flaky {
    /// Chooses among the choices given.
    pub fn new(senders: Vec<Senders>) -> Flaky {
        let percent = Range::log(PERCENT_MIN, PERCENT_MAX, Unit::Percent);
        Flaky { senders, percent, lasts: Range::log(2_000, 15_000, Unit::Ms) }
    }
}

impl Family for Flaky {
    fn told(&self) -> String {
        let senders = Senders::names(&self.senders);
        format!("of {senders}; {} of what they send, for {}", self.percent, self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.percent, &mut self.lasts]
    }

    /// Only loss, only doubles, or both; over after a while, or with the next flakiness.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.senders.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.senders).nodes(view, rng);
        let which = rng.range(0, 3);
        let (loss, duplicate) = (self.percent.draw(rng) as u8, self.percent.draw(rng) as u8);
        let lasts = self.lasts.time(rng);
        let loss_percent = if which == 1 { 0 } else { loss };
        let duplicate_percent = if which == 0 { 0 } else { duplicate };
        let fault = Fault::Flaky { nodes, loss_percent, duplicate_percent };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::Reliable)]
    }
}
