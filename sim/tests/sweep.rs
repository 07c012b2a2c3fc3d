//! Sweeps that are killed, parted, cut short or struck: what they tell in the end is what one whole sweep tells.

use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A bug that some seeds show and others do not, in runs of a fraction of a second.
const FOUND: [&str; 14] = [
    "redis-append",
    "--bug",
    "lrange_local_on_follower",
    "--all",
    "--time",
    "4",
    "--nodes",
    "3",
    "--rate",
    "30",
    "--faults",
    "kill,partition",
    "--interval",
    "0.5-1",
];
/// Runs that no test waits for.
const ENDLESS: [&str; 6] = ["redis-append", "--time", "1000000", "--faults", "none", "--json"];
/// However slow the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// An empty directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sweep").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

fn sim(room: &Path, words: &[&[&str]]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.current_dir(room).stdin(Stdio::null()).arg("sweep").args(words.concat());
    command
}

struct Said {
    code: i32,
    runs: Vec<Value>,
    summary: Value,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes| String::from_utf8(bytes).expect("it is text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        let line =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let mut runs: Vec<Value> = out.lines().map(line).collect();
        let summary = runs.pop().map(|last| last["summary"].clone()).unwrap_or_default();
        Said { code: output.status.code().expect("no signal ended it"), runs, summary, err }
    }

    /// What must be the same whenever, wherever and in whatever pieces it was swept.
    fn constant(&self) -> (i32, Value) {
        let mut summary = self.summary.clone();
        summary["results"].take();
        let findings = summary["findings"].as_array_mut().expect("a list");
        findings.iter_mut().for_each(|finding| drop(finding["folder"].take()));
        let tests = summary["tests"].as_object_mut().expect("a map");
        tests.values_mut().for_each(|test| drop(test["cpu_ms"].take()));
        (self.code, summary)
    }
}

/// `sweep` with these words and `--json`.
fn sweep(room: &Path, words: &[&[&str]]) -> Said {
    let output = sim(room, words).arg("--json").output().expect("the binary is there");
    Said::of(output)
}

/// Refused with one sentence.
fn refused(room: &Path, words: &[&[&str]], right: &str) {
    let said = sweep(room, words);
    assert_eq!(said.code, 3, "{words:?}: {}", said.err);
    let line = said.err.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: ") && line.contains(right), "{words:?}: {}", said.err);
}

/// The runs in a file of results, without what differs from time to time.
fn kept(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // What is torn at the end stays there if the sweep was complete: nobody writes after it.
    let whole = |line: &&str| line.starts_with("{\"test\"") && line.ends_with('}');
    let lines = text.lines().filter(whole);
    let run = |line: &str| -> Value {
        let mut run: Value = serde_json::from_str(line).expect("a run");
        run["cpu_ms"].take();
        run["folder"].take();
        run
    };
    lines.map(run).collect()
}

fn results(room: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(room.join("store")).expect("it is there");
    let paths = entries.map(|entry| entry.expect("it is there").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// Folders under `store`, drafts too.
fn folders(room: &Path) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    let tests = fs::read_dir(room.join("store")).expect("it is there");
    for test in tests.map(|entry| entry.expect("it is there").path()).filter(|path| path.is_dir()) {
        for run in fs::read_dir(&test).expect("it is there") {
            let run = run.expect("it is there").path();
            folders.insert(run.strip_prefix(room).expect("it is inside").display().to_string());
        }
    }
    folders
}

fn start(room: &Path, words: &[&[&str]]) -> Child {
    let mut command = sim(room, words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary is there")
}

/// Processes that this one started, by `/proc`.
fn children(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("Linux has it").flatten();
    let number = |name: std::ffi::OsString| name.to_str().and_then(|name| name.parse::<u32>().ok());
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default().to_owned();
        after_name.split(' ').nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    processes.filter_map(|entry| number(entry.file_name())).filter(is_child).collect()
}

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(status.expect("it is there").success(), "process {pid} runs");
}

/// A process that the sweep started, as soon as there is one with this word among its arguments.
fn worker_of(parent: &Child) -> u32 {
    let (found, worker) = mpsc::channel();
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                let is_worker = |pid: &u32| {
                    fs::read_to_string(format!("/proc/{pid}/cmdline"))
                        .is_ok_and(|words| words.contains("\0worker\0"))
                };
                if let Some(pid) = children(parent.id()).into_iter().find(is_worker) {
                    let _ = found.send(pid);
                    return;
                }
                std::thread::yield_now();
            }
        });
        let pid = worker.recv_timeout(PATIENCE);
        drop(stop);
        pid.expect("the sweep starts a process")
    })
}

/// Everything that it says until nobody has the pipe any more.
fn until_closed(mut pipe: impl Read + Send + 'static) -> Option<String> {
    let (send, text) = mpsc::channel();
    #[expect(clippy::disallowed_methods, reason = "a pipe that is never closed is not waited for")]
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.read_to_string(&mut text);
        send.send(text)
    });
    text.recv_timeout(PATIENCE).ok()
}

#[test]
fn a_sweep_that_was_killed_again_and_again_ends_as_one_that_was_not() {
    let (whole, killed) = (room("whole"), room("killed"));
    let words: &[&[&str]] = &[&FOUND, &["--seeds", "10"]];
    let one = sweep(&whole, &[words, &[&["--jobs", "1"]]].concat());
    let findings = one.summary["findings"].as_array().expect("a list").len();
    assert!((1..10).contains(&findings), "some are kept and others are not: {findings}");
    assert_eq!(one.code, 1);

    for lines in [1, 3, 2] {
        let resumed = [words, &[&["--resume", "--json", "--jobs", "2"]]].concat();
        let mut child = start(&killed, &resumed);
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        for _ in 0..lines {
            out.read_line(&mut line).expect("a line comes");
        }
        kill(child.id());
        child.wait().expect("it ended");
    }
    let mut torn = fs::OpenOptions::new().append(true).open(&results(&killed)[0]).expect("results");
    std::io::Write::write_all(&mut torn, b"{\"test\":\"redis-app").expect("they take more");
    drop(torn);
    let last = sweep(&killed, &[words, &[&["--resume"]]].concat());
    assert!(last.err.contains("runs are in store/sweep-"), "it went on: {}", last.err);
    assert_eq!(one.constant(), last.constant());
    assert_eq!(kept(&results(&whole)[0]), kept(&results(&killed)[0]));
    assert_eq!(results(&killed).len(), 1);
    assert_eq!(folders(&whole), folders(&killed), "none twice, none missing, no drafts");
    assert_eq!(folders(&killed).len(), findings);

    let again = sweep(&killed, &[words, &[&["--resume"]]].concat());
    assert_eq!((again.constant(), again.runs.len()), (one.constant(), 0), "complete already");
    let fresh = sweep(&killed, words);
    assert_eq!(fresh.constant(), one.constant());
    assert_eq!(results(&killed).len(), 2, "without --resume nothing is written over");
}

#[test]
fn a_finding_that_cannot_be_kept_ends_the_sweep_and_is_no_error_of_its_seed() {
    let (whole, full) = (room("roomy"), room("no_room"));
    let words: &[&[&str]] = &[&FOUND, &["--seeds", "10"]];
    let one = sweep(&whole, words);
    let name = results(&whole)[0].file_stem().expect("a name").display().to_string();
    // Not a full disk, but nothing can be kept either: a file is where the drafts belong.
    let obstacle = full.join("store").join(format!(".drafts-{name}"));
    fs::create_dir(full.join("store")).expect("the room is empty");
    fs::write(&obstacle, "").expect("it is ours");
    let said = sweep(&full, words);
    assert_eq!(said.code, 3, "{}", said.err);
    let line = said.err.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: the run of seed 0x"), "{}", said.err);
    assert!(line.contains("could not be kept") && line.contains("--resume"), "{}", said.err);
    fs::remove_file(&obstacle).expect("it is there");
    let first = kept(&results(&full)[0]);
    assert!(first.iter().all(|run| run["verdict"] == "valid"), "{first:?}");

    let last = sweep(&full, &[words, &[&["--resume"]]].concat());
    assert_eq!(last.constant(), one.constant());
    assert_eq!(kept(&results(&full)[0]), kept(&results(&whole)[0]));
    assert_eq!(folders(&full), folders(&whole));
}

#[test]
fn a_first_run_that_has_no_place_ends_the_sweep_with_a_sentence() {
    let room = room("no_place");
    fs::create_dir(room.join("store")).expect("the room is empty");
    fs::write(room.join("store/redis-append"), "").expect("it is ours");
    // What comes after the first second comes too late to act, so the first run is unknown.
    let idle = ["redis-append", "--faults", "kill", "--interval", "1-90", "--time", "3"];
    let words: &[&[&str]] = &[&idle, &["--nodes", "3", "--seeds", "1"]];
    refused(&room, words, "error: store/redis-append: ");
    fs::remove_file(room.join("store/redis-append")).expect("it is there");
    assert_eq!(sweep(&room, &[words, &[&["--resume"]]].concat()).code, 2);
    assert_eq!(kept(&results(&room)[0]).len(), 1);
}

#[test]
fn a_reader_that_goes_away_before_the_summary_changes_no_exit_code_of_a_whole_sweep() {
    let room = room("reader");
    let short = ["redis-append-calm", "--time", "1", "--nodes", "3", "--seeds", "2"];
    let mut child = start(&room, &[&short]);
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "all seeds were run and are valid");
    assert_eq!(kept(&results(&room)[0]).len(), 2);
}

#[test]
fn three_shards_merged_are_the_whole_sweep() {
    let room = room("shards");
    let words: &[&[&str]] = &[&FOUND, &["--seeds", "10"]];
    let whole = sweep(&room, &[words, &[&["--out", "whole"]]].concat());
    for index in ["0", "1", "2"] {
        let mut command = sim(&room, &[words, &[&["--shard", "auto", "--out", "store"]]].concat());
        command.env("SHARD_INDEX", index).env("SHARD_TOTAL", "3");
        let output = command.arg("--json").output().expect("the binary is there");
        assert!(output.status.code() != Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let merged = sweep(&room, &[&["merge", "store"]]);
    assert_eq!(merged.constant(), whole.constant());
    assert_eq!(merged.summary["results"].as_array().map(Vec::len), Some(3));
    let said = sim(&room, &[&["merge", "store"]]).output().expect("the binary is there");
    let table = String::from_utf8(said.stdout).expect("it is text");
    let digest = whole.summary["digest"].as_str().expect("a digest");
    assert!(table.contains(digest) && table.contains("10 runs"), "{table}");

    let [first, second, third] = &results(&room)[..] else { panic!("three files") };
    let [first, second, third] = [first, second, third].map(|path| path.to_str().expect("a name"));
    refused(&room, &[&["--seeds", "10", "merge", "store"]], "right after `sweep`");
    refused(&room, &[&["merge", first, third]], "shard 2/3 of redis-append are missing");
    refused(&room, &[&["merge", first, second, second, third]], "overlap: both are shard 2/3");
    refused(&room, &[&["merge", "store", "whole"]], "not of one sweep: the number of shards");
    let text = fs::read_to_string(second).expect("it is there");
    let cut = text.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(second, cut).expect("it is ours");
    refused(&room, &[&["merge", "store"]], "was cut short after 1 runs");
    let other = text.replacen("\"rate\":30", "\"rate\":40", 1);
    assert_ne!(other, text);
    fs::write(second, other).expect("it is ours");
    refused(&room, &[&["merge", "store"]], "--rate 40");
}

#[test]
fn the_smallest_finding_ends_shards_and_the_whole_at_the_same_seed() {
    let room = room("first_finding");
    let words: Vec<&str> = FOUND.into_iter().filter(|word| *word != "--all").collect();
    let words: &[&[&str]] = &[&words, &["--seeds", "30"]];
    let whole = sweep(&room, &[words, &[&["--out", "whole"]]].concat());
    assert_eq!(whole.code, 1);
    for shard in ["1/2", "2/2"] {
        sweep(&room, &[words, &[&["--shard", shard]]].concat());
    }
    assert_eq!(sweep(&room, &[&["merge", "store"]]).constant(), whole.constant());
}

#[test]
fn a_sweep_for_a_time_says_what_it_had_no_time_for_and_goes_on() {
    let room = room("for");
    let words: &[&[&str]] = &[&FOUND, &["--seeds", "4"]];
    let none = sweep(&room, &[words, &[&["--for", "1ms"]]].concat());
    let test = &none.summary["tests"]["redis-append"];
    let (runs, not_run) = (test["runs"].as_u64().unwrap(), test["not_run"].as_u64().unwrap());
    assert!(not_run > 0 && runs + not_run == 4, "{test}");
    assert_eq!(runs as usize, none.runs.len());
    let merged = sweep(&room, &[&["merge", "store"]]);
    assert_eq!(merged.constant(), none.constant(), "what was not run is told");
    let all = sweep(&room, &[words, &[&["--resume"]]].concat());
    assert_eq!(all.summary["tests"]["redis-append"]["runs"], 4);
    assert_eq!(all.summary["tests"]["redis-append"]["not_run"], 0);
    assert_eq!(results(&room).len(), 1);
}

#[test]
fn a_commit_hash_names_its_seeds() {
    let room = room("commit");
    let short = ["redis-append", "--time", "1", "--faults", "none", "--nodes", "1", "--seeds", "2"];
    let said = sweep(&room, &[&short, &["--start", "8d48dd8a00112233445566778899aabbccddeeff"]]);
    assert_eq!(said.runs[0]["seed"], "0x8d48dd8a00112233", "{}", said.err);
    let last = sweep(&room, &[&short, &["--start", &"f".repeat(40)]]);
    let seeds: Vec<&Value> = last.runs.iter().map(|run| &run["seed"]).collect();
    assert_eq!(seeds, ["0xfffffffffffffffe", "0xffffffffffffffff"], "moved so that they fit");
}

#[test]
fn nothing_is_left_of_a_sweep_that_was_killed() {
    let room = room("nothing_left");
    let mut child = start(&room, &[&ENDLESS, &["--seeds", "2", "--jobs", "2"]]);
    worker_of(&child);
    kill(child.id());
    child.wait().expect("it ended");
    // Its processes have the same standard error: it is closed when they are gone.
    let err = until_closed(child.stderr.take().expect("it is piped"));
    assert!(err.is_some(), "a process goes on without its parent");
}

#[test]
fn a_process_that_somebody_killed_costs_no_seed() {
    let room = room("somebody");
    let long = ["redis-append", "--time", "30", "--nodes", "3", "--faults", "none", "--json"];
    let child = start(&room, &[&long, &["--seeds", "1", "--jobs", "1"]]);
    kill(worker_of(&child));
    let said = Said::of(child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, &said.summary["verdict"]), (0, &"valid".into()), "{}", said.err);
    assert!(said.err.contains("ended: signal: 9 (SIGKILL)"), "and it is told: {}", said.err);
}

#[test]
fn a_process_that_says_something_else_is_replaced() {
    let room = room("something_else");
    let long = ["redis-append", "--time", "30", "--nodes", "3", "--faults", "none", "--json"];
    let mut child = start(&room, &[&long, &["--seeds", "1", "--jobs", "1"]]);
    let err = child.stderr.take().expect("it is piped");
    // Not even text.
    fs::write(format!("/proc/{}/fd/1", worker_of(&child)), b"\xffoops\n").expect("it is a pipe");
    let err = until_closed(err).expect("the sweep ends");
    let said = Said::of(child.wait_with_output().expect("it ends"));
    assert_eq!((said.code, &said.summary["verdict"]), (0, &"valid".into()), "{err}");
    assert!(err.contains("oops`, which is no record of the seed"), "and it is told: {err}");
}

#[test]
fn a_run_that_ends_its_process_twice_is_an_error_that_names_the_signal() {
    let room = room("twice");
    let words = sim(&room, &[&ENDLESS, &["--seeds", "1", "--jobs", "1"]]);
    // A process may use two seconds: the sweep itself needs less, a run that does not end more.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -c 0; ulimit -S -t 2; exec \"$0\" \"$@\""]);
    command.arg(words.get_program()).args(words.get_args()).current_dir(&room);
    let said = Said::of(command.output().expect("the shell is there"));
    assert_eq!(said.code, 3, "{}", said.err);
    let reason = said.runs[0]["reasons"][0].as_str().expect("a sentence");
    assert_eq!(said.runs[0]["verdict"], "error");
    assert!(reason.starts_with("2 processes ended while they ran it: signal: 24"), "{reason}");
}

#[test]
fn a_run_that_does_not_come_to_its_end_is_an_error() {
    let room = room("late");
    let said = sweep(&room, &[&ENDLESS[..5], &["--seeds", "2", "--wall-limit", "500ms"]]);
    assert_eq!(said.code, 3, "{}", said.err);
    for run in &said.runs {
        let reason = &run["reasons"][0];
        assert_eq!(reason, "the run did not come to its end within 0.5 s", "{run}");
    }
    assert_eq!(said.runs.len(), 2);
}
