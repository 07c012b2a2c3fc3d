//! The same seed is the same run in every process: another directory, another environment, other threads around it, a
//! subscriber on or off, a used process or a fresh one. If this fails, stop everything else.

use harness::catalog;
use harness::seed::Seed;
use serde_json::Value;
use sim::determinism;
use sim::execute::Case;
use sim::record;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Every kind of fault within a few seconds.
const OPTIONS: [(&str, &str); 3] = [("time", "12"), ("interval", "0.5-2"), ("nodes", "5")];
const SEEDS: [Seed; 2] = [Seed(3), Seed(0x9f3c21aa)];

fn case(seed: Seed) -> Case {
    let mut case = Case::new(catalog::find("redis-append").expect("it is there"), seed);
    for (word, value) in OPTIONS {
        case.options.set(word, value).expect("an option");
    }
    case
}

/// A directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("determinism").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

/// `replay` in a process of its own.
fn replay(case: &Case, change: impl FnOnce(&mut Command)) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.arg("replay").args(case.words()).arg("--json").stdin(Stdio::null());
    change(&mut command);
    let output = command.output().expect("the binary is there");
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// As a machine is told, without CPU time.
fn told(case: &Case) -> Value {
    let outcome = case.clone().execute().expect("the simulation always runs");
    without_cpu(serde_json::to_value(record::of(&outcome)).expect("a record is JSON"))
}

fn without_cpu(mut record: Value) -> Value {
    record["cpu_ms"].take();
    record
}

/// Two runs in two processes with their events, and the first that differs.
fn first_difference(case: &Case) -> String {
    let room = room("divergence");
    let lines = |name: &str| -> Vec<String> {
        let path = room.join(name);
        replay(case, |command| {
            command.arg("--events").arg(&path);
        });
        let text = fs::read_to_string(&path).expect("it was written");
        text.lines().map(str::to_owned).collect()
    };
    match determinism::compare(&lines("first"), &lines("second")) {
        Some(divergence) => divergence.to_string(),
        None => "two recorded runs had the same events".to_owned(),
    }
}

fn is_the_same(case: &Case, expected: &Value, change: impl FnOnce(&mut Command), what: &str) {
    let other = without_cpu(replay(case, change));
    if other != *expected {
        panic!("{what}: {other}\ninstead of {expected}\n{}", first_difference(case));
    }
}

#[test]
fn a_seed_is_the_same_run_in_every_process() {
    let room = room("elsewhere");
    for seed in SEEDS {
        let case = case(seed);
        let expected = without_cpu(replay(&case, |_| {}));
        assert_ne!(expected["ops"]["ok"], 0);
        is_the_same(&case, &expected, |_| {}, "the same again");
        let elsewhere = |command: &mut Command| {
            command
                .current_dir(&room)
                .env("HOME", &room)
                .env("LC_ALL", "tr_TR")
                .env("TZ", "Asia/Tokyo");
        };
        is_the_same(&case, &expected, elsewhere, "another directory and another home");
        let shifted = |command: &mut Command| {
            command.env("A_LONG_VARIABLE", "x".repeat(50_001)).env("MADSIM_TEST_SEED", "77");
        };
        is_the_same(&case, &expected, shifted, "another environment");
        let traced = |command: &mut Command| {
            command.env("RUST_LOG", "trace");
        };
        is_the_same(&case, &expected, traced, "a subscriber");
    }
}

#[test]
fn a_run_in_a_used_process_is_the_run_in_a_fresh_one() {
    let case_of = |seed| case(seed);
    let expected = without_cpu(replay(&case_of(SEEDS[0]), |_| {}));
    // What another run leaves behind, if it leaves anything, differs from what the same run would.
    told(&case_of(SEEDS[1]));
    let first = told(&case_of(SEEDS[0]));
    let second = told(&case_of(SEEDS[0]));
    if first != expected || second != expected {
        let (_, divergence) = determinism::first_divergence(&case_of(SEEDS[0])).expect("it runs");
        let divergence = divergence.map(|divergence| divergence.to_string());
        panic!("{first}\nand {second}\ninstead of {expected}\n{divergence:?}");
    }
}

#[test]
fn runs_beside_other_runs_are_the_same() {
    let room = room("beside");
    let hashes = |jobs: &str| -> Vec<Value> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        let words =
            ["sweep", "redis-append", "--seeds", "4", "--time", "5", "--json", "--jobs", jobs];
        let output = command.args(words).current_dir(&room).output().expect("the binary is there");
        let text = String::from_utf8(output.stdout).expect("it is text");
        let lines =
            text.lines().map(|line| serde_json::from_str::<Value>(line).expect("it is JSON"));
        lines.map(|object| object["trace_hash"].clone()).collect()
    };
    let alone = hashes("1");
    assert_eq!(alone.len(), 5, "four runs and a summary");
    assert_eq!(alone, hashes("4"));
}

#[test]
fn another_seed_and_another_option_are_other_runs() {
    let one = told(&case(SEEDS[0]));
    assert_ne!(one["trace_hash"], told(&case(Seed(4)))["trace_hash"]);
    let mut longer = case(SEEDS[0]);
    longer.options.set("rate", "101").expect("an option");
    assert_ne!(one["trace_hash"], told(&longer)["trace_hash"]);
}

#[test]
fn recording_shows_where_two_runs_part_and_changes_neither() {
    let case = case(SEEDS[0]);
    let (outcome, divergence) = determinism::first_divergence(&case).expect("it runs");
    assert_eq!(divergence, None);
    let recorded = outcome.run.artifacts.trace_hash;
    assert_eq!(recorded, case.clone().execute().expect("it runs").run.artifacts.trace_hash);
    let mut delayed = case.clone();
    let world = sim::params::WorldParams::from_seed(case.seed);
    let later = "n1-n2:200=1ns".parse().expect("a message and its fate");
    delayed.world = Some(sim::params::WorldParams { overrides: vec![later], ..world });
    let (_, lines) = case.execute_recorded(determinism::EVERYTHING).expect("it runs");
    let (_, others) = delayed.execute_recorded(determinism::EVERYTHING).expect("it runs");
    let parted = determinism::compare(&lines, &others).expect("a nanosecond is a difference");
    assert!(parted.number > 1000 && parted.first != parted.second, "{parted}");
}
