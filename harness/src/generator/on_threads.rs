//! Only some of the threads: the others stay idle.

use super::{Context, Generator, Next};
use crate::history::Event;
use rand_chacha::ChaCha8Rng;

/// The inner generator, which sees only the first so many threads.
#[derive(Clone, Debug)]
pub struct OnThreads<G> {
    count: usize,
    inner: G,
}

impl<G> OnThreads<G> {
    /// `inner` on the threads below `count`.
    pub fn first(count: usize, inner: G) -> OnThreads<G> {
        OnThreads { count, inner }
    }
}

impl<G: Generator> Generator for OnThreads<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        if self.count >= context.threads.len() {
            return self.inner.next(context, rng);
        }
        let threads = context.threads[..self.count].to_vec();
        self.inner.next(&Context { now: context.now, threads }, rng)
    }

    fn update(&mut self, event: &Event) {
        self.inner.update(event);
    }
}
