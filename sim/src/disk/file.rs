//! One file: what reads see, and what of it no power cut can take.
//!
//! Nearly all that is written is appended and then synced. So what is durable is held as a length of what reads see, and is a copy of its
//! own only from when something else is written until all is durable again.

use bytes::Bytes;
use harness::seed::Draw;
use std::collections::VecDeque;
use std::mem;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    cached: Vec<u8>,
    since: Since,
    /// Writes that became durable or were undone, ever.
    settled: u64,
}

/// What happened since all was durable.
#[derive(Clone, Debug)]
enum Since {
    /// Appends only.
    Appends {
        /// So many bytes are durable.
        durable: usize,
        /// How long the file was after each append that is not durable, oldest first.
        ends: VecDeque<usize>,
    },
    /// Other writes too.
    Writes {
        /// What is durable.
        durable: Vec<u8>,
        /// Writes that are not, oldest first.
        unsynced: VecDeque<Change>,
    },
}

#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Bytes },
    Truncate(usize),
}

impl Default for Since {
    fn default() -> Since {
        Since::of(0)
    }
}

impl Since {
    /// All of a file of so many bytes is durable.
    fn of(durable: usize) -> Since {
        Since::Appends { durable, ends: VecDeque::new() }
    }
}

impl File {
    /// All of it durable.
    pub(super) fn whole(cached: Vec<u8>) -> File {
        File { since: Since::of(cached.len()), cached, settled: 0 }
    }

    /// What reads see.
    pub(super) fn cached(&self) -> &[u8] {
        &self.cached
    }

    /// What no power cut can take.
    pub(super) fn durable(&self) -> &[u8] {
        match &self.since {
            Since::Appends { durable, .. } => &self.cached[..*durable],
            Since::Writes { durable, .. } => durable,
        }
    }

    /// Copies of both; they share what they can.
    pub(super) fn images(&self) -> (Bytes, Bytes) {
        let cached = Bytes::copy_from_slice(&self.cached);
        let durable = match &self.since {
            Since::Appends { durable, .. } => cached.slice(..*durable),
            Since::Writes { durable, .. } => Bytes::copy_from_slice(durable),
        };
        (cached, durable)
    }

    /// Writes so far that a sync which begins now makes durable.
    pub(super) fn writes(&self) -> u64 {
        self.settled + self.unsynced() as u64
    }

    fn unsynced(&self) -> usize {
        match &self.since {
            Since::Appends { ends, .. } => ends.len(),
            Since::Writes { unsynced, .. } => unsynced.len(),
        }
    }

    /// Bytes written that a power cut could take.
    pub(super) fn unsynced_bytes(&self) -> u64 {
        match &self.since {
            Since::Appends { durable, .. } => (self.cached.len() - durable) as u64,
            Since::Writes { unsynced, .. } => unsynced.iter().map(Change::bytes).sum(),
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        match &mut self.since {
            Since::Appends { ends, .. } => {
                self.cached.extend_from_slice(bytes);
                ends.push_back(self.cached.len());
            }
            Since::Writes { .. } => self.write_at(self.cached.len(), bytes),
        }
    }

    pub(super) fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        self.change(Change::Write { offset, bytes: Bytes::copy_from_slice(bytes) });
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.change(Change::Truncate(len));
    }

    fn change(&mut self, change: Change) {
        if let Since::Appends { durable, ends } = &mut self.since {
            let (mut from, cached) = (*durable, &self.cached);
            let append = |to| {
                let offset = mem::replace(&mut from, to);
                Change::Write { offset, bytes: Bytes::copy_from_slice(&cached[offset..to]) }
            };
            let durable = cached[..*durable].to_vec();
            let unsynced = mem::take(ends).into_iter().map(append).collect();
            self.since = Since::Writes { durable, unsynced };
        }
        change.apply(&mut self.cached);
        if let Since::Writes { unsynced, .. } = &mut self.since {
            unsynced.push_back(change);
        }
    }

    /// All writes up to this one are durable; see [`File::writes`].
    pub(super) fn synced(&mut self, upto: u64) {
        let count = upto.saturating_sub(self.settled) as usize;
        self.settle(count.min(self.unsynced()));
    }

    fn settle(&mut self, count: usize) {
        self.settled += count as u64;
        match &mut self.since {
            Since::Appends { durable, ends } => {
                *durable = ends.drain(..count).next_back().unwrap_or(*durable);
            }
            Since::Writes { durable, unsynced } => {
                unsynced.drain(..count).for_each(|change| change.apply(durable));
                if unsynced.is_empty() {
                    self.since = Since::of(self.cached.len());
                }
            }
        }
    }

    /// The power fails: of what is not durable a drawn prefix is there, the last write of it torn at a drawn byte. How many writes did not
    /// survive whole.
    pub(super) fn power_cut(&mut self, rng: &mut impl Draw) -> u64 {
        let unsynced = self.unsynced();
        if unsynced == 0 {
            return 0;
        }
        self.settle(rng.range(0, unsynced as u64 + 1) as usize);
        let mut torn = |bytes: usize| rng.range(0, bytes as u64) as usize;
        match &mut self.since {
            Since::Appends { durable, ends } => {
                if let Some(end) = ends.front() {
                    *durable += torn(end - *durable);
                }
                self.cached.truncate(*durable);
            }
            Since::Writes { durable, unsynced } => {
                if let Some(Change::Write { offset, bytes }) = unsynced.front() {
                    let bytes = bytes.slice(..torn(bytes.len()));
                    if !bytes.is_empty() {
                        Change::Write { offset: *offset, bytes }.apply(durable);
                    }
                }
                self.cached = mem::take(durable);
            }
        }
        let lost = self.unsynced() as u64;
        self.settled += lost;
        self.since = Since::of(self.cached.len());
        lost
    }

    /// These bytes are there, whatever was written there, and in the order of no write; they stay when that is synced.
    pub(super) fn overwrite(&mut self, offset: usize, bytes: &[u8]) {
        over(&mut self.cached, 0, offset, bytes);
        if let Since::Writes { durable, unsynced } = &mut self.since {
            over(durable, 0, offset, bytes);
            for change in unsynced {
                if let Change::Write { offset: begins, bytes: written } = change {
                    let mut damaged = written.to_vec();
                    over(&mut damaged, *begins, offset, bytes);
                    *written = damaged.into();
                }
            }
        }
    }
}

/// Of a piece of a file that begins at `begins`, what lies where these bytes are becomes these.
fn over(piece: &mut [u8], begins: usize, offset: usize, bytes: &[u8]) {
    for (held, at) in piece.iter_mut().zip(begins..) {
        if let Some(byte) = at.checked_sub(offset).and_then(|place| bytes.get(place)) {
            *held = *byte;
        }
    }
}

impl Change {
    fn bytes(&self) -> u64 {
        match self {
            Change::Write { bytes, .. } => bytes.len() as u64,
            Change::Truncate(_) => 0,
        }
    }

    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Change::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if image.len() < end {
                    image.resize(end, 0);
                }
                image[*offset..end].copy_from_slice(bytes);
            }
            Change::Truncate(len) => image.resize(*len, 0),
        }
    }
}
