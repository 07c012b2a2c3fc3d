//! Files that tell apart what was written from what is durable.
//!
//! A [`Volume`] holds two images. The cached one is what reads see; a killed process leaves it as it is. The durable one
//! is what a power cut leaves, plus a drawn prefix of what was not yet synced: of each file's writes, the last
//! of them torn at a drawn byte; of the names' changes, in their order. How a file holds both is in `file`. A change of
//! names becomes durable with `sync_dir` of a folder that it touches, and with it every change before it, as
//! a journal does. A file whose name is not durable is lost however often its bytes were synced.
//!
//! What a fault makes of a node's disk is in `trouble`, `damage` and `stale`.

mod damage;
mod file;
mod image;
mod node;
mod stale;
mod trouble;

pub use image::DiskImage;
pub use node::SimDisk;
pub(crate) use node::{NodeDisk, Synced};

use bytes::Bytes;
use file::File;
use harness::seed::Draw;
use std::collections::{BTreeMap, VecDeque};
use std::io;

/// One node's file system.
#[derive(Clone, Debug, Default)]
pub struct Volume {
    files: BTreeMap<u64, File>,
    created: u64,
    cached: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    /// Changes of names that are not durable, oldest first.
    journal: VecDeque<NameChange>,
    /// Changes of names that became durable or were undone, ever.
    settled: u64,
}

#[derive(Clone, Debug)]
enum NameChange {
    Create { path: String, file: u64 },
    Rename { from: String, to: String, file: u64 },
    Remove { path: String },
}

/// What a sync that has begun will make durable: everything before this mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncMark {
    File { file: u64, upto: u64 },
    Names { upto: u64 },
}

impl Volume {
    fn file(&self, path: &str) -> io::Result<&File> {
        self.cached.get(path).and_then(|id| self.files.get(id)).ok_or_else(|| missing(path))
    }

    fn file_mut(&mut self, path: &str) -> io::Result<&mut File> {
        let id = self.cached.get(path).ok_or_else(|| missing(path))?;
        self.files.get_mut(id).ok_or_else(|| missing(path))
    }

    /// Bytes written that a power cut could take.
    pub(crate) fn unsynced_bytes(&self) -> u64 {
        self.files.values().map(File::unsynced_bytes).sum()
    }

    pub(crate) fn create(&mut self, path: &str) {
        if let Ok(file) = self.file_mut(path) {
            return file.truncate(0);
        }
        self.created += 1;
        let file = self.created;
        self.files.insert(file, File::default());
        self.cached.insert(path.to_string(), file);
        self.journal.push_back(NameChange::Create { path: path.to_string(), file });
    }

    pub(crate) fn len(&self, path: &str) -> io::Result<u64> {
        Ok(self.file(path)?.cached().len() as u64)
    }

    pub(crate) fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.file_mut(path)?.append(bytes);
        Ok(())
    }

    pub(crate) fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        let cached = self.file(path)?.cached();
        let from = (offset as usize).min(cached.len());
        let to = from.saturating_add(len).min(cached.len());
        Ok(Bytes::copy_from_slice(&cached[from..to]))
    }

    pub(crate) fn write_at(&mut self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file_mut(path)?.write_at(offset as usize, bytes);
        Ok(())
    }

    pub(crate) fn truncate(&mut self, path: &str, len: u64) -> io::Result<()> {
        self.file_mut(path)?.truncate(len as usize);
        Ok(())
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let file = self.cached.remove(from).ok_or_else(|| missing(from))?;
        self.cached.insert(to.to_string(), file);
        self.journal.push_back(NameChange::Rename { from: from.into(), to: to.into(), file });
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.cached.remove(path).ok_or_else(|| missing(path))?;
        self.journal.push_back(NameChange::Remove { path: path.into() });
        Ok(())
    }

    pub(crate) fn list(&self, folder: &str) -> Vec<String> {
        self.cached.keys().filter(|path| folder_of(path) == folder).cloned().collect()
    }

    /// A sync of this file begins.
    pub(crate) fn begin_sync(&self, path: &str) -> io::Result<SyncMark> {
        let id = *self.cached.get(path).ok_or_else(|| missing(path))?;
        let file = self.file(path)?;
        Ok(SyncMark::File { file: id, upto: file.writes() })
    }

    /// A sync of this folder's names begins.
    pub(crate) fn begin_sync_dir(&self, folder: &str) -> SyncMark {
        let touching = self.journal.iter().rposition(|change| change.touches(folder));
        SyncMark::Names { upto: self.settled + touching.map_or(0, |last| last as u64 + 1) }
    }

    /// A sync ends: what was there when it began is durable.
    pub(crate) fn end_sync(&mut self, mark: SyncMark) {
        match mark {
            SyncMark::File { file, upto } => {
                if let Some(file) = self.files.get_mut(&file) {
                    file.synced(upto);
                }
            }
            SyncMark::Names { upto } => {
                let count = upto.saturating_sub(self.settled) as usize;
                self.settle_names(count.min(self.journal.len()));
                self.forget_nameless();
            }
        }
    }

    /// The power fails. What survives beyond the durable image is drawn. Returns how many changes of names and of files did not
    /// survive whole.
    pub(crate) fn power_cut(&mut self, rng: &mut impl Draw) -> u64 {
        let kept = rng.range(0, self.journal.len() as u64 + 1) as usize;
        self.settle_names(kept);
        let mut lost = self.journal.len() as u64;
        self.settled += lost;
        self.journal.clear();
        self.cached = self.durable.clone();
        self.forget_nameless();
        for file in self.files.values_mut() {
            lost += file.power_cut(rng);
        }
        lost
    }

    /// The bytes of this name that no power cut can take; `None` if the name itself can be lost.
    pub fn synced_image(&self, path: &str) -> Option<&[u8]> {
        self.durable.get(path).and_then(|id| self.files.get(id)).map(File::durable)
    }

    /// The bytes that the process reads.
    pub fn cached_image(&self, path: &str) -> Option<&[u8]> {
        self.cached.get(path).and_then(|id| self.files.get(id)).map(File::cached)
    }

    /// Changes of names that became durable or were undone, ever.
    pub fn names_settled(&self) -> u64 {
        self.settled
    }

    /// All names that no power cut can take, sorted.
    pub fn synced_paths(&self) -> impl Iterator<Item = &str> {
        self.durable.keys().map(String::as_str)
    }

    /// All names that the process sees, sorted.
    pub fn cached_paths(&self) -> impl Iterator<Item = &str> {
        self.cached.keys().map(String::as_str)
    }

    fn settle_names(&mut self, count: usize) {
        self.settled += count as u64;
        for change in self.journal.drain(..count) {
            match change {
                NameChange::Create { path, file } => {
                    self.durable.insert(path, file);
                }
                NameChange::Rename { from, to, file } => {
                    self.durable.remove(&from);
                    self.durable.insert(to, file);
                }
                NameChange::Remove { path } => {
                    self.durable.remove(&path);
                }
            }
        }
    }

    fn forget_nameless(&mut self) {
        let pending = self.journal.iter().filter_map(|change| match change {
            NameChange::Create { file, .. } | NameChange::Rename { file, .. } => Some(*file),
            NameChange::Remove { .. } => None,
        });
        let named = self.cached.values().chain(self.durable.values()).copied().chain(pending);
        let named: std::collections::BTreeSet<u64> = named.collect();
        self.files.retain(|id, _| named.contains(id));
    }
}

impl NameChange {
    fn touches(&self, folder: &str) -> bool {
        match self {
            NameChange::Create { path, .. } | NameChange::Remove { path } => {
                folder_of(path) == folder
            }
            NameChange::Rename { from, to, .. } => {
                folder_of(from) == folder || folder_of(to) == folder
            }
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn missing(path: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no file {path}"))
}

#[cfg(test)]
mod tests;
