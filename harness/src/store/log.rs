//! A run folder that grows while its run goes on.
//!
//! `history.log` is a row of chunks, each through [`crate::codec`]: what run it is, then entries. A chunk is written when it is
//! full, a second old, or a phase begins, so killing the program loses at most the chunk that is open; a chunk cut off
//! in the middle of its bytes is left out when the log is read, and told. When the run is over the folder is completed and
//! the log removed.

use super::{Kept, Params, StoreError, codec_error, complete, io_error, write_params};
use crate::cluster::NodeId;
use crate::codec;
use crate::fault::FaultKind;
use crate::recording::{Entry, Run, Sink};
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// The log of a run that has not ended.
pub const LOG: &str = "history.log";

/// Entries of a full chunk.
const ENTRIES: usize = 1024;
/// A chunk is written when it is this old, by the times of its events.
const AGE: Duration = Duration::from_secs(1);

/// The first chunk: which run this is.
#[derive(Serialize, Deserialize)]
struct Head {
    test: String,
    seed: Seed,
    nodes: Vec<NodeId>,
    unsupported: Vec<FaultKind>,
}

/// A folder being filled. Clones are the same folder.
#[derive(Clone)]
pub struct Growing(Rc<RefCell<State>>);

struct State {
    folder: PathBuf,
    log: File,
    open: Vec<Entry>,
    /// Time of the first event in the open chunk.
    since: Option<Duration>,
    /// The first thing that went wrong, until it was told.
    failed: Option<StoreError>,
    /// Something went wrong: nothing is written any more, since a torn chunk in the middle would hide what follows.
    broken: bool,
}

impl Growing {
    /// Claims a new folder for a run of which nothing is known but this. An existing folder is never touched.
    pub fn create(store: &Path, run: &Run, params: &Params) -> Result<Growing, StoreError> {
        let folder = claim(store, run)?;
        write_params(&folder, params)?;
        let path = folder.join(LOG);
        let log = OpenOptions::new().append(true).create_new(true).open(&path);
        let log = log.map_err(|error| io_error(&path, error))?;
        let Run { test, seed, nodes, unsupported, .. } = run.clone();
        let mut state =
            State { folder, log, open: Vec::new(), since: None, failed: None, broken: false };
        state.append(&Head { test, seed, nodes, unsupported })?;
        Ok(Growing(Rc::new(RefCell::new(state))))
    }

    /// Where it is.
    pub fn folder(&self) -> PathBuf {
        self.0.borrow().folder.clone()
    }

    /// Writes what is open. Tells the first failure once, and afterwards that there was one.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.0.borrow_mut();
        state.flush();
        match state.failed.take() {
            Some(error) => Err(error),
            None if state.broken => {
                let error = io::Error::other("it could not be written to its end");
                Err(io_error(&state.folder.join(LOG), error))
            }
            None => Ok(()),
        }
    }

    /// Makes it a folder like any other, and removes the log.
    pub fn complete(&self, kept: Kept) -> Result<(), StoreError> {
        self.flush()?;
        let folder = self.folder();
        write_params(&folder, &Params::of(kept))?;
        complete(&folder, kept)?;
        let log = folder.join(LOG);
        fs::remove_file(&log).map_err(|error| io_error(&log, error))
    }
}

impl Sink for Growing {
    fn entry(&mut self, entry: &Entry) {
        self.0.borrow_mut().entry(entry);
    }
}

impl State {
    fn entry(&mut self, entry: &Entry) {
        if self.broken {
            return;
        }
        self.open.push(entry.clone());
        let old = match entry {
            Entry::Event(event) => event.time >= *self.since.get_or_insert(event.time) + AGE,
            Entry::Leaders(..) | Entry::Decided(_) => false,
            Entry::Phase(..)
            | Entry::Unready(_)
            | Entry::Unread(_)
            | Entry::Stopped(_)
            | Entry::Ended(_)
            | Entry::Found { .. } => true,
        };
        if old || self.open.len() >= ENTRIES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.open.is_empty() || self.broken {
            return;
        }
        let chunk = std::mem::take(&mut self.open);
        self.since = None;
        self.failed = self.append(&chunk).err();
        self.broken = self.failed.is_some();
    }

    fn append<T: Serialize>(&mut self, chunk: &T) -> Result<(), StoreError> {
        let path = self.folder.join(LOG);
        let bytes = codec::RUN.encode(chunk).map_err(|error| codec_error(&path, error))?;
        self.log.write_all(&bytes).map_err(|error| io_error(&path, error))
    }
}

/// A new folder under `store`, by the names of [`super::save`].
fn claim(store: &Path, run: &Run) -> Result<PathBuf, StoreError> {
    let tests = store.join(&run.test);
    fs::create_dir_all(&tests).map_err(|error| io_error(&tests, error))?;
    for attempt in 1..=super::ATTEMPTS {
        let folder = tests.join(super::name(run.seed, attempt));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io_error(&folder, error)),
        }
    }
    Err(super::too_many(&tests.join(run.seed.to_string())))
}

/// The run as far as a log tells it, and how many bytes of an unfinished chunk were left out.
pub(super) fn read(path: &Path) -> Result<(Run, usize), StoreError> {
    let bytes = fs::read(path).map_err(|error| io_error(path, error))?;
    let wrong = |error| codec_error(path, error);
    let Some((first, mut rest)) = codec::RUN.split_first(&bytes).map_err(wrong)? else {
        let text = "it ends before it says which run it is: nothing is known of it";
        return Err(io_error(path, io::Error::new(io::ErrorKind::UnexpectedEof, text)));
    };
    let Head { test, seed, nodes, unsupported } = codec::RUN.decode(first).map_err(wrong)?;
    let mut run = Run::new(&test, seed, &nodes, unsupported);
    while let Some((chunk, after)) = codec::RUN.split_first(rest).map_err(wrong)? {
        let entries: Vec<Entry> = codec::RUN.decode(chunk).map_err(wrong)?;
        entries.into_iter().for_each(|entry| run.apply(entry));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    Ok((run, rest.len()))
}
