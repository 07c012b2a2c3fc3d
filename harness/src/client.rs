//! A black-box client: one connection, one operation at a time, one attempt. What it says of an outcome is
//! what a verdict rests on, so in doubt it says `Info`.
//!
//! It keeps no time: the interpreter drops it when a deadline passes.

use crate::cluster::Connection;
use crate::op::{Bank, Completion, Mop, Op, RegisterMop};
use futures_util::future::LocalBoxFuture;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it means.
    pub completion: Completion,
    /// Whether the connection is at a reply boundary outside a transaction, so that it can carry another operation.
    pub reusable: bool,
}

/// Speaks one protocol over one connection.
pub trait Client {
    /// Asks once and reads the answer. Dropping the future leaves the connection unusable.
    fn invoke<'a>(&'a mut self, op: &'a Op) -> LocalBoxFuture<'a, Outcome>;
}

/// Makes a client out of a fresh connection.
pub type Dial = fn(Connection, Classify) -> Box<dyn Client>;

/// How error replies are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Classify {
    /// `Fail` only where the text is definite for every cause that the server has for it.
    #[default]
    Elastickv,
    /// As upstream's own Jepsen client reads them: a top-level `NOTLEADER` is `Fail`.
    Jepsen,
}

impl Classify {
    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Classify::Elastickv => "elastickv",
            Classify::Jepsen => "jepsen",
        }
    }
}

impl std::str::FromStr for Classify {
    type Err = String;

    fn from_str(text: &str) -> Result<Classify, String> {
        match text {
            "elastickv" => Ok(Classify::Elastickv),
            "jepsen" => Ok(Classify::Jepsen),
            _ => Err(format!("`{text}` is not a reading of errors: elastickv or jepsen")),
        }
    }
}

/// Whether an operation only reads. Whatever went wrong with it, it had no effect: it is always safe to call it failed.
pub fn read_only(op: &Op) -> bool {
    match op {
        Op::Txn(mops) => mops.iter().all(|mop| matches!(mop, Mop::Read { .. })),
        Op::Registers(mops) => mops.iter().all(|mop| matches!(mop, RegisterMop::Read { .. })),
        Op::Call(call) => call.function.reads(),
        Op::Bank(bank) => matches!(bank, Bank::Read { .. }),
        Op::Fault(_) => false,
    }
}

/// `Info`, or `Fail` where the operation only reads.
pub fn undecided(op: &Op, reason: String) -> Completion {
    if read_only(op) { Completion::Fail(reason) } else { Completion::Info(reason) }
}
