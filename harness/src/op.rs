//! What a process asks, as data: one enum for all workloads, so that a history is one type.

mod bank;
mod call;
mod registers;

pub use bank::{Account, Bank};
pub use call::{Answer, Call, Function, Object, TypeName};
pub use registers::{Held, RegisterMop};

use crate::fault::Fault;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A list's name.
pub type Key = u64;
/// A list's element. Unique within its key: that is what makes a history checkable.
pub type Value = u64;

/// One micro-operation of a transaction. Elle's list-append alphabet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Mop {
    /// `[:append k v]`
    Append {
        /// The list.
        key: Key,
        /// The element added at its end.
        value: Value,
    },
    /// `[:r k [..]]`; `None` before it completes, or when nobody knows what was read (`[:r k nil]`).
    Read {
        /// The list.
        key: Key,
        /// All its elements, oldest first.
        values: Option<Vec<Value>>,
    },
}

impl Mop {
    /// The list it touches.
    pub fn key(&self) -> Key {
        match self {
            Mop::Append { key, .. } | Mop::Read { key, .. } => *key,
        }
    }

    /// The same, to be changed.
    pub fn key_mut(&mut self) -> &mut Key {
        match self {
            Mop::Append { key, .. } | Mop::Read { key, .. } => key,
        }
    }
}

impl fmt::Display for Mop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mop::Append { key, value } => write!(f, "[:append {key} {value}]"),
            Mop::Read { key, values: None } => write!(f, "[:r {key} nil]"),
            Mop::Read { key, values: Some(values) } => {
                write!(f, "[:r {key} [")?;
                for (i, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if i == 0 { "" } else { " " })?;
                }
                write!(f, "]]")
            }
        }
    }
}

/// What was asked: of the store by a client, or of the cluster by the nemesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// A transaction over lists.
    Txn(Vec<Mop>),
    /// A fault or its undoing.
    Fault(Fault),
    /// A transaction over registers.
    Registers(Vec<RegisterMop>),
    /// A call of one object.
    Call(Call),
    /// Money moved between accounts, or a look at all of them.
    Bank(Bank),
}

impl Op {
    /// The micro-operations over lists, none for anything else.
    pub fn mops(&self) -> &[Mop] {
        match self {
            Op::Txn(mops) => mops,
            _ => &[],
        }
    }

    /// The keys that it names, as often as it does: of a bank, which a look shows whole, none.
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Op::Txn(mops) => mops.iter().map(Mop::key).collect(),
            Op::Registers(mops) => mops.iter().map(RegisterMop::key).collect(),
            Op::Call(call) => vec![call.key],
            Op::Fault(_) | Op::Bank(_) => Vec::new(),
        }
    }

    /// How many micro-operations it has; a call is one, and so is what is asked of a bank.
    pub fn length(&self) -> usize {
        let calls = usize::from(matches!(self, Op::Call(_) | Op::Bank(_)));
        self.mops().len() + self.register_mops().len() + calls
    }

    /// The micro-operations over registers, none for anything else.
    pub fn register_mops(&self) -> &[RegisterMop] {
        match self {
            Op::Registers(mops) => mops,
            _ => &[],
        }
    }
}

/// A transaction is a vector of its micro-operations.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Txn(mops) => in_vector(f, mops),
            Op::Registers(mops) => in_vector(f, mops),
            Op::Call(call) => call.fmt(f),
            Op::Bank(bank) => bank.fmt(f),
            Op::Fault(fault) => fault.fmt(f),
        }
    }
}

fn in_vector(f: &mut fmt::Formatter<'_>, mops: &[impl fmt::Display]) -> fmt::Result {
    f.write_str("[")?;
    for (i, mop) in mops.iter().enumerate() {
        write!(f, "{}{mop}", if i == 0 { "" } else { " " })?;
    }
    f.write_str("]")
}

/// How an operation ended. In doubt, `Info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Completion {
    /// It happened, and this is what it saw.
    Ok(Op),
    /// It did not happen and never will; the reason in the server's or our words.
    Fail(String),
    /// Nobody knows: it may have happened, or may yet.
    Info(String),
}
