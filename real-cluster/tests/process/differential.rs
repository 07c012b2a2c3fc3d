//! A node against Debian's `redis-server`: the same stream of commands to both, and the same reply from both, byte for byte, but for what
//! [`alike`] lists. Where there is no server it says SKIP; with REDIS_SERVER_REQUIRED=1 that is a failure.
//!
//! What is not generated, since upstream's Elastickv does it otherwise and so do we: options that it lacks (LPOP's count, ZRANGE's
//! BYSCORE, XADD's NOMKSTREAM and MINID, a COUNT of none, what is wrong
//! with an identity or a bound where the key is of another type too), what its MULTI does not run, numbers with leading zeros, which Go reads and Redis refuses, and scores with more digits than
//! both write alike. What scripts are not generated, [`scripts`] says.

use crate::node::{Place, REDIS};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[path = "differential/scripts.rs"]
mod scripts;

/// Streams, and commands in each at most.
const STREAMS: u32 = 60;
const COMMANDS: std::ops::Range<usize> = 300..500;
/// What must have been compared, all streams together, and of every command.
const COMPARED_MIN: u64 = 20_000;
const EACH_MIN: u64 = 20;
const PATIENCE: Duration = Duration::from_secs(30);

type Words = Vec<String>;

/// Debian's server, ended when it is dropped.
struct Server {
    child: Child,
    address: Ipv4Addr,
}

impl Server {
    fn start() -> Option<Server> {
        let address = Ipv4Addr::new(127, 0, 61, 1);
        let port = REDIS.to_string();
        let words = ["--port", &port, "--save", "", "--appendonly", "no", "--daemonize", "no"];
        let mut command = Command::new("redis-server");
        command.args(words).args(["--bind", &address.to_string()]).stdout(Stdio::null());
        match command.spawn() {
            Ok(child) => Some(Server { child, address }),
            Err(_) => {
                let required = std::env::var_os("REDIS_SERVER_REQUIRED").is_some();
                assert!(!required, "redis-server is required");
                println!(
                    "SKIP differential: there is no redis-server (apt-get install redis-server)"
                );
                None
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Err: it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A reply, read.
#[derive(Clone, Debug, PartialEq)]
enum Reply {
    /// Its kind and its text: `+OK`, `-ERR …`, `:7`; `$` alone and `*` alone are null.
    Line(String),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
}

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: Ipv4Addr) -> Client {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Ok(stream) = TcpStream::connect((address, REDIS)) {
                stream.set_nodelay(true).expect("a socket");
                stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
                return Client { stream: BufReader::new(stream) };
            }
            assert!(Instant::now() < limit, "{address} does not serve");
            // Between two attempts.
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(&mut self, words: &[String]) -> Reply {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.stream.get_mut().write_all(request.as_bytes()).expect("it listens");
        self.reply()
    }

    fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let line = line.trim_end();
        let count = || line[1..].parse::<i64>().expect("a number");
        match line.as_bytes().first() {
            Some(b'$') if count() >= 0 => {
                let mut bytes = vec![0; count() as usize + 2];
                self.stream.read_exact(&mut bytes).expect("all of it");
                bytes.truncate(bytes.len() - 2);
                Reply::Bulk(bytes)
            }
            Some(b'*') if count() >= 0 => {
                Reply::Array((0..count()).map(|_| self.reply()).collect())
            }
            Some(b'$' | b'*') => Reply::Line(line[..1].to_owned()),
            Some(_) => Reply::Line(line.to_owned()),
            None => panic!("the connection was closed"),
        }
    }
}

/// The reply as it is compared: upstream, and we, differ from Redis in the order of what has none.
fn alike(words: &[String], reply: Reply) -> Reply {
    let sorted = |mut items: Vec<Reply>| {
        items.sort_by_key(|item| format!("{item:?}"));
        Reply::Array(items)
    };
    match (words[0].as_str(), reply) {
        // As if it had been asked outside.
        ("EVAL", reply) => match scripts::within(words) {
            Some(command) => alike(command, reply),
            None => reply,
        },
        // Members of a set, keys.
        ("SMEMBERS" | "KEYS", Reply::Array(items)) => sorted(items),
        // Fields with their values.
        ("HGETALL", Reply::Array(items)) => {
            sorted(items.chunks(2).map(|pair| Reply::Array(pair.to_vec())).collect())
        }
        // A cursor that stands for all, and keys.
        ("SCAN", Reply::Array(mut parts)) => match parts.pop() {
            Some(Reply::Array(items)) => sorted(items),
            other => panic!("SCAN was answered with {other:?}"),
        },
        // Milliseconds go by between the two.
        ("PTTL", Reply::Line(line)) if line.starts_with(':') && !line.starts_with(":-") => {
            Reply::Line(":some".to_owned())
        }
        (_, reply) => reply,
    }
}

fn words(line: &str) -> Words {
    line.split(' ').map(str::to_owned).collect()
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d", "e"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(vec!["x", "y", "z"]).prop_map(str::to_owned),
        2 => (-20i64..20).prop_map(|n| n.to_string()),
        1 => Just(i64::MAX.to_string()),
        1 => Just(String::new()),
        1 => Just("two words\r\nand a line".to_owned()),
    ]
}

fn index() -> impl Strategy<Value = i64> {
    prop_oneof![6 => -6i64..7, 1 => Just(i64::MAX), 1 => Just(i64::MIN)]
}

fn score() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (-20i32..20).prop_map(|n| (f64::from(n) / 4.0 + 0.0).to_string()),
        1 => prop::sample::select(vec!["inf", "-inf", "+inf", "1e3", "x", "nan"]).prop_map(str::to_owned),
    ]
}

fn bound() -> impl Strategy<Value = String> {
    (any::<bool>(), score())
        .prop_map(|(open, score)| format!("{}{score}", if open { "(" } else { "" }))
}

/// A command whose words are these, each a strategy.
macro_rules! command {
    ($name:expr $(, $word:expr)*) => {{
        let words: Vec<BoxedStrategy<Words>> = vec![
            Just(vec![$name.to_owned()]).boxed()
            $(, $word.prop_map(|word| vec![word.to_string()]).boxed())*
        ];
        words.prop_map(|words| words.concat()).boxed()
    }};
}

/// After these words so many of those.
fn then(
    first: BoxedStrategy<Words>,
    more: impl Strategy<Value = String> + 'static,
    count: std::ops::Range<usize>,
) -> BoxedStrategy<Words> {
    (first, prop::collection::vec(more, count))
        .prop_map(|(first, more)| [first, more].concat())
        .boxed()
}

fn options(first: BoxedStrategy<Words>, options: &'static [&'static str]) -> BoxedStrategy<Words> {
    let some = prop::sample::subsequence(options, 0..=options.len().min(3));
    let added = |(first, some): (Words, Vec<&str>)| {
        [first, some.iter().flat_map(|option| words(option)).collect()].concat()
    };
    (first, some).prop_map(added).boxed()
}

fn strings() -> Vec<BoxedStrategy<Words>> {
    vec![
        options(
            command!("SET", key(), value()),
            &["NX", "XX", "GET", "EX 1000", "PX 900000", "KEEPTTL", "EX 0", "MOTH"],
        ),
        command!("SETEX", key(), (-1i64..2).prop_map(|n| n * 1000), value()),
        command!("PSETEX", key(), Just(900_000), value()),
        command!("SETNX", key(), value()),
        command!("GET", key()),
        command!("GETDEL", key()),
        then(command!("MGET", key()), key(), 0..3),
        then(command!("MSET", key(), value()), value(), 0..3),
        command!("APPEND", key(), prop::sample::select(vec!["x", "y z", ""])),
        command!("STRLEN", key()),
        command!("INCR", key()),
        command!("DECR", key()),
        command!("INCRBY", key(), value()),
        command!("DECRBY", key(), prop_oneof![4 => value(), 1 => Just(i64::MIN.to_string())]),
    ]
}

fn generic() -> Vec<BoxedStrategy<Words>> {
    let times = || prop_oneof![5 => Just(1000i64), 2 => Just(2000), 1 => Just(0), 1 => Just(-1), 1 => Just(i64::MAX)];
    let conditions: &[&str] = &["NX", "XX", "GT", "LT"];
    vec![
        then(command!("DEL", key()), key(), 0..2),
        then(command!("EXISTS", key()), key(), 0..3),
        command!("TYPE", key()),
        options(command!("EXPIRE", key(), times()), conditions),
        options(
            command!("PEXPIRE", key(), times().prop_map(|n| n.saturating_mul(1000))),
            conditions,
        ),
        command!("EXPIREAT", key(), prop_oneof![Just(1i64), Just(4_000_000_000)]),
        command!("PEXPIREAT", key(), prop_oneof![Just(1i64), Just(4_000_000_000_000)]),
        command!("TTL", key()),
        command!("PTTL", key()),
        command!("PERSIST", key()),
        command!("RENAME", key(), key()),
        command!("KEYS", prop::sample::select(vec!["*", "[ab]", "?", "x*", "[^a]"])),
        options(
            command!("SCAN", Just(0)),
            &["COUNT 1000", "MATCH [a-c]", "TYPE list", "TYPE zset"],
        ),
        command!("DBSIZE"),
    ]
}

fn lists() -> Vec<BoxedStrategy<Words>> {
    vec![
        then(command!("RPUSH", key(), value()), value(), 0..3),
        then(command!("LPUSH", key(), value()), value(), 0..3),
        command!("RPOP", key()),
        command!("LPOP", key()),
        command!("LRANGE", key(), index(), index()),
        command!("LLEN", key()),
        command!("LINDEX", key(), index()),
        command!("LSET", key(), index(), value()),
        command!("LREM", key(), -2i64..3, value()),
        command!("LTRIM", key(), index(), index()),
        options(
            command!("LPOS", key(), value()),
            &["RANK -1", "RANK 2", "COUNT 0", "COUNT 1", "MAXLEN 2", "RANK 0"],
        ),
        command!("RPOPLPUSH", key(), key()),
    ]
}

fn hashes_and_sets() -> Vec<BoxedStrategy<Words>> {
    let field = || prop::sample::select(vec!["f", "g", "h", ""]).prop_map(str::to_owned);
    vec![
        command!("HSET", key(), field(), value()),
        then(command!("HSET", key(), field(), value()), field(), 1..3),
        command!("HMSET", key(), field(), value()),
        command!("HGET", key(), field()),
        then(command!("HMGET", key(), field()), field(), 0..2),
        command!("HGETALL", key()),
        then(command!("HDEL", key(), field()), field(), 0..3),
        command!("HEXISTS", key(), field()),
        command!("HLEN", key()),
        command!("HINCRBY", key(), field(), value()),
        then(command!("SADD", key(), value()), value(), 0..3),
        then(command!("SREM", key(), value()), value(), 0..3),
        command!("SMEMBERS", key()),
        command!("SISMEMBER", key(), value()),
        command!("SCARD", key()),
    ]
}

fn sorted_sets() -> Vec<BoxedStrategy<Words>> {
    let member = || prop::sample::select(vec!["m", "n", "o", "p"]).prop_map(str::to_owned);
    let flags = prop::sample::subsequence(vec!["NX", "XX", "GT", "LT", "CH", "INCR"], 0..3);
    let pairs = prop::collection::vec((score(), member()), 1..3);
    let zadd = (key(), flags, pairs).prop_map(|(key, flags, pairs)| {
        let mut words = vec!["ZADD".to_owned(), key];
        words.extend(flags.into_iter().map(str::to_owned));
        words.extend(pairs.into_iter().flat_map(|(score, member)| [score, member]));
        words
    });
    let limits: &[&str] = &["WITHSCORES", "LIMIT 1 2", "LIMIT 0 -1", "LIMIT -1 2"];
    vec![
        zadd.boxed(),
        command!("ZINCRBY", key(), score(), member()),
        then(command!("ZREM", key(), member()), member(), 0..2),
        command!("ZSCORE", key(), member()),
        command!("ZCARD", key()),
        command!("ZCOUNT", key(), bound(), bound()),
        options(command!("ZRANGE", key(), index(), index()), &["REV", "WITHSCORES"]),
        options(command!("ZREVRANGE", key(), index(), index()), &["WITHSCORES"]),
        options(command!("ZRANGEBYSCORE", key(), bound(), bound()), limits),
        options(command!("ZREVRANGEBYSCORE", key(), bound(), bound()), limits),
        command!("ZPOPMIN", key()),
        command!("ZPOPMIN", key(), -1i64..3),
        then(command!("BZPOPMIN", key()), Just("0.01".to_owned()), 1..2),
        command!("BZPOPMIN", key(), key(), Just("0.01")),
        command!("BZPOPMIN", key(), Just("x")),
        command!("ZREMRANGEBYRANK", key(), index(), index()),
        command!("ZREMRANGEBYSCORE", key(), bound(), bound()),
    ]
}

fn streams() -> Vec<BoxedStrategy<Words>> {
    let id = || (0u64..6, 1u64..4).prop_map(|(ms, seq)| format!("{ms}-{seq}"));
    let later = || (0u64..60, 1u64..4).prop_map(|(ms, seq)| format!("{ms}-{seq}"));
    let field = || prop::sample::select(vec!["f", "g"]).prop_map(str::to_owned);
    let bound = |whole: &'static str| {
        prop_oneof![
            3 => (0u64..60, 0u64..4).prop_map(|(ms, seq)| format!("{ms}-{seq}")),
            2 => (0u64..60).prop_map(|ms| ms.to_string()),
            2 => (1u64..60).prop_map(|ms| format!("({ms}")),
            1 => (1u64..60, 0u64..4).prop_map(|(ms, seq)| format!("({ms}-{seq}")),
            4 => Just(whole.to_owned()),
        ]
    };
    let counts: &[&str] = &["COUNT 1", "COUNT 3"];
    let after = || prop_oneof![3 => later(), 2 => Just("0".to_owned()), 1 => Just("$".to_owned())];
    let limited = (key(), 0u64..5, later(), field(), value()).prop_map(|(key, limit, id, f, v)| {
        let limit = limit.to_string();
        ["XADD", &key, "MAXLEN", &limit, &id, &f, &v].map(str::to_owned).to_vec()
    });
    let of_two = (key(), key(), after(), after()).prop_map(|(a, b, after_a, after_b)| {
        ["XREAD", "COUNT", "2", "STREAMS", &a, &b, &after_a, &after_b].map(str::to_owned).to_vec()
    });
    let of_one = (key(), after())
        .prop_map(|(key, after)| ["XREAD", "STREAMS", &key, &after].map(str::to_owned).to_vec());
    vec![
        command!("XADD", key(), later(), field(), value()),
        command!("XADD", key(), id(), field(), value()),
        command!("XADD", key(), later(), field(), value(), field(), value()),
        limited.boxed(),
        command!("XLEN", key()),
        options(command!("XRANGE", key(), bound("-"), bound("+")), counts),
        options(command!("XREVRANGE", key(), bound("+"), bound("-")), counts),
        of_one.boxed(),
        of_two.boxed(),
        command!("XTRIM", key(), Just("MAXLEN"), 0u64..5),
        command!("XTRIM", key(), Just("MAXLEN"), Just("="), 0u64..5),
    ]
}

/// HyperLogLogs of few elements, which Redis counts exactly too, under keys of their own: to Redis they are strings.
fn hlls() -> Vec<BoxedStrategy<Words>> {
    let key = || prop::sample::select(vec!["h", "i"]).prop_map(str::to_owned);
    vec![
        then(command!("PFADD", key(), value()), value(), 0..4),
        then(command!("PFCOUNT", key()), key(), 0..2),
        command!("DEL", key()),
        command!("TYPE", key()),
        command!("EXPIRE", key(), Just(1000)),
    ]
}

/// What upstream's MULTI runs, a few of it.
fn transaction() -> BoxedStrategy<Vec<Words>> {
    let runs = vec![
        command!("SET", key(), value()),
        command!("GET", key()),
        command!("DEL", key()),
        command!("EXISTS", key()),
        command!("INCR", key()),
        command!("HSET", key(), value(), value()),
        command!("RPUSH", key(), value()),
        command!("LRANGE", key(), index(), index()),
        command!("ZINCRBY", key(), score(), value()),
        command!("EXPIRE", key(), Just(1000)),
    ];
    let queue = prop::collection::vec(prop::strategy::Union::new(runs), 1..5);
    let ended = prop_oneof![5 => Just("EXEC"), 1 => Just("DISCARD")];
    let whole =
        |(queue, end): (Vec<Words>, &str)| [vec![words("MULTI")], queue, vec![words(end)]].concat();
    (queue, ended).prop_map(whole).boxed()
}

/// Commands that scripts run too.
fn in_scripts() -> Vec<BoxedStrategy<Words>> {
    [strings(), generic(), lists(), hashes_and_sets(), sorted_sets(), streams(), hlls()].concat()
}

fn stream() -> impl Strategy<Value = Vec<Words>> {
    let one = |all: Vec<BoxedStrategy<Words>>| {
        prop::strategy::Union::new(all).prop_map(|words| vec![words])
    };
    let some = prop_oneof![
        3 => one(strings()),
        3 => one(generic()),
        3 => one(lists()),
        3 => one(hashes_and_sets()),
        4 => one(sorted_sets()),
        4 => one(streams()),
        1 => one(hlls()),
        1 => transaction(),
        1 => Just(vec![words("MULTI"), words("MULTI"), words("EXEC"), words("EXEC")]),
        5 => scripts::scripts(in_scripts()),
    ];
    prop::collection::vec(some, COMMANDS).prop_map(|parts| parts.concat())
}

#[test]
fn a_node_answers_as_redis_does() {
    let Some(server) = Server::start() else { return };
    let place = Place::new();
    let node = place.start(1, 1, &[]).serving();
    let both = RefCell::new((Client::connect(node.address), Client::connect(server.address)));
    let (compared, counts) = (Cell::new(0u64), RefCell::new(BTreeMap::<String, u64>::new()));
    // One seed: a failure is the same again, and what is found is kept as a test of its own.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let config = Config {
        cases: STREAMS,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..Config::default()
    };
    let result = TestRunner::new_with_rng(config, rng).run(&stream(), |stream| {
        let (ours, theirs) = &mut *both.borrow_mut();
        for client in [&mut *ours, &mut *theirs] {
            client.ask(&words("DISCARD"));
            assert_eq!(client.ask(&words("FLUSHALL")), Reply::Line("+OK".to_owned()));
        }
        for (at, command) in stream.iter().enumerate() {
            let (our, their) = (ours.ask(command), theirs.ask(command));
            prop_assert_eq!(alike(command, our), alike(command, their), "{}: {:?}", at, command);
            compared.set(compared.get() + 1);
            *counts.borrow_mut().entry(command[0].clone()).or_default() += 1;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    println!("{} commands were answered alike: {:?}", compared.get(), counts.borrow());
    assert!(compared.get() >= COMPARED_MIN, "{} compared", compared.get());
    for (command, count) in counts.borrow().iter() {
        assert!(*count >= EACH_MIN, "{command} was asked {count} times only");
    }
}
