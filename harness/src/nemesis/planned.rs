//! A nemesis that was written down: faults with their times, and the moments at which nothing was chosen.

use super::{ClusterView, Nemesis};
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// A moment at which the nemesis is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub due: Duration,
    /// What it then breaks or mends; `None`: nothing.
    pub fault: Option<Fault>,
}

/// Injects each fault at its time, whether or not it can act.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    looks: VecDeque<Look>,
}

impl Planned {
    /// Of moments in order of time.
    pub fn new(looks: impl IntoIterator<Item = Look>) -> Planned {
        Planned { looks: looks.into_iter().collect() }
    }

    /// Of faults in order of time.
    pub fn script(faults: impl IntoIterator<Item = (Duration, Fault)>) -> Planned {
        Planned::new(faults.into_iter().map(|(due, fault)| Look { due, fault: Some(fault) }))
    }
}

impl Nemesis for Planned {
    fn due(&self) -> Option<Duration> {
        self.looks.front().map(|look| look.due)
    }

    fn next(&mut self, view: &ClusterView, _: &mut ChaCha8Rng) -> Option<Fault> {
        let first = self.looks.front().filter(|look| look.due <= view.now)?;
        let fault = first.fault.clone();
        self.looks.pop_front();
        fault
    }
}
