//! The streaming list-append checker against the one that has the whole history, on small random histories: executed
//! atomically, executed one micro-operation at a time, and with something changed afterwards; crashed, failed and unanswered
//! transactions among them. What the one finds the other finds.
//!
//! `STREAMING_HISTORIES` histories are tried, 50,000 unless it says otherwise.

use harness::checker::Verdict;
use harness::checker::list_append::analyse;
use harness::checker::list_append::streaming::StreamingLists;
use harness::checker::streaming::Streaming;
use harness::checker::transactional::{Model, Validity};
use harness::history::{History, Kind};
use harness::op::{Key, Mop};
use lists::{execute, push, slip};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use schedule::{KEYS, plans};
use std::collections::BTreeMap;

#[path = "twin/lists.rs"]
mod lists;
#[path = "twin/schedule.rs"]
mod schedule;

fn histories() -> usize {
    let said = std::env::var("STREAMING_HISTORIES").ok();
    said.map_or(50_000, |said| said.parse().expect("STREAMING_HISTORIES is a number"))
}

/// Where it first says that something is wrong, how it calls that, and the verdict.
fn streamed(history: &History) -> (Option<(usize, String)>, Verdict) {
    let mut checker = Box::new(StreamingLists::default());
    let mut found = None;
    for (index, event) in history.events.iter().enumerate() {
        if let Some(anomaly) = checker.event(index, event) {
            assert!(anomaly.events.contains(&index) && found.is_none(), "{anomaly:?}");
            assert!(anomaly.events.iter().all(|event| *event <= index), "{anomaly:?}");
            assert!(anomaly.text.starts_with(&anomaly.name), "{anomaly:?}");
            found = Some((index, anomaly.name));
        }
    }
    (found, checker.finish())
}

fn is_invalid(history: &History) -> bool {
    analyse(history, Model::STRICT_SERIALIZABLE).valid == Validity::False
}

fn beginning(history: &History, events: usize) -> History {
    History { events: history.events[..events].to_vec() }
}

/// Reads all keys that are there in the end through a fresh process, as the last one who could.
fn read_to_the_end(history: &mut History) {
    let mut longest: BTreeMap<Key, Vec<u64>> = (0..KEYS).map(|key| (key, Vec::new())).collect();
    for mop in history.events.iter().flat_map(|event| event.op.mops()) {
        if let Mop::Read { key, values: Some(values) } = mop
            && values.len() > longest[key].len()
        {
            longest.insert(*key, values.clone());
        }
    }
    let read =
        |(key, values): (&Key, &Vec<u64>)| Mop::Read { key: *key, values: Some(values.clone()) };
    let asked = longest.keys().map(|key| Mop::Read { key: *key, values: None }).collect();
    push(history, 1000, 1000, Kind::Invoke, asked);
    push(history, 1001, 1000, Kind::Ok, longest.iter().map(read).collect());
}

/// Makes an acknowledged transaction a failed one, or one of unknown outcome.
fn end_otherwise(history: &mut History, event: usize, kind: Kind) {
    let Some(event) = history.events.get_mut(event).filter(|event| event.kind == Kind::Ok) else {
        return;
    };
    event.kind = kind;
    let harness::op::Op::Txn(mops) = &mut event.op else { return };
    for mop in mops {
        if let Mop::Read { values, .. } = mop {
            *values = None;
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    valid: usize,
    invalid: usize,
    unknown: usize,
    /// By what it was called.
    names: BTreeMap<String, usize>,
}

fn compare(history: &History, tally: &mut Tally) {
    let (found, verdict) = streamed(history);
    let report = analyse(history, Model::STRICT_SERIALIZABLE);
    let told = || {
        let events = history.events.iter().enumerate();
        let lines: Vec<String> = events
            .map(|(i, event)| {
                let mops: Vec<String> = event.op.mops().iter().map(Mop::to_string).collect();
                format!("{i} {} {:?} {}", event.process, event.kind, mops.join(" "))
            })
            .collect();
        format!("{verdict:?}\n{:?} {:?}\n{}", report.valid, report.anomaly_types, lines.join("\n"))
    };
    assert_eq!(found.is_some(), report.valid == Validity::False, "{}", told());
    assert_eq!(found.is_some(), verdict.name() == "invalid", "{}", told());
    assert!(verdict != Verdict::Valid || report.valid == Validity::True, "{}", told());
    match (&report.valid, found) {
        (Validity::True, _) => tally.valid += 1,
        (Validity::Unknown(_), _) => tally.unknown += 1,
        (Validity::False, None) => unreachable!("that was asked"),
        (Validity::False, Some((index, name))) => {
            tally.invalid += 1;
            *tally.names.entry(name).or_default() += 1;
            assert!(is_invalid(&beginning(history, index + 1)), "{}", told());
            assert!(!is_invalid(&beginning(history, index)), "{}", told());
        }
    }
}

/// Each step is asked and done before the next.
fn one_by_one(steps: &[Mop]) -> History {
    let mut history = History::default();
    for (at, step) in (0..).zip(steps) {
        let asked = match step {
            Mop::Read { key, .. } => Mop::Read { key: *key, values: None },
            append => append.clone(),
        };
        push(&mut history, 2 * at, 0, Kind::Invoke, vec![asked]);
        push(&mut history, 2 * at + 1, 0, Kind::Ok, vec![step.clone()]);
    }
    history
}

fn append(value: u64) -> Mop {
    Mop::Append { key: 1, value }
}

fn read(values: &[u64]) -> Mop {
    Mop::Read { key: 1, values: Some(values.to_vec()) }
}

#[test]
fn an_element_appended_again_is_noticed_however_long_ago_it_was_forgotten() {
    let again = [append(1), read(&[1]), append(2), read(&[1, 2]), append(1)];
    for steps in [vec![], vec![read(&[1, 2])], vec![read(&[1, 2, 1])]] {
        let history = one_by_one(&[&again[..], &steps].concat());
        let (found, verdict) = streamed(&history);
        assert_eq!(found, None);
        let Verdict::Unknown(reasons) = verdict else { panic!("{verdict:?}") };
        assert!(reasons[0].contains("is appended to key 1 again by event 8"), "{reasons:?}");
        compare(&history, &mut Tally::default());
    }
}

#[test]
fn who_reads_only_itself_tested_nothing() {
    let mut history = History::default();
    push(&mut history, 0, 0, Kind::Invoke, vec![append(1), Mop::Read { key: 1, values: None }]);
    push(&mut history, 1, 0, Kind::Ok, vec![append(1), read(&[1])]);
    assert!(matches!(streamed(&history).1, Verdict::Unknown(_)));
    compare(&history, &mut Tally::default());
}

#[test]
fn what_did_not_succeed_and_shows_what_it_read_is_left_to_the_end() {
    for kind in [Kind::Info, Kind::Fail] {
        let mut history = one_by_one(&[append(1), read(&[1])]);
        push(&mut history, 10, 1, Kind::Invoke, vec![Mop::Read { key: 1, values: None }]);
        push(&mut history, 11, 1, kind, vec![read(&[7])]);
        let (found, verdict) = streamed(&history);
        assert_eq!((found, verdict.name()), (None, "unknown"), "{verdict:?}");
    }
}

#[test]
fn no_element_hides_what_was_before_it() {
    // The one whose product with the hash's multiplier is the hash's other constant.
    let hiding = 657_910_479_524_483_037;
    let mut history = History::default();
    for (process, value) in [(0, 1), (1, 2), (2, hiding)] {
        push(&mut history, 0, process, Kind::Invoke, vec![append(value)]);
    }
    for (process, first) in [(3, 1), (4, 2)] {
        push(&mut history, 1, process, Kind::Invoke, vec![Mop::Read { key: 1, values: None }]);
        push(&mut history, 2, process, Kind::Ok, vec![read(&[first, hiding])]);
    }
    let found = streamed(&history).0.map(|(_, name)| name);
    assert_eq!(found.as_deref(), Some("incompatible-order"));
}

#[test]
fn what_grows_is_judged_as_the_whole_is_and_as_soon_as_it_can_be() {
    let mut runner = TestRunner::deterministic();
    let mut tally = Tally::default();
    let slips = prop::collection::vec((0..14usize, 0..4usize, 0..4usize), 0..2);
    let small = (plans(1..9, 3), slips, 0..14usize, 0..12u8);
    for _ in 0..histories() {
        let tree = small.new_tree(&mut runner).expect("a strategy without filters");
        let (plans, slips, event, how) = tree.current();
        let mut history = execute(&plans, how % 4 == 0);
        for (event, mop, place) in slips {
            slip(&mut history, event, mop, place);
        }
        match how {
            9 => end_otherwise(&mut history, event, Kind::Fail),
            10 => end_otherwise(&mut history, event, Kind::Info),
            11 => read_to_the_end(&mut history),
            _ => {}
        }
        compare(&history, &mut tally);
    }
    println!("{tally:?}");
    let (few, count) = (histories() / 10, histories());
    assert!(
        tally.valid > few && tally.invalid > few && tally.names.len() > 10,
        "{tally:?} of {count}"
    );
}
