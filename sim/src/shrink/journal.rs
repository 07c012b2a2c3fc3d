//! What shrinking has learned: which candidates showed the failure. Written line by line, so that a shrinking that is killed goes
//! on where it was.
//!
//! The first line says what is being shrunk, in which build, with how many other seeds; a journal of anything else is refused.
//! A last line that was cut off is left out. Every other line is `DIGEST` or `DIGEST NANOSECONDS HASH`.

use crate::trace::digest_bytes;
use harness::locked::Locked;
use harness::plan::{Plan, Taken};
use std::collections::BTreeMap;
use std::fs::{OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A candidate that showed the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    by_ns: u64,
    /// Of the candidate's run.
    pub trace_hash: u64,
}

impl Shown {
    /// Complete by this time.
    pub fn new(by: Duration, trace_hash: u64) -> Shown {
        Shown { by_ns: u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), trace_hash }
    }

    /// When the failure was complete.
    pub fn by(self) -> Duration {
        Duration::from_nanos(self.by_ns)
    }
}

/// A journal that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another process has it.
    #[error("another shrinking is writing it: wait for its end, or name another file with --out")]
    Busy,
    /// It belongs to something else.
    #[error(
        "it is the journal of another shrinking or build: remove it and its plan to begin anew, or name another file with --out"
    )]
    Other,
    /// A line in the middle of it.
    #[error("line {0} is not one of a journal: remove it and its plan to begin anew")]
    Line(usize),
}

/// Candidates by their digest.
#[derive(Default)]
pub struct Journal(Mutex<State>);

#[derive(Default)]
struct State {
    known: BTreeMap<u64, Option<Shown>>,
    file: Option<Locked>,
}

impl Journal {
    /// Opens or makes a file; `head` says what is being shrunk.
    pub fn open(path: &Path, head: &str) -> Result<Journal, JournalError> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut file = Locked::try_new(file).map_err(|error| match error {
            TryLockError::WouldBlock => JournalError::Busy,
            TryLockError::Error(error) => error.into(),
        })?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut lines = text[..whole].lines();
        let mut known = BTreeMap::new();
        match lines.next() {
            None => {}
            Some(first) if first == head => {
                for (number, line) in lines.enumerate() {
                    let (digest, shown) = read(line).ok_or(JournalError::Line(number + 2))?;
                    known.insert(digest, shown);
                }
            }
            Some(_) => return Err(JournalError::Other),
        }
        file.set_len(whole as u64)?;
        file.seek(io::SeekFrom::End(0))?;
        if whole == 0 {
            writeln!(file, "{head}")?;
        }
        Ok(Journal(Mutex::new(State { known, file: Some(file) })))
    }

    /// What is known of a candidate.
    pub fn get(&self, digest: u64) -> Option<Option<Shown>> {
        self.state().known.get(&digest).copied()
    }

    /// Candidates that are known.
    pub fn len(&self) -> usize {
        self.state().known.len()
    }

    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.state().known.is_empty()
    }

    /// Learns of a candidate; one that is known is not written again.
    pub fn add(&self, digest: u64, shown: Option<Shown>) -> io::Result<()> {
        let mut state = self.state();
        if state.known.insert(digest, shown).is_some() {
            return Ok(());
        }
        let Some(file) = &mut state.file else { return Ok(()) };
        let line = match shown {
            None => format!("{digest:016x}\n"),
            Some(Shown { by_ns, trace_hash }) => {
                format!("{digest:016x} {by_ns} {trace_hash:016x}\n")
            }
        };
        file.write_all(line.as_bytes())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(line: &str) -> Option<(u64, Option<Shown>)> {
    let hex = |word: &str| u64::from_str_radix(word, 16).ok();
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        [digest] => Some((hex(digest)?, None)),
        [digest, by, hash] => {
            let shown = Shown { by_ns: by.parse().ok()?, trace_hash: hex(hash)? };
            Some((hex(digest)?, Some(shown)))
        }
        _ => None,
    }
}

/// Names a plan by all that decides its run: not by where it comes from.
pub fn digest(plan: &Plan) -> u64 {
    let bare = Plan { taken: Taken::default(), ..plan.clone() };
    bare.encode().map_or(0, |bytes| digest_bytes(0, &bytes))
}
