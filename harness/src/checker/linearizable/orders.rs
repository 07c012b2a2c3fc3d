//! All orders at once: every configuration that is possible at a moment, moved on by what is asked and answered.
//!
//! Just-in-time linearization (Lowe 2017) breadth first: operations are only tried when one returns that has not yet taken
//! effect. It knows nothing of the history but what is open: who moves it on may have all of it, or learn it as it grows.

use super::course::Asked;
use super::frontier::{Configuration, Round};
use super::open::{OPEN_MAX, Open, bits};
use super::search::{Capped, Caps, STATES_TOLD, Stuck};
use super::space::{Automaton, State, Steps};
use super::trace::{ROOT, Trace};

/// Why it cannot be moved on.
pub(super) enum End {
    /// In no order can the operation have taken effect by now.
    Stuck(u32),
    /// Nobody knows.
    Capped(Capped),
}

/// What is possible at a moment, to be taken up from again.
#[derive(Clone)]
pub(super) struct Standing {
    pub frontier: Vec<Configuration>,
    pub open: Open,
}

/// All orders.
pub(super) struct Orders<S> {
    pub automaton: Automaton<S>,
    caps: Caps,
    visited: u64,
    open: Open,
    frontier: Vec<Configuration>,
    round: Round,
    trace: Trace,
}

impl<S: Steps> Orders<S> {
    /// Before anything is asked.
    pub fn new(automaton: Automaton<S>, caps: Caps) -> Orders<S> {
        let first = Configuration { state: 0, bag: 0, mask: 0, trace: ROOT };
        let (frontier, open) = (vec![first], Open::new());
        let (round, trace) = (Round::new(), Trace::default());
        Orders { automaton, caps, visited: 0, open, frontier, round, trace }
    }

    /// What is possible now.
    pub fn standing(&self) -> Standing {
        Standing { frontier: self.frontier.clone(), open: self.open.clone() }
    }

    /// How many configurations are possible now.
    pub fn len(&self) -> usize {
        self.frontier.len()
    }

    /// Takes up from there again.
    pub fn stand(&mut self, standing: Standing) {
        (self.frontier, self.open) = (standing.frontier, standing.open);
    }

    /// Notes from now on what takes effect when, and counts anew what is visited.
    pub fn note(&mut self) {
        self.trace = Trace::kept();
        self.visited = 0;
    }

    /// Forgets states and bags that are neither possible now nor were where one may go back to, if these are many.
    pub fn forget<'k>(&'k mut self, kept: impl Iterator<Item = &'k mut Configuration>) {
        let kept: Vec<&mut Configuration> = self.frontier.iter_mut().chain(kept).collect();
        if self.automaton.is_full(kept.len()) {
            let used = kept.into_iter().map(|c| (&mut c.state, &mut c.bag)).collect();
            self.automaton.keep(used);
        }
    }

    /// An operation is asked.
    pub fn invoked(&mut self, operation: u32, asked: Asked) -> Result<(), End> {
        let Asked { class, is_pure, returned } = asked;
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

    /// It is answered.
    pub fn returned(&mut self, operation: u32) -> Result<(), End> {
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

    /// What is to be said of an operation that cannot have taken effect by now.
    pub fn stuck(&self, operation: u32, order_is_cut: bool) -> Stuck {
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
