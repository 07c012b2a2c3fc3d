//! `sim sweep` as a program: its output, its shards, and what it points to.

use super::{BUG, SMALL, room, say};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A sweep's runs and its summary.
fn sweep(room: &Path, words: &[&str]) -> (i32, Vec<Value>, Value) {
    let said = say(room, &[&["sweep"], words, &["--json"]].concat());
    let mut objects = said.objects();
    let last = objects.pop().unwrap_or_else(|| panic!("{words:?}: {}", said.err));
    (said.code, objects, last["summary"].clone())
}

fn field(runs: &[Value], name: &str) -> Vec<String> {
    runs.iter().map(|run| run[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_sweep_says_the_same_with_any_number_of_jobs_and_its_shards_part_it() {
    let room = room("jobs_and_shards");
    let small = [&["redis-append", "--seeds", "5"], &SMALL[..]].concat();
    let (code, alone, one) = sweep(&room, &[&small[..], &["--jobs", "1"]].concat());
    assert_eq!(code, 0, "{one}");
    let (_, together, three) = sweep(&room, &[&small[..], &["--jobs", "3"]].concat());
    assert_eq!(field(&alone, "seed"), ["0x1", "0x2", "0x3", "0x4", "0x5"]);
    assert_eq!(field(&alone, "seed"), field(&together, "seed"));
    assert_eq!(field(&alone, "trace_hash"), field(&together, "trace_hash"));
    let numbers = |summary: &Value| {
        let mut test = summary["tests"]["redis-append"].clone();
        test["cpu_ms"].take();
        test
    };
    assert_eq!(numbers(&one), numbers(&three));
    assert_eq!(numbers(&one)["runs"], 5);
    let mut parts = Vec::new();
    for shard in ["1/2", "2/2"] {
        let (_, runs, summary) = sweep(&room, &[&small[..], &["--shard", shard]].concat());
        assert_eq!(summary["shard"], shard);
        parts.push(field(&runs, "seed"));
    }
    assert_eq!(parts, [vec!["0x1", "0x3", "0x5"], vec!["0x2", "0x4"]]);
    let store = room.join("store");
    let entries = fs::read_dir(&store).expect("it is there");
    let names: BTreeSet<String> = entries
        .map(|entry| entry.expect("it is there").file_name().display().to_string())
        .collect();
    assert_eq!(names.len(), 4, "results, and no folder of a valid run: {names:?}");
    assert!(names.iter().all(|name| name.starts_with("sweep-redis-append-0x1-5-")), "{names:?}");
}

#[test]
fn a_sweep_with_a_bug_stops_at_the_first_finding_with_any_number_of_jobs() {
    let room = room("bug_sweep");
    // Slow enough that not every seed shows it.
    let small = ["--seeds", "30", "--time", "5", "--nodes", "3", "--rate", "20"];
    let words = [&["redis-append", "--bug", BUG], &small[..]].concat();
    let (code, alone, summary) = sweep(&room, &[&words[..], &["--jobs", "1"]].concat());
    assert_eq!((code, &summary["verdict"]), (1, &"invalid".into()), "{summary}");
    let (_, together, same) = sweep(&room, &[&words[..], &["--jobs", "4"]].concat());
    assert_eq!(field(&alone, "trace_hash"), field(&together, "trace_hash"));
    assert_eq!(summary["findings"][0]["seed"], same["findings"][0]["seed"]);
    assert!((2..30).contains(&alone.len()), "it went on and it stopped: {}", alone.len());
    let last = alone.last().unwrap();
    assert_eq!(last["found_by"], serde_json::json!(["list-append"]));
    assert!(room.join(last["folder"].as_str().unwrap()).join("report.txt").is_file());
    let (_, all, _) = sweep(&room, &[&words[..], &["--all"]].concat());
    assert_eq!(all.len(), 30, "--all goes on");
}

#[test]
fn a_sweep_in_words_has_a_table_and_points_to_its_folders() {
    let room = room("words");
    let words =
        ["sweep", "redis-append", "--bug", BUG, "--seeds", "30", "--time", "5", "--out", "kept"];
    let said = say(&room, &words);
    assert_eq!(said.code, 1, "{}", said.err);
    for part in
        ["INVALID", "replay:", "folder:      kept/redis-append/", "operations", "lease read"]
    {
        assert!(said.out.contains(part), "`{part}` is missing in {}", said.out);
    }
    assert!(!room.join("store").exists());
}
