//! Where each micro-operation stands: the versions of all keys in one row of *slots*. The slot of a version is that of the
//! append that ends it and of the reads that show it up to there; a key's last slot is for what nobody saw. Keys that are not
//! [plain](super::plain) have theirs empty.

use super::touches::Touches;
use crate::columns::NONE;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

/// Within a key: an append to that version, or a read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Append(u32),
    Read(u32),
}

/// All slots.
#[derive(Debug)]
pub(super) struct Slots {
    /// For each micro-operation, or [`NONE`] if it takes no part.
    cells: Vec<AtomicU32>,
    /// For each slot who appends to that version, or [`NONE`].
    pub writers: Vec<u32>,
    /// For each slot how many reads show that version.
    pub readers: Vec<u32>,
    /// For each slot how many appends stand there that succeeded and that nobody saw.
    pub unseen: Vec<u32>,
}

/// The slots of one key.
pub(super) struct Share<'s> {
    pub writers: &'s mut [u32],
    pub readers: &'s mut [u32],
    pub unseen: &'s mut [u32],
    cells: &'s [AtomicU32],
    first: u32,
}

impl Share<'_> {
    /// Notes where a micro-operation stands.
    pub fn put(&mut self, cell: usize, place: Place) {
        let packed = match place {
            Place::Append(version) => (self.first + version) << 1 | 1,
            Place::Read(version) => (self.first + version) << 1,
        };
        self.cells[cell].store(packed, Ordering::Relaxed);
    }

    /// Forgets the key, of which these are the micro-operations.
    pub fn clear(&mut self, cells: impl Iterator<Item = usize>) {
        self.writers.fill(NONE);
        self.readers.fill(0);
        self.unseen.fill(0);
        cells.for_each(|cell| self.cells[cell].store(NONE, Ordering::Relaxed));
    }
}

/// The slots of neighbouring keys.
pub(super) struct Shares<'s> {
    writers: &'s mut [u32],
    readers: &'s mut [u32],
    unseen: &'s mut [u32],
    cells: &'s [AtomicU32],
    first: u32,
}

impl<'s> Shares<'s> {
    /// Those of the key that begins at `first`, counted from the first of all keys.
    pub fn of(&mut self, slots: Range<usize>) -> Share<'_> {
        let range = slots.start - self.first as usize..slots.end - self.first as usize;
        Share {
            writers: &mut self.writers[range.clone()],
            readers: &mut self.readers[range.clone()],
            unseen: &mut self.unseen[range],
            cells: self.cells,
            first: slots.start as u32,
        }
    }

    /// Those before a slot, and the others.
    pub fn split(self, at: usize) -> (Shares<'s>, Shares<'s>) {
        let Shares { writers, readers, unseen, cells, first } = self;
        let at = at - first as usize;
        let (writers, later_writers) = writers.split_at_mut(at);
        let (readers, later_readers) = readers.split_at_mut(at);
        let (unseen, later_unseen) = unseen.split_at_mut(at);
        let later = Shares {
            writers: later_writers,
            readers: later_readers,
            unseen: later_unseen,
            cells,
            first: first + at as u32,
        };
        (Shares { writers, readers, unseen, cells, first }, later)
    }
}

impl Slots {
    /// Room for all keys; `None` if there are too many micro-operations to number their places.
    pub fn new(all: &Touches) -> Option<Slots> {
        let count = all.slots(all.rows()).start;
        if count >= 1 << 31 {
            return None;
        }
        let cells = all.columns.cells().len();
        let cells = std::iter::repeat_with(|| AtomicU32::new(NONE)).take(cells).collect();
        let (writers, readers, unseen) = (vec![NONE; count], vec![0; count], vec![0; count]);
        Some(Slots { cells, writers, readers, unseen })
    }

    /// All of them, to be filled.
    pub fn shares(&mut self) -> Shares<'_> {
        let Slots { cells, writers, readers, unseen } = self;
        Shares { writers, readers, unseen, cells, first: 0 }
    }

    /// The slots of some micro-operations that take part, and whether each is an append.
    pub fn of_cells(&self, cells: Range<usize>) -> impl Iterator<Item = (usize, bool)> {
        let packed = self.cells[cells].iter().map(|cell| cell.load(Ordering::Relaxed));
        packed
            .filter(|packed| *packed != NONE)
            .map(|packed| ((packed >> 1) as usize, packed & 1 != 0))
    }

    /// Who appended to the version before.
    pub fn writer_before(&self, slot: usize) -> Option<u32> {
        let writer = *self.writers.get(slot.checked_sub(1)?)?;
        (writer != NONE).then_some(writer)
    }
}
