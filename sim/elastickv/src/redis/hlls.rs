//! PFADD and PFCOUNT (`adapter/redis_set_cmds.go`): upstream keeps all that was added, and counts it exactly.

use super::command::CommandError;
use super::context::Context;
use super::resp::Reply;
use bytes::Bytes;
use std::collections::BTreeSet;

type Result = std::result::Result<Reply, CommandError>;

/// `PFADD key element …`: whether any is new.
pub fn add(context: &mut Context<'_>, key: &[u8], elements: &[Bytes]) -> Result {
    let held = context.hll(key)?;
    let mut members = held.clone().unwrap_or_default();
    members.extend(elements.iter().cloned());
    let changed = held.is_none_or(|held| held.len() < members.len());
    if changed {
        context.put_hll(key, &members);
    }
    Ok(Reply::Integer(i64::from(changed)))
}

/// `PFCOUNT key …`: how many different elements were added to any of them.
pub fn count(context: &mut Context<'_>, keys: &[Bytes]) -> Result {
    let mut all = BTreeSet::new();
    for key in keys {
        all.extend(context.hll(key)?.unwrap_or_default());
    }
    Ok(Reply::Integer(all.len() as i64))
}
