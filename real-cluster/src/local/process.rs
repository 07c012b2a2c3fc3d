//! One process of a node, from its start until it was reaped, and the signals on the way.
//!
//! It gets a process group of its own, so that Ctrl-C in a terminal reaches the tool and not the nodes; and it is told to die
//! with the tool, so that it must be started on a thread that lives as long as the tool: the main one.
//!
//! Promises: a signal is never sent to a process that was reaped, whose number may be another's by now; when a value is
//! dropped its process is killed and gone.

use crate::node::NAME;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File, OpenOptions};
use std::future::{Future, poll_fn};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// How long a process may take to be stopped.
const STOPS_WITHIN: Duration = Duration::from_secs(2);
/// How long a killed process may take to go, when nobody can wait for it otherwise: its last sync may hold it.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(1);
/// What is read of the end of a log.
const LOG_TAIL: u64 = 64 << 10;

/// What the process was asked to do last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To run.
    Run,
    /// To end well.
    End,
    /// To die.
    Die,
}

/// A process that was started.
pub struct Process {
    child: Arc<Mutex<Child>>,
    asked: Mutex<Asked>,
    ended: watch::Receiver<Option<ExitStatus>>,
    log: PathBuf,
    /// Where its part of the log begins.
    log_from: u64,
}

impl Process {
    /// Starts a program; what it writes to stderr is appended to the log.
    pub fn start(program: &Path, args: &[String], log: &Path) -> io::Result<Process> {
        let to = OpenOptions::new().create(true).append(true).open(log)?;
        let log_from = to.metadata()?.len();
        let mut command = std::process::Command::new(program);
        command.arg0(NAME).args(args).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(to);
        let started = Command::from(command).kill_on_drop(true).spawn();
        let child = started.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot start {}: {error}", program.display()))
        })?;
        let child = Arc::new(Mutex::new(child));
        let (tell, ended) = watch::channel(None);
        let waited = Arc::clone(&child);
        tokio::spawn(async move {
            // Err: it was reaped behind our back, and nobody knows how it ended.
            let status = poll_fn(|context| pin!(lock(&waited).wait()).poll(context)).await;
            tell.send_replace(Some(status.unwrap_or_default()));
        });
        Ok(Process { child, asked: Mutex::new(Asked::Run), ended, log: log.to_owned(), log_from })
    }

    /// Its number, as long as it was not reaped.
    pub fn id(&self) -> Option<u32> {
        lock(&self.child).id()
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Completes when it has ended and was reaped.
    pub async fn ended(&self) -> ExitStatus {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(status) => status.unwrap_or_default(),
            // The runtime that waits for it is going away, and the process with it.
            Err(_) => ExitStatus::default(),
        }
    }

    /// What it was asked to do last.
    pub fn asked(&self) -> Asked {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SIGKILL; returns when it is gone: how it ended.
    pub async fn kill(&self) -> ExitStatus {
        self.send_kill();
        self.ended().await
    }

    /// SIGKILL, without waiting. Whether there was anything to kill.
    pub fn send_kill(&self) -> bool {
        self.ask(Asked::Die);
        self.signal(Signal::SIGKILL)
    }

    /// SIGSTOP; returns when all its threads were seen stopped. Whether that was so.
    pub async fn pause(&self) -> bool {
        if !self.signal(Signal::SIGSTOP) {
            return false;
        }
        let limit = Instant::now() + STOPS_WITHIN;
        while Instant::now() < limit && self.status().is_none() {
            if self.is_stopped() {
                return true;
            }
            tokio::time::sleep(LOOK).await;
        }
        false
    }

    /// Whether all its threads are stopped.
    pub fn is_stopped(&self) -> bool {
        self.id().is_some_and(is_stopped)
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// SIGTERM, SIGKILL if it has not ended within the limit. Whether it ended by itself.
    pub async fn end(&self, limit: Duration) -> bool {
        if self.asked() == Asked::Run {
            self.ask(Asked::End);
        }
        // A stopped process does not hear anything else.
        self.resume();
        self.signal(Signal::SIGTERM);
        let well = tokio::time::timeout(limit, self.ended()).await.is_ok();
        if !well {
            self.kill().await;
        }
        well
    }

    /// Waits, without a runtime, until it is gone. It was sent a kill.
    pub fn reap(&self) {
        let limit = Instant::now() + GONE_WITHIN;
        while Instant::now() < limit && matches!(lock(&self.child).try_wait(), Ok(None)) {
            // Where values are dropped there may be no runtime left to wait with.
            std::thread::sleep(LOOK);
        }
    }

    /// The last line in the log since this start that holds a word; any line, if it is empty.
    pub fn last_line_with(&self, word: &str) -> Option<String> {
        let mut log = File::open(&self.log).ok()?;
        let length = log.metadata().ok()?.len();
        log.seek(SeekFrom::Start(self.log_from.max(length.saturating_sub(LOG_TAIL)))).ok()?;
        let mut bytes = Vec::new();
        log.read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().filter(|line| !line.trim().is_empty() && line.contains(word));
        lines.next_back().map(str::to_owned)
    }

    fn ask(&self, what: Asked) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = what;
    }

    /// Whether there was a process to send it to.
    fn signal(&self, signal: Signal) -> bool {
        // Held meanwhile, so that it is not reaped in between.
        let child = lock(&self.child);
        match child.id() {
            Some(id) => kill(Pid::from_raw(id as i32), signal).is_ok(),
            None => false,
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.send_kill();
        self.reap();
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether all threads of a process are stopped.
fn is_stopped(id: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { return false };
    let mut stopped = threads.flatten().map(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name before it may hold anything, a bracket too.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    });
    // A process that is gone by now has no threads, and was not stopped.
    stopped.next() == Some(true) && stopped.all(|stopped| stopped)
}
