//! Histories of single objects that are valid because a store made them: every call takes effect at some moment while it is
//! open, all clients are always busy, and in the end all are answered.

use harness::history::{Event, History, Kind, Process};
use harness::op::{Answer, Call, Function, Key, Object, Op, Value};
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A set that was added to so often is followed by a fresh one: a read of it shows all of it.
const ADDS_MAX: usize = 64;

/// What a history is like.
#[derive(Clone, Copy)]
pub struct Shape {
    pub object: Object,
    pub calls: usize,
    pub clients: usize,
    /// So many values, with compare-and-sets; else each is used once.
    pub values: Option<u64>,
}

/// A valid history.
pub fn valid(shape: &Shape) -> History {
    Maker::new(shape).run()
}

/// The same with one more call in the end, whose answer no order explains.
pub fn invalid(shape: &Shape) -> History {
    let mut history = valid(shape);
    let written = |call: &Call| match (&call.function, &call.answer) {
        (Function::Write(value), Some(_)) => Some(Answer::Value(*value)),
        (Function::Dequeue, Some(Answer::Value(value))) => Some(Answer::Value(*value)),
        _ => None,
    };
    let calls = || {
        history.events.iter().filter_map(|event| match &event.op {
            Op::Call(call) => Some(call),
            _ => None,
        })
    };
    let key = calls().next_back().map_or(0, |call| call.key);
    let first = calls().find_map(written);
    let (function, answer) = match shape.object {
        Object::Set => (Function::Read, Some(Answer::Values(Vec::new()))),
        Object::Counter => (Function::Read, Some(Answer::Number(0))),
        Object::Queue => (Function::Dequeue, first),
        _ if shape.values.is_some() => (Function::Read, Some(Answer::Value(u64::MAX))),
        _ => (Function::Read, first),
    };
    let call = Call { key, function, answer: None };
    push(&mut history, shape.clients, Kind::Invoke, call.clone());
    push(&mut history, shape.clients, Kind::Ok, Call { answer, ..call });
    history
}

struct Maker<'s> {
    shape: &'s Shape,
    rng: ChaCha8Rng,
    key: Key,
    register: Option<Value>,
    sets: BTreeMap<Key, BTreeSet<Value>>,
    adds: usize,
    queue: VecDeque<Value>,
    sum: i64,
    fresh: Value,
}

impl Maker<'_> {
    fn new(shape: &Shape) -> Maker<'_> {
        Maker {
            shape,
            rng: Seed(7).stream(Stream::Workload),
            key: 0,
            register: None,
            sets: BTreeMap::new(),
            adds: 0,
            queue: VecDeque::new(),
            sum: 0,
            fresh: 0,
        }
    }

    fn run(mut self) -> History {
        let mut history = History::default();
        let mut clients: Vec<Option<Call>> = vec![None; self.shape.clients];
        let (mut asked, mut answered) = (0, 0);
        while answered < self.shape.calls {
            let client = self.rng.range(0, self.shape.clients as u64) as usize;
            let call = match clients[client].take() {
                None if asked == self.shape.calls => continue,
                None => {
                    asked += 1;
                    let call = Call { key: self.key, function: self.function(), answer: None };
                    push(&mut history, client, Kind::Invoke, call.clone());
                    call
                }
                Some(Call { key, function, answer: None }) => {
                    let answer = Some(self.happen(key, &function));
                    Call { key, function, answer }
                }
                Some(call) => {
                    answered += 1;
                    let refused = matches!(call.function, Function::Cas { .. })
                        && call.answer == Some(Answer::Flag(false));
                    let kind = if refused { Kind::Fail } else { Kind::Ok };
                    push(&mut history, client, kind, call);
                    continue;
                }
            };
            clients[client] = Some(call);
        }
        history
    }

    fn function(&mut self) -> Function {
        self.fresh += 1;
        let which = self.rng.range(0, 4);
        let value = self.shape.values.map_or(self.fresh, |values| self.rng.range(0, values));
        match self.shape.object {
            Object::Set => self.set_function(which),
            Object::Queue if which < 2 => Function::Dequeue,
            Object::Queue => Function::Enqueue(value),
            _ if which < 2 => Function::Read,
            Object::Counter => Function::Add(self.rng.range(1, 6) as i64),
            Object::CasRegister if which == 3 => {
                Function::Cas { from: Some(self.rng.range(0, 5)), to: value }
            }
            _ => Function::Write(value),
        }
    }

    fn set_function(&mut self, which: u64) -> Function {
        if self.adds == ADDS_MAX {
            (self.key, self.adds) = (self.key + 1, 0);
        }
        match which {
            0 => Function::Read,
            1 => Function::Contains(self.fresh - self.rng.range(0, self.fresh.min(64))),
            _ => {
                self.adds += 1;
                Function::Insert(self.fresh)
            }
        }
    }

    /// The call takes effect.
    fn happen(&mut self, key: Key, function: &Function) -> Answer {
        let set = self.sets.entry(key).or_default();
        match (self.shape.object, function) {
            (_, Function::Write(value)) => {
                self.register = Some(*value);
                Answer::Done
            }
            (_, Function::Cas { from, to }) => {
                let holds = self.register == *from;
                if holds {
                    self.register = Some(*to);
                }
                Answer::Flag(holds)
            }
            (_, Function::Insert(value)) => {
                set.insert(*value);
                Answer::Done
            }
            (_, Function::Contains(value)) => Answer::Flag(set.contains(value)),
            (Object::Set, _) => Answer::Values(set.iter().copied().collect()),
            (_, Function::Enqueue(value)) => {
                self.queue.push_back(*value);
                Answer::Done
            }
            (_, Function::Dequeue) => self.queue.pop_front().map_or(Answer::Nil, Answer::Value),
            (_, Function::Add(by)) => {
                self.sum += by;
                Answer::Number(self.sum)
            }
            (Object::Counter, _) => Answer::Number(self.sum),
            _ => self.register.map_or(Answer::Nil, Answer::Value),
        }
    }
}

fn push(history: &mut History, client: usize, kind: Kind, call: Call) {
    let time = Duration::from_micros(history.events.len() as u64);
    let (process, op) = (Process::Client(client as u32), Op::Call(call));
    history.push(Event { time, process, kind, op, node: None, error: None });
}
