//! A model as an automaton whose operations become known while it runs. The twin of [`Space`](super::space::Space), which
//! knows them all when it begins.

use super::model::{Asked, Model};
use super::space::{Class, IMPOSSIBLE, State, Steps};
use crate::op::{Answer, Function};
use std::collections::{BTreeMap, BTreeSet};

type Ask = (Function, Option<Answer>);

/// The states and operations of a model that were met and are not forgotten.
pub(super) struct Grown<M, S> {
    model: M,
    asks: Vec<Option<Ask>>,
    asks_by: BTreeMap<Ask, Class>,
    free: Vec<Class>,
    states: Vec<S>,
    states_by: BTreeMap<S, State>,
}

impl<M, S> Grown<M, S>
where
    M: for<'a> Model<Asked<'a>, State = S>,
    S: Clone + Ord,
{
    /// With the initial state, whose number is 0.
    pub fn new(model: M) -> Grown<M, S> {
        let initial = model.initial();
        let states_by = BTreeMap::from([(initial.clone(), 0)]);
        let (asks, asks_by, free) = (Vec::new(), BTreeMap::new(), Vec::new());
        Grown { model, asks, asks_by, free, states: vec![initial], states_by }
    }

    /// The class of all that ask and were answered the same, and whether that changes nothing.
    pub fn class(&mut self, function: &Function, answer: Option<&Answer>) -> (Class, bool) {
        let is_pure = self.model.is_pure(&Asked { function, answer });
        let ask = (function.clone(), answer.cloned());
        if let Some(class) = self.asks_by.get(&ask) {
            return (*class, is_pure);
        }
        let class = self.free.pop().unwrap_or(self.asks.len() as Class);
        if class as usize == self.asks.len() {
            self.asks.push(None);
        }
        self.asks[class as usize] = Some(ask.clone());
        self.asks_by.insert(ask, class);
        (class, is_pure)
    }

    /// How many classes are known.
    pub fn classes(&self) -> usize {
        self.asks_by.len()
    }

    /// Forgets all classes but these. Whoever remembers steps must forget them too: a number is used again.
    pub fn keep_classes(&mut self, kept: &BTreeSet<Class>) {
        for class in (0..self.asks.len() as Class).filter(|class| !kept.contains(class)) {
            if let Some(ask) = self.asks[class as usize].take() {
                self.asks_by.remove(&ask);
                self.free.push(class);
            }
        }
    }
}

impl<M, S> Steps for Grown<M, S>
where
    M: for<'a> Model<Asked<'a>, State = S>,
    S: Clone + Ord,
{
    fn step(&mut self, state: State, class: Class) -> State {
        let ask = self.asks[class as usize].as_ref();
        let (function, answer) = ask.expect("a class in use is kept");
        let asked = Asked { function, answer: answer.as_ref() };
        let Some(next) = self.model.step(&self.states[state as usize], &asked) else {
            return IMPOSSIBLE;
        };
        let number = self.states.len() as State;
        if let Some(known) = self.states_by.get(&next) {
            return *known;
        }
        self.states_by.insert(next.clone(), number);
        self.states.push(next);
        number
    }

    fn states(&self) -> usize {
        self.states.len()
    }

    fn keep(&mut self, kept: &[State]) {
        self.states_by.clear();
        self.states = kept.iter().map(|state| self.states[*state as usize].clone()).collect();
        for (number, state) in self.states.iter().enumerate() {
            self.states_by.insert(state.clone(), number as State);
        }
    }

    fn words(&self, state: State) -> String {
        self.model.words(&self.states[state as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Register;
    use super::*;

    #[test]
    fn the_number_of_a_forgotten_class_is_used_again() {
        let mut grown = Grown::new(Register);
        let writes: Vec<Function> = (0..3).map(Function::Write).collect();
        let [first, second] = [0, 1].map(|at| grown.class(&writes[at], None).0);
        assert_eq!(grown.classes(), 2);
        grown.keep_classes(&BTreeSet::from([second]));
        assert_eq!(grown.classes(), 1);
        assert_eq!(grown.class(&writes[1], None).0, second, "it was kept");
        assert_eq!(grown.class(&writes[2], None).0, first);
    }

    #[test]
    fn states_that_are_kept_get_their_positions_for_numbers() {
        let mut grown = Grown::new(Register);
        let [one, two] = [1, 2].map(|value| grown.class(&Function::Write(value), None).0);
        let states = [grown.step(0, one), grown.step(0, two)];
        assert_eq!((states, grown.states()), ([1, 2], 3));
        grown.keep(&[2]);
        assert_eq!((grown.states(), grown.words(0)), (1, "2".to_owned()));
        assert_eq!((grown.step(0, two), grown.step(0, one)), (0, 1));
    }
}
