//! `--until anomaly`: a run that is over at its first anomaly, and is the same run wherever it is said again.

use super::{BUG, refused, room, say};
use serde_json::Value;

const WORDS: [&str; 7] = ["run", "redis-append", "--bug", BUG, "--until", "anomaly", "--json"];

#[test]
fn a_run_ends_at_its_first_anomaly_and_replays_to_the_same_end() {
    let room = room("until_anomaly");
    let first = say(&room, &WORDS);
    assert_eq!(first.code, 1, "{}{}", first.out, first.err);
    let record = first.objects().remove(0);
    let folder = record["folder"].as_str().expect("it is kept");
    let again = record["replay"].as_str().expect("how to run it again");
    assert!(again.contains("--until anomaly"), "{again}");
    let words: Vec<&str> = again.split(' ').skip(2).collect();
    for words in [words, vec!["replay", folder]] {
        let again = say(&room, &[&words[..], &["--json"]].concat());
        assert_eq!(again.code, 1, "{}{}", again.out, again.err);
        assert_eq!(again.objects()[0]["trace_hash"], record["trace_hash"], "{words:?}");
    }
    let told = say(&room, &WORDS[..6]).out;
    let line = told.lines().find(|line| line.starts_with("  stopped:  "));
    let line = line.unwrap_or_else(|| panic!("{told}"));
    assert!(
        line.contains(" s, at the first anomaly: ") && line.ends_with("[list-append]"),
        "{line}"
    );
    let whole = say(&room, &[&WORDS[..4], &["--json"]].concat()).objects().remove(0);
    let operations = |record: &Value| record["ops"]["ok"].as_u64().expect("a number");
    assert!(4 * operations(&record) < operations(&whole), "{record} {whole}");
}

#[test]
fn a_test_whose_checkers_cannot_says_so_and_its_runs_last() {
    let room = room("until_unwatched");
    let words = ["run", "redis-bank", "--time", "2", "--until", "anomaly", "--faults", "none"];
    let said = say(&room, &words);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("redis-bank has no checker that sees a run while"), "{}", said.err);
    refused(&room, &["run", "redis-append", "--until", "dawn"], "`dawn`", "time or anomaly");
}
