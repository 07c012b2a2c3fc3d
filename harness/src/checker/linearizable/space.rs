//! A model as an automaton over numbers: states, operations and their bags by number, each met once and remembered.

use super::bags::{Bag, Bags};
use super::model::Model;
use super::table::{NONE, Table};
use std::collections::BTreeMap;

/// The number of a state.
pub(super) type State = u32;
/// The number of all operations that ask and were answered the same.
pub(super) type Class = u32;

/// No state: the operation could not have been answered so.
pub(super) const IMPOSSIBLE: State = u32::MAX - 1;

/// Steps that are remembered, at most.
const STEPS_MAX: usize = 1 << 21;

/// What the search needs to know of a model.
pub(super) trait Steps {
    /// The next state, or [`IMPOSSIBLE`].
    fn step(&mut self, state: State, class: Class) -> State;
    /// How many states are remembered.
    fn states(&self) -> usize;
    /// Forgets all but these, ascending, which get their positions for numbers.
    fn keep(&mut self, kept: &[State]);
    /// The state, for people.
    fn words(&self, state: State) -> String;
}

impl<S: Steps + ?Sized> Steps for &mut S {
    fn step(&mut self, state: State, class: Class) -> State {
        (**self).step(state, class)
    }

    fn states(&self) -> usize {
        (**self).states()
    }

    fn keep(&mut self, kept: &[State]) {
        (**self).keep(kept);
    }

    fn words(&self, state: State) -> String {
        (**self).words(state)
    }
}

/// The states of a model that were met.
pub(super) struct Space<'o, M: Model<O>, O> {
    model: &'o M,
    classes: Vec<&'o O>,
    states: Vec<M::State>,
    numbers: BTreeMap<M::State, State>,
}

/// The classes of operations, in their order.
pub(super) fn classes<'o, O: Ord>(
    operations: impl Iterator<Item = &'o O>,
) -> (Vec<&'o O>, Vec<Class>) {
    let mut numbers: BTreeMap<&O, Class> = BTreeMap::new();
    let mut classes = Vec::new();
    let class_of = |operation| {
        *numbers.entry(operation).or_insert_with(|| {
            classes.push(operation);
            classes.len() as Class - 1
        })
    };
    let of: Vec<Class> = operations.map(class_of).collect();
    (classes, of)
}

impl<'o, M: Model<O>, O> Space<'o, M, O> {
    /// With the initial state, whose number is 0.
    pub fn new(model: &'o M, classes: Vec<&'o O>) -> Space<'o, M, O> {
        let initial = model.initial();
        let numbers = BTreeMap::from([(initial.clone(), 0)]);
        Space { model, classes, states: vec![initial], numbers }
    }
}

impl<M: Model<O>, O> Steps for Space<'_, M, O> {
    fn step(&mut self, state: State, class: Class) -> State {
        let operation = self.classes[class as usize];
        let Some(next) = self.model.step(&self.states[state as usize], operation) else {
            return IMPOSSIBLE;
        };
        let number = self.states.len() as State;
        if let Some(known) = self.numbers.get(&next) {
            return *known;
        }
        self.numbers.insert(next.clone(), number);
        self.states.push(next);
        number
    }

    fn states(&self) -> usize {
        self.states.len()
    }

    fn keep(&mut self, kept: &[State]) {
        self.numbers.clear();
        let states = kept.iter().map(|state| self.states[*state as usize].clone());
        self.states = states.collect();
        for (number, state) in self.states.iter().enumerate() {
            self.numbers.insert(state.clone(), number as State);
        }
    }

    fn words(&self, state: State) -> String {
        self.model.words(&self.states[state as usize])
    }
}

/// Steps, remembered; and bags.
pub(super) struct Automaton<S> {
    pub bags: Bags,
    pub steps: S,
    known: Table,
}

/// Of a model that somebody else holds.
pub(super) type Borrowed<'s> = Automaton<&'s mut dyn Steps>;

impl<S: Steps> Automaton<S> {
    pub fn new(steps: S) -> Automaton<S> {
        Automaton { bags: Bags::new(), steps, known: Table::new() }
    }

    /// The next state, if the operation is possible.
    pub fn step(&mut self, state: State, class: Class) -> Option<State> {
        if self.known.len() > STEPS_MAX {
            self.known.clear();
        }
        let known = self.known.entry((state, u64::from(class)));
        if *known == NONE {
            *known = self.steps.step(state, class);
        }
        (*known != IMPOSSIBLE).then_some(*known)
    }

    pub fn words(&self, state: State) -> String {
        self.steps.words(state)
    }

    /// Forgets what steps come to.
    pub fn forget_steps(&mut self) {
        self.known.clear();
    }

    /// Whether much more is remembered than so many configurations need.
    pub fn is_full(&self, configurations: usize) -> bool {
        self.steps.states().max(self.bags.len()) > 4 * configurations + 4096
    }

    /// Forgets all states and bags but these, which are renumbered.
    pub fn keep(&mut self, used: Vec<(&mut State, &mut Bag)>) {
        let states = sorted(used.iter().map(|(state, _)| **state).collect());
        let bags = sorted(used.iter().map(|(_, bag)| **bag).chain([0]).collect());
        let place = |kept: &[u32], number: u32| kept.partition_point(|kept| *kept < number) as u32;
        for (state, bag) in used {
            (*state, *bag) = (place(&states, *state), place(&bags, *bag));
        }
        self.steps.keep(&states);
        self.bags.keep(&bags);
        self.known.clear();
    }
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

#[cfg(test)]
mod tests {
    use super::super::model::{Asked, Counter};
    use super::*;
    use crate::op::Function;

    #[test]
    fn what_is_remembered_may_grow_with_what_is_possible() {
        let one = Asked { function: &Function::Add(1), answer: None };
        let mut space = Space::new(&Counter, vec![&one]);
        let mut automaton: Borrowed = Automaton::new(&mut space);
        let mut state = 0;
        while automaton.steps.states() < 4096 {
            state = automaton.step(state, 0).expect("it always counts");
        }
        assert!(!automaton.is_full(0));
        state = automaton.step(state, 0).expect("it always counts");
        assert_eq!((automaton.steps.states(), automaton.words(state)), (4097, "4096".to_owned()));
        assert!(automaton.is_full(0) && !automaton.is_full(1));
        for _ in 0..4 {
            state = automaton.step(state, 0).expect("it always counts");
        }
        assert!(automaton.is_full(1) && !automaton.is_full(2));

        let (mut low, mut high, mut bag) = (7, state, automaton.bags.with(0, 0));
        let mut empty = 0;
        automaton.bags.with(bag, 0);
        automaton.keep(vec![(&mut high, &mut bag), (&mut low, &mut empty)]);
        assert_eq!((low, high, empty, bag), (0, 1, 0, 1));
        assert_eq!((automaton.steps.states(), automaton.bags.len()), (2, 2));
        assert_eq!([low, high].map(|state| automaton.words(state)), ["7", "4100"]);
        assert_eq!(automaton.step(low, 0), Some(2), "what a step came to is forgotten");
        let other = automaton.bags.with(bag, 0);
        assert_eq!((automaton.bags.count(bag, 0), automaton.bags.count(other, 0)), (1, 2));
    }
}
