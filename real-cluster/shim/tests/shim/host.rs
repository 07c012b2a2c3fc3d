//! A host whose clock is not the machine's: a control folder, the shim's words, a program under it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::ops::RangeInclusive;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use time_shim::status::Status;

/// How long anything may take that must happen.
const LIMIT: Duration = Duration::from_secs(30);
/// A look that took longer says too little.
const LOOK_WITHIN_NS: i64 = 20_000_000;

/// A host; its folder goes when the test passes.
pub struct Host {
    pub folder: PathBuf,
}

impl Host {
    pub fn new() -> Host {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let nth = TAKEN.fetch_add(1, Ordering::Relaxed);
        let name = format!("host-{}-{nth}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Host { folder }
    }

    pub fn control(&self) -> PathBuf {
        self.folder.join("clock")
    }

    /// The shim with a command and its control folder.
    pub fn shim(&self, command: &str) -> Command {
        let mut shim = shim();
        shim.args([command, "--control"]).arg(self.control());
        shim
    }

    pub fn set(&self, words: &[&str]) -> Status {
        told(self.shim("set").args(words).output().unwrap())
    }

    pub fn show(&self) -> Status {
        told(self.shim("show").output().unwrap())
    }

    /// Starts a program that answers lines.
    pub fn run(&self, program: &[impl AsRef<Path>]) -> Running {
        let mut shim = self.shim("run");
        shim.arg("--").args(program.iter().map(AsRef::as_ref)).current_dir(&self.folder);
        let mut child = shim.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Running { child, answers }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !thread::panicking() {
            fs::remove_dir_all(&self.folder).unwrap();
        }
    }
}

/// The shim without words.
pub fn shim() -> Command {
    let mut shim = Command::new(std::env::current_exe().unwrap());
    shim.arg0(time_shim::NAME);
    shim
}

fn told(output: Output) -> Status {
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.is_empty(), "{said}");
    let line = String::from_utf8(output.stdout).unwrap();
    let status: Status = line.parse().unwrap();
    assert_eq!(format!("{status}\n"), line);
    status
}

/// A supervisor with its program.
pub struct Running {
    pub child: Child,
    answers: BufReader<ChildStdout>,
}

impl Running {
    /// The next line of the program.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.answers.read_line(&mut line).unwrap() > 0, "the program has ended");
        line.trim_end().to_owned()
    }

    pub fn say(&mut self, line: &str) {
        writeln!(self.child.stdin.as_ref().unwrap(), "{line}").unwrap();
    }

    /// What the program's clocks say.
    pub fn look(&mut self) -> Look {
        self.look_after("look")
    }

    pub fn look_after(&mut self, word: &str) -> Look {
        let since = Instant::now();
        loop {
            let before = (true_ns(), Instant::now());
            self.say(word);
            let line = self.line();
            let after = (true_ns(), Instant::now());
            let values = line.split(' ').map(|word| {
                let (name, value) = word.split_once('=').unwrap();
                (name.to_owned(), value.parse().unwrap())
            });
            let look = Look { values: values.collect(), before, after };
            if after.0 - before.0 < LOOK_WITHIN_NS || word != "look" || since.elapsed() > LIMIT {
                return look;
            }
        }
    }

    /// The supervisor's exit code.
    pub fn code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the supervisor ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What the clocks of a program said between two instants.
pub struct Look {
    values: BTreeMap<String, i64>,
    before: (i64, Instant),
    after: (i64, Instant),
}

impl Look {
    pub fn names(&self) -> Vec<&str> {
        self.values.keys().map(String::as_str).collect()
    }

    pub fn value(&self, name: &str) -> i64 {
        self.values[name]
    }

    /// How far a clock was off, at least and at most.
    pub fn skew_ns(&self, name: &str) -> RangeInclusive<i64> {
        self.value(name) - self.after.0..=self.value(name) - self.before.0
    }

    /// Fails unless a clock that is coarse by so much was so far off.
    pub fn assert_skew(&self, name: &str, skew_ms: i64, grain_ms: i64) {
        let skew = self.skew_ns(name);
        let (expected, grain) = (skew_ms * 1_000_000, grain_ms * 1_000_000);
        let within = *skew.start() <= expected && expected <= *skew.end() + grain;
        assert!(within, "{name} is off by {skew:?} ns, not by {skew_ms} ms");
    }

    /// How much time had passed since an earlier look, at least and at most.
    pub fn since_ns(&self, earlier: &Look) -> RangeInclusive<i64> {
        let least = self.before.1 - earlier.after.1;
        let most = self.after.1 - earlier.before.1;
        least.as_nanos() as i64..=most.as_nanos() as i64
    }
}

pub fn true_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < LIMIT, "waited for so long: {what}");
        // Between two looks.
        thread::sleep(Duration::from_millis(2));
    }
}
