//! A toy store that runs random calls at random moments of their intervals, and writes down what clients saw.

use super::twin::Twin;
use harness::history::{Event, History, Kind, Process};
use harness::op::{Answer, Call, Function, Key, Object, Op, TypeName, Value};
use harness::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a history is to be like.
pub struct Shape {
    object: Object,
    calls: u64,
    clients: u64,
    keys: u64,
    /// Every value is used once, by writes and the like.
    unique: bool,
    /// Whether values are only written and read, never as a whole cleared or compared.
    plain: bool,
    /// Of a thousand calls.
    unknown_permille: u64,
    /// Whether one answer may be changed.
    may_lie: bool,
    /// Whether mostly only that is asked and answered which can be judged without a search.
    searchless: bool,
}

impl Shape {
    /// So small that every order can be tried.
    pub fn small(object: Object, rng: &mut ChaCha8Rng) -> Shape {
        let unique = rng.chance(0.3);
        Shape {
            object,
            calls: rng.range(1, 8),
            clients: rng.range(1, 5),
            keys: rng.range(1, 3),
            unique,
            plain: rng.chance(0.5),
            unknown_permille: *rng.pick(&[0, 150, 400]),
            may_lie: true,
            searchless: false,
        }
    }

    /// Hundreds of calls.
    pub fn long(object: Object, rng: &mut ChaCha8Rng) -> Shape {
        Shape {
            object,
            calls: 200,
            clients: rng.range(1, 6),
            keys: rng.range(1, 4),
            unique: rng.chance(0.3),
            plain: rng.chance(0.5),
            unknown_permille: *rng.pick(&[0, 10]),
            may_lie: false,
            searchless: false,
        }
    }

    /// So many calls that the states of the first are long forgotten.
    pub fn endless(object: Object) -> Shape {
        Shape {
            object,
            calls: 20_000,
            clients: 3,
            keys: 1,
            unique: true,
            plain: false,
            unknown_permille: 1,
            may_lie: false,
            searchless: false,
        }
    }

    /// So small that every order can be tried, every value used once.
    pub fn small_unique(object: Object, rng: &mut ChaCha8Rng) -> Shape {
        let (unique, plain, searchless) = (true, true, true);
        Shape { unique, plain, searchless, ..Shape::small(object, rng) }
    }

    /// One object, every value used once, too many calls to try every order.
    pub fn unique(object: Object, rng: &mut ChaCha8Rng) -> Shape {
        // The search to compare with costs much where many orders are many states.
        let (calls, clients) = if object == Object::Register { (40, 7) } else { (24, 5) };
        Shape {
            object,
            calls: rng.range(5, calls),
            clients: rng.range(1, clients),
            keys: 1,
            unique: true,
            plain: true,
            unknown_permille: *rng.pick(&[0, 100]),
            may_lie: true,
            searchless: true,
        }
    }

    /// The same, as a store does it that never lies and whose calls all end.
    pub fn unique_and_certain(object: Object, rng: &mut ChaCha8Rng) -> Shape {
        Shape { calls: 60, unknown_permille: 0, may_lie: false, ..Shape::unique(object, rng) }
    }
}

/// Appends an event, a millisecond after the one before.
pub fn push(history: &mut History, process: u32, kind: Kind, op: Op) {
    let time = Duration::from_millis(history.events.len() as u64);
    let process = Process::Client(process);
    history.push(Event { time, process, kind, op, node: None, error: None });
}

/// A random history.
pub fn random(shape: &Shape, rng: &mut ChaCha8Rng) -> History {
    let mut run = Run {
        shape,
        stores: BTreeMap::new(),
        clients: (0..shape.clients as u32).map(Client::new).collect(),
        fresh: shape.clients as u32,
        late: Vec::new(),
        value: 0,
        history: History::default(),
    };
    let mut left = shape.calls;
    while left > 0 || run.clients.iter().any(|client| client.call.is_some()) {
        run.happen_late(rng);
        let chosen = rng.range(0, shape.clients) as usize;
        match (&run.clients[chosen].call, run.clients[chosen].seen.is_some()) {
            (None, _) if left == 0 => {}
            (None, _) => {
                left -= 1;
                run.ask(chosen, rng);
            }
            // At the end some stay open.
            (Some(_), _) if left == 0 && rng.chance(0.1) => run.clients[chosen].call = None,
            (Some(_), false) => run.happen(chosen, rng),
            (Some(_), true) => run.answer(chosen, rng),
        }
    }
    let mut history = run.history;
    if shape.may_lie && rng.chance(0.6) {
        lie(&mut history, rng);
    }
    history
}

struct Client {
    process: u32,
    call: Option<Call>,
    seen: Option<Answer>,
}

impl Client {
    fn new(process: u32) -> Client {
        Client { process, call: None, seen: None }
    }
}

struct Run<'s> {
    shape: &'s Shape,
    stores: BTreeMap<Key, Twin>,
    clients: Vec<Client>,
    fresh: u32,
    /// Calls of unknown outcome that may yet happen.
    late: Vec<Call>,
    value: Value,
    history: History,
}

impl Run<'_> {
    fn ask(&mut self, chosen: usize, rng: &mut ChaCha8Rng) {
        let key = rng.range(0, self.shape.keys);
        let function = self.function(rng);
        let call = Call { key, function, answer: None };
        push(&mut self.history, self.clients[chosen].process, Kind::Invoke, Op::Call(call.clone()));
        self.clients[chosen].call = Some(call);
    }

    fn happen_late(&mut self, rng: &mut ChaCha8Rng) {
        if !self.late.is_empty() && rng.chance(0.2) {
            let call = self.late.remove(rng.range(0, self.late.len() as u64) as usize);
            self.stores.entry(call.key).or_default().apply(self.shape.object, &call.function);
        }
    }

    /// The call takes effect, or fails, or nobody learns what became of it.
    fn happen(&mut self, chosen: usize, rng: &mut ChaCha8Rng) {
        let client = &mut self.clients[chosen];
        let Some(call) = client.call.clone() else { return };
        let chance = rng.range(0, 1000);
        if chance < self.shape.unknown_permille {
            push(&mut self.history, client.process, Kind::Info, Op::Call(call.clone()));
            *client = Client::new(self.fresh);
            self.fresh += 1;
            self.late.push(call);
        } else if chance < self.shape.unknown_permille + 60 && !is_cas(&call) {
            // A failed cas is one that was refused, whichever way that is read.
            push(&mut self.history, client.process, Kind::Fail, Op::Call(call));
            client.call = None;
        } else {
            let store = self.stores.entry(call.key).or_default();
            if let Some(lapsed) = store.lapsed().filter(|_| rng.chance(0.3)) {
                *store = lapsed;
            }
            client.seen = Some(store.apply(self.shape.object, &call.function));
        }
    }

    fn answer(&mut self, chosen: usize, rng: &mut ChaCha8Rng) {
        let client = &mut self.clients[chosen];
        let (Some(mut call), Some(seen)) = (client.call.take(), client.seen.take()) else { return };
        let is_cas = is_cas(&call);
        if is_cas && seen == Answer::Flag(false) && rng.chance(0.5) {
            push(&mut self.history, client.process, Kind::Fail, Op::Call(call));
            return;
        }
        let changes = !call.function.reads() && call.function != Function::Dequeue && !is_cas;
        let silent = changes && seen != Answer::WrongType;
        let all_told = self.shape.object == Object::Counter;
        call.answer = match () {
            () if self.shape.searchless && rng.chance(0.97) => {
                Some(if silent && !all_told { Answer::Done } else { seen })
            }
            () if rng.chance(0.05) => None,
            () if silent && rng.chance(0.5) => Some(Answer::Done),
            () => Some(seen),
        };
        push(&mut self.history, client.process, Kind::Ok, Op::Call(call));
    }

    fn function(&mut self, rng: &mut ChaCha8Rng) -> Function {
        self.value += 1;
        let small = rng.range(0, 3);
        let value = if self.shape.unique { self.value } else { small };
        let (field, signed) = (rng.range(0, 2), rng.range(0, 4) as i64 - 1);
        if !self.shape.plain && rng.chance(0.08) {
            return Function::Clear;
        }
        let which = rng.range(0, 6);
        if self.shape.searchless && rng.chance(0.995) {
            return self.searchless(which, rng);
        }
        match self.shape.object {
            Object::Register | Object::CasRegister if which < 3 => Function::Read,
            Object::CasRegister if which == 5 => {
                let from =
                    if rng.chance(0.2) { None } else { Some(rng.range(0, self.value.min(4))) };
                Function::Cas { from, to: value }
            }
            Object::Register | Object::CasRegister => Function::Write(value),
            Object::Counter if which < 3 => Function::Read,
            Object::Counter => Function::Add(signed),
            Object::Set if which == 0 && !self.shape.plain => Function::Read,
            Object::Set if which < 2 => Function::Contains(small),
            Object::Set if which == 5 => Function::Remove(small),
            Object::Set => Function::Insert(small),
            Object::Queue if which < 3 => Function::Dequeue,
            Object::Queue => Function::Enqueue(value),
            Object::List => match which {
                0..2 => Function::Read,
                2 => Function::Dequeue,
                3 => Function::Prepend(value),
                _ => Function::Append(value),
            },
            Object::Map => match which {
                0 if !self.shape.plain => Function::Read,
                0..2 => Function::Get(field),
                2 => Function::Delete(field),
                _ => Function::Put { field, value },
            },
            Object::Zset => match which {
                0 if !self.shape.plain => Function::ZRange,
                1 if !self.shape.plain => Function::ZRangeByScore { min: 0, max: signed },
                0..3 => Function::ZIncrBy { member: field, by: signed },
                3 => Function::ZRem(field),
                _ => Function::ZAdd { member: field, score: signed },
            },
            Object::Stream if which < 3 => Function::Read,
            Object::Stream => Function::Append(value),
            Object::TtlRegister => match which {
                0..2 => Function::Read,
                2 => Function::Write(value),
                3 => Function::WriteFor { value, milliseconds: 5 },
                4 => Function::Expire(5),
                _ => Function::Persist,
            },
            Object::Mixed => match rng.range(0, 10) {
                0 => Function::Type,
                1 => Function::Write(value),
                2 => Function::Append(value),
                3 => Function::Dequeue,
                4 => Function::Insert(small),
                5 => Function::Remove(small),
                6 => Function::Put { field, value },
                7 => Function::Delete(field),
                8 => Function::ZAdd { member: field, score: signed },
                _ => {
                    rng.pick(&[Function::Read, Function::Contains(small), Function::ZRange]).clone()
                }
            },
        }
    }
}

impl Run<'_> {
    /// A function that no search is needed for.
    fn searchless(&self, which: u64, rng: &mut ChaCha8Rng) -> Function {
        match self.shape.object {
            Object::Counter if which < 3 => Function::Read,
            Object::Counter => Function::Add(rng.range(1, 4) as i64),
            Object::Set if which < 2 => Function::Read,
            Object::Set if which < 4 => Function::Contains(rng.range(1, self.value + 2)),
            Object::Set => Function::Insert(self.value),
            Object::Queue | Object::List if which < 3 => Function::Dequeue,
            Object::Queue => Function::Enqueue(self.value),
            Object::List => Function::Append(self.value),
            _ if which < 3 => Function::Read,
            _ => Function::Write(self.value),
        }
    }
}

fn is_cas(call: &Call) -> bool {
    matches!(call.function, Function::Cas { .. })
}

/// Changes one answer.
fn lie(history: &mut History, rng: &mut ChaCha8Rng) {
    let answered = |event: &&mut Event| matches!(&event.op, Op::Call(Call { answer: Some(answer), .. }) if answer.tells());
    let mut events: Vec<&mut Event> = history.events.iter_mut().filter(answered).collect();
    if events.is_empty() {
        return;
    }
    let chosen = rng.range(0, events.len() as u64) as usize;
    let Op::Call(Call { answer: Some(answer), .. }) = &mut events[chosen].op else { return };
    match answer {
        Answer::Flag(flag) => *flag = !*flag,
        Answer::Number(number) => *number += rng.range(0, 5) as i64 - 2,
        Answer::Value(value) if rng.chance(0.7) => *value = rng.range(0, 8),
        Answer::Nil => *answer = Answer::Value(rng.range(0, 8)),
        Answer::Value(_) => *answer = Answer::Nil,
        Answer::Values(values) => change(values, rng.range(0, 4), rng),
        Answer::Fields(fields) => change(fields, (rng.range(0, 2), rng.range(0, 4)), rng),
        Answer::Scores(scores) => {
            change(scores, (rng.range(0, 2), rng.range(0, 4) as i64 - 1), rng)
        }
        Answer::WrongType => {}
        Answer::Type(name) => *name = *rng.pick(&TypeName::ALL),
        Answer::Done => {}
    }
}

fn change<T: Copy>(items: &mut Vec<T>, other: T, rng: &mut ChaCha8Rng) {
    match rng.range(0, 4) {
        0 => items.push(other),
        1 => drop(items.pop()),
        2 => items.reverse(),
        _ => items.iter_mut().take(1).for_each(|first| *first = other),
    }
}
