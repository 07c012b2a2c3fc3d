//! [`Disk`] on real files below one data directory.
//!
//! Reads and writes go to the page cache on the caller's thread and are whole before their future returns, so a dropped future
//! leaves nothing half done; syncs run on a blocking thread. A lock file keeps a second process out. After a sync has failed every later
//! sync of this process fails too: the kernel tells of lost pages once and then calls them clean. A write that fails half way is
//! cut off again. Making a folder's names durable makes its own name durable, up to the data directory.
//!
//! Cannot see: whether the device keeps what it acknowledged, and what a sync that failed before this process started
//! has lost.

use crate::metrics::Metrics;
use bytes::Bytes;
use elastickv::env::Disk;
use harness::locked::Locked;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Hidden from the layers: no name of theirs begins with a dot.
const LOCK_FILE: &str = ".lock";

/// A data directory that this process alone may use. Cheap to clone.
#[derive(Clone)]
pub struct TokioDisk(Rc<Inner>);

struct Inner {
    root: PathBuf,
    metrics: Rc<Metrics>,
    /// Held for as long as the process uses the directory.
    _lock: Locked,
    open: RefCell<BTreeMap<String, Rc<OpenFile>>>,
    /// Folders whose own names are durable.
    durable: RefCell<BTreeSet<String>>,
    /// The first sync that failed; told by the thread that saw it, in case nobody waits any more.
    failed: Arc<OnceLock<String>>,
}

struct OpenFile {
    file: Arc<File>,
    /// Where the next append goes; what a failed write left beyond it does not count.
    len: Cell<u64>,
}

impl TokioDisk {
    /// Makes the directory if there is none, durably, and locks it.
    pub fn open(root: &Path, metrics: Rc<Metrics>) -> io::Result<TokioDisk> {
        let context = |error| named(&root.display().to_string(), error);
        make_root(root).map_err(context)?;
        let root = root.canonicalize().map_err(context)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join(LOCK_FILE))
            .map_err(context)?;
        let lock = Locked::try_new(lock).map_err(|error| match error {
            TryLockError::WouldBlock => {
                let text =
                    format!("the data directory {} is in use by another process", root.display());
                io::Error::new(io::ErrorKind::ResourceBusy, text)
            }
            TryLockError::Error(error) => context(error),
        })?;
        Ok(TokioDisk(Rc::new(Inner {
            root,
            metrics,
            _lock: lock,
            open: RefCell::default(),
            durable: RefCell::default(),
            failed: Arc::default(),
        })))
    }

    /// The file, opened when it is first used.
    fn file(&self, path: &str) -> io::Result<Rc<OpenFile>> {
        if let Some(open) = self.0.open.borrow().get(path) {
            return Ok(open.clone());
        }
        let real = self.real(path)?;
        let file =
            File::options().read(true).write(true).open(&real).map_err(|e| absent(path, e))?;
        let len = file.metadata().map_err(|e| named(path, e))?.len();
        Ok(self.keep(path, file, len))
    }

    fn keep(&self, path: &str, file: File, len: u64) -> Rc<OpenFile> {
        let open = Rc::new(OpenFile { file: Arc::new(file), len: Cell::new(len) });
        self.0.open.borrow_mut().insert(path.to_owned(), open.clone());
        open
    }

    /// The path in the host's file system; refuses what could lead out of the data directory or to the lock.
    fn real(&self, path: &str) -> io::Result<PathBuf> {
        if path.is_empty() || path.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
            let text = format!("`{path}` is not a file's path: write `folder/file`");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Ok(self.0.root.join(path))
    }

    fn real_folder(&self, folder: &str) -> io::Result<PathBuf> {
        if folder.is_empty() { Ok(self.0.root.clone()) } else { self.real(folder) }
    }

    /// Syncs on a blocking thread; what fails once fails for good.
    async fn sync_with(
        &self,
        what: &str,
        sync: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        self.check_syncs()?;
        let begun = Instant::now();
        let (what, failed) = (what.to_owned(), self.0.failed.clone());
        let synced = tokio::task::spawn_blocking(move || {
            if let Err(error) = sync() {
                failed.get_or_init(|| format!("{what} could not be made durable: {error}"));
            }
        });
        synced.await.map_err(io::Error::other)?;
        self.0.metrics.synced(begun.elapsed());
        self.check_syncs()
    }

    fn check_syncs(&self) -> io::Result<()> {
        match self.0.failed.get() {
            Some(text) => Err(io::Error::other(text.clone())),
            None => Ok(()),
        }
    }
}

impl OpenFile {
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let (len, end) = (self.len.get(), offset + bytes.len() as u64);
        let written = self.file.write_all_at(bytes, offset);
        match written {
            Ok(()) => self.len.set(len.max(end)),
            // Err: the next append overwrites what this one left.
            Err(_) if end > len => drop(self.file.set_len(len)),
            Err(_) => {}
        }
        written
    }
}

impl Disk for TokioDisk {
    async fn create(&self, path: &str) -> io::Result<()> {
        let real = self.real(path)?;
        let create = || {
            fs::create_dir_all(real.parent().unwrap_or(&self.0.root))?;
            File::options().read(true).write(true).create(true).truncate(true).open(&real)
        };
        let file = create().map_err(|error| named(path, error))?;
        self.keep(path, file, 0);
        Ok(())
    }

    async fn len(&self, path: &str) -> io::Result<u64> {
        Ok(self.file(path)?.len.get())
    }

    async fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let open = self.file(path)?;
        open.write(open.len.get(), bytes).map_err(|error| named(path, error))
    }

    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes> {
        let open = self.file(path)?;
        let there = open.len.get().saturating_sub(offset).min(len as u64) as usize;
        let mut bytes = vec![0; there];
        open.file.read_exact_at(&mut bytes, offset).map_err(|error| named(path, error))?;
        Ok(bytes.into())
    }

    async fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let open = self.file(path)?;
        // What a failed write may have left between the end and here must not show.
        if offset > open.len.get() {
            open.file.set_len(open.len.get()).map_err(|error| named(path, error))?;
        }
        open.write(offset, bytes).map_err(|error| named(path, error))
    }

    async fn truncate(&self, path: &str, len: u64) -> io::Result<()> {
        let open = self.file(path)?;
        open.file.set_len(len.min(open.len.get())).map_err(|error| named(path, error))?;
        open.file.set_len(len).map_err(|error| named(path, error))?;
        open.len.set(len);
        Ok(())
    }

    async fn sync(&self, path: &str) -> io::Result<()> {
        let file = self.file(path)?.file.clone();
        self.sync_with(path, move || file.sync_data()).await
    }

    async fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (real_from, real_to) = (self.real(from)?, self.real(to)?);
        // Err: there is no such file.
        let moved = self.file(from)?;
        let rename = || {
            fs::create_dir_all(real_to.parent().unwrap_or(&self.0.root))?;
            fs::rename(&real_from, &real_to)
        };
        rename().map_err(|error| named(from, error))?;
        let mut open = self.0.open.borrow_mut();
        open.remove(from);
        open.insert(to.to_owned(), moved);
        Ok(())
    }

    async fn remove(&self, path: &str) -> io::Result<()> {
        let real = self.real(path)?;
        fs::remove_file(real).map_err(|error| absent(path, error))?;
        self.0.open.borrow_mut().remove(path);
        Ok(())
    }

    async fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.real_folder(folder)?) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(named(folder, error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| named(folder, error))?;
            // A link is what it leads to: left out, it would seem that nothing was ever written.
            let is_file = !entry.path().is_dir();
            // A name that is not text, or hidden, is none of the layers'.
            let name = entry.file_name().into_string().unwrap_or_default();
            if is_file && !name.is_empty() && !name.starts_with('.') {
                files.push(if folder.is_empty() { name } else { format!("{folder}/{name}") });
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    async fn sync_dir(&self, folder: &str) -> io::Result<()> {
        let mut syncs = vec![self.real_folder(folder)?];
        let mut named = Vec::new();
        let mut child = folder;
        while !child.is_empty() && !self.0.durable.borrow().contains(child) {
            named.push(child.to_owned());
            child = child.rsplit_once('/').map_or("", |(parent, _)| parent);
            syncs.push(self.real_folder(child)?);
        }
        // Kept only of folders that are there now: a missing one may be made while the others are synced.
        named.retain(|folder| self.0.root.join(folder).is_dir());
        let sync = move || syncs.iter().try_for_each(|folder| sync_folder(folder));
        self.sync_with(folder, sync).await?;
        self.0.durable.borrow_mut().extend(named);
        Ok(())
    }
}

/// A folder that is not there has no names to lose.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder) {
        Ok(folder) => folder.sync_all(),
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the data directory; its name and those of the folders made above it are durable when this returns.
fn make_root(root: &Path) -> io::Result<()> {
    let here = std::path::absolute(root)?;
    let first_there = here.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let first_there = first_there.to_owned();
    fs::create_dir_all(&here)?;
    for folder in here.ancestors().skip(1) {
        sync_folder(folder)?;
        if folder == first_there || !folder.starts_with(&first_there) {
            break;
        }
    }
    Ok(())
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
}

/// The error of using a file that must be there.
fn absent(path: &str, error: io::Error) -> io::Error {
    if is_absent(&error) {
        return io::Error::new(io::ErrorKind::NotFound, format!("there is no file {path}"));
    }
    named(path, error)
}

fn named(path: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::sync::mpsc;

    /// A disk in a folder of its own, which the test removes.
    fn disk(name: &str) -> (PathBuf, TokioDisk) {
        let folder = std::env::temp_dir().join(format!("disk-{}-{name}", std::process::id()));
        let disk = TokioDisk::open(&folder, Rc::new(Metrics::default())).unwrap();
        (folder, disk)
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn a_link_to_a_file_is_listed_and_a_link_to_a_folder_is_not() {
        let (folder, disk) = disk("links");
        fs::create_dir_all(folder.join("wal/below")).unwrap();
        fs::write(folder.join("elsewhere"), "content").unwrap();
        symlink(folder.join("elsewhere"), folder.join("wal/file")).unwrap();
        symlink(folder.join("wal/below"), folder.join("wal/folder")).unwrap();
        assert_eq!(run(disk.list("wal")).unwrap(), ["wal/file"]);
        assert_eq!(&run(disk.read_at("wal/file", 0, 99)).unwrap()[..], b"content");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_sync_that_fails_when_nobody_waits_is_not_forgotten() {
        let (folder, disk) = disk("cancelled");
        run(async {
            let (go, wait) = mpsc::channel::<()>();
            {
                let sync = std::pin::pin!(disk.sync_with("first", move || {
                    // Err: the other end is gone, which is a sign, too.
                    let _ = wait.recv();
                    Err(io::Error::other("the device is gone"))
                }));
                assert!(futures_util::FutureExt::now_or_never(sync).is_none());
            }
            drop(go);
            disk.create("file").await.unwrap();
            while disk.sync("file").await.is_ok() {}
            let told = disk.sync("file").await.unwrap_err().to_string();
            assert_eq!(told, "first could not be made durable: the device is gone");
        });
        fs::remove_dir_all(folder).unwrap();
    }
}
