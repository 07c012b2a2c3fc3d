//! RPUSH, LPUSH, LRANGE, LLEN (`adapter/redis_lists.go`).

use super::command::{CommandError, integer};
use super::context::Context;
use super::resp::Reply;
use bytes::Bytes;

/// RPUSH or LPUSH key value …
pub fn push(
    context: &mut Context<'_>,
    key: &[u8],
    values: &[Bytes],
    front: bool,
) -> Result<Reply, CommandError> {
    context.push(key, values, front).map(Reply::Integer)
}

/// LRANGE key start stop
pub fn range(
    context: &mut Context<'_>,
    key: &[u8],
    start: &[u8],
    stop: &[u8],
) -> Result<Reply, CommandError> {
    let (start, stop) = (integer(start)?, integer(stop)?);
    let meta = context.list_meta(key)?;
    let (from, to) = clamp(start, stop, meta.len);
    Ok(Reply::Array(context.list_items(key, meta, from, to).into_iter().map(Reply::Bulk).collect()))
}

/// LLEN key
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result<Reply, CommandError> {
    Ok(Reply::Integer(context.list_meta(key)?.len))
}

/// Positions from the end become positions from the front; an empty range is `0..=-1` (`clampRange`).
fn clamp(start: i64, stop: i64, len: i64) -> (i64, i64) {
    let absolute = |at: i64| if at < 0 { len.saturating_add(at) } else { at };
    let (from, to) = (absolute(start).max(0), absolute(stop).min(len - 1));
    if to < from { (0, -1) } else { (from, to) }
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
