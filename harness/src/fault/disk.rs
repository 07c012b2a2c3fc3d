//! What can be wrong with a disk, as data.

use super::FaultKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something wrong with a disk for as long as it lasts. Nothing that was written is lost by it, unless the power fails while syncs lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DiskTrouble {
    /// Every sync takes so much longer.
    SlowSyncs {
        /// How much.
        by_ms: u32,
    },
    /// So many calls more are answered as ever; from then on every one fails (EIO).
    Errors {
        /// How many.
        after: u32,
    },
    /// Nothing more can be written (ENOSPC). What is there can be read, synced, renamed, cut off and removed.
    Full,
    /// A read gives less than it is asked for, though not nothing.
    ShortReads,
    /// A sync says that it is done and has made nothing durable. Once the disk is whole, what it has said is so.
    LyingSyncs,
}

impl DiskTrouble {
    /// The family that it belongs to.
    pub fn kind(self) -> FaultKind {
        match self {
            DiskTrouble::SlowSyncs { .. } => FaultKind::SlowSync,
            DiskTrouble::Errors { .. } => FaultKind::IoError,
            DiskTrouble::Full => FaultKind::DiskFull,
            DiskTrouble::ShortReads => FaultKind::ShortRead,
            DiskTrouble::LyingSyncs => FaultKind::LyingSync,
        }
    }

    /// Whether a process cannot go on with it: it ends, and is started again when the disk is whole.
    pub fn ends_the_process(self) -> bool {
        matches!(self, DiskTrouble::Errors { .. } | DiskTrouble::Full)
    }
}

/// How bytes that a disk holds come to be others than were written, durably and without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Damage {
    /// Bits have flipped.
    Rot,
    /// A write has landed where it did not belong.
    Misdirected,
}

impl Damage {
    /// The family that it belongs to.
    pub fn kind(self) -> FaultKind {
        match self {
            Damage::Rot => FaultKind::BitRot,
            Damage::Misdirected => FaultKind::Misdirect,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::Rot => "rots",
            Damage::Misdirected => "misdirects a write",
        })
    }
}

impl fmt::Display for DiskTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskTrouble::SlowSyncs { by_ms } => write!(f, "syncs take {by_ms} ms more"),
            DiskTrouble::Errors { after: 0 } => write!(f, "fails"),
            DiskTrouble::Errors { after } => write!(f, "fails after {after} calls"),
            DiskTrouble::Full => write!(f, "is full"),
            DiskTrouble::ShortReads => write!(f, "reads short"),
            DiskTrouble::LyingSyncs => write!(f, "lies about syncs"),
        }
    }
}
