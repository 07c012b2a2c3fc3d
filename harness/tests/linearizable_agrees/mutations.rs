//! Histories of values that are used once, as a store made them, and what is made of them by one change that no order
//! explains: each is caught, and without a search.

use super::store::{Shape, random};
use super::{analyse, histories, well_told};
use harness::checker::Verdict;
use harness::checker::linearizable::FailedCas;
use harness::history::{History, Kind};
use harness::op::{Answer, Call, Function, Object, Op, Value};
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// A call that succeeded, with the places of its events.
#[derive(Clone)]
struct Done {
    asked: usize,
    answered: usize,
    function: Function,
    answer: Answer,
}

impl Done {
    fn is_before(&self, other: &Done) -> bool {
        self.answered < other.asked
    }

    /// The value that it adds, puts in, or writes.
    fn gives(&self) -> Option<Value> {
        match self.function {
            Function::Insert(value) | Function::Enqueue(value) | Function::Write(value) => {
                Some(value)
            }
            _ => None,
        }
    }

    /// Whether its answer shows the value.
    fn shows(&self, value: Value) -> bool {
        match (&self.function, &self.answer) {
            (Function::Contains(asked), Answer::Flag(found)) => *found && *asked == value,
            (_, Answer::Values(values)) => values.contains(&value),
            (_, Answer::Value(seen)) => *seen == value,
            _ => false,
        }
    }
}

fn done(history: &History) -> Vec<Done> {
    let mut asked = BTreeMap::new();
    let mut done = Vec::new();
    for (index, event) in history.events.iter().enumerate() {
        let Op::Call(Call { function, answer, .. }) = &event.op else { panic!("{event:?}") };
        match (event.kind, answer) {
            (Kind::Invoke, _) => drop(asked.insert(event.process, index)),
            (Kind::Ok, Some(answer)) => done.push(Done {
                asked: asked[&event.process],
                answered: index,
                function: function.clone(),
                answer: answer.clone(),
            }),
            _ => {}
        }
    }
    done
}

fn answer(history: &mut History, done: &Done, with: Answer) {
    if let Op::Call(call) = &mut history.events[done.answered].op {
        call.answer = Some(with);
    }
}

fn swap(history: &mut History, first: &Done, second: &Done) {
    answer(history, first, second.answer.clone());
    answer(history, second, first.answer.clone());
}

/// One of all pairs of which it is so.
fn pair<'d>(
    done: &'d [Done],
    rng: &mut ChaCha8Rng,
    so: impl Fn(&Done, &Done) -> bool,
) -> Option<(&'d Done, &'d Done)> {
    let pairs = done.iter().flat_map(|first| done.iter().map(move |second| (first, second)));
    let pairs: Vec<_> = pairs.filter(|(first, second)| so(first, second)).collect();
    (!pairs.is_empty()).then(|| pairs[rng.range(0, pairs.len() as u64) as usize])
}

/// A change of a history, if there is something that it can be made to.
type Change = fn(&mut History, &[Done], &mut ChaCha8Rng) -> Option<()>;

/// Whoever gave what another shows, never asked.
fn drop_what_is_seen(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let (given, _) = pair(done, rng, |a, b| a.gives().is_some_and(|value| b.shows(value)))?;
    history.events.remove(given.answered);
    history.events.remove(given.asked);
    Some(())
}

/// Whoever gave what another shows, failed.
fn fail_what_is_seen(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let (given, _) = pair(done, rng, |a, b| a.gives().is_some_and(|value| b.shows(value)))?;
    history.events[given.answered].kind = Kind::Fail;
    Some(())
}

fn show_twice(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let shows =
        |a: &Done, _: &Done| matches!(&a.answer, Answer::Values(values) if !values.is_empty());
    let (read, _) = pair(done, rng, shows)?;
    let Answer::Values(mut values) = read.answer.clone() else { return None };
    values.push(values[0]);
    answer(history, read, Answer::Values(values));
    Some(())
}

/// Two whole reads, one after the other and of different sets, change places.
fn reorder_reads(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let differ = |a: &Done, b: &Done| match (&a.answer, &b.answer) {
        (Answer::Values(first), Answer::Values(second)) => {
            a.is_before(b) && first.len() < second.len()
        }
        (Answer::Number(first), Answer::Number(second)) => a.is_before(b) && first < second,
        _ => false,
    };
    let (first, second) = pair(done, rng, differ)?;
    swap(history, first, second);
    Some(())
}

/// What was added before is not there.
fn flip_contains(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let finds = |a: &Done, b: &Done| {
        let looks = matches!(b.function, Function::Contains(_));
        looks && a.is_before(b) && a.gives().is_some_and(|value| b.shows(value))
    };
    let (_, found) = pair(done, rng, finds)?;
    answer(history, found, Answer::Flag(false));
    Some(())
}

/// What one take took, another one took too.
fn take_twice(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let takes = |a: &Done, b: &Done| matches!(a.answer, Answer::Value(_)) && a.answer != b.answer;
    let both = |a: &Done, b: &Done| takes(a, b) && b.function == Function::Dequeue;
    let (first, second) = pair(done, rng, both)?;
    answer(history, second, first.answer.clone());
    Some(())
}

/// Two takes, one after the other, of values put in one after the other, change places.
fn reorder_takes(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let put = |value: &Answer| {
        let Answer::Value(value) = value else { return None };
        done.iter().find(|call| call.gives() == Some(*value))
    };
    let ordered = |a: &Done, b: &Done| {
        let puts = put(&a.answer).zip(put(&b.answer));
        a.is_before(b) && puts.is_some_and(|(first, second)| first.is_before(second))
    };
    let (first, second) = pair(done, rng, ordered)?;
    swap(history, first, second);
    Some(())
}

/// A take of what was put in before finds nothing.
fn find_nothing(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let taken = |a: &Done, b: &Done| {
        a.is_before(b) && a.gives().is_some_and(|value| b.answer == Answer::Value(value))
    };
    let (_, take) = pair(done, rng, taken)?;
    answer(history, take, Answer::Nil);
    Some(())
}

/// An add that others came after failed.
fn fail_an_add(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let not_last = |a: &Done, b: &Done| {
        let numbers =
            matches!((&a.answer, &b.answer), (Answer::Number(a), Answer::Number(b)) if a < b);
        numbers && matches!(a.function, Function::Add(_))
    };
    let (add, _) = pair(done, rng, not_last)?;
    history.events[add.answered].kind = Kind::Fail;
    Some(())
}

/// Two adds are answered the same.
fn same_sum(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let is_add = |call: &Done| matches!(call.function, Function::Add(_));
    let (first, second) =
        pair(done, rng, |a, b| is_add(a) && is_add(b) && a.answered < b.answered)?;
    answer(history, second, first.answer.clone());
    Some(())
}

/// A read of more than was ever added.
fn too_much(history: &mut History, done: &[Done], rng: &mut ChaCha8Rng) -> Option<()> {
    let (read, _) = pair(done, rng, |a, _| a.function == Function::Read)?;
    answer(history, read, Answer::Number(1_000));
    Some(())
}

fn caught(object: Object, changes: &[(&str, Change)]) {
    for (name, change) in changes {
        let (mut changed, count) = (0, histories() / 1000);
        for seed in 0..count {
            let mut rng = Seed(seed).stream(Stream::Workload);
            let mut history = random(&Shape::unique_and_certain(object, &mut rng), &mut rng);
            let right = analyse(object, FailedCas::Dropped, &history);
            assert_eq!(right.verdict, Verdict::Valid, "{object} {seed:#x}");
            let done = done(&history);
            // Where a search is needed, the change may have another explanation.
            if right.unsearched == 0 || change(&mut history, &done, &mut rng).is_none() {
                continue;
            }
            let wrong = analyse(object, FailedCas::Dropped, &history);
            let said = format!("{object} {seed:#x}, {name}: {wrong:?}");
            assert!(matches!(wrong.verdict, Verdict::Invalid(_)), "{said}");
            assert!(well_told(&wrong, &history), "{said}");
            changed += u64::from(wrong.unsearched == 1);
        }
        assert!(changed * 4 > count, "{object}, {name}: {changed} of {count} without a search");
    }
}

#[test]
fn a_set_that_was_changed_is_caught() {
    caught(
        Object::Set,
        &[
            ("drop", drop_what_is_seen),
            ("fail", fail_what_is_seen),
            ("duplicate", show_twice),
            ("reorder", reorder_reads),
            ("flip", flip_contains),
        ],
    );
}

#[test]
fn a_queue_that_was_changed_is_caught() {
    caught(
        Object::Queue,
        &[
            ("drop", drop_what_is_seen),
            ("fail", fail_what_is_seen),
            ("duplicate", take_twice),
            ("reorder", reorder_takes),
            ("flip", find_nothing),
        ],
    );
}

#[test]
fn a_counter_that_was_changed_is_caught() {
    caught(
        Object::Counter,
        &[
            ("fail", fail_an_add),
            ("duplicate", same_sum),
            ("reorder", reorder_reads),
            ("flip", too_much),
        ],
    );
}

#[test]
fn a_register_that_was_changed_is_caught() {
    let changes: [(&str, Change); 2] = [("drop", drop_what_is_seen), ("fail", fail_what_is_seen)];
    caught(Object::Register, &changes);
}
