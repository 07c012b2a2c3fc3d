//! RPUSH, LRANGE and what is like them (`adapter/redis_lists.go`, `redis_list_compat.go`).
//!
//! Differs from upstream: LREM and LTRIM write the items that stay anew from the front of the list; LPOP and RPOP leave no claim keys. As
//! upstream, RPOPLPUSH of a list's only item onto itself makes the list anew, without the time at which it expired.

use super::command::{CommandError, integer, is};
use super::context::Context;
use super::keys::Kind;
use super::resp::Reply;
use bytes::Bytes;

type Result = std::result::Result<Reply, CommandError>;

/// `RPUSH key value …`, `LPUSH key value …`
pub fn push(context: &mut Context<'_>, key: &[u8], values: &[Bytes], front: bool) -> Result {
    context.push(key, values, front).map(Reply::Integer)
}

/// `RPOP key`, `LPOP key`
pub fn pop(context: &mut Context<'_>, key: &[u8], front: bool) -> Result {
    Ok(context.pop(key, front)?.map_or(Reply::NullBulk, Reply::Bulk))
}

/// `LRANGE key start stop`
pub fn range(context: &mut Context<'_>, key: &[u8], start: &[u8], stop: &[u8]) -> Result {
    let (start, stop) = (integer(start)?, integer(stop)?);
    let meta = context.open(Kind::List, key)?;
    let (from, to) = clamp(start, stop, meta.len);
    Ok(Reply::Array(context.list_items(key, meta, from, to).into_iter().map(Reply::Bulk).collect()))
}

/// `LLEN key`
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Integer(context.open(Kind::List, key)?.len))
}

/// `LINDEX key index`
pub fn index(context: &mut Context<'_>, key: &[u8], index: &[u8]) -> Result {
    let index = integer(index)?;
    let meta = context.open(Kind::List, key)?;
    let item = place(index, meta.len).map(|at| context.list_items(key, meta, at, at));
    Ok(item.unwrap_or_default().pop().map_or(Reply::NullBulk, Reply::Bulk))
}

/// `LSET key index value`
pub fn set(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let key = &args[1];
    let meta = context.open(Kind::List, key)?;
    if meta.len == 0 {
        return Err(CommandError::NoSuchKey);
    }
    let at = place(integer(&args[2])?, meta.len).ok_or(CommandError::NoSuchIndex)?;
    context.set_item(key, meta, at, args[3].clone())?;
    Ok(Reply::ok())
}

/// `LREM key count value`: the first so many, or with a negative count the last; 0 means all.
pub fn rem(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (key, count, value) = (&args[1], integer(&args[2])?, &args[3]);
    let meta = context.open(Kind::List, key)?;
    let mut items = context.list_items(key, meta, 0, meta.len - 1);
    let mut left = if count == 0 { u64::MAX } else { count.unsigned_abs() };
    let mut stays = |item: &Bytes| {
        let goes = item == value && left > 0;
        left -= u64::from(goes);
        !goes
    };
    if count < 0 {
        items.reverse();
        items.retain(&mut stays);
        items.reverse();
    } else {
        items.retain(&mut stays);
    }
    let removed = meta.len - items.len() as i64;
    if removed > 0 {
        context.replace_items(key, items)?;
    }
    Ok(Reply::Integer(removed))
}

/// `LTRIM key start stop`
pub fn trim(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let meta = context.open(Kind::List, &args[1])?;
    let (from, to) = clamp(start, stop, meta.len);
    if meta.len > 0 && (from, to) != (0, meta.len - 1) {
        let items = context.list_items(&args[1], meta, from, to);
        context.replace_items(&args[1], items)?;
    }
    Ok(Reply::ok())
}

/// `LPOS key value [RANK n] [COUNT n] [MAXLEN n]`
pub fn pos(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (mut rank, mut count, mut most) = (1, None, 0);
    for pair in args[3..].chunks(2) {
        let [option, value] = pair else { return Err(CommandError::Syntax) };
        let value = integer(value)?;
        match () {
            () if is(option, "RANK") && value != 0 => rank = value,
            () if is(option, "RANK") => {
                return Err(CommandError::Incompatible(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start \
                     from the end of the list",
                ));
            }
            () if is(option, "COUNT") && value >= 0 => count = Some(value),
            () if is(option, "COUNT") => {
                return Err(CommandError::Incompatible("ERR COUNT can't be negative"));
            }
            () if is(option, "MAXLEN") && value >= 0 => most = value,
            () if is(option, "MAXLEN") => {
                return Err(CommandError::Incompatible("ERR MAXLEN can't be negative"));
            }
            () => return Err(CommandError::Syntax),
        }
    }
    let meta = context.open(Kind::List, &args[1])?;
    let items = context.list_items(&args[1], meta, 0, meta.len - 1);
    let mut places: Vec<(usize, Bytes)> = items.into_iter().enumerate().collect();
    if rank < 0 {
        places.reverse();
    }
    let looked = if most == 0 { usize::MAX } else { most as usize };
    let found = places.into_iter().take(looked).filter(|(_, item)| *item == args[2]);
    let found =
        found.skip(rank.unsigned_abs() as usize - 1).map(|(at, _)| Reply::Integer(at as i64));
    Ok(match count {
        None => found.into_iter().next().unwrap_or(Reply::NullBulk),
        Some(0) => Reply::Array(found.collect()),
        Some(count) => Reply::Array(found.take(count as usize).collect()),
    })
}

/// `RPOPLPUSH source destination`
pub fn rotate(context: &mut Context<'_>, from: &[u8], to: &[u8]) -> Result {
    if context.open(Kind::List, from)?.len == 0 {
        return Ok(Reply::NullBulk);
    }
    context.open(Kind::List, to)?;
    let Some(item) = context.pop(from, false)? else { return Ok(Reply::NullBulk) };
    context.push(to, std::slice::from_ref(&item), true)?;
    Ok(Reply::Bulk(item))
}

/// Positions from the end become positions from the front; an empty range is `0..=-1` (`clampRange`).
pub fn clamp(start: i64, stop: i64, len: i64) -> (i64, i64) {
    let absolute = |at: i64| if at < 0 { len.saturating_add(at) } else { at };
    let (from, to) = (absolute(start).max(0), absolute(stop).min(len - 1));
    if to < from { (0, -1) } else { (from, to) }
}

/// A position from the front, if the list has it.
fn place(index: i64, len: i64) -> Option<i64> {
    let at = if index < 0 { len.saturating_add(index) } else { index };
    (0..len).contains(&at).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::clamp;

    #[test]
    fn ranges_are_clamped_as_redis_does() {
        assert_eq!(clamp(0, -1, 5), (0, 4));
        assert_eq!(clamp(-2, 100, 5), (3, 4));
        assert_eq!(clamp(-100, 1, 5), (0, 1));
        assert_eq!(clamp(3, 1, 5), (0, -1));
        assert_eq!(clamp(0, -1, 0), (0, -1));
        assert_eq!(clamp(i64::MIN, i64::MIN, 5), (0, -1));
    }
}
