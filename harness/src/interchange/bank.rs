//! A bank as Jepsen writes it: `{:f :transfer, :value {:from 0, :to 1, :amount 5}}`, `{:f :read, :value {0 10, 1 20}}`.
//!
//! Balances may be pairs, too: JSON's maps have no numbers for keys, though `"7"` is read as one. An account whose balance is
//! nil has none. What a read of which nobody knows the answer has as its value says nothing.

use super::op_map::{Datum, brief, element};
use crate::history::Kind;
use crate::op::{Account, Bank};
use std::borrow::Cow;

/// What an op map of a bank has.
pub(super) const EXAMPLE: &str = "{:from 0, :to 1, :amount 5}, :f :transfer";

/// A bank's operation of an event of this kind.
pub(super) fn read(f: Option<&Datum>, value: Option<&Datum>, kind: Kind) -> Result<Bank, String> {
    let value = value.unwrap_or(&Datum::Nil);
    match f.and_then(Datum::word) {
        Some("transfer") => transfer(value),
        Some("read") if kind == Kind::Ok => Ok(Bank::Read { balances: balances(value)? }),
        Some("read") => Ok(Bank::Read { balances: None }),
        _ => {
            let found = f.map_or("a missing :f".to_owned(), brief);
            Err(format!("{found} is no function of a bank: :transfer and :read are"))
        }
    }
}

/// What stands in `:value`.
pub(super) fn told(bank: &Bank) -> Datum<'static> {
    let field = |name, number: i128| (Datum::Keyword(Cow::Borrowed(name)), Datum::Int(number));
    match bank {
        Bank::Transfer { from, to, amount } => Datum::Map(vec![
            field("from", (*from).into()),
            field("to", (*to).into()),
            field("amount", (*amount).into()),
        ]),
        Bank::Read { balances: None } => Datum::Nil,
        Bank::Read { balances: Some(balances) } => {
            let pair = |(account, money): &(Account, i64)| {
                (Datum::Int((*account).into()), Datum::Int((*money).into()))
            };
            Datum::Map(balances.iter().map(pair).collect())
        }
    }
}

fn transfer(value: &Datum) -> Result<Bank, String> {
    let Datum::Map(fields) = value else {
        return Err(format!(
            "value {} is no transfer: {{:from 0, :to 1, :amount 5}} is",
            brief(value)
        ));
    };
    let field = |name: &str| {
        let found = fields.iter().find(|(word, _)| word.word() == Some(name));
        found
            .map(|(_, value)| value)
            .ok_or_else(|| format!("transfer {} has no :{name}", brief(value)))
    };
    Ok(Bank::Transfer {
        from: account(field("from")?)?,
        to: account(field("to")?)?,
        amount: money(field("amount")?)?,
    })
}

fn balances(value: &Datum) -> Result<Option<Vec<(Account, i64)>>, String> {
    let balance = |name: &Datum, balance: &Datum| match balance {
        Datum::Nil => account(name).map(|_| None),
        balance => Ok(Some((account(name)?, money(balance)?))),
    };
    let balances: Result<Vec<Option<(Account, i64)>>, String> = match value {
        Datum::Nil => return Ok(None),
        Datum::Map(pairs) => pairs.iter().map(|(name, money)| balance(name, money)).collect(),
        Datum::Seq(items) => items
            .iter()
            .map(|item| match item {
                Datum::Seq(pair) if pair.len() == 2 => balance(&pair[0], &pair[1]),
                other => Err(format!("{} is no account with its balance: [0 10] is", brief(other))),
            })
            .collect(),
        other => return Err(format!("value {} is no balances: {{0 10, 1 20}} is", brief(other))),
    };
    Ok(Some(balances?.into_iter().flatten().collect()))
}

fn account(datum: &Datum) -> Result<Account, String> {
    match datum.word().map(str::parse) {
        Some(Ok(account)) => Ok(account),
        _ => element(datum, "an account"),
    }
}

fn money(datum: &Datum) -> Result<i64, String> {
    let number = match datum {
        Datum::Int(number) => i64::try_from(*number).ok(),
        _ => None,
    };
    number
        .ok_or_else(|| format!("{} is not money: a number from -2^63 to 2^63 - 1 is", brief(datum)))
}
