//! The table of commands (`adapter/redis_command_specs.go`): names, arities, which words are keys.
//!
//! Beyond upstream's: APPEND, STRLEN, MGET, MSET, DECR, INCRBY, DECRBY, PSETEX, EXPIREAT, PEXPIREAT, PERSIST, SCRIPT and UNSUBSCRIBE, as Redis has
//! them.

/// A command that this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// `PING [message]`
    Ping,
    /// `SET key value [NX | XX] [GET] [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`
    Set,
    /// `SETEX key seconds value`
    Setex,
    /// `PSETEX key milliseconds value`
    Psetex,
    /// `SETNX key value`
    Setnx,
    /// `GET key`
    Get,
    /// `GETDEL key`
    Getdel,
    /// `MGET key …`
    Mget,
    /// `MSET key value …`
    Mset,
    /// `APPEND key value`
    Append,
    /// `STRLEN key`
    Strlen,
    /// `INCR key`
    Incr,
    /// `DECR key`
    Decr,
    /// `INCRBY key increment`
    Incrby,
    /// `DECRBY key decrement`
    Decrby,
    /// `DEL key …`
    Del,
    /// `EXISTS key …`
    Exists,
    /// `TYPE key`
    Type,
    /// `EXPIRE key seconds [NX | XX | GT | LT]`
    Expire,
    /// `PEXPIRE key milliseconds [NX | XX | GT | LT]`
    Pexpire,
    /// `EXPIREAT key unix-seconds [NX | XX | GT | LT]`
    Expireat,
    /// `PEXPIREAT key unix-milliseconds [NX | XX | GT | LT]`
    Pexpireat,
    /// `TTL key`
    Ttl,
    /// `PTTL key`
    Pttl,
    /// `PERSIST key`
    Persist,
    /// `RENAME key newkey`
    Rename,
    /// `KEYS pattern`
    Keys,
    /// `SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]`
    Scan,
    /// `DBSIZE`
    Dbsize,
    /// `FLUSHALL`
    Flushall,
    /// `FLUSHDB`
    Flushdb,
    /// `RPUSH key value …`
    Rpush,
    /// `LPUSH key value …`
    Lpush,
    /// `RPOP key`
    Rpop,
    /// `LPOP key`
    Lpop,
    /// `LRANGE key start stop`
    Lrange,
    /// `LLEN key`
    Llen,
    /// `LINDEX key index`
    Lindex,
    /// `LSET key index value`
    Lset,
    /// `LREM key count value`
    Lrem,
    /// `LTRIM key start stop`
    Ltrim,
    /// `LPOS key value [RANK n] [COUNT n] [MAXLEN n]`
    Lpos,
    /// `RPOPLPUSH source destination`
    Rpoplpush,
    /// `HSET key field value …`
    Hset,
    /// `HMSET key field value …`
    Hmset,
    /// `HGET key field`
    Hget,
    /// `HMGET key field …`
    Hmget,
    /// `HGETALL key`
    Hgetall,
    /// `HDEL key field …`
    Hdel,
    /// `HEXISTS key field`
    Hexists,
    /// `HLEN key`
    Hlen,
    /// `HINCRBY key field increment`
    Hincrby,
    /// `SADD key member …`
    Sadd,
    /// `SREM key member …`
    Srem,
    /// `SMEMBERS key`
    Smembers,
    /// `SISMEMBER key member`
    Sismember,
    /// `SCARD key`
    Scard,
    /// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member …`
    Zadd,
    /// `ZINCRBY key increment member`
    Zincrby,
    /// `ZREM key member …`
    Zrem,
    /// `ZSCORE key member`
    Zscore,
    /// `ZCARD key`
    Zcard,
    /// `ZCOUNT key min max`
    Zcount,
    /// `ZRANGE key start stop [REV] [WITHSCORES]`
    Zrange,
    /// `ZREVRANGE key start stop [WITHSCORES]`
    Zrevrange,
    /// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`
    Zrangebyscore,
    /// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`
    Zrevrangebyscore,
    /// `ZPOPMIN key [count]`
    Zpopmin,
    /// `ZREMRANGEBYRANK key start stop`
    Zremrangebyrank,
    /// `ZREMRANGEBYSCORE key min max`
    Zremrangebyscore,
    /// `BZPOPMIN key … timeout`
    Bzpopmin,
    /// `XADD key [MAXLEN [~] n] id field value …`
    Xadd,
    /// `XLEN key`
    Xlen,
    /// `XRANGE key start end [COUNT n]`
    Xrange,
    /// `XREVRANGE key end start [COUNT n]`
    Xrevrange,
    /// `XREAD [COUNT n] [BLOCK ms] STREAMS key … id …`
    Xread,
    /// `XTRIM key MAXLEN [= | ~] n`
    Xtrim,
    /// `PFADD key element …`
    Pfadd,
    /// `PFCOUNT key …`
    Pfcount,
    /// `EVAL script numkeys [key …] [arg …]`
    Eval,
    /// `EVALSHA sha1 numkeys [key …] [arg …]`
    Evalsha,
    /// `SCRIPT LOAD script | EXISTS sha1 … | FLUSH [ASYNC | SYNC]`
    Script,
    /// `PUBLISH channel message`
    Publish,
    /// `SUBSCRIBE channel …`
    Subscribe,
    /// `UNSUBSCRIBE [channel …]`
    Unsubscribe,
    /// `PUBSUB CHANNELS [pattern] | NUMSUB [channel …] | NUMPAT`
    Pubsub,
    /// `HELLO [2 [SETNAME name]]`
    Hello,
    /// `CLIENT subcommand …`
    Client,
    /// `COMMAND [subcommand …]`
    Command,
    /// `INFO [section …]`
    Info,
    /// `SELECT index`
    Select,
    /// `QUIT`
    Quit,
    /// `MULTI`
    Multi,
    /// `EXEC`
    Exec,
    /// `DISCARD`
    Discard,
}

/// Which words of a command are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// None.
    None,
    /// The first after the name.
    First,
    /// All after the name.
    All,
    /// All after the name but the last.
    AllButLast,
    /// Every other word.
    Pairs,
}

/// What is known of a command before it runs.
pub struct Spec {
    /// In capitals.
    pub word: &'static str,
    /// Which.
    pub name: Name,
    /// Number of words with the name; negative: at least so many.
    pub arity: i32,
    /// Whether it may write.
    pub writes: bool,
    /// Which words are keys.
    pub keys: Keys,
}

const fn reads(word: &'static str, name: Name, arity: i32, keys: Keys) -> Spec {
    Spec { word, name, arity, writes: false, keys }
}

const fn writes(word: &'static str, name: Name, arity: i32, keys: Keys) -> Spec {
    Spec { word, name, arity, writes: true, keys }
}

/// All, in the order of [`Name`].
pub const SPECS: [Spec; 95] = [
    reads("PING", Name::Ping, -1, Keys::None),
    writes("SET", Name::Set, -3, Keys::First),
    writes("SETEX", Name::Setex, 4, Keys::First),
    writes("PSETEX", Name::Psetex, 4, Keys::First),
    writes("SETNX", Name::Setnx, 3, Keys::First),
    reads("GET", Name::Get, 2, Keys::First),
    writes("GETDEL", Name::Getdel, 2, Keys::First),
    reads("MGET", Name::Mget, -2, Keys::All),
    writes("MSET", Name::Mset, -3, Keys::Pairs),
    writes("APPEND", Name::Append, 3, Keys::First),
    reads("STRLEN", Name::Strlen, 2, Keys::First),
    writes("INCR", Name::Incr, 2, Keys::First),
    writes("DECR", Name::Decr, 2, Keys::First),
    writes("INCRBY", Name::Incrby, 3, Keys::First),
    writes("DECRBY", Name::Decrby, 3, Keys::First),
    writes("DEL", Name::Del, -2, Keys::All),
    reads("EXISTS", Name::Exists, -2, Keys::All),
    reads("TYPE", Name::Type, 2, Keys::First),
    writes("EXPIRE", Name::Expire, -3, Keys::First),
    writes("PEXPIRE", Name::Pexpire, -3, Keys::First),
    writes("EXPIREAT", Name::Expireat, -3, Keys::First),
    writes("PEXPIREAT", Name::Pexpireat, -3, Keys::First),
    reads("TTL", Name::Ttl, 2, Keys::First),
    reads("PTTL", Name::Pttl, 2, Keys::First),
    writes("PERSIST", Name::Persist, 2, Keys::First),
    writes("RENAME", Name::Rename, 3, Keys::All),
    reads("KEYS", Name::Keys, 2, Keys::None),
    reads("SCAN", Name::Scan, -2, Keys::None),
    reads("DBSIZE", Name::Dbsize, 1, Keys::None),
    writes("FLUSHALL", Name::Flushall, 1, Keys::None),
    writes("FLUSHDB", Name::Flushdb, 1, Keys::None),
    writes("RPUSH", Name::Rpush, -3, Keys::First),
    writes("LPUSH", Name::Lpush, -3, Keys::First),
    writes("RPOP", Name::Rpop, 2, Keys::First),
    writes("LPOP", Name::Lpop, 2, Keys::First),
    reads("LRANGE", Name::Lrange, 4, Keys::First),
    reads("LLEN", Name::Llen, 2, Keys::First),
    reads("LINDEX", Name::Lindex, 3, Keys::First),
    writes("LSET", Name::Lset, 4, Keys::First),
    writes("LREM", Name::Lrem, 4, Keys::First),
    writes("LTRIM", Name::Ltrim, 4, Keys::First),
    reads("LPOS", Name::Lpos, -3, Keys::First),
    writes("RPOPLPUSH", Name::Rpoplpush, 3, Keys::All),
    writes("HSET", Name::Hset, -4, Keys::First),
    writes("HMSET", Name::Hmset, -4, Keys::First),
    reads("HGET", Name::Hget, 3, Keys::First),
    reads("HMGET", Name::Hmget, -3, Keys::First),
    reads("HGETALL", Name::Hgetall, 2, Keys::First),
    writes("HDEL", Name::Hdel, -3, Keys::First),
    reads("HEXISTS", Name::Hexists, 3, Keys::First),
    reads("HLEN", Name::Hlen, 2, Keys::First),
    writes("HINCRBY", Name::Hincrby, 4, Keys::First),
    writes("SADD", Name::Sadd, -3, Keys::First),
    writes("SREM", Name::Srem, -3, Keys::First),
    reads("SMEMBERS", Name::Smembers, 2, Keys::First),
    reads("SISMEMBER", Name::Sismember, 3, Keys::First),
    reads("SCARD", Name::Scard, 2, Keys::First),
    writes("ZADD", Name::Zadd, -4, Keys::First),
    writes("ZINCRBY", Name::Zincrby, 4, Keys::First),
    writes("ZREM", Name::Zrem, -3, Keys::First),
    reads("ZSCORE", Name::Zscore, 3, Keys::First),
    reads("ZCARD", Name::Zcard, 2, Keys::First),
    reads("ZCOUNT", Name::Zcount, 4, Keys::First),
    reads("ZRANGE", Name::Zrange, -4, Keys::First),
    reads("ZREVRANGE", Name::Zrevrange, -4, Keys::First),
    reads("ZRANGEBYSCORE", Name::Zrangebyscore, -4, Keys::First),
    reads("ZREVRANGEBYSCORE", Name::Zrevrangebyscore, -4, Keys::First),
    writes("ZPOPMIN", Name::Zpopmin, -2, Keys::First),
    writes("ZREMRANGEBYRANK", Name::Zremrangebyrank, 4, Keys::First),
    writes("ZREMRANGEBYSCORE", Name::Zremrangebyscore, 4, Keys::First),
    writes("BZPOPMIN", Name::Bzpopmin, -3, Keys::AllButLast),
    writes("XADD", Name::Xadd, -5, Keys::First),
    reads("XLEN", Name::Xlen, 2, Keys::First),
    reads("XRANGE", Name::Xrange, -4, Keys::First),
    reads("XREVRANGE", Name::Xrevrange, -4, Keys::First),
    reads("XREAD", Name::Xread, -4, Keys::None),
    writes("XTRIM", Name::Xtrim, -4, Keys::First),
    writes("PFADD", Name::Pfadd, -3, Keys::First),
    reads("PFCOUNT", Name::Pfcount, -2, Keys::All),
    writes("EVAL", Name::Eval, -3, Keys::None),
    writes("EVALSHA", Name::Evalsha, -3, Keys::None),
    reads("SCRIPT", Name::Script, -2, Keys::None),
    reads("PUBLISH", Name::Publish, 3, Keys::None),
    reads("SUBSCRIBE", Name::Subscribe, -2, Keys::None),
    reads("UNSUBSCRIBE", Name::Unsubscribe, -1, Keys::None),
    reads("PUBSUB", Name::Pubsub, -2, Keys::None),
    reads("HELLO", Name::Hello, -1, Keys::None),
    reads("CLIENT", Name::Client, -2, Keys::None),
    reads("COMMAND", Name::Command, -1, Keys::None),
    reads("INFO", Name::Info, -1, Keys::None),
    reads("SELECT", Name::Select, 2, Keys::None),
    reads("QUIT", Name::Quit, 1, Keys::None),
    reads("MULTI", Name::Multi, 1, Keys::None),
    reads("EXEC", Name::Exec, 1, Keys::None),
    reads("DISCARD", Name::Discard, 1, Keys::None),
];

/// Every command, as COMMAND tells it: name, arity, whether it writes, and the first key, the last and the step between them.
pub fn table() -> impl Iterator<Item = (String, i32, bool, [i64; 3])> {
    SPECS.iter().map(|spec| {
        let keys = match spec.keys {
            Keys::None => [0, 0, 0],
            Keys::First => [1, 1, 1],
            Keys::All => [1, -1, 1],
            Keys::AllButLast => [1, -2, 1],
            Keys::Pairs => [1, -1, 2],
        };
        (spec.word.to_ascii_lowercase(), spec.arity, spec.writes, keys)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_its_own_spec() {
        for (at, spec) in SPECS.iter().enumerate() {
            assert_eq!(spec.name as usize, at, "{}", spec.word);
        }
    }
}
