//! Generators exactly: every answer of each combinator, and what the workloads promise.

use harness::cluster::NodeId;
use harness::generator::limit::Limit;
use harness::generator::mix::Mix;
use harness::generator::per_thread::PerThread;
use harness::generator::phases::Phases;
use harness::generator::stagger::{CATCH_UP, Stagger};
use harness::generator::time_limit::TimeLimit;
use harness::generator::{Context, Each, Generator, Next, Repeat, Thread};
use harness::history::{Event, Kind, Process};
use harness::op::{Key, Mop, Op, Value};
use harness::seed::{Seed, Stream};
use harness::workload::Workload;
use harness::workload::final_reads::FinalReads;
use harness::workload::shape::{Distribution, Shape};
use harness::workload::transactions::{Alphabet, Transactions};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::time::Duration;

fn rng() -> ChaCha8Rng {
    Seed(1).stream(Stream::Workload)
}

/// Threads on two nodes by turns; those listed are busy.
fn context(now_ms: u64, threads: usize, busy: &[usize]) -> Context {
    let thread = |id: usize| Thread {
        id,
        process: id as u32,
        node: NodeId(id as u16 % 2 + 1),
        free: !busy.contains(&id),
    };
    Context { now: Duration::from_millis(now_ms), threads: (0..threads).map(thread).collect() }
}

fn op(key: Key) -> Op {
    Op::Txn(vec![Mop::Read { key, values: None }])
}

fn event(kind: Kind, op: Op, process: u32, node: u16, at_ms: u64) -> Event {
    Event {
        time: Duration::from_millis(at_ms),
        process: Process::Client(process),
        kind,
        op,
        node: Some(NodeId(node)),
        error: None,
    }
}

fn key_of(next: &Next) -> Option<Key> {
    match next {
        Next::Invoke { op, .. } => op.mops().first().map(Mop::key),
        _ => None,
    }
}

#[test]
fn each_operation_is_asked_once_in_order_and_waits_for_a_free_thread() {
    let (mut each, mut rng) = (Each::of([op(1), op(2)]), rng());
    assert_eq!(each.next(&context(0, 2, &[0, 1]), &mut rng), Next::Pending);
    let only_one_free = context(0, 2, &[0]);
    assert_eq!(each.next(&only_one_free, &mut rng), Next::Invoke { thread: 1, op: op(1) });
    assert_eq!(key_of(&each.next(&context(0, 2, &[]), &mut rng)), Some(2));
    assert_eq!(each.next(&context(0, 2, &[]), &mut rng), Next::Exhausted);
}

#[test]
fn every_free_thread_is_chosen_about_equally_often() {
    let (mut repeat, mut rng) = (Repeat(op(1)), rng());
    let mut counts = [0; 5];
    for _ in 0..3000 {
        match repeat.next(&context(0, 5, &[0, 3]), &mut rng) {
            Next::Invoke { thread, .. } => counts[thread] += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((counts[0], counts[3]), (0, 0));
    assert!([1, 2, 4].iter().all(|i| (900..1100).contains(&counts[*i])), "{counts:?}");
}

#[test]
fn a_limit_counts_operations_and_not_questions() {
    let (mut limit, mut rng) = (Limit::new(2, Repeat(op(1))), rng());
    assert_eq!(limit.next(&context(0, 1, &[0]), &mut rng), Next::Pending);
    assert_eq!(key_of(&limit.next(&context(0, 1, &[]), &mut rng)), Some(1));
    assert_eq!(key_of(&limit.next(&context(0, 1, &[]), &mut rng)), Some(1));
    assert_eq!(limit.next(&context(0, 1, &[]), &mut rng), Next::Exhausted);
}

#[test]
fn a_time_limit_runs_from_the_first_question() {
    let (mut limit, mut rng) = (TimeLimit::new(Duration::from_secs(1), Repeat(op(1))), rng());
    assert_eq!(key_of(&limit.next(&context(500, 1, &[]), &mut rng)), Some(1));
    let end = Next::Later(Duration::from_millis(1500));
    assert_eq!(limit.next(&context(1000, 1, &[0]), &mut rng), end, "it comes back to say so");
    assert_eq!(key_of(&limit.next(&context(1499, 1, &[]), &mut rng)), Some(1));
    assert_eq!(limit.next(&context(1500, 1, &[]), &mut rng), Next::Exhausted);
}

#[test]
fn staggered_operations_are_an_interval_apart_on_average_and_never_more_than_two() {
    let interval = Duration::from_millis(10);
    let (mut stagger, mut rng) = (Stagger::new(interval, Repeat(op(1))), rng());
    let mut context = context(1000, 1, &[]);
    let mut times = Vec::new();
    while times.len() < 2001 {
        match stagger.next(&context, &mut rng) {
            Next::Invoke { .. } => times.push(context.now),
            Next::Later(at) => context.now = at,
            other => panic!("{other:?}"),
        }
    }
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] < 2 * interval));
    let average = (times[2000] - times[0]) / 2000;
    assert!((9_500..10_500).contains(&average.as_micros()), "{average:?}");
}

#[test]
fn a_stall_is_caught_up_with_but_not_by_a_burst() {
    let interval = Duration::from_millis(10);
    let (mut stagger, mut rng) = (Stagger::new(interval, Repeat(op(1))), rng());
    assert!(key_of(&stagger.next(&context(0, 1, &[]), &mut rng)).is_some());
    let mut burst = 0;
    while key_of(&stagger.next(&context(60_000, 1, &[]), &mut rng)).is_some() {
        burst += 1;
    }
    let most = 2 + 3 * CATCH_UP.as_millis() / interval.as_millis();
    assert!((2..most).contains(&burst), "{burst} at once");
}

#[test]
fn a_mix_draws_by_weight_and_ends_when_all_its_parts_have() {
    let part = |weight, generator: Limit<Repeat>| -> (u64, Box<dyn Generator>) {
        (weight, Box::new(generator))
    };
    let many = || Limit::new(4000, Repeat(op(1)));
    let mut mix = Mix::new(vec![part(3, many()), part(1, Limit::new(4000, Repeat(op(2))))]);
    let (mut rng, mut counts) = (rng(), [0, 0]);
    for _ in 0..4000 {
        match key_of(&mix.next(&context(0, 1, &[]), &mut rng)) {
            Some(key) => counts[key as usize - 1] += 1,
            None => panic!("it has more"),
        }
    }
    assert!((2850..3150).contains(&counts[0]), "{counts:?}");
    let mut short = Mix::new(vec![
        part(1, Limit::new(2, Repeat(op(1)))),
        part(1, Limit::new(1, Repeat(op(2)))),
    ]);
    let keys: Vec<Option<Key>> =
        (0..4).map(|_| key_of(&short.next(&context(0, 1, &[]), &mut rng))).collect();
    assert_eq!(keys.iter().flatten().count(), 3);
    assert_eq!(short.next(&context(0, 1, &[]), &mut rng), Next::Exhausted);
}

#[test]
fn a_part_that_waits_does_not_hold_up_the_mix() {
    let waiting = Stagger::new(Duration::from_secs(60), Repeat(op(1)));
    let parts: Vec<(u64, Box<dyn Generator>)> =
        vec![(9, Box::new(waiting)), (1, Box::new(Repeat(op(2))))];
    let (mut mix, mut rng) = (Mix::new(parts), rng());
    let keys: Vec<Option<Key>> =
        (0..50).map(|_| key_of(&mix.next(&context(0, 1, &[]), &mut rng))).collect();
    assert!(keys.iter().all(Option::is_some));
    assert!(keys.iter().filter(|key| **key == Some(1)).count() <= 1);
}

#[test]
fn a_phase_begins_when_nothing_of_the_one_before_is_in_flight() {
    let phases: [Box<dyn Generator>; 2] =
        [Box::new(Each::of([op(1)])), Box::new(Each::of([op(2)]))];
    let (mut phases, mut rng) = (Phases::new(phases), rng());
    assert_eq!(key_of(&phases.next(&context(0, 2, &[]), &mut rng)), Some(1));
    assert_eq!(phases.next(&context(0, 2, &[0]), &mut rng), Next::Pending);
    assert_eq!(key_of(&phases.next(&context(0, 2, &[]), &mut rng)), Some(2));
    assert_eq!(phases.next(&context(0, 2, &[1]), &mut rng), Next::Pending);
    assert_eq!(phases.next(&context(0, 2, &[]), &mut rng), Next::Exhausted);
}

#[test]
fn every_thread_has_a_generator_of_its_own() {
    let mut own = PerThread::new(|thread| Box::new(Each::of([op(10), op(thread as Key)])));
    let mut rng = rng();
    let mut asked: BTreeMap<usize, Vec<Key>> = BTreeMap::new();
    while let Next::Invoke { thread, op } = own.next(&context(0, 3, &[]), &mut rng) {
        asked.entry(thread).or_default().push(op.mops()[0].key());
    }
    assert_eq!(asked, BTreeMap::from([(0, vec![10, 0]), (1, vec![10, 1]), (2, vec![10, 2])]));
    assert_eq!(own.next(&context(0, 3, &[]), &mut rng), Next::Exhausted);
}

/// Asks so many transactions; `fail` says which of them fail at once.
fn appended(
    options: Shape,
    count: usize,
    fail: impl Fn(usize) -> bool,
) -> (Vec<Op>, BTreeMap<Key, Vec<Value>>) {
    let (mut generator, mut rng) = (Transactions::new(Alphabet::Lists, options), rng());
    let mut ops = Vec::new();
    let mut values: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
    for i in 0..count {
        let Next::Invoke { op, .. } = generator.next(&context(0, 1, &[]), &mut rng) else {
            panic!("the workload is endless");
        };
        for mop in op.mops() {
            if let Mop::Append { key, value } = mop {
                values.entry(*key).or_default().push(*value);
            }
        }
        if fail(i) {
            generator.update(&event(Kind::Fail, op.clone(), 0, 1, 0));
        }
        ops.push(op);
    }
    (ops, values)
}

#[test]
fn a_key_retires_after_its_appends_and_a_fresh_one_takes_its_slot() {
    let options = Shape { keys: 3, appends_per_key: 16, ..Shape::default() };
    let (ops, values) = appended(options, 400, |_| false);
    let lengths: Vec<usize> = ops.iter().map(|op| op.mops().len()).collect();
    assert!((1..=4).all(|length| lengths.contains(&length)));
    assert!(lengths.iter().all(|length| (1..=4).contains(length)));
    let keys: Vec<Key> = values.keys().copied().collect();
    assert_eq!(keys, (1..=keys.len() as Key).collect::<Vec<Key>>(), "numbered without gaps");
    let full = values.values().filter(|values| values.len() == 16).count();
    assert!(full + 3 >= values.len() && full > 10, "{full} of {} keys are full", values.len());
    for values in values.values() {
        assert_eq!(*values, (1..=values.len() as Value).collect::<Vec<Value>>());
    }
    let reads = ops.iter().flat_map(Op::mops).filter(|mop| matches!(mop, Mop::Read { .. })).count();
    let mops: usize = lengths.iter().sum();
    assert!((45..55).contains(&(100 * reads / mops)), "{reads} reads of {mops}");
}

#[test]
fn a_failed_append_uses_up_no_place_and_its_value_is_never_asked_again() {
    let options = Shape { keys: 2, appends_per_key: 8, ..Shape::default() };
    let (_, all_failed) = appended(options.clone(), 500, |_| true);
    // A transaction may fill a key by itself before it fails: only then does a key go.
    assert!(all_failed.len() <= 2, "dead nodes use up no keys: {} used", all_failed.len());
    let (_, half_failed) = appended(options, 500, |i| i % 2 == 0);
    for values in half_failed.values() {
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
    }
}

#[test]
fn an_exponential_distribution_prefers_the_last_slot_by_half() {
    let options = Shape {
        distribution: Distribution::Exponential,
        appends_per_key: u32::MAX,
        ..Shape::default()
    };
    let (ops, _) = appended(options, 4000, |_| false);
    let keys: Vec<Key> = ops.iter().flat_map(Op::mops).map(Mop::key).collect();
    let share = |key: Key| 1000 * keys.iter().filter(|k| **k == key).count() / keys.len();
    assert!((480..520).contains(&share(12)), "{}", share(12));
    assert!((235..265).contains(&share(11)), "{}", share(11));
    assert!(share(1) < 5);
}

#[test]
fn final_reads_go_through_every_node_and_are_repeated_until_they_succeed() {
    let nodes = [NodeId(1), NodeId(2)];
    let (mut reads, mut rng) =
        (FinalReads::new(Workload::Transactions(Alphabet::Lists), &nodes, &[7]), rng());
    assert_eq!(reads.next(&context(0, 2, &[]), &mut rng), Next::Invoke { thread: 0, op: op(7) });
    assert_eq!(reads.next(&context(0, 2, &[0]), &mut rng), Next::Invoke { thread: 1, op: op(7) });
    assert_eq!(reads.next(&context(0, 2, &[0, 1]), &mut rng), Next::Pending);
    reads.update(&event(Kind::Fail, op(7), 0, 1, 1000));
    reads.update(&event(Kind::Ok, op(7), 1, 2, 1000));
    assert_eq!(reads.missing(), BTreeMap::from([(NodeId(1), 1)]));
    let later = Next::Later(Duration::from_millis(1100));
    assert_eq!(reads.next(&context(1000, 2, &[]), &mut rng), later);
    assert_eq!(key_of(&reads.next(&context(1100, 2, &[]), &mut rng)), Some(7));
    reads.update(&event(Kind::Ok, op(7), 0, 1, 1200));
    assert_eq!(reads.next(&context(1200, 2, &[]), &mut rng), Next::Exhausted);
    assert!(reads.missing().is_empty());
}

#[test]
fn a_node_without_a_thread_leaves_its_reads_missing() {
    let nodes = [NodeId(1), NodeId(2), NodeId(9)];
    let (mut reads, mut rng) =
        (FinalReads::new(Workload::Transactions(Alphabet::Lists), &nodes, &[]), rng());
    assert_eq!(reads.next(&context(0, 2, &[]), &mut rng), Next::Exhausted);
    let mut reads = FinalReads::new(Workload::Transactions(Alphabet::Lists), &nodes[2..], &[1, 2]);
    assert_eq!(reads.next(&context(0, 2, &[]), &mut rng), Next::Exhausted);
    assert_eq!(reads.missing(), BTreeMap::from([(NodeId(9), 2)]));
}
