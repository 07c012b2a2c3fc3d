//! What the streaming checkers hold does not grow with the history: stores that run for long, made up on the fly.
//!
//! `STREAMING_TRANSACTIONS` transactions over lists, half a million unless it says otherwise.

use harness::checker::Verdict;
use harness::checker::linearizable::streaming::StreamingCalls;
use harness::checker::list_append::streaming::StreamingLists;
use harness::checker::streaming::{Held, Streaming};
use harness::history::{Event, Kind, Process};
use harness::op::{Answer, Call, Function, Key, Mop, Object, Op, Value};
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

const CLIENTS: u64 = 10;

/// Feeds a checker, and remembers the most that it held in the first tenth and in all.
struct Feed {
    checker: Box<dyn Streaming>,
    events: usize,
    early: usize,
    most: Held,
}

impl Feed {
    fn new(checker: impl Streaming + 'static) -> Feed {
        Feed { checker: Box::new(checker), events: 0, early: 0, most: Held::default() }
    }

    fn push(&mut self, process: u64, kind: Kind, op: Op) -> Option<String> {
        let process = Process::Client(process as u32);
        let time = Duration::from_micros(self.events as u64);
        let event = Event { time, process, kind, op, node: None, error: None };
        let found = self.checker.event(self.events, &event);
        self.events += 1;
        if self.events.is_multiple_of(20_011) {
            let held = self.checker.held();
            if held.total() > self.most.total() {
                self.most = held;
            }
        }
        found.map(|anomaly| anomaly.text)
    }

    fn sound(&mut self, process: u64, kind: Kind, op: Op) {
        assert_eq!(self.push(process, kind, op), None);
    }
}

/// Lists, each of them used for 32 appends and then read once more.
#[derive(Default)]
struct Lists {
    lists: BTreeMap<Key, Vec<Value>>,
    open: BTreeMap<u64, Vec<Mop>>,
    fresh: Key,
    live: Vec<Key>,
    /// To be read once more, from then on.
    closing: VecDeque<(usize, Key)>,
    /// How many elements each was asked to append: they are numbered from 1, as the workloads do.
    numbers: BTreeMap<Key, Value>,
}

const KEYS: usize = 8;

impl Lists {
    fn ask(&mut self, events: usize, rng: &mut ChaCha8Rng) -> Vec<Mop> {
        if self.closing.front().is_some_and(|(at, _)| *at < events)
            && let Some((_, key)) = self.closing.pop_front()
        {
            return vec![Mop::Read { key, values: None }];
        }
        while self.live.len() < KEYS {
            self.live.push(self.fresh);
            self.lists.insert(self.fresh, Vec::new());
            self.fresh += 1;
        }
        let length = rng.range(1, 4);
        let mop = |_| {
            let key = *rng.pick(&self.live);
            if rng.chance(0.5) {
                return Mop::Read { key, values: None };
            }
            let value = self.numbers.entry(key).or_default();
            *value += 1;
            Mop::Append { key, value: *value }
        };
        (0..length).map(mop).collect()
    }

    fn act(&mut self, events: usize, asked: &[Mop]) -> Vec<Mop> {
        let mut seen = asked.to_vec();
        for mop in &mut seen {
            match mop {
                Mop::Append { key, value } => {
                    let list = self.lists.entry(*key).or_default();
                    list.push(*value);
                    if list.len() == 32 {
                        self.live.retain(|live| live != key);
                        self.closing.push_back((events + 500, *key));
                    }
                }
                Mop::Read { key, values } => *values = self.lists.get(key).cloned(),
            }
        }
        seen
    }

    /// So many transactions, a few of them of unknown outcome.
    fn run(&mut self, count: u64, feed: &mut Feed) {
        let mut rng = Seed(7).stream(Stream::Workload);
        let mut processes: Vec<u64> = (0..CLIENTS).collect();
        let mut asked = 0;
        while asked < count || !self.open.is_empty() {
            let client = rng.range(0, CLIENTS) as usize;
            let process = processes[client];
            let Some(mops) = self.open.remove(&process) else {
                if asked < count {
                    asked += 1;
                    let mops = self.ask(feed.events, &mut rng);
                    feed.sound(process, Kind::Invoke, Op::Txn(mops.clone()));
                    self.open.insert(process, mops);
                }
                continue;
            };
            if asked.is_multiple_of(20_000) {
                processes[client] += CLIENTS;
                feed.sound(process, Kind::Info, Op::Txn(mops));
            } else if rng.chance(0.02) {
                feed.sound(process, Kind::Fail, Op::Txn(mops));
            } else {
                let seen = self.act(feed.events, &mops);
                feed.sound(process, Kind::Ok, Op::Txn(seen));
            }
            if asked == count / 10 {
                feed.early = feed.most.total();
            }
        }
    }
}

fn transactions() -> u64 {
    let said = std::env::var("STREAMING_TRANSACTIONS").ok();
    said.map_or(500_000, |said| said.parse().expect("STREAMING_TRANSACTIONS is a number"))
}

#[test]
fn transactions_are_held_in_the_room_of_what_is_open_however_many_there_are() {
    let mut feed = Feed::new(StreamingLists::default());
    let mut lists = Lists::default();
    lists.run(transactions(), &mut feed);
    println!("{} events, held at most {:?}", feed.events, feed.most);
    assert!(feed.most.operations < 1500 && feed.most.configurations < 8000, "{:?}", feed.most);
    assert!(feed.most.versions < 5000, "{:?}", feed.most);
    // A version that is long forgotten is still known to be over.
    let read = |values| Op::Txn(vec![Mop::Read { key: 0, values }]);
    let beginning = lists.lists[&0][..5].to_vec();
    assert_eq!(feed.push(99_999, Kind::Invoke, read(None)), None);
    let found = feed.push(99_999, Kind::Ok, read(Some(beginning))).expect("it is stale");
    assert!(found.starts_with("G-single-item-realtime: key 0 was read with 5 elements"), "{found}");
    assert!(found.contains("had ended at event"), "{found}");
}

/// Registers of which each is written again and again.
fn registers(count: u64, feed: &mut Feed) {
    let mut rng = Seed(9).stream(Stream::Workload);
    let mut held: BTreeMap<Key, Value> = BTreeMap::new();
    let mut open: BTreeMap<u64, Call> = BTreeMap::new();
    let mut asked = 0;
    while asked < count || !open.is_empty() {
        let process = rng.range(0, CLIENTS);
        let Some(mut call) = open.remove(&process) else {
            if asked < count {
                asked += 1;
                let function =
                    if rng.chance(0.5) { Function::Read } else { Function::Write(asked) };
                let call = Call { key: rng.range(0, 4), function, answer: None };
                feed.sound(process, Kind::Invoke, Op::Call(call.clone()));
                open.insert(process, call);
            }
            continue;
        };
        call.answer = match call.function {
            Function::Write(value) => {
                held.insert(call.key, value);
                Some(Answer::Done)
            }
            _ => Some(held.get(&call.key).map_or(Answer::Nil, |value| Answer::Value(*value))),
        };
        feed.sound(process, Kind::Ok, Op::Call(call));
        if asked == count / 10 {
            feed.early = feed.most.total();
        }
    }
}

#[test]
fn half_a_million_calls_of_four_registers_are_held_in_the_room_of_what_is_open() {
    let checker = StreamingCalls::of(Object::Register).expect("registers have one");
    let mut feed = Feed::new(checker);
    registers(500_000, &mut feed);
    println!("{} events, held at most {:?}, early {}", feed.events, feed.most, feed.early);
    assert!(feed.most.total() < 3 * feed.early, "{:?}, {} early", feed.most, feed.early);
    assert_eq!(feed.most.keys, 4);
    let call = |answer| Op::Call(Call { key: 0, function: Function::Read, answer });
    assert_eq!(feed.push(77, Kind::Invoke, call(None)), None);
    let found = feed.push(77, Kind::Ok, call(Some(Answer::Value(1)))).expect("it is long over");
    assert!(found.contains("p77 :read, asked at"), "{found}");
}

/// As many moments as an operation may be open through, with answers that may free them all.
#[test]
fn a_call_that_was_open_for_long_is_answered_in_time_or_counts_as_unknown() {
    for failed in [16_382, 16_383, 16_384, 16_400] {
        let object = StreamingCalls::of(Object::Register).expect("registers have one");
        let mut feed = Feed::new(object);
        let call = |function, answer| Op::Call(Call { key: 1, function, answer });
        feed.sound(0, Kind::Invoke, call(Function::Read, None));
        for value in 0..failed {
            feed.sound(1, Kind::Invoke, call(Function::Write(value), None));
            feed.sound(1, Kind::Fail, call(Function::Write(value), None));
        }
        feed.sound(0, Kind::Ok, call(Function::Read, Some(Answer::Nil)));
        let late = matches!(feed.checker.finish(), Verdict::Unknown(_));
        assert_eq!(late, failed >= 16_384, "{failed}");
    }
}
