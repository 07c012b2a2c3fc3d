//! Operations for so long. The time runs from the first time it is asked, so that set-up costs nothing.

use super::{Context, Generator, Next};
use crate::history::Event;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Exhausted when its time is over, or when the inner generator is.
#[derive(Clone, Debug)]
pub struct TimeLimit<G> {
    length: Duration,
    end: Option<Duration>,
    inner: G,
}

impl<G> TimeLimit<G> {
    /// `inner` for `length`.
    pub fn new(length: Duration, inner: G) -> TimeLimit<G> {
        TimeLimit { length, end: None, inner }
    }

    /// `inner` until the cluster's clock shows `end`.
    pub fn until(end: Duration, inner: G) -> TimeLimit<G> {
        TimeLimit { length: Duration::ZERO, end: Some(end), inner }
    }

    /// What was limited.
    pub fn into_inner(self) -> G {
        self.inner
    }
}

impl<G: Generator> Generator for TimeLimit<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let end = *self.end.get_or_insert(context.now + self.length);
        if context.now >= end {
            return Next::Exhausted;
        }
        match self.inner.next(context, rng) {
            Next::Later(at) => Next::Later(at.min(end)),
            // Nothing may complete before the end: come back at the end, to say so.
            Next::Pending => Next::Later(end),
            next => next,
        }
    }

    fn update(&mut self, event: &Event) {
        self.inner.update(event);
    }
}
