//! The cluster's time on machines: this process' monotonic clock since the cluster was set up.
//!
//! Promise: it never goes back and a sleep is never short; it may be longer by a millisecond, the timer's grain.

use futures_util::future::LocalBoxFuture;
use harness::cluster::Clock;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Monotonic time.
pub struct MachineClock {
    began: Cell<Instant>,
}

impl MachineClock {
    /// Begins now.
    pub fn new() -> MachineClock {
        MachineClock { began: Cell::new(Instant::now()) }
    }

    /// Begins again now: the cluster is being set up.
    pub fn begin(&self) {
        self.began.set(Instant::now());
    }

    /// When it began, for what runs beside it.
    pub fn began(&self) -> Instant {
        self.began.get()
    }
}

impl Default for MachineClock {
    fn default() -> MachineClock {
        MachineClock::new()
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Duration {
        self.began.get().elapsed()
    }

    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
