//! The search that follows one order as far as it goes, and turns back where it must.
//!
//! It waits at the first return of an operation that has not taken effect, lets one of the open operations take effect,
//! and goes on to the next such return. Where it was once with the same configuration it need not go again.

use super::course::{Asked, Course, Moment};
use super::frontier::Configuration;
use super::open::{OPEN_MAX, Open, bits};
use super::search::{CappedDeep, Found, STATES_TOLD, Stuck};
use super::space::{Borrowed, State};
use super::table::{NONE, Table};
use super::trace::ROOT;
use std::collections::BTreeSet;

/// Operations of an order that are kept for people.
const ORDER_KEPT: usize = 32;

/// Searches for an order, over so many configurations. The error is that they are not enough, or that too much is open at
/// once.
pub(super) fn search<'s>(
    course: &'s Course,
    automaton: Borrowed<'s>,
    visited_max: usize,
) -> Result<Found, CappedDeep> {
    let mut search = Deep {
        course,
        automaton,
        slots: vec![0; course.asked.len()],
        open: Open::new(),
        at: 0,
        path: Vec::new(),
        waits: Vec::new(),
        visited: Visited::new(),
        furthest: None,
    };
    let first = Configuration { state: 0, bag: 0, mask: 0, trace: ROOT };
    let mut next = Some(first);
    loop {
        if let Some(configuration) = next {
            match search.follow(configuration)? {
                Reached::End => return Ok(Found::Linearizable),
                Reached::Wait => {}
            }
        } else if search.waits.pop().is_none() {
            let furthest =
                search.furthest.expect("it has waited, or there would be no more to try");
            return Ok(Found::Stuck(furthest.told(&search.automaton)));
        }
        if search.visited.len() > visited_max {
            let operation = search.furthest.map_or(0, |furthest| furthest.operation as usize);
            return Err(CappedDeep { cap: format!("{visited_max} configurations"), operation });
        }
        next = search.choose();
    }
}

enum Reached {
    /// Every answer is explained.
    End,
    /// There is a return to wait at.
    Wait,
}

/// A return at which something must take effect.
struct Wait {
    at: usize,
    configuration: Configuration,
    /// Open operations that were not tried, by their slots.
    left: u64,
    /// Classes of operations of unknown outcome that were tried.
    kinds: usize,
    /// How long the order was.
    path: usize,
}

struct Deep<'s> {
    course: &'s Course,
    automaton: Borrowed<'s>,
    /// Of every operation that was open once.
    slots: Vec<u32>,
    /// What is open at the moment `at`, which is the next.
    open: Open,
    at: usize,
    path: Vec<u32>,
    waits: Vec<Wait>,
    visited: Visited,
    furthest: Option<Furthest>,
}

impl Deep<'_> {
    /// Goes on to the next return of what has not taken effect. The error is that too much is open.
    fn follow(&mut self, mut configuration: Configuration) -> Result<Reached, CappedDeep> {
        self.settle(&mut configuration);
        while let Some(moment) = self.course.moments.get(self.at) {
            match *moment {
                Moment::Invoked(operation) => self.invoked(operation, &mut configuration)?,
                Moment::Returned(operation) => {
                    let bit = self.open.bit(operation);
                    if configuration.mask & bit == 0 {
                        self.wait(operation, configuration);
                        return Ok(Reached::Wait);
                    }
                    configuration.mask &= !bit;
                    self.open.remove(bit);
                }
            }
            self.at += 1;
        }
        Ok(Reached::End)
    }

    fn invoked(
        &mut self,
        operation: u32,
        configuration: &mut Configuration,
    ) -> Result<(), CappedDeep> {
        let Asked { class, is_pure, returned } = self.course.asked[operation as usize];
        if returned.is_none() {
            if !is_pure {
                self.open.add_unknown(operation, class);
            }
            return Ok(());
        }
        if !self.open.add(operation, class, is_pure) {
            let cap = format!("more than {OPEN_MAX} operations open at once");
            return Err(CappedDeep { cap, operation: operation as usize });
        }
        self.slots[operation as usize] = self.open.bit(operation).trailing_zeros();
        if is_pure {
            self.settle(configuration);
        }
        Ok(())
    }

    fn wait(&mut self, operation: u32, configuration: Configuration) {
        if !self.visited.add(self.at, &configuration) {
            return;
        }
        self.note_furthest(operation, configuration.state);
        let left = self.open.changing() & !configuration.mask;
        let (at, path) = (self.at, self.path.len());
        self.waits.push(Wait { at, configuration, left, kinds: 0, path });
    }

    /// Lets one more operation take effect at the last wait.
    fn choose(&mut self) -> Option<Configuration> {
        let wait = self.waits.last()?;
        let (at, path) = (wait.at, wait.path);
        self.path.truncate(path);
        self.back_to(at);
        self.choose_known().or_else(|| self.choose_unknown())
    }

    fn choose_known(&mut self) -> Option<Configuration> {
        let wait = self.waits.last_mut()?;
        let from = wait.configuration;
        // Servers mostly do things in the order in which they are asked.
        let asked = |slot: &u32| self.open.operation(*slot);
        while let Some(slot) = bits(wait.left).min_by_key(asked) {
            wait.left &= !(1 << slot);
            if let Some(state) = self.automaton.step(from.state, self.open.class(slot)) {
                self.path.push(self.open.operation(slot));
                return Some(Configuration { state, mask: from.mask | 1 << slot, ..from });
            }
        }
        None
    }

    fn choose_unknown(&mut self) -> Option<Configuration> {
        let wait = self.waits.last_mut()?;
        let from = wait.configuration;
        while let Some(unknown) = self.open.unknown().get(wait.kinds) {
            wait.kinds += 1;
            let used = self.automaton.bags.count(from.bag, unknown.class) as usize;
            let Some(operation) = unknown.operations.get(used) else { continue };
            let next = self.automaton.step(from.state, unknown.class);
            if let Some(state) = next.filter(|next| *next != from.state) {
                self.path.push(*operation);
                let bag = self.automaton.bags.with(from.bag, unknown.class);
                return Some(Configuration { state, bag, ..from });
            }
        }
        None
    }

    /// Lets everything take effect that changes nothing and is possible.
    fn settle(&mut self, configuration: &mut Configuration) {
        for slot in bits(self.open.pure() & !configuration.mask) {
            if self.automaton.step(configuration.state, self.open.class(slot)).is_some() {
                configuration.mask |= 1 << slot;
                self.path.push(self.open.operation(slot));
            }
        }
    }

    /// What was open at an earlier moment is open again.
    fn back_to(&mut self, at: usize) {
        while self.at > at {
            self.at -= 1;
            match self.course.moments[self.at] {
                Moment::Invoked(operation) => {
                    let Asked { class, is_pure, returned } = self.course.asked[operation as usize];
                    match returned {
                        Some(_) => self.open.remove(1 << self.slots[operation as usize]),
                        None if !is_pure => self.open.take_back_unknown(class),
                        None => {}
                    }
                }
                Moment::Returned(operation) => {
                    let Asked { class, is_pure, .. } = self.course.asked[operation as usize];
                    self.open.put_back(self.slots[operation as usize], operation, class, is_pure);
                }
            }
        }
    }

    fn note_furthest(&mut self, operation: u32, state: State) {
        let known = self.furthest.as_ref().map(|furthest| furthest.at);
        if known < Some(self.at) {
            self.furthest = Some(Furthest {
                at: self.at,
                operation,
                states: BTreeSet::new(),
                open: self.open.others(operation),
                unknown: self.open.unknown_operations(),
                order: Vec::new(),
                order_length: 0,
                left: state,
            });
        }
        let Some(furthest) = self.furthest.as_mut().filter(|furthest| furthest.at == self.at)
        else {
            return;
        };
        furthest.states.insert(state);
        if self.path.len() >= furthest.order_length {
            let kept = self.path.len().saturating_sub(ORDER_KEPT);
            furthest.order =
                self.path[kept..].iter().map(|operation| *operation as usize).collect();
            (furthest.order_length, furthest.left) = (self.path.len(), state);
        }
    }
}

/// The last return that any order came to, and what was known there.
struct Furthest {
    at: usize,
    operation: u32,
    states: BTreeSet<State>,
    open: Vec<usize>,
    unknown: Vec<usize>,
    order: Vec<usize>,
    order_length: usize,
    left: State,
}

impl Furthest {
    fn told(self, automaton: &Borrowed) -> Stuck {
        let states = self.states.iter().take(STATES_TOLD).map(|state| automaton.words(*state));
        Stuck {
            operation: self.operation as usize,
            states: states.collect(),
            states_total: self.states.len(),
            open: self.open,
            unknown: self.unknown,
            order_is_cut: self.order.len() < self.order_length,
            order: self.order,
            left: automaton.words(self.left),
        }
    }
}

/// The configurations at which the search has waited, each with its moment.
struct Visited {
    pairs: Table,
    masked: Table,
    waits: Table,
}

impl Visited {
    fn new() -> Visited {
        Visited { pairs: Table::new(), masked: Table::new(), waits: Table::new() }
    }

    fn len(&self) -> usize {
        self.waits.len()
    }

    /// False if it was there already.
    fn add(&mut self, at: usize, configuration: &Configuration) -> bool {
        let Configuration { state, bag, mask, .. } = *configuration;
        let pair = number(&mut self.pairs, (state, u64::from(bag)));
        let masked = number(&mut self.masked, (pair, mask));
        let waits = self.waits.len();
        number(&mut self.waits, (masked, at as u64));
        self.waits.len() > waits
    }
}

/// The number of a pair: how many others came before it.
fn number(table: &mut Table, pair: (u32, u64)) -> u32 {
    let next = table.len() as u32;
    let known = table.entry(pair);
    if *known == NONE {
        *known = next;
    }
    *known
}
