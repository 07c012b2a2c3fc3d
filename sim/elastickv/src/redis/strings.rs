//! SET, GET, DEL, EXISTS, INCR (`adapter/redis_strings.go`, `redis_compat_commands.go`).
//!
//! Differs from upstream: EXISTS reads at the leader behind the same fence as GET (upstream answers a positive from the
//! follower's own state, a staleness that it documents); SET takes no options yet.

use super::command::{CommandError, integer};
use super::context::Context;
use super::resp::Reply;
use bytes::Bytes;

/// SET key value
pub fn set(context: &mut Context<'_>, args: &[Bytes]) -> Result<Reply, CommandError> {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    context.set_string(&args[1], &args[2])?;
    Ok(Reply::ok())
}

/// GET key
pub fn get(context: &mut Context<'_>, key: &[u8]) -> Result<Reply, CommandError> {
    Ok(context.string(key)?.map_or(Reply::NullBulk, Reply::Bulk))
}

/// DEL key …
pub fn del(context: &mut Context<'_>, keys: &[Bytes]) -> Result<Reply, CommandError> {
    let mut removed = 0;
    for key in keys {
        removed += i64::from(context.remove(key)?);
    }
    Ok(Reply::Integer(removed))
}

/// EXISTS key …
pub fn exists(context: &mut Context<'_>, keys: &[Bytes]) -> Result<Reply, CommandError> {
    let mut found = 0;
    for key in keys {
        found += i64::from(context.exists(key)?);
    }
    Ok(Reply::Integer(found))
}

/// INCR key
pub fn incr(context: &mut Context<'_>, key: &[u8]) -> Result<Reply, CommandError> {
    let old = context.string(key)?.map_or(Ok(0), |bytes| integer(&bytes))?;
    let new = old.checked_add(1).ok_or(CommandError::Overflow)?;
    context.set_string(key, new.to_string().as_bytes())?;
    Ok(Reply::Integer(new))
}
