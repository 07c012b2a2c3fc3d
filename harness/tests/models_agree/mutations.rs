//! Histories that are right, and what is made of them by one change: whatever must be caught is caught, under its name.

use super::store::{Shop, push, random};
use harness::checker::bank::BankTotal;
use harness::checker::causal_reverse::CausalReverse;
use harness::checker::durability::Durability;
use harness::checker::function_stats::FunctionStats;
use harness::checker::linearizable::Caps;
use harness::checker::long_fork::LongFork;
use harness::checker::recovery::Recovery;
use harness::checker::set_final::SetFinal;
use harness::checker::set_full::SetFull;
use harness::checker::total_queue::TotalQueue;
use harness::checker::unique_ids::UniqueIds;
use harness::checker::zset_safety::ZsetSafety;
use harness::checker::{Analyse, Verdict};
use harness::cluster::NodeId;
use harness::fault::Fault;
use harness::history::{Event, History, Kind, Process};
use harness::op::{Answer, Bank, Call, Function, Held, Mop, Op, RegisterMop, Value};
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Process of what is asked in the end.
const LAST: u32 = 1_000;

fn rng(seed: u64) -> ChaCha8Rng {
    Seed(seed).stream(Stream::Workload)
}

fn call(function: Function, answer: Option<Answer>) -> Op {
    Op::Call(Call { key: 0, function, answer })
}

/// Asked and answered at once.
fn done(history: &mut History, process: u32, function: Function, answer: Answer) {
    push(history, process, Kind::Invoke, call(function.clone(), None));
    push(history, process, Kind::Ok, call(function, Some(answer)));
}

fn answer_mut(event: &mut Event) -> Option<&mut Answer> {
    match &mut event.op {
        Op::Call(Call { answer, .. }) if event.kind == Kind::Ok => answer.as_mut(),
        _ => None,
    }
}

fn count(checker: &dyn Analyse, history: &History, name: &str) -> usize {
    checker.analyse(history).counts().get(name).copied().unwrap_or(0)
}

/// A set, and a last read that shows all that it must and all that anybody saw; with the acknowledged elements.
fn set(seed: u64) -> (History, Vec<Value>) {
    let mut history = random(Shop::Set, 40, 4, 60, &mut rng(seed));
    let mut acknowledged = Vec::new();
    let mut shown = Vec::new();
    for event in history.events.iter().filter(|event| event.kind == Kind::Ok) {
        let Op::Call(call) = &event.op else { continue };
        match (&call.function, &call.answer) {
            (Function::Insert(value), _) => acknowledged.push(*value),
            (_, Some(Answer::Values(values))) => shown.extend(values),
            _ => {}
        }
    }
    shown.extend(&acknowledged);
    shown.sort_unstable();
    shown.dedup();
    done(&mut history, LAST, Function::Read, Answer::Values(shown));
    (history, acknowledged)
}

#[test]
fn a_set_that_is_right_is_valid_and_every_mutation_of_it_is_caught() {
    let strict = SetFull { linearizable: true };
    let checkers: [&dyn Analyse; 4] = [&SetFinal, &strict, &Durability::default(), &CausalReverse];
    for seed in 0..100 {
        let (history, acknowledged) = set(seed);
        for checker in checkers {
            assert_eq!(
                checker.analyse(&history).verdict(),
                Verdict::Valid,
                "{} {seed}",
                checker.name()
            );
        }
        let mut rng = rng(seed + 1_000);
        let value = *rng.pick(&acknowledged);
        let last = history.events.len() - 1;
        let with = |change: &dyn Fn(&mut Vec<Value>)| {
            let mut history = history.clone();
            if let Some(Answer::Values(values)) = answer_mut(&mut history.events[last]) {
                change(values);
            }
            history
        };
        let dropped = with(&|values| values.retain(|other| *other != value));
        for checker in
            [&SetFinal as &dyn Analyse, &strict, &SetFull::default(), &Durability::default()]
        {
            assert_eq!(count(checker, &dropped, "lost"), 1, "{} {seed}", checker.name());
        }
        let doubled = with(&|values| values.push(value));
        assert_eq!(count(&strict, &doubled, "duplicate"), 1, "{seed}");
        let invented = with(&|values| values.push(9_999));
        for checker in [&SetFinal as &dyn Analyse, &strict, &CausalReverse] {
            assert_eq!(count(checker, &invented, "unexpected"), 1, "{} {seed}", checker.name());
        }
        let reordered = with(&|values| values.reverse());
        assert_eq!(strict.analyse(&reordered).verdict(), Verdict::Valid, "a set has no order");
        let failed = failing(&history, &Function::Insert(value));
        assert_eq!(count(&SetFinal, &failed, "unexpected"), 1, "{seed}");
        let mut unread = history.clone();
        unread.events.truncate(last - 1);
        done(&mut unread, LAST, Function::Insert(7_777), Answer::Done);
        for checker in [&SetFinal as &dyn Analyse, &Durability::default()] {
            let verdict = checker.analyse(&unread).verdict();
            assert!(matches!(verdict, Verdict::Unknown(_)), "{} {seed}", checker.name());
        }
    }
}

/// With the success at a function turned into a failure.
fn failing(history: &History, function: &Function) -> History {
    let mut history = history.clone();
    for event in &mut history.events {
        let Op::Call(call) = &mut event.op else { continue };
        if event.kind == Kind::Ok && call.function == *function {
            event.kind = Kind::Fail;
            call.answer = None;
        }
    }
    history
}

/// A queue that is drained in the end: one by one until there is nothing.
fn queue(seed: u64) -> History {
    let mut history = random(Shop::Queue, 40, 1, 0, &mut rng(seed));
    // The one client left nothing open that could take something.
    let (mut inside, mut asked) = (Vec::new(), None);
    for event in &history.events {
        let Op::Call(call) = &event.op else { continue };
        match (event.kind, &call.function, &call.answer) {
            (Kind::Invoke, function, _) => asked = Some(function.clone()),
            (Kind::Ok, Function::Enqueue(value), _) => inside.push(*value),
            (Kind::Ok, _, Some(Answer::Value(value))) => inside.retain(|other| other != value),
            _ => {}
        }
        if event.kind != Kind::Invoke {
            asked = None;
        }
    }
    if asked.is_some() {
        history.events.pop();
    }
    for value in inside {
        done(&mut history, LAST, Function::Dequeue, Answer::Value(value));
    }
    done(&mut history, LAST, Function::Enqueue(500), Answer::Done);
    done(&mut history, LAST, Function::Dequeue, Answer::Value(500));
    done(&mut history, LAST, Function::Dequeue, Answer::Nil);
    history
}

#[test]
fn a_queue_that_is_right_is_valid_and_every_mutation_of_it_is_caught() {
    for seed in 0..100 {
        let history = queue(seed);
        assert_eq!(TotalQueue.analyse(&history).verdict(), Verdict::Valid, "{seed}");
        let events = &history.events;
        let took = |event: &Event| match &event.op {
            Op::Call(Call { answer: Some(Answer::Value(value)), .. }) if event.kind == Kind::Ok => {
                Some(*value)
            }
            _ => None,
        };
        let taken: Vec<usize> =
            (0..events.len()).filter(|at| took(&events[*at]).is_some()).collect();
        let at = *rng(seed + 1_000).pick(&taken);
        let value = took(&events[at]).expect("it took one");
        // One process at a time: the invocation stands before the answer.
        let mut dropped = history.clone();
        dropped.events.drain(at - 1..=at);
        assert_eq!(count(&TotalQueue, &dropped, "lost"), 1, "{seed}");
        let mut doubled = history.clone();
        let again = doubled.events[at - 1..=at].to_vec();
        doubled.events.splice(at + 1..at + 1, again);
        assert_eq!(count(&TotalQueue, &doubled, "duplicated"), 1, "{seed}");
        let failed = failing(&history, &Function::Enqueue(value));
        assert_eq!(count(&TotalQueue, &failed, "unexpected"), 1, "{seed}");
        let mut unknown = history.clone();
        unknown.events[at].kind = Kind::Info;
        unknown.events[at].op = call(Function::Dequeue, None);
        let process = unknown.events[at].process;
        for event in &mut unknown.events[at + 1..] {
            if event.process == process {
                event.process = Process::Client(LAST + 1);
            }
        }
        let verdict = TotalQueue.analyse(&unknown).verdict();
        assert!(
            matches!(verdict, Verdict::Unknown(_)),
            "{seed}: it may have been taken: {verdict:?}"
        );
        let mut undrained = history.clone();
        undrained.events.truncate(undrained.events.len() - 4);
        let drained = |event: &Event| {
            event.kind == Kind::Ok
                && matches!(&event.op, Op::Call(call) if call.answer == Some(Answer::Nil))
        };
        undrained.events.retain(|event| !drained(event));
        let verdict = TotalQueue.analyse(&undrained).verdict();
        assert!(matches!(verdict, Verdict::Unknown(_)), "{seed}: {verdict:?}");
    }
}

#[test]
fn an_id_that_is_given_again_is_caught() {
    for seed in 0..100 {
        let mut history = random(Shop::Ids, 30, 3, 50, &mut rng(seed));
        assert_eq!(UniqueIds.analyse(&history).verdict(), Verdict::Valid, "{seed}");
        let mut answers: Vec<&mut Answer> =
            history.events.iter_mut().filter_map(answer_mut).collect();
        *answers[0] = answers[answers.len() - 1].clone();
        assert_eq!(count(&UniqueIds, &history, "duplicate-id"), 1, "{seed}");
    }
}

#[test]
fn money_that_is_made_or_lost_is_caught_and_so_is_an_account_that_is() {
    let bank = BankTotal { negative_balances: true, ..BankTotal::default() };
    let said = BankTotal { accounts: Some((0..3).collect()), total: Some(0), ..bank.clone() };
    for seed in 0..100 {
        let history = random(Shop::Bank, 40, 3, 50, &mut rng(seed));
        let reads = |event: &&mut Event| {
            event.kind == Kind::Ok && matches!(event.op, Op::Bank(Bank::Read { .. }))
        };
        for checker in [&bank, &said] {
            assert_eq!(checker.analyse(&history).verdict(), Verdict::Valid, "{seed}");
            let with = |change: &dyn Fn(&mut Vec<(u64, i64)>)| {
                let mut history = history.clone();
                let last = history.events.iter_mut().rfind(reads);
                if let Some(Op::Bank(Bank::Read { balances: Some(balances) })) =
                    last.map(|e| &mut e.op)
                {
                    change(balances);
                }
                history
            };
            let wrong = with(&|balances| balances[1].1 += 1);
            assert_eq!(count(checker, &wrong, "wrong-total"), 1, "{seed}");
            let missing = with(&|balances| balances.truncate(2));
            assert_eq!(count(checker, &missing, "nil-balance"), 1, "{seed}");
            let twice = with(&|balances| balances.push((0, 0)));
            assert_eq!(count(checker, &twice, "duplicate-key"), 1, "{seed}");
            let moved = with(&|balances| {
                balances[0].1 -= 1_000;
                balances[1].1 += 1_000;
            });
            let proud = BankTotal { negative_balances: false, ..checker.clone() };
            assert!(count(&proud, &moved, "negative-value") > 0, "{seed}");
        }
        let mut stranger = history.clone();
        let last = stranger.events.iter_mut().rfind(reads);
        if let Some(Op::Bank(Bank::Read { balances: Some(balances) })) = last.map(|e| &mut e.op) {
            balances.push((7, 0));
        }
        assert_eq!(count(&said, &stranger, "unexpected-key"), 1, "{seed}");
    }
}

fn group(seen: &[(bool, bool)]) -> History {
    let mut history = History::default();
    for key in 0..2 {
        let op = Op::Registers(vec![RegisterMop::Write { key, value: 1 }]);
        push(&mut history, key as u32, Kind::Invoke, op.clone());
        push(&mut history, key as u32, Kind::Ok, op);
    }
    for (place, (x, y)) in seen.iter().enumerate() {
        let held = |there: bool| if there { Held::Value(1) } else { Held::Nothing };
        let read = |x, y| {
            Op::Registers(vec![
                RegisterMop::Read { key: 0, value: x },
                RegisterMop::Read { key: 1, value: y },
            ])
        };
        push(&mut history, place as u32, Kind::Invoke, read(Held::Unknown, Held::Unknown));
        push(&mut history, place as u32, Kind::Ok, read(held(*x), held(*y)));
    }
    history
}

#[test]
fn a_long_fork_is_caught_and_early_and_late_reads_say_nothing() {
    let right = group(&[(false, false), (true, false), (true, false), (true, true)]);
    let findings = LongFork.analyse(&right);
    assert_eq!(findings.verdict(), Verdict::Valid);
    assert_eq!((findings.get("early reads"), findings.get("late reads")), (Some(1), Some(1)));
    let fork = group(&[(true, false), (true, true), (false, true)]);
    let Verdict::Invalid(anomalies) = LongFork.analyse(&fork).verdict() else { panic!("{fork:?}") };
    assert!(anomalies[0].text.starts_with("long-fork: the first of these reads sees key"));
    assert_eq!(anomalies[0].events.len(), 8, "two reads and two writes");
    let blind = LongFork.analyse(&group(&[(false, false), (true, true)])).verdict();
    assert!(matches!(blind, Verdict::Unknown(_)), "{blind:?}");
    let mut twice = right.clone();
    let again = Op::Registers(vec![RegisterMop::Write { key: 0, value: 2 }]);
    push(&mut twice, LAST, Kind::Invoke, again);
    let Verdict::Unknown(reasons) = LongFork.analyse(&twice).verdict() else { panic!("{twice:?}") };
    assert!(reasons[0].contains("both write key 0"), "{reasons:?}");
}

#[test]
fn every_kind_of_wrong_read_of_a_sorted_set_has_its_name() {
    let add = |history: &mut History, member, score| {
        done(history, 0, Function::ZAdd { member, score }, Answer::Done);
    };
    let right = || {
        let mut history = History::default();
        add(&mut history, 2, 5);
        add(&mut history, 10, 5);
        add(&mut history, 1, 7);
        done(&mut history, 0, Function::ZRem(1), Answer::Flag(true));
        history
    };
    let range = Function::ZRangeByScore { min: 5, max: 6 };
    for (function, scores, name) in [
        (Function::ZRange, vec![(10, 5), (2, 5)], None),
        (Function::ZRange, vec![(2, 5), (10, 5)], Some("unsorted")),
        (Function::ZRange, vec![(10, 5), (10, 5), (2, 5)], Some("duplicate-members")),
        (Function::ZRange, vec![(10, 5)], Some("missing-member")),
        (Function::ZRange, vec![(10, 5), (2, 6)], Some("score-mismatch")),
        (Function::ZRange, vec![(10, 5), (2, 5), (1, 7)], Some("unexpected-presence")),
        (range.clone(), vec![(10, 5), (2, 5)], None),
        (range.clone(), vec![(10, 5)], Some("missing-member")),
        (range, vec![(10, 5), (2, 7)], Some("out-of-range")),
    ] {
        let mut history = right();
        done(&mut history, 1, function, Answer::Scores(scores.clone()));
        let findings = ZsetSafety::default().analyse(&history);
        match name {
            None => assert_eq!(findings.verdict(), Verdict::Valid, "{scores:?}"),
            Some(name) => {
                assert_eq!(findings.counts().get(name), Some(&1), "{scores:?} {findings:?}")
            }
        }
    }
    let mut history = right();
    done(&mut history, 0, Function::ZIncrBy { member: 2, by: 1 }, Answer::Number(9));
    done(&mut history, 0, Function::ZRange, Answer::Scores(vec![]));
    let counts = ZsetSafety::default().analyse(&history).counts().clone();
    assert_eq!(counts.get("impossible-mutation-chain"), Some(&1), "{counts:?}");
    // Member 3 came after member 2 was gone, and the read sees both.
    let mut history = right();
    push(&mut history, 9, Kind::Invoke, call(Function::ZRange, None));
    done(&mut history, 0, Function::ZRem(2), Answer::Flag(true));
    add(&mut history, 3, 9);
    let fractured = Answer::Scores(vec![(10, 5), (2, 5), (3, 9)]);
    push(&mut history, 9, Kind::Ok, call(Function::ZRange, Some(fractured)));
    let counts = ZsetSafety::default().analyse(&history).counts().clone();
    assert_eq!(counts.get("fractured-read"), Some(&1), "{counts:?}");
}

#[test]
fn an_append_that_was_acknowledged_is_in_every_final_read() {
    let append = |value| Op::Txn(vec![Mop::Append { key: 0, value }]);
    let read = |values| Op::Txn(vec![Mop::Read { key: 0, values }]);
    let story = |seen: &[Value]| {
        let mut history = History::default();
        for value in 1..4 {
            push(&mut history, 0, Kind::Invoke, append(value));
            push(&mut history, 0, Kind::Ok, append(value));
        }
        for process in 1..3 {
            let values = if process == 1 { vec![1, 2, 3] } else { seen.to_vec() };
            push(&mut history, process, Kind::Invoke, read(None));
            push(&mut history, process, Kind::Ok, read(Some(values)));
        }
        history
    };
    assert_eq!(Durability::default().analyse(&story(&[1, 2, 3])).verdict(), Verdict::Valid);
    assert_eq!(count(&Durability::default(), &story(&[1, 3]), "lost"), 1);
    let mut unread = story(&[1, 2, 3]);
    push(&mut unread, 0, Kind::Invoke, append(4));
    push(&mut unread, 0, Kind::Ok, append(4));
    assert!(matches!(Durability::default().analyse(&unread).verdict(), Verdict::Unknown(_)));
}

#[test]
fn a_function_that_never_succeeded_was_not_tested() {
    let mut history = History::default();
    done(&mut history, 0, Function::Write(1), Answer::Done);
    assert_eq!(FunctionStats.analyse(&history).verdict(), Verdict::Valid);
    push(&mut history, 0, Kind::Invoke, call(Function::Read, None));
    push(&mut history, 0, Kind::Fail, call(Function::Read, None));
    let Verdict::Unknown(reasons) = FunctionStats.analyse(&history).verdict() else {
        panic!("it is unknown")
    };
    assert_eq!(reasons, [":read never succeeded (1 fail, 0 info)"]);
    assert_eq!(FunctionStats.analyse(&history).get("write ok"), Some(1));
}

/// Two nodes, mended at 1 s; what the second is asked: when, when that ends, and how.
fn mended(asked: &[(u64, u64, Kind)]) -> History {
    let mut history = History::default();
    let mut at = |ms: u64, process, kind, op, node| {
        let time = Duration::from_millis(ms);
        history.push(Event { time, process, kind, op, node, error: None });
    };
    let write = || call(Function::Write(1), None);
    let client = |node: u16| (Process::Client(node.into()), Some(NodeId(node)));
    for node in [1, 2] {
        let (process, node) = client(node);
        at(0, process, Kind::Invoke, write(), node);
        at(1, process, Kind::Ok, write(), node);
    }
    at(1_000, Process::Nemesis, Kind::Info, Op::Fault(Fault::HealNetwork), None);
    let (process, node) = client(1);
    at(1_001, process, Kind::Invoke, write(), node);
    at(1_002, process, Kind::Ok, write(), node);
    let (process, node) = client(2);
    for (from, to, kind) in asked {
        at(*from, process, Kind::Invoke, write(), node);
        at(*to, process, *kind, write(), node);
    }
    history
}

#[test]
fn a_node_recovers_in_time_or_is_told() {
    let recovery = Recovery { within: Duration::from_millis(500) };
    let verdict = |asked: &[(u64, u64, Kind)]| recovery.analyse(&mended(asked)).verdict();
    assert_eq!(verdict(&[(1_100, 1_499, Kind::Ok)]), Verdict::Valid);
    assert_eq!(verdict(&[(1_100, 1_101, Kind::Fail), (1_400, 1_500, Kind::Ok)]), Verdict::Valid);
    assert_eq!(verdict(&[(3_000, 3_001, Kind::Ok)]), Verdict::Valid, "nobody asked before");
    let slow_later = [(3_000, 3_001, Kind::Ok), (5_000, 5_600, Kind::Ok)];
    assert_eq!(verdict(&slow_later), Verdict::Valid, "nor was it slow in that time");
    assert_eq!(verdict(&[(1_600, 2_100, Kind::Ok)]), Verdict::Valid, "it took no longer");
    for late in [
        &[(1_100, 1_601, Kind::Ok)][..],
        &[(1_600, 2_101, Kind::Ok)],
        &[(1_100, 1_101, Kind::Fail), (1_499, 1_500, Kind::Fail), (1_501, 1_502, Kind::Ok)],
        &[(3_000, 3_001, Kind::Fail), (3_002, 3_003, Kind::Ok)],
    ] {
        let Verdict::Invalid(anomalies) = verdict(late) else {
            panic!("{late:?}: {:?}", verdict(late))
        };
        assert!(anomalies[0].text.starts_with("not-recovered: n2 served nobody within 500 ms"));
    }
    for unknown in [&[][..], &[(1_100, 1_200, Kind::Fail)]] {
        assert!(matches!(verdict(unknown), Verdict::Unknown(_)), "{unknown:?}");
    }
    let calm = random(Shop::Set, 10, 2, 0, &mut rng(1));
    assert!(matches!(recovery.analyse(&calm).verdict(), Verdict::Unknown(_)));
}

#[test]
fn members_at_which_the_search_gives_up_are_counted() {
    let mut history = History::default();
    for member in [0, 1] {
        let adds = Function::ZIncrBy { member, by: 1 };
        done(&mut history, 0, adds, Answer::Number(1));
    }
    done(&mut history, 0, Function::ZRange, Answer::Scores(vec![(0, 1), (1, 1)]));
    let caps = Caps { narrow: 0, deep: 0, configurations: 0, visited: 0 };
    let findings = ZsetSafety { caps, ..ZsetSafety::default() }.analyse(&history);
    // Each of the members; of those that are not decided no two are looked at.
    assert_eq!(findings.get("undecided"), Some(2), "{findings:?}");
    assert_eq!(findings.reasons().len(), 2, "{findings:?}");
}

#[test]
fn what_is_no_sorted_set_is_refused() {
    let mut history = History::default();
    done(&mut history, 0, Function::Add(1), Answer::Number(1));
    let findings = ZsetSafety::default().analyse(&history);
    assert_eq!(findings.reasons(), ["event 0 is no call of a sorted set"]);
}

#[test]
fn what_a_queue_still_holds_in_the_end_is_not_lost() {
    for (left, lost) in [(vec![2, 3, 4], 0), (vec![4], 2), (vec![], 3)] {
        let mut history = History::default();
        for value in 1..=4 {
            done(&mut history, 0, Function::Enqueue(value), Answer::Done);
        }
        done(&mut history, 0, Function::Dequeue, Answer::Value(1));
        done(&mut history, 0, Function::Read, Answer::Values(left));
        let findings = TotalQueue.analyse(&history);
        assert_eq!(findings.get("lost"), Some(lost), "{findings:?}");
    }
}
