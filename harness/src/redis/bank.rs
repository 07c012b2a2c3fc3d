//! A bank in Redis: each account is a sorted set with one member, whose score is its balance. A transfer is `ZINCRBY` twice in
//! `MULTI … EXEC`, and a look at all accounts one script: of what Elastickv lets a transaction have, only that reads scores.
//!
//! Promises: money is neither made nor lost, and every account begins with nothing, so that the balances add up to 0 at any moment.
//! An account that nothing was moved to or from has no key, and a balance of 0.

use super::resp::Reply;
use super::{Command, Tongue, dial};
use crate::client::{Classify, Client};
use crate::cluster::Connection;
use crate::op::{Account, Bank, Op};
use crate::workload::bank::ACCOUNTS;

/// The member whose score is the balance.
const BALANCE: &str = "balance";

/// The balance of each key, `0` where there is none.
const LOOK: &str = "local balances = {} for i, key in ipairs(KEYS) do \
    balances[i] = redis.call('ZSCORE', key, ARGV[1]) or '0' end return balances";

/// What [`Op::Bank`] is in Redis.
pub struct Accounts;

impl Accounts {
    /// A client of them, as [`crate::client::Dial`].
    pub fn dial(connection: Connection, classify: Classify) -> Box<dyn Client> {
        dial(Accounts, connection, classify)
    }
}

impl Tongue for Accounts {
    fn commands(&self, op: &Op) -> Vec<Command> {
        let moves = |account: &Account, by: i64| {
            let (account, by) = (account.to_string(), by.to_string());
            vec!["ZINCRBY".into(), account.into(), by.into(), BALANCE.into()]
        };
        match op {
            Op::Bank(Bank::Transfer { from, to, amount }) => {
                vec![moves(from, -amount), moves(to, *amount)]
            }
            Op::Bank(Bank::Read { .. }) => {
                let keys = (0..ACCOUNTS).map(|account| account.to_string().into());
                let words = ["EVAL".into(), LOOK.into(), ACCOUNTS.to_string().into()];
                vec![words.into_iter().chain(keys).chain([BALANCE.into()]).collect()]
            }
            _ => Vec::new(),
        }
    }

    fn seen(&self, op: &Op, replies: &[Reply]) -> Result<Op, String> {
        match (op, replies) {
            (Op::Bank(Bank::Transfer { .. }), replies) => {
                match replies.iter().find(|reply| balance(reply).is_none()) {
                    Some(reply) => {
                        Err(format!("malformed reply: ZINCRBY was answered with {reply}"))
                    }
                    None => Ok(op.clone()),
                }
            }
            (Op::Bank(Bank::Read { .. }), [Reply::Array(items)])
                if items.len() as Account == ACCOUNTS =>
            {
                let seen = (0..).zip(items).map(|(account, item)| Some((account, balance(item)?)));
                let balances = seen.collect::<Option<Vec<_>>>();
                let wrong = || format!("malformed reply: the script gave {}", replies[0]);
                let balances = Some(balances.ok_or_else(wrong)?);
                Ok(Op::Bank(Bank::Read { balances }))
            }
            (_, replies) => Err(format!("malformed reply: the script gave {replies:?}")),
        }
    }
}

fn balance(reply: &Reply) -> Option<i64> {
    let Reply::Bulk(bytes) = reply else { return None };
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.to_owned().into())
    }

    #[test]
    fn a_transfer_is_two_moves_and_a_look_has_every_account() -> Result<(), String> {
        let transfer = Op::Bank(Bank::Transfer { from: 1, to: 2, amount: 5 });
        let said: Vec<String> =
            Accounts.commands(&transfer).iter().map(|command| command.join(" ")).collect();
        assert_eq!(said, ["ZINCRBY 1 -5 balance", "ZINCRBY 2 5 balance"]);
        assert_eq!(Accounts.seen(&transfer, &[bulk("-5"), bulk("5")])?, transfer);
        assert!(Accounts.seen(&transfer, &[bulk("-5"), Reply::Error("ERR odd".into())]).is_err());
        let look = Op::Bank(Bank::Read { balances: None });
        let said = Accounts.commands(&look);
        assert_eq!(said[0].len() as Account, 3 + ACCOUNTS + 1);
        let items: Vec<Reply> = (0..ACCOUNTS).map(|_| bulk("0")).collect();
        let few = Reply::Array(items[1..].to_vec());
        let balances = (0..ACCOUNTS).map(|account| (account, 0)).collect();
        let seen = Accounts.seen(&look, &[Reply::Array(items)])?;
        assert_eq!(seen, Op::Bank(Bank::Read { balances: Some(balances) }));
        for odd in [few, Reply::Null, bulk("0")] {
            assert!(Accounts.seen(&look, &[odd]).is_err());
        }
        Ok(())
    }
}
