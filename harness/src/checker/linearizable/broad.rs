//! The search over all orders at once, forward in time.
//!
//! The frontier holds every configuration that is possible at a moment. It is just-in-time linearization (Lowe 2017)
//! breadth first: operations are only tried when one returns that has not yet taken effect. So the memory is that of the
//! frontier, not of the history, and at a moment at which nothing is open the frontier is a set of states.

use super::course::{Asked, Course, Moment};
use super::orders::{End, Orders, Standing};
use super::search::{Caps, Found};
use super::space::{Borrowed, Steps};

/// Moments between two places that a search can be taken up from again.
const CHECKPOINT_EVERY: usize = 256;

/// Searches for an order.
pub(super) fn search<'s>(course: &'s Course, automaton: Borrowed<'s>, caps: &Caps) -> Found {
    let mut search = Search::new(&course.asked, automaton, *caps);
    match search.run(&course.moments, 0) {
        Ok(()) => Found::Linearizable,
        Err(End::Capped(capped)) => Found::Capped(capped),
        Err(End::Stuck(_)) => search.explain(&course.moments),
    }
}

struct Search<'s> {
    asked: &'s [Asked],
    orders: Orders<&'s mut dyn Steps>,
    checkpoint: Checkpoint,
}

struct Checkpoint {
    at: usize,
    standing: Standing,
}

impl<'s> Search<'s> {
    fn new(asked: &'s [Asked], automaton: Borrowed<'s>, caps: Caps) -> Search<'s> {
        let orders = Orders::new(automaton, caps);
        let checkpoint = Checkpoint { at: 0, standing: orders.standing() };
        Search { asked, orders, checkpoint }
    }

    fn run(&mut self, moments: &[Moment], from: usize) -> Result<(), End> {
        for (at, moment) in moments.iter().enumerate().skip(from) {
            if at % CHECKPOINT_EVERY == 0 && at > from {
                self.orders.forget(std::iter::empty());
                self.checkpoint = Checkpoint { at, standing: self.orders.standing() };
            }
            match moment {
                Moment::Invoked(operation) => {
                    self.orders.invoked(*operation, self.asked[*operation as usize])?;
                }
                Moment::Returned(operation) => self.orders.returned(*operation)?,
            }
        }
        Ok(())
    }

    /// Runs again from the last checkpoint, and notes this time what took effect when.
    fn explain(&mut self, moments: &[Moment]) -> Found {
        let at = self.checkpoint.at;
        self.orders.stand(self.checkpoint.standing.clone());
        self.orders.note();
        match self.run(moments, at) {
            Err(End::Stuck(operation)) => Found::Stuck(self.orders.stuck(operation, at > 0)),
            Err(End::Capped(capped)) => Found::Capped(capped),
            Ok(()) => unreachable!("the search came to another end the second time"),
        }
    }
}
