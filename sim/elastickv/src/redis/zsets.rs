//! ZADD, ZRANGE and what is like them (`adapter/redis_zset.go`).
//!
//! A member lies under its name, with its score, and under its score: so that it is found by either.
//!
//! Cannot see: negative zero, which is stored as zero.

use super::command::{CommandError, integer, is};
use super::context::Context;
use super::keys::{Kind, Meta};
use super::lists::clamp;
use super::resp::Reply;
use bytes::Bytes;
use std::time::Duration;

type Result = std::result::Result<Reply, CommandError>;
type Members = Vec<(f64, Bytes)>;

/// What ZADD was told.
#[derive(Default)]
struct AddOptions {
    only_new: bool,
    only_old: bool,
    greater: bool,
    less: bool,
    changed: bool,
    incr: bool,
}

impl AddOptions {
    /// The options, and what follows them.
    fn read(mut words: &[Bytes]) -> std::result::Result<(AddOptions, &[Bytes]), CommandError> {
        let mut options = AddOptions::default();
        while let [word, rest @ ..] = words {
            let flag = match () {
                () if is(word, "NX") => &mut options.only_new,
                () if is(word, "XX") => &mut options.only_old,
                () if is(word, "GT") => &mut options.greater,
                () if is(word, "LT") => &mut options.less,
                () if is(word, "CH") => &mut options.changed,
                () if is(word, "INCR") => &mut options.incr,
                () => break,
            };
            *flag = true;
            words = rest;
        }
        if words.is_empty() || !words.len().is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        if options.only_new && options.only_old {
            return Err(CommandError::Incompatible(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        let AddOptions { only_new, greater, less, .. } = options;
        if greater && less || only_new && (greater || less) {
            return Err(CommandError::Incompatible(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if options.incr && words.len() > 2 {
            return Err(CommandError::Incompatible(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok((options, words))
    }

    /// Whether a member with this score gets another.
    fn allow(&self, old: Option<f64>, new: f64) -> bool {
        match old {
            None => !self.only_old,
            Some(old) => {
                !self.only_new && (!self.greater || new > old) && (!self.less || new < old)
            }
        }
    }
}

/// `ZADD key [options] score member …`
pub fn add(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let key = &args[1];
    let (options, pairs) = AddOptions::read(&args[2..])?;
    let scores = pairs.chunks(2).map(|pair| float(&pair[0]));
    let scores: Vec<f64> = scores.collect::<std::result::Result<_, _>>()?;
    context.open(Kind::Zset, key)?;
    let (mut added, mut changed, mut last) = (0, 0, None);
    for (score, pair) in scores.into_iter().zip(pairs.chunks(2)) {
        let member = &pair[1];
        let old = stored_score(context, key, member);
        let new = if options.incr { sum(old, score)? } else { score };
        if !options.allow(old, new) {
            continue;
        }
        last = Some(new);
        added += i64::from(old.is_none());
        if old != Some(new) {
            changed += 1;
            context.put_score(key, member, old, new);
        }
    }
    if changed > 0 {
        context.changed(Kind::Zset, key, Meta::grown(added))?;
    }
    Ok(match (options.incr, options.changed) {
        (true, _) => last.map_or(Reply::NullBulk, number),
        (false, true) => Reply::Integer(changed),
        (false, false) => Reply::Integer(added),
    })
}

/// `ZINCRBY key increment member`
pub fn incr(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (key, by, member) = (&args[1], float(&args[2])?, &args[3]);
    context.open(Kind::Zset, key)?;
    let old = stored_score(context, key, member);
    let new = sum(old, by)?;
    context.put_score(key, member, old, new);
    context.changed(Kind::Zset, key, Meta::grown(i64::from(old.is_none())))?;
    Ok(number(new))
}

/// `ZREM key member …`
pub fn rem(context: &mut Context<'_>, key: &[u8], members: &[Bytes]) -> Result {
    context.open(Kind::Zset, key)?;
    let mut gone = Vec::new();
    for member in members {
        if let Some(score) = stored_score(context, key, member) {
            context.erase_score(key, member, score);
            gone.push(score);
        }
    }
    close(context, key, gone.len())
}

/// `ZSCORE key member`
pub fn score(context: &mut Context<'_>, key: &[u8], member: &[u8]) -> Result {
    let holds = context.open(Kind::Zset, key)?.len > 0;
    let score = stored_score(context, key, member).filter(|_| holds);
    Ok(score.map_or(Reply::NullBulk, number))
}

/// `ZCARD key`
pub fn len(context: &mut Context<'_>, key: &[u8]) -> Result {
    Ok(Reply::Integer(context.open(Kind::Zset, key)?.len))
}

/// `ZCOUNT key min max`
pub fn count(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let bounds = Bounds::read(&args[2], &args[3])?;
    let found = all(context, &args[1])?.into_iter().filter(|(score, _)| bounds.hold(*score));
    Ok(Reply::Integer(found.count() as i64))
}

/// `ZRANGE key start stop [REV] [WITHSCORES]`, `ZREVRANGE key start stop [WITHSCORES]`
pub fn range(context: &mut Context<'_>, args: &[Bytes], reversed: bool) -> Result {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let (mut reversed, may_reverse, mut with_scores) = (reversed, !reversed, false);
    for word in &args[4..] {
        match () {
            () if is(word, "WITHSCORES") => with_scores = true,
            () if is(word, "REV") && may_reverse => reversed = true,
            () => return Err(CommandError::Syntax),
        }
    }
    let mut members = all(context, &args[1])?;
    if reversed {
        members.reverse();
    }
    let (from, to) = clamp(start, stop, members.len() as i64);
    let found = members.into_iter().skip(from as usize).take((to + 1 - from).max(0) as usize);
    Ok(told(found, with_scores))
}

/// `ZRANGEBYSCORE key min max [options]`, `ZREVRANGEBYSCORE key max min [options]`
pub fn range_by_score(context: &mut Context<'_>, args: &[Bytes], reversed: bool) -> Result {
    let (min, max) = if reversed { (&args[3], &args[2]) } else { (&args[2], &args[3]) };
    let (mut with_scores, mut limit, mut words) = (false, (0, -1), &args[4..]);
    loop {
        words = match words {
            [] => break,
            [word, rest @ ..] if is(word, "WITHSCORES") => {
                with_scores = true;
                rest
            }
            [word, offset, count, rest @ ..] if is(word, "LIMIT") => {
                limit = (integer(offset)?, integer(count)?);
                rest
            }
            _ => return Err(CommandError::Syntax),
        };
    }
    let bounds = Bounds::read(min, max)?;
    let mut members = all(context, &args[1])?;
    if reversed {
        members.reverse();
    }
    let (offset, count) = limit;
    let Ok(offset) = usize::try_from(offset) else { return Ok(Reply::Array(Vec::new())) };
    let most = usize::try_from(count).unwrap_or(usize::MAX);
    let found = members.into_iter().filter(|(score, _)| bounds.hold(*score));
    Ok(told(found.skip(offset).take(most), with_scores))
}

/// `ZPOPMIN key [count]`
pub fn pop_min(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = args.get(2).map_or(Ok(1), |word| {
        let count = std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok());
        count.and_then(|count| usize::try_from(count).ok()).ok_or(CommandError::NotPositive)
    })?;
    let popped: Members = all(context, &args[1])?.into_iter().take(count).collect();
    take_out(context, &args[1], &popped)?;
    Ok(told(popped.into_iter(), true))
}

/// `BZPOPMIN key … timeout`: the first of the keys that holds anything, its lowest member and that one's score; a null array if none does.
/// Waiting is the server's.
pub fn pop_first(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    patience(args)?;
    for key in &args[1..args.len() - 1] {
        let popped: Members = all(context, key)?.into_iter().take(1).collect();
        if !popped.is_empty() {
            take_out(context, key, &popped)?;
            let Reply::Array(told) = told(popped.into_iter(), true) else { continue };
            return Ok(Reply::Array([vec![Reply::Bulk(key.clone())], told].concat()));
        }
    }
    Ok(Reply::NullArray)
}

/// How long BZPOPMIN waits; zero is for ever.
pub fn patience(args: &[Bytes]) -> std::result::Result<Duration, CommandError> {
    let seconds = args.last().and_then(|word| std::str::from_utf8(word).ok()?.parse::<f64>().ok());
    let seconds = seconds.ok_or(CommandError::InvalidTimeout)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| CommandError::InvalidTimeout)
}

/// `ZREMRANGEBYRANK key start stop`
pub fn rem_by_rank(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let (start, stop) = (integer(&args[2])?, integer(&args[3])?);
    let members = all(context, &args[1])?;
    let (from, to) = clamp(start, stop, members.len() as i64);
    let taken = members.into_iter().skip(from as usize).take((to + 1 - from).max(0) as usize);
    take_out(context, &args[1], &taken.collect::<Members>())
}

/// `ZREMRANGEBYSCORE key min max`
pub fn rem_by_score(context: &mut Context<'_>, args: &[Bytes]) -> Result {
    let bounds = Bounds::read(&args[2], &args[3])?;
    let taken = all(context, &args[1])?.into_iter().filter(|(score, _)| bounds.hold(*score));
    take_out(context, &args[1], &taken.collect::<Members>())
}

fn take_out(context: &mut Context<'_>, key: &[u8], members: &[(f64, Bytes)]) -> Result {
    for (score, member) in members {
        context.erase_score(key, member, *score);
    }
    close(context, key, members.len())
}

/// So many are gone.
fn close(context: &mut Context<'_>, key: &[u8], gone: usize) -> Result {
    let gone = gone as i64;
    if gone > 0 {
        context.changed(Kind::Zset, key, Meta::grown(-gone))?;
    }
    Ok(Reply::Integer(gone))
}

fn all(context: &mut Context<'_>, key: &[u8]) -> std::result::Result<Members, CommandError> {
    Ok(match context.open(Kind::Zset, key)?.len {
        0 => Vec::new(),
        _ => context.by_score(key),
    })
}

fn stored_score(context: &Context<'_>, key: &[u8], member: &[u8]) -> Option<f64> {
    let stored = context.member(Kind::Zset, key, member)?;
    Some(f64::from_bits(u64::from_be_bytes(stored.as_ref().try_into().ok()?)))
}

fn sum(old: Option<f64>, by: f64) -> std::result::Result<f64, CommandError> {
    let new = old.unwrap_or(0.0) + by;
    match new.is_nan() {
        true => Err(CommandError::NotANumber),
        // Not minus zero.
        false => Ok(new + 0.0),
    }
}

fn told(members: impl Iterator<Item = (f64, Bytes)>, with_scores: bool) -> Reply {
    let words = members.flat_map(|(score, member)| {
        [Some(Reply::Bulk(member)), with_scores.then(|| number(score))]
    });
    Reply::Array(words.flatten().collect())
}

/// Two ends of scores.
struct Bounds {
    min: (f64, bool),
    max: (f64, bool),
}

impl Bounds {
    fn read(min: &[u8], max: &[u8]) -> std::result::Result<Bounds, CommandError> {
        let bound = |word: &[u8]| {
            let (word, open) = match word.strip_prefix(b"(") {
                Some(rest) => (rest, true),
                None => (word, false),
            };
            float(word).map(|at| (at, open)).map_err(|_| CommandError::NotABound)
        };
        Ok(Bounds { min: bound(min)?, max: bound(max)? })
    }

    fn hold(&self, score: f64) -> bool {
        let Bounds { min: (min, above), max: (max, below) } = *self;
        (if above { score > min } else { score >= min })
            && (if below { score < max } else { score <= max })
    }
}

fn float(word: &[u8]) -> std::result::Result<f64, CommandError> {
    let text = std::str::from_utf8(word).map_err(|_| CommandError::NotAFloat)?;
    let number: Option<f64> = text.parse().ok();
    number
        .filter(|number| !number.is_nan())
        .map(|number| number + 0.0)
        .ok_or(CommandError::NotAFloat)
}

/// A score as it is told: whole numbers without a point, others with as many digits as tell them apart.
fn number(score: f64) -> Reply {
    let text = match score {
        f64::INFINITY => "inf".to_owned(),
        f64::NEG_INFINITY => "-inf".to_owned(),
        score => score.to_string(),
    };
    Reply::Bulk(text.into())
}
