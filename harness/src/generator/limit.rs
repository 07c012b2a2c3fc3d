//! At most so many operations.

use super::{Context, Generator, Next};
use crate::history::Event;
use rand_chacha::ChaCha8Rng;

/// Exhausted after `left` invocations, or when the inner generator is.
#[derive(Clone, Debug)]
pub struct Limit<G> {
    left: u64,
    inner: G,
}

impl<G> Limit<G> {
    /// The first `count` operations of `inner`.
    pub fn new(count: u64, inner: G) -> Limit<G> {
        Limit { left: count, inner }
    }
}

impl<G: Generator> Generator for Limit<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        if self.left == 0 {
            return Next::Exhausted;
        }
        let next = self.inner.next(context, rng);
        if matches!(next, Next::Invoke { .. }) {
            self.left -= 1;
        }
        next
    }

    fn update(&mut self, event: &Event) {
        self.inner.update(event);
    }
}
