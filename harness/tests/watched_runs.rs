//! Runs on the cluster in memory that end at the first anomaly which a streaming checker sees.

use harness::catalog::{self, catalog};
use harness::checker::Verdict;
use harness::checker::streaming::Watch;
use harness::in_memory::clock::VirtualClock;
use harness::in_memory::{Answer, InMemory};
use harness::options::Options;
use harness::plan::{Plan, Taken, Told};
use harness::run::{Hooks, Phase, Run, judge, run_with};
use harness::seed::Seed;
use harness::stop::Stop;
use harness::test::Test;
use std::time::Duration;

fn test() -> Test {
    catalog::find("redis-append").expect("it is in the catalog")
}

fn options() -> Options {
    Options { time: Duration::from_secs(60), ..Options::defaults_of(&test()) }
}

/// A run of a cluster that does the n-th append twice, and what was seen of it on the way.
fn ran(twice: usize, is_watched: bool, plan: Option<&Plan>) -> (Run, Option<String>) {
    let mut appends = 0;
    let clock = VirtualClock::default();
    let cluster = InMemory::new(options().nodes, clock.clone()).scripted(move |_, words| {
        appends += usize::from(words[0].eq_ignore_ascii_case(b"RPUSH"));
        let repeats = appends == twice && words[0].eq_ignore_ascii_case(b"RPUSH");
        if repeats { Answer::ServeTwice } else { Answer::Serve }
    });
    let stop = Stop::default();
    let checker = test().streaming().expect("lists have one");
    let watch = Watch::new(checker, stop.clone(), None);
    let seen = watch.seen();
    let (test, options) = (test(), options());
    let hooks = Hooks { drivers: plan.map(Plan::drivers), stop, ..Hooks::default() };
    let hooks = match is_watched {
        true => Hooks { sink: Some(Box::new(watch)), ..hooks },
        false => hooks,
    };
    let run = clock.run(run_with(&test, &options, &cluster, Seed(5), hooks));
    let run = run.expect("only time is waited for").expect("the cluster is set up");
    (run, seen.first().map(|anomaly| anomaly.name))
}

fn began(run: &Run, wanted: Phase) -> Duration {
    let phase = run.phases.iter().find(|(phase, _)| *phase == wanted);
    phase.expect("it came to that").1
}

#[test]
fn a_run_ends_at_its_first_anomaly_heals_reads_back_and_is_judged() {
    let (run, seen) = ran(400, true, None);
    let seen = seen.expect("an element was there twice");
    let stopped = run.stopped.expect("it was asked to stop");
    assert!(stopped < Duration::from_secs(30), "{stopped:?}");
    assert!(began(&run, Phase::ReadBack) < Duration::from_secs(50) && run.ended);
    let Verdict::Invalid(anomalies) = judge(&test(), &options(), &run).verdict else {
        panic!("an element was there twice");
    };
    let names: Vec<&str> = anomalies.iter().map(|anomaly| &*anomaly.name).collect();
    assert!(names.contains(&&*seen), "{seen} is not among {names:?}");
    let (whole, _) = ran(400, false, None);
    assert!(whole.history.events.len() > 3 * run.history.events.len());
}

#[test]
fn a_sound_run_is_the_same_whether_it_is_watched_or_not() {
    let (watched, seen) = ran(0, true, None);
    assert_eq!((seen, watched.stopped), (None, None));
    assert_eq!(watched, ran(0, false, None).0);
}

#[test]
fn the_same_seed_ends_at_the_same_place_and_its_plan_does_too() {
    let (run, _) = ran(400, true, None);
    assert_eq!(run, ran(400, true, None).0);
    let plan = Plan::of(&run, &options(), Told::default(), Taken::default());
    let (again, seen) = ran(400, true, Some(&plan));
    assert!(seen.is_some());
    assert_eq!(again.history, run.history);
}

#[test]
fn lists_and_most_objects_have_a_streaming_checker() {
    let without: Vec<&str> =
        catalog().iter().filter(|test| test.streaming().is_none()).map(|test| test.name).collect();
    let expected = ["redis-rw-register", "redis-stream", "redis-bank", "redis-long-fork"];
    assert_eq!(without, expected);
}
