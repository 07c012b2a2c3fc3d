//! Transactions over registers: each key holds one value, and a write replaces it. Elle's rw-register alphabet.
//!
//! Promises that three things stay apart: a read of which nobody knows the answer, a read of a key that was
//! never written, and a read of a value. Cannot say: that a key was deleted.

use super::{Key, Value};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One micro-operation of a transaction over registers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegisterMop {
    /// `[:w k v]`
    Write {
        /// The register.
        key: Key,
        /// What it holds from then on. Unique within its key: that is what makes a history checkable.
        value: Value,
    },
    /// `[:r k v]`
    Read {
        /// The register.
        key: Key,
        /// What it was seen to hold.
        value: Held,
    },
}

/// What a register holds, as far as a read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Held {
    /// Not known: the read has not completed, or nobody knows what it saw.
    Unknown,
    /// Nothing: the register is as it was before any write.
    Nothing,
    /// This.
    Value(Value),
}

impl RegisterMop {
    /// The register it touches.
    pub fn key(&self) -> Key {
        match self {
            RegisterMop::Write { key, .. } | RegisterMop::Read { key, .. } => *key,
        }
    }

    /// The same, to be changed.
    pub fn key_mut(&mut self) -> &mut Key {
        match self {
            RegisterMop::Write { key, .. } | RegisterMop::Read { key, .. } => key,
        }
    }
}

/// As Elle writes it: `nil` both for nothing and for not known. The event's kind tells them apart.
impl fmt::Display for RegisterMop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegisterMop::Write { key, value } => write!(f, "[:w {key} {value}]"),
            RegisterMop::Read { key, value: Held::Value(value) } => write!(f, "[:r {key} {value}]"),
            RegisterMop::Read { key, .. } => write!(f, "[:r {key} nil]"),
        }
    }
}
