//! A rate for all threads together, with random gaps: uniform between nothing and twice the interval.
//!
//! Differs from Jepsen's: a generator that fell behind catches up, but by no more than [`CATCH_UP`], so that a
//! stall of all threads is not followed by a burst and a coarse timer does not lower the rate.

use super::rate::Rate;
use super::{Context, Generator, Next};
use crate::history::Event;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// How far behind it may be and still make up for it.
pub const CATCH_UP: Duration = Duration::from_millis(50);

/// The inner generator's operations, so far apart on average.
#[derive(Clone, Debug)]
pub struct Stagger<G> {
    pace: Pace,
    due: Option<Duration>,
    inner: G,
}

/// How far apart.
#[derive(Clone, Debug)]
enum Pace {
    /// Always as far.
    Every(Duration),
    /// By a rate that changes over a time.
    Rate { rate: Rate, start: Duration, lasts: Duration },
}

impl Pace {
    fn interval(&self, now: Duration) -> Duration {
        match self {
            Pace::Every(interval) => *interval,
            Pace::Rate { rate, start, lasts } => rate.interval(now.saturating_sub(*start), *lasts),
        }
    }
}

impl<G> Stagger<G> {
    /// One operation every `interval` on average.
    pub fn new(interval: Duration, inner: G) -> Stagger<G> {
        Stagger { pace: Pace::Every(interval), due: None, inner }
    }

    /// So many operations a second on average, over a time that begins at `start`.
    pub fn at_rate(rate: Rate, start: Duration, lasts: Duration, inner: G) -> Stagger<G> {
        Stagger { pace: Pace::Rate { rate, start, lasts }, due: None, inner }
    }
}

impl<G: Generator> Generator for Stagger<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let due = *self.due.get_or_insert(context.now);
        if context.now < due {
            return Next::Later(due);
        }
        let next = self.inner.next(context, rng);
        if matches!(next, Next::Invoke { .. }) {
            let interval = self.pace.interval(context.now);
            let gap = Duration::from_nanos(rng.range(0, 2 * interval.as_nanos() as u64));
            self.due = Some((due + gap).max(context.now.saturating_sub(CATCH_UP)));
        }
        next
    }

    fn update(&mut self, event: &Event) {
        self.inner.update(event);
    }
}
