use super::super::resp::DEPTH_MAX;
use super::*;
use crate::mvcc::Store;
use crate::redis::scripts::Scripts;

/// A store and the scripts run on it, each a transaction.
#[derive(Default)]
struct Solo {
    store: Store,
    ts: u64,
    scripts: Scripts,
}

impl Solo {
    fn ask(&mut self, words: &[&str]) -> Reply {
        let args = words.iter().map(|word| Bytes::copy_from_slice(word.as_bytes())).collect();
        let mut context = Context::new(&self.store, self.ts.max(1), 1000);
        let command = Command::parse(args).expect("a command");
        let command = match self.scripts.prepared(command) {
            Ok(command) => command,
            Err(reply) => return reply,
        };
        let done = command.apply(&mut context);
        let reply = done.unwrap_or_else(|error| Reply::Error(error.to_string()));
        if !context.is_read_only() {
            let mut txn = context.into_txn().into_alone().expect("one group");
            self.ts += 10;
            txn.commit_ts = self.ts;
            self.store.write(&txn.mutations(), self.ts, self.ts);
        }
        reply
    }

    fn eval(&mut self, script: &str) -> Reply {
        self.ask(&["EVAL", script, "2", "k", "l", "x", "y"])
    }
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(Bytes::copy_from_slice(text.as_bytes()))
}

/// The reply to a script that raised this in its first line.
fn raised(script: &str, text: &str) -> Reply {
    let digest = digest(script.as_bytes());
    Reply::Error(format!("{text} script: {digest}, on @user_script:1."))
}

#[test]
fn values_come_back_as_redis_sends_them() {
    let mut redis = Solo::default();
    let array = Reply::Array;
    for (script, reply) in [
        ("return 3.99", Reply::Integer(3)),
        ("return -3.99", Reply::Integer(-3)),
        ("return 2^63 - 1024", Reply::Integer(i64::MAX - 1023)),
        ("return 2^63", Reply::Integer(i64::MIN)),
        ("return 0/0", Reply::Integer(i64::MIN)),
        ("return nil", Reply::NullBulk),
        ("return true", Reply::Integer(1)),
        ("return false", Reply::NullBulk),
        ("return function() end", Reply::NullBulk),
        ("return {ok='a\\r\\nb'}", Reply::Simple("a\r\nb".into())),
        ("return {ok=1}", array(vec![])),
        ("return {err='x'}", Reply::Error("x".into())),
        ("return redis.error_reply('x')", Reply::Error("ERR x".into())),
        ("return redis.error_reply('-MY own')", Reply::Error("MY own".into())),
        ("return redis.error_reply('-A')", Reply::Error("ERR A".into())),
        ("return redis.status_reply('a b')", Reply::Simple("a b".into())),
        (
            "return redis.status_reply()",
            Reply::Error("ERR wrong number or type of arguments".into()),
        ),
        ("return redis.sha1hex('')", bulk("da39a3ee5e6b4b0d3255bfef95601890afd80709")),
        ("return redis.sha1hex(12)", bulk("7b52009b64fd0a2a49e6d8a939753077792b0554")),
        (
            "return {KEYS[1], KEYS[2], ARGV[2], #ARGV}",
            array(vec![bulk("k"), bulk("l"), bulk("y"), Reply::Integer(2)]),
        ),
        (
            "return {1, {false, true}, 'a', nil, 3}",
            array(vec![
                Reply::Integer(1),
                array(vec![Reply::NullBulk, Reply::Integer(1)]),
                bulk("a"),
            ]),
        ),
        ("return {1, {err='inner'}}", array(vec![Reply::Integer(1), Reply::Error("inner".into())])),
        ("return setmetatable({}, {__index=function() return 1 end})", array(vec![])),
        ("return redis.call('get', 'none') == false", Reply::Integer(1)),
        ("return tostring(1e15)..' '..tostring(0.1)..' '..tostring(-0)", bulk("1e+15 0.1 -0")),
        ("return _VERSION", bulk("Lua 5.1")),
    ] {
        assert_eq!(redis.eval(script), reply, "{script}");
    }
}

#[test]
fn a_number_as_an_argument_keeps_all_its_digits() {
    let mut redis = Solo::default();
    for (number, text) in [
        ("0.1", "0.10000000000000001"),
        ("10/3", "3.3333333333333335"),
        ("1e20", "1e+20"),
        ("1e-20", "9.9999999999999995e-21"),
        ("-0", "-0"),
        ("2^53", "9007199254740992"),
        ("-12", "-12"),
    ] {
        let script = format!("redis.call('set', 'k', {number}) return redis.call('get', 'k')");
        assert_eq!(redis.eval(&script), bulk(text));
    }
}

#[test]
fn a_mistake_is_told_in_redis_words_with_its_place() {
    let mut redis = Solo::default();
    redis.ask(&["RPUSH", "l", "a"]);
    for (script, text) in [
        (
            "return x",
            "ERR user_script:1: Script attempted to access nonexistent global variable 'x'",
        ),
        ("x=1", "ERR user_script:1: Attempt to modify a readonly table"),
        ("KEYS={}", "ERR user_script:1: Attempt to modify a readonly table"),
        ("return redis.call('nope')", "ERR Unknown Redis command called from script"),
        ("return redis.call('get')", "ERR Wrong number of args calling Redis command from script"),
        ("return redis.call('multi')", "ERR This Redis command is not allowed from script"),
        (
            "return redis.call('bzpopmin','a',0)",
            "ERR This Redis command is not allowed from script",
        ),
        (
            "return redis.call('eval','return 1',0)",
            "ERR This Redis command is not allowed from script",
        ),
        (
            "return redis.call('xread','block',1,'streams','s','0')",
            "ERR xread command is not allowed with BLOCK option from scripts",
        ),
        ("return redis.call()", "ERR Please specify at least one argument for this redis lib call"),
        (
            "return redis.call('get', true)",
            "ERR Lua redis lib command arguments must be strings or integers",
        ),
        (
            "return redis.call('incr', 'l')",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        (
            "local function f() redis.call('nope') end f()",
            "ERR Unknown Redis command called from script",
        ),
        ("return redis.sha1hex()", "ERR wrong number of arguments"),
        ("error('boom')", "ERR user_script:1: boom"),
        ("error('boom', 0)", "ERR boom"),
        ("error({err='A boom'})", "A boom"),
        ("error()", "ERR nil"),
        ("error(true)", "ERR true"),
        ("assert(false)", "ERR user_script:1: assertion failed!"),
        ("return 1 + nil", "ERR user_script:1: attempt to perform arithmetic on a nil value"),
        ("return redis.nope()", "ERR user_script:1: attempt to call field 'nope' (a nil value)"),
        (
            "return math.random(0)",
            "ERR user_script:1: bad argument #1 to 'random' (interval is empty)",
        ),
    ] {
        assert_eq!(redis.eval(script), raised(script, text), "{script}");
    }
    let compiling = "ERR Error compiling script (new function): user_script:1: ";
    let text = format!("{compiling}unexpected symbol near '<eof>'");
    assert_eq!(redis.eval("return ("), Reply::Error(text));
    assert!(matches!(redis.eval("\x1bLuaQ"), Reply::Error(_)), "bytes of a compiled one");
    for (count, text) in [
        ("x", "ERR value is not an integer or out of range"),
        ("-1", "ERR Number of keys can't be negative"),
        ("3", "ERR Number of keys can't be greater than number of args"),
    ] {
        assert_eq!(redis.ask(&["EVAL", "return 1", count, "k"]), Reply::Error(text.into()));
    }
}

#[test]
fn what_is_caught_is_what_redis_lets_one_catch() {
    let mut redis = Solo::default();
    redis.ask(&["RPUSH", "l", "a"]);
    let wrong_type = "WRONGTYPE Operation against a key holding the wrong kind of value";
    for (script, text) in [
        ("return redis.pcall('incr', 'l').err", wrong_type),
        ("local ok, e = pcall(redis.call, 'incr', 'l') return e", wrong_type),
        ("local ok, e = pcall(error, {err='my err'}) return e", "my err"),
        ("local ok, e = pcall(error, 'x', 0) return e", "x"),
        ("local ok, e = pcall(function() error('x') end) return e", "user_script:1: x"),
        (
            "local ok, e = pcall(math.random, 0) return e",
            "bad argument #1 to 'random' (interval is empty)",
        ),
        (
            "local ok, e = xpcall(function() redis.call('incr', 'l') end, function(e) return e.err end) return e",
            wrong_type,
        ),
        (
            "local ok, e = xpcall(function() error('a') end, function(e) return 'so: ' .. e end) return e",
            "so: user_script:1: a",
        ),
        ("local ok, a, b = pcall(function() return 'a', 'b' end) return a .. b", "ab"),
    ] {
        let reply = redis.eval(script);
        assert!(
            matches!(&reply, Reply::Bulk(told) if told.ends_with(text.as_bytes())),
            "{script}: {reply:?}"
        );
    }
}

#[test]
fn a_script_is_one_transaction_and_sees_what_it_wrote() {
    let mut redis = Solo::default();
    let script = "redis.call('set', KEYS[1], 1) redis.call('incr', KEYS[1]) \
                  redis.call('rpush', KEYS[2], redis.call('get', KEYS[1])) \
                  return redis.call('lrange', KEYS[2], 0, -1)";
    assert_eq!(redis.eval(script), Reply::Array(vec![bulk("2")]));
    assert_eq!(redis.ask(&["GET", "k"]), bulk("2"));
    let late = "redis.call('set', KEYS[1], 'lost') redis.call('del', KEYS[2]) error('late')";
    assert_eq!(redis.eval(late), raised(late, "ERR user_script:1: late"));
    assert_eq!(redis.ask(&["GET", "k"]), bulk("2"), "what failed has written nothing");
    assert_eq!(redis.ask(&["LLEN", "l"]), Reply::Integer(1));
    assert_eq!(
        redis.eval("redis.call('set', 'k', 3) return redis.pcall('nope')"),
        Reply::Error("ERR Unknown Redis command called from script".into())
    );
    assert_eq!(
        redis.ask(&["GET", "k"]),
        bulk("3"),
        "an error that is returned is none that was raised"
    );
}

#[test]
fn random_numbers_are_redis_own_and_the_same_in_every_script() {
    let mut redis = Solo::default();
    for _ in 0..2 {
        let drawn = redis.eval("return {math.random(1000), math.random(1000), math.random(5, 10)}");
        assert_eq!(drawn, Reply::Array([171, 750, 5].map(Reply::Integer).to_vec()));
        let part = redis.eval("return tostring(math.random())");
        assert_eq!(part, bulk("0.17082803611217"));
    }
    assert_eq!(
        redis.eval("math.randomseed(7) return tostring(math.random())"),
        bulk("0.26644419658298")
    );
}

#[test]
fn a_script_has_nothing_of_the_machine_around_it() {
    let mut redis = Solo::default();
    for name in [
        "os",
        "io",
        "debug",
        "package",
        "require",
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "getfenv",
        "setfenv",
        "newproxy",
        "coroutine",
        "print",
        "module",
        "gcinfo",
    ] {
        assert_eq!(redis.eval(&format!("return rawget(_G, '{name}')")), Reply::NullBulk);
        assert!(matches!(redis.eval(&format!("return {name}")), Reply::Error(_)), "{name}");
    }
    assert_eq!(redis.eval("return tostring({})"), bulk("table: 0x0"));
    assert_eq!(redis.eval("return tostring(redis.call)"), bulk("function: 0x0"));
    let named = "return tostring(setmetatable({}, {__tostring = function() return 'mine' end}))";
    assert_eq!(redis.eval(named), bulk("mine"));
    assert_eq!(redis.eval("return string.dump"), Reply::NullBulk);
}

#[test]
fn a_runaway_script_ends_in_an_error_whatever_it_catches() {
    let mut redis = Solo::default();
    for script in [
        "while true do end",
        "redis.call('set', 'k', 1) while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error) end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "while true do pcall(redis.call, 'get', 'k') end",
        "while true do redis.pcall('get', 'k') end",
        "local t = setmetatable({}, {__index = function(t, k) return t[k + 1] end}) while true do pcall(function() return t[1] end) end",
    ] {
        let reply = redis.eval(script);
        let digest = digest(script.as_bytes());
        let text = format!(
            "ERR Error running script {digest}, runtime error: it took more than {STEPS_MAX} steps"
        );
        assert_eq!(reply, Reply::Error(text), "{script}");
    }
    assert_eq!(redis.ask(&["GET", "k"]), Reply::NullBulk);
}

#[test]
fn a_script_that_wants_too_much_memory_ends_in_an_error() {
    let mut redis = Solo::default();
    for script in [
        "return string.rep('x', 1e9)",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local t = {} for i = 1, 1e6 do t[i] = i .. string.rep('x', 1000) end",
    ] {
        let reply = redis.eval(script);
        assert!(
            matches!(&reply, Reply::Error(text) if text.contains("not enough memory")),
            "{script}: {reply:?}"
        );
    }
    let many = "local s, t = string.rep('x', 1e6), {} for i = 1, 1000 do t[i] = s end return t";
    let reply = redis.eval(many);
    assert_eq!(reply, Reply::Error("ERR the reply of the script is too big".into()));
    let deep = redis.eval("local t = {} t[1] = t return t");
    let mut at = &deep;
    for _ in 0..DEPTH_MAX {
        let Reply::Array(items) = at else { panic!("{deep:?}") };
        at = &items[0];
    }
    assert_eq!(at, &Reply::Error("ERR reached lua stack limit".into()));
}

#[test]
fn scripts_are_known_by_their_digest_until_they_are_flushed() {
    let mut redis = Solo::default();
    let script = "return {KEYS[1], ARGV[1]}";
    let sha = digest(script.as_bytes());
    let unknown = Reply::Error("NOSCRIPT No matching script. Please use EVAL.".into());
    assert_eq!(redis.ask(&["EVALSHA", &sha, "0"]), unknown);
    assert_eq!(redis.ask(&["SCRIPT", "LOAD", script]), bulk(&sha));
    let both = Reply::Array(vec![bulk("k"), bulk("a")]);
    assert_eq!(redis.ask(&["EVALSHA", &sha.to_uppercase(), "1", "k", "a"]), both);
    let known = redis.ask(&["SCRIPT", "EXISTS", &sha, "none"]);
    assert_eq!(known, Reply::Array(vec![Reply::Integer(1), Reply::Integer(0)]));
    assert!(matches!(redis.ask(&["SCRIPT", "LOAD", "return ("]), Reply::Error(_)));
    assert_eq!(redis.ask(&["SCRIPT", "FLUSH", "SYNC"]), Reply::ok());
    assert_eq!(redis.ask(&["EVALSHA", &sha, "0"]), unknown);
    redis.ask(&["EVAL", script, "1", "k", "a"]);
    assert_eq!(redis.ask(&["EVALSHA", &sha, "1", "k", "a"]), both, "EVAL makes it known");
}

#[test]
fn what_a_script_read_is_in_its_read_set() {
    let mut redis = Solo::default();
    redis.ask(&["SET", "k", "1"]);
    let script =
        "if redis.call('get', KEYS[1]) == '1' then return redis.call('set', KEYS[2], 2) end";
    let args = ["EVAL", script, "2", "k", "l"].map(Bytes::from).to_vec();
    let mut context = Context::new(&redis.store, redis.ts, 0);
    assert_eq!(Command::parse(args).unwrap().apply(&mut context), Ok(Reply::ok()));
    let txn = context.into_txn().into_alone().expect("one group");
    for key in ["k", "l"] {
        let record = crate::redis::keys::string(key.as_bytes());
        assert!(txn.read_keys.contains(&record), "{key}");
    }
}
