//! Runs on the cluster in memory that end at the first anomaly which a streaming checker sees.

use harness::catalog::{self, catalog};
use harness::checker::Verdict;
use harness::in_memory::clock::VirtualClock;
use harness::in_memory::{Answer, InMemory};
use harness::options::{Options, Until};
use harness::plan::{Plan, Taken, Told};
use harness::run::{Hooks, Judgement, Phase, Run, judge, run_with};
use harness::seed::Seed;
use harness::test::Test;
use std::time::Duration;

fn test() -> Test {
    catalog::find("redis-append").expect("it is in the catalog")
}

fn options() -> Options {
    Options { time: Duration::from_secs(60), ..Options::defaults_of(&test()) }
}

fn watched() -> Options {
    Options { until: Until::Anomaly, ..options() }
}

/// A run of a cluster that does the n-th append twice.
fn ran(twice: usize, options: &Options, plan: Option<&Plan>) -> Run {
    let mut appends = 0;
    let clock = VirtualClock::default();
    let cluster = InMemory::new(options.nodes, clock.clone()).scripted(move |_, words| {
        appends += usize::from(words[0].eq_ignore_ascii_case(b"RPUSH"));
        let repeats = appends == twice && words[0].eq_ignore_ascii_case(b"RPUSH");
        if repeats { Answer::ServeTwice } else { Answer::Serve }
    });
    let hooks = Hooks { drivers: plan.map(Plan::drivers), ..Hooks::default() };
    let test = test();
    let run = clock.run(run_with(&test, options, &cluster, Seed(5), hooks));
    run.expect("only time is waited for").expect("the cluster is set up")
}

fn began(run: &Run, wanted: Phase) -> Duration {
    let phase = run.phases.iter().find(|(phase, _)| *phase == wanted);
    phase.expect("it came to that").1
}

#[test]
fn a_run_ends_at_its_first_anomaly_heals_reads_back_and_is_judged() {
    let run = ran(400, &watched(), None);
    let stopped = run.stopped.expect("an element was there twice");
    assert!(stopped < Duration::from_secs(30), "{stopped:?}");
    assert!(began(&run, Phase::ReadBack) < Duration::from_secs(50) && run.ended);
    let Judgement { verdict, ended_by, .. } = judge(&test(), &watched(), &run);
    let ended_by = ended_by.expect("an element was there twice");
    let Verdict::Invalid(anomalies) = verdict else { panic!("an element was there twice") };
    assert!(anomalies.iter().any(|anomaly| anomaly.name == ended_by.name), "{ended_by:?}");
    let shows = run.history.events.iter().rposition(|event| event.time <= stopped);
    assert!(ended_by.events.iter().max() <= shows.as_ref(), "{ended_by:?} is not known by then");
    let whole = ran(400, &options(), None);
    assert!(whole.history.events.len() > 3 * run.history.events.len());
}

#[test]
fn a_sound_run_is_the_same_whether_it_is_watched_or_not() {
    let sound = ran(0, &watched(), None);
    assert_eq!(sound.stopped, None);
    assert_eq!(judge(&test(), &watched(), &sound).ended_by, None);
    assert_eq!(sound, ran(0, &options(), None));
}

#[test]
fn the_same_seed_ends_at_the_same_place_and_its_plan_does_too() {
    let run = ran(400, &watched(), None);
    assert_eq!(run, ran(400, &watched(), None));
    let plan = Plan::of(&run, &watched(), Told::default(), Taken::default());
    let again = ran(400, &watched(), Some(&plan));
    assert!(again.stopped.is_some());
    assert_eq!(again.history, run.history);
}

#[test]
fn who_asks_for_the_end_before_an_anomaly_is_not_told_of_one() {
    let mut run = ran(400, &watched(), None);
    run.stopped = Some(Duration::from_secs(1));
    assert_eq!(judge(&test(), &watched(), &run).ended_by, None);
    assert!(judge(&test(), &options(), &ran(400, &watched(), None)).ended_by.is_none());
}

#[test]
fn lists_and_most_objects_have_a_streaming_checker() {
    let without: Vec<&str> =
        catalog().iter().filter(|test| test.streaming().is_none()).map(|test| test.name).collect();
    let expected = ["redis-rw-register", "redis-stream", "redis-bank", "redis-long-fork"];
    assert_eq!(without, expected);
    for test in catalog() {
        let sentence = test.unwatched(&watched());
        assert_eq!(sentence.is_some(), expected.contains(&test.name), "{sentence:?}");
        assert_eq!(test.unwatched(&options()), None);
    }
}
