//! A generator whose times were written down in another run: all of them come so much later.

use super::{Context, Generator, Next};
use crate::history::Event;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Lives in a time that began later than the cluster's.
pub struct Later<G> {
    inner: G,
    by: Duration,
}

impl<G> Later<G> {
    /// Later by so much.
    pub fn by(by: Duration, inner: G) -> Later<G> {
        Later { inner, by }
    }
}

impl<G: Generator> Generator for Later<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let now = context.now.saturating_sub(self.by);
        let context = Context { now, threads: context.threads.clone() };
        match self.inner.next(&context, rng) {
            Next::Later(at) => Next::Later(at + self.by),
            next => next,
        }
    }

    fn update(&mut self, event: &Event) {
        self.inner.update(event);
    }
}
