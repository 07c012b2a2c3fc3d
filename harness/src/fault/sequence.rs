//! In which order messages that were held back are let go.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An order of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Sequence {
    /// As they came.
    Sent,
    /// The last one first.
    Reversed,
    /// One of all, by this number.
    Drawn(u64),
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sequence::Sent => write!(f, "as they came"),
            Sequence::Reversed => write!(f, "the last one first"),
            Sequence::Drawn(number) => write!(f, "in drawn order {number:#x}"),
        }
    }
}
