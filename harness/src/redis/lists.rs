//! Transactions over Redis lists: `RPUSH key value` appends, `LRANGE key 0 -1` reads. Keys and values are decimal.

use super::resp::Reply;
use super::{Command, Tongue, dial};
use crate::client::{Classify, Client};
use crate::cluster::Connection;
use crate::op::{Mop, Op, Value};

/// What [`Op::Txn`] is in Redis.
pub struct Lists;

impl Lists {
    /// A client of them, as [`crate::client::Dial`].
    pub fn dial(connection: Connection, classify: Classify) -> Box<dyn Client> {
        dial(Lists, connection, classify)
    }
}

impl Tongue for Lists {
    fn commands(&self, op: &Op) -> Vec<Command> {
        let command = |mop: &Mop| match mop {
            Mop::Append { key, value } => {
                vec!["RPUSH".into(), key.to_string().into(), value.to_string().into()]
            }
            Mop::Read { key, .. } => {
                vec!["LRANGE".into(), key.to_string().into(), "0".into(), "-1".into()]
            }
        };
        op.mops().iter().map(command).collect()
    }

    fn seen(&self, op: &Op, replies: &[Reply]) -> Result<Op, String> {
        let seen = op.mops().iter().zip(replies).map(|(mop, reply)| seen(mop, reply));
        seen.collect::<Result<_, _>>().map(Op::Txn)
    }
}

/// The micro-operation with what its reply says, or what is wrong with the reply.
fn seen(mop: &Mop, reply: &Reply) -> Result<Mop, String> {
    match (mop, reply) {
        (Mop::Append { .. }, Reply::Integer(length)) if *length > 0 => Ok(mop.clone()),
        (Mop::Append { .. }, reply) => {
            Err(format!("malformed reply: RPUSH was answered with {reply}, not with a length"))
        }
        (Mop::Read { key, .. }, Reply::Array(items)) => {
            let values: Result<Vec<Value>, String> = items.iter().map(element).collect();
            Ok(Mop::Read { key: *key, values: Some(values?) })
        }
        (Mop::Read { .. }, reply) => {
            Err(format!("malformed reply: LRANGE was answered with {reply}, not with a list"))
        }
    }
}

fn element(reply: &Reply) -> Result<Value, String> {
    let number = match reply {
        Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()),
        _ => None,
    };
    number.ok_or_else(|| format!("malformed reply: LRANGE gave {reply}, not a number"))
}
