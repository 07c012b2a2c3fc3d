//! The Redis client of single objects: one command a call. Keys, values, members and fields are decimal.
//!
//! A register is a string, a counter one that INCRBY changes; sets, lists, hashes and sorted sets are what Redis calls so, and a
//! queue is a list. Compare-and-set is a script, since Elastickv knows no WATCH.
//!
//! Promises and blind spots are those of [`super::RedisClient`].

use super::connection::Redis;
use super::refusal;
use super::resp::Reply;
use crate::client::{Classify, Client, Outcome, undecided};
use crate::cluster::Connection;
use crate::op::{Answer, Call, Completion, Function, Object, Op};
use futures_util::future::LocalBoxFuture;
use std::fmt;
use std::str::FromStr;

/// Writes the second value if the key holds the first, and says whether.
const COMPARE_AND_SET: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    redis.call('SET', KEYS[1], ARGV[2]) return 1 end return 0";

/// A client of one Redis connection, for objects of one kind.
pub struct ObjectClient {
    redis: Redis,
    classify: Classify,
    object: Object,
}

impl ObjectClient {
    /// Over a fresh connection.
    pub fn dial(object: Object, connection: Connection, classify: Classify) -> Box<dyn Client> {
        Box::new(ObjectClient { redis: Redis::new(connection), classify, object })
    }

    async fn call(&mut self, op: &Op) -> Outcome {
        let Op::Call(call) = op else {
            let completion = Completion::Fail(format!("nothing to ask of an object in {op:?}"));
            return Outcome { completion, reusable: true };
        };
        let words = words(self.object, call);
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        let reply = match self.redis.ask(&words).await {
            Ok(reply) => reply,
            Err(error) => {
                let completion = undecided(op, format!("connection: {error}"));
                return Outcome { completion, reusable: false };
            }
        };
        let completion = match &reply {
            Reply::Error(text) => refusal(op, text, self.classify),
            reply => match answer(self.object, &call.function, reply) {
                Some(answer) => {
                    Completion::Ok(Op::Call(Call { answer: Some(answer), ..call.clone() }))
                }
                None => {
                    let command = String::from_utf8_lossy(words[0]);
                    undecided(op, format!("malformed reply: {command} was answered with {reply}"))
                }
            },
        };
        Outcome { completion, reusable: self.redis.at_boundary() }
    }
}

impl Client for ObjectClient {
    fn invoke<'a>(&'a mut self, op: &'a Op) -> LocalBoxFuture<'a, Outcome> {
        Box::pin(self.call(op))
    }
}

fn words(object: Object, call: &Call) -> Vec<String> {
    let key = call.key.to_string();
    let command = |name: &str, args: &[&dyn fmt::Display]| {
        let args = args.iter().map(|arg| arg.to_string());
        [name.to_owned(), key.clone()].into_iter().chain(args).collect()
    };
    match &call.function {
        Function::Read => match object {
            Object::Register | Object::CasRegister | Object::Counter => command("GET", &[]),
            Object::Set => command("SMEMBERS", &[]),
            Object::Map => command("HGETALL", &[]),
            Object::Queue | Object::List | Object::Zset => command("LRANGE", &[&0, &-1]),
        },
        Function::Write(value) => command("SET", &[value]),
        Function::Cas { from, to } => {
            let from = from.map_or(String::new(), |from| from.to_string());
            let script = ["EVAL", COMPARE_AND_SET, "1", &key, &from, &to.to_string()];
            script.map(str::to_owned).to_vec()
        }
        Function::Add(by) => command("INCRBY", &[by]),
        Function::Insert(member) => command("SADD", &[member]),
        Function::Remove(member) => command("SREM", &[member]),
        Function::Contains(member) => command("SISMEMBER", &[member]),
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
    }
}

/// What the reply says; `None` if it is none that the command has.
fn answer(object: Object, function: &Function, reply: &Reply) -> Option<Answer> {
    match function {
        Function::Read => whole(object, reply),
        Function::Write(_) => reply.is_status("OK").then_some(Answer::Done),
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
        (Object::Register | Object::CasRegister, reply) => value(reply),
        (Object::Map, reply) => pairs(reply).map(Answer::Fields),
        (_, Reply::Array(items)) => {
            items.iter().map(number).collect::<Option<Vec<_>>>().map(Answer::Values)
        }
        _ => None,
    }
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

    fn bulk(text: &str) -> Reply {
        Reply::Bulk(text.to_owned().into())
    }

    #[test]
    fn each_function_is_one_command_and_its_reply_an_answer_that_its_object_knows() {
        let pair = Reply::Array(vec![bulk("7"), bulk("-3")]);
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
            (said[0].as_str(), &said[2..]),
            ("EVAL", &["1", "9", "1", "2"].map(str::to_owned)[..])
        );
        assert!(said[1].starts_with("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call"));
    }
}
