//! What became of operations, in numbers.

use crate::history::Kind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Happened.
    pub ok: u64,
    /// Did not.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

impl Counts {
    /// One more that ended so.
    pub fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Ok => self.ok += 1,
            Kind::Fail => self.fail += 1,
            Kind::Info => self.info += 1,
            Kind::Invoke => {}
        }
    }

    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            ok: self.ok + other.ok,
            fail: self.fail + other.fail,
            info: self.info + other.info,
        }
    }

    /// The rest, where `other` is a part of this.
    pub fn minus(self, other: Counts) -> Counts {
        Counts {
            ok: self.ok - other.ok,
            fail: self.fail - other.fail,
            info: self.info - other.info,
        }
    }

    /// All that completed.
    pub fn total(&self) -> u64 {
        self.ok + self.fail + self.info
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ok, {} fail, {} info", self.ok, self.fail, self.info)
    }
}
