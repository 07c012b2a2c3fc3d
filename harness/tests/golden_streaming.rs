//! The streaming checkers on histories that are not ours: Elle's, under strict serializability, and Jepsen's etcd logs. What
//! they find the checkers of whole histories find, and the other way round.

use elle::{inner, text};
use harness::checker::Verdict;
use harness::checker::linearizable::streaming::StreamingCalls;
use harness::checker::linearizable::{Caps, FailedCas, Linearizable};
use harness::checker::list_append::analyse;
use harness::checker::list_append::streaming::StreamingLists;
use harness::checker::streaming::Streaming;
use harness::checker::transactional::{Model, Validity};
use harness::history::History;
use harness::interchange::{self, Alphabet, CallFormat};
use harness::op::Object;
use std::path::Path;

#[expect(dead_code, reason = "the verdicts that stand beside the histories are compared elsewhere")]
#[path = "golden/elle.rs"]
#[macro_use]
mod elle;

fn streamed(mut checker: Box<dyn Streaming>, history: &History) -> (bool, Verdict) {
    let events = history.events.iter().enumerate();
    let found = events.filter_map(|(index, event)| checker.event(index, event)).count();
    assert!(found < 2);
    (found == 1, checker.finish())
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    histories: usize,
    invalid: usize,
    caught: usize,
    /// What the streaming checker cannot judge, such as completions without invocations.
    unfit: usize,
}

impl Tally {
    fn lists(&mut self, what: &str, edn: &str) {
        let history = elle::history(edn, Alphabet::Lists);
        let (found, verdict) = streamed(Box::new(StreamingLists::default()), &history);
        let report = analyse(&history, Model::STRICT_SERIALIZABLE);
        let invalid = report.valid == Validity::False;
        assert!(invalid || !found, "{what}: {verdict:?}\n{:?}", report.valid);
        // A completion without an invocation says nothing of when its transaction began.
        let unfit = matches!(&verdict, Verdict::Unknown(reasons) if reasons[0].starts_with("event 0 completes what "));
        assert_eq!(found, invalid && !unfit, "{what}: {verdict:?} {:?}", report.anomaly_types);
        self.histories += 1;
        self.invalid += usize::from(invalid);
        self.caught += usize::from(found);
        self.unfit += usize::from(unfit);
    }

    fn folder(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(folder).expect("it is there");
        let mut paths: Vec<_> = entries.map(|entry| entry.expect("it is there").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().expect("it is a file").to_string_lossy().into_owned();
            if name.starts_with("la-") && name.contains(".edn") {
                self.lists(&name, &text(path));
            }
        }
    }
}

#[test]
fn elles_histories_are_judged_as_they_grow() {
    let elle = golden!("elles_histories_are_judged_as_they_grow");
    let mut tallies = Vec::new();
    for (file, is_named) in [
        ("cases/la-cases.edn", true),
        ("fuzz/la-fuzz.edn.gz", false),
        ("upstream/la-from-elle-tests.edn", true),
    ] {
        let mut tally = Tally::default();
        for (number, line) in text(elle.join(file)).lines().enumerate() {
            let edn = if is_named { inner(line) } else { line };
            tally.lists(&format!("{file} {number}"), edn);
        }
        tallies.push(tally);
    }
    for folder in ["sim", "perf"] {
        let mut tally = Tally::default();
        tally.folder(&elle.join(folder));
        tallies.push(tally);
    }
    let counts = |tally: &Tally| (tally.histories, tally.invalid, tally.caught, tally.unfit);
    let counts: Vec<(usize, usize, usize, usize)> = tallies.iter().map(counts).collect();
    println!("histories, invalid, caught, without invocations: {counts:?}");
    let expected =
        [(51, 40, 40, 0), (2000, 604, 604, 0), (51, 48, 21, 28), (28, 18, 18, 0), (3, 0, 0, 0)];
    assert_eq!(counts, expected);
}

#[test]
fn every_log_of_etcd_is_judged_as_it_grows() {
    let elle = golden!("every_log_of_etcd_is_judged_as_it_grows");
    let porcupine = elle.with_file_name("porcupine");
    let caps = Caps { configurations: 1 << 18, visited: 300_000_000, ..Caps::default() };
    let table = text(porcupine.join("verdicts.tsv"));
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split('\t').collect()).collect();
    let (mut logs, mut invalid) = (0, 0);
    for row in rows.iter().filter(|row| row[1] == "cas-register") {
        let log = text(porcupine.join(row[0]));
        let format = Some(CallFormat::EtcdLog);
        let read = interchange::read_calls(log.as_bytes(), format, Object::CasRegister);
        let history = read.expect("it is a log").history;
        for failed_cas in [FailedCas::Observed, FailedCas::Dropped] {
            let checker = StreamingCalls::with(Object::CasRegister, failed_cas, caps);
            let (found, verdict) = streamed(Box::new(checker.expect("it is no stream")), &history);
            let checker = Linearizable { failed_cas, ..Linearizable::of(Object::CasRegister) };
            let whole = checker.analyse(&history).verdict;
            assert_eq!(verdict.name(), whole.name(), "{}: {verdict:?}", row[0]);
            assert_eq!(found, whole.name() == "invalid", "{}", row[0]);
            logs += 1;
            invalid += usize::from(found);
        }
    }
    println!("{logs} judgements of logs, {invalid} invalid");
    assert_eq!(logs, 206);
    assert!(invalid > 40, "{invalid}");
}
