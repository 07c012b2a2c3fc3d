//! The list-append checker against a brute-force twin: on small histories every serial order is tried.
//!
//! A toy list store executes random plans. Executed atomically it is strictly serializable, and the checker must
//! stay silent whatever was unknown. Executed one micro-operation at a time it is often not, and the checker
//! must agree with the twin: no alarm that the twin refutes, and, once final reads show every version order,
//! none that it misses; `TRANSACTION_HISTORIES` histories for each of both, 25,000 unless it says otherwise. Then single
//! anomalies are planted into sound histories, and each must be found.

use harness::checker::list_append::analyse;
use harness::checker::transactional::{Model, Report, Validity};
use harness::history::{History, Kind};
use harness::op::{Key, Mop, Op, Value};
use lists::{State, execute, push, slip};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};
use schedule::{End, KEYS, Plan, plans};

#[path = "twin/lists.rs"]
mod lists;
#[path = "twin/schedule.rs"]
mod schedule;
#[path = "twin/serial.rs"]
mod serial;

/// A transaction of a fresh process, alone, after everything.
fn then(history: &mut History, mops: Vec<Mop>) -> usize {
    let number = 1000 + history.events.len() as u32;
    let asked = mops.iter().map(|mop| match mop {
        Mop::Read { key, .. } => Mop::Read { key: *key, values: None },
        append => append.clone(),
    });
    let asked = asked.collect();
    push(history, 1000 + u64::from(number), number, Kind::Invoke, asked);
    push(history, 1001 + u64::from(number), number, Kind::Ok, mops);
    history.events.len() - 1
}

/// All lists once every effect is there.
fn final_state(history: &History, plans: &[Plan], atomic: bool) -> State {
    let mut longer = plans.to_vec();
    longer.push(Plan {
        gap: 100,
        duration: 1,
        mops: (0..KEYS).map(|key| (key, false, 0)).collect(),
        end: End::Ok,
    });
    let with_reads = execute(&longer, atomic);
    assert_eq!(with_reads.events[..history.events.len()], history.events[..]);
    let last = with_reads.events.last().unwrap().op.mops();
    let read = |mop: &Mop| match mop {
        Mop::Read { key, values } => (*key, values.clone().unwrap()),
        Mop::Append { .. } => unreachable!("the last transaction reads"),
    };
    last.iter().map(read).collect()
}

fn reads_of(state: &State) -> Vec<Mop> {
    let read =
        |(key, values): (&Key, &Vec<Value>)| Mop::Read { key: *key, values: Some(values.clone()) };
    state.iter().map(read).collect()
}

/// Executed atomically and read to the end twice.
fn sound(plans: &[Plan]) -> (History, State) {
    let mut history = execute(plans, true);
    let state = final_state(&history, plans, true);
    then(&mut history, reads_of(&state));
    then(&mut history, reads_of(&state));
    (history, state)
}

/// The twin.
fn serializable(history: &History, realtime: bool) -> bool {
    serial::serializable(history, realtime, apply)
}

fn apply(op: &Op, kind: Kind, state: &State) -> Option<State> {
    let mut state = state.clone();
    for mop in op.mops() {
        match mop {
            Mop::Append { key, value } => state.entry(*key).or_default().push(*value),
            Mop::Read { .. } if kind != Kind::Ok => {}
            Mop::Read { key, values } => {
                let known = state.get(key).map(Vec::as_slice).unwrap_or_default();
                (values.as_deref().unwrap_or_default() == known).then_some(())?;
            }
        }
    }
    Some(state)
}

fn strict(history: &History) -> Report {
    analyse(history, Model::STRICT_SERIALIZABLE)
}

/// Every anomaly names events that exist, and says something.
fn well_told(report: &Report, history: &History) -> bool {
    let exists = |event: &usize| *event < history.events.len();
    report.anomalies.iter().all(|anomaly| {
        !anomaly.events.is_empty()
            && anomaly.events.iter().all(exists)
            && !anomaly.text.contains("comes before T")
    })
}

/// That each twin judges.
fn histories() -> u32 {
    let said = std::env::var("TRANSACTION_HISTORIES").ok();
    said.map_or(25_000, |said| said.parse().expect("TRANSACTION_HISTORIES is a number"))
}

fn config(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(0x5eed);
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn a_strictly_serializable_store_is_never_accused(plans in plans(1..40, 4)) {
        for history in [execute(&plans, true), sound(&plans).0] {
            let report = strict(&history);
            prop_assert!(report.valid != Validity::False, "{:#?}", report.anomalies);
        }
    }

    #[test]
    fn renaming_keys_changes_nothing(plans in plans(1..12, 4)) {
        let history = execute(&plans, false);
        let mut renamed = history.clone();
        for event in &mut renamed.events {
            let Op::Txn(mops) = &mut event.op else { continue };
            for mop in mops {
                let (Mop::Append { key, .. } | Mop::Read { key, .. }) = mop;
                *key = 1_000_000_007 - *key * 31;
            }
        }
        let (before, after) = (strict(&history), strict(&renamed));
        prop_assert_eq!(&before.not, &after.not);
        prop_assert_eq!(before.anomaly_types, after.anomaly_types);
        prop_assert_eq!(before.coverage, after.coverage);
    }
}

proptest! {
    #![proptest_config(config(histories()))]

    #[test]
    fn no_alarm_is_raised_that_brute_force_refutes(
        plans in plans(1..7, 3),
        slips in prop::collection::vec((0..12usize, 0..4usize, 0..4usize), 0..2),
    ) {
        let mut history = execute(&plans, false);
        for (event, mop, place) in slips {
            slip(&mut history, event, mop, place);
        }
        for (model, realtime) in
            [(Model::STRICT_SERIALIZABLE, true), (Model::SERIALIZABLE, false)]
        {
            let report = analyse(&history, model);
            if report.valid == Validity::False {
                prop_assert!(well_told(&report, &history), "{:#?}", report.anomalies);
                prop_assert!(!serializable(&history, realtime), "{:#?}", report.anomalies);
            }
        }
    }

    #[test]
    fn with_every_order_known_brute_force_and_checker_agree(plans in plans(1..6, 3)) {
        let mut history = execute(&plans, false);
        let state = final_state(&history, &plans, false);
        then(&mut history, reads_of(&state));
        for (model, realtime) in
            [(Model::STRICT_SERIALIZABLE, true), (Model::SERIALIZABLE, false)]
        {
            let report = analyse(&history, model);
            let invalid = report.valid == Validity::False;
            prop_assert_eq!(invalid, !serializable(&history, realtime), "{:#?}", report);
            prop_assert!(well_told(&report, &history), "{:#?}", report.anomalies);
        }
    }
}

/// The reads of successful transactions, before the two final ones, that show so many elements.
fn long_reads(history: &History, length: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let last = history.events.len() - 4;
    for (index, event) in history.events[..last].iter().enumerate() {
        for (place, mop) in event.op.mops().iter().enumerate() {
            if let Mop::Read { values: Some(values), .. } = mop
                && values.len() >= length
            {
                found.push((index, place));
            }
        }
    }
    found
}

fn list_at(history: &mut History, (event, mop): (usize, usize)) -> &mut Vec<Value> {
    match &mut history.events[event].op {
        Op::Txn(mops) => match &mut mops[mop] {
            Mop::Read { values: Some(values), .. } => values,
            other => unreachable!("{other} is no read"),
        },
        other => unreachable!("{other:?} is no transaction over lists"),
    }
}

fn found(history: &History, name: &str) -> Result<(), TestCaseError> {
    let report = strict(history);
    prop_assert_eq!(&report.valid, &Validity::False);
    prop_assert!(report.counts.contains_key(name), "{} not in {:?}", name, report.counts);
    prop_assert!(well_told(&report, history), "{:#?}", report.anomalies);
    Ok(())
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn every_planted_anomaly_is_found(plans in plans(6..30, 4), pick in any::<prop::sample::Index>()) {
        let (history, state) = sound(&plans);
        let reads = long_reads(&history, 2);
        if !reads.is_empty() {
            let read = reads[pick.index(reads.len())];
            let planted: [(&str, fn(&mut Vec<Value>)); 3] = [
                ("incompatible-order", |values| values.drain(..1).for_each(drop)),
                ("incompatible-order", |values| values.swap(0, 1)),
                ("duplicate-elements", |values| values.push(values[0])),
            ];
            for (name, plant) in planted {
                let mut broken = history.clone();
                plant(list_at(&mut broken, read));
                found(&broken, name)?;
            }
        }
        let keys: Vec<Key> = state.keys().copied().filter(|key| !state[key].is_empty()).collect();
        if !keys.is_empty() {
            let key = keys[pick.index(keys.len())];
            plant_into_key(&history, key, &state[&key])?;
        }
    }
}

fn plant_into_key(history: &History, key: Key, list: &[Value]) -> Result<(), TestCaseError> {
    let read = |values: &[Value]| Mop::Read { key, values: Some(values.to_vec()) };
    let append = |value| Mop::Append { key, value };
    let with = |more: &[Value]| [list, more].concat();

    let mut stale = history.clone();
    then(&mut stale, vec![read(&list[..list.len() - 1])]);
    let report = strict(&stale);
    prop_assert_eq!(&report.valid, &Validity::False);
    // One element less may also be a state between two appends of its transaction.
    if !report.counts.contains_key("G1b") {
        prop_assert_eq!(report.not, ["strong-snapshot-isolation"]);
    }

    let mut lost = history.clone();
    then(&mut lost, vec![read(list), append(901)]);
    then(&mut lost, vec![read(list), append(902)]);
    then(&mut lost, vec![read(&with(&[901, 902]))]);
    found(&lost, "lost-update")?;

    let mut garbage = history.clone();
    then(&mut garbage, vec![read(&with(&[903]))]);
    found(&garbage, "garbage-read")?;

    let mut intermediate = history.clone();
    then(&mut intermediate, vec![append(904), append(905)]);
    then(&mut intermediate, vec![read(&with(&[904]))]);
    found(&intermediate, "G1b")?;

    let mut reordered = history.clone();
    then(&mut reordered, vec![append(908), append(909)]);
    then(&mut reordered, vec![read(&with(&[909, 908]))]);
    found(&reordered, "reordered-appends")?;

    let mut internal = history.clone();
    then(&mut internal, vec![read(list), append(906), read(list)]);
    found(&internal, "internal")?;

    let mut future = history.clone();
    then(&mut future, vec![read(&with(&[907])), append(907)]);
    found(&future, "future-read")?;

    let writer = history.events.iter().position(|event| {
        event.kind == Kind::Ok && event.op.mops().iter().any(|mop| *mop == append(list[0]))
    });
    if let Some(writer) = writer {
        let mut aborted = history.clone();
        aborted.events[writer].kind = Kind::Fail;
        found(&aborted, "G1a")?;
    }
    Ok(())
}

/// Were all plans sound, or none, agreement would say little.
#[test]
fn random_plans_are_now_serializable_and_now_not() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [[0; 2]; 2];
    for _ in 0..500 {
        let plans = plans(1..6, 3).new_tree(&mut runner).unwrap().current();
        let mut history = execute(&plans, false);
        let state = final_state(&history, &plans, false);
        then(&mut history, reads_of(&state));
        let (strict, any) = (serializable(&history, true), serializable(&history, false));
        counts[usize::from(strict)][usize::from(any)] += 1;
    }
    let [[neither, only_any], [_, both]] = counts;
    assert!(neither > 50 && only_any > 5 && both > 50, "{counts:?}");
}

/// Everybody reads the empty list and appends; few do it by edges of their own, many by relays.
fn always_empty(count: u64, concurrent: bool) -> History {
    let mut history = History::default();
    let mops = |value, values| vec![Mop::Read { key: 5, values }, Mop::Append { key: 5, value }];
    let invoke = |history: &mut History, i: u64| {
        push(history, i, i as u32, Kind::Invoke, mops(i, None));
    };
    for i in 0..count {
        if concurrent {
            invoke(&mut history, i);
        }
    }
    for i in 0..count {
        if !concurrent {
            invoke(&mut history, i);
        }
        push(&mut history, count + i, i as u32, Kind::Ok, mops(i, Some(Vec::new())));
    }
    history
}

#[test]
fn a_store_that_always_shows_nothing_is_found_out_however_many_ask() {
    for count in (2..40).chain([3000]) {
        let report = strict(&always_empty(count, true));
        assert_eq!(report.anomaly_types, ["G2-item", "lost-update"], "{count}");
        let history = always_empty(count, false);
        let report = strict(&history);
        let expected = ["G-single-item-realtime", "G2-item", "lost-update"];
        assert_eq!(report.anomaly_types, expected, "{count}");
        assert!(well_told(&report, &history), "{:#?}", report.anomalies);
    }
}

#[test]
fn the_middle_of_a_long_cycle_is_left_out() {
    let mut history = History::default();
    let count = 20;
    let mops = |i, values| {
        vec![Mop::Read { key: i, values }, Mop::Append { key: (i + 1) % count, value: 1 }]
    };
    (0..count).for_each(|i| push(&mut history, i, i as u32, Kind::Invoke, mops(i, None)));
    for i in 0..count {
        push(&mut history, 100 + i, i as u32, Kind::Ok, mops(i, Some(Vec::new())));
    }
    let report = strict(&history);
    let text = &report.anomalies[0].text;
    assert!(text.starts_with("G2-item: a cycle of 20 transactions\nLet:\n  T1 = "), "{text}");
    assert!(text.contains("  - … and so on, 8 steps more …\n"), "{text}");
    assert_eq!(text.matches(" < T").count(), 12, "{text}");
    assert!(text.contains("However, T20 < T1, because T20 observed key"), "{text}");
    assert!(!text.contains("T14 ="), "{text}");
}

/// The twin itself can say no: a stale read is strictly impossible and serially fine.
#[test]
fn the_twin_tells_real_time_from_any_order() {
    let mut history = History::default();
    let read = |values: &[Value]| Mop::Read { key: 1, values: Some(values.to_vec()) };
    then(&mut history, vec![Mop::Append { key: 1, value: 1 }]);
    then(&mut history, vec![read(&[])]);
    assert!(serializable(&history, false) && !serializable(&history, true));
    then(&mut history, vec![read(&[2])]);
    assert!(!serializable(&history, false));
}

#[test]
fn a_stale_read_is_told_with_its_evidence() {
    let mut history = History::default();
    let read = |values: &[Value]| Mop::Read { key: 7, values: Some(values.to_vec()) };
    push(&mut history, 17_000, 4, Kind::Invoke, vec![Mop::Append { key: 7, value: 113 }]);
    push(&mut history, 18_204, 4, Kind::Ok, vec![Mop::Append { key: 7, value: 113 }]);
    push(&mut history, 18_900, 9, Kind::Invoke, vec![Mop::Read { key: 7, values: None }]);
    push(&mut history, 19_911, 9, Kind::Ok, vec![read(&[])]);
    push(&mut history, 20_000, 9, Kind::Invoke, vec![Mop::Read { key: 7, values: None }]);
    push(&mut history, 20_100, 9, Kind::Ok, vec![read(&[113])]);
    let report = strict(&history);
    let expected = "G-single-item-realtime: a cycle of 2 transactions
Let:
  T1 = p9 ok at 19.911 s: [[:r 7 []]]
  T2 = p4 ok at 18.204 s: [[:append 7 113]]
Then:
  - T1 < T2, because T1 observed key 7 empty and did not see T2's append of 113, the next: [113] as read by p9 at 20.100 s.
  - However, T2 < T1, because T2 completed at 18.204 s (event 1), before T1's invocation at 18.900 s (event 2): a contradiction!";
    assert_eq!(report.anomalies.len(), 1);
    assert_eq!(report.anomalies[0].text, expected);
    assert_eq!(report.anomalies[0].events, [1, 2, 3, 5]);
}

#[test]
fn a_duplicate_append_is_told_with_its_writer_and_reader() {
    let mut history = History::default();
    push(&mut history, 18_000, 4, Kind::Invoke, vec![Mop::Append { key: 7, value: 113 }]);
    push(&mut history, 18_204, 4, Kind::Ok, vec![Mop::Append { key: 7, value: 113 }]);
    push(&mut history, 19_000, 9, Kind::Invoke, vec![Mop::Read { key: 7, values: None }]);
    let twice = Mop::Read { key: 7, values: Some(vec![113, 113]) };
    push(&mut history, 19_911, 9, Kind::Ok, vec![twice]);
    let report = strict(&history);
    let expected = "duplicate append: key 7 value 113, appended once by p4 at 18.204 s, read twice by \
                    p9 at 19.911 s: [:r 7 [113 113]]";
    assert_eq!(report.anomalies[0].text, expected);
    assert_eq!(report.not, ["read-uncommitted"]);
}

#[test]
fn an_empty_history_and_one_process_asking_twice_are_unknown() {
    let unknown = |history: &History| match strict(history).valid {
        Validity::Unknown(reason) => reason,
        other => panic!("{other:?}"),
    };
    let mut history = History::default();
    assert!(unknown(&history).contains("no transaction depends on another"));
    push(&mut history, 0, 3, Kind::Invoke, vec![Mop::Append { key: 1, value: 1 }]);
    push(&mut history, 1, 3, Kind::Invoke, vec![Mop::Append { key: 1, value: 2 }]);
    assert!(unknown(&history).contains("p3 invokes at event 1"));
    let mut history = History::default();
    push(&mut history, 0, 1, Kind::Invoke, vec![Mop::Append { key: 1, value: 1 }]);
    push(&mut history, 0, 2, Kind::Invoke, vec![Mop::Append { key: 1, value: 1 }]);
    assert!(unknown(&history).contains("value 1 is appended to key 1 by events 0 and 1"));
    let report = analyse(&history, "linearizable".parse().unwrap());
    assert!(matches!(report.valid, Validity::Unknown(reason) if reason.contains("linearizable")));
}
