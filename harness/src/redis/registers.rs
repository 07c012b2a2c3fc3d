//! Transactions over Redis strings: `SET key value` writes, `GET key` reads. Keys and values are decimal.

use super::resp::Reply;
use super::{Command, Tongue, dial};
use crate::client::{Classify, Client};
use crate::cluster::Connection;
use crate::op::{Held, Op, RegisterMop};

/// What [`Op::Registers`] is in Redis.
pub struct Registers;

impl Registers {
    /// A client of them, as [`crate::client::Dial`].
    pub fn dial(connection: Connection, classify: Classify) -> Box<dyn Client> {
        dial(Registers, connection, classify)
    }
}

impl Tongue for Registers {
    fn commands(&self, op: &Op) -> Vec<Command> {
        let command = |mop: &RegisterMop| match mop {
            RegisterMop::Write { key, value } => {
                vec!["SET".into(), key.to_string().into(), value.to_string().into()]
            }
            RegisterMop::Read { key, .. } => vec!["GET".into(), key.to_string().into()],
        };
        op.register_mops().iter().map(command).collect()
    }

    fn seen(&self, op: &Op, replies: &[Reply]) -> Result<Op, String> {
        let seen = op.register_mops().iter().zip(replies).map(|(mop, reply)| seen(mop, reply));
        seen.collect::<Result<_, _>>().map(Op::Registers)
    }
}

/// The micro-operation with what its reply says, or what is wrong with the reply.
fn seen(mop: &RegisterMop, reply: &Reply) -> Result<RegisterMop, String> {
    match mop {
        RegisterMop::Write { .. } if reply.is_status("OK") => Ok(mop.clone()),
        RegisterMop::Write { .. } => {
            Err(format!("malformed reply: SET was answered with {reply}, not with OK"))
        }
        RegisterMop::Read { key, .. } => {
            let held = held(reply).ok_or_else(|| {
                format!("malformed reply: GET was answered with {reply}, not with a number")
            })?;
            Ok(RegisterMop::Read { key: *key, value: held })
        }
    }
}

fn held(reply: &Reply) -> Option<Held> {
    match reply {
        Reply::Null => Some(Held::Nothing),
        Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok().map(Held::Value),
        _ => None,
    }
}
