//! What is wrong with a node's disk for a while, and what a process that could not go on with it says when it ends.
//!
//! Promises: what a call is answered depends on the fault and on how many calls there were before, and draws nothing. An error that a fault
//! has caused is of a type of its own, so that no other error passes for one.

use super::{NodeDisk, SyncMark};
use crate::env::SimEnv;
use crate::host::Down;
use crate::trace::digest;
use crate::world::World;
use bytes::Bytes;
use harness::fault::DiskTrouble;
use std::fmt;
use std::io;
use std::time::Duration;

/// A cluster that is in use asks more of a disk than this leaves time for.
const SHOWS_WITHIN_NS: u64 = 1_500_000_000;
/// Between two looks at whether it has shown.
const LOOK: Duration = Duration::from_millis(10);

/// What a disk is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// It takes room.
    Write,
    /// It takes none.
    Other,
}

/// Something wrong, and who did it.
pub(crate) struct Trouble {
    pub(crate) how: DiskTrouble,
    pub(crate) injection: usize,
    calls: u64,
    /// What syncs have said to be durable and is not, in their order.
    lied: Vec<SyncMark>,
}

/// What a disk in trouble answers.
#[derive(Debug)]
struct Injected(&'static str);

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Injected {}

/// Whether a fault has caused the error.
fn is_injected(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Injected>())
}

impl Trouble {
    pub(crate) fn new(how: DiskTrouble, injection: usize) -> Trouble {
        Trouble { how, injection, calls: 0, lied: Vec::new() }
    }

    /// The error that a call gets in place of its answer, if it gets one.
    fn refuses(&mut self, call: Ask) -> Option<io::Error> {
        self.calls += 1;
        match self.how {
            DiskTrouble::Errors { after } if self.calls > u64::from(after) => {
                Some(io::Error::other(Injected("input/output error")))
            }
            DiskTrouble::Full if call == Ask::Write => {
                let full = Injected("no space left on device");
                Some(io::Error::new(io::ErrorKind::StorageFull, full))
            }
            _ => None,
        }
    }

    /// How many of so many bytes a read of this node gives; `None`: all.
    fn shortens(&self, node: u16, len: usize) -> Option<usize> {
        let cut = || 1 + digest(&[u64::from(node), self.calls]) as usize % (len - 1);
        (self.how == DiskTrouble::ShortReads && len > 1).then(cut)
    }
}

impl NodeDisk {
    /// How much longer a sync takes, in nanoseconds, and whose doing that is.
    pub(super) fn slowed(&self) -> Option<(u64, usize)> {
        let trouble = self.trouble.as_ref()?;
        match trouble.how {
            DiskTrouble::SlowSyncs { by_ms } => {
                Some((u64::from(by_ms) * 1_000_000, trouble.injection))
            }
            _ => None,
        }
    }

    /// Whose doing it is that syncs lie, if they do.
    pub(crate) fn lies(&self) -> Option<usize> {
        let trouble = self.trouble.as_ref()?;
        (trouble.how == DiskTrouble::LyingSyncs).then_some(trouble.injection)
    }

    /// A sync ends; if it lies: whose doing that is, and whether it is the first that does.
    pub(super) fn ends(&mut self, mark: SyncMark) -> Option<(usize, bool)> {
        let lies = self.lies();
        match self.trouble.as_mut().filter(|_| lies.is_some()) {
            None => {
                self.volume.end_sync(mark);
                None
            }
            Some(trouble) => {
                trouble.lied.push(mark);
                Some((trouble.injection, trouble.lied.len() == 1))
            }
        }
    }
}

impl World {
    /// Whether a node's disk takes a call.
    pub(super) fn admits(&self, node: u16, call: Ask) -> io::Result<()> {
        let refused = {
            let mut disk = self.disks[usize::from(node)].borrow_mut();
            let trouble = disk.trouble.as_mut();
            trouble.and_then(|trouble| Some((trouble.refuses(call)?, trouble.injection)))
        };
        let Some((error, injection)) = refused else { return Ok(()) };
        self.acted(injection, 1);
        self.count("disk call failed");
        Err(error)
    }

    /// What a read gives of what is there.
    pub(super) fn shortened(&self, node: u16, bytes: Bytes) -> Bytes {
        let cut = {
            let disk = self.disks[usize::from(node)].borrow();
            let trouble = disk.trouble.as_ref();
            trouble
                .and_then(|trouble| Some((trouble.shortens(node, bytes.len())?, trouble.injection)))
        };
        let Some((len, injection)) = cut else { return bytes };
        self.acted(injection, 1);
        self.count("read cut short");
        bytes.slice(..len)
    }

    /// Something is wrong with a node's disk from now on. Returns when that has shown, or can show no more.
    pub(crate) async fn spoil_disk(&self, node: u16, how: DiskTrouble, injection: usize) {
        self.mend(node);
        let trouble = Trouble::new(how, injection);
        self.disks[usize::from(node)].borrow_mut().trouble = Some(trouble);
        if !self.shows(node, how, injection).await {
            // Too little is asked of it. A start reads it, and writes to it.
            self.end(node);
            self.restart(node);
            self.shows(node, how, injection).await;
        }
    }

    /// Waits for it, as long as the process runs.
    async fn shows(&self, node: u16, how: DiskTrouble, injection: usize) -> bool {
        let until = self.now() + SHOWS_WITHIN_NS;
        let waits = || {
            let host = &self.hosts.borrow()[usize::from(node)];
            let shown = !how.ends_the_process() && self.has_acted(injection);
            host.up && !host.paused && !shown
        };
        while waits() {
            if self.now() >= until {
                return false;
            }
            self.sleep(LOOK).await;
        }
        true
    }

    /// What syncs only said is so now, and no more than that: what was never synced is as unsafe as it was.
    fn mend(&self, node: u16) {
        let lied = {
            let mut disk = self.disks[usize::from(node)].borrow_mut();
            let lied = disk.trouble.take().map(|trouble| trouble.lied).unwrap_or_default();
            for mark in &lied {
                // Of what the power took meanwhile there is nothing left to end.
                disk.volume.end_sync(*mark);
            }
            !lied.is_empty() && !disk.forgot
        };
        if lied {
            self.doubt(node, false);
        }
    }

    pub(super) fn doubt(&self, node: u16, doubted: bool) {
        self.watch(|invariant| {
            invariant.doubted(node, doubted);
            Ok(())
        });
    }

    /// A machine loses its power, if its disk has lied about what that takes.
    pub(crate) fn forget_syncs(&self, node: u16, injection: usize) {
        if self.disks[usize::from(node)].borrow().lies().is_some() {
            self.take_down(node, Down::Power, injection);
        }
    }

    /// Nothing is wrong with a node's disk any more, and the process that ended by it starts again.
    pub(crate) fn mend_disk(&self, node: u16) {
        self.mend(node);
        if self.hosts.borrow()[usize::from(node)].by_disk {
            self.restart(node);
        }
    }
}

impl SimEnv {
    /// The process is about to end for an error of its disk. If no fault explains that, it is a finding, as a panic is.
    pub fn gives_up(&self, error: &io::Error) {
        let Some(world) = self.world() else { return };
        if is_injected(error) {
            world.hosts.borrow_mut()[usize::from(self.node)].by_disk = true;
        } else if !world.refuses_damage(self.node, error) {
            drop(world);
            panic!("{error}");
        }
        world.count("node stopped by its disk");
    }
}
