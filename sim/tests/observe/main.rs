//! A run that is written down is the same run, and what is written down is what happened: packets up to the last operation, a
//! gap in the numbers of a node that is down, arrows that end.

mod capture;
mod numbers;
mod trace;

use harness::catalog;
use harness::fault::FaultKind;
use harness::history::Kind;
use harness::seed::Seed;
use sim::execute::{Case, Outcome};
use sim::observe::{File, Observe};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Faults of every kind that a test has by itself, within a few seconds.
fn case(seed: u64, options: &[(&str, &str)]) -> Case {
    let mut case = Case::new(catalog::find("redis-append").expect("it is there"), Seed(seed));
    let usual = [("time", "10"), ("interval", "0.5-2"), ("nodes", "3")];
    for (word, value) in usual.iter().chain(options) {
        case.options.set(word, value).expect("an option");
    }
    case
}

/// A run with kills and cuts, observed.
struct Observed {
    outcome: Outcome,
    files: Vec<File>,
}

impl Observed {
    fn get() -> &'static Observed {
        static OBSERVED: OnceLock<Observed> = OnceLock::new();
        OBSERVED.get_or_init(|| {
            let case =
                (1..40).map(|seed| case(seed, &[("faults", "kill,partition")])).find(is_broken);
            let case = case.expect("one seed of forty breaks both");
            let (outcome, files) =
                case.execute_observed(Observe::EVERYTHING).expect("the simulation always runs");
            Observed { outcome, files }
        })
    }

    fn file(&self, path: &str) -> &[u8] {
        let file = self.files.iter().find(|file| file.path == path);
        &file.unwrap_or_else(|| panic!("there is no {path}")).bytes
    }

    fn text(&self, path: &str) -> &str {
        std::str::from_utf8(self.file(path)).expect("it is text")
    }

    /// When the last operation was asked, nanoseconds of the run.
    fn last_asked(&self) -> u64 {
        let asked = self.outcome.run.history.client_events();
        let asked = asked.filter(|(_, event)| event.kind == Kind::Invoke);
        asked.map(|(_, event)| event.time.as_nanos() as u64).max().expect("clients asked")
    }
}

/// Whether it cuts links, and kills a node for long enough; a seed chooses among the faults.
fn is_broken(case: &Case) -> bool {
    let outcome = case.clone().execute().expect("the simulation always runs");
    let kinds = outcome.run.injections.iter().filter_map(|injection| injection.fault.kind());
    let kinds: BTreeSet<FaultKind> = kinds.collect();
    kinds.contains(&FaultKind::Partition) && numbers::has_gap(&outcome.run)
}

#[test]
fn a_run_that_is_observed_is_the_same_run() {
    let choices = ["logs", "tcpdump", "metrics", "trace", "everything"];
    for (seed, options) in [(3, &[][..]), (0x9f3c21aa, &[("groups", "2"), ("nodes", "5")][..])] {
        let case = case(seed, options);
        let plain = case.clone().execute().expect("it runs");
        for words in choices {
            let observe = words.parse().expect("they are words");
            let (outcome, files) = case.clone().execute_observed(observe).expect("it runs");
            assert!(!files.is_empty(), "{words}");
            let hash = |outcome: &Outcome| outcome.run.artifacts.trace_hash;
            assert_eq!(hash(&outcome), hash(&plain), "{words}");
            assert!(outcome.run == plain.run, "{words}");
        }
    }
}

#[test]
fn nothing_is_written_that_nobody_asked_for() {
    let (_, files) =
        case(3, &[("time", "1")]).execute_observed(Observe::default()).expect("it runs");
    assert!(files.is_empty());
    let metrics = "metrics".parse().expect("it is a word");
    let (_, files) = case(3, &[("time", "1")]).execute_observed(metrics).expect("it runs");
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["n1/metrics.om", "n2/metrics.om", "n3/metrics.om"]);
}

#[test]
fn each_node_has_a_log_in_virtual_time() {
    let observed = Observed::get();
    let mut elected = 0;
    for path in ["log.txt", "n1/log.txt", "n2/log.txt", "n3/log.txt"] {
        let text = observed.text(path);
        let times: Vec<f64> =
            text.lines().map(|line| line[..14].trim().parse().expect("a time")).collect();
        assert!(times.len() > 3 && times.is_sorted(), "{path}");
        elected += text.lines().filter(|line| line.contains(" INFO leads in term ")).count();
    }
    assert!(elected > 0);
    let n1 = observed.text("n1/log.txt");
    assert!(
        n1.lines()
            .next()
            .is_some_and(|line| line.ends_with("- the process starts for the 1. time"))
    );
    assert!(n1.contains(" INFO boot 1, entries up to "));
    let injected = observed.outcome.run.injections.len();
    assert_eq!(
        observed.text("log.txt").lines().count(),
        injected,
        "each fault is in the world's log"
    );
}

#[test]
fn more_is_logged_from_another_level_on() {
    let lines = |level: &str| {
        let level = level.parse().expect("a level");
        let observe = Observe { logs: Some(level), ..Observe::default() };
        let (_, files) = case(3, &[("time", "2")]).execute_observed(observe).expect("it runs");
        let log = files.iter().find(|file| file.path == "n1/log.txt").expect("a log");
        log.bytes.iter().filter(|byte| **byte == b'\n').count()
    };
    assert!(lines("warn") < lines("info") && lines("info") < lines("debug"));
}
