//! One generator after another; the next begins when nothing of the one before it is in flight.

use super::{Context, Generator, Next};
use crate::history::Event;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;

/// Exhausted when the last phase is.
pub struct Phases {
    phases: VecDeque<Box<dyn Generator>>,
}

impl Phases {
    /// In this order.
    pub fn new(phases: impl IntoIterator<Item = Box<dyn Generator>>) -> Phases {
        Phases { phases: phases.into_iter().collect() }
    }
}

impl Generator for Phases {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        while let Some(phase) = self.phases.front_mut() {
            match phase.next(context, rng) {
                Next::Exhausted if context.idle() => self.phases.pop_front(),
                Next::Exhausted => return Next::Pending,
                next => return next,
            };
        }
        Next::Exhausted
    }

    /// Told to the current phase only: the later ones have asked nothing.
    fn update(&mut self, event: &Event) {
        if let Some(phase) = self.phases.front_mut() {
            phase.update(event);
        }
    }
}
