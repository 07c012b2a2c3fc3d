use super::*;
use crate::checker::linearizable::Linearizable;
use crate::checker::list_append::ListAppend;
use crate::checker::rw_register::{Inference, RwRegister};
use crate::columns::tests::history as lists;
use crate::history::{Event, Kind, Process};
use crate::op::{Answer, Call, Function, Held, Mop, Object, Op, RegisterMop, Value};
use crate::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

const ALL: Budget = Budget { calls: 100_000, operations: 10_000_000 };

fn registers() -> RwRegister {
    let inference = Inference { wfr_keys: true, sequential_keys: true, linearizable_keys: true };
    RwRegister { inference, ..RwRegister::default() }
}

/// The same story over registers: a list is what was last appended to it.
pub fn of_registers(history: &History) -> History {
    let told = |mop: &Mop, kind: Kind| match mop {
        Mop::Append { key, value } => RegisterMop::Write { key: *key, value: *value },
        Mop::Read { key, values } => {
            let last = values.as_ref().filter(|_| kind == Kind::Ok).map(|values| values.last());
            let value =
                last.map_or(Held::Unknown, |last| last.map_or(Held::Nothing, |v| Held::Value(*v)));
            RegisterMop::Read { key: *key, value }
        }
    };
    let events = history.events.iter().map(|event| {
        let mops = event.op.mops().iter().map(|mop| told(mop, event.kind)).collect();
        Event { op: Op::Registers(mops), ..event.clone() }
    });
    History { events: events.collect() }
}

/// Calls of two objects of one kind, which take effect at one moment each; some fail, some are given up, and where it
/// says so some answers are wrong.
fn calls(seed: u64, object: Object, wrong: u64) -> History {
    let mut rng = Seed(seed).stream(Stream::Workload);
    let mut objects: [VecDeque<Value>; 2] = Default::default();
    let mut open: BTreeMap<u32, (Call, Kind)> = BTreeMap::new();
    let mut names: Vec<u32> = (0..3).collect();
    let (mut history, mut written) = (History::default(), 0);
    for step in 0..rng.range(8, 60) {
        let thread = rng.range(0, 3) as usize;
        let process = names[thread];
        let (kind, call) = match open.remove(&process) {
            Some((call, kind)) => {
                if kind == Kind::Info {
                    names[thread] += 3;
                }
                (kind, call)
            }
            None => {
                written += 1;
                let key = rng.range(0, 2);
                let function = function(&mut rng, object, written);
                let asked = Call { key, function, answer: None };
                let kind =
                    *rng.pick(&[Kind::Ok, Kind::Ok, Kind::Ok, Kind::Ok, Kind::Info, Kind::Fail]);
                let mut answered = asked.clone();
                if kind == Kind::Ok || kind == Kind::Info && rng.chance(0.5) {
                    let answer = answer(&mut objects[key as usize], &asked.function);
                    answered.answer = Some(answer).filter(|_| kind == Kind::Ok);
                }
                open.insert(process, (answered, kind));
                (Kind::Invoke, asked)
            }
        };
        let time = Duration::from_millis(step);
        let process = Process::Client(process);
        let op = Op::Call(call);
        history.push(Event { time, process, kind, op, node: None, error: None });
    }
    for _ in 0..wrong {
        tamper(&mut rng, &mut history);
    }
    history
}

fn function(rng: &mut ChaCha8Rng, object: Object, written: Value) -> Function {
    match (object, rng.range(0, 3)) {
        (Object::Register, 0) => Function::Write(written),
        (Object::Set, 0) => Function::Insert(rng.range(0, 4)),
        (Object::Set, 1) => Function::Remove(rng.range(0, 4)),
        (Object::Queue, 0) => Function::Enqueue(written),
        (Object::Queue, _) => Function::Dequeue,
        _ => Function::Read,
    }
}

/// What an object says of a call that takes effect.
fn answer(holds: &mut VecDeque<Value>, function: &Function) -> Answer {
    match function {
        Function::Write(value) => *holds = VecDeque::from([*value]),
        Function::Insert(value) if !holds.contains(value) => holds.push_back(*value),
        Function::Remove(value) => holds.retain(|held| held != value),
        Function::Enqueue(value) => holds.push_back(*value),
        Function::Dequeue => return holds.pop_front().map_or(Answer::Nil, Answer::Value),
        Function::Read if holds.len() == 1 => return Answer::Value(holds[0]),
        Function::Read => return Answer::Nil,
        _ => {}
    }
    Answer::Done
}

/// Of sets a read shows all.
fn of_sets(mut history: History) -> History {
    let mut held: [Vec<Value>; 2] = Default::default();
    for event in &mut history.events {
        let Op::Call(call) = &mut event.op else { continue };
        let holds = &mut held[call.key as usize];
        match (event.kind, &call.function) {
            // So that a moment is known at which it took effect, each is over at once.
            (Kind::Ok, Function::Insert(value)) if !holds.contains(value) => holds.push(*value),
            (Kind::Ok, Function::Remove(value)) => holds.retain(|held| held != value),
            (Kind::Ok, Function::Read) => call.answer = Some(Answer::Values(holds.clone())),
            _ => {}
        }
    }
    history.events.retain(|event| event.kind != Kind::Info);
    history
}

fn tamper(rng: &mut ChaCha8Rng, history: &mut History) {
    let events = history.events.len() as u64;
    for place in
        std::iter::repeat_with(|| rng.range(0, events) as usize).take(8).collect::<Vec<_>>()
    {
        let Op::Call(call) = &mut history.events[place].op else { continue };
        if let Some(Answer::Value(value)) = &mut call.answer {
            *value = value.saturating_sub(1).max(1);
            return;
        }
    }
}

/// Makes every anomaly small and looks whether it is what it claims to be; returns how many there were.
fn looked_over(history: &History, checker: &dyn Checker) -> usize {
    let Verdict::Invalid(anomalies) = checker.check(history) else { return 0 };
    let whole = Whole::of(history, checker, &anomalies);
    assert_eq!(whole.allowed, names(checker.check(history)));
    let mut seen = BTreeSet::new();
    for anomaly in anomalies.iter().filter(|anomaly| seen.insert(anomaly.name.clone())) {
        let small = whole.minimal(anomaly, &anomaly.events, ALL).expect("it is small");
        assert!(!small.is_capped);
        let name = &anomaly.name;
        // What it claims: the same anomaly, in a part of the history.
        assert!(names(checker.check(&small.history)).contains(name), "{name}");
        assert!(small.events.is_sorted_by(|a, b| a < b));
        let part: Vec<&Event> = small.events.iter().map(|event| &history.events[*event]).collect();
        assert_eq!(small.history.events.iter().collect::<Vec<_>>(), part);
        // And nothing can be left out of it, judged anew.
        let part = Whole::of(&small.history, checker, &anomalies);
        assert_eq!(part.operations.len(), small.operations);
        let all: Vec<usize> = (0..small.operations).collect();
        for one in &all {
            let less = part.needs.reversed(&part.operations, &all).without(&all, &[*one]);
            assert!(!part.shows(name, &less), "{name}: {one} of {} is too much", all.len());
        }
    }
    seen.len()
}

#[test]
fn what_is_left_shows_the_same_anomaly_and_can_lose_no_operation() {
    let mut found = [0; 4];
    for seed in 0..1_500 {
        found[0] += looked_over(&lists(seed), &ListAppend::default());
        found[1] += looked_over(&of_registers(&lists(seed)), &registers());
        let register = calls(seed, Object::Register, 2);
        found[2] += looked_over(&register, &Linearizable::of(Object::Register));
        found[3] += looked_over(&calls(seed, Object::Queue, 2), &Linearizable::of(Object::Queue));
    }
    assert!(found.iter().all(|count| *count > 200), "{found:?}");
}

/// Leaves out operations at random, with what needs them: nothing may be wrong then.
fn left_out(history: &History, checker: &dyn Checker, rng: &mut ChaCha8Rng) -> usize {
    if checker.check(history) != Verdict::Valid {
        return 0;
    }
    let whole = Whole::of(history, checker, &[]);
    let all: Vec<usize> = (0..whole.operations.len()).collect();
    for _ in 0..4 {
        let gone: Vec<usize> = all.iter().copied().filter(|_| rng.chance(0.2)).collect();
        let less = whole.needs.reversed(&whole.operations, &all).without(&all, &gone);
        let verdict = checker.check(&whole.history_of(&less).0);
        assert!(!matches!(verdict, Verdict::Invalid(_)), "{gone:?}: {verdict:?}");
    }
    1
}

#[test]
fn leaving_out_makes_nothing_wrong_that_was_right() {
    let mut rng = Seed(7).stream(Stream::Workload);
    let mut looked = [0; 5];
    for seed in 0..1_500 {
        looked[0] += left_out(&lists(seed), &ListAppend::default(), &mut rng);
        looked[1] += left_out(&of_registers(&lists(seed)), &registers(), &mut rng);
        let queue = calls(seed, Object::Queue, 0);
        looked[2] += left_out(&queue, &Linearizable::of(Object::Queue), &mut rng);
        let register = calls(seed, Object::Register, 0);
        looked[3] += left_out(&register, &Linearizable::of(Object::Register), &mut rng);
        let set = of_sets(calls(seed, Object::Set, 0));
        looked[4] += left_out(&set, &Linearizable::of(Object::Set), &mut rng);
    }
    assert!(looked.iter().all(|count| *count > 300), "{looked:?}");
}

#[test]
fn a_budget_that_ends_is_told_and_what_is_left_still_shows_it() {
    let (mut capped, mut refused) = (0, 0);
    for seed in 0..300 {
        let (history, checker) = (lists(seed), ListAppend::default());
        let Verdict::Invalid(anomalies) = checker.check(&history) else { continue };
        for calls in 0..6 {
            let budget = Budget { calls, operations: 1_000 };
            let anomaly = &anomalies[0];
            match Whole::of(&history, &checker, &anomalies).minimal(
                anomaly,
                &anomaly.events,
                budget,
            ) {
                Ok(small) => {
                    capped += usize::from(small.is_capped);
                    assert!(names(checker.check(&small.history)).contains(&anomaly.name));
                }
                Err(sentence) => {
                    refused += 1;
                    assert!(sentence.contains("budget"), "{sentence}");
                }
            }
        }
    }
    assert!(capped > 20 && refused > 20, "{capped} {refused}");
}
