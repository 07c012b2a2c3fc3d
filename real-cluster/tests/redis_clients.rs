//! Clients that others wrote talk to a node: redis-rs, and `redis-cli` where it is installed.

#[path = "process/differential.rs"]
mod differential;
#[path = "process/node.rs"]
mod node;

use node::{Node, Place, REDIS};
use redis::{Commands, ConnectionLike, RedisResult};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

fn started() -> (Node, Place) {
    let place = Place::new();
    (place.start(1, 1, &[]).serving(), place)
}

fn connection(node: &Node) -> redis::Connection {
    let url = format!("redis://{}:{REDIS}/", node.address);
    redis::Client::open(url).unwrap().get_connection().unwrap()
}

#[test]
fn redis_rs_speaks_to_a_node() {
    let (node, _place) = started();
    let mut redis = connection(&node);
    assert!(redis.check_connection(), "PING is answered");
    let () = redis.set("string", "value").unwrap();
    assert_eq!(redis.get::<_, String>("string").unwrap(), "value");
    assert_eq!(redis.get::<_, Option<String>>("nothing").unwrap(), None);
    assert_eq!(redis.exists::<_, bool>("string"), Ok(true));
    assert_eq!(redis.rpush::<_, _, i64>("list", &["a", "b"]), Ok(2));
    assert_eq!(redis.rpush::<_, _, i64>("list", "c"), Ok(3));
    assert_eq!(redis.lrange::<_, Vec<String>>("list", 0, -1).unwrap(), ["a", "b", "c"]);
    assert_eq!(redis.llen::<_, i64>("list"), Ok(3));
    assert_eq!(redis.del::<_, i64>(&["string", "nothing"]), Ok(1));
    assert_eq!(redis.exists::<_, bool>("string"), Ok(false));
    let binary = b"\r\n\0\xff$5\r\n".to_vec();
    let () = redis.set("binary", &binary).unwrap();
    assert_eq!(redis.get::<_, Vec<u8>>("binary").unwrap(), binary);
}

#[test]
fn redis_rs_speaks_every_type_to_whichever_node() {
    let place = Place::new();
    let nodes = place.cluster(3, &[]);
    for node in &nodes {
        let mut redis = connection(node);
        let id = node.address.to_string();
        let key = |kind: &str| format!("{kind} of {id}");
        let () = redis.hset_multiple(key("hash"), &[("f", "1"), ("g", "2")]).unwrap();
        assert_eq!(redis.hincr::<_, _, _, i64>(key("hash"), "f", 5), Ok(6));
        let hash: BTreeMap<String, i64> = redis.hgetall(key("hash")).unwrap();
        assert_eq!(hash, BTreeMap::from([("f".to_owned(), 6), ("g".to_owned(), 2)]));
        assert_eq!(redis.sadd::<_, _, i64>(key("set"), &["a", "b", "a"]), Ok(2));
        assert_eq!(redis.sismember::<_, _, bool>(key("set"), "b"), Ok(true));
        assert_eq!(redis.srem::<_, _, i64>(key("set"), "b"), Ok(1));
        assert_eq!(redis.smembers::<_, Vec<String>>(key("set")).unwrap(), ["a"]);
        assert_eq!(redis.zadd::<_, _, _, i64>(key("zset"), "m", 1.5), Ok(1));
        assert_eq!(redis.zincr::<_, _, _, f64>(key("zset"), "n", 0.25), Ok(0.25));
        let ranked: Vec<(String, f64)> = redis.zrange_withscores(key("zset"), 0, -1).unwrap();
        assert_eq!(ranked, [("n".to_owned(), 0.25), ("m".to_owned(), 1.5)]);
        assert_eq!(
            redis.zrangebyscore::<_, _, _, Vec<String>>(key("zset"), 1, "+inf").unwrap(),
            ["m"]
        );
        let () = redis.set_ex(key("string"), "v", 100).unwrap();
        assert_eq!(redis.ttl::<_, i64>(key("string")), Ok(100));
        assert_eq!(redis.expire::<_, bool>(key("zset"), 100), Ok(true));
        assert_eq!(redis.persist::<_, bool>(key("zset")), Ok(true));
        let all: Vec<Option<String>> = redis.mget(&[key("string"), key("none")]).unwrap();
        assert_eq!(all, [Some("v".to_owned()), None]);
        let found: Vec<String> =
            redis.scan_match(format!("* of {id}")).unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), 4, "{found:?}");
    }
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut connection(&nodes[0])), Ok(12));
}

#[test]
fn redis_rs_waits_on_a_follower_for_what_another_client_writes() {
    type Popped = Option<(String, String, f64)>;
    let place = Place::new();
    let nodes = place.cluster(3, &[]);
    for node in &nodes {
        let id = node.address.to_string();
        let (zset, stream) = (format!("zset of {id}"), format!("stream of {id}"));
        let (mut waits, mut writes) = (connection(node), connection(&nodes[0]));
        let nothing: Popped =
            redis::cmd("BZPOPMIN").arg(&[&zset, "0.05"]).query(&mut waits).unwrap();
        assert_eq!(nothing, None);
        let waiting = std::thread::spawn({
            let (zset, stream) = (zset.clone(), stream.clone());
            move || {
                let mut popped = redis::cmd("BZPOPMIN");
                let popped: Popped = popped.arg(&[&zset, "20"]).query(&mut waits).unwrap();
                let mut read = redis::cmd("XREAD");
                read.arg(&["BLOCK", "20000", "STREAMS", &stream, "0"]);
                let read: Vec<(String, Vec<(String, Vec<String>)>)> =
                    read.query(&mut waits).unwrap();
                (popped, read)
            }
        });
        assert_eq!(redis::cmd("ZADD").arg(&[&zset, "2", "m"]).query::<i64>(&mut writes), Ok(1));
        let mut add = redis::cmd("XADD");
        let added: String = add.arg(&[&stream, "*", "f", "v"]).query(&mut writes).unwrap();
        let (popped, read) = waiting.join().unwrap();
        assert_eq!(popped, Some((zset, "m".to_owned(), 2.0)));
        let entry = (added, vec!["f".to_owned(), "v".to_owned()]);
        assert_eq!(read, [(stream, vec![entry])]);
    }
}

#[test]
fn redis_rs_runs_a_transaction_on_every_node_of_a_cluster() {
    let place = Place::new();
    let nodes = place.cluster(3, &[]);
    for (number, node) in nodes.iter().enumerate() {
        let appended: (i64, Vec<String>, i64) = redis::pipe()
            .atomic()
            .rpush("list", number)
            .lrange("list", 0, -1)
            .cmd("INCR")
            .arg("count")
            .query(&mut connection(node))
            .unwrap();
        let so_far: Vec<String> = (0..=number).map(|n| n.to_string()).collect();
        assert_eq!(appended, (number as i64 + 1, so_far, number as i64 + 1));
    }
}

#[test]
fn redis_rs_runs_scripts_on_whichever_node() {
    const ADD: &str =
        "return {redis.call('INCRBY', KEYS[1], ARGV[1]), redis.call('RPUSH', KEYS[2], ARGV[1])}";
    let place = Place::new();
    let nodes = place.cluster(3, &[]);
    for (number, node) in nodes.iter().enumerate() {
        let mut redis = connection(node);
        let number = number as i64;
        let mut eval = redis::cmd("EVAL");
        let sums: (i64, i64) =
            eval.arg(ADD).arg(&["2", "sum", "list", "1"]).query(&mut redis).unwrap();
        assert_eq!(sums, (11 * number + 1, 2 * number + 1));
        let name: String = redis::cmd("SCRIPT").arg(&["LOAD", ADD]).query(&mut redis).unwrap();
        let mut by_name = redis::cmd("EVALSHA");
        let sums: (i64, i64) =
            by_name.arg(&name).arg(&["2", "sum", "list", "10"]).query(&mut redis).unwrap();
        assert_eq!(sums, (11 * number + 11, 2 * number + 2));
        let unknown: RedisResult<()> = redis::cmd("EVALSHA").arg("moth").arg(0).query(&mut redis);
        assert_eq!(unknown.unwrap_err().code(), Some("NOSCRIPT"));
    }
}

#[test]
fn redis_rs_hears_on_one_node_what_is_published_on_another() {
    let place = Place::new();
    let nodes = place.cluster(3, &[]);
    let mut listens = connection(&nodes[2]);
    listens.set_read_timeout(Some(node::LIMIT)).unwrap();
    let mut heard = listens.as_pubsub();
    heard.subscribe("channel").unwrap();
    for (number, node) in nodes.iter().enumerate() {
        assert_eq!(connection(node).publish::<_, _, i64>("channel", number), Ok(1));
        let message = heard.get_message().unwrap();
        assert_eq!(message.get_channel_name(), "channel");
        assert_eq!(message.get_payload::<usize>(), Ok(number));
    }
    heard.unsubscribe("channel").unwrap();
    assert_eq!(connection(&nodes[0]).publish::<_, _, i64>("channel", "x"), Ok(0));
}

#[test]
fn redis_rs_is_told_of_its_mistakes_and_goes_on() {
    let (node, _place) = started();
    let mut redis = connection(&node);
    let unknown: RedisResult<()> = redis::cmd("SUBSTR").arg("key").query(&mut redis);
    let told = unknown.unwrap_err();
    assert!(told.to_string().contains("unsupported command 'SUBSTR'"), "{told}");
    let () = redis.set("string", "value").unwrap();
    let wrong: RedisResult<i64> = redis.rpush("string", "x");
    assert_eq!(wrong.unwrap_err().code(), Some("WRONGTYPE"));
    let arity: RedisResult<()> = redis::cmd("GET").query(&mut redis);
    assert!(arity.unwrap_err().to_string().contains("wrong number of arguments"));
    assert_eq!(redis.get::<_, String>("string").unwrap(), "value");
}

#[test]
fn redis_rs_sees_a_killed_node_as_a_broken_connection() {
    let (node, _place) = started();
    let mut redis = connection(&node);
    let () = redis.set("string", "value").unwrap();
    node.kill();
    let broken = redis.get::<_, String>("string").unwrap_err();
    assert!(broken.is_io_error() || broken.is_connection_dropped(), "{broken}");
}

/// What `redis-cli` said; `None` where it is not installed.
fn redis_cli(node: &Node, words: &[&str]) -> Option<Output> {
    let host = node.address.to_string();
    let mut command = Command::new("redis-cli");
    command.args(["-h", &host, "-p", &REDIS.to_string(), "--no-raw"]).args(words);
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            assert_ne!(std::env::var("REDIS_CLI_REQUIRED").as_deref(), Ok("1"), "{error}");
            println!("SKIP: redis-cli is not installed (apt-get install redis-tools)");
            None
        }
    }
}

#[test]
fn redis_cli_speaks_to_a_node() {
    let (node, _place) = started();
    for (words, expected) in [
        (&["PING"][..], "PONG"),
        (&["SET", "key", "value"], "OK"),
        (&["GET", "key"], "\"value\""),
        (&["EXISTS", "key"], "(integer) 1"),
        (&["DEL", "key"], "(integer) 1"),
        (&["GET", "key"], "(nil)"),
        (&["RPUSH", "list", "1", "2"], "(integer) 2"),
        (&["LRANGE", "list", "0", "-1"], "1) \"1\"\n2) \"2\""),
        (&["HSET", "hash", "f", "v"], "(integer) 1"),
        (&["HGETALL", "hash"], "1) \"f\"\n2) \"v\""),
        (&["SADD", "set", "m"], "(integer) 1"),
        (&["ZADD", "zset", "0.5", "m"], "(integer) 1"),
        (&["ZRANGE", "zset", "0", "-1", "WITHSCORES"], "1) \"m\"\n2) \"0.5\""),
        (&["TYPE", "zset"], "zset"),
        (&["SET", "key", "value", "EX", "100"], "OK"),
        (&["TTL", "key"], "(integer) 100"),
        (&["DEL", "key"], "(integer) 1"),
        (&["SCAN", "0", "COUNT", "2"], "1) \"2\"\n2) 1) \"hash\"\n   2) \"list\""),
        (&["CLIENT", "GETNAME"], "(nil)"),
        (&["COMMAND", "INFO", "nothing"], "1) (nil)"),
        (&["EVAL", "return {KEYS[1], #ARGV}", "1", "k", "a"], "1) \"k\"\n2) (integer) 1"),
        (&["SCRIPT", "LOAD", "return 7"], "\"59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9\""),
        (&["EVALSHA", "59b6ab2fbe0ee4b25733de0f62e6cda4899ef8e9", "0"], "(integer) 7"),
        (&["PUBLISH", "c", "nobody hears"], "(integer) 0"),
        (&["PUBSUB", "NUMSUB", "c"], "1) \"c\"\n2) (integer) 0"),
        (&["PSUBSCRIBE", "c*"], "(error) ERR unsupported command 'PSUBSCRIBE'"),
        // It asks for protocol 3, is refused, and goes on in protocol 2.
        (&["-3", "GET", "key"], "(nil)"),
    ] {
        let Some(output) = redis_cli(&node, words) else { return };
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.trim_end().lines().last().map(|_| said.trim_end().to_owned());
        assert!(
            said.as_deref().is_some_and(|said| said.ends_with(expected)),
            "{words:?}: {output:?}"
        );
    }
}

#[test]
fn redis_cli_hears_what_is_published() {
    let (node, _place) = started();
    if redis_cli(&node, &["PING"]).is_none() {
        return;
    }
    let (host, port) = (node.address.to_string(), REDIS.to_string());
    let mut command = Command::new("redis-cli");
    command.args(["-h", &host, "-p", &port, "SUBSCRIBE", "channel"]).stdout(Stdio::piped());
    let mut listens = command.spawn().unwrap();
    let said = BufReader::new(listens.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut said = said.skip_while(|line| line != "subscribe");
    assert_eq!(said.by_ref().take(3).collect::<Vec<_>>(), ["subscribe", "channel", "1"]);
    let published = redis_cli(&node, &["PUBLISH", "channel", "hello"]).unwrap();
    assert_eq!(String::from_utf8_lossy(&published.stdout).trim(), "(integer) 1");
    assert_eq!(said.take(3).collect::<Vec<_>>(), ["message", "channel", "hello"]);
    listens.kill().unwrap();
    listens.wait().unwrap();
}
