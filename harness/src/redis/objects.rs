//! Calls of single Redis objects: one command a call. Keys, values, members and fields are decimal.
//!
//! A register is a string, a counter one that INCRBY changes; sets, lists, hashes and sorted sets are what Redis calls so, and a
//! queue is a list. Compare-and-set is a script, since Elastickv knows no WATCH.
//!
//! Promises and blind spots are those of [`super::RedisClient`].

use super::resp::Reply;
use super::{Command, Tongue};
use crate::op::{Answer, Call, Function, Object, Op, TypeName};
use std::fmt;
use std::str::FromStr;

/// Writes the second value if the key holds the first, and says whether.
const COMPARE_AND_SET: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0";

/// The field of a stream's entry that holds its value.
const FIELD: &str = "v";

/// What calls of objects of one kind are in Redis.
pub struct Objects(pub Object);

impl Tongue for Objects {
    fn commands(&self, op: &Op) -> Vec<Command> {
        let Op::Call(call) = op else { return Vec::new() };
        vec![words(self.0, call)]
    }

    fn seen(&self, op: &Op, replies: &[Reply]) -> Result<Op, String> {
        let (Op::Call(call), [reply]) = (op, replies) else {
            return Err(format!("{} replies to {op:?}", replies.len()));
        };
        let answer = answer(self.0, &call.function, reply).ok_or_else(|| {
            let command = &words(self.0, call)[0];
            format!("malformed reply: {command} was answered with {reply}")
        })?;
        Ok(Op::Call(Call { answer: Some(answer), ..call.clone() }))
    }

    /// That a key is of another type is what there is to see where keys are of any.
    fn refused(&self, op: &Op, error: &str) -> Option<Op> {
        let Op::Call(call) = op else { return None };
        let is_told = self.0 == Object::Mixed && error.starts_with("WRONGTYPE ");
        is_told.then(|| Op::Call(Call { answer: Some(Answer::WrongType), ..call.clone() }))
    }
}

fn words(object: Object, call: &Call) -> Command {
    let key = call.key.to_string();
    let command = |name: &'static str, args: &[&dyn fmt::Display]| {
        let args = args.iter().map(|arg| arg.to_string().into());
        [name.into(), key.clone().into()].into_iter().chain(args).collect()
    };
    match &call.function {
        Function::Read => match object {
            Object::Register | Object::CasRegister | Object::Counter => command("GET", &[]),
            Object::TtlRegister | Object::Mixed => command("GET", &[]),
            Object::Stream => command("XRANGE", &[&"-", &"+"]),
            Object::Set => command("SMEMBERS", &[]),
            Object::Map => command("HGETALL", &[]),
            Object::Queue | Object::List | Object::Zset => command("LRANGE", &[&0, &-1]),
        },
        Function::Write(value) => command("SET", &[value]),
        Function::Cas { from, to } => {
            let from = from.map_or(String::new(), |from| from.to_string());
            let (name, count) = ("EVAL".into(), "1".into());
            vec![
                name,
                COMPARE_AND_SET.into(),
                count,
                key.into(),
                from.into(),
                to.to_string().into(),
            ]
        }
        Function::Add(by) => command("INCRBY", &[by]),
        Function::Insert(member) => command("SADD", &[member]),
        Function::Remove(member) => command("SREM", &[member]),
        Function::Contains(member) => command("SISMEMBER", &[member]),
        Function::Append(value) if object == Object::Stream => {
            command("XADD", &[&"*", &FIELD, value])
        }
        Function::Enqueue(value) | Function::Append(value) => command("RPUSH", &[value]),
        Function::Prepend(value) => command("LPUSH", &[value]),
        Function::Dequeue => command("LPOP", &[]),
        Function::Put { field, value } => command("HSET", &[field, value]),
        Function::Get(field) => command("HGET", &[field]),
        Function::Delete(field) => command("HDEL", &[field]),
        Function::ZAdd { member, score } => command("ZADD", &[score, member]),
        Function::ZIncrBy { member, by } => command("ZINCRBY", &[by, member]),
        Function::ZRem(member) => command("ZREM", &[member]),
        Function::ZRange => command("ZRANGE", &[&0, &-1, &"WITHSCORES"]),
        Function::ZRangeByScore { min, max } => {
            command("ZRANGEBYSCORE", &[min, max, &"WITHSCORES"])
        }
        Function::Clear => command("DEL", &[]),
        Function::WriteFor { value, milliseconds } => command("SET", &[value, &"PX", milliseconds]),
        Function::Expire(milliseconds) => command("PEXPIRE", &[milliseconds]),
        Function::Persist => command("PERSIST", &[]),
        Function::Type => command("TYPE", &[]),
    }
}

/// What the reply says; `None` if it is none that the command has.
fn answer(object: Object, function: &Function, reply: &Reply) -> Option<Answer> {
    match function {
        Function::Read => whole(object, reply),
        Function::Write(_) | Function::WriteFor { .. } => {
            reply.is_status("OK").then_some(Answer::Done)
        }
        Function::Append(_) if object == Object::Stream => id(reply).map(Answer::Number),
        Function::Type => type_name(reply).map(Answer::Type),
        Function::Add(_) | Function::Enqueue(_) | Function::Append(_) | Function::Prepend(_) => {
            integer(reply).map(Answer::Number)
        }
        Function::Cas { .. }
        | Function::Insert(_)
        | Function::Remove(_)
        | Function::Contains(_)
        | Function::Put { .. }
        | Function::Delete(_)
        | Function::ZAdd { .. }
        | Function::ZRem(_)
        | Function::Expire(_)
        | Function::Persist
        | Function::Clear => match integer(reply)? {
            0 => Some(Answer::Flag(false)),
            1 => Some(Answer::Flag(true)),
            _ => None,
        },
        Function::Dequeue | Function::Get(_) => value(reply),
        Function::ZIncrBy { .. } => number(reply).map(Answer::Number),
        Function::ZRange | Function::ZRangeByScore { .. } => pairs(reply).map(Answer::Scores),
    }
}

fn whole(object: Object, reply: &Reply) -> Option<Answer> {
    match (object, reply) {
        (Object::Counter, Reply::Null) => Some(Answer::Number(0)),
        (Object::Counter, reply) => number(reply).map(Answer::Number),
        (Object::Register | Object::CasRegister | Object::TtlRegister | Object::Mixed, reply) => {
            value(reply)
        }
        (Object::Stream, Reply::Array(items)) => {
            items.iter().map(entry).collect::<Option<Vec<_>>>().map(Answer::Scores)
        }
        (Object::Map, reply) => pairs(reply).map(Answer::Fields),
        (_, Reply::Array(items)) => {
            items.iter().map(number).collect::<Option<Vec<_>>>().map(Answer::Values)
        }
        _ => None,
    }
}

/// The value of a stream's entry, and its id: a reply of the id and one field.
fn entry(reply: &Reply) -> Option<(u64, i64)> {
    let Reply::Array(parts) = reply else { return None };
    let [entry, Reply::Array(fields)] = &parts[..] else { return None };
    let [Reply::Bulk(_), value] = &fields[..] else { return None };
    Some((number(value)?, id(entry)?))
}

/// `milliseconds-sequence` as one number that rises as it does; there is none of a sequence above 65535.
fn id(reply: &Reply) -> Option<i64> {
    let Reply::Bulk(bytes) = reply else { return None };
    let (milliseconds, sequence) = std::str::from_utf8(bytes).ok()?.split_once('-')?;
    let (milliseconds, sequence): (i64, u16) = (milliseconds.parse().ok()?, sequence.parse().ok()?);
    milliseconds.checked_mul(1 << u16::BITS)?.checked_add(sequence.into())
}

fn type_name(reply: &Reply) -> Option<TypeName> {
    TypeName::ALL.into_iter().find(|name| reply.is_status(name.word()))
}

fn value(reply: &Reply) -> Option<Answer> {
    match reply {
        Reply::Null => Some(Answer::Nil),
        reply => number(reply).map(Answer::Value),
    }
}

fn integer(reply: &Reply) -> Option<i64> {
    if let Reply::Integer(number) = reply { Some(*number) } else { None }
}

fn number<N: FromStr>(reply: &Reply) -> Option<N> {
    let Reply::Bulk(bytes) = reply else { return None };
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Members or fields, each with what follows it.
fn pairs<N: FromStr>(reply: &Reply) -> Option<Vec<(u64, N)>> {
    let Reply::Array(items) = reply else { return None };
    let (pairs, rest) = items.as_chunks::<2>();
    let read = pairs.iter().map(|[name, what]| Some((number(name)?, number(what)?)));
    read.collect::<Option<Vec<_>>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.to_owned().into())
    }

    #[test]
    fn each_function_is_one_command_and_its_reply_an_answer_that_its_object_knows() {
        let pair = Reply::Array(vec![bulk("7"), bulk("-3")]);
        let fields = |value: &str| Reply::Array(vec![bulk("v"), bulk(value)]);
        let entry = |id: &str, value: &str| Reply::Array(vec![bulk(id), fields(value)]);
        let entries = Reply::Array(vec![entry("12-0", "4"), entry("12-1", "5")]);
        let fields = Reply::Array(vec![bulk("7"), bulk("3")]);
        use Function::*;
        for (object, function, said, reply) in [
            (Object::Register, Read, "GET 9", Reply::Null),
            (Object::Register, Write(5), "SET 9 5", Reply::Status("OK".into())),
            (Object::Counter, Read, "GET 9", bulk("-4")),
            (Object::Counter, Add(2), "INCRBY 9 2", Reply::Integer(6)),
            (Object::Set, Read, "SMEMBERS 9", Reply::Array(vec![bulk("1")])),
            (Object::Set, Insert(1), "SADD 9 1", Reply::Integer(1)),
            (Object::Set, Remove(1), "SREM 9 1", Reply::Integer(0)),
            (Object::Set, Contains(1), "SISMEMBER 9 1", Reply::Integer(0)),
            (Object::List, Read, "LRANGE 9 0 -1", Reply::Array(vec![])),
            (Object::List, Append(4), "RPUSH 9 4", Reply::Integer(3)),
            (Object::List, Prepend(4), "LPUSH 9 4", Reply::Integer(3)),
            (Object::List, Dequeue, "LPOP 9", bulk("4")),
            (Object::Queue, Enqueue(4), "RPUSH 9 4", Reply::Integer(3)),
            (Object::Map, Read, "HGETALL 9", fields),
            (Object::Map, Put { field: 1, value: 2 }, "HSET 9 1 2", Reply::Integer(1)),
            (Object::Map, Get(1), "HGET 9 1", Reply::Null),
            (Object::Map, Delete(1), "HDEL 9 1", Reply::Integer(1)),
            (Object::Zset, ZAdd { member: 1, score: -2 }, "ZADD 9 -2 1", Reply::Integer(1)),
            (Object::Zset, ZIncrBy { member: 1, by: 2 }, "ZINCRBY 9 2 1", bulk("-6")),
            (Object::Zset, ZRem(1), "ZREM 9 1", Reply::Integer(1)),
            (Object::Zset, ZRange, "ZRANGE 9 0 -1 WITHSCORES", pair.clone()),
            (
                Object::Zset,
                ZRangeByScore { min: -2, max: 3 },
                "ZRANGEBYSCORE 9 -2 3 WITHSCORES",
                pair,
            ),
            (Object::Map, Clear, "DEL 9", Reply::Integer(0)),
            (Object::Stream, Append(4), "XADD 9 * v 4", bulk("12-0")),
            (Object::Stream, Read, "XRANGE 9 - +", entries),
            (Object::TtlRegister, Read, "GET 9", bulk("5")),
            (
                Object::TtlRegister,
                WriteFor { value: 5, milliseconds: 70 },
                "SET 9 5 PX 70",
                Reply::Status("OK".into()),
            ),
            (Object::TtlRegister, Expire(70), "PEXPIRE 9 70", Reply::Integer(1)),
            (Object::TtlRegister, Persist, "PERSIST 9", Reply::Integer(0)),
            (Object::Mixed, Type, "TYPE 9", Reply::Status("zset".into())),
            (Object::Mixed, Append(4), "RPUSH 9 4", Reply::Integer(3)),
            (Object::Mixed, Read, "GET 9", Reply::Null),
        ] {
            let call = Call { key: 9, function, answer: None };
            assert_eq!(words(object, &call).join(" "), said);
            let answer = answer(object, &call.function, &reply);
            assert!(answer.is_some(), "{said} was answered with {reply}");
            assert!(object.knows(&call.function, answer.as_ref()), "{object} {said}: {answer:?}");
        }
    }

    #[test]
    fn a_reply_that_a_command_does_not_have_is_no_answer() {
        let odd = Reply::Array(vec![bulk("7")]);
        for (object, function, reply) in [
            (Object::Register, Function::Read, bulk("seven")),
            (Object::Set, Function::Insert(1), Reply::Integer(2)),
            (Object::Stream, Function::Append(1), Reply::Integer(2)),
            (Object::Mixed, Function::Type, Reply::Status("stream".into())),
            (Object::Map, Function::Read, odd),
            (Object::List, Function::Read, Reply::Null),
            (Object::Counter, Function::Add(1), bulk("3")),
        ] {
            assert_eq!(answer(object, &function, &reply), None, "{function}");
        }
    }

    #[test]
    fn compare_and_set_is_a_script_of_one_key() {
        let function = Function::Cas { from: Some(1), to: 2 };
        let said = words(Object::CasRegister, &Call { key: 9, function, answer: None });
        assert_eq!(
            (said[0].as_ref(), &said[2..]),
            ("EVAL", &["1", "9", "1", "2"].map(Cow::from)[..])
        );
        assert!(said[1].starts_with("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call"));
    }
}
