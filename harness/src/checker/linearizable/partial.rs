//! How far an order of calls goes in an object that is not linearizable, with what it held before and after each of them.
//! What the words of an anomaly tell in a few lines, for whoever shows it call by call.
//!
//! Promises the order that the search found longest, and states only where that order is known from its beginning. Objects
//! at which the search gives up have none, whoever else found them wrong. Cannot see: which of several longest orders took place.

use super::calls::One;
use super::model::{
    Asked, Counter, Map, Mixed, Model, Register, Sequence, Set, Stream, TtlRegister, Zset,
};
use super::search::Operation;
use super::words::Words;
use super::{Found, Linearizable, Stuck};
use crate::history::History;
use crate::op::{Answer, Key, Object};

/// A call in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its events.
    pub events: Vec<usize>,
    /// What was asked and answered.
    pub call: String,
    /// What the object held before and after it, where that is known.
    pub states: Option<(String, String)>,
}

/// An object that is not linearizable, and one of the longest orders of its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// The object.
    pub key: Key,
    /// The calls that took effect, in their order; of a long one the end.
    pub order: Vec<Placed>,
    /// Whether it began before.
    pub is_cut: bool,
    /// What the object holds then.
    pub left: String,
    /// The events of the call that cannot have taken effect by the time it was answered.
    pub stuck: Vec<usize>,
    /// What the object can have held until then, the first few of it.
    pub possible: Vec<String>,
}

/// Of the first object at which a search ends that is not linearizable.
pub(super) fn of(checker: &Linearizable, history: &History) -> Option<Partial> {
    let object = checker.object;
    let (mut objects, _) = checker.objects(history).ok()?;
    objects.find_map(|one| {
        let words = Words { history, object, one: &one };
        // What is right by a judge that is quicker needs no search.
        if let Some(None) = checker.unsearched(&words) {
            return None;
        }
        match checker.search(&one) {
            Found::Stuck(stuck) => Some(told(object, &one, stuck)),
            Found::Linearizable | Found::Capped(_) => None,
        }
    })
}

fn told(object: Object, one: &One, stuck: Stuck) -> Partial {
    let states = if stuck.order_is_cut { Vec::new() } else { states(object, one, &stuck.order) };
    let events = |operation: usize| {
        let invoked = one.operations[operation].invoked;
        [Some(invoked), one.completed[operation]].into_iter().flatten().collect()
    };
    let pairs = states.windows(2).map(|pair| Some((pair[0].clone(), pair[1].clone())));
    let order = stuck.order.iter().zip(pairs.chain(std::iter::repeat(None)));
    let order = order.map(|(operation, states)| Placed {
        events: events(*operation),
        call: call(&one.operations[*operation]),
        states,
    });
    Partial {
        key: one.key,
        order: order.collect(),
        is_cut: stuck.order_is_cut,
        left: stuck.left,
        stuck: events(stuck.operation),
        possible: stuck.states,
    }
}

fn call(operation: &Operation<Asked>) -> String {
    let Asked { function, answer } = operation.what;
    match answer {
        None | Some(Answer::Done) => function.to_string(),
        Some(answer) => format!("{function} -> {answer}"),
    }
}

/// What the object holds at first, and after each call of an order.
fn states(object: Object, one: &One, order: &[usize]) -> Vec<String> {
    let operations = &one.operations[..];
    match object {
        Object::Register | Object::CasRegister => walk(&Register, operations, order),
        Object::Counter => walk(&Counter, operations, order),
        Object::Set => walk(&Set, operations, order),
        Object::Queue | Object::List => walk(&Sequence, operations, order),
        Object::Stream => {
            let asked = operations.iter().map(|operation| operation.what);
            walk(&Stream::of(asked), operations, order)
        }
        Object::Map => walk(&Map, operations, order),
        Object::Zset => walk(&Zset, operations, order),
        Object::TtlRegister => walk(&TtlRegister, operations, order),
        Object::Mixed => walk(&Mixed, operations, order),
    }
}

fn walk<'h, M: Model<Asked<'h>>>(
    model: &M,
    operations: &[Operation<Asked<'h>>],
    order: &[usize],
) -> Vec<String> {
    let mut state = model.initial();
    let mut states = vec![model.words(&state)];
    for operation in order {
        let Some(next) = model.step(&state, &operations[*operation].what) else { break };
        state = next;
        states.push(model.words(&state));
    }
    states
}
