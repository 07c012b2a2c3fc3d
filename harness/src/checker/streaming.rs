//! Checkers that judge a history while it grows, in memory bounded by what is open and by what keys hold, not by its length.
//!
//! Promises: no false alarm, whatever comes later; the first anomaly is told with the completion that shows it, and it is
//! told once. What such a checker cannot see while the history grows, the ordinary checker of the same test sees in the
//! end: a streaming checker says when to look, it does not say the last word. So what it gave up on is `Unknown`, never
//! `Valid`.

use super::{Anomaly, Verdict};
use crate::history::{Event, History};
use crate::recording::{Entry, Sink};
use crate::stop::Stop;
use std::time::Duration;

/// What a checker holds at a moment, as counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Keys, or objects.
    pub keys: usize,
    /// Operations or transactions.
    pub operations: usize,
    /// Versions of lists.
    pub versions: usize,
    /// Possible states with what has led to them.
    pub configurations: usize,
}

impl Held {
    /// All but the keys: what must not grow with the length of a history.
    pub fn total(&self) -> usize {
        self.operations + self.versions + self.configurations
    }
}

/// Judges a history event by event.
pub trait Streaming {
    /// The next event, in the order of the history, with its position there; faults may be left out. The first anomaly, if
    /// this event shows it; after that, nothing any more.
    fn event(&mut self, index: usize, event: &Event) -> Option<Anomaly>;

    /// What it holds now.
    fn held(&self) -> Held;

    /// The verdict on all that came: `Invalid` with the first anomaly, `Unknown` if it gave up on anything.
    fn finish(self: Box<Self>) -> Verdict;
}

/// The first anomaly that a checker sees by this moment of a history: what a [`Watch`] has ended a run at.
pub fn first_by(
    mut checker: Box<dyn Streaming>,
    history: &History,
    by: Duration,
) -> Option<Anomaly> {
    let events = history.events.iter().enumerate();
    let mut known = events.take_while(|(_, event)| event.time <= by);
    known.find_map(|(index, event)| checker.event(index, event))
}

/// Sees a run as it comes, and asks for its end at the first anomaly. The run then heals, reads back and is judged.
pub struct Watch {
    checker: Box<dyn Streaming>,
    events: usize,
    stop: Stop,
    next: Option<Box<dyn Sink>>,
}

impl Watch {
    /// Of a run that hears `stop`; the other sink is told everything first.
    pub fn new(checker: Box<dyn Streaming>, stop: Stop, next: Option<Box<dyn Sink>>) -> Watch {
        Watch { checker, events: 0, stop, next }
    }
}

impl Sink for Watch {
    fn entry(&mut self, entry: &Entry) {
        if let Some(next) = &mut self.next {
            next.entry(entry);
        }
        let Entry::Event(event) = entry else { return };
        let index = self.events;
        self.events += 1;
        if self.checker.event(index, event).is_some() {
            self.stop.ask();
        }
    }
}
