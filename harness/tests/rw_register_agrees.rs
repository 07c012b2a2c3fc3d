//! The rw-register checker against a brute-force twin: on small histories every serial order is tried.
//!
//! A toy register store executes random plans. Executed atomically it is strictly serializable, and the checker
//! must stay silent by every rule, whatever was unknown. Executed one micro-operation at a time, with reads
//! disturbed and values written twice, it is often not, and then:
//! - no alarm is raised that the twin refutes: for strict serializability by every rule, for serializability
//!   by those that it implies (none, wfr-keys);
//! - where every write follows a read of its key and no crashed write was read, wfr-keys gives every order of
//!   versions that matters, and checker and twin agree entirely, with and without real time;
//! - where nothing is concurrent and everything succeeds, all rules together give every order, and they agree
//!   on strict serializability.
//!
//! Elsewhere a valid verdict is not compared: orders that no rule infers may hide what the twin sees.
//! Weaker models have no twin. `TRANSACTION_HISTORIES` histories are tried by each, 25,000 unless it says otherwise.

use harness::checker::rw_register::{Inference, OrderHint, analyse, analyse_prohibiting};
use harness::checker::transactional::{Model, Report, Validity};
use harness::history::{Event, History, Kind, Process};
use harness::op::{Held, Key, Op, RegisterMop, Value};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use registers::{State, serializable};
use schedule::{End, Plan, Step, agenda, plans};
use std::collections::BTreeMap;
use std::time::Duration;
use unknown::shows_unknown;

#[path = "twin/registers.rs"]
mod registers;
#[path = "twin/schedule.rs"]
mod schedule;
#[path = "twin/serial.rs"]
mod serial;
#[path = "twin/unknown.rs"]
mod unknown;

/// Every value of a key is written once.
fn asked(plans: &[Plan]) -> Vec<Vec<RegisterMop>> {
    let mut written: BTreeMap<Key, Value> = BTreeMap::new();
    let mut mop = |(key, writes, _): &(Key, bool, u64)| {
        if !writes {
            return RegisterMop::Read { key: *key, value: Held::Unknown };
        }
        let value = written.entry(*key).or_default();
        *value += 1;
        RegisterMop::Write { key: *key, value: *value }
    };
    plans.iter().map(|plan| plan.mops.iter().map(&mut mop).collect()).collect()
}

/// A history, and in which order the transactions took effect first, by the index of their completion.
struct Executed {
    history: History,
    order: OrderHint,
}

/// Runs plans against a register store.
fn execute(plans: &[Plan], atomic: bool) -> Executed {
    let asked = asked(plans);
    let mut seen = asked.clone();
    let mut store = State::new();
    let mut history = History::default();
    let mut effects: Vec<usize> = Vec::new();
    let mut order = OrderHint::default();
    let mut processes: Vec<u32> = Vec::new();
    let mut free: Vec<u32> = Vec::new();
    let mut used = 0;
    for (time, step, txn) in agenda(plans, atomic) {
        let end = plans[txn].end;
        match step {
            Step::Invoke => {
                let process = free.pop().unwrap_or(used);
                used = used.max(process + 1);
                processes.push(process);
                push(&mut history, time, process, Kind::Invoke, asked[txn].clone());
            }
            Step::Effect(index) if end.happens() => {
                effects.push(txn);
                take_effect(&mut seen[txn][index], &mut store);
            }
            Step::Effect(_) => {}
            Step::Complete => {
                let (kind, mops) = match end {
                    End::Ok => (Kind::Ok, answered(&seen[txn])),
                    End::Fail => (Kind::Fail, asked[txn].clone()),
                    End::Info { .. } => (Kind::Info, asked[txn].clone()),
                    End::Never { .. } => continue,
                };
                let rank = effects.iter().position(|other| *other == txn);
                order.0.extend(rank.map(|rank| (history.events.len(), rank as u64)));
                push(&mut history, time, processes[txn], kind, mops);
                if kind != Kind::Info {
                    free.push(processes[txn]);
                }
            }
        }
    }
    Executed { history, order }
}

fn take_effect(mop: &mut RegisterMop, store: &mut State) {
    match mop {
        RegisterMop::Write { key, value } => drop(store.insert(*key, *value)),
        RegisterMop::Read { key, value } => {
            *value = store.get(key).map_or(Held::Nothing, |held| Held::Value(*held));
        }
    }
}

/// Effects that come too late (one at a time they may) were not seen.
fn answered(mops: &[RegisterMop]) -> Vec<RegisterMop> {
    let mut mops = mops.to_vec();
    for mop in &mut mops {
        if let RegisterMop::Read { value: value @ Held::Unknown, .. } = mop {
            *value = Held::Nothing;
        }
    }
    mops
}

fn push(history: &mut History, time: u64, process: u32, kind: Kind, mops: Vec<RegisterMop>) {
    let (time, process) = (Duration::from_millis(time), Process::Client(process));
    let op = Op::Registers(mops);
    history.push(Event { time, process, kind, op, node: None, error: None });
}

/// A transaction of a fresh process, alone, after everything.
fn then(history: &mut History, mops: &[RegisterMop]) {
    let number = 1000 + history.events.len() as u32;
    push(history, 1000 + u64::from(number), number, Kind::Invoke, mops.to_vec());
    push(history, 1001 + u64::from(number), number, Kind::Ok, mops.to_vec());
}

const fn rules(wfr_keys: bool, sequential_keys: bool, linearizable_keys: bool) -> Inference {
    Inference { wfr_keys, sequential_keys, linearizable_keys }
}

const NO_RULE: Inference = rules(false, false, false);
const WFR: Inference = rules(true, false, false);
const ALL: Inference = rules(true, true, true);

/// What may be assumed of a strictly serializable store, and of a serializable one.
const BY_MODEL: [(Model, bool, &[Inference]); 2] = [
    (
        Model::STRICT_SERIALIZABLE,
        true,
        &[NO_RULE, WFR, rules(false, true, false), rules(false, false, true), ALL],
    ),
    (Model::SERIALIZABLE, false, &[NO_RULE, WFR]),
];

/// Every anomaly names events that exist, and says something.
fn well_told(report: &Report, history: &History) -> bool {
    let exists = |event: &usize| *event < history.events.len();
    report.anomalies.iter().all(|anomaly| {
        !anomaly.events.is_empty()
            && anomaly.events.iter().all(exists)
            && !anomaly.text.contains("comes before T")
    })
}

/// Disturbs one micro-operation of a successful transaction, if there is one at that place.
fn slip(history: &mut History, (event, mop, kind): (usize, usize, u64)) {
    let Some(event) = history.events.get_mut(event).filter(|event| event.kind == Kind::Ok) else {
        return;
    };
    let Op::Registers(mops) = &mut event.op else { return };
    match mops.get_mut(mop) {
        // A later or an earlier value, nothing, or what nobody wrote.
        Some(RegisterMop::Read { value, .. }) => {
            *value = if kind == 0 { Held::Nothing } else { Held::Value(kind) };
        }
        // Perhaps what another wrote, too.
        Some(RegisterMop::Write { value, .. }) => *value = kind + 1,
        None => {}
    }
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
        let Executed { history, order } = execute(&plans, true);
        for (model, _, inferences) in BY_MODEL {
            for inference in inferences {
                for hint in [None, Some(&order)] {
                    let report = analyse_prohibiting(&history, model.prohibits(), *inference, hint);
                    prop_assert!(report.valid != Validity::False, "{:#?}", report.anomalies);
                    prop_assert!(report.notes.is_empty(), "{:?}", report.notes);
                }
            }
        }
    }

    #[test]
    fn renaming_keys_changes_nothing(plans in plans(1..12, 4)) {
        let history = execute(&plans, false).history;
        let mut renamed = history.clone();
        for event in &mut renamed.events {
            let Op::Registers(mops) = &mut event.op else { continue };
            for key in mops.iter_mut().map(RegisterMop::key_mut) {
                *key = 1_000_000_007 - *key * 31;
            }
        }
        let [before, after] =
            [&history, &renamed].map(|h| analyse(h, Model::STRICT_SERIALIZABLE, ALL));
        prop_assert_eq!(&before.not, &after.not);
        prop_assert_eq!(before.anomaly_types, after.anomaly_types);
        prop_assert_eq!(before.coverage, after.coverage);
    }
}

type Slips = Vec<(usize, usize, u64)>;

fn slips(count_max: usize) -> impl Strategy<Value = Slips> {
    prop::collection::vec((0..14usize, 0..4usize, 0..5u64), 0..=count_max)
}

proptest! {
    #![proptest_config(config(histories()))]

    #[test]
    fn no_alarm_is_raised_that_brute_force_refutes(plans in plans(1..7, 3), slips in slips(2)) {
        let mut history = execute(&plans, false).history;
        slips.into_iter().for_each(|at| slip(&mut history, at));
        for (model, realtime, inferences) in BY_MODEL {
            for inference in inferences {
                let report = analyse(&history, model, *inference);
                prop_assert!(well_told(&report, &history), "{:#?}", report.anomalies);
                if report.valid == Validity::False {
                    prop_assert!(!serializable(&history, realtime), "{:#?}", report.anomalies);
                }
            }
        }
    }

    /// Whoever writes reads first, and of what nobody knows nothing happened.
    #[test]
    fn where_every_write_follows_a_read_brute_force_and_checker_agree(
        plans in plans(1..7, 2),
        slips in slips(1),
    ) {
        let mut plans = plans;
        for plan in &mut plans {
            plan.end = match plan.end {
                End::Info { .. } => End::Info { happens: false },
                End::Never { .. } => End::Never { happens: false },
                end => end,
            };
            let reads = plan.mops.iter().flat_map(|(key, writes, at)| {
                [(*key, false, *at), (*key, *writes, *at + 1)]
            });
            plan.mops = reads.collect();
        }
        let mut history = execute(&plans, false).history;
        for (event, mop, kind) in slips {
            let is_read = |event: &Event| matches!(event.op.register_mops().get(mop), Some(RegisterMop::Read { .. }));
            if history.events.get(event).is_some_and(is_read) {
                slip(&mut history, (event, mop, kind));
            }
        }
        // A slip may show such a write all the same; what its transaction read is not known, so neither what it overwrote.
        if shows_unknown(&history) {
            return Ok(());
        }
        for (model, realtime) in [(Model::STRICT_SERIALIZABLE, true), (Model::SERIALIZABLE, false)] {
            let report = analyse(&history, model, WFR);
            let invalid = report.valid == Validity::False;
            prop_assert_eq!(invalid, !serializable(&history, realtime), "{:#?}\n{:#?}", report, history);
            prop_assert!(well_told(&report, &history), "{:#?}", report.anomalies);
        }
    }
}

proptest! {
    #![proptest_config(config(histories()))]

    #[test]
    fn where_nothing_is_concurrent_brute_force_and_checker_agree(
        plans in plans(1..7, 3),
        slips in slips(2),
    ) {
        let mut plans = plans;
        for plan in &mut plans {
            (plan.end, plan.duration, plan.gap) = (End::Ok, 12, 20);
        }
        let mut history = execute(&plans, true).history;
        for (event, mop, kind) in slips {
            let is_read = |event: &Event| matches!(event.op.register_mops().get(mop), Some(RegisterMop::Read { .. }));
            if history.events.get(event).is_some_and(is_read) {
                slip(&mut history, (event, mop, kind));
            }
        }
        let report = analyse(&history, Model::STRICT_SERIALIZABLE, ALL);
        let invalid = report.valid == Validity::False;
        prop_assert_eq!(invalid, !serializable(&history, true), "{:#?}\n{:#?}", report, history);
    }
}

/// Were all plans sound, or none, agreement would say little.
#[test]
fn random_plans_are_now_serializable_and_now_not() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = [[0; 2]; 2];
    for _ in 0..500 {
        let plans = plans(1..7, 3).new_tree(&mut runner).unwrap().current();
        let history = execute(&plans, false).history;
        let (strict, any) = (serializable(&history, true), serializable(&history, false));
        counts[usize::from(strict)][usize::from(any)] += 1;
    }
    let [[neither, only_any], [_, both]] = counts;
    assert!(neither > 50 && only_any > 5 && both > 50, "{counts:?}");
}

fn write(key: Key, value: Value) -> RegisterMop {
    RegisterMop::Write { key, value }
}

fn read(key: Key, value: Value) -> RegisterMop {
    RegisterMop::Read { key, value: Held::Value(value) }
}

fn read_nothing(key: Key) -> RegisterMop {
    RegisterMop::Read { key, value: Held::Nothing }
}

#[test]
fn a_stale_read_is_told_with_its_evidence() {
    let mut history = History::default();
    push(&mut history, 17_000, 4, Kind::Invoke, vec![write(7, 113)]);
    push(&mut history, 18_204, 4, Kind::Ok, vec![write(7, 113)]);
    push(&mut history, 18_900, 9, Kind::Invoke, vec![read_nothing(7)]);
    push(&mut history, 19_911, 9, Kind::Ok, vec![read_nothing(7)]);
    let report = analyse(&history, Model::STRICT_SERIALIZABLE, NO_RULE);
    let expected = "G-single-item-realtime: a cycle of 2 transactions
Let:
  T1 = p9 ok at 19.911 s: [[:r 7 nil]]
  T2 = p4 ok at 18.204 s: [[:w 7 113]]
Then:
  - T1 < T2, because T1 read key 7 as nil and so did not see T2's write of 113, which comes after it: nil is the initial state.
  - However, T2 < T1, because T2 completed at 18.204 s (event 1), before T1's invocation at 18.900 s (event 2): a contradiction!";
    assert_eq!(report.anomalies.len(), 1);
    assert_eq!(report.anomalies[0].text, expected);
    assert_eq!(report.anomalies[0].events, [1, 2, 3]);
}

#[test]
fn versions_that_come_before_each_other_are_told_with_their_evidence() {
    let mut history = History::default();
    then(&mut history, &[write(7, 1)]);
    then(&mut history, &[write(7, 2)]);
    then(&mut history, &[read(7, 1)]);
    let report = analyse(&history, Model::STRICT_SERIALIZABLE, rules(false, false, true));
    let expected = "cyclic versions: of key 7 2 versions come before each other
  - 1 comes before 2, because p1000 at 2.001 s had left it at 1 (event 1) before p1002 at 2.003 s, invoked at 2.002 s (event 2), touched it at 2 (linearizable-keys)
  - 2 comes before 1, because p1002 at 2.003 s had left it at 2 (event 3) before p1004 at 2.005 s, invoked at 2.004 s (event 4), touched it at 1 (linearizable-keys): a contradiction! So the orders by linearizable-keys were not used further";
    assert_eq!(report.anomalies[0].text, expected);
    assert_eq!(report.anomalies[0].events, [1, 2, 3, 4, 5]);
    assert_eq!(report.anomaly_types, ["cyclic-versions"]);
    assert_eq!(report.not, ["read-uncommitted"]);
}

/// The second of two writes to key 5 was not seen, and something else that its transaction wrote was.
#[test]
fn every_rule_is_told_by_its_name() {
    for (inference, second, name) in [
        (WFR, vec![read(5, 1), write(5, 2), write(6, 1)], "(wfr-keys)"),
        (rules(false, true, false), vec![write(5, 2), write(6, 1)], "(sequential-keys)"),
        (rules(false, false, true), vec![write(5, 2), write(6, 1)], "(linearizable-keys)"),
    ] {
        let mut history = History::default();
        let first = vec![write(5, 1)];
        let seen = vec![read(5, 1), read(6, 1)];
        for (process, kind, mops) in [
            (0, Kind::Invoke, &first),
            (0, Kind::Ok, &first),
            (0, Kind::Invoke, &second),
            (1, Kind::Invoke, &seen),
            (0, Kind::Ok, &second),
            (1, Kind::Ok, &seen),
        ] {
            push(&mut history, 0, process, kind, mops.clone());
        }
        let report = analyse(&history, Model::STRICT_SERIALIZABLE, inference);
        assert_eq!(report.anomaly_types, ["G-single-item"], "{report:#?}");
        assert!(report.anomalies[0].text.contains(name), "{}", report.anomalies[0].text);
        assert_eq!(analyse(&history, Model::STRICT_SERIALIZABLE, NO_RULE).valid, Validity::True);
    }
}

#[test]
fn an_order_that_was_given_is_used_and_told_unless_the_history_refutes_it() {
    // p1 reads the first of two writes to key 1, and something else that the second's transaction wrote.
    let mut history = History::default();
    for (process, mops) in [
        (0, vec![write(1, 1)]),
        (1, vec![write(1, 2), write(2, 1)]),
        (2, vec![read(1, 1), read(2, 1)]),
    ] {
        push(&mut history, 0, process, Kind::Invoke, mops);
    }
    for (process, mops) in [
        (0, vec![write(1, 1)]),
        (1, vec![write(1, 2), write(2, 1)]),
        (2, vec![read(1, 1), read(2, 1)]),
    ] {
        push(&mut history, 1, process, Kind::Ok, mops);
    }
    let judged = |numbers: [(usize, u64); 3]| {
        let hint = OrderHint(BTreeMap::from(numbers));
        let prohibited = Model::SERIALIZABLE.prohibits();
        analyse_prohibiting(&history, prohibited, NO_RULE, Some(&hint))
    };
    let first = judged([(3, 10), (4, 11), (5, 12)]);
    assert_eq!((first.anomaly_types.len(), &first.notes[..]), (1, &[][..]));
    let text = &first.anomalies[0].text;
    assert!(text.contains("the order that was given puts the write by p0"), "{text}");
    assert_eq!(judged([(3, 11), (4, 10), (5, 12)]).valid, Validity::True);
    // It has the reader before the writer: not used, and said so.
    let refuted = judged([(3, 11), (4, 13), (5, 12)]);
    assert_eq!(refuted.valid, Validity::True);
    assert!(refuted.notes[0].contains("contradicts the history"), "{:?}", refuted.notes);
}

#[test]
fn a_value_written_twice_proves_nothing() {
    let mut history = History::default();
    push(&mut history, 0, 0, Kind::Invoke, vec![write(1, 1)]);
    push(&mut history, 1, 0, Kind::Fail, vec![write(1, 1)]);
    then(&mut history, &[write(1, 1)]);
    then(&mut history, &[read(1, 1)]);
    let report = analyse(&history, Model::STRICT_SERIALIZABLE, ALL);
    let expected = "[:w 1 1] is written by events 1 and 3: a value must be written once to its key, so \
                    reads of it prove nothing and were left out";
    assert_eq!(report.valid, Validity::Unknown(expected.to_string()));
    // What it does not touch is judged all the same.
    then(&mut history, &[read(2, 9)]);
    let report = analyse(&history, Model::STRICT_SERIALIZABLE, ALL);
    assert_eq!(
        (report.valid, &report.anomaly_types[..]),
        (Validity::False, &["garbage-read".into()][..])
    );
    assert_eq!(report.notes, [expected]);
}

#[test]
fn a_crashed_write_counts_once_it_was_read() {
    let mut history = History::default();
    push(&mut history, 0, 0, Kind::Invoke, vec![write(1, 1)]);
    push(&mut history, 1, 0, Kind::Info, vec![write(1, 1)]);
    then(&mut history, &[read_nothing(1)]);
    assert_ne!(analyse(&history, Model::STRICT_SERIALIZABLE, NO_RULE).valid, Validity::False);
    then(&mut history, &[read(1, 1)]);
    assert_ne!(analyse(&history, Model::STRICT_SERIALIZABLE, NO_RULE).valid, Validity::False);
    then(&mut history, &[read_nothing(1)]);
    let report = analyse(&history, Model::STRICT_SERIALIZABLE, NO_RULE);
    assert_eq!(report.anomaly_types, ["G-single-item-realtime"]);
}

#[test]
fn an_empty_history_and_one_over_lists_are_unknown() {
    let unknown = |history: &History| match analyse(history, Model::STRICT_SERIALIZABLE, ALL).valid
    {
        Validity::Unknown(reason) => reason,
        other => panic!("{other:?}"),
    };
    let mut history = History::default();
    assert!(unknown(&history).contains("no transaction depends on another"));
    push(&mut history, 0, 1, Kind::Invoke, vec![write(1, 1)]);
    push(&mut history, 0, 1, Kind::Invoke, vec![write(1, 2)]);
    assert!(unknown(&history).contains("a process asks one thing at a time"));
}
