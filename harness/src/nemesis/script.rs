//! A nemesis that was written down: faults with their times, as a plan or a seed's story holds them.

use super::{ClusterView, Nemesis};
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// Injects each fault at its time, whether or not it can act.
#[derive(Clone, Debug, Default)]
pub struct Script {
    faults: VecDeque<(Duration, Fault)>,
}

impl Script {
    /// Of faults in order of time.
    pub fn new(faults: impl IntoIterator<Item = (Duration, Fault)>) -> Script {
        Script { faults: faults.into_iter().collect() }
    }
}

impl Nemesis for Script {
    fn due(&self) -> Option<Duration> {
        self.faults.front().map(|(at, _)| *at)
    }

    fn next(&mut self, view: &ClusterView, _: &mut ChaCha8Rng) -> Option<Fault> {
        match self.faults.front() {
            Some((at, _)) if *at <= view.now => self.faults.pop_front().map(|(_, fault)| fault),
            _ => None,
        }
    }
}
