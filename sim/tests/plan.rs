//! Plans of simulated runs: the same run in the same build, the same decisions in another.

use elastickv::bug::Bug;
use harness::catalog;
use harness::history::{Kind, Process};
use harness::op::Op;
use harness::plan::Plan;
use harness::run::{Phase, Run};
use harness::seed::Seed;
use sim::execute::{Case, Outcome};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Everything is broken within a few seconds; three clients, so that operations wait for threads.
fn case(seed: u64) -> Case {
    let test = catalog::find("redis-append").expect("it is in the catalog");
    let mut case = Case::new(test, Seed(seed));
    for (word, value) in [("time", "6"), ("interval", "0.3-1.5"), ("clients", "3")] {
        case.options.set(word, value).expect("an option");
    }
    case
}

fn ran(case: Case) -> Outcome {
    case.execute().expect("the simulation always runs")
}

/// As a later program reads it.
fn replay(plan: &Plan) -> Case {
    let bytes = plan.encode().expect("it is written");
    Case::planned(Plan::decode(&bytes).expect("it is read"), "a plan").expect("it is a case")
}

/// Operations by their times, as the history has them.
fn asked(run: &Run) -> Vec<(Duration, Process, Op)> {
    let heal = run.phases.iter().find(|(phase, _)| *phase == Phase::Heal).map(|(_, at)| *at);
    let client = run.history.client_events().map(|(_, event)| event);
    client
        .filter(|event| event.kind == Kind::Invoke && heal.is_none_or(|heal| event.time < heal))
        .map(|event| (event.time, event.process, event.op.clone()))
        .collect()
}

/// The run without the words for what its seed drew of the faults: a plan draws none.
fn undrawn(run: &Run) -> Run {
    let mut run = run.clone();
    run.artifacts.params.retain(|name, _| !name.starts_with("fault"));
    run
}

#[test]
fn in_its_own_build_a_plan_is_the_run_it_was_taken_from() {
    let mut waited = 0;
    for seed in 1..=12 {
        let first = ran(case(seed));
        let plan = first.plan("", 0);
        waited += plan.asks.iter().filter(|ask| ask.due < ask.at).count();
        let second = ran(replay(&plan));
        let [first_run, second_run] = [&first, &second].map(|of| undrawn(&of.run));
        assert_eq!(first_run, second_run, "seed {seed}");
        let again = second.plan("", 0);
        assert_eq!(again, plan, "seed {seed}: the plan of a planned run is that plan");
    }
    assert!(waited > 100, "only {waited} operations waited for a thread");
}

#[test]
fn a_planned_run_that_went_another_way_has_a_plan_that_gives_it_again() {
    // Some of ten clients are busy when the plan asks them, and others than in the run that it was taken from.
    for seed in 1..=4 {
        let mut ten = case(seed);
        ten.options.set("clients", "10").expect("an option");
        let first = ran(ten);
        let mut plan = first.plan("", 0);
        plan.told.world.insert("latency-ns".to_owned(), 5_000_000);
        let second = ran(replay(&plan));
        assert_ne!(asked(&first.run), asked(&second.run), "seed {seed} went the same way");
        let third = ran(replay(&second.plan("", 0)));
        assert_eq!(second.run, third.run, "seed {seed}");
    }
}

#[test]
fn a_plan_is_run_with_the_wiring_of_its_bug_and_refused_with_what_is_unknown() {
    let mut plan = ran(case(1)).plan("", 0);
    // Plans of real runs say nothing of it.
    let bug = Bug::ProposalIdProcessCounter;
    plan.told.extra = [("bug".to_owned(), bug.name().to_owned())].into();
    assert_eq!(replay(&plan).wiring, bug.wiring());
    plan.told.extra.insert("weather".to_owned(), "wet".to_owned());
    let sentence = Case::planned(plan, "a plan").err().expect("it is refused");
    assert!(sentence.contains("`weather`, which this build does not know"), "{sentence}");
}

/// What a task's turn costs in madsim's clock, tens of nanoseconds, hangs on the order of turns.
fn is_near(a: Duration, b: Duration) -> bool {
    a.abs_diff(b) < Duration::from_micros(5)
}

#[test]
fn in_another_build_the_same_faults_and_operations_come_at_the_same_times() {
    // A planted bug changes the code, another latency all that happens.
    let mut twenty = case(2);
    twenty.options.set("clients", "20").expect("an option");
    let first = ran(twenty);
    let mut plan = first.plan("", 0);
    plan.told.extra.insert("bug".to_owned(), Bug::LrangeLocalOnFollower.name().to_owned());
    plan.told.world.insert("latency-ns".to_owned(), 3_000_000);
    let second = ran(replay(&plan));
    assert_ne!(first.run.artifacts.trace_hash, second.run.artifacts.trace_hash);
    let faults = |run: &Run| -> Vec<(Duration, String)> {
        let heal = run.phases.iter().find(|(phase, _)| *phase == Phase::Heal).map(|(_, at)| *at);
        let injections = run.injections.iter().filter(|i| heal.is_none_or(|heal| i.time < heal));
        injections.map(|i| (i.time, i.fault.to_string())).collect()
    };
    let (planned, injected) = (faults(&first.run), faults(&second.run));
    assert!(planned.len() > 3 && planned.len() == injected.len(), "{planned:?} {injected:?}");
    for ((at, fault), (then, other)) in planned.iter().zip(&injected) {
        assert!(is_near(*at, *then) && fault == other, "{fault} at {at:?}, {other} at {then:?}");
    }
    let (planned, asked) = (asked(&first.run), asked(&second.run));
    let on_time = planned.iter().filter(|(at, _, op)| {
        asked.iter().any(|(then, _, other)| is_near(*then, *at) && other == op)
    });
    // The rest waited for a thread that was busy.
    let on_time = on_time.count();
    assert!(on_time * 10 > planned.len() * 6, "{on_time} of {} on time", planned.len());
    let ops = |asked: &[(Duration, Process, Op)]| {
        let mut ops: Vec<String> = asked.iter().map(|(_, _, op)| format!("{op:?}")).collect();
        ops.sort();
        ops
    };
    let missing = ops(&planned).len() - ops(&asked).len();
    assert!(missing <= 20, "{missing} operations were never asked");
}

#[test]
fn a_lost_message_changes_nothing_before_it_matters() {
    // That it shifts no other message, of its link or of another, is shown where links are: `sim/src/net.rs`.
    let first = ran(case(7));
    let mut plan = first.plan("", 0);
    plan.told.overrides.push("n1-n2:400=lost".parse().expect("a fate"));
    let second = ran(replay(&plan));
    assert_ne!(first.run.artifacts.trace_hash, second.run.artifacts.trace_hash);
    let shared = first.run.history.events.iter().zip(&second.run.history.events);
    let same = shared.take_while(|(a, b)| a == b).count();
    assert!(same > 20, "only {same} events are the same");
}

/// A directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plan").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

/// Exit code, standard output, standard error.
fn say(room: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.args(words).current_dir(room).output().expect("the binary is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_kept_run_has_a_plan_that_is_shown_and_replayed() {
    let room = room("kept");
    let (code, _, err) = say(&room, &["run", "redis-append-calm", "--time", "4", "--nodes", "3"]);
    assert_eq!(code, Some(0), "{err}");
    let file = "store/redis-append-calm/0x1/run.plan";
    for place in [file, "store/redis-append-calm/0x1"] {
        let (code, out, err) = say(&room, &["replay", place]);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(err.contains("the trace hash is the kept one"), "{err}");
        let (code, out, err) = say(&room, &["show", place]);
        assert_eq!(code, Some(0), "{err}");
        assert!(
            out.starts_with("redis-append-calm  plan   seed 0x1   3 nodes, 10 clients"),
            "{out}"
        );
        assert!(out.contains("--nodes 3 --time 4") && out.contains("[:append 1 1]"), "{out}");
    }
    let (code, _, err) = say(&room, &["replay", "redis-append-calm", file]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = say(&room, &["replay", "redis-append", file]);
    assert_eq!(code, Some(3), "{err}");
    let words = "it is a plan of test `redis-append-calm`, not of `redis-append`";
    assert!(err.contains(words), "{err}");
    let mut bytes = fs::read(room.join(file)).expect("it was kept");
    bytes[4] = 9;
    fs::write(room.join("later.plan"), bytes).expect("the room is ours");
    for words in [["replay", "later.plan"], ["show", "later.plan"], ["shrink", "later.plan"]] {
        let (code, out, err) = say(&room, &words);
        assert_eq!((code, out.as_str()), (Some(3), ""), "{err}");
        let sentence = "later.plan: written in format 9, this program reads format 1";
        assert!(err.contains(sentence) && err.lines().count() == 1, "{err}");
    }
}

#[test]
fn a_message_can_be_given_another_fate_and_the_replay_line_says_so() {
    let room = room("message");
    let small = ["replay", "redis-append", "1", "--time", "2", "--faults", "none", "--json"];
    let json = |words: &[&str]| -> serde_json::Value {
        let (_, out, err) = say(&room, words);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"))
    };
    let usual = json(&small);
    let other = json(&[&small[..], &["--message", "n4-n1:0=5ms"]].concat());
    assert_ne!(usual["trace_hash"], other["trace_hash"]);
    let line = other["replay"].as_str().expect("a line").to_owned();
    assert!(line.ends_with("--message n4-n1:0=5ms"), "{line}");
    let words: Vec<&str> = line.split(' ').skip(2).chain(["--json"]).collect();
    assert_eq!(json(&words)["trace_hash"], other["trace_hash"]);
    for (fate, value) in [("n1-n2", "`n1-n2`"), ("n1-n9:1=lost", "n1..n5")] {
        let (code, _, err) = say(&room, &["replay", "redis-append", "1", "--message", fate]);
        assert_eq!(code, Some(3));
        assert!(err.contains(value), "{err}");
    }
    say(&room, &["replay", "redis-append", "1", "--time", "1", "--events", "events"]);
    let events = fs::read_to_string(room.join("events")).expect("it was written");
    assert!(events.contains("  n4-n1:0\n"), "events name messages");
}
