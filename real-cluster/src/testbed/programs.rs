//! The machine's programs, run with lists of words: no text of ours is ever read by a shell.

use anyhow::{Context, Result, bail};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where they are looked for, whoever runs us: a host must not depend on who made it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where a program is.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    PATH.split(':').map(|folder| Path::new(folder).join(program)).find(|path| path.is_file())
}

/// A program with an environment of its own and nothing to read.
pub(super) fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null());
    command
}

/// A program in the network namespace that is bound to a file.
pub(super) fn command_in(namespace: &Path, program: &str) -> Command {
    let mut command = command("nsenter");
    command.arg(with_path("--net=", namespace)).args(["--", program]);
    command
}

/// An option and its path in one word.
pub(super) fn with_path(option: &str, path: &Path) -> std::ffi::OsString {
    let mut word = std::ffi::OsString::from(option);
    word.push(path);
    word
}

/// Runs it to its end: what it wrote, or the last line it complained with.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let output = command.output();
    succeeded(command, output.with_context(|| format!("cannot start {}", words(command)))?)
}

/// As [`run`], with something to read.
pub(super) fn feed(command: &mut Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {}", words(command)))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read all says why by itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output();
    succeeded(command, output.with_context(|| format!("cannot wait for {}", words(command)))?)
}

fn succeeded(command: &Command, output: Output) -> Result<String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        bail!("`{}` failed, {}: {last}", words(command), output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn words(command: &Command) -> String {
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    all.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
