//! The corpus: every remembered case is a test of its own. `cargo test -p sim --test seeds exec-on-follower` runs one.
//!
//! A harness of its own, since the names of the tests are those of files. What a case says and when it holds: `sim::corpus`.

use elastickv::bug::Bug;
use libtest_mimic::{Arguments, Failed, Trial};
use sim::corpus::{self, Remembered, SEEDS};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::ExitCode;

/// Threads of one case: the cases themselves run side by side.
const JOBS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");

fn main() -> ExitCode {
    // So that commands in a message can be typed at the root.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::set_current_dir(root).expect("sim is in the workspace");
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let all = match corpus::read(Path::new(SEEDS)) {
        Ok(all) => all,
        Err(error) => {
            let sentence = error.to_string();
            return vec![Trial::test("the_corpus_can_be_read", || Err(Failed::from(sentence)))];
        }
    };
    let bugs = with_a_case(&all);
    let every = Trial::test("every_planted_bug_has_a_case", move || every_bug_is_in(&bugs));
    let holds = |case: Remembered| Trial::test(title(&case), move || holds(&case));
    std::iter::once(every).chain(all.into_iter().map(holds)).collect()
}

/// `redis-append/exec-on-follower`
fn title(case: &Remembered) -> String {
    format!("{}/{}", case.story.test, case.name())
}

fn holds(case: &Remembered) -> Result<(), Failed> {
    case.check(JOBS).map(|_| ()).map_err(|broken| Failed::from(broken.to_string()))
}

fn with_a_case(all: &[Remembered]) -> Vec<String> {
    all.iter().filter_map(|case| case.story.bug.clone()).collect()
}

fn every_bug_is_in(bugs: &[String]) -> Result<(), Failed> {
    let in_runs = |bug: &&Bug| sim::bugs::row(**bug).found_by != sim::bugs::STORY;
    let mut due = Bug::ALL.iter().filter(in_runs);
    let without = due.find(|bug| !bugs.iter().any(|name| name == bug.name()));
    match without {
        None => Ok(()),
        Some(bug) => Err(Failed::from(format!(
            "no case shows {bug}: `cargo sim sweep redis-append --bug {bug}` finds a run, `cargo sim remember FOLDER` makes it one"
        ))),
    }
}
