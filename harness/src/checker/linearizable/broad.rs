//! The search over all orders at once, forward in time.
//!
//! The frontier holds every configuration that is possible at a moment. It is just-in-time linearization (Lowe 2017)
//! breadth first: operations are only tried when one returns that has not yet taken effect. So the memory is that of the
//! frontier, not of the history, and at a moment at which nothing is open the frontier is a set of states.

use super::course::{Asked, Course, Moment};
use super::frontier::{Configuration, Round};
use super::open::{OPEN_MAX, Open, bits};
use super::search::{Capped, Caps, Found, STATES_TOLD, Stuck};
use super::space::{Automaton, State};
use super::trace::{ROOT, Trace};

/// Moments between two places that a search can be taken up from again.
const CHECKPOINT_EVERY: usize = 256;

/// Searches for an order.
pub(super) fn search<'s>(course: &'s Course, automaton: Automaton<'s>, caps: &Caps) -> Found {
    let mut search = Search::new(&course.asked, automaton, *caps);
    match search.run(&course.moments, 0) {
        Ok(()) => Found::Linearizable,
        Err(End::Capped(capped)) => Found::Capped(capped),
        Err(End::Stuck(_)) => search.explain(&course.moments),
    }
}

enum End {
    Stuck(u32),
    Capped(Capped),
}

struct Search<'s> {
    asked: &'s [Asked],
    automaton: Automaton<'s>,
    caps: Caps,
    visited: u64,
    open: Open,
    frontier: Vec<Configuration>,
    round: Round,
    trace: Trace,
    checkpoint: Checkpoint,
}

#[derive(Clone)]
struct Checkpoint {
    at: usize,
    frontier: Vec<Configuration>,
    open: Open,
}

impl<'s> Search<'s> {
    fn new(asked: &'s [Asked], automaton: Automaton<'s>, caps: Caps) -> Search<'s> {
        let first = Configuration { state: 0, bag: 0, mask: 0, trace: ROOT };
        let (frontier, open) = (vec![first], Open::new());
        let checkpoint = Checkpoint { at: 0, frontier: frontier.clone(), open: open.clone() };
        Search {
            asked,
            automaton,
            caps,
            visited: 0,
            open,
            frontier,
            round: Round::new(),
            trace: Trace::default(),
            checkpoint,
        }
    }

    fn run(&mut self, moments: &[Moment], from: usize) -> Result<(), End> {
        for (at, moment) in moments.iter().enumerate().skip(from) {
            if at % CHECKPOINT_EVERY == 0 && at > from {
                self.take_checkpoint(at);
            }
            match moment {
                Moment::Invoked(operation) => self.invoked(*operation)?,
                Moment::Returned(operation) => self.returned(*operation)?,
            }
        }
        Ok(())
    }

    fn take_checkpoint(&mut self, at: usize) {
        if self.automaton.is_full(self.frontier.len()) {
            let used = self.frontier.iter_mut().map(|c| (&mut c.state, &mut c.bag)).collect();
            self.automaton.keep(used);
        }
        let (frontier, open) = (self.frontier.clone(), self.open.clone());
        self.checkpoint = Checkpoint { at, frontier, open };
    }

    fn invoked(&mut self, operation: u32) -> Result<(), End> {
        let Asked { class, is_pure, returned } = self.asked[operation as usize];
        if returned.is_none() {
            if !is_pure {
                self.open.add_unknown(operation, class);
            }
            return Ok(());
        }
        if !self.open.add(operation, class, is_pure) {
            let cap = format!("more than {OPEN_MAX} operations are open at once");
            return Err(capped(cap, operation, self.frontier.len()));
        }
        if is_pure {
            let mut frontier = std::mem::take(&mut self.frontier);
            frontier.iter_mut().for_each(|configuration| self.settle(configuration));
            self.frontier = frontier;
        }
        Ok(())
    }

    fn returned(&mut self, operation: u32) -> Result<(), End> {
        let bit = self.open.bit(operation);
        if self.frontier.iter().any(|configuration| configuration.mask & bit == 0) {
            self.expand(operation, bit)?;
        }
        if self.frontier.is_empty() {
            return Err(End::Stuck(operation));
        }
        self.frontier.iter_mut().for_each(|configuration| configuration.mask &= !bit);
        self.open.remove(bit);
        Ok(())
    }

    /// Lets operations take effect, in every order, until the one that returns has.
    fn expand(&mut self, operation: u32, bit: u64) -> Result<(), End> {
        self.round.begin(self.open.pure());
        for configuration in std::mem::take(&mut self.frontier) {
            self.round.add(configuration, &self.automaton.bags);
        }
        let mut at = 0;
        while at < self.round.len() {
            if let Some(configuration) = self.round.get(at).filter(|c| c.mask & bit == 0) {
                self.let_known(configuration);
                self.let_unknown(configuration);
            }
            at += 1;
            if let Some(cap) = self.cap() {
                return Err(capped(cap, operation, self.round.len()));
            }
        }
        self.visited += self.round.len() as u64;
        self.frontier.extend(self.round.iter().filter(|c| c.mask & bit != 0));
        Ok(())
    }

    /// The cap that is reached, if one is.
    fn cap(&self) -> Option<String> {
        let Caps { configurations, visited, .. } = self.caps;
        if self.round.len() > configurations {
            return Some(format!("{configurations} configurations at once"));
        }
        let in_all = self.visited + self.round.len() as u64;
        (in_all > visited).then(|| format!("{visited} configurations in all"))
    }

    /// One more of the open operations takes effect. Those that change nothing have, if they can.
    fn let_known(&mut self, from: Configuration) {
        for slot in bits(self.open.changing() & !from.mask) {
            let Some(state) = self.automaton.step(from.state, self.open.class(slot)) else {
                continue;
            };
            let trace = self.trace.note(from.trace, || self.open.operation(slot));
            let mut next = Configuration { state, mask: from.mask | 1 << slot, trace, ..from };
            if state != from.state {
                self.settle(&mut next);
            }
            self.round.add(next, &self.automaton.bags);
        }
    }

    /// One more of the operations of unknown outcome takes effect.
    fn let_unknown(&mut self, from: Configuration) {
        for kind in 0..self.open.unknown().len() {
            let unknown = &self.open.unknown()[kind];
            let used = self.automaton.bags.count(from.bag, unknown.class) as usize;
            let Some(operation) = unknown.operations.get(used) else { continue };
            let (class, operation) = (unknown.class, *operation);
            // Whoever changes nothing by it need not use it.
            let next = self.automaton.step(from.state, class).filter(|next| *next != from.state);
            let Some(state) = next else { continue };
            let bag = self.automaton.bags.with(from.bag, class);
            let trace = self.trace.note(from.trace, || operation);
            let mut next = Configuration { state, bag, trace, ..from };
            self.settle(&mut next);
            self.round.add(next, &self.automaton.bags);
        }
    }

    /// Lets everything take effect that changes nothing and is possible.
    fn settle(&mut self, configuration: &mut Configuration) {
        for slot in bits(self.open.pure() & !configuration.mask) {
            if self.automaton.step(configuration.state, self.open.class(slot)).is_some() {
                configuration.mask |= 1 << slot;
                configuration.trace =
                    self.trace.note(configuration.trace, || self.open.operation(slot));
            }
        }
    }

    /// Runs again from the last checkpoint, and notes this time what took effect when.
    fn explain(&mut self, moments: &[Moment]) -> Found {
        let Checkpoint { at, frontier, open } = self.checkpoint.clone();
        (self.frontier, self.open) = (frontier, open);
        self.trace = Trace::kept();
        self.visited = 0;
        match self.run(moments, at) {
            Err(End::Stuck(operation)) => Found::Stuck(self.stuck(operation, at > 0)),
            Err(End::Capped(capped)) => Found::Capped(capped),
            Ok(()) => unreachable!("the search came to another end the second time"),
        }
    }

    fn stuck(&self, operation: u32, order_is_cut: bool) -> Stuck {
        let deepest = self.round.iter().fold(None, |best: Option<Configuration>, c| match best {
            Some(best) if self.trace.depth(best.trace) >= self.trace.depth(c.trace) => Some(best),
            _ => Some(c),
        });
        let deepest = deepest.expect("a round begins with a frontier, which is never empty");
        let mut states: Vec<State> = self.round.iter().map(|c| c.state).collect();
        states.sort_unstable();
        states.dedup();
        let told = states.iter().take(STATES_TOLD).map(|state| self.automaton.words(*state));
        Stuck {
            operation: operation as usize,
            states: told.collect(),
            states_total: states.len(),
            open: self.open.others(operation),
            unknown: self.open.unknown_operations(),
            order: self.trace.order(deepest.trace),
            order_is_cut,
            left: self.automaton.words(deepest.state),
        }
    }
}

fn capped(cap: String, operation: u32, configurations: usize) -> End {
    End::Capped(Capped { cap, operation: operation as usize, configurations, deep: None })
}
