//! The Redis client (RESP2): `RPUSH key value` appends, `LRANGE key 0 -1` reads. Keys and values are decimal.
//!
//! A transaction of one micro-operation is sent bare, a longer one as `MULTI … EXEC`, pipelined in one write as
//! Jepsen's Redis client does. Promises: every reply that belongs to an operation is read before the operation
//! completes, and nothing is called `Ok` that was not well-formed in full.
//!
//! Cannot see: whether a server that answered `+OK` to MULTI and an integer to RPUSH told the truth.

use crate::client::{Classify, Client, Outcome, undecided};
use crate::cluster::Connection;
use crate::op::{Completion, Mop, Op, Value};
use connection::Redis;
use futures_util::future::LocalBoxFuture;
use resp::Reply;
use std::io;

pub mod connection;
pub mod errors;
pub mod objects;
pub mod resp;

/// A client of one Redis connection.
pub struct RedisClient {
    redis: Redis,
    classify: Classify,
}

impl RedisClient {
    /// Over a fresh connection.
    pub fn new(connection: Connection, classify: Classify) -> RedisClient {
        RedisClient { redis: Redis::new(connection), classify }
    }

    /// The same, as [`crate::client::Dial`].
    pub fn dial(connection: Connection, classify: Classify) -> Box<dyn Client> {
        Box::new(RedisClient::new(connection, classify))
    }

    async fn transact(&mut self, op: &Op) -> Outcome {
        let mops = op.mops();
        if mops.is_empty() {
            let completion = Completion::Fail(format!("nothing to ask of a store in {op:?}"));
            return Outcome { completion, reusable: true };
        }
        let bare = mops.len() == 1;
        if !bare {
            self.redis.command(&[b"MULTI"]);
        }
        for mop in mops {
            self.ask(mop);
        }
        if !bare {
            self.redis.command(&[b"EXEC"]);
        }
        let replies = match self.exchange(if bare { 1 } else { mops.len() + 2 }).await {
            Ok(replies) => replies,
            Err(error) => {
                let completion = undecided(op, format!("connection: {error}"));
                return Outcome { completion, reusable: false };
            }
        };
        let boundary = self.redis.at_boundary();
        let reading = if bare { self.bare(op, &replies[0]) } else { self.multi(op, &replies) };
        Outcome { reusable: boundary && reading.outside_multi, completion: reading.completion }
    }

    fn ask(&mut self, mop: &Mop) {
        match mop {
            Mop::Append { key, value } => self.redis.command(&[
                b"RPUSH",
                key.to_string().as_bytes(),
                value.to_string().as_bytes(),
            ]),
            Mop::Read { key, .. } => {
                self.redis.command(&[b"LRANGE", key.to_string().as_bytes(), b"0", b"-1"]);
            }
        }
    }

    async fn exchange(&mut self, count: usize) -> io::Result<Vec<Reply>> {
        self.redis.flush().await?;
        let mut replies = Vec::with_capacity(count);
        for _ in 0..count {
            replies.push(self.redis.reply().await?);
        }
        Ok(replies)
    }

    fn bare(&self, op: &Op, reply: &Reply) -> Reading {
        let completion = match reply {
            Reply::Error(text) => refusal(op, text, self.classify),
            reply => match seen(&op.mops()[0], reply) {
                Ok(mop) => Completion::Ok(Op::Txn(vec![mop])),
                Err(reason) => undecided(op, reason),
            },
        };
        Reading { completion, outside_multi: true }
    }

    /// Replies to MULTI, each command and EXEC.
    fn multi(&self, op: &Op, replies: &[Reply]) -> Reading {
        let begun = replies[0].is_status("OK");
        let exec = &replies[replies.len() - 1];
        if !begun {
            // The commands after a refused MULTI ran bare: some of them may have taken effect.
            let reason = format!("MULTI was answered with {}", replies[0]);
            return Reading { completion: undecided(op, reason), outside_multi: false };
        }
        let queued = &replies[1..replies.len() - 1];
        let completion = match exec {
            Reply::Error(text) if queued.iter().all(was_only_queued) => {
                refusal(op, text, self.classify)
            }
            Reply::Error(text) => undecided(op, text.clone()),
            // The server knows no WATCH, so it has no reason to abort: nobody knows what this one means.
            Reply::NullArray | Reply::Null => undecided(op, "EXEC was aborted: null reply".into()),
            Reply::Array(items) => match queued.iter().find(|reply| !reply.is_status("QUEUED")) {
                Some(reply) => {
                    undecided(op, format!("EXEC ran although a command was answered with {reply}"))
                }
                None => executed(op, items),
            },
            reply => undecided(op, format!("EXEC was answered with {reply}")),
        };
        // An error other than EXECABORT may have left the server's side inside the transaction; so may
        // a malformed answer.
        let outside_multi = match exec {
            Reply::Error(text) => errors::ends_multi(text),
            Reply::NullArray | Reply::Null | Reply::Array(_) => true,
            _ => false,
        };
        Reading { completion, outside_multi }
    }
}

/// What an error means that is the whole answer.
fn refusal(op: &Op, text: &str, classify: Classify) -> Completion {
    match errors::definite(text, classify) {
        true => Completion::Fail(text.to_owned()),
        false => undecided(op, text.to_owned()),
    }
}

impl Client for RedisClient {
    fn invoke<'a>(&'a mut self, op: &'a Op) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(self.transact(op))
    }
}

struct Reading {
    completion: Completion,
    outside_multi: bool,
}

/// Whether the command cannot have run before EXEC.
fn was_only_queued(reply: &Reply) -> bool {
    reply.is_status("QUEUED") || matches!(reply, Reply::Error(_))
}

/// EXEC's array. An error inside it is undecided: the other commands of the transaction did run.
fn executed(op: &Op, items: &[Reply]) -> Completion {
    let mops = op.mops();
    if items.len() != mops.len() {
        let reason = format!("EXEC gave {} replies to {} commands", items.len(), mops.len());
        return undecided(op, reason);
    }
    let seen: Result<Vec<Mop>, String> =
        mops.iter().zip(items).map(|(mop, item)| seen(mop, item)).collect();
    match seen {
        Ok(mops) => Completion::Ok(Op::Txn(mops)),
        Err(reason) => undecided(op, reason),
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
