//! The processes of a host, found by the network namespace they are in.
//!
//! A namespace is bound to a file in the testbed's folder, which keeps its number from being given to another. So whoever is in it
//! is the host's: its keeper, its first process and all that followed, without a list of process ids that could be torn, or old.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// How long the kernel may take to end processes that were killed.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// A network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Namespace {
    device: u64,
    inode: u64,
}

impl Namespace {
    /// What is bound to a file; `None` if that is but a file.
    pub fn bound_to(file: &Path) -> Option<Namespace> {
        let (ours, bound) = (Namespace::at("/proc/self/ns/net")?, Namespace::at(file)?);
        (bound.device == ours.device).then_some(bound)
    }

    fn of(process: i32) -> Option<Namespace> {
        Namespace::at(format!("/proc/{process}/ns/net"))
    }

    fn at(path: impl AsRef<Path>) -> Option<Namespace> {
        let file = fs::metadata(path).ok()?;
        Some(Namespace { device: file.dev(), inode: file.ino() })
    }
}

/// A process in one of the namespaces that were asked for.
struct Occupant {
    process: i32,
    namespace: Namespace,
    /// Its number in each of the process namespaces it is in, the outermost first.
    numbers: Vec<i32>,
}

fn occupants(namespaces: &BTreeSet<Namespace>) -> Result<Vec<Occupant>> {
    let entries = fs::read_dir("/proc").context("cannot list the processes")?.flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let occupant = |process: i32| {
        // `None`: it has ended meanwhile.
        let namespace = Namespace::of(process).filter(|found| namespaces.contains(found))?;
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        let numbers = numbers.split_whitespace().flat_map(str::parse).collect();
        Some(Occupant { process, namespace, numbers })
    };
    Ok(processes.filter_map(occupant).collect())
}

/// Kills whoever is in these namespaces, keepers before what they keep; returns when nobody is left.
pub(super) fn end(namespaces: &BTreeSet<Namespace>) -> Result<()> {
    let ours = Namespace::at("/proc/self/ns/net").context("/proc is not mounted")?;
    ensure!(
        !namespaces.contains(&ours),
        "a host's network is this program's own: nothing is ended"
    );
    let limit = Instant::now() + GONE_WITHIN;
    loop {
        let mut left = occupants(namespaces)?;
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > limit {
            let left: Vec<i32> = left.iter().map(|occupant| occupant.process).collect();
            bail!("processes {left:?} were killed and are not gone after {GONE_WITHIN:?}");
        }
        left.sort_by_key(|occupant| occupant.numbers.len());
        for Occupant { process, namespace, .. } in left {
            // Looked at again: its number may be another's by now.
            if Namespace::of(process) == Some(namespace) {
                // Err: it is gone, which is what was asked for.
                let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
            }
        }
        // They are no children of ours, so nobody tells when they are gone.
        std::thread::sleep(LOOK);
    }
}

/// The first process of a host.
pub(super) struct Init {
    /// Its number on the machine.
    pub process: i32,
    /// When it started, in hundredths of a second since the machine did.
    pub started: u64,
    /// Its folder in /proc, which is empty once it has ended, whoever has its number then.
    folder: File,
}

/// The first processes in these namespaces, as far as there are any.
pub(super) fn inits(namespaces: &BTreeSet<Namespace>) -> Result<Vec<(Namespace, Init)>> {
    let first = |occupant: Occupant| {
        let [process, 1] = occupant.numbers[..] else { return None };
        let init = Init::open(process)?;
        // Its number may be another's by now, its folder in /proc not.
        let still = Namespace::at(init.path("ns/net")) == Some(occupant.namespace);
        still.then_some((occupant.namespace, init))
    };
    Ok(occupants(namespaces)?.into_iter().filter_map(first).collect())
}

impl Init {
    fn open(process: i32) -> Option<Init> {
        let folder = File::open(format!("/proc/{process}")).ok()?;
        let mut init = Init { process, started: 0, folder };
        let stat = fs::read_to_string(init.path("stat")).ok()?;
        // The name before it may hold anything, a bracket too. The state is the third field, the start the 22nd.
        let (_, fields) = stat.rsplit_once(") ")?;
        init.started = fields.split(' ').nth(19)?.parse().ok()?;
        Some(init)
    }

    /// A file of its folder in /proc, as any process may open it as long as this value lives.
    pub fn path(&self, file: &str) -> PathBuf {
        let (us, folder) = (std::process::id(), self.folder.as_raw_fd());
        PathBuf::from(format!("/proc/{us}/fd/{folder}/{file}"))
    }
}
