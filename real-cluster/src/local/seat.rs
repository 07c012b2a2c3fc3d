//! A node's place in a local cluster: its folder, its addresses, and the process that sits there now, if any.
//!
//! Promise: when its process ends, for whatever reason, connections to it are refused; and if nobody asked for the end, that is a
//! finding: `node-panic` with the panic's line, or `node-exit` with the status and the last line of the log. What others did to it
//! is no finding but a doubt: a kill that we did not send, or a first start that the machine refused.

use crate::local::net::Links;
use crate::local::process::{Asked, Process};
use crate::operator::since_words;
use elastickv::admin::SinceByGroup;
use harness::cluster::{Finding, NodeId};
use nix::sys::signal::Signal;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// What the program exits with after a panic.
const PANICKED: i32 = 101;
/// What a process ends by that was sent a kill, or asked to end before it listened.
const KILLED: i32 = Signal::SIGKILL as i32;
const TERMINATED: i32 = Signal::SIGTERM as i32;

/// How it says that it was started wrongly, or that its directory, its disk or a port cannot be used.
const REFUSED: i32 = 3;

/// What nodes did that they must not, and what was done to them, shared by those who watch them.
pub type Seen = Arc<Mutex<Unasked>>;

/// Ends that nobody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unasked {
    /// Of the node's own making.
    pub findings: Vec<Finding>,
    /// Of somebody else's.
    pub doubts: Vec<String>,
}

/// How to start a node.
pub struct Recipe {
    /// The program.
    pub program: PathBuf,
    /// All its words.
    pub args: Vec<String>,
    /// Where it keeps what it keeps.
    pub data: PathBuf,
    /// Where stderr goes.
    pub log: PathBuf,
}

/// A node's place.
pub struct Seat {
    node: NodeId,
    recipe: Recipe,
    boots: Arc<AtomicU32>,
    /// How often it has started over.
    joins: Cell<u16>,
    /// Where the group stood when it did so last.
    since: RefCell<SinceByGroup>,
    /// It has since it was last a voter.
    empty: Cell<bool>,
    sitting: RefCell<Option<Sitting>>,
}

struct Sitting {
    process: Arc<Process>,
    /// Ends when the end of the process has been dealt with.
    watch: JoinHandle<()>,
}

impl Seat {
    /// Nobody sits there yet.
    pub fn new(node: NodeId, recipe: Recipe) -> Seat {
        Seat {
            node,
            recipe,
            boots: Arc::default(),
            joins: Cell::new(0),
            since: RefCell::default(),
            empty: Cell::new(false),
            sitting: RefCell::default(),
        }
    }

    /// The node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// How often a process was started.
    pub fn boots(&self) -> Arc<AtomicU32> {
        Arc::clone(&self.boots)
    }

    /// The process that runs there.
    pub fn process(&self) -> Option<Arc<Process>> {
        let sitting = self.sitting.borrow();
        let process = &sitting.as_ref()?.process;
        process.status().is_none().then(|| Arc::clone(process))
    }

    /// Starts a process; one that runs goes on.
    pub async fn start(&self, links: &Arc<Links>, seen: &Seen, began: Instant) -> io::Result<()> {
        if self.process().is_some() {
            return Ok(());
        }
        // What became of the one before must be dealt with, or it would close the doors of this one.
        self.leave().await;
        let mut words = self.recipe.args.clone();
        if self.joins.get() > 0 {
            words.extend(since_words(self.joins.get(), &self.since.borrow()));
        }
        let process = Arc::new(Process::start(&self.recipe.program, &words, &self.recipe.log)?);
        self.boots.fetch_add(1, Ordering::Relaxed);
        links.expect(self.node).await;
        let watch = tokio::spawn(watch(
            self.node,
            Arc::clone(&process),
            Arc::clone(links),
            Arc::clone(seen),
            self.boots.load(Ordering::Relaxed),
            began,
        ));
        *self.sitting.borrow_mut() = Some(Sitting { process, watch });
        Ok(())
    }

    /// Kills the process; returns when it is gone and connections are refused. Whether the kill is what ended it.
    pub async fn kill(&self) -> bool {
        let Some(process) = self.process() else { return false };
        let status = process.kill().await;
        self.leave().await;
        status.signal() == Some(KILLED)
    }

    /// Kills the process and empties its directory: from now on it starts as one that waits to be added.
    pub async fn start_over(&self, since: SinceByGroup) -> io::Result<()> {
        self.kill().await;
        match std::fs::remove_dir_all(&self.recipe.data) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.joins.set(self.joins.get() + 1);
        *self.since.borrow_mut() = since;
        self.empty.set(true);
        Ok(())
    }

    /// Whether it has started over and was not added since.
    pub fn is_empty(&self) -> bool {
        self.empty.get()
    }

    /// It was added.
    pub fn joined(&self) {
        self.empty.set(false);
    }

    /// Ends the process well if it can be. `false` if it had to be killed.
    pub async fn end(&self, limit: Duration) -> bool {
        let well = match self.process() {
            Some(process) => process.end(limit).await,
            None => true,
        };
        self.leave().await;
        well
    }

    /// Stops the process; `Ok(false)` if there is none that ran.
    pub async fn pause(&self) -> Result<bool, String> {
        let Some(process) = self.process() else { return Ok(false) };
        if process.is_stopped() {
            return Ok(false);
        }
        match process.pause().await {
            true => Ok(true),
            false if process.status().is_some() => Ok(false),
            false => Err(format!("{} was not seen stopped after SIGSTOP", self.node)),
        }
    }

    /// Continues the process, if there is one.
    pub fn resume(&self) {
        if let Some(process) = self.process() {
            process.resume();
        }
    }

    /// Sends a kill and does not wait.
    pub fn interrupt(&self) {
        if let Some(process) = self.process() {
            process.send_kill();
        }
    }

    /// Waits until the end of the process was dealt with.
    async fn leave(&self) {
        let sitting = self.sitting.borrow_mut().take();
        if let Some(sitting) = sitting {
            // Err: the runtime is ending, and with it all that it would have done.
            let _ = sitting.watch.await;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(sitting) = self.sitting.borrow_mut().take() {
            // It holds the process, which is killed when the last holder drops it.
            sitting.watch.abort();
            sitting.process.send_kill();
            sitting.process.reap();
        }
    }
}

async fn watch(
    node: NodeId,
    process: Arc<Process>,
    links: Arc<Links>,
    seen: Seen,
    boot: u32,
    began: Instant,
) {
    let status = process.ended().await;
    let time = began.elapsed();
    links.close(node).await;
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    match end(node, boot, &process, status) {
        End::AskedFor => {}
        End::Own(name, text) => {
            tracing::warn!("{text}");
            seen.findings.push(Finding { time, name: name.to_owned(), text });
        }
        End::Others(text) => {
            let text = format!("{text}, at {:.3} s", time.as_secs_f64());
            tracing::warn!("{text}");
            seen.doubts.push(text);
        }
    }
}

/// Whose doing an end is.
enum End {
    AskedFor,
    /// The node's: which finding, and its sentence.
    Own(&'static str, String),
    /// The machine's or another program's: a sentence.
    Others(String),
}

fn end(node: NodeId, boot: u32, process: &Process, status: ExitStatus) -> End {
    if status.code() == Some(PANICKED) {
        let line = process.last_line_with("panicked");
        let line =
            line.unwrap_or_else(|| format!("node {node} panicked, its log does not say why"));
        return End::Own("node-panic", line);
    }
    let expected = match process.asked() {
        Asked::Run => false,
        // Before it listens to signals, SIGTERM ends it as it ends any program.
        Asked::End => status.success() || status.signal() == Some(TERMINATED),
        Asked::Die => status.signal() == Some(KILLED),
    };
    if expected {
        return End::AskedFor;
    }
    let last = || process.last_line_with("").unwrap_or_else(|| "nothing".to_owned());
    if status.signal() == Some(KILLED) {
        return End::Others(format!("{node} was killed by another program or for want of memory"));
    }
    // Later on the directory is one that it wrote itself.
    if status.code() == Some(REFUSED) && boot == 1 {
        return End::Others(format!(
            "{node} ended on its first start: its log ends with: {}",
            last()
        ));
    }
    End::Own(
        "node-exit",
        format!("{node} ended by itself: {status}; its log ends with: {}", last()),
    )
}
