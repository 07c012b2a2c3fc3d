//! Messages between nodes are lost and doubled: up to a half of what leaves some nodes, each factor of two equally likely.
//!
//! Jepsen's `net/flaky!`, and netem's `duplicate`. A flaky node is there for some and gone for others, another time the other
//! way round; what it says twice must count once. A new flakiness replaces the one before it without a rest between.

use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The most that is lost or doubled, of a hundred.
pub const PERCENT_MAX: u64 = 50;

/// Flakiness of these choices.
#[derive(Clone, Debug)]
pub struct Flaky {
    senders: Vec<Senders>,
}

impl Flaky {
    /// Chooses among the choices given.
    pub fn new(senders: Vec<Senders>) -> Flaky {
        Flaky { senders }
    }
}

impl Family for Flaky {
    fn told(&self) -> String {
        format!(
            "of {}; up to half of what they send, for 0.5 to 15 s",
            Senders::names(&self.senders)
        )
    }

    /// Only loss, only doubles, or both; over after 0.5 to 15 s, or with the next flakiness.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.senders.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.senders).nodes(view, rng);
        let which = rng.range(0, 3);
        let (loss, duplicate) = (percent(rng), percent(rng));
        let lasts = Duration::from_millis(rng.log_uniform(500, 15_000));
        let loss_percent = if which == 1 { 0 } else { loss };
        let duplicate_percent = if which == 0 { 0 } else { duplicate };
        let fault = Fault::Flaky { nodes, loss_percent, duplicate_percent };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::Reliable)]
    }
}

fn percent(rng: &mut ChaCha8Rng) -> u8 {
    rng.log_uniform(1, PERCENT_MAX) as u8
}
