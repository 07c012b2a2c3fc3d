//! A node's disk in the simulated world: a [`Volume`] whose syncs take time.
//!
//! Writes go to the page cache and take none. A sync is the kernel's: it goes on when the process is paused
//! or killed, and is forgotten when the power fails, so bytes on their way to the platter count as unsynced.

use super::trouble::{Ask, Trouble};
use super::{DiskImage, SyncMark, Volume};
use crate::env::SimEnv;
use crate::observe::Seen;
use crate::steps::{Call, Moment, folder, without_group};
use crate::timers::Event;
use crate::trace::Kind;
use crate::world::World;
use bytes::Bytes;
use elastickv::env::Disk;
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A machine's disk and its own stretch of the disk stream.
pub(crate) struct NodeDisk {
    pub(crate) volume: Volume,
    /// What is wrong with it.
    pub(crate) trouble: Option<Trouble>,
    /// The fault by which it holds other bytes than were written.
    pub(crate) damaged: Option<usize>,
    /// It holds less than it had said: it was without power, or is an older one.
    pub(crate) forgot: bool,
    /// Its node goes on with what it holds, whatever that is.
    goes_on: bool,
    rng: ChaCha8Rng,
    power_cuts: u64,
}

/// A sync is done, unless the power has failed since.
pub(crate) struct Synced {
    node: u16,
    power_cuts: u64,
    mark: SyncMark,
    done: Rc<Done>,
}

#[derive(Default)]
struct Done {
    done: Cell<bool>,
    waiter: RefCell<Option<Waker>>,
}

impl NodeDisk {
    pub(crate) fn new(seed: Seed, node: u16, goes_on: bool) -> NodeDisk {
        let mut rng = seed.stream(Stream::Disk);
        rng.set_word_pos(u128::from(node) << 40);
        NodeDisk {
            volume: Volume::default(),
            trouble: None,
            damaged: None,
            forgot: false,
            goes_on,
            rng,
            power_cuts: 0,
        }
    }

    /// Nothing is on it or wrong with it, and no sync of before ends on it.
    pub(crate) fn wipe(&mut self) {
        self.power_cuts += 1;
        self.trouble = None;
        self.damaged = None;
        self.forgot = false;
        self.volume = Volume::default();
    }

    /// It holds less than its node has promised, which must not vote and answer with it.
    pub(super) fn forgets(&mut self) {
        self.forgot = !self.goes_on;
    }

    /// See [`Volume::power_cut`].
    pub(crate) fn power_cut(&mut self) -> u64 {
        self.power_cuts += 1;
        if self.lies().is_some() {
            self.forgets();
        }
        self.volume.power_cut(&mut self.rng)
    }
}

impl World {
    /// The kernel begins a sync; the returned state says when it is done.
    fn begin_sync(&self, node: u16, mark: SyncMark) -> Rc<Done> {
        let done = Rc::new(Done::default());
        let (took, power_cuts, slowed) = {
            let disk = &mut self.disks[usize::from(node)].borrow_mut();
            let (low, high) = self.params.sync_ns;
            (disk.rng.log_uniform(low, high), disk.power_cuts, disk.slowed())
        };
        if let Some((_, injection)) = slowed {
            self.acted(injection, 1);
        }
        let took = took + slowed.map_or(0, |(by, _)| by);
        let synced = Synced { node, power_cuts, mark, done: done.clone() };
        self.timers.at(self.now() + took, Event::Synced(synced));
        done
    }

    pub(crate) fn end_sync(&self, synced: Synced) {
        let mut disk = self.disks[usize::from(synced.node)].borrow_mut();
        if disk.power_cuts != synced.power_cuts {
            return;
        }
        let lie = disk.ends(synced.mark);
        drop(disk);
        if let Some((injection, is_first)) = lie {
            if is_first {
                self.doubt(synced.node, true);
            }
            self.acted(injection, 1);
            self.count("sync that lied");
        }
        let words = match synced.mark {
            SyncMark::File { file, upto } => [file, upto],
            SyncMark::Names { upto } => [0, upto],
        };
        self.event(synced.node, Kind::Synced, &words, &[]);
        self.see(|| Seen::Synced { node: synced.node });
        synced.done.done.set(true);
        if let Some(waiter) = synced.done.waiter.take() {
            waiter.wake();
        }
    }
}

impl World {
    /// A node's files, as they are now.
    pub fn files<T>(&self, node: u16, see: impl FnOnce(&Volume) -> T) -> T {
        see(&self.disks[usize::from(node)].borrow().volume)
    }

    /// The bytes of a node's file that no power cut can take.
    pub fn synced_image(&self, node: u16, path: &str) -> Option<Bytes> {
        self.files(node, |volume| volume.synced_image(path).map(Bytes::copy_from_slice))
    }

    /// The bytes of a node's file that its process reads.
    pub fn cached_image(&self, node: u16, path: &str) -> Option<Bytes> {
        self.files(node, |volume| volume.cached_image(path).map(Bytes::copy_from_slice))
    }

    /// A copy of what no power cut could take of a node's disk, for recovery code to run on.
    pub fn durable_disk(&self, node: u16) -> DiskImage {
        self.files(node, DiskImage::durable)
    }

    /// A copy of a node's disk as its process sees it.
    pub fn cached_disk(&self, node: u16) -> DiskImage {
        self.files(node, DiskImage::cached)
    }
}

/// The disk as one boot of a node sees it.
#[derive(Clone)]
pub struct SimDisk(pub(crate) SimEnv);

impl SimDisk {
    /// Acts on the volume if the disk takes the call, or never returns if the boot is over.
    async fn act<T>(
        &self,
        ask: Ask,
        act: impl FnOnce(&mut Volume) -> io::Result<T>,
    ) -> io::Result<T> {
        match self.0.world() {
            Some(world) => {
                world.admits(self.0.node, ask)?;
                let mut disk = world.disks[usize::from(self.0.node)].borrow_mut();
                act(&mut disk.volume)
            }
            None => std::future::pending().await,
        }
    }

    async fn wait(&self, mark: SyncMark) {
        let Some(world) = self.0.world() else { return std::future::pending().await };
        let done = world.begin_sync(self.0.node, mark);
        drop(world);
        poll_fn(|cx| {
            if self.0.world().is_some() && done.done.get() {
                return Poll::Ready(());
            }
            *done.waiter.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Disk for SimDisk {
    async fn create(&self, path: &str) -> io::Result<()> {
        let create = |volume: &mut Volume| {
            volume.create(path);
            Ok(())
        };
        self.act(Ask::Write, create).await
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        self.act(Ask::Other, |volume| volume.len(path)).await
    }

    async fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.at(|| Moment::Before(Call::Append, folder(path))).await;
        self.act(Ask::Write, |volume| volume.append(path, bytes)).await?;
        self.0.at(|| Moment::After(Call::Append, folder(path))).await;
        Ok(())
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        let read = self.act(Ask::Other, |volume| volume.read_at(path, offset, len)).await?;
        Ok(match self.0.world() {
            Some(world) => world.shortened(self.0.node, read),
            None => read,
        })
    }

    async fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.act(Ask::Write, |volume| volume.write_at(path, offset, bytes)).await
    }

    async fn truncate(&self, path: &str, len: u64) -> io::Result<()> {
        self.act(Ask::Other, |volume| volume.truncate(path, len)).await
    }

    async fn sync(&self, path: &str) -> io::Result<()> {
        let call = if path.ends_with(".new") { Call::SyncNew } else { Call::Sync };
        self.0.at(|| Moment::Before(call, folder(path))).await;
        let mark = self.act(Ask::Other, |volume| volume.begin_sync(path)).await?;
        self.wait(mark).await;
        self.0.at(|| Moment::After(call, folder(path))).await;
        Ok(())
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.at(|| Moment::Before(Call::Rename, folder(from))).await;
        self.act(Ask::Other, |volume| volume.rename(from, to)).await
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        self.0.at(|| Moment::Before(Call::Remove, folder(path))).await;
        self.act(Ask::Other, |volume| volume.remove(path)).await
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.act(Ask::Other, |volume| Ok(volume.list(folder))).await
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.0.at(|| Moment::Before(Call::SyncDir, without_group(folder))).await;
        let mark = self.act(Ask::Other, |volume| Ok(volume.begin_sync_dir(folder))).await?;
        self.wait(mark).await;
        Ok(())
    }
}
