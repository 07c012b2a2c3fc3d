//! A generator of its own for each thread, which sees only that thread.

use super::{Context, Generator, Next};
use crate::history::Event;
use rand_chacha::ChaCha8Rng;

/// Exhausted when every thread's generator is.
pub struct PerThread<F> {
    make: F,
    parts: Vec<Box<dyn Generator>>,
    first: usize,
}

impl<F: Fn(usize) -> Box<dyn Generator>> PerThread<F> {
    /// `make` is called once with each thread's number.
    pub fn new(make: F) -> PerThread<F> {
        PerThread { make, parts: Vec::new(), first: 0 }
    }
}

impl<F: Fn(usize) -> Box<dyn Generator>> Generator for PerThread<F> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        while self.parts.len() < context.threads.len() {
            self.parts.push((self.make)(context.threads[self.parts.len()].id));
        }
        let mut answer = Next::Exhausted;
        for offset in 0..self.parts.len() {
            let i = (self.first + offset) % self.parts.len();
            let narrow = Context { now: context.now, threads: vec![context.threads[i]] };
            answer = answer.sooner(self.parts[i].next(&narrow, rng));
            if matches!(answer, Next::Invoke { .. }) {
                // Whoever was served goes last, so that no thread starves.
                self.first = i + 1;
                break;
            }
        }
        answer
    }

    /// Told to the thread that ran the process.
    fn update(&mut self, event: &Event) {
        if let crate::history::Process::Client(number) = event.process
            && !self.parts.is_empty()
        {
            let thread = number as usize % self.parts.len();
            self.parts[thread].update(event);
        }
    }
}
