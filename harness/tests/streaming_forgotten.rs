//! What the streaming list-append checker still sees, and what it says it cannot have seen, of transactions that it had to
//! forget early, that were open for too long, or that failed long ago. The bounds are exact: one fewer and nothing is given up.

use harness::checker::list_append::streaming::StreamingLists;
use harness::checker::streaming::Streaming;
use harness::checker::{Anomaly, Verdict};
use harness::history::{Event, Kind, Process};
use harness::op::{Key, Mop, Op, Value};
use std::time::Duration;

/// So many transactions may wait for reads of what they appended.
const WAITING: u64 = 1024;

/// The keys of the stories; those from here on are of transactions that only fill.
const FILLERS: Key = 100;

#[derive(Default)]
struct Story {
    checker: Box<StreamingLists>,
    events: usize,
    found: Option<(usize, Anomaly)>,
}

impl Story {
    fn event(&mut self, process: u32, kind: Kind, mops: &[Mop]) {
        let (time, process) = (Duration::ZERO, Process::Client(process));
        let op = Op::Txn(mops.to_vec());
        let event = Event { time, process, kind, op, node: None, error: None };
        if let Some(anomaly) = self.checker.event(self.events, &event) {
            self.found = Some((self.events, anomaly));
        }
        self.events += 1;
    }

    fn ask(&mut self, process: u32, mops: &[Mop]) {
        let asked = mops.iter().map(|mop| match mop {
            Mop::Read { key, .. } => Mop::Read { key: *key, values: None },
            append => append.clone(),
        });
        self.event(process, Kind::Invoke, &asked.collect::<Vec<_>>());
    }

    /// Asked and done before anything else.
    fn done(&mut self, process: u32, mops: &[Mop]) {
        self.ask(process, mops);
        self.event(process, Kind::Ok, mops);
    }

    /// So many that each append to a list that nobody reads.
    fn fill(&mut self, count: u64) {
        let first = FILLERS + self.events as u64;
        (first..first + count).for_each(|key| self.done(50, &[append(key, 1)]));
    }

    fn found(&self) -> (usize, &str) {
        self.found.as_ref().map(|(at, found)| (*at, found.text.as_str())).expect("it is wrong")
    }

    fn reasons(self) -> Vec<String> {
        match self.checker.finish() {
            Verdict::Unknown(reasons) => reasons,
            other => panic!("{other:?}"),
        }
    }
}

fn append(key: Key, value: Value) -> Mop {
    Mop::Append { key, value }
}

fn read(key: Key, values: &[Value]) -> Mop {
    Mop::Read { key, values: Some(values.to_vec()) }
}

/// One reads what another appended: enough was tested.
fn sound() -> Story {
    let mut story = Story::default();
    story.done(0, &[append(0, 1)]);
    story.done(0, &[read(0, &[1])]);
    story
}

#[test]
fn one_more_than_may_wait_is_forgotten_and_counted() {
    let mut story = sound();
    story.fill(WAITING);
    assert_eq!(story.checker.finish(), Verdict::Valid);
    for more in [1, 3] {
        let mut story = sound();
        story.fill(WAITING + more);
        let reasons = story.reasons();
        let said = format!("{more} transactions were forgotten before all that they depend on");
        assert!(reasons.len() == 1 && reasons[0].starts_with(&said), "{reasons:?}");
    }
}

#[test]
fn what_was_forgotten_must_have_come_before_whoever_was_asked_later() {
    for fill in [WAITING - 1, WAITING, WAITING + 1] {
        let mut story = sound();
        story.done(1, &[append(1, 1)]);
        story.fill(fill);
        story.done(2, &[read(1, &[])]);
        let (at, text) = story.found();
        assert_eq!(at, story.events - 1, "{text}");
        assert!(text.contains("key 1"), "{text}");
    }
}

#[test]
fn what_crashed_may_have_come_before_what_was_forgotten() {
    let mut story = sound();
    story.ask(9, &[append(1, 1)]);
    story.event(9, Kind::Info, &[append(1, 1)]);
    story.done(1, &[append(1, 2)]);
    story.fill(WAITING + 1);
    story.done(2, &[read(1, &[1, 2])]);
    assert_eq!(story.found, None);
}

/// Events for which an operation may be open until its end is not waited for.
const LATE: usize = 1 << 17;

impl Story {
    /// Transactions that do nothing, until so many events are over.
    fn go_on_until(&mut self, events: usize) {
        while self.events < events {
            self.done(50, &[]);
        }
    }
}

#[test]
fn what_was_open_for_too_long_counts_as_of_unknown_outcome() {
    let mut story = sound();
    story.ask(1, &[append(1, 1)]);
    story.ask(2, &[append(2, 1)]);
    let asked = story.events - 2;
    story.go_on_until(asked + 16);
    story.ask(3, &[append(3, 1)]);
    story.go_on_until(asked + LATE);
    assert_eq!(story.events, asked + LATE + 1);
    story.ask(4, &[read(1, &[])]);
    story.event(1, Kind::Ok, &[append(1, 1)]);
    story.event(4, Kind::Ok, &[read(1, &[])]);
    // Both may have taken effect later; of the others the end is known.
    story.event(3, Kind::Ok, &[append(3, 1)]);
    story.done(4, &[read(1, &[]), read(2, &[])]);
    assert_eq!(story.found, None);
    story.done(4, &[read(3, &[])]);
    assert!(story.found().1.contains("key 3"), "{:?}", story.found());
}

#[test]
fn as_long_as_an_operation_may_be_open_its_end_is_waited_for() {
    for (more, late) in [(0, 0), (1, 1), (3, 1), (4, 2)] {
        let mut story = sound();
        story.ask(1, &[append(1, 1)]);
        let asked = story.events - 1;
        story.done(0, &[read(0, &[1])]);
        // Three events later.
        story.ask(2, &[append(2, 1)]);
        story.go_on_until(asked + LATE);
        while story.events <= asked + LATE + more {
            story.ask(100 + story.events as u32, &[]);
        }
        let said =
            format!("{late} transactions were open for so long that their end was not waited for");
        match story.checker.finish() {
            Verdict::Valid => assert_eq!(late, 0, "{more}"),
            Verdict::Unknown(reasons) => assert_eq!(reasons, [said], "{more}"),
            invalid => panic!("{invalid:?}"),
        }
    }
}

#[test]
fn of_what_failed_the_newest_is_remembered() {
    for (more, name) in [(255, "G1a"), (256, "garbage-read")] {
        let mut story = sound();
        for value in 1..=1 + more {
            story.ask(1, &[append(1, value)]);
            story.event(1, Kind::Fail, &[append(1, value)]);
        }
        story.done(2, &[read(1, &[1])]);
        assert!(story.found().1.starts_with(name), "{:?}", story.found());
    }
}

#[test]
fn elements_with_more_gaps_than_can_be_held_are_given_up_on() {
    const GAPS: u64 = 1 << 20;
    let mut story = sound();
    let appends: Vec<Mop> = (1..=GAPS + 1).map(|at| append(1, 2 * at)).collect();
    story.event(1, Kind::Invoke, &appends);
    assert!(story.checker.held().total() > GAPS as usize, "they are held");
    story.ask(2, &[append(2, 1), append(2, 3)]);
    let reasons = story.reasons();
    assert!(reasons[0].contains("more than 1048576 gaps"), "{reasons:?}");
}
