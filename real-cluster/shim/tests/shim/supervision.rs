//! A program and its supervisor: what goes through, what ends with what, and what is refused.

use crate::host::{Host, Running, shim, wait_until};
use crate::programs::Reader;
use nix::sys::signal::Signal;
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::process::Command;

type Story = fn() -> Result<(), String>;

pub const STORIES: &[(&str, Story)] = &[
    ("exit_codes_and_signals_pass_through", exit_codes_and_signals_pass_through),
    ("what_is_forwarded_can_be_caught", what_is_forwarded_can_be_caught),
    ("a_program_dies_with_its_supervisor", a_program_dies_with_its_supervisor),
    ("children_that_stay_keep_their_clock", children_that_stay_keep_their_clock),
    ("input_is_handed_through_and_pipes_break", input_is_handed_through_and_pipes_break),
    ("one_program_at_a_time_has_a_clock", one_program_at_a_time_has_a_clock),
    ("the_control_folder_is_its_owners", the_control_folder_is_its_owners),
    ("a_folder_may_have_a_long_path", a_folder_may_have_a_long_path),
    ("wrong_words_are_answered_in_a_sentence", wrong_words_are_answered_in_a_sentence),
    ("what_cannot_be_run_is_told", what_cannot_be_run_is_told),
];

fn sh(host: &Host, script: &str) -> Running {
    host.run(&["sh", "-c", script])
}

fn exit_codes_and_signals_pass_through() -> Result<(), String> {
    let host = Host::new();
    assert_eq!(sh(&host, "exit 0").code(), Some(0));
    assert_eq!(sh(&host, "exit 7").code(), Some(7));
    assert_eq!(sh(&host, "kill -KILL $$").code(), Some(128 + 9));
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // Who starts tests in the background may have them ignore signals, and programs inherit that.
        let heeds = "exec env --default-signal=HUP,INT,TERM sh -c 'echo up; exec sleep 100'";
        let mut running = sh(&host, heeds);
        running.line();
        running.signal(signal);
        assert_eq!(running.code(), Some(128 + signal as i32), "{signal}");
    }
    Ok(())
}

fn what_is_forwarded_can_be_caught() -> Result<(), String> {
    let host = Host::new();
    let mut running = sh(&host, "trap 'exit 5' TERM; echo up; while :; do sleep 0.02; done");
    running.line();
    running.signal(Signal::SIGTERM);
    assert_eq!(running.code(), Some(5));
    Ok(())
}

fn a_program_dies_with_its_supervisor() -> Result<(), String> {
    let host = Host::new();
    let mut running = sh(&host, "echo $$; exec sleep 100");
    let program = running.line();
    assert!(is_alive(&program));
    running.signal(Signal::SIGKILL);
    assert_eq!(running.code(), None);
    wait_until("the program is gone", || !is_alive(&program));
    Ok(())
}

fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

fn children_that_stay_keep_their_clock() -> Result<(), String> {
    let reader = Reader::StaticC.built()?;
    let host = Host::new();
    host.set(&["--offset-ms", "60000"]);
    let mut running = host.run(&[reader]);
    running.look_after("leave").assert_skew("wall", 60_000, 0);
    running.look().assert_skew("wall", 60_000, 0);
    assert_eq!(running.child.try_wait().unwrap(), None, "it answers as long as anyone asks");
    running.say("exit 3");
    assert_eq!(running.code(), Some(9), "the program's code, not its child's");
    Ok(())
}

fn input_is_handed_through_and_pipes_break() -> Result<(), String> {
    let host = Host::new();
    let script = "read word; echo $word; grep -E 'SigBlk|SigIgn' /proc/self/status";
    let mut running = sh(&host, script);
    running.say("word");
    assert_eq!(running.line(), "word");
    // Rust ignores SIGPIPE, and the supervisor blocks what it hands on; what it runs must not.
    let ours = [Signal::SIGPIPE, Signal::SIGTERM, Signal::SIGCHLD];
    for _ in ["blocked", "ignored"] {
        assert!(!holds(&running.line(), &ours));
    }
    Ok(())
}

/// Whether a line of a process' status has one of the signals in its mask.
fn holds(line: &str, signals: &[Signal]) -> bool {
    let mask = line.split_whitespace().last().unwrap();
    let mask = u64::from_str_radix(mask, 16).unwrap();
    signals.iter().any(|signal| mask >> (*signal as i32 - 1) & 1 == 1)
}

fn one_program_at_a_time_has_a_clock() -> Result<(), String> {
    let host = Host::new();
    let mut running = sh(&host, "echo up; exec sleep 100");
    running.line();
    let said = refused(host.shim("run").args(["--", "true"]));
    let folder = host.control().display().to_string();
    assert_eq!(said, format!("error: a program runs already under the clock in {folder}\n"));
    Ok(())
}

fn the_control_folder_is_its_owners() -> Result<(), String> {
    let host = Host::new();
    let mut running = sh(&host, "echo up; exec sleep 100");
    running.line();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&host.control()), 0o700);
    assert_eq!(mode(&host.control().join("socket")), 0o600);
    assert_eq!(mode(&host.control().join("setting.json")), 0o600);

    let open = Host::new();
    fs::DirBuilder::new().mode(0o755).create(open.control()).unwrap();
    let said = refused(open.shim("set").arg("--reset"));
    let folder = open.control().display().to_string();
    assert_eq!(said, format!("error: control folder {folder} has mode 755: it must be 700\n"));
    Ok(())
}

fn a_folder_may_have_a_long_path() -> Result<(), String> {
    let host = Host::new();
    let folder = host.folder.join("a".repeat(120));
    let with = |command: &str, words: &[&str]| {
        let mut shim = shim();
        shim.args([command, "--control"]).arg(&folder).args(words);
        shim
    };
    let mut program = with("run", &["--", "sleep", "100"]).spawn().unwrap();
    wait_until("it runs", || {
        let shown = with("show", &[]).output().unwrap();
        String::from_utf8(shown.stdout).unwrap().ends_with("running=yes\n")
    });
    program.kill().unwrap();
    program.wait().unwrap();
    Ok(())
}

fn wrong_words_are_answered_in_a_sentence() -> Result<(), String> {
    let host = Host::new();
    let cases: [(&[&str], &str); 7] = [
        (
            &["--offset-ms", "5s"],
            "`5s` is not a whole number from -315576000000 to 315576000000 ms",
        ),
        (&["--drift-ppm", "-500001"], "is not a whole number from -500000 to 500000 ppm"),
        (&["--strobe-ms", "5,0"], "`0` is not a whole number from 1 to 3600000 ms"),
        (&["--strobe-ms", "5"], "not DELTA,PERIOD, such as 200,50"),
        (&["--jump-ms", "1", "--reset"], "cannot be used with"),
        (&["--jmp-ms", "1"], "unexpected argument '--jmp-ms'"),
        (&[], "the following required arguments were not provided"),
    ];
    for (words, right) in cases {
        let said = refused(host.shim("set").args(words));
        assert!(said.contains(right), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert!(!host.control().exists(), "nothing was done");
    host.set(&["--offset-ms", "315576000000"]);
    let said = refused(host.shim("set").args(["--jump-ms", "1"]));
    assert!(said.starts_with("error: the clock would be 315576000001 ms off: at most"), "{said}");
    refused(&mut shim());
    Ok(())
}

fn what_cannot_be_run_is_told() -> Result<(), String> {
    let host = Host::new();
    let run = |program: &Path| refused(host.shim("run").arg("--").arg(program));
    let said = run(Path::new("no-such-program"));
    assert_eq!(said, "error: cannot run no-such-program: it is not in PATH\n");
    let said = run(&host.folder);
    let folder = host.folder.display();
    assert_eq!(said, format!("error: cannot run {folder}: EACCES: Permission denied\n"));
    let said = refused(shim().args(["show", "--control"]).arg(host.folder.join("none")));
    assert!(said.contains("there is no control folder"), "{said}");
    Ok(())
}

/// What is said on standard error by a command that fails with exit code 3 and says nothing else.
fn refused(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(output.stdout.is_empty() && said.starts_with("error: "), "{said}");
    said
}
