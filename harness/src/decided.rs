//! What a run's generator and nemesis decided beyond what its history shows: when each operation was due, when the
//! nemesis was asked and chose nothing.
//!
//! An operation that found all threads busy was invoked later than it was due, and in between nobody waited for its time. A
//! plan that is to give the same run again in the same build must wait for the same moments and for no others; with
//! these times it does.

use crate::fault::Fault;
use crate::generator::{Context, Generator, Next};
use crate::history::Event;
use crate::nemesis::{ClusterView, Nemesis};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The times of decisions, in the cluster's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When each operation was due, in the order in which they were invoked.
    pub asks: Vec<Duration>,
    /// When the next one would have been.
    pub next_ask: Option<Duration>,
    /// When the nemesis was to be asked, and whether it then chose a fault; the last one may lie after the end.
    pub looks: Vec<(Duration, bool)>,
    /// When the disturbing was to end.
    pub until: Duration,
}

/// A generator whose decisions are noted.
pub struct NotedGenerator<G> {
    inner: G,
    asks: Vec<Duration>,
    due: Option<Duration>,
}

impl<G> NotedGenerator<G> {
    /// Nothing noted yet.
    pub fn new(inner: G) -> NotedGenerator<G> {
        NotedGenerator { inner, asks: Vec::new(), due: None }
    }

    /// When each operation was due, and when the next one is.
    pub fn noted(self) -> (Vec<Duration>, Option<Duration>) {
        (self.asks, self.due)
    }
}

impl<G: Generator> Generator for NotedGenerator<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let next = self.inner.next(context, rng);
        match &next {
            Next::Later(at) => self.due = Some(*at),
            Next::Pending => self.due = self.due.or(Some(context.now)),
            Next::Invoke { .. } => self.asks.push(self.due.take().unwrap_or(context.now)),
            Next::Exhausted => {}
        }
        next
    }

    fn update(&mut self, event: &Event) {
        self.inner.update(event);
    }
}

/// A nemesis whose decisions are noted.
pub struct NotedNemesis<N> {
    inner: N,
    looks: Vec<(Duration, bool)>,
}

impl<N: Nemesis> NotedNemesis<N> {
    /// Nothing noted yet.
    pub fn new(inner: N) -> NotedNemesis<N> {
        NotedNemesis { inner, looks: Vec::new() }
    }

    /// When it was asked, and when it wanted to be asked next.
    pub fn noted(mut self) -> Vec<(Duration, bool)> {
        self.looks.extend(self.inner.due().map(|due| (due, false)));
        self.looks
    }
}

impl<N: Nemesis> Nemesis for NotedNemesis<N> {
    fn due(&self) -> Option<Duration> {
        self.inner.due()
    }

    fn next(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<Fault> {
        let due = self.inner.due().unwrap_or(view.now);
        let fault = self.inner.next(view, rng);
        self.looks.push((due, fault.is_some()));
        fault
    }

    fn heal(&self, view: &ClusterView) -> Vec<Fault> {
        self.inner.heal(view)
    }
}
