//! The command line on real processes, driven as a person or a script drives it.

use harness::fault::FaultKind;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use real_cluster::local::faults::supports;
use real_cluster::ssh::supported::possible;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "process/plans.rs"]
mod plans;

/// A short run without faults.
const CALM: [&str; 6] = ["run", "redis-append-calm", "--local", "3", "--time", "3s"];
/// A run that somebody must end.
const LONG: [&str; 7] =
    ["run", "redis-append", "--local", "3", "--time", "300", "--faults=pause,kill"];

/// An empty directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-cli").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

fn tool(room: &Path, words: &[&str]) -> Command {
    tool_at(Path::new(env!("CARGO_BIN_EXE_real-cluster")), room, words)
}

fn tool_at(program: &Path, room: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(words).current_dir(room).stdin(Stdio::null());
    command
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("it is text"),
            err: String::from_utf8(output.stderr).expect("it is text"),
        }
    }

    /// Standard output, one JSON object.
    fn object(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

fn say(room: &Path, words: &[&str]) -> Said {
    Said::of(tool(room, words).output().expect("the binary is there"))
}

/// Processes that have this folder in their command line, and what it is.
fn processes(folder: &Path) -> Vec<(i32, String)> {
    // The slash: one room's name may begin another's.
    let mine = format!("{}/", folder.display());
    let entries = fs::read_dir("/proc").expect("this is Linux").flatten();
    let process = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        Some((pid, String::from_utf8_lossy(&line).replace('\0', " ")))
    };
    entries.filter_map(process).filter(|(_, words)| words.contains(&mine)).collect()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < limit, "{what} did not come true within 20 s");
        // Between two looks at the condition.
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_wrong_word_is_refused_with_one_sentence_and_nothing_is_made() {
    let room = room("wrong_words");
    let run = |words: &[&'static str]| [&["run", "redis-append"], words].concat();
    let all: &[(Vec<&str>, &str, &str)] = &[
        (vec![], "a command is missing", "run"),
        (vec!["sweep"], "`sweep`", "list, run, check, doctor, heal or testbed"),
        (run(&[]), "--local", "--testbed"),
        (run(&["--local", "0"]), "`0`", "--local"),
        (run(&["--local", "many"]), "`many`", "--local"),
        (run(&["--local", "65"]), "`65`", "--local"),
        (run(&["--local", "3", "--nodes", "4"]), "--nodes FILE", "two places"),
        (run(&["--nodes", "no/such/file"]), "no/such/file", "nodes file"),
        (run(&["--testbed", "no-such"]), "`no-such`", "testbed up"),
        (run(&["--local", "3", "--db", "redis-server"]), "--db", "--local starts"),
        (run(&["--local", "3", "--faults", "power"]), "`power`", "page cache"),
        (run(&["--local", "3", "--faults", "kill,jump"]), "`jump`", "partition, kill, pause"),
        (run(&["--local", "3", "--faults", "fire"]), "`fire`", "partition, kill"),
        (run(&["--local", "3", "--faults", "standard,power"]), "`power`", "page cache"),
        (run(&["--local", "3", "--faults", "none,kill"]), "`none`", "stands alone"),
        (run(&["--local", "3", "--faults", "kill,kill"]), "`kill`", "twice"),
        (run(&["--local", "1", "--faults", "kill,partition"]), "`partition`", "two nodes"),
        (run(&["--local", "3", "--faults", "split"]), "`split`", "--groups 2"),
        (run(&["--local", "3", "--faults", "kill", "--time", "4"]), "no fault can act", "--time 5"),
        (run(&["--local", "3", "--buggify", "10"]), "--buggify", "simulations"),
        (run(&["--local", "3", "--disk-bound", "none"]), "--disk-bound", "no disk can be lost"),
        (
            run(&["--local", "3", "--disk-bound", "none", "--faults", "stale-disk"]),
            "--disk-bound",
            "simulations",
        ),
        (run(&["--local", "3", "--time", "soon"]), "`soon`", "60s"),
        (run(&["--local", "3", "--bug", "moth"]), "`moth`", "exec_on_follower"),
        (run(&["--local", "3", "--seed", "pi"]), "`pi`", "hex"),
        (vec!["run", "no-such-test", "--local", "3"], "`no-such-test`", "redis-append"),
        (vec!["check", "nowhere"], "`nowhere`", "params.json"),
    ];
    for (words, value, right) in all {
        let said = say(&room, words);
        assert_eq!(said.code, Some(3), "{words:?}: {}{}", said.out, said.err);
        assert_eq!(said.out, "", "{words:?}");
        let lines: Vec<&str> = said.err.lines().collect();
        let [line] = lines[..] else { panic!("{words:?}: not one line: {}", said.err) };
        assert!(line.starts_with("error: ") && !line.ends_with('.'), "{line}");
        assert!(line.contains(value) && line.contains(right), "{words:?}: {line}");
    }
    assert!(fs::read_dir(&room).expect("it is there").next().is_none(), "nothing was made");
}

#[test]
fn help_of_a_run_offers_only_what_can_be_done() {
    let said = say(&room("help"), &["run", "--help"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(
        said.out.contains("--local <N>") && said.out.contains("--nodes <FILE>"),
        "{}",
        said.out
    );
    let faults = said.out.lines().skip_while(|line| !line.contains("--faults <KINDS>"));
    let faults: String = faults.take(2).collect();
    let (local, on_hosts) = faults.split_once("on hosts").expect("both places are told");
    for kind in FaultKind::ALL {
        let named = |told: &str| told.split([',', ';', ' ']).any(|word| word == kind.name());
        let here = supports(kind).is_ok();
        assert_eq!(named(local), here, "{kind}: {faults}");
        let more = !here && possible(kind).is_ok();
        assert_eq!(named(on_hosts), more, "{kind}: {faults}");
    }
}

#[test]
fn list_says_what_can_be_broken_and_why_not_the_rest() {
    let said = say(&room("list"), &["list", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let objects: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let fault = |name: &str| {
        let object = objects.iter().find(|object| object["fault"] == name);
        object.unwrap_or_else(|| panic!("{name} is not listed"))
    };
    assert_eq!(fault("partition")["local"], true);
    assert_eq!(fault("power")["local"], false);
    assert!(fault("power")["why_not"].as_str().is_some_and(|why| why.contains("page cache")));
    assert!(objects.iter().any(|object| object["test"] == "redis-append"));
    assert!(objects.iter().any(|object| object["bug"] == "exec_on_follower"));
}

#[test]
fn a_calm_run_is_valid_and_leaves_its_folder_and_no_process() {
    let room = room("calm");
    let said = say(&room, &CALM);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(said.out.starts_with("redis-append-calm  valid   seed 0x1"), "{}", said.out);
    assert!(said.out.contains(" s real   ") && said.out.contains("  rate "), "{}", said.out);
    assert!(said.out.contains("fixes what is asked and broken, not what happens"), "{}", said.out);
    let folder = room.join("store/redis-append-calm/0x1");
    for file in ["history.jsonl", "history.bin", "params.json", "verdict.json", "report.txt"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    assert!(!folder.join("history.log").exists(), "the log is only there while a run goes on");
    for node in ["n1", "n2", "n3"] {
        let node = folder.join(node);
        let log = fs::read_to_string(node.join("log.txt")).expect("every node logs");
        assert!(log.contains("boot 1"), "{log}");
        let metrics = fs::read_to_string(node.join("metrics.om")).expect("every node has some");
        assert!(metrics.ends_with("# EOF\n") && metrics.contains("elastickv_raft_term"));
        assert!(!node.join("data").exists(), "data of a valid run is of no more use");
    }
    assert_eq!(processes(&room), []);
    let checked = say(&room, &["check", "store/redis-append-calm/0x1"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert_eq!(checked.out.lines().next(), said.out.lines().next());
}

#[test]
fn faults_act_and_their_windows_are_counted() {
    let room = room("faults");
    let words = ["run", "redis-append", "--local", "3", "--time", "12s", "--interval", "0.5-1.5"];
    let words = [&words[..], &["--faults", "kill,pause,partition", "--json", "--keep-data"]];
    let said = say(&room, &words.concat());
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let run = said.object();
    assert_eq!((&run["world"], &run["verdict"]), (&"real".into(), &"valid".into()), "{run}");
    assert!(run.get("trace_hash").is_none(), "nothing hashes what is real");
    let faults = run["faults"].as_object().expect("some were injected");
    for (kind, struck) in faults {
        assert!(struck["effective"].as_u64() > Some(0), "{kind}: {struck}");
        assert!(run["windows"]["broken"][kind]["ops"]["ok"].is_u64(), "{}", run["windows"]);
    }
    assert!(run["windows"]["all"].as_array().is_some_and(|all| all.len() >= faults.len()));
    assert!(run["rate"]["reached"].as_f64() > Some(1.0), "{}", run["rate"]);
    assert!(room.join("store/redis-append/0x1/n1/data").is_dir(), "data was to be kept");
    assert_eq!(processes(&room), []);
}

#[test]
fn nodes_restart_as_what_they_were_when_another_build_takes_the_tools_place() {
    let room = room("rebuilt");
    let copy = room.join("tool");
    fs::copy(env!("CARGO_BIN_EXE_real-cluster"), &copy).expect("it is there");
    let words = ["run", "redis-append", "--local", "3", "--time", "6s", "--faults", "kill"];
    let mut running =
        Running::of(tool_at(&copy, &room, &[&words[..], &["--interval", "0.5-1"]].concat()));
    fs::remove_file(&copy).expect("it is ours");
    fs::write(&copy, "no program").expect("it is ours");
    running.read_until("tear down");
    let said = running.end();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let logs = ["n1", "n2", "n3"].map(|node| {
        fs::read_to_string(room.join("store/redis-append/0x1").join(node).join("log.txt"))
    });
    let again =
        |log: &std::io::Result<String>| log.as_ref().is_ok_and(|log| log.contains("boot 2"));
    assert!(logs.iter().any(again), "{logs:?}");
}

/// A run that is under way. It ends with the test.
struct Running {
    child: Option<Child>,
    err: BufReader<ChildStderr>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Err: it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Running {
    fn start(room: &Path, words: &[&str]) -> Running {
        Running::of(tool(room, words))
    }

    fn of(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary is there");
        let err = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut running = Running { child: Some(child), err };
        running.read_until("disturb: ");
        running
    }

    fn read_until(&mut self, words: &str) {
        let mut all = String::new();
        while !all.contains(words) {
            let count = self.err.read_line(&mut all).expect("it is text");
            assert!(count > 0, "it ended before it said `{words}`: {all}");
        }
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().map(Child::id).expect("it has not ended");
        let pid = i32::try_from(id).expect("Linux counts so");
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Ctrl-C again and again: what comes within the time in which two signals are one does not count.
    fn interrupt_until_it_ends(mut self) -> Said {
        until("the end", || {
            let child = self.child.as_mut().expect("it has not been waited for");
            let ended = child.try_wait().expect("it is ours").is_some();
            if !ended {
                self.signal(Signal::SIGINT);
            }
            ended
        });
        self.end()
    }

    fn end(mut self) -> Said {
        let mut err = String::new();
        self.err.read_to_string(&mut err).expect("it is text");
        let child = self.child.take().expect("it is waited for once");
        let output = child.wait_with_output().expect("it ends");
        Said { err, ..Said::of(output) }
    }
}

#[test]
fn ctrl_c_ends_with_a_verdict_on_what_ran_and_no_process() {
    let room = room("ctrl_c");
    let running = Running::start(&room, &LONG);
    let log = room.join("store/redis-append/0x1/history.log");
    until("enough is kept", || fs::metadata(&log).is_ok_and(|log| log.len() > 40_000));
    running.signal(Signal::SIGINT);
    let said = running.end();
    assert!(said.err.contains("stopping: what is broken is mended"), "{}", said.err);
    assert!(said.out.contains("  stopped:     at "), "{}{}", said.out, said.err);
    // Whether a fault was due by then is not ours to say; if none was, the report says so.
    let nothing_broke =
        said.out.contains("faults were asked for (kill, pause) and none was injected")
            || said.out.contains("faults were asked for (pause, kill) and none was injected");
    let right = if nothing_broke { 2 } else { 0 };
    assert_eq!(said.code, Some(right), "{}{}", said.out, said.err);
    assert!(room.join("store/redis-append/0x1/verdict.json").is_file());
    assert_eq!(processes(&room), []);
}

#[test]
fn a_second_ctrl_c_ends_at_once_and_judges_what_is_known() {
    let room = room("ctrl_c_twice");
    let mut running = Running::start(&room, &LONG);
    // Without this node the cluster is not whole, so the first Ctrl-C has something to wait for.
    let stopped = processes(&room).into_iter().find(|(_, words)| words.contains("--id=2 "));
    let (pid, _) = stopped.expect("the tool has started it");
    kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it runs");
    running.signal(Signal::SIGINT);
    running.read_until("stopping: ");
    let said = running.interrupt_until_it_ends();
    assert_eq!(said.code, Some(2), "{}{}", said.out, said.err);
    assert!(said.out.contains("the run is known only up to"), "{}", said.out);
    assert_eq!(processes(&room), []);
}

#[test]
fn a_run_under_nohup_does_not_hear_a_hang_up() {
    let room = room("nohup");
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_real-cluster")).args(CALM);
    command.current_dir(&room).stdin(Stdio::null());
    let running = Running::of(command);
    running.signal(Signal::SIGHUP);
    let said = running.end();
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    assert!(!said.err.contains("stopping: ") && !said.out.contains("stopped: "), "{}", said.err);
}

#[test]
fn a_verdict_that_cannot_be_kept_is_told_and_removes_nothing() {
    let room = room("unkept");
    let running = Running::start(&room, &CALM);
    let folder = room.join("store/redis-append-calm/0x1");
    fs::create_dir(folder.join("history.jsonl")).expect("the file comes later");
    let said = running.end();
    assert_eq!(said.code, Some(3), "{}{}", said.out, said.err);
    assert!(said.out.starts_with("redis-append-calm  valid   "), "{}", said.out);
    assert!(
        said.err.contains("error: store/redis-append-calm/0x1/history.jsonl: "),
        "{}",
        said.err
    );
    assert!(folder.join("n1/data").is_dir() && folder.join("history.log").is_file());
    assert_eq!(say(&room, &["check", "store/redis-append-calm/0x1"]).code, Some(0));
}

#[test]
fn what_a_node_did_wrong_is_told_also_of_a_run_that_is_cut_short() {
    let room = room("cut_short");
    let mut running = Running::start(&room, &["run", "redis-append-calm", "--local", "3"]);
    let ended = processes(&room).into_iter().find(|(_, words)| words.contains("--id=2 "));
    let (pid, _) = ended.expect("the tool has started it");
    kill(Pid::from_raw(pid), Signal::SIGABRT).expect("it runs");
    until("it is gone", || !processes(&room).iter().any(|(id, _)| *id == pid));
    running.signal(Signal::SIGINT);
    running.read_until("stopping: ");
    let said = running.interrupt_until_it_ends();
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    assert!(said.out.contains("node-exit: n2 ended by itself: signal: 6"), "{}", said.out);
    let checked = say(&room, &["check", "store/redis-append-calm/0x1"]);
    assert_eq!((checked.code, checked.out.contains("node-exit: n2")), (Some(1), true));
    assert_eq!(processes(&room), []);
}

#[test]
fn killing_the_tool_kills_its_nodes_and_check_judges_what_was_kept() {
    let room = room("killed_tool");
    let running = Running::start(&room, &LONG);
    let folder = room.join("store/redis-append/0x1");
    let log = folder.join("history.log");
    until("enough is kept", || fs::metadata(&log).is_ok_and(|log| log.len() > 40_000));
    running.signal(Signal::SIGKILL);
    let said = running.end();
    assert_eq!(said.code, None, "a signal ended it");
    until("no node is left", || processes(&room).is_empty());
    let checked = say(&room, &["check", "store/redis-append/0x1", "--json"]);
    assert_eq!(checked.code, Some(2), "{}{}", checked.out, checked.err);
    let run = checked.object();
    assert!(run["ops"]["ok"].as_u64() > Some(50), "{run}");
    let reasons = run["reasons"].to_string();
    assert!(reasons.contains("the run is known only up to"), "{reasons}");
    assert!(log.is_file() && !folder.join("verdict.json").exists(), "check writes nothing");
}

#[test]
fn planted_bugs_are_seen_by_clients_within_ten_runs() {
    let room = room("planted");
    for bug in ["start_ts_from_hlc_next", "lrange_local_on_follower"] {
        let found = (1..=10).find_map(|seed: u64| {
            let seed = format!("{seed:#x}");
            let words = ["run", "redis-append", "--local", "3", "--time", "8s", "--rate", "300"];
            let breaks = ["--faults", "partition", "--interval", "0.5-1.5"];
            let named = ["--seed", &seed, "--bug", bug, "--out", bug];
            let said = say(&room, &[&words[..], &breaks, &named].concat());
            // Where everybody reads locally clients may begin before there is a leader.
            assert!(matches!(said.code, Some(0..=2)), "{bug}: {}{}", said.out, said.err);
            (said.code == Some(1)).then_some((seed, said))
        });
        let (seed, said) = found.unwrap_or_else(|| panic!("{bug} was not found in ten runs"));
        assert!(said.out.contains("[list-append]"), "{bug}: {}", said.out);
        let again = format!("--seed {seed} --local 3 --bug {bug} --rate 300 --time 8");
        assert!(said.out.contains(&again), "{bug}: {}", said.out);
        let data = room.join(bug).join(format!("redis-append/{seed}/n1/data"));
        assert!(data.is_dir(), "evidence is kept");
    }
    assert_eq!(processes(&room), []);
}
