//! Commands: a request with a known name, and what it does to a [`Context`].

use super::context::Context;
use super::generic::Clock;
use super::resp::Reply;
use super::specs::{Keys, SPECS, Spec};
use super::{generic, hashes, hlls, lists, lua, sets, streams, strings, zsets};
use crate::kv::error::KvError;
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

pub use super::specs::Name;

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
    /// A field of a hash that is to be counted holds no number.
    HashNotAnInteger,
    /// A score was expected.
    NotAFloat,
    /// A bound of scores was expected.
    NotABound,
    /// Infinities that cancel each other out.
    NotANumber,
    /// A count was expected.
    NotPositive,
    /// The key is not there, where it must be.
    NoSuchKey,
    /// The list has no such place.
    NoSuchIndex,
    /// A time at which nothing can expire, of this command.
    InvalidExpire(&'static str),
    /// A cursor that SCAN did not give.
    InvalidCursor,
    /// Options that exclude each other, in Redis' words.
    Incompatible(&'static str),
    /// A word that is no option, and what is said of it.
    Unknown(&'static str, String),
    /// INCR at the end of the range.
    Overflow,
    /// No identity of a stream's entry.
    InvalidStreamId,
    /// The identity that comes before all.
    StreamIdZero,
    /// Not after the last one.
    StreamIdTooSmall,
    /// After the last one that there can be.
    StreamExhausted,
    /// How long to wait was expected.
    InvalidTimeout,
    /// What a script came to, in its words.
    Script(String),
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
            CommandError::HashNotAnInteger => f.write_str("ERR hash value is not an integer"),
            CommandError::NotAFloat => f.write_str("ERR value is not a valid float"),
            CommandError::NotABound => f.write_str("ERR min or max is not a float"),
            CommandError::NotANumber => f.write_str("ERR resulting score is not a number (NaN)"),
            CommandError::NotPositive => f.write_str("ERR value is out of range, must be positive"),
            CommandError::NoSuchKey => f.write_str("ERR no such key"),
            CommandError::NoSuchIndex => f.write_str("ERR index out of range"),
            CommandError::InvalidExpire(command) => {
                write!(f, "ERR invalid expire time in '{command}' command")
            }
            CommandError::InvalidCursor => f.write_str("ERR invalid cursor"),
            CommandError::Incompatible(text) => f.write_str(text),
            CommandError::Unknown(what, word) => write!(f, "ERR {what} {word}"),
            CommandError::Overflow => f.write_str("ERR increment or decrement would overflow"),
            CommandError::InvalidStreamId => {
                f.write_str("ERR Invalid stream ID specified as stream command argument")
            }
            CommandError::StreamIdZero => {
                f.write_str("ERR The ID specified in XADD must be greater than 0-0")
            }
            CommandError::StreamIdTooSmall => f.write_str(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
            CommandError::StreamExhausted => {
                f.write_str("ERR The stream has exhausted the ID space")
            }
            CommandError::InvalidTimeout => {
                f.write_str("ERR timeout is not a float or out of range")
            }
            CommandError::Script(text) => f.write_str(text),
            CommandError::Syntax => f.write_str("ERR syntax error"),
            CommandError::Corrupt => f.write_str("ERR invalid collection metadata"),
        }
    }
}

impl Command {
    /// Checks name and arity.
    pub fn parse(args: Vec<Bytes>) -> Result<Command, CommandError> {
        let word = String::from_utf8_lossy(args.first().map_or(&b""[..], |a| a)).into_owned();
        let upper = word.to_ascii_uppercase();
        let spec = SPECS
            .iter()
            .find(|spec| spec.word == upper)
            .ok_or_else(|| CommandError::Unsupported(word.clone()))?;
        let words = args.len() as i32;
        if (spec.arity > 0 && words != spec.arity) || words < -spec.arity {
            return Err(CommandError::Arity(word.to_ascii_lowercase()));
        }
        Ok(Command { name: spec.name, args })
    }

    fn spec(&self) -> &'static Spec {
        &SPECS[self.name as usize]
    }

    /// Whether it may write.
    pub fn writes(&self) -> bool {
        self.spec().writes
    }

    /// Whether what it writes hangs on all keys that there are, and not on those that it names: a conflict check does not tell if
    /// it saw too few.
    pub fn writes_what_it_finds(&self) -> bool {
        self.writes() && self.spec().keys == Keys::None
    }

    /// How long it waits where it finds nothing; zero is for ever. `None`: it does not wait.
    pub fn patience(&self) -> Option<Duration> {
        match self.name {
            Name::Xread => streams::patience(&self.args),
            Name::Bzpopmin => zsets::patience(&self.args).ok(),
            _ => None,
        }
    }

    /// The same command as it is to be asked again while it waits.
    pub fn pinned(&self, context: &mut Context<'_>) -> Result<Command, CommandError> {
        let args = match self.name {
            Name::Xread => streams::pinned(context, &self.args)?,
            _ => self.args.clone(),
        };
        Ok(Command { name: self.name, args })
    }

    /// The keys that it names.
    pub fn keys(&self) -> Vec<Bytes> {
        let all = self.args.iter().skip(1);
        match self.spec().keys {
            Keys::None if self.name == Name::Xread => streams::keys(&self.args),
            Keys::None => Vec::new(),
            Keys::First => all.take(1).cloned().collect(),
            Keys::All => all.cloned().collect(),
            Keys::AllButLast => all.take(self.args.len() - 2).cloned().collect(),
            Keys::Pairs => all.step_by(2).cloned().collect(),
        }
    }

    /// The keys by which it finds its way to a leader: those that it names, and those that a script is given.
    pub fn routing_keys(&self) -> Vec<Bytes> {
        match self.name {
            Name::Eval | Name::Evalsha => {
                let count = std::str::from_utf8(&self.args[2]).ok().and_then(|n| n.parse().ok());
                self.args.iter().skip(3).take(count.unwrap_or(0)).cloned().collect()
            }
            _ => self.keys(),
        }
    }

    /// Whether it looks at keys that it does not name.
    pub fn looks_at_all(&self) -> bool {
        use Name::{Dbsize, Flushall, Flushdb, Keys, Scan};
        matches!(self.name, Keys | Scan | Dbsize | Flushall | Flushdb)
    }

    /// Whether upstream's server only proxies it and asks for no fence before it chooses the snapshot (`proxyToLeader`).
    pub fn is_unfenced_upstream(&self) -> bool {
        use Name::{
            Hexists, Hget, Hgetall, Hlen, Hmget, Lindex, Pfcount, Pttl, Scard, Sismember, Smembers,
            Ttl, Type, Xlen, Xrange, Xread, Xrevrange, Zcard, Zrange,
        };
        matches!(
            self.name,
            Zrange
                | Smembers
                | Sismember
                | Hget
                | Hmget
                | Hgetall
                | Hexists
                | Hlen
                | Lindex
                | Scard
                | Zcard
                | Xrange
                | Xrevrange
                | Xread
                | Xlen
                | Ttl
                | Pttl
                | Type
                | Pfcount
        )
    }

    /// Whether MULTI/EXEC can run it (`txnApplyHandlers`).
    pub fn runs_in_multi(&self) -> bool {
        use Name::{
            Del, Exists, Expire, Get, Hmset, Hset, Incr, Lrange, Pexpire, Rpush, Set, Zincrby,
        };
        matches!(
            self.name,
            Set | Del
                | Get
                | Exists
                | Incr
                | Hset
                | Hmset
                | Rpush
                | Lrange
                | Zincrby
                | Expire
                | Pexpire
        )
    }

    /// Runs it against a snapshot. A mistake of the client's is an error reply, as an element of EXEC's array too.
    pub fn apply(&self, context: &mut Context<'_>) -> Result<Reply, CommandError> {
        let args = &self.args;
        if self.writes() {
            for key in self.keys() {
                context.bury_expired(&key)?;
            }
        }
        match self.name {
            Name::Ping
            | Name::Evalsha
            | Name::Script
            | Name::Publish
            | Name::Subscribe
            | Name::Unsubscribe
            | Name::Pubsub
            | Name::Hello
            | Name::Client
            | Name::Command
            | Name::Info
            | Name::Select
            | Name::Quit
            | Name::Multi
            | Name::Exec
            | Name::Discard => {
                Err(CommandError::Unsupported(String::from_utf8_lossy(&args[0]).into_owned()))
            }
            Name::Set => strings::set(context, args),
            Name::Setex => strings::setex(context, args, 1000),
            Name::Psetex => strings::setex(context, args, 1),
            Name::Setnx => strings::setnx(context, &args[1], &args[2]),
            Name::Get => strings::get(context, &args[1]),
            Name::Getdel => strings::getdel(context, &args[1]),
            Name::Mget => strings::mget(context, &args[1..]),
            Name::Mset => strings::mset(context, args),
            Name::Append => strings::append(context, &args[1], &args[2]),
            Name::Strlen => strings::len(context, &args[1]),
            Name::Incr => strings::add(context, &args[1], 1),
            Name::Decr => strings::add(context, &args[1], -1),
            Name::Incrby => strings::add(context, &args[1], integer(&args[2])?),
            Name::Decrby => strings::subtract(context, &args[1], integer(&args[2])?),
            Name::Del => generic::del(context, &args[1..]),
            Name::Exists => generic::exists(context, &args[1..]),
            Name::Type => generic::type_of(context, &args[1]),
            Name::Expire => generic::expire(context, args, Clock::seconds_from_now()),
            Name::Pexpire => generic::expire(context, args, Clock::ms_from_now()),
            Name::Expireat => generic::expire(context, args, Clock::seconds()),
            Name::Pexpireat => generic::expire(context, args, Clock::ms()),
            Name::Ttl => generic::ttl(context, &args[1], 1000),
            Name::Pttl => generic::ttl(context, &args[1], 1),
            Name::Persist => generic::persist(context, &args[1]),
            Name::Rename => generic::rename(context, &args[1], &args[2]),
            Name::Keys => generic::keys(context, &args[1]),
            Name::Scan => generic::scan(context, args),
            Name::Dbsize => generic::size(context),
            Name::Flushall => generic::flush(context),
            Name::Flushdb => generic::flush(context),
            Name::Rpush => lists::push(context, &args[1], &args[2..], false),
            Name::Lpush => lists::push(context, &args[1], &args[2..], true),
            Name::Rpop => lists::pop(context, &args[1], false),
            Name::Lpop => lists::pop(context, &args[1], true),
            Name::Lrange => lists::range(context, &args[1], &args[2], &args[3]),
            Name::Llen => lists::len(context, &args[1]),
            Name::Lindex => lists::index(context, &args[1], &args[2]),
            Name::Lset => lists::set(context, args),
            Name::Lrem => lists::rem(context, args),
            Name::Ltrim => lists::trim(context, args),
            Name::Lpos => lists::pos(context, args),
            Name::Rpoplpush => lists::rotate(context, &args[1], &args[2]),
            Name::Hset => hashes::set(context, args),
            Name::Hmset => hashes::set(context, args).map(|_| Reply::ok()),
            Name::Hget => hashes::get(context, &args[1], &args[2]),
            Name::Hmget => hashes::get_many(context, &args[1], &args[2..]),
            Name::Hgetall => hashes::get_all(context, &args[1]),
            Name::Hdel => hashes::del(context, &args[1], &args[2..]),
            Name::Hexists => hashes::exists(context, &args[1], &args[2]),
            Name::Hlen => hashes::len(context, &args[1]),
            Name::Hincrby => hashes::add(context, args),
            Name::Sadd => sets::add(context, &args[1], &args[2..]),
            Name::Srem => sets::rem(context, &args[1], &args[2..]),
            Name::Smembers => sets::members(context, &args[1]),
            Name::Sismember => sets::is_member(context, &args[1], &args[2]),
            Name::Scard => sets::len(context, &args[1]),
            Name::Zadd => zsets::add(context, args),
            Name::Zincrby => zsets::incr(context, args),
            Name::Zrem => zsets::rem(context, &args[1], &args[2..]),
            Name::Zscore => zsets::score(context, &args[1], &args[2]),
            Name::Zcard => zsets::len(context, &args[1]),
            Name::Zcount => zsets::count(context, args),
            Name::Zrange => zsets::range(context, args, false),
            Name::Zrevrange => zsets::range(context, args, true),
            Name::Zrangebyscore => zsets::range_by_score(context, args, false),
            Name::Zrevrangebyscore => zsets::range_by_score(context, args, true),
            Name::Zpopmin => zsets::pop_min(context, args),
            Name::Zremrangebyrank => zsets::rem_by_rank(context, args),
            Name::Zremrangebyscore => zsets::rem_by_score(context, args),
            Name::Bzpopmin => zsets::pop_first(context, args),
            Name::Xadd => streams::add(context, args),
            Name::Xlen => streams::len(context, &args[1]),
            Name::Xrange => streams::range(context, args, false),
            Name::Xrevrange => streams::range(context, args, true),
            Name::Xread => streams::read(context, args),
            Name::Xtrim => streams::trim(context, args),
            Name::Pfadd => hlls::add(context, &args[1], &args[2..]),
            Name::Eval => lua::eval(context, args),
            Name::Pfcount => hlls::count(context, &args[1..]),
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
        KvError::TxnLocked(key) => {
            let user = super::keys::user_key(key);
            format!("redis txn retry limit exceeded: key: {}: txn locked", user.escape_ascii())
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

/// A word that is one of these options, in any case.
pub fn is(word: &[u8], option: &str) -> bool {
    word.eq_ignore_ascii_case(option.as_bytes())
}
