//! Commands: names, arities (`adapter/redis_command_specs.go`) and what each does to a [`Context`].

use super::context::Context;
use super::resp::Reply;
use super::{lists, strings};
use crate::kv::error::KvError;
use bytes::Bytes;
use std::fmt;

/// A command that this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `PING [message]`
    Ping,
    /// SET key value
    Set,
    /// GET key
    Get,
    /// DEL key …
    Del,
    /// EXISTS key …
    Exists,
    /// INCR key
    Incr,
    /// RPUSH key value …
    Rpush,
    /// LPUSH key value …
    Lpush,
    /// LRANGE key start stop
    Lrange,
    /// LLEN key
    Llen,
    /// MULTI
    Multi,
    /// EXEC
    Exec,
    /// DISCARD
    Discard,
}

/// Name, number of words with the name (negative: at least so many), and whether it writes.
const SPECS: [(&str, Name, i32, bool); 13] = [
    ("PING", Name::Ping, -1, false),
    ("SET", Name::Set, -3, true),
    ("GET", Name::Get, 2, false),
    ("DEL", Name::Del, -2, true),
    ("EXISTS", Name::Exists, -2, false),
    ("INCR", Name::Incr, 2, true),
    ("RPUSH", Name::Rpush, -3, true),
    ("LPUSH", Name::Lpush, -3, true),
    ("LRANGE", Name::Lrange, 4, false),
    ("LLEN", Name::Llen, 2, false),
    ("MULTI", Name::Multi, 1, false),
    ("EXEC", Name::Exec, 1, false),
    ("DISCARD", Name::Discard, 1, false),
];

/// A request that names a known command with the right number of words.
#[derive(Clone, Debug)]
pub struct Command {
    /// Which.
    pub name: Name,
    /// All words, the name too.
    pub args: Vec<Bytes>,
}

/// Why a request is not a command, or a command has no result. The texts are upstream's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No such command.
    Unsupported(String),
    /// Too few or too many words.
    Arity(String),
    /// The key holds another type.
    WrongType,
    /// A number was expected.
    NotAnInteger,
    /// INCR at the end of the range.
    Overflow,
    /// A word that is no option.
    Syntax,
    /// The store holds bytes that no version of ours wrote.
    Corrupt,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Unsupported(name) => write!(f, "ERR unsupported command '{name}'"),
            CommandError::Arity(name) => {
                write!(f, "ERR wrong number of arguments for '{name}' command")
            }
            CommandError::WrongType => {
                f.write_str("WRONGTYPE Operation against a key holding the wrong kind of value")
            }
            CommandError::NotAnInteger => {
                f.write_str("ERR value is not an integer or out of range")
            }
            CommandError::Overflow => f.write_str("ERR increment or decrement would overflow"),
            CommandError::Syntax => f.write_str("ERR syntax error"),
            CommandError::Corrupt => f.write_str("ERR invalid list metadata"),
        }
    }
}

impl Command {
    /// Checks name and arity.
    pub fn parse(args: Vec<Bytes>) -> Result<Command, CommandError> {
        let word = String::from_utf8_lossy(args.first().map_or(&b""[..], |a| a)).into_owned();
        let upper = word.to_ascii_uppercase();
        let (_, name, arity, _) = *SPECS
            .iter()
            .find(|(spec, ..)| *spec == upper)
            .ok_or_else(|| CommandError::Unsupported(word.clone()))?;
        let words = args.len() as i32;
        if (arity > 0 && words != arity) || words < -arity {
            return Err(CommandError::Arity(word));
        }
        Ok(Command { name, args })
    }

    /// Whether it may write.
    pub fn writes(&self) -> bool {
        SPECS.iter().any(|(_, name, _, writes)| *name == self.name && *writes)
    }

    /// Whether MULTI/EXEC can run it (`txnApplyHandlers`).
    pub fn runs_in_multi(&self) -> bool {
        use Name::{Del, Exists, Get, Incr, Lrange, Rpush, Set};
        matches!(self.name, Set | Del | Get | Exists | Incr | Rpush | Lrange)
    }

    /// Runs it against a snapshot. A mistake of the client's is an error reply, as an element of EXEC's array too.
    pub fn apply(&self, context: &mut Context<'_>) -> Result<Reply, CommandError> {
        let args = &self.args;
        match self.name {
            Name::Ping | Name::Multi | Name::Exec | Name::Discard => {
                Err(CommandError::Unsupported(String::from_utf8_lossy(&args[0]).into_owned()))
            }
            Name::Set => strings::set(context, args),
            Name::Get => strings::get(context, &args[1]),
            Name::Del => strings::del(context, &args[1..]),
            Name::Exists => strings::exists(context, &args[1..]),
            Name::Incr => strings::incr(context, &args[1]),
            Name::Rpush => lists::push(context, &args[1], &args[2..], false),
            Name::Lpush => lists::push(context, &args[1], &args[2..], true),
            Name::Lrange => lists::range(context, &args[1], &args[2], &args[3]),
            Name::Llen => lists::len(context, &args[1]),
        }
    }
}

/// The reply to a failed dispatch (`writeRedisError`): leadership errors get the prefix that clients look for.
pub fn kv_error(error: &KvError) -> Reply {
    const LEADER_PHRASES: [&str; 2] = ["not leader", "leader not found"];
    let text = match error {
        KvError::WriteConflict(key) => {
            let user = super::keys::user_key(key);
            format!("redis txn retry limit exceeded: key: {}: write conflict", user.escape_ascii())
        }
        other => other.to_string(),
    };
    // Suffixes, not substrings: a user's key may contain the phrase (F18).
    if LEADER_PHRASES.iter().any(|phrase| text.ends_with(phrase)) {
        return Reply::Error(format!("NOTLEADER {text}"));
    }
    Reply::Error(text)
}

/// A decimal number of 64 bits.
pub fn integer(word: &[u8]) -> Result<i64, CommandError> {
    std::str::from_utf8(word).ok().and_then(|w| w.parse().ok()).ok_or(CommandError::NotAnInteger)
}
