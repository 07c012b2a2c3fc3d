//! The linearizability checker against a brute-force twin: on small histories every order of every subset of what is
//! unknown is tried, with objects of its own.
//!
//! A toy store runs random calls at random moments of their intervals, some without an answer, some twice in one value;
//! then in some histories one answer is changed. Whatever the twin says, the checker must say. Longer histories, too long
//! for the twin, are valid because the store made them so; those of values that are used once are judged the same with
//! and without a search.
//!
//! `LINEARIZABLE_HISTORIES` histories are tried, 50,000 unless it says otherwise.

mod mutations;
mod store;
mod streaming;
mod twin;

use harness::checker::Verdict;
use harness::checker::linearizable::model::{Asked, Counter, Model, Register, Sequence, Set};
use harness::checker::linearizable::{
    Caps, FailedCas, Found, Linearizable, Operation, Report, search,
};
use harness::history::{History, Kind, Process};
use harness::op::{Answer, Call, Function, Object, Op};
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use store::{Shape, random};

/// What is left after so many histories of each kind of object.
#[derive(Debug, Default)]
struct Tally {
    valid: u64,
    invalid: u64,
    untested: u64,
}

fn histories() -> u64 {
    let said = std::env::var("LINEARIZABLE_HISTORIES").ok();
    said.map_or(50_000, |said| said.parse().expect("LINEARIZABLE_HISTORIES is a number"))
}

fn analyse(object: Object, failed_cas: FailedCas, history: &History) -> Report {
    Linearizable { failed_cas, ..Linearizable::of(object) }.analyse(history)
}

fn well_told(report: &Report, history: &History) -> bool {
    let Verdict::Invalid(anomalies) = &report.verdict else { return true };
    anomalies.iter().all(|anomaly| {
        anomaly.text.starts_with("nonlinearizable: key ")
            && !anomaly.events.is_empty()
            && anomaly.events.iter().all(|event| *event < history.events.len())
    })
}

type ShapeOf = fn(Object, &mut ChaCha8Rng) -> Shape;

/// The deep search decides whatever is not over at once.
const DEEP: Caps = Caps { narrow: 0, deep: usize::MAX, configurations: 0, visited: u64::MAX };

/// Tries one history, and says what it was made of if the two disagree. How much was judged without a search.
fn compare(object: Object, seed: u64, of: ShapeOf, tally: &mut Tally) -> bool {
    let mut rng = Seed(seed).stream(Stream::Workload);
    let shape = of(object, &mut rng);
    let history = random(&shape, &mut rng);
    let failed_cas = *rng.pick(&[FailedCas::Dropped, FailedCas::Observed]);
    let caps = *rng.pick(&[Caps::default(), DEEP]);
    let report = Linearizable { object, failed_cas, caps }.analyse(&history);
    let linearizable = twin::linearizable(object, failed_cas, &history);
    let told = || {
        let events: Vec<String> = history
            .events
            .iter()
            .map(|event| match &event.op {
                Op::Call(call) => format!("{} {:?} {call}", event.process, event.kind),
                other => format!("{other:?}"),
            })
            .collect();
        format!("{object} {seed:#x} {failed_cas:?}: {:?}\n{}", report, events.join("\n"))
    };
    assert!(well_told(&report, &history), "{}", told());
    match &report.verdict {
        Verdict::Valid => tally.valid += 1,
        Verdict::Invalid(_) => tally.invalid += 1,
        Verdict::Unknown(_) => {
            assert_eq!(report.coverage.told, 0, "{}", told());
            tally.untested += 1;
        }
    }
    assert_eq!(linearizable, !matches!(report.verdict, Verdict::Invalid(_)), "{}", told());
    report.unsearched == report.coverage.keys
}

fn agrees(object: Object) {
    let mut tally = Tally::default();
    let count = histories() / Object::ALL.len() as u64;
    for seed in 0..count {
        compare(object, seed, Shape::small, &mut tally);
    }
    println!("{object}: {count} histories, {tally:?}");
    // Were all histories of one kind, agreement would say little.
    assert!(tally.valid * 10 > count && tally.invalid * 20 > count, "{object}: {tally:?}");
}

#[test]
fn registers_are_judged_as_brute_force_judges_them() {
    agrees(Object::Register);
}

#[test]
fn cas_registers_are_judged_as_brute_force_judges_them() {
    agrees(Object::CasRegister);
}

#[test]
fn counters_are_judged_as_brute_force_judges_them() {
    agrees(Object::Counter);
}

#[test]
fn sets_are_judged_as_brute_force_judges_them() {
    agrees(Object::Set);
}

#[test]
fn queues_are_judged_as_brute_force_judges_them() {
    agrees(Object::Queue);
}

#[test]
fn lists_are_judged_as_brute_force_judges_them() {
    agrees(Object::List);
}

#[test]
fn maps_are_judged_as_brute_force_judges_them() {
    agrees(Object::Map);
}

#[test]
fn zsets_are_judged_as_brute_force_judges_them() {
    agrees(Object::Zset);
}

#[test]
fn streams_are_judged_as_brute_force_judges_them() {
    agrees(Object::Stream);
}

#[test]
fn registers_that_pass_are_judged_as_brute_force_judges_them() {
    agrees(Object::TtlRegister);
}

#[test]
fn keys_of_any_type_are_judged_as_brute_force_judges_them() {
    agrees(Object::Mixed);
}

#[test]
fn what_a_store_did_is_never_accused() {
    for object in Object::ALL {
        for seed in 0..histories() / 1000 {
            let mut rng = Seed(seed).stream(Stream::Workload);
            let history = random(&Shape::long(object, &mut rng), &mut rng);
            let report = analyse(object, FailedCas::Observed, &history);
            assert_eq!(report.verdict, Verdict::Valid, "{object} {seed:#x}");
        }
    }
}

#[test]
fn a_history_whose_first_states_are_forgotten_is_judged_right() {
    for object in [Object::Counter, Object::CasRegister] {
        let mut rng = Seed(11).stream(Stream::Workload);
        let mut history = random(&Shape::endless(object), &mut rng);
        assert_eq!(analyse(object, FailedCas::Observed, &history).verdict, Verdict::Valid);
        let answer = match object {
            Object::Counter => Answer::Number(-1_000_000),
            _ => Answer::Value(1_000_000),
        };
        let read = |answer| Op::Call(Call { key: 0, function: Function::Read, answer });
        store::push(&mut history, 1_000_000, Kind::Invoke, read(None));
        store::push(&mut history, 1_000_000, Kind::Ok, read(Some(answer)));
        let report = analyse(object, FailedCas::Observed, &history);
        let Verdict::Invalid(anomalies) = &report.verdict else { panic!("{:?}", report.verdict) };
        assert!(anomalies[0].text.contains("p1000000 :read, asked at"), "{}", anomalies[0].text);
        assert!(well_told(&report, &history));
    }
}

/// The calls of a history of one register, without what failed.
fn operations(history: &History) -> Vec<Operation<Asked<'_>>> {
    let mut operations: Vec<Operation<Asked>> = Vec::new();
    let mut dropped = Vec::new();
    let mut running: BTreeMap<Process, usize> = BTreeMap::new();
    for (index, event) in history.events.iter().enumerate() {
        let Op::Call(call) = &event.op else { panic!("{event:?} is no call") };
        if event.kind == Kind::Invoke {
            running.insert(event.process, operations.len());
            let what = Asked { function: &call.function, answer: None };
            operations.push(Operation { what, invoked: index, returned: None });
            dropped.push(false);
            continue;
        }
        let place = running[&event.process];
        if event.kind == Kind::Ok {
            operations[place].what.answer = call.answer.as_ref();
            operations[place].returned = Some(index);
        }
        dropped[place] = event.kind == Kind::Fail;
    }
    let mut dropped = dropped.into_iter();
    operations.retain(|_| !dropped.next().unwrap());
    operations
}

/// Objects with values that are used once, by brute force: most are judged without a search.
fn unique_agrees(object: Object) {
    let mut tally = Tally::default();
    let count = histories() / 8;
    let compared = (0..count).map(|seed| compare(object, seed, Shape::small_unique, &mut tally));
    let unsearched = compared.filter(|unsearched| *unsearched).count() as u64;
    println!("unique {object}: {count} histories, {unsearched} without a search, {tally:?}");
    assert!(tally.valid * 10 > count && tally.invalid * 20 > count, "{object}: {tally:?}");
    assert!(unsearched * 2 > count, "{object}: {unsearched} of {count} without a search");
}

#[test]
fn unique_registers_are_judged_as_brute_force_judges_them() {
    unique_agrees(Object::Register);
}

#[test]
fn unique_sets_are_judged_as_brute_force_judges_them() {
    unique_agrees(Object::Set);
}

#[test]
fn unique_queues_are_judged_as_brute_force_judges_them() {
    unique_agrees(Object::Queue);
    unique_agrees(Object::List);
}

#[test]
fn counters_that_rise_are_judged_as_brute_force_judges_them() {
    unique_agrees(Object::Counter);
}

/// Histories that are too long for brute force, by the search for any model.
fn unique_agrees_with_search(object: Object, model: &impl for<'h> Model<Asked<'h>>) {
    let (mut tally, mut unsearched) = (Tally::default(), 0);
    let count = histories() / 20;
    for seed in 0..count {
        let mut rng = Seed(seed).stream(Stream::Workload);
        let history = random(&Shape::unique(object, &mut rng), &mut rng);
        let report = analyse(object, FailedCas::Dropped, &history);
        assert!(well_told(&report, &history), "{seed:#x}: {report:?}");
        if report.undecided > 0 {
            // It had to be searched, and that hit a cap.
            assert!(matches!(report.verdict, Verdict::Unknown(_)), "{object} {seed:#x}");
            tally.untested += 1;
            continue;
        }
        unsearched += report.unsearched.min(1) as u64;
        let found = search(model, &operations(&history), rng.pick(&[Caps::default(), DEEP]));
        let by_search = found == Found::Linearizable;
        let valid = !matches!(report.verdict, Verdict::Invalid(_));
        assert_eq!(by_search, valid, "{object} {seed:#x}: {found:?} {:?}", report.verdict);
        *(if valid { &mut tally.valid } else { &mut tally.invalid }) += 1;
    }
    println!("unique {object}: {count} long histories, {unsearched} without a search, {tally:?}");
    assert!(tally.valid * 10 > count && tally.invalid * 10 > count, "{object} {tally:?}");
    assert!(unsearched * 3 > count, "{object}: {unsearched} of {count} without a search");
}

#[test]
fn unique_values_and_the_search_judge_the_same() {
    unique_agrees_with_search(Object::Register, &Register);
    unique_agrees_with_search(Object::Set, &Set);
    unique_agrees_with_search(Object::Queue, &Sequence);
    unique_agrees_with_search(Object::Counter, &Counter);
}

/// The trap that passed every golden file once: a write of the value that is there already may have to wait.
#[test]
fn a_write_of_the_value_that_is_there_may_take_effect_later() {
    let call =
        |function: &Function, answer| Op::Call(Call { key: 0, function: function.clone(), answer });
    let (one, two, read) = (Function::Write(1), Function::Write(2), Function::Read);
    let done = || Some(Answer::Done);
    let saw = |value| Some(Answer::Value(value));
    let story = [
        (0, Kind::Invoke, call(&one, None)),
        (0, Kind::Ok, call(&one, done())),
        (1, Kind::Invoke, call(&one, None)),
        (2, Kind::Invoke, call(&two, None)),
        (2, Kind::Ok, call(&two, done())),
        (3, Kind::Invoke, call(&read, None)),
        (3, Kind::Ok, call(&read, saw(1))),
        (1, Kind::Ok, call(&one, done())),
    ];
    let mut history = History::default();
    for (process, kind, op) in story {
        store::push(&mut history, process, kind, op);
    }
    let report = analyse(Object::Register, FailedCas::Dropped, &history);
    assert_eq!((report.verdict, report.unsearched), (Verdict::Valid, 0));
}
