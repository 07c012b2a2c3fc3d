//! Several generators at once, each operation from one of them, drawn by weight.
//!
//! Differs from Jepsen's: one that has nothing to ask at the moment does not hold up the others.

use super::{Context, Generator, Next};
use crate::history::Event;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Exhausted when all of its parts are.
pub struct Mix {
    parts: Vec<(u64, Box<dyn Generator>)>,
}

impl Mix {
    /// Of parts with their weights; a part of weight 0 is asked only when no other has anything.
    pub fn new(parts: Vec<(u64, Box<dyn Generator>)>) -> Mix {
        Mix { parts }
    }

    fn drawn(&self, rng: &mut ChaCha8Rng) -> usize {
        let total: u64 = self.parts.iter().map(|(weight, _)| weight).sum();
        let mut point = rng.range(0, total);
        for (i, (weight, _)) in self.parts.iter().enumerate() {
            if point < *weight {
                return i;
            }
            point -= weight;
        }
        0
    }
}

impl Generator for Mix {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let first = self.drawn(rng);
        let mut answer = Next::Exhausted;
        let mut spent = Vec::new();
        for offset in 0..self.parts.len() {
            let i = (first + offset) % self.parts.len();
            let next = self.parts[i].1.next(context, rng);
            if next == Next::Exhausted {
                spent.push(i);
            }
            answer = answer.sooner(next);
            if matches!(answer, Next::Invoke { .. }) {
                break;
            }
        }
        spent.sort_unstable();
        for i in spent.into_iter().rev() {
            self.parts.remove(i);
        }
        answer
    }

    fn update(&mut self, event: &Event) {
        for (_, part) in &mut self.parts {
            part.update(event);
        }
    }
}
