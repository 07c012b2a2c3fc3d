//! The Redis client (RESP2): what an operation is in commands, and what their replies say, each [`Tongue`] knows of its workload.
//!
//! One command is sent bare, several as `MULTI … EXEC`, pipelined in one write as Jepsen's Redis client does. Promises: every
//! reply that belongs to an operation is read before the operation completes, and nothing is called `Ok` that was
//! not well-formed in full.
//!
//! Cannot see: whether a server that answered `+OK` to MULTI and an integer to RPUSH told the truth.

use crate::client::{Classify, Client, Outcome, undecided};
use crate::cluster::Connection;
use crate::op::{Completion, Op};
use connection::Redis;
use futures_util::future::LocalBoxFuture;
use resp::Reply;
use std::borrow::Cow;
use std::io;

pub mod bank;
pub mod connection;
pub mod errors;
pub mod lists;
pub mod objects;
pub mod registers;
pub mod resp;

/// The words of one command.
pub type Command = Vec<Cow<'static, str>>;

/// What the operations of one workload are in Redis.
pub trait Tongue {
    /// What asks it; nothing, where it is of another workload.
    fn commands(&self, op: &Op) -> Vec<Command>;
    /// The operation with what the replies to its commands say, or what is wrong with them.
    fn seen(&self, op: &Op, replies: &[Reply]) -> Result<Op, String>;
    /// The operation, where an error is an answer like another.
    fn refused(&self, _op: &Op, _error: &str) -> Option<Op> {
        None
    }
}

/// A client of one Redis connection.
pub struct RedisClient<T> {
    redis: Redis,
    classify: Classify,
    tongue: T,
}

/// A client over a fresh connection.
pub fn dial(
    tongue: impl Tongue + 'static,
    connection: Connection,
    classify: Classify,
) -> Box<dyn Client> {
    Box::new(RedisClient { redis: Redis::new(connection), classify, tongue })
}

impl<T: Tongue> RedisClient<T> {
    async fn transact(&mut self, op: &Op) -> Outcome {
        let commands = self.tongue.commands(op);
        if commands.is_empty() {
            let completion = Completion::Fail(format!("nothing to ask of a store in {op:?}"));
            return Outcome { completion, reusable: true };
        }
        let bare = commands.len() == 1;
        if !bare {
            self.redis.command(&[b"MULTI"]);
        }
        for command in &commands {
            let words: Vec<&[u8]> = command.iter().map(|word| word.as_bytes()).collect();
            self.redis.command(&words);
        }
        if !bare {
            self.redis.command(&[b"EXEC"]);
        }
        let replies = match self.exchange(if bare { 1 } else { commands.len() + 2 }).await {
            Ok(replies) => replies,
            Err(error) => {
                let completion = undecided(op, format!("connection: {error}"));
                return Outcome { completion, reusable: false };
            }
        };
        let boundary = self.redis.at_boundary();
        let reading = if bare { self.bare(op, &replies) } else { self.multi(op, &replies) };
        Outcome { reusable: boundary && reading.outside_multi, completion: reading.completion }
    }

    async fn exchange(&mut self, count: usize) -> io::Result<Vec<Reply>> {
        self.redis.flush().await?;
        let mut replies = Vec::with_capacity(count);
        for _ in 0..count {
            replies.push(self.redis.reply().await?);
        }
        Ok(replies)
    }

    fn bare(&self, op: &Op, replies: &[Reply]) -> Reading {
        let completion = match &replies[0] {
            Reply::Error(text) => match self.tongue.refused(op, text) {
                Some(op) => Completion::Ok(op),
                None => refusal(op, text, self.classify),
            },
            _ => self.read(op, replies),
        };
        Reading { completion, outside_multi: true }
    }

    fn read(&self, op: &Op, replies: &[Reply]) -> Completion {
        match self.tongue.seen(op, replies) {
            Ok(op) => Completion::Ok(op),
            Err(reason) => undecided(op, reason),
        }
    }

    /// EXEC's array. An error inside it is undecided: the other commands of the transaction did run.
    fn executed(&self, op: &Op, items: &[Reply], commands: usize) -> Completion {
        if items.len() != commands {
            let reason = format!("EXEC gave {} replies to {commands} commands", items.len());
            return undecided(op, reason);
        }
        self.read(op, items)
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
                None => self.executed(op, items, queued.len()),
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

impl<T: Tongue> Client for RedisClient<T> {
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
