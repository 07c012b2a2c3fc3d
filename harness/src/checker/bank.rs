//! Money moves between accounts and none is made or lost (Jepsen's `bank`): every read shows all of it, as snapshot isolation
//! and everything above it promise.
//!
//! Of each read the first that is true is told: an account that there is not, or twice; one without a balance; another total
//! than there is; a balance below zero, where that is not allowed.
//!
//! Differs from Jepsen: where nobody says what the total is, the first read counts, and every other must agree with it; where
//! nobody says which accounts there are, any may come, but none that had a balance may be without one later. Cannot see:
//! transfers that went to the wrong account, and reads that are old, as long as they are whole.

use super::findings::{Analyse, Findings};
use super::operations::{End, Operation, operations};
use crate::history::History;
use crate::op::{Account, Bank, Op};
use std::collections::{BTreeMap, BTreeSet};

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "bank";

/// Checks reads of all accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BankTotal {
    /// Which accounts there are; `None`: nobody says, and one that had a balance keeps one.
    pub accounts: Option<BTreeSet<Account>>,
    /// What they hold together; `None`: what the first read shows.
    pub total: Option<i64>,
    /// Whether a balance may be below zero.
    pub negative_balances: bool,
}

/// What a bank is to look like.
struct Expected<'o, 'h> {
    /// By whom each account was first shown to have a balance, where nobody says which accounts there are.
    shown: BTreeMap<Account, usize>,
    total: i128,
    /// The read that says so.
    by: Option<&'o Operation<'h>>,
}

impl Analyse for BankTotal {
    fn name(&self) -> &'static str {
        NAME
    }

    fn words(&self) -> String {
        let accounts = self.accounts.as_ref();
        let accounts = accounts.map(|accounts| format!(" --accounts {}", accounts.len()));
        let total = self.total.map(|total| format!(" --total {total}"));
        let negative = if self.negative_balances { " --negative-balances" } else { "" };
        format!("{NAME}{}{}{negative}", accounts.unwrap_or_default(), total.unwrap_or_default())
    }

    fn find(&self, history: &History) -> Result<Findings, String> {
        let operations = operations(history)?;
        if let Some(other) = operations.iter().find(|o| !matches!(o.op, Op::Bank(_))) {
            let reason = format!("event {} is nothing that is asked of a bank", other.invoked);
            return Err(reason);
        }
        Ok(self.judged(history, &operations))
    }
}

impl BankTotal {
    fn judged(&self, history: &History, operations: &[Operation]) -> Findings {
        let mut findings = Findings::new(NAME);
        let reads: Vec<(&Operation, &[(Account, i64)])> =
            operations.iter().filter_map(|read| balances(read).map(|seen| (read, seen))).collect();
        let is_transfer = |o: &&Operation| matches!(o.op, Op::Bank(Bank::Transfer { .. }));
        let transfers = operations.iter().filter(is_transfer).filter(|o| o.end == End::Ok).count();
        let expected = Expected {
            shown: shown(&reads),
            total: self
                .total
                .map_or_else(|| reads.first().map_or(0, |(_, seen)| total(seen)), i128::from),
            by: reads.first().map(|(read, _)| *read).filter(|_| self.total.is_none()),
        };
        let mut wrong = 0;
        for (read, seen) in &reads {
            let Some((name, sentence)) = self.error(&expected, read, seen) else { continue };
            wrong += 1;
            let against = expected.by.filter(|_| name == "wrong-total");
            let shown_by: Vec<&Operation> = against.into_iter().chain([*read]).collect();
            findings.anomaly(history, name, sentence, &shown_by);
        }
        findings.number("reads", reads.len());
        findings.number("transfers", transfers);
        findings.number("wrong reads", wrong);
        if reads.is_empty() {
            findings.reason("no read of the accounts succeeded".to_owned());
        } else if self.total.is_none() && reads.len() == 1 {
            findings.reason("one read succeeded, and nobody says what the total is".to_owned());
        }
        if transfers == 0 {
            findings.reason("no transfer was acknowledged: nothing could go wrong".to_owned());
        }
        findings
    }

    /// What is wrong with a read.
    fn error(
        &self,
        expected: &Expected,
        read: &Operation,
        seen: &[(Account, i64)],
    ) -> Option<(&'static str, String)> {
        let accounts: BTreeSet<Account> = seen.iter().map(|(account, _)| *account).collect();
        let known = self.accounts.as_ref();
        if let Some(account) = known.and_then(|known| accounts.difference(known).next()) {
            return Some(("unexpected-key", format!("account {account} is none of the bank's")));
        }
        if accounts.len() < seen.len() {
            return Some(("duplicate-key", "an account is in one read more than once".to_owned()));
        }
        let missing = match known {
            Some(known) => known.difference(&accounts).next().copied(),
            None => {
                let before = expected.shown.iter().filter(|(_, shown)| **shown < read.invoked);
                before.map(|(account, _)| *account).find(|account| !accounts.contains(account))
            }
        };
        if let Some(account) = missing {
            return Some(("nil-balance", format!("account {account} has no balance")));
        }
        let sum = total(seen);
        if sum != expected.total {
            let should = expected.total;
            return Some((
                "wrong-total",
                format!("the accounts hold {sum} together, and should hold {should}"),
            ));
        }
        let below = seen.iter().find(|(_, money)| *money < 0 && !self.negative_balances);
        below.map(|(account, money)| ("negative-value", format!("account {account} holds {money}")))
    }
}

fn balances<'h>(read: &Operation<'h>) -> Option<&'h [(Account, i64)]> {
    match read.op {
        Op::Bank(Bank::Read { balances: Some(balances) }) if read.end == End::Ok => Some(balances),
        _ => None,
    }
}

fn total(balances: &[(Account, i64)]) -> i128 {
    balances.iter().map(|(_, money)| i128::from(*money)).sum()
}

/// By when a read had shown each account to have a balance.
fn shown(reads: &[(&Operation, &[(Account, i64)])]) -> BTreeMap<Account, usize> {
    let mut shown: BTreeMap<Account, usize> = BTreeMap::new();
    for (read, seen) in reads {
        for (account, _) in *seen {
            let by = read.returned().unwrap_or(usize::MAX);
            let first = shown.entry(*account).or_insert(by);
            *first = by.min(*first);
        }
    }
    shown
}
