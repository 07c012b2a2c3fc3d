//! Every test of the catalog on a few seeds, and what such a test says when it fails. `SEED=0x9f3c21aa cargo test -p sim --test
//! catalog` runs that seed instead; [`sim::testing`] has the other variables.
#![cfg(madsim)]

use harness::catalog::catalog;
use harness::checker::Verdict;
use harness::seed::Seed;
use sim::execute::Case;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

sim::catalog_tests!(
    redis_append,
    redis_append_calm,
    redis_append_contended,
    redis_rw_register,
    redis_long_fork,
    redis_bank,
    redis_register,
    redis_cas_register,
    redis_counter,
    redis_set,
    redis_hash,
    redis_zset,
    redis_queue,
    redis_stream,
    redis_ttl,
    redis_mixed,
);

#[test]
fn ten_seconds_are_enough_to_test_something() {
    for test in catalog() {
        let mut case = Case::new(test, Seed(0x2a));
        case.options.set("time", "10").expect("a time");
        let outcome = case.execute().expect("the simulation always runs");
        assert_eq!(outcome.judgement.verdict, Verdict::Valid);
        assert!(outcome.judgement.summary.total.ok > 150, "{}", outcome.judgement.summary);
    }
}

/// What a test of this program said in a process of its own.
struct Said {
    passed: bool,
    all: String,
}

fn say(test: &str, variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test]);
    for name in ["SEED", "SEEDS", "JOBS", "ARGS", "STORE", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    let output = command.envs(variables.iter().copied()).output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it is text");
    Said { passed: output.status.success(), all: text(output.stderr) + &text(output.stdout) }
}

fn empty_store(name: &str) -> PathBuf {
    let store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("testing").join(name);
    let _ = fs::remove_dir_all(&store);
    store
}

#[test]
fn a_seed_that_fails_is_confirmed_kept_and_told_with_how_to_run_it_again() {
    let store = empty_store("fails");
    let words = "--bug exec_on_follower --time 10";
    let path = store.to_str().expect("it is text");
    let jobs = [("JOBS", "1"), ("JOBS", "3")];
    let told = jobs.map(|jobs| {
        let variables = [("SEEDS", "0x1..0x5"), ("ARGS", words), ("STORE", path), jobs];
        let said = say("redis_append", &variables);
        assert!(!said.passed, "{}", said.all);
        let first = "cargo sim replay redis-append 0x1 --bug exec_on_follower";
        assert!(said.all.contains(first), "{}", said.all);
        let seeds = said.all.lines().find(|line| line.contains("  INVALID   seed 0x"));
        assert!(said.all.contains("[list-append]"), "{}", said.all);
        assert!(!said.all.contains("did not replay"), "{}", said.all);
        let again = said.all.lines().find_map(|line| line.strip_prefix("  as a test:   "));
        let again = again.expect("how to run it again").to_owned();
        let seed = again.strip_prefix("SEED=").and_then(|rest| rest.split(' ').next());
        let seed = seed.expect("the seed").to_owned();
        assert!(seeds.is_some_and(|line| line.contains(&seed)), "{}", said.all);
        assert!(said.all.contains(&format!("  folder:      {path}/redis-append/{seed}")));
        assert!(store.join("redis-append").join(&seed).join("params.json").is_file());
        assert!(again.contains("ARGS=\"--bug exec_on_follower"), "{again}");
        assert!(again.ends_with(" cargo test redis_append -- --exact"), "{again}");
        seed
    });
    assert_eq!(told[0], told[1], "the smallest seed, with any number of threads");
}

#[test]
fn every_seed_is_named_before_it_runs() {
    let said = say("redis_append_calm", &[("SEEDS", "0x7..0x9"), ("ARGS", "--time 2 --nodes 3")]);
    assert!(said.passed, "{}", said.all);
    let lines: Vec<&str> = said.all.lines().filter(|line| line.starts_with("cargo sim")).collect();
    let line = |seed| format!("cargo sim replay redis-append-calm {seed} --nodes 3 --time 2");
    assert_eq!(lines, [line("0x7"), line("0x8")]);
}

#[test]
fn a_run_that_tests_nothing_fails_too() {
    let store = empty_store("nothing");
    let store = store.to_str().expect("it is text");
    let words = "--faults kill --interval 1-100 --time 3";
    let said = say("redis_append", &[("SEED", "1"), ("ARGS", words), ("STORE", store)]);
    assert!(!said.passed && said.all.contains("  UNKNOWN   seed 0x1"), "{}", said.all);
    assert!(said.all.contains("none was injected"), "{}", said.all);
}

#[test]
fn a_wrong_value_fails_the_test_with_a_sentence() {
    let said = say("redis_append", &[("ARGS", "--faults fire")]);
    assert!(!said.passed && said.all.contains("\nARGS: `fire`"), "{}", said.all);
    let said = say("redis_append", &[("SEED", "pi")]);
    assert!(!said.passed && said.all.contains("\nSEED: `pi` is not a seed"), "{}", said.all);
}
