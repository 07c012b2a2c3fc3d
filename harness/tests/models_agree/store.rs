//! Toy stores that are asked at random by several clients, and lies about what they answered.

use harness::history::{Event, History, Kind, Process};
use harness::op::{Answer, Bank, Call, Function, Held, Op, RegisterMop, Value};
use harness::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a store is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shop {
    /// Elements are added, each once, and all of them read.
    Set,
    /// The same of which some are removed.
    ShrinkingSet,
    /// Elements go in and out.
    Queue,
    /// A counter that is only counted up, and tells.
    Ids,
    /// A counter that is added to.
    Counter,
    /// The same with negative adds.
    Balance,
    /// A sorted set of two members.
    Zset,
    /// The same of four.
    WideZset,
    /// A register.
    Register,
    /// Three accounts.
    Bank,
    /// Keys 0 to 2, each written once.
    Group,
}

/// A store of any kind, changed in place.
#[derive(Clone, Default)]
struct Store {
    elements: BTreeSet<Value>,
    row: Vec<Value>,
    count: i64,
    scores: BTreeMap<Value, i64>,
    register: Option<Value>,
    accounts: [i64; 3],
    written: BTreeSet<u64>,
}

/// Appends an event, a millisecond after the one before.
pub fn push(history: &mut History, process: u32, kind: Kind, op: Op) {
    let time = Duration::from_millis(history.events.len() as u64);
    let process = Process::Client(process);
    history.push(Event { time, process, kind, op, node: None, error: None });
}

fn call(function: Function) -> Op {
    Op::Call(Call { key: 0, function, answer: None })
}

/// What is asked next; `number` is another one for each question.
fn question(kind: Shop, number: u64, rng: &mut ChaCha8Rng) -> Op {
    let reads = rng.chance(0.4);
    let member = rng.range(0, if kind == Shop::WideZset { 4 } else { 2 });
    let small = rng.range(0, 3) as i64;
    match kind {
        Shop::Set if reads => call(Function::Read),
        Shop::Set => call(Function::Insert(number)),
        Shop::ShrinkingSet => match rng.range(0, 4) {
            0..2 => call(Function::Read),
            2 => call(Function::Insert(member)),
            _ => call(Function::Remove(member)),
        },
        Shop::Queue if rng.chance(0.55) => call(Function::Dequeue),
        Shop::Queue => call(Function::Enqueue(number)),
        Shop::Ids => call(Function::Add(1 + small)),
        Shop::Counter | Shop::Balance | Shop::Register if reads => call(Function::Read),
        Shop::Counter => call(Function::Add(small)),
        Shop::Balance => call(Function::Add(small - 1)),
        Shop::Register => call(Function::Write(number)),
        Shop::Zset | Shop::WideZset => match rng.range(0, 8) {
            0..2 => call(Function::ZRange),
            2 => call(Function::ZRangeByScore { min: 0, max: small }),
            3 => call(Function::ZRem(member)),
            4 => call(Function::ZIncrBy { member, by: small - 1 }),
            5 if rng.chance(0.2) => call(Function::Clear),
            _ => call(Function::ZAdd { member, score: small }),
        },
        Shop::Bank if reads => Op::Bank(Bank::Read { balances: None }),
        Shop::Bank => Op::Bank(Bank::Transfer { from: member, to: 2, amount: small - 1 }),
        Shop::Group if number < 3 => {
            Op::Registers(vec![RegisterMop::Write { key: number, value: 7 }])
        }
        Shop::Group => {
            let read = |key| RegisterMop::Read { key, value: Held::Unknown };
            Op::Registers((0..3).map(read).collect())
        }
    }
}

impl Store {
    /// Does what is asked, and answers.
    fn apply(&mut self, op: &Op) -> Op {
        match op {
            Op::Call(asked) => {
                Op::Call(Call { answer: Some(self.call(&asked.function)), ..asked.clone() })
            }
            Op::Bank(Bank::Transfer { from, to, amount }) => {
                self.accounts[*from as usize] -= amount;
                self.accounts[*to as usize] += amount;
                op.clone()
            }
            Op::Bank(Bank::Read { .. }) => {
                let balances =
                    self.accounts.iter().enumerate().map(|(at, money)| (at as u64, *money));
                Op::Bank(Bank::Read { balances: Some(balances.collect()) })
            }
            Op::Registers(mops) => Op::Registers(mops.iter().map(|mop| self.mop(mop)).collect()),
            other => panic!("{other:?} is asked of no store here"),
        }
    }

    fn mop(&mut self, mop: &RegisterMop) -> RegisterMop {
        match mop {
            RegisterMop::Write { key, .. } => {
                self.written.insert(*key);
                mop.clone()
            }
            RegisterMop::Read { key, .. } => {
                let value = if self.written.contains(key) { Held::Value(7) } else { Held::Nothing };
                RegisterMop::Read { key: *key, value }
            }
        }
    }

    fn call(&mut self, function: &Function) -> Answer {
        match function {
            Function::Insert(value) => Answer::Flag(self.elements.insert(*value)),
            Function::Remove(value) => Answer::Flag(self.elements.remove(value)),
            Function::Enqueue(value) => {
                self.row.push(*value);
                Answer::Done
            }
            Function::Dequeue if self.row.is_empty() => Answer::Nil,
            Function::Dequeue => Answer::Value(self.row.remove(0)),
            Function::Add(by) => {
                self.count += by;
                Answer::Number(self.count)
            }
            Function::Write(value) => {
                self.register = Some(*value);
                Answer::Done
            }
            Function::ZAdd { member, score } => {
                Answer::Flag(self.scores.insert(*member, *score).is_none())
            }
            Function::ZIncrBy { member, by } => {
                let score = self.scores.entry(*member).or_default();
                *score += by;
                Answer::Number(*score)
            }
            Function::ZRem(member) => Answer::Flag(self.scores.remove(member).is_some()),
            Function::ZRange => self.range(i64::MIN, i64::MAX),
            Function::ZRangeByScore { min, max } => self.range(*min, *max),
            Function::Clear => {
                let was_there = !self.scores.is_empty();
                self.scores.clear();
                Answer::Flag(was_there)
            }
            other => panic!("{other} is asked of no store here"),
        }
    }

    fn range(&self, min: i64, max: i64) -> Answer {
        let mut scores: Vec<(Value, i64)> = self.scores.iter().map(|(a, b)| (*a, *b)).collect();
        scores.retain(|(_, score)| (min..=max).contains(score));
        scores.sort_by_key(|(member, score)| (*score, *member));
        Answer::Scores(scores)
    }

    /// The read of a kind whose `:read` is of no object that a call names.
    fn read(&self, kind: Shop) -> Answer {
        match kind {
            Shop::Set | Shop::ShrinkingSet => {
                Answer::Values(self.elements.iter().copied().collect())
            }
            Shop::Register => self.register.map_or(Answer::Nil, Answer::Value),
            _ => Answer::Number(self.count),
        }
    }
}

/// A client and what it waits for.
struct Client {
    process: u32,
    asked: Option<Op>,
    seen: Option<Op>,
}

/// So many questions by so many clients; of a thousand so many have an unknown outcome.
pub fn random(
    kind: Shop,
    questions: u64,
    clients: u64,
    unknown: u64,
    rng: &mut ChaCha8Rng,
) -> History {
    let mut history = History::default();
    let (mut store, mut late, mut fresh) = (Store::default(), Vec::new(), clients as u32);
    let client = |process| Client { process, asked: None, seen: None };
    let mut all: Vec<Client> = (0..clients as u32).map(client).collect();
    let mut asked = 0;
    let answer = |store: &mut Store, op: &Op| match op {
        Op::Call(read) if read.function == Function::Read => {
            Op::Call(Call { answer: Some(store.read(kind)), ..read.clone() })
        }
        op => store.apply(op),
    };
    while asked < questions || all.iter().any(|client| client.asked.is_some()) {
        if !late.is_empty() && rng.chance(0.2) {
            let op: Op = late.remove(rng.range(0, late.len() as u64) as usize);
            answer(&mut store, &op);
        }
        let chosen = &mut all[rng.range(0, clients) as usize];
        match (chosen.asked.clone(), chosen.seen.take()) {
            (None, _) if asked == questions => {}
            (None, _) => {
                let op = question(kind, asked, rng);
                asked += 1;
                push(&mut history, chosen.process, Kind::Invoke, op.clone());
                chosen.asked = Some(op);
            }
            // At the end some stay open.
            (Some(_), _) if asked == questions && rng.chance(0.05) => chosen.asked = None,
            (Some(_), Some(seen)) => {
                push(&mut history, chosen.process, Kind::Ok, seen);
                chosen.asked = None;
            }
            (Some(op), None) => {
                let chance = rng.range(0, 1000);
                if chance < unknown {
                    push(&mut history, chosen.process, Kind::Info, op.clone());
                    *chosen = client(fresh);
                    fresh += 1;
                    late.push(op);
                } else if chance < unknown + 50 {
                    push(&mut history, chosen.process, Kind::Fail, op);
                    chosen.asked = None;
                } else {
                    chosen.seen = Some(answer(&mut store, &op));
                }
            }
        }
    }
    history
}

/// Changes what one answer says, if there is one that says something.
pub fn lie(kind: Shop, history: &mut History, rng: &mut ChaCha8Rng) {
    let says = |event: &&mut Event| {
        event.kind == Kind::Ok
            && match &event.op {
                Op::Call(call) => call.answer.as_ref().is_some_and(Answer::tells),
                Op::Bank(bank) => matches!(bank, Bank::Read { .. }),
                op => op.register_mops().iter().any(|mop| matches!(mop, RegisterMop::Read { .. })),
            }
    };
    let mut events: Vec<&mut Event> = history.events.iter_mut().filter(says).collect();
    if events.is_empty() {
        return;
    }
    let chosen = rng.range(0, events.len() as u64) as usize;
    let (value, small) = (rng.range(0, 6), rng.range(0, 5) as i64 - 2);
    match &mut events[chosen].op {
        Op::Call(Call { answer: Some(answer), .. }) => match answer {
            Answer::Flag(flag) => *flag = !*flag,
            Answer::Number(number) => *number += small,
            Answer::Value(_) if rng.chance(0.3) => *answer = Answer::Nil,
            Answer::Value(old) => *old = value,
            Answer::Nil => *answer = Answer::Value(value),
            Answer::Values(values) => change(values, value, rng),
            Answer::Scores(scores) => {
                let members = if kind == Shop::WideZset { 4 } else { 2 };
                change(scores, (value % members, small), rng);
            }
            Answer::Fields(_) | Answer::Done | Answer::WrongType | Answer::Type(_) => {}
        },
        Op::Bank(Bank::Read { balances: Some(balances) }) => change(balances, (value, small), rng),
        Op::Registers(mops) => {
            let place = value as usize % mops.len();
            if let RegisterMop::Read { value, .. } = &mut mops[place] {
                *value = *rng.pick(&[Held::Nothing, Held::Value(7), Held::Value(8), Held::Unknown]);
            }
        }
        _ => {}
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
