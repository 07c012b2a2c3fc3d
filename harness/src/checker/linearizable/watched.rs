//! One object as it is watched: what is possible now, kept while its history grows.
//!
//! What is open is taken for something of unknown outcome: it may have taken effect by now, or not. When its answer comes,
//! the search goes back to where it was asked and comes again, now knowing the answer. So what is possible at a moment is
//! exactly what the history up to there allows, and it is found out with the completion that leaves nothing possible. Kept is
//! what happened since the oldest open operation was asked, and what has an unknown outcome.

use super::course::{Asked, Moment};
use super::grown::Grown;
use super::model::{Asked as Call, Model};
use super::orders::{End, Orders, Standing};
use super::search::{Caps, Stuck};
use super::space::{Automaton, Class};
use crate::checker::streaming::Held;
use crate::op::{Answer, Function};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Moments that are kept for an operation that is open so long; after that it counts as one of unknown outcome.
pub(super) const MOMENTS_MAX: usize = 1 << 14;

/// How an operation ended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'e> {
    /// It took effect.
    Done(Option<&'e Answer>),
    /// It did not.
    Never,
    /// Nobody knows.
    Unknown,
}

/// Why an object is watched no longer.
pub(super) enum Over {
    /// No order explains every answer.
    Stuck(Box<Stuck>),
    /// The cap that was reached, in words.
    Capped(String),
}

/// An object, whatever it is a model of.
pub(super) trait Watched {
    /// An operation is asked.
    fn asked(&mut self, operation: u32, function: &Function) -> Result<(), Over>;
    /// It ended.
    fn ended(&mut self, operation: u32, ending: Ending) -> Result<(), Over>;
    /// Whether anything is still to be said of the operation: it is open, or among what is kept.
    fn knows(&self, operation: u32) -> bool;
    /// How many operations were open for too long to be judged by their answers.
    fn late(&self) -> usize;
    /// What is kept.
    fn held(&self) -> Held;
}

/// An operation that takes part.
struct Part {
    function: Function,
    class: Class,
    is_pure: bool,
    ending: Option<bool>,
}

/// An operation whose answer may still come.
struct Pending {
    operation: u32,
    /// Where it was asked, counted from the first moment of all.
    at: u64,
    before: Standing,
}

/// An object of a model with states `S`.
pub(super) struct Object<M, S> {
    orders: Orders<Grown<M, S>>,
    moments: VecDeque<Moment>,
    /// How many moments were forgotten.
    forgotten: u64,
    parts: BTreeMap<u32, Part>,
    /// In the order in which they were asked.
    pending: Vec<Pending>,
    late: usize,
    /// Classes at which some are to be forgotten.
    classes_max: usize,
}

impl<M, S> Object<M, S>
where
    M: for<'a> Model<Call<'a>, State = S>,
    S: Clone + Ord,
{
    /// Before anything was asked of it.
    pub fn new(model: M, caps: Caps) -> Object<M, S> {
        Object {
            orders: Orders::new(Automaton::new(Grown::new(model)), caps),
            moments: VecDeque::new(),
            forgotten: 0,
            parts: BTreeMap::new(),
            pending: Vec::new(),
            late: 0,
            classes_max: CLASSES_MIN,
        }
    }

    /// Comes again from where the operation was asked.
    fn again(&mut self, pending: Pending) -> Result<(), Over> {
        self.orders.stand(pending.before);
        let from = (pending.at - self.forgotten) as usize;
        for at in from..self.moments.len() {
            let moved = match self.moments[at] {
                Moment::Invoked(operation) => {
                    let place = self.forgotten + at as u64;
                    if let Some(open) = self.pending.iter_mut().find(|open| open.at == place) {
                        open.before = self.orders.standing();
                    }
                    self.invoked(operation)
                }
                Moment::Returned(operation) => self.orders.returned(operation),
            };
            moved.map_err(|end| self.over(end))?;
        }
        Ok(())
    }

    fn invoked(&mut self, operation: u32) -> Result<(), End> {
        let Some(part) = self.parts.get(&operation) else { return Ok(()) };
        let returned = part.ending.filter(|known| *known).map(|_| 0);
        let asked = Asked { class: part.class, is_pure: part.is_pure, returned };
        self.orders.invoked(operation, asked)
    }

    fn over(&self, end: End) -> Over {
        match end {
            End::Stuck(operation) => Over::Stuck(Box::new(self.orders.stuck(operation, true))),
            End::Capped(capped) => Over::Capped(capped.cap),
        }
    }

    /// Forgets what lies before the oldest operation whose answer may still come.
    fn forget(&mut self) {
        self.forget_moments();
        while self.moments.len() > MOMENTS_MAX && !self.pending.is_empty() {
            let oldest = self.pending.remove(0);
            self.late += 1;
            if let Some(part) = self.parts.get_mut(&oldest.operation) {
                part.ending = Some(false);
            }
            self.forget_moments();
        }
        self.forget_classes();
    }

    fn forget_moments(&mut self) {
        let next = self.forgotten + self.moments.len() as u64;
        let needed = self.pending.first().map_or(next, |oldest| oldest.at);
        while self.forgotten < needed {
            self.forgotten += 1;
            match self.moments.pop_front() {
                Some(Moment::Returned(operation)) => drop(self.parts.remove(&operation)),
                Some(Moment::Invoked(operation)) => {
                    let says_nothing = |part: &Part| part.ending == Some(false) && part.is_pure;
                    if self.parts.get(&operation).is_some_and(says_nothing) {
                        self.parts.remove(&operation);
                    }
                }
                None => {}
            }
        }
    }

    fn forget_classes(&mut self) {
        self.orders.forget(self.pending.iter_mut().flat_map(|open| &mut open.before.frontier));
        if self.orders.automaton.steps.classes() > self.classes_max {
            let kept: BTreeSet<Class> = self.parts.values().map(|part| part.class).collect();
            self.classes_max = 4 * kept.len() + CLASSES_MIN;
            self.orders.automaton.steps.keep_classes(&kept);
            self.orders.automaton.forget_steps();
        }
    }
}

/// So many classes may be known before any is forgotten.
const CLASSES_MIN: usize = 256;

impl<M, S> Watched for Object<M, S>
where
    M: for<'a> Model<Call<'a>, State = S>,
    S: Clone + Ord,
{
    fn asked(&mut self, operation: u32, function: &Function) -> Result<(), Over> {
        let (class, is_pure) = self.orders.automaton.steps.class(function, None);
        let part = Part { function: function.clone(), class, is_pure, ending: None };
        self.parts.insert(operation, part);
        let at = self.forgotten + self.moments.len() as u64;
        self.pending.push(Pending { operation, at, before: self.orders.standing() });
        self.moments.push_back(Moment::Invoked(operation));
        let moved = self.invoked(operation);
        moved.map_err(|end| self.over(end))?;
        self.forget();
        Ok(())
    }

    fn ended(&mut self, operation: u32, ending: Ending) -> Result<(), Over> {
        let Some(place) = self.pending.iter().position(|open| open.operation == operation) else {
            return Ok(());
        };
        let pending = self.pending.remove(place);
        let Some(part) = self.parts.get_mut(&operation) else { return Ok(()) };
        // An open reading has changed nothing yet.
        let said_nothing = part.is_pure;
        part.ending = Some(matches!(ending, Ending::Done(_)));
        match ending {
            Ending::Done(answer) => {
                let classes = &mut self.orders.automaton.steps;
                (part.class, part.is_pure) = classes.class(&part.function, answer);
                self.moments.push_back(Moment::Returned(operation));
                self.again(pending)?;
            }
            Ending::Never => {
                self.parts.remove(&operation);
                if !said_nothing {
                    self.again(pending)?;
                }
            }
            Ending::Unknown => {}
        }
        self.forget();
        Ok(())
    }

    fn knows(&self, operation: u32) -> bool {
        self.parts.contains_key(&operation)
    }

    fn late(&self) -> usize {
        self.late
    }

    fn held(&self) -> Held {
        let before = self.pending.iter().map(|open| open.before.frontier.len());
        let configurations = self.orders.len() + before.sum::<usize>();
        Held { keys: 1, operations: self.parts.len(), versions: 0, configurations }
    }
}
