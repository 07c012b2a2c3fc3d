//! SADD, SMEMBERS and what is like them (`adapter/redis_set.go`).

use super::command::CommandError;
use super::context::Context;
use super::keys::{Kind, Meta};
use super::resp::Reply;
use bytes::Bytes;

type Result = std::result::Result<Reply, CommandError>;

/// `SADD key member …`: how many are new.
pub fn add(context: &mut Context<'_>, key: &[u8], members: &[Bytes]) -> Result {
    context.open(Kind::Set, key)?;
    let mut new = 0;
    for member in members {
        if context.member(Kind::Set, key, member).is_none() {
            context.put_member(Kind::Set, key, member, Bytes::new());
            new += 1;
        }
    }
    if new > 0 {
        context.changed(Kind::Set, key, Meta::grown(new))?;
    }
    Ok(Reply::Integer(new))
}

/// `SREM key member …`
pub fn rem(context: &mut Context<'_>, key: &[u8], members: &[Bytes]) -> Result {
    let mut gone = 0;
    for member in members {
        if has(context, key, member)? {
            context.erase_member(Kind::Set, key, member);
            gone += 1;
        }
    }
    if gone > 0 {
        context.changed(Kind::Set, key, Meta::grown(-gone))?;
    }
    Ok(Reply::Integer(gone))
}

/// `SMEMBERS key`: in the members' order.
pub fn members(context: &mut Context<'_>, key: &[u8]) -> Result {
    if context.open(Kind::Set, key)?.len == 0 {
        return Ok(Reply::Array(Vec::new()));
    }
    let members = context.members(Kind::Set, key).into_iter();
    Ok(Reply::Array(members.map(|(member, _)| Reply::Bulk(member)).collect()))
}

/// `SISMEMBER key member`
pub fn is_member(context: &mut Context<'_>, key: &[u8], member: &[u8]) -> Result {
    Ok(Reply::Integer(i64::from(has(context, key, member)?)))
}

/// `SCARD key`
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Integer(context.open(Kind::Set, key)?.len))
}

fn has(
    context: &mut Context<'_>,
    key: &[u8],
    member: &[u8],
) -> std::result::Result<bool, CommandError> {
    let holds = context.open(Kind::Set, key)?.len > 0;
    Ok(holds && context.member(Kind::Set, key, member).is_some())
}
