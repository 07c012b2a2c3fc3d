//! Programs that say what their clocks say: built here, once a process.

use std::fs;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The name under which this binary is the program in Rust.
pub const RUST: &str = "rust-reader";

/// A program by its making.
#[derive(Clone, Copy)]
pub enum Reader {
    StaticC,
    StaticGo,
    Rust,
}

impl Reader {
    pub const ALL: [Reader; 3] = [Reader::StaticC, Reader::StaticGo, Reader::Rust];

    pub fn name(self) -> &'static str {
        match self {
            Reader::StaticC => "static C",
            Reader::StaticGo => "static Go",
            Reader::Rust => "Rust",
        }
    }

    /// The program, or why there is none.
    pub fn built(self) -> Result<PathBuf, String> {
        static C: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        static GO: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        static SELF: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let (built, build): (_, fn() -> _) = match self {
            Reader::StaticC => (&C, c),
            Reader::StaticGo => (&GO, go),
            Reader::Rust => (&SELF, rust),
        };
        built.get_or_init(build).clone()
    }
}

fn c() -> Result<PathBuf, String> {
    let to = made("c-reader");
    let mut gcc = Command::new("gcc");
    gcc.args(["-static", "-O2", "-pthread", "-o"]).arg(&to).arg(source("reader.c"));
    done(gcc, "gcc").map(|()| to)
}

fn go() -> Result<PathBuf, String> {
    let to = made("go-reader");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&to).arg(source("reader.go"));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    go.env("CGO_ENABLED", "0").env("GOCACHE", cache).env("GOPROXY", "off").env("GOFLAGS", "");
    done(go, "go").map(|()| to)
}

fn rust() -> Result<PathBuf, String> {
    let to = made(RUST);
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    std::os::unix::fs::symlink(this, &to).map_err(|error| error.to_string())?;
    Ok(to)
}

/// A file of this process' own.
fn made(name: &str) -> PathBuf {
    fs::create_dir_all(folder()).unwrap();
    folder().join(name)
}

fn folder() -> PathBuf {
    let name = format!("programs-{}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Removes what was built.
pub fn remove() {
    // Nothing was, if no test wanted it.
    let _ = fs::remove_dir_all(folder());
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(name)
}

/// A missing tool is a reason to skip; a tool that fails is a failure.
fn done(mut command: Command, name: &str) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{name} cannot be run: {error}"))?;
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The program in Rust.
pub fn main() -> ExitCode {
    let begun = Instant::now();
    for line in stdin().lines().map_while(Result::ok) {
        if let Some(code) = line.strip_prefix("exit ") {
            return ExitCode::from(code.parse::<u8>().unwrap_or(1));
        }
        let thread = thread::spawn(wall_ns).join().unwrap_or(-1);
        println!("wall={} thread={thread} mono={}", wall_ns(), begun.elapsed().as_nanos());
    }
    ExitCode::SUCCESS
}

fn wall_ns() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(-1, |now| now.as_nanos() as i64)
}
