//! HSET, HGET and what is like them (`adapter/redis_hash.go`).

use super::command::{CommandError, integer};
use super::context::Context;
use super::keys::{Kind, Meta};
use super::resp::Reply;
use bytes::Bytes;

type Result = std::result::Result<Reply, CommandError>;

/// `HSET key field value …`: how many fields are new.
pub fn set(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    if !args.len().is_multiple_of(2) {
        let name = String::from_utf8_lossy(&args[0]).to_ascii_lowercase();
        return Err(CommandError::Arity(name));
    }
    let key = &args[1];
    context.open(Kind::Hash, key)?;
    let mut new = 0;
    for pair in args[2..].chunks(2) {
        new += i64::from(context.member(Kind::Hash, key, &pair[0]).is_none());
        context.put_member(Kind::Hash, key, &pair[0], pair[1].clone());
    }
    context.changed(Kind::Hash, key, Meta::grown(new))?;
    Ok(Reply::Integer(new))
}

/// `HGET key field`
pub fn get(context: &mut Context<'_>, key: &[u8], field: &[u8]) -> Result {
    let value = value_of(context, key, field)?;
    Ok(value.map_or(Reply::NullBulk, Reply::Bulk))
}

/// `HMGET key field …`
pub fn get_many(context: &mut Context<'_>, key: &[u8], fields: &[Bytes]) -> Result {
    let mut values = Vec::new();
    for field in fields {
        values.push(get(context, key, field)?);
    }
    Ok(Reply::Array(values))
}

/// `HGETALL key`: fields and values, in the fields' order.
pub fn get_all(context: &mut Context<'_>, key: &[u8]) -> Result {
    if context.open(Kind::Hash, key)?.len == 0 {
        return Ok(Reply::Array(Vec::new()));
    }
    let pairs = context.members(Kind::Hash, key).into_iter();
    Ok(Reply::Array(pairs.flat_map(|(field, value)| [field, value]).map(Reply::Bulk).collect()))
}

/// `HDEL key field …`
pub fn del(context: &mut Context<'_>, key: &[u8], fields: &[Bytes]) -> Result {
    let mut gone = 0;
    for field in fields {
        if value_of(context, key, field)?.is_some() {
            context.erase_member(Kind::Hash, key, field);
            gone += 1;
        }
    }
    if gone > 0 {
        context.changed(Kind::Hash, key, Meta::grown(-gone))?;
    }
    Ok(Reply::Integer(gone))
}

/// `HEXISTS key field`
pub fn exists(context: &mut Context<'_>, key: &[u8], field: &[u8]) -> Result {
    Ok(Reply::Integer(i64::from(value_of(context, key, field)?.is_some())))
}

/// `HLEN key`
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Integer(context.open(Kind::Hash, key)?.len))
}

/// `HINCRBY key field increment`
pub fn add(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (key, field, by) = (&args[1], &args[2], integer(&args[3])?);
    let old = value_of(context, key, field)?;
    let is_new = old.is_none();
    let old = old.map_or(Ok(0), |value| integer(&value));
    let old = old.map_err(|_| CommandError::HashNotAnInteger)?;
    let new = old.checked_add(by).ok_or(CommandError::Overflow)?;
    context.put_member(Kind::Hash, key, field, new.to_string().into());
    context.changed(Kind::Hash, key, Meta::grown(i64::from(is_new)))?;
    Ok(Reply::Integer(new))
}

fn value_of(
    context: &mut Context<'_>,
    key: &[u8],
    field: &[u8],
) -> std::result::Result<Option<Bytes>, CommandError> {
    let holds = context.open(Kind::Hash, key)?.len > 0;
    Ok(context.member(Kind::Hash, key, field).filter(|_| holds))
}
