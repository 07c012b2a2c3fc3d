//! Tests of the catalog as `#[test]`s, for this crate and for anybody who depends on it:
//!
//! ```ignore
//! sim::catalog_tests!(redis_append, redis_append_calm, redis_append_contended);
//! ```
//!
//! makes a test of each, and one that fails when a test of the catalog is missing. `cargo test` and `cargo nextest run` take
//! them as any other. Variables say what is run:
//!
//! | variable | what it says                                                          | without it             |
//! |----------|-----------------------------------------------------------------------|------------------------|
//! | `SEED`   | one seed, or a commit's hash                                          | [`SEEDS`]              |
//! | `SEEDS`  | how many seeds from 1 on, or a range without its end: `0x1..0x40`      | [`SEEDS`]              |
//! | `JOBS`   | how many threads run seeds of one test                                | 1                      |
//! | `ARGS`   | options of a run, as on a command line: `--nodes 3 --bug ack_before_fsync` | the test's own options |
//! | `STORE`  | where folders of failed runs are made                                 | `store/` of the workspace |
//!
//! Promises: the line that replays a run is on standard error before the run begins, whatever becomes of the process. The
//! seed that is told is the smallest that fails, with any `JOBS`; it was confirmed in a fresh process and its folder is kept.
//! A run that tested too little fails too.
//!
//! Cannot see: what a sweep sums up over many seeds, such as kinds of fault that never acted in any; `cargo sim sweep` does.

use crate::execute::{Case, Outcome};
use crate::keep;
use crate::record::{self, replay_line};
use crate::sweep::{Hands, Numbers, in_order, ran};
use environment::Environment;
use harness::catalog::catalog;
use harness::cli::output::{Output, note};
use harness::record::{Ending, Record};
use harness::seed::Seed;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

mod environment;

/// What is run if nobody says otherwise.
pub const SEEDS: [Seed; 3] = [Seed(0x2a), Seed(0x9f3c21aa), Seed(0xdeadbeef00000001)];

/// Set where a process of ours confirms a seed: it says what became of the seed and judges nothing.
const CONFIRMS: &str = "SIM_TESTING_CONFIRMS";

/// A `#[test]` for each test of the catalog that is named (`redis_append` is `redis-append`), and one that fails when a test
/// is missing. See [`crate::testing`] for the variables that they read.
#[macro_export]
macro_rules! catalog_tests {
    ($($test:ident),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                $crate::testing::check(module_path!(), stringify!($test));
            }
        )+

        #[test]
        fn every_test_of_the_catalog_is_here() {
            $crate::testing::all_are_here(&[$(stringify!($test)),+]);
        }
    };
}

/// Runs a test of the catalog as the variables say, and panics with a report if a seed does not pass. `module` and
/// `function` are where the `#[test]` is that calls this: a fresh process runs that one.
pub fn check(module: &str, function: &str) {
    let environment = Environment::read(|name| std::env::var_os(name)).unwrap_or_else(refuse);
    let case = environment.case(&test_name(function)).unwrap_or_else(refuse);
    if std::env::var_os(CONFIRMS).is_some() {
        return confess(&case, &environment);
    }
    let path = test_path(module, function);
    let check = Check { case, environment, path };
    if let Some(failed) = check.first_that_fails() {
        panic!("{}", check.told(&failed));
    }
}

/// Panics with a sentence if a test of the catalog is not among these.
pub fn all_are_here(functions: &[&str]) {
    let here: Vec<String> = functions.iter().map(|function| test_name(function)).collect();
    for test in catalog() {
        let function = test.name.replace('-', "_");
        assert!(
            here.iter().any(|name| name == test.name),
            "test `{}` of the catalog is missing: sim::catalog_tests! must name `{function}`",
            test.name
        );
    }
}

fn test_name(function: &str) -> String {
    function.replace('_', "-")
}

/// The test's name as the test's own program lists it: its path without the crate.
fn test_path(module: &str, function: &str) -> String {
    let inside = module.split_once("::").map(|(_, inside)| format!("{inside}::"));
    format!("{}{function}", inside.unwrap_or_default())
}

fn refuse<T>(sentence: String) -> T {
    panic!("{sentence}")
}

/// Runs the one seed and writes its record on standard output, past the capture of tests.
fn confess(case: &Case, environment: &Environment) {
    let seed = environment.seeds.seed(0);
    let case = Case { seed, ..case.clone() };
    let record = match ran(&case) {
        Ok(outcome) => record::of(&outcome),
        Err(sentence) => record::error(&case, sentence),
    };
    let mut out = Output::default();
    // The name of the test may stand before it in the line.
    let told = out.text("\n").and_then(|()| out.object(&record));
    told.expect("whoever started this process reads what it says");
}

/// One test with all that is said of it.
struct Check {
    case: Case,
    environment: Environment,
    /// What `--exact` takes.
    path: String,
}

/// A seed that did not pass.
struct Failed {
    case: Case,
    /// What became of it here; a sentence if there was no run.
    ran: Result<Box<Outcome>, String>,
}

impl Check {
    /// The smallest seed in their order that does not pass.
    fn first_that_fails(&self) -> Option<Failed> {
        let Environment { seeds, jobs, .. } = self.environment;
        let numbers = Numbers { range: 0..seeds.len(), jobs };
        let hands = Hands { more: || true, last: Option::is_some };
        let worker = || |index| self.failure_of(index);
        let mut first = None;
        in_order(numbers, hands, worker, |failed| {
            first = failed;
            if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        first
    }

    fn failure_of(&self, index: u64) -> Option<Failed> {
        let case = Case { seed: self.environment.seeds.seed(index), ..self.case.clone() };
        note(replay_line(&case));
        let ran = ran(&case);
        let passed = ran.as_ref().is_ok_and(|outcome| record::of(outcome).verdict == Ending::Valid);
        (!passed).then_some(Failed { case, ran })
    }

    /// All that a failed test says.
    fn told(&self, failed: &Failed) -> String {
        let again = self.again(&failed.case);
        let outcome = match &failed.ran {
            Ok(outcome) => outcome,
            Err(sentence) => {
                return format!("seed {}: {sentence}\n  replay:      {again}", failed.case.seed);
            }
        };
        let saved = keep::save(&self.environment.store, outcome);
        let report = keep::report(outcome, saved.as_deref().ok());
        let unkept = saved.err().map(|error| format!("  not kept:    {error:#}\n"));
        let unkept = unkept.unwrap_or_default();
        match self.confirmed(outcome) {
            Ok(()) => format!("{report}{unkept}  as a test:   {again}\n"),
            Err(sentence) => format!("{sentence}\n{report}{unkept}  as a test:   {again}\n"),
        }
    }

    /// The command that runs this test on this seed again.
    fn again(&self, case: &Case) -> String {
        let args = case.words().split_off(2).join(" ");
        let args = if args.is_empty() { args } else { format!("ARGS=\"{args}\" ") };
        // Names of tests begin with names of others.
        format!("SEED={} {args}cargo test {} -- --exact", case.seed, self.path)
    }

    /// Runs the seed in a process of its own. `Err` is a sentence that says how that run was another.
    fn confirmed(&self, outcome: &Outcome) -> Result<(), String> {
        let failed =
            |why: String| format!("the run could not be confirmed in a fresh process: {why}");
        let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let case = &outcome.case;
        let mut command = Command::new(program);
        command.args(["--exact", &self.path, "--nocapture", "--test-threads=1"]);
        command.env(CONFIRMS, "1").env(environment::SEED, case.seed.to_string());
        command.env(environment::ARGS, case.words().split_off(2).join(" "));
        command.env_remove(environment::SEEDS).stdin(Stdio::null());
        let answer = command.output().map_err(|error| failed(error.to_string()))?;
        let theirs = answer.stdout.split(|byte| *byte == b'\n').rev().find_map(told_by);
        let theirs = theirs
            .ok_or_else(|| failed(String::from_utf8_lossy(&answer.stderr).trim().to_owned()))?;
        record::difference(case, &record::of(outcome), &theirs).map_or(Ok(()), Err)
    }
}

/// A record among the lines of a test's program.
fn told_by(line: &[u8]) -> Option<Record> {
    serde_json::from_slice(line).ok()
}

/// Where the workspace keeps runs: beside the nearest `Cargo.lock` above the directory in which tests run.
fn store_of_the_workspace() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
    root.unwrap_or(Path::new("")).join(keep::STORE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_found_by_its_path_inside_its_program() {
        assert_eq!(test_path("catalog", "redis_append"), "redis_append");
        assert_eq!(test_path("mine::sim::all", "redis_append"), "sim::all::redis_append");
    }

    #[test]
    #[should_panic(expected = "test `redis-append-calm` of the catalog is missing")]
    fn a_test_that_is_missing_is_named() {
        all_are_here(&["redis_append", "redis_append_contended"]);
    }
}
