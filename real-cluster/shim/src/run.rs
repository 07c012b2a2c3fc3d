//! The supervisor: starts the program, answers its time calls on a thread, and waits for everything else on the main one.
//!
//! It stays until the program and all that it left running have ended: their time calls need an answer. Once the program
//! has ended there is nobody to hand a signal on to, and the first one ends the supervisor.

use crate::FAILED;
use crate::clock::Clock;
use crate::control::Folder;
use crate::sys::child::{Program, Waiting};
use crate::sys::notify::Listener;
use crate::sys::signals::Signals;
use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{AccessFlags, Pid, access};
use std::ffi::{CString, OsString};
use std::fs;
use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Arc;
use std::thread;

/// The first Linux that says when nobody is left to answer.
const LINUX_MIN: (u32, u32) = (5, 9);

/// Runs a program (its words, its name first) under the clock of a folder; its exit code.
pub fn run(folder: &Path, words: &[OsString]) -> Result<u8> {
    check_kernel()?;
    let folder = Folder::open(folder)?;
    let _reign = folder.reign()?;
    let signals = Signals::catch()?;
    let name = words.first().context("a program is missing")?;
    let path = found(name)?;
    let program = Program {
        path: CString::new(path.as_os_str().as_bytes())?,
        words: words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?,
        mask: signals.before(),
    };
    // Before any thread: the child dies with the thread that forked it, and the main one lives longest.
    let waiting = Waiting::fork(&program)?;
    let (requests, clock) = {
        let _held = folder.hold()?;
        // Kept again, so that monotonic time in it is this boot's.
        let setting = folder.load()?;
        folder.save(setting)?;
        (folder.listen()?, Arc::new(Clock::new(setting)))
    };
    let (pid, listener) =
        waiting.exec().with_context(|| format!("cannot run {}", path.display()))?;
    listener.keep_in_step();
    let listener = Arc::new(listener);
    let (served, asked) = (Arc::clone(&clock), Arc::clone(&listener));
    thread::Builder::new().spawn(move || answer(&served, &asked))?;
    Supervisor { folder, clock, requests, signals, pid }.watch(listener.as_fd())
}

/// Does all that is done to a program, but for running one.
pub fn rehearse() -> Result<()> {
    check_kernel()?;
    let mask = SigSet::thread_get_mask()?;
    Waiting::fork(&Program { path: CString::default(), words: Vec::new(), mask }).map(drop)
}

/// Answers time calls. If that cannot go on, the supervisor ends and its program with it, rather than wait for ever.
fn answer(clock: &Clock, listener: &Listener) {
    match catch_unwind(AssertUnwindSafe(|| clock.serve(listener))) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => {
            let _ = writeln!(stderr().lock(), "error: cannot answer time calls: {error}");
        }
        // The panic's own message is on standard error already.
        Err(_) => {}
    }
    exit(FAILED.into());
}

struct Supervisor {
    folder: Folder,
    clock: Arc<Clock>,
    requests: UnixListener,
    signals: Signals,
    pid: Pid,
}

impl Supervisor {
    fn watch(self, calls: impl AsFd) -> Result<u8> {
        let (mut ended, mut deserted) = (None, false);
        loop {
            if let (Some(code), true) = (ended, deserted) {
                return Ok(code);
            }
            let mut awaited = vec![
                PollFd::new(self.signals.queue().as_fd(), PollFlags::POLLIN),
                PollFd::new(self.requests.as_fd(), PollFlags::POLLIN),
            ];
            if !deserted {
                // For its hang-up alone: its calls are the other thread's.
                awaited.push(PollFd::new(calls.as_fd(), PollFlags::empty()));
            }
            match poll(&mut awaited, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                polled => polled?,
            };
            deserted |= awaited.get(2).and_then(PollFd::any) == Some(true);
            while let Some(signal) = self.signals.next()? {
                match ended {
                    Some(code) => return Ok(code),
                    // Not reaped before, so that the number is still its own. One that it may not have, it does not get.
                    None => drop(kill(self.pid, signal)),
                }
            }
            if ended.is_none() {
                ended = exit_code(waitpid(self.pid, Some(WaitPidFlag::WNOHANG))?);
            }
            self.tell();
        }
    }

    /// Takes the setting up for everyone who has connected, and tells them what it is.
    fn tell(&self) {
        while let Ok((mut client, _)) = self.requests.accept() {
            let line = match self.clock.take_up(&self.folder) {
                Ok(status) => format!("{status}\n"),
                Err(error) => format!("error: {error:#}\n"),
            };
            // A client that has gone away knows nothing, and the setting is in force all the same.
            let _ = client.write_all(line.as_bytes());
        }
    }
}

/// As shells have it.
fn exit_code(status: WaitStatus) -> Option<u8> {
    match status {
        WaitStatus::Exited(_, code) => Some(code as u8),
        WaitStatus::Signaled(_, signal, _) => Some(128 + signal as u8),
        _ => None,
    }
}

/// The file of a program, which is looked for as shells do.
fn found(name: &OsString) -> Result<PathBuf> {
    if name.as_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&folders).map(|folder| folder.join(name));
    files
        .find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok())
        .with_context(|| format!("cannot run {}: it is not in PATH", name.display()))
}

fn check_kernel() -> Result<()> {
    let path = "/proc/sys/kernel/osrelease";
    let release = fs::read_to_string(path).context(path)?;
    let release = release.trim();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next(), numbers.next());
    if let (Some(Ok(major)), Some(Ok(minor))) = version {
        let (least_major, least_minor) = LINUX_MIN;
        ensure!(
            (major, minor) >= LINUX_MIN,
            "Linux {release} is too old: {least_major}.{least_minor} or newer"
        );
    }
    Ok(())
}
