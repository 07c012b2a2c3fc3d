//! Commands on keys of any type: DEL, EXISTS, TYPE, EXPIRE, TTL, RENAME, SCAN and what is like them (`adapter/redis_compat_commands.go`).
//!
//! Differs from upstream: EXISTS, KEYS, SCAN and DBSIZE read at the leader behind the same fence as GET (upstream answers them from
//! the follower's own state, a staleness that it documents). A cursor of SCAN is a place in the keys' order, as upstream's is.
//!
//! Cannot see: keys that are made while FLUSHALL runs. It deletes what its snapshot has (upstream deletes by prefix at apply), so it
//! is no serializable step among writers of new keys; and no more than fit into a transaction's read set.

use super::command::{CommandError, integer, is};
use super::context::records::fields;
use super::context::{Context, Type};
use super::keys::{Kind, Meta};
use super::resp::Reply;
use super::streams::StreamId;
use bytes::Bytes;

type Result = std::result::Result<Reply, CommandError>;

/// How a time is meant.
#[derive(Clone, Copy)]
pub struct Clock {
    unit_ms: i64,
    from_now: bool,
}

impl Clock {
    /// Seconds from now.
    pub fn seconds_from_now() -> Clock {
        Clock { unit_ms: 1000, from_now: true }
    }

    /// Milliseconds from now.
    pub fn ms_from_now() -> Clock {
        Clock { unit_ms: 1, from_now: true }
    }

    /// Seconds since 1970.
    pub fn seconds() -> Clock {
        Clock { unit_ms: 1000, from_now: false }
    }

    /// Milliseconds since 1970.
    pub fn ms() -> Clock {
        Clock { unit_ms: 1, from_now: false }
    }

    /// Milliseconds since 1970; `None` if no clock can show it.
    fn at(self, time: i64, now_ms: u64) -> Option<i64> {
        let ms = time.checked_mul(self.unit_ms)?;
        match self.from_now {
            true => ms.checked_add(i64::try_from(now_ms).ok()?),
            false => Some(ms),
        }
    }
}

/// When something that is written now expires; an error if that has passed or can never be.
pub fn deadline(
    time: i64,
    clock: Clock,
    now_ms: u64,
    command: &'static str,
) -> std::result::Result<u64, CommandError> {
    let at = clock.at(time, now_ms).filter(|_| time > 0);
    at.and_then(|at| u64::try_from(at).ok()).ok_or(CommandError::InvalidExpire(command))
}

/// `DEL key …`
pub fn del(context: &mut Context<'_>, keys: &[Bytes]) -> Result {
    let mut removed = 0;
    for key in keys {
        removed += i64::from(context.remove(key)?);
    }
    Ok(Reply::Integer(removed))
}

/// `EXISTS key …`
pub fn exists(context: &mut Context<'_>, keys: &[Bytes]) -> Result {
    let mut found = 0;
    for key in keys {
        found += i64::from(context.type_of(key)?.is_some());
    }
    Ok(Reply::Integer(found))
}

/// `TYPE key`
pub fn type_of(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Simple(context.type_of(key)?.map_or("none", Type::name).to_owned()))
}

/// `EXPIRE key seconds [NX | XX | GT | LT]` and what is like it.
pub fn expire(context: &mut Context<'_>, args: &[Bytes], clock: Clock) -> Result {
    let time = integer(&args[2])?;
    let condition = Condition::read(&args[3..])?;
    let command = match (clock.unit_ms, clock.from_now) {
        (1000, true) => "expire",
        (1000, false) => "expireat",
        (_, true) => "pexpire",
        (_, false) => "pexpireat",
    };
    let at = clock.at(time, context.now_ms()).ok_or(CommandError::InvalidExpire(command))?;
    if context.type_of(&args[1])?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let old = context.expires_ms(&args[1])?;
    if !condition.holds(old, at) {
        return Ok(Reply::Integer(0));
    }
    // What expires in the past is gone at once.
    match u64::try_from(at).ok().filter(|at| *at > context.now_ms()) {
        Some(at) => context.expire(&args[1], Some(at))?,
        None => context.remove(&args[1])?,
    };
    Ok(Reply::Integer(1))
}

/// When EXPIRE acts.
#[derive(Default)]
struct Condition {
    none: bool,
    some: bool,
    later: bool,
    sooner: bool,
}

impl Condition {
    fn read(words: &[Bytes]) -> std::result::Result<Condition, CommandError> {
        let mut condition = Condition::default();
        for word in words {
            let flag = match () {
                () if is(word, "NX") => &mut condition.none,
                () if is(word, "XX") => &mut condition.some,
                () if is(word, "GT") => &mut condition.later,
                () if is(word, "LT") => &mut condition.sooner,
                () => {
                    return Err(CommandError::Unknown(
                        "Unsupported option",
                        String::from_utf8_lossy(word).into_owned(),
                    ));
                }
            };
            *flag = true;
        }
        let Condition { none, some, later, sooner } = condition;
        if none && (some || later || sooner) {
            return Err(CommandError::Incompatible(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        match later && sooner {
            true => Err(CommandError::Incompatible(
                "ERR GT and LT options at the same time are not compatible",
            )),
            false => Ok(condition),
        }
    }

    fn holds(&self, old: Option<u64>, new: i64) -> bool {
        // Never is later than any time.
        let old_at = old.map_or(i64::MAX, |at| i64::try_from(at).unwrap_or(i64::MAX));
        !(self.none && old.is_some()
            || self.some && old.is_none()
            || self.later && new <= old_at
            || self.sooner && new >= old_at)
    }
}

/// `TTL key`, `PTTL key`
pub fn ttl(context: &mut Context<'_>, key: &[u8], unit_ms: u64) -> Result {
    if context.type_of(key)?.is_none() {
        return Ok(Reply::Integer(-2));
    }
    let now_ms = context.now_ms();
    Ok(Reply::Integer(match context.expires_ms(key)? {
        None => -1,
        Some(at) => ((at.saturating_sub(now_ms) + unit_ms / 2) / unit_ms) as i64,
    }))
}

/// `PERSIST key`
pub fn persist(context: &mut Context<'_>, key: &[u8]) -> Result {
    if context.expires_ms(key)?.is_none() {
        return Ok(Reply::Integer(0));
    }
    context.expire(key, None)?;
    Ok(Reply::Integer(1))
}

/// `RENAME key newkey`
pub fn rename(context: &mut Context<'_>, from: &[u8], to: &[u8]) -> Result {
    let Some(held) = context.type_of(from)? else { return Err(CommandError::NoSuchKey) };
    if from == to {
        return Ok(Reply::ok());
    }
    let expires = context.expires_ms(from)?;
    context.remove(to)?;
    match held {
        Type::String => {
            let value = context.string(from)?.unwrap_or_default();
            context.set_string(to, &value, expires)?;
        }
        Type::Collection(Kind::List) => {
            let meta = context.open(Kind::List, from)?;
            let items = context.list_items(from, meta, 0, meta.len - 1);
            context.push(to, &items, false)?;
        }
        Type::Collection(Kind::Zset) => {
            context.open(Kind::Zset, from)?;
            let members = context.by_score(from);
            for (score, member) in &members {
                context.put_score(to, member, None, *score);
            }
            context.changed(Kind::Zset, to, Meta::grown(members.len() as i64))?;
        }
        Type::Stream => {
            let meta = context.stream(from)?.unwrap_or_default();
            for (id, stored) in context.entries(from, StreamId::MIN, StreamId::MAX) {
                context.put_entry(to, id, &fields(stored)?);
            }
            context.put_stream(to, meta);
        }
        Type::Hll => {
            let members = context.hll(from)?.unwrap_or_default();
            context.put_hll(to, &members);
        }
        Type::Collection(kind) => {
            context.open(kind, from)?;
            let members = context.members(kind, from);
            let count = members.len() as i64;
            for (member, value) in members {
                context.put_member(kind, to, &member, value);
            }
            context.changed(kind, to, Meta::grown(count))?;
        }
    }
    if held != Type::String && expires.is_some() {
        context.expire(to, expires)?;
    }
    context.remove(from)?;
    Ok(Reply::ok())
}

/// `KEYS pattern`
pub fn keys(context: &mut Context<'_>, pattern: &[u8]) -> Result {
    let all = context.all_keys()?.into_iter().filter(|(key, _)| matches(pattern, key));
    Ok(Reply::Array(all.map(|(key, _)| Reply::Bulk(key)).collect()))
}

/// `SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`
pub fn scan(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let cursor: Option<u64> = std::str::from_utf8(&args[1]).ok().and_then(|text| text.parse().ok());
    let cursor = cursor.ok_or(CommandError::InvalidCursor)? as usize;
    let (mut pattern, mut of_type, mut count) = (None, None, 10);
    for pair in args[2..].chunks(2) {
        let [option, value] = pair else { return Err(CommandError::Syntax) };
        match () {
            () if is(option, "MATCH") => pattern = Some(value),
            () if is(option, "TYPE") => of_type = Some(value),
            () if is(option, "COUNT") => {
                let asked = integer(value)?;
                let asked = usize::try_from(asked).ok().filter(|count| *count > 0);
                count = asked.ok_or(CommandError::Syntax)?;
            }
            () => return Err(CommandError::Syntax),
        }
    }
    let fits = |(key, held): &(Bytes, Type)| {
        pattern.is_none_or(|pattern| matches(pattern, key))
            && of_type.is_none_or(|wanted| is(wanted, held.name()))
    };
    let mut all = context.all_keys()?;
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let next = cursor.saturating_add(count);
    let next_cursor = if next < all.len() { next } else { 0 };
    let found = all.into_iter().skip(cursor).take(count).filter(fits);
    let found = found.map(|(key, _)| Reply::Bulk(key)).collect();
    Ok(Reply::Array(vec![Reply::Bulk(next_cursor.to_string().into()), Reply::Array(found)]))
}

/// `DBSIZE`
pub fn size(context: &mut Context<'_>) -> Result {
    Ok(Reply::Integer(context.all_keys()?.len() as i64))
}

/// `FLUSHALL`, `FLUSHDB`: there is one database. Like all that looks at every key and writes, refused where anything is written meanwhile, and
/// tried again as often as any conflict (upstream: DEL_PREFIX, which asks nobody).
pub fn flush(context: &mut Context<'_>) -> Result {
    context.erase_everything()?;
    Ok(Reply::ok())
}

/// Whether a key fits a pattern: `*`, `?`, `[a-c]`, `[^x]`, and `\\` before what is meant as it is. No pattern takes more than its
/// length times the key's: of all stars only the last is ever tried again.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read, mut star) = (0, 0, None);
    while read < text.len() {
        if pattern.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, read));
        } else if let Some(taken) = one(&pattern[at..], text[read]) {
            at += taken;
            read += 1;
        } else if let Some((after, began)) = star {
            at = after;
            read = began + 1;
            star = Some((after, read));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|rest| *rest == b'*')
}

/// How much of a pattern stands for this byte; `None` if it stands for another.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (fits, length) = is_among(class, byte);
            fits.then_some(1 + length)
        }
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// Whether a byte is in the class that begins here, and how long that is with its bracket; one without ends with the pattern.
fn is_among(class: &[u8], byte: u8) -> (bool, usize) {
    let wanted = class.first() != Some(&b'^');
    let (mut at, mut found) = (usize::from(!wanted), false);
    loop {
        match class[at..] {
            [] => return (found == wanted, at),
            [b']', ..] => return (found == wanted, at + 1),
            [b'\\', literal, ..] => {
                found |= literal == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                found |= (from.min(to)..=from.max(to)).contains(&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= literal == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_are_read_as_redis_reads_them() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*a*b*", "xxaxxbxx", true),
            ("[", "[", false),
            ("[a", "a", true),
            ("h[\\]]x", "h]x", true),
            ("**", "", true),
            ("a*", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let stars = "*".repeat(1_000_000);
        assert!(matches(stars.as_bytes(), b"v"));
        let text = "a".repeat(10_000);
        assert!(!matches(("*a".repeat(500) + "b").as_bytes(), text.as_bytes()));
    }
}
