//! SET, GET, INCR and what is like them (`adapter/redis_strings.go`, `redis_compat_commands.go`).

use super::command::{CommandError, integer, is};
use super::context::{Context, Type};
use super::generic::{Clock, deadline};
use super::resp::Reply;
use bytes::Bytes;

type Result = std::result::Result<Reply, CommandError>;

/// What SET was told beside key and value.
#[derive(Default)]
struct SetOptions {
    only_new: bool,
    only_old: bool,
    get: bool,
    keep_ttl: bool,
    expires_ms: Option<u64>,
}

impl SetOptions {
    fn read(words: &[Bytes], now_ms: u64) -> std::result::Result<SetOptions, CommandError> {
        let mut options = SetOptions::default();
        let mut expires: Option<(&str, &Bytes, Clock)> = None;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let clock = [
                ("EX", Clock::seconds_from_now()),
                ("PX", Clock::ms_from_now()),
                ("EXAT", Clock::seconds()),
                ("PXAT", Clock::ms()),
            ];
            let clock = clock.into_iter().find(|(name, _)| is(word, name));
            if is(word, "NX") && !options.only_old {
                options.only_new = true;
            } else if is(word, "XX") && !options.only_new {
                options.only_old = true;
            } else if is(word, "GET") {
                options.get = true;
            } else if is(word, "KEEPTTL") && expires.is_none() {
                options.keep_ttl = true;
            } else if let Some((name, clock)) = clock
                && expires.is_none_or(|(other, ..)| other == name)
                && !options.keep_ttl
            {
                expires = Some((name, words.next().ok_or(CommandError::Syntax)?, clock));
            } else {
                return Err(CommandError::Syntax);
            }
        }
        // Of a wrong word and a wrong time the word is told.
        if let Some((_, time, clock)) = expires {
            options.expires_ms = Some(deadline(integer(time)?, clock, now_ms, "set")?);
        }
        Ok(options)
    }
}

/// `SET key value [options]`
pub fn set(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (key, value) = (&args[1], &args[2]);
    let options = SetOptions::read(&args[3..], context.now_ms())?;
    let old = match options.get {
        true => context.string(key)?,
        false => None,
    };
    let was = context.type_of(key)?;
    let stays = options.only_new && was.is_some() || options.only_old && was.is_none();
    if !stays {
        let expires = match options.keep_ttl {
            true => context.expires_ms(key)?,
            false => options.expires_ms,
        };
        context.set_string(key, value, expires)?;
    }
    Ok(match (options.get, stays) {
        (true, _) => bulk(old),
        (false, true) => Reply::NullBulk,
        (false, false) => Reply::ok(),
    })
}

/// `SETEX key seconds value`, `PSETEX key milliseconds value`
pub fn setex(context: &mut Context<'_>, args: &[Bytes], unit_ms: i64) -> Result {
    let command = if unit_ms == 1 { "psetex" } else { "setex" };
    let clock = if unit_ms == 1 { Clock::ms_from_now() } else { Clock::seconds_from_now() };
    let at = deadline(integer(&args[2])?, clock, context.now_ms(), command)?;
    context.set_string(&args[1], &args[3], Some(at))?;
    Ok(Reply::ok())
}

/// `SETNX key value`
pub fn setnx(context: &mut Context<'_>, key: &[u8], value: &[u8]) -> Result {
    if context.type_of(key)?.is_some() {
        return Ok(Reply::Integer(0));
    }
    context.set_string(key, value, None)?;
    Ok(Reply::Integer(1))
}

/// `GET key`
pub fn get(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(bulk(context.string(key)?))
}

/// `GETDEL key`
pub fn getdel(context: &mut Context<'_>, key: &[u8]) -> Result {
    let old = context.string(key)?;
    if old.is_some() {
        context.remove(key)?;
    }
    Ok(bulk(old))
}

/// `MGET key …`: what is no string counts as nothing.
pub fn mget(context: &mut Context<'_>, keys: &[Bytes]) -> Result {
    let mut values = Vec::new();
    for key in keys {
        values.push(match context.type_of(key)? {
            Some(Type::String) => bulk(context.string(key)?),
            _ => Reply::NullBulk,
        });
    }
    Ok(Reply::Array(values))
}

/// `MSET key value …`
pub fn mset(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity("mset".to_owned()));
    }
    for pair in args[1..].chunks(2) {
        context.set_string(&pair[0], &pair[1], None)?;
    }
    Ok(Reply::ok())
}

/// `APPEND key value`
pub fn append(context: &mut Context<'_>, key: &[u8], value: &[u8]) -> Result {
    let expires = context.expires_ms(key)?;
    let old = context.string(key)?.unwrap_or_default();
    let new = [&old[..], value].concat();
    context.set_string(key, &new, expires)?;
    Ok(Reply::Integer(new.len() as i64))
}

/// `STRLEN key`
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Integer(context.string(key)?.map_or(0, |value| value.len() as i64)))
}

/// `INCR key` and what is like it. When it expires stays.
pub fn add(context: &mut Context<'_>, key: &[u8], by: i64) -> Result {
    let old = context.string(key)?.map_or(Ok(0), |bytes| integer(&bytes))?;
    let new = old.checked_add(by).ok_or(CommandError::Overflow)?;
    let expires = context.expires_ms(key)?;
    context.set_string(key, new.to_string().as_bytes(), expires)?;
    Ok(Reply::Integer(new))
}

/// `DECRBY key decrement`
pub fn subtract(context: &mut Context<'_>, key: &[u8], by: i64) -> Result {
    const WORDS: &str = "ERR decrement would overflow";
    add(context, key, by.checked_neg().ok_or(CommandError::Incompatible(WORDS))?)
}

fn bulk(value: Option<Bytes>) -> Reply {
    value.map_or(Reply::NullBulk, Reply::Bulk)
}
