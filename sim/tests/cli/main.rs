//! The command line, driven as a person or a script drives it.

mod check;
mod observe;
mod sweep;
mod until;

use harness::plan::Plan;
use harness::seed::Seed;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A run that takes a fraction of a second.
const SMALL: [&str; 8] =
    ["--time", "8", "--nodes", "3", "--interval", "0.5-1", "--faults", "kill,partition"];
/// A planted bug that seed 1 shows at once.
const BUG: &str = "lrange_local_on_follower";

/// An empty directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

fn sim(room: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.current_dir(room).stdin(Stdio::null());
    command
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        Said {
            code: output.status.code().expect("no signal ended it"),
            out: String::from_utf8(output.stdout).expect("it is text"),
            err: String::from_utf8(output.stderr).expect("it is text"),
        }
    }

    /// Standard output, a JSON object a line.
    fn objects(&self) -> Vec<Value> {
        let line =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        self.out.lines().map(line).collect()
    }
}

fn say(room: &Path, words: &[&str]) -> Said {
    Said::of(sim(room).args(words).output().expect("the binary is there"))
}

/// Refused with one sentence that names the value and says what would be right, before anything ran.
fn refused(room: &Path, words: &[&str], value: &str, right: &str) {
    let said = say(room, words);
    assert_eq!(said.code, 3, "{words:?}: {}{}", said.out, said.err);
    assert_eq!(said.out, "", "{words:?}");
    let lines: Vec<&str> = said.err.lines().collect();
    let [line] = lines[..] else { panic!("{words:?}: not one line: {}", said.err) };
    assert!(line.starts_with("error: ") && !line.ends_with('.'), "{line}");
    assert!(line.contains(value) && line.contains(right), "{words:?}: {line}");
    assert!(!line.contains("panicked"), "{line}");
}

#[test]
fn a_wrong_word_is_refused_with_one_sentence() {
    let room = room("wrong_words");
    let all: &[(&[&str], &str, &str)] = &[
        (&[], "a command is missing", "sweep"),
        (&["bench", "bare"], "`bare`", "raw or whole"),
        (&["bench", "--seeds", "0"], "0", "1..=10000"),
        (&["bench", "--instructions", "--seeds", "3"], "--instructions", "--seeds"),
        (&["frobnicate"], "`frobnicate`", "check, convert, bench or raft-scripts"),
        (&["run"], "<TEST>", "--help"),
        (&["run", "no-such-test"], "`no-such-test`", "redis-append"),
        (&["sweep", "no-such-test"], "`no-such-test`", "redis-append"),
        (&["replay", "no-such-test", "1"], "`no-such-test`", "redis-append"),
        (&["run", "redis-append", "--bug", "moth"], "`moth`", "exec_on_follower"),
        (&["sweep", "--bug", "moth"], "`moth`", "exec_on_follower"),
        (&["run", "redis-append", "--faults", "kill,fire"], "`fire`", "partition, kill"),
        (&["run", "redis-append", "--faults", "fire"], "`fire`", "standard, network, clock"),
        (&["run", "redis-append", "--faults", "none,kill"], "`none`", "stands alone"),
        (&["sweep", "redis-append", "--faults", "kill,pause,kill"], "`kill`", "twice"),
        (&["sweep", "redis-append", "--faults", "disk,disk"], "`disk`", "twice"),
        (&["run", "redis-append", "--faults", "split"], "`split`", "--groups 2"),
        (
            &["run", "redis-append", "--faults", "kill,partition", "--nodes", "1"],
            "`partition`",
            "two nodes or more",
        ),
        (
            &["replay", "redis-append", "1", "--faults", "membership", "--nodes", "2"],
            "`membership`",
            "three nodes or more",
        ),
        (&["run", "redis-append", "--interval", "8-3"], "`8-3`", "the first number is the smaller"),
        (
            &["run", "redis-append", "--interval", "60-70", "--time", "30"],
            "no fault can act",
            "--time 62 or more",
        ),
        (
            &["sweep", "redis-append", "--faults", "kill", "--time", "4"],
            "no fault can act",
            "a shorter --interval",
        ),
        (&["run", "redis-append", "--seed", "many"], "`many`", "decimal"),
        (&["run", "redis-append", "--seed", "-1"], "`-1`", "decimal"),
        (
            &["run", "redis-append", "--seed", "18446744073709551616"],
            "`18446744073709551616`",
            "2^64",
        ),
        (&["replay", "redis-append", "0xzz"], "`0xzz`", "hex"),
        (&["replay", "redis-append"], "`redis-append`", "a seed is missing"),
        (&["run", "redis-append", "--observe", "smoke"], "`smoke`", "tcpdump"),
        (&["replay", "redis-append", "1", "--observe", "trace"], "--observe", "--out DIR"),
        (&["sweep", "--start", "soon"], "`soon`", "decimal"),
        (&["run", "redis-append", "--nodes", "0"], "`0`", "above 0"),
        (&["run", "redis-append", "--nodes", "-3"], "`-3`", "above 0"),
        (&["run", "redis-append", "--nodes", "65"], "`65`", "from 1 to 64"),
        (&["run", "redis-append", "--nodes", "99999"], "`99999`", "--nodes"),
        (&["run", "redis-append", "--clients", "0"], "`0`", "above 0"),
        (&["run", "redis-append", "--rate", "0"], "`0`", "above 0"),
        (&["run", "redis-append", "--time", "soon"], "`soon`", "seconds"),
        (&["run", "redis-append", "--classify", "nobody"], "`nobody`", "jepsen"),
        (&["run", "redis-append", "--time"], "--time", "value"),
        (&["run", "redis-append", "--node", "3"], "'--node'", "--nodes"),
        (&["sweep", "--seeds", "0"], "`0`", "above 0"),
        (&["sweep", "--seeds", "2", "--start", "0xffffffffffffffff"], "`2`", "only 1"),
        (&["sweep", "--jobs", "0"], "`0`", "above 0"),
        (&["sweep", "--jobs", "99999"], "`99999`", "from 1 to 1024"),
        (&["sweep", "--shard", "0/4"], "`0/4`", "from 1/4 to 4/4"),
        (&["sweep", "--shard", "5/4"], "`5/4`", "from 1/4 to 4/4"),
        (&["sweep", "--for", "soon"], "`soon`", "5m"),
        (&["sweep", "--wall-limit", "0"], "`0`", "--wall-limit"),
        (&["sweep", "--start", "8d48dd8a"], "`8d48dd8a`", "40 hex digits"),
        (&["sweep", "merge"], "<DIR|FILE>", "--help"),
        (&["sweep", "merge", "nowhere"], "nowhere", "No such file"),
        (&["sweep", "merge", "."], ".", "no results of a sweep"),
        (&["replay", "nowhere"], "`nowhere`", "run folder"),
        (&["check", "elle", "history.edn"], "`elle`", "list-append"),
        (&["check", "elle", "history.edn"], "`elle`", "cas-register, counter"),
        (&["check", "list-append", "nowhere.edn"], "nowhere.edn", "No such file"),
        (&["check", "queue", "nowhere.edn"], "nowhere.edn", "No such file"),
        (&["check", "set", "x", "--format", "xml"], "`xml`", "etcd-log"),
        (&["check", "set", "x", "--failed-cas", "observed"], "--failed-cas", "cas-register"),
        (&["check", "set", "x", "--model", "serializable"], "--model", "list-append"),
        (&["check", "cas-register", "x", "--failed-cas", "seen"], "`seen`", "dropped or observed"),
        (
            &["check", "list-append", "x", "--model", "serialisable"],
            "`serialisable`",
            "serializable",
        ),
        (&["check", "list-append", "x", "--format", "xml"], "`xml`", "edn"),
        (&["check", "list-append", "x", "--jobs", "0"], "`0`", "from 1 to 256"),
        (&["check", "rw-register", "x", "--jobs", "2"], "--jobs", "list-append"),
        (&["check", "set", "x", "--jobs", "2"], "--jobs", "list-append"),
        (&["convert", "nowhere.edn", "x"], "nowhere.edn", "No such file"),
        (&["check", "elle", "history.edn"], "`elle`", "rw-register"),
        (&["check", "list-append", "x", "--wfr-keys"], "`--wfr-keys`", "rw-register"),
        (&["check", "rw-register", "x", "--lin-keys"], "'--lin-keys'", "--help"),
        (&["check", "elle", "history.edn"], "`elle`", "total-queue"),
        (&["check", "set", "x", "--total", "5"], "`--total`", "bank"),
        (&["check", "bank", "x", "--linearizable"], "`--linearizable`", "set-full"),
        (&["check", "bank", "x", "--model", "serializable"], "--model", "bank"),
        (&["check", "durability", "x", "--of", "lists"], "`lists`", "list-append"),
        (&["check", "log-patterns", "x"], "log-patterns", "--pattern 'data corruption'"),
        (&["check", "bank", "nowhere.edn"], "nowhere.edn", "No such file"),
        (
            &["check", "log-patterns", "nowhere.log", "--pattern", "x"],
            "nowhere.log",
            "No such file",
        ),
    ];
    for (words, value, right) in all {
        refused(&room, words, value, right);
    }
    assert_eq!(fs::read_dir(&room).expect("it is there").count(), 0, "nothing was written");
}

#[test]
fn help_and_version_are_no_errors() {
    let room = room("help");
    for words in [&["--help"][..], &["--version"], &["help", "run"]] {
        let said = say(&room, words);
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{words:?}");
    }
    for command in [
        "list", "run", "sweep", "replay", "show", "shrink", "remember", "seeds", "check", "convert",
    ] {
        let said = say(&room, &[command, "--help"]);
        assert_eq!(said.code, 0);
        assert!(said.out.contains("Examples:"), "{command} --help has no examples");
    }
}

#[test]
fn list_names_every_test_and_every_bug() {
    let room = room("list");
    let said = say(&room, &["list"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for test in harness::catalog::catalog() {
        assert!(said.out.contains(test.name), "{} is not listed", test.name);
    }
    for bug in elastickv::bug::Bug::ALL {
        assert!(said.out.contains(bug.name()) && said.out.contains(bug.origin()), "{bug}");
    }
    let objects = say(&room, &["list", "--json"]).objects();
    let bugs: Vec<&Value> = objects.iter().filter(|object| object["bug"].is_string()).collect();
    assert_eq!(bugs.len(), elastickv::bug::Bug::ALL.len());
    assert!(bugs.iter().all(|bug| bug["found_by"].is_string() && bug["origin"].is_string()));
}

#[test]
fn raft_scripts_are_played_and_a_difference_is_told() {
    let room = room("raft_scripts");
    let script = |state: &str| {
        format!(
            "add-nodes 1 voters=(1) index=3\n----\nINFO 1 switched to configuration voters=(1)\n\nraft-state\n----\n1: {state} (Voter) Term:0 Lead:0\n"
        )
    };
    refused(&room, &["raft-scripts", "."], ".", "a script is a file *.txt");
    fs::write(room.join("same.txt"), script("StateFollower")).expect("the room is ours");
    let said = say(&room, &["raft-scripts", "."]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("1 of 1 scripts the same"), "{}", said.out);
    fs::write(room.join("other.txt"), script("StateLeader")).expect("the room is ours");
    let said = say(&room, &["raft-scripts", ".", "--json"]);
    let outcomes: Vec<Value> =
        said.objects().iter().map(|object| object["outcome"].clone()).collect();
    assert_eq!((said.code, outcomes), (1, vec!["different".into(), "same".into()]));
    fs::write(room.join("third.txt"), "dance\n----\nok\n").expect("the room is ours");
    let said = say(&room, &["raft-scripts", "third.txt"]);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("third.txt: line 1: there is no command `dance`"), "{}", said.err);
}

/// `run` or `replay` with these words, as its one object.
fn object(room: &Path, words: &[&str]) -> (i32, Value) {
    let said = say(room, words);
    let objects = said.objects();
    let [object] = &objects[..] else { panic!("{words:?}: {}{}", said.out, said.err) };
    (said.code, object.clone())
}

#[test]
fn a_run_says_all_that_a_machine_wants_to_know_and_is_kept() {
    let room = room("run");
    let said =
        say(&room, &[&["run", "redis-append", "--seed", "0x2a", "--json"], &SMALL[..]].concat());
    assert!(said.err.starts_with("redis-append  seed 0x2a (42)\n"), "{}", said.err);
    let run = &said.objects()[0];
    assert_eq!(said.code, 0, "{run}");
    assert_eq!((&run["test"], &run["seed"]), (&"redis-append".into(), &"0x2a".into()));
    assert_eq!((&run["verdict"], &run["anomalies"]), (&"valid".into(), &Value::Array(Vec::new())));
    assert!(run["trace_hash"].as_str().is_some_and(|hash| hash.len() == 18), "{run}");
    assert!(run["lasted_ms"].as_u64() > Some(5000) && run["cpu_ms"].is_number(), "{run}");
    assert!(run["ops"]["ok"].as_u64() > Some(0) && run["ops"]["info"].is_u64(), "{run}");
    assert!(run["faults"].is_object() && run["found_by"].is_array(), "{run}");
    assert_eq!(run["folder"], "store/redis-append/0x2a");

    let folder = room.join("store/redis-append/0x2a");
    let before = fs::read(folder.join("history.bin")).expect("it is kept");
    let (_, again) =
        object(&room, &[&["run", "redis-append", "--seed", "42", "--json"], &SMALL[..]].concat());
    assert_eq!(again["folder"], "store/redis-append/0x2a-2", "a run folder is never replaced");
    assert_eq!(again["trace_hash"], run["trace_hash"]);
    assert_eq!(fs::read(folder.join("history.bin")).expect("it is kept"), before);

    let (code, replayed) = object(&room, &["replay", "store/redis-append/0x2a", "--json"]);
    assert_eq!((code, &replayed["trace_hash"]), (0, &run["trace_hash"]));
    let check = |place| object(&room, &["check", "list-append", place, "--json"]);
    let (code, mut lines) = check("store/redis-append/0x2a/history.jsonl");
    let (_, mut columns) = check("store/redis-append/0x2a");
    for checked in [&mut lines, &mut columns] {
        checked["cpu_ms"] = Value::Null;
    }
    assert_eq!(code, 0, "{lines}");
    assert_eq!(columns, lines, "a folder stands for its history");
    fs::create_dir(room.join("empty")).expect("the room is ours");
    refused(&room, &["check", "list-append", "empty"], "empty", "history.jsonl");
    refused(
        &room,
        &["replay", "store/redis-append/0x2a", "--nodes", "4"],
        "run folder",
        "leave out",
    );
}

#[test]
fn a_damaged_run_folder_is_refused() {
    let room = room("damaged");
    say(&room, &[&["run", "redis-append"], &SMALL[..]].concat());
    let folder = room.join("store/redis-append/0x1");
    let whole = fs::read(folder.join("history.bin")).expect("it is kept");
    fs::write(folder.join("history.bin"), &whole[..whole.len() / 2]).expect("it is ours");
    refused(&room, &["replay", "store/redis-append/0x1"], "history.bin", "");
    fs::write(folder.join("history.bin"), whole).expect("it is ours");
    fs::write(folder.join("params.json"), "{\"test\": 1}").expect("it is ours");
    refused(&room, &["replay", "store/redis-append/0x1"], "params.json", "");
}

#[test]
fn a_folder_that_does_not_replay_is_told_from_one_of_another_build() {
    let room = room("other_build");
    say(&room, &[&["run", "redis-append"], &SMALL[..]].concat());
    let path = room.join("store/redis-append/0x1/run.plan");
    let mut plan = Plan::load(&path).expect("it is kept");
    plan.taken.trace_hash += 1;
    fs::write(&path, plan.encode().expect("it is written")).expect("it is ours");
    let said = say(&room, &["replay", "store/redis-append/0x1"]);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("did not replay"), "{}", said.err);

    plan.taken.build += 1;
    fs::write(&path, plan.encode().expect("it is written")).expect("it is ours");
    let said = say(&room, &["replay", "store/redis-append/0x1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("another run than in the build of commit"), "{}", said.err);

    plan.seed = Seed(2);
    fs::write(&path, plan.encode().expect("it is written")).expect("it is ours");
    refused(&room, &["replay", "store/redis-append/0x1"], "params.json", "not of one run");
}

#[test]
fn the_replay_line_of_a_failure_gives_the_same_failure() {
    let room = room("replay_line");
    let words =
        ["run", "redis-append", "--bug", BUG, "--time", "8", "--rate", "150", "--faults", "none"];
    let said = say(&room, &words);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.err.contains(&format!("planted bug {BUG}")), "{}", said.err);
    assert!(said.out.contains("INVALID") && said.out.contains("folder:"), "{}", said.out);
    let line =
        said.out.lines().find_map(|line| line.trim().strip_prefix("replay:")).unwrap().trim();
    let expected = format!("redis-append 0x1 --bug {BUG} --rate 150 --time 8 --faults none");
    assert_eq!(line, format!("cargo sim replay {expected}"));

    let (_, first) = object(&room, &[&words[..], &["--json"]].concat());
    let typed: Vec<&str> = line.split(' ').skip(2).chain(["--json"]).collect();
    let (code, second) = object(&room, &typed);
    assert_eq!(code, 1);
    for field in ["verdict", "anomalies", "found_by", "trace_hash", "ops", "faults", "replay"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    let (code, third) = object(&room, &["replay", first["folder"].as_str().unwrap(), "--json"]);
    assert_eq!((code, &third["trace_hash"]), (1, &first["trace_hash"]));
    assert_eq!(third["replay"], format!("cargo sim replay {}", first["folder"].as_str().unwrap()));
}

#[test]
fn what_a_bugs_row_wants_is_not_repeated_in_the_replay_line_and_can_be_overruled() {
    let room = room("rows");
    let bug = "last_commit_ts_nosync";
    let (_, row) = object(&room, &["run", "redis-append", "--bug", bug, "--time", "5", "--json"]);
    assert_eq!(row["replay"], format!("cargo sim replay redis-append 0x1 --bug {bug} --time 5"));
    let words = ["run", "redis-append", "--bug", bug, "--time", "5", "--faults", "none", "--json"];
    let (_, overruled) = object(&room, &words);
    let line = format!("cargo sim replay redis-append 0x1 --bug {bug} --time 5 --faults none");
    assert_eq!(overruled["replay"], line);
    assert_eq!(overruled["faults"], serde_json::json!({}));
}

#[test]
fn a_run_that_tests_nothing_is_unknown() {
    let room = room("nothing");
    let words =
        ["run", "redis-append", "--nodes", "1", "--time", "0", "--faults", "none", "--json"];
    let (code, run) = object(&room, &words);
    assert_eq!((code, &run["verdict"]), (2, &"unknown".into()));
    assert!(run["reasons"][0].is_string(), "{run}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let room = room("broken_pipe");
    let words = [&["sweep", "redis-append", "--seeds", "200", "--json"], &SMALL[..]].concat();
    let mut child = sim(&room)
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is there");
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    out.read_line(&mut line).expect("a line comes");
    drop(out);
    let said = Said::of(child.wait_with_output().expect("it ends"));
    assert!(line.starts_with('{'));
    assert_eq!(said.code, 3, "the sweep was cut short: {}", said.err);
    assert!(!said.err.contains("panicked"), "{}", said.err);

    let mut list = sim(&room).arg("list").stdout(Stdio::piped()).spawn().expect("it is there");
    drop(list.stdout.take());
    assert_eq!(list.wait().expect("it ends").code(), Some(0));
}

#[test]
fn an_output_place_that_cannot_be_is_an_error_and_nothing_is_overwritten() {
    let room = room("no_place");
    fs::write(room.join("file"), "mine").expect("the room is ours");
    let said = say(&room, &[&["run", "redis-append", "--out", "file"], &SMALL[..]].concat());
    assert_eq!(said.code, 3);
    assert!(said.err.contains("error: file"), "{}", said.err);
    let words = [&["replay", "redis-append", "1", "--events", "file"], &SMALL[..]].concat();
    let said = say(&room, &words);
    assert_eq!(said.code, 3);
    assert!(said.err.contains("file: File exists"), "{}", said.err);
    assert_eq!(fs::read_to_string(room.join("file")).expect("it is there"), "mine");
}
