//! A bank: money moves between accounts, and a look shows all of them at once. Jepsen's bank alphabet.
//!
//! Promises that an account that a look shows without a balance stays apart from one with a balance of 0: it is not
//! among the balances. Cannot say: that an account was opened or closed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An account's number.
pub type Account = u64;

/// One operation on a bank.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Bank {
    /// `:transfer {:from 0, :to 1, :amount 5}`
    Transfer {
        /// Whose balance falls.
        from: Account,
        /// Whose balance rises.
        to: Account,
        /// By how much; a bank that is to have no negative balance refuses what `from` has not.
        amount: i64,
    },
    /// `:read {0 10, 1 20}`
    Read {
        /// The accounts that have a balance, in any order; `None` before it completes, or when nobody knows.
        balances: Option<Vec<(Account, i64)>>,
    },
}

impl Bank {
    /// Jepsen's `:f`, without its colon.
    pub fn word(&self) -> &'static str {
        match self {
            Bank::Transfer { .. } => "transfer",
            Bank::Read { .. } => "read",
        }
    }
}

/// As Jepsen writes it: `:transfer {:from 0, :to 1, :amount 5}`, `:read {0 10, 1 20}`.
impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bank::Transfer { from, to, amount } => {
                write!(f, ":transfer {{:from {from}, :to {to}, :amount {amount}}}")
            }
            Bank::Read { balances: None } => write!(f, ":read"),
            Bank::Read { balances: Some(balances) } => {
                let balances = balances.iter().map(|(account, money)| format!("{account} {money}"));
                write!(f, ":read {{{}}}", balances.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
