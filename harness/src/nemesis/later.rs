//! A nemesis whose times were written down in another run: all of them come so much later.

use super::{ClusterView, Nemesis};
use crate::fault::Fault;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Lives in a time that began later than the cluster's.
pub struct Later<N> {
    inner: N,
    by: Duration,
}

impl<N> Later<N> {
    /// Later by so much.
    pub fn by(by: Duration, inner: N) -> Later<N> {
        Later { inner, by }
    }
}

impl<N: Nemesis> Nemesis for Later<N> {
    fn due(&self) -> Option<Duration> {
        self.inner.due().map(|due| due + self.by)
    }

    fn next(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<Fault> {
        let now = view.now.saturating_sub(self.by);
        self.inner.next(&ClusterView { now, ..view.clone() }, rng)
    }

    fn heal(&self, view: &ClusterView) -> Vec<Fault> {
        self.inner.heal(view)
    }
}
