//! Lua scripts for the differential test: a few kinds with keys and arguments drawn, every other command within a script, and a list of
//! what scripts do once in a while.
//!
//! What is not generated, since it differs, each for its reason: what a script has written before it raises an error (upstream writes
//! nothing of it, and so do we; Redis keeps it); errors that are tables without `err` (Debian's server ends
//! by them); `math.random` before `math.randomseed` (Redis goes on where the last script was); what is left out of our scripts:
//! coroutines, cjson, bit, loadstring; commands of a script that touch no key (PING, INFO).

use super::{Words, key, value};
use proptest::prelude::*;

/// A script that runs the command in ARGV.
const CALLS: &str = "return redis.call(unpack(ARGV))";
const CATCHES: &str = "local reply = redis.pcall(unpack(ARGV))
if type(reply) == 'table' and reply.err then return {'caught', reply.err} end
return reply";
const CATCHES_ITSELF: &str = "local ok, reply = pcall(redis.call, unpack(ARGV))
if not ok then return {'caught', reply} end
return reply";

const SWAP: &str = "local value = redis.call('GET', KEYS[1])
if value == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2]) end
return value";
/// SHA-1 of `SWAP`.
const SWAP_NAME: &str = "7bef4d5f35692b00e1d4b19086685854a5b881be";

const TRANSFER: &str = "local has = tonumber(redis.call('GET', KEYS[1]) or 0)
if not has then return redis.error_reply('NAN ' .. KEYS[1]) end
if has < tonumber(ARGV[1]) then return {err = 'POOR has ' .. has} end
return {redis.pcall('DECRBY', KEYS[1], ARGV[1]), redis.pcall('INCRBY', KEYS[2], ARGV[1])}";

const SUM: &str = "local sum, longest = 0, ''
for at, item in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  sum = sum + (tonumber(item) or 0.25)
  if #item > #longest then longest = item end
end
return {tostring(sum), longest, sum > 0, sum == 0 or nil, 'end'}";

const NUMBERS: &str = "local n = tonumber(ARGV[1])
redis.call('SET', KEYS[1], n / 3)
local third = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], n * 2)
return {n, n / 4, -n / 3, third, redis.call('INCR', KEYS[1]), tostring(n / 7), n % 5, 2 ^ 40 + n, n .. '', redis.call('STRLEN', KEYS[1])}";

const DRAWS: &str = "math.randomseed(ARGV[1])
return {math.random(100), math.random(-5, 5), tostring(math.random()), math.random(2147483647)}";

const COPIES: &str = "local all = redis.call('LRANGE', KEYS[1], 0, -1)
redis.call('DEL', KEYS[2])
for at = #all, 1, -1 do redis.call('RPUSH', KEYS[2], all[at]) end
local kept = {}
for at = 1, #all do kept[at] = {at, all[at], redis.call('LINDEX', KEYS[2], -at)} end
return kept";

const RAISES: &str = "local function inner()
  if ARGV[1] == 'x' then error(ARGV[2]) end
  if ARGV[1] == 'y' then error(ARGV[2], 0) end
  if ARGV[1] == 'z' then error({err = ARGV[2]}) end
  return redis.error_reply(ARGV[2])
end
return inner()";

/// What is asked as it stands here, with two keys and two arguments.
const ONCE: &[&str] = &[
    "return",
    "return nil",
    "return {}",
    "return 1, 2",
    "return 'a' .. 1 .. 2.5",
    "return {1, 2.5, -2.5, 'a', {true, false}, nil, 3}",
    "return {{{{{'deep'}}}}, {}}",
    "return {ok = 'fine'}",
    "return {ok = 'a\\r\\nb'}",
    "return {ok = 1}",
    "return {err = 'x'}",
    "return {err = 'a\\r\\nb'}",
    "return {err = '-A x', other = 1}",
    "return {1, {err = 'inner'}, {ok = 'status'}}",
    "return setmetatable({}, {__index = function() return 1 end})",
    "return function() end",
    "return redis.error_reply('x')",
    "return redis.error_reply('My Err')",
    "return redis.error_reply('-My err')",
    "return redis.error_reply('-My')",
    "return redis.error_reply('')",
    "return redis.error_reply(1)",
    "return redis.status_reply('x y')",
    "return redis.status_reply()",
    "return redis.sha1hex('')",
    "return redis.sha1hex(12)",
    "return redis.sha1hex()",
    "return redis.sha1hex(1, 2)",
    "return KEYS[3]",
    "return {KEYS[1], KEYS[2], #KEYS, ARGV[1], #ARGV}",
    "KEYS[1] = 'other' return KEYS",
    "KEYS = {}",
    "x = 1",
    "return x",
    "\n\nreturn x",
    "return _G.x",
    "_G.x = 1",
    "return rawget(_G, 'nope')",
    "return type(_G)",
    "return redis.nope",
    "return redis.nope()",
    "return redis.call()",
    "return redis.pcall()",
    "return redis.call({})",
    "return redis.call('GET', true)",
    "return redis.pcall('GET', nil)",
    "return redis.call('NOPE')",
    "return redis.call('GET')",
    "return redis.pcall('GET', 'a', 'b').err",
    "return redis.call('MULTI')",
    "return redis.call('EXEC')",
    "return redis.call('EVAL', 'return 1', 0)",
    "return redis.call('SCRIPT', 'FLUSH')",
    "return redis.call('SUBSCRIBE', 'a')",
    "return redis.call('UNSUBSCRIBE')",
    "return redis.call('CLIENT', 'ID')",
    "return redis.call('HELLO')",
    "return redis.call('QUIT')",
    "return redis.call('BZPOPMIN', 'a', 0)",
    "return redis.call('XREAD', 'BLOCK', 1, 'STREAMS', 's', '0')",
    "return redis.call('sEt', 'b', 1.5)",
    "return redis.call('SET', 'a', 'b', 'EX')",
    "return tostring(redis.call('SET', 'a', 1).ok)",
    "return redis.call('GET', 'nothing') == false",
    "return {redis.call('GET', 'nothing')}",
    "error('boom')",
    "error('boom', 0)",
    "error('two\\nlines')",
    "error()",
    "error(3)",
    "error(true)",
    "error({err = 'A boom'})",
    "error({err = 3})",
    "error(redis.error_reply('MY own'))",
    "assert(false)",
    "assert(false, 'message')",
    "return assert('kept')",
    "return 1 + nil",
    "local t = {} return t.a.b",
    "local t\nt.a = 1",
    "return #nil",
    "return {} .. 'x'",
    "return 1 < 'x'",
    "return math.floor('x')",
    "return string.rep()",
    "return math.random(0)",
    "return (",
    "x",
    "return 'unfinished",
    "for",
    "return pcall(error, 'x')",
    "local ok, e = pcall(error, {err = 'mine'}) return e",
    "local ok, e = pcall(error, {1, 2}) return e",
    "local ok, e = pcall(function() error('deep') end) return e",
    "local ok, e = pcall(redis.call, 'NOPE') return e",
    "local ok, a, b = pcall(function() return 'a', 'b' end) return a .. b",
    "local ok, e = xpcall(function() error('a') end, function(e) return 'handled ' .. e end) return e",
    "local ok, e = xpcall(function() redis.call('NOPE') end, function(e) return e.err end) return e",
    "return select('#', unpack({1, 2, 3}))",
    "return tostring(1e15) .. ' ' .. tostring(0.1) .. ' ' .. tostring(-0) .. ' ' .. tostring(1e100)",
    "return tonumber('0x10') + tonumber('1e2') + tonumber(' 5 ')",
    "return tonumber('five')",
    "return tonumber('zz', 36)",
    "return table.concat({1, 2, 3.5}, ',')",
    "local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return t",
    "local t = {1, 2, 3} table.insert(t, 2, 'x') table.remove(t, 1) return t",
    "return string.format('%d %s %5.2f %q %x', 3, 'x', 2.5, 'q', 255)",
    "return {string.find('a.b.c', '.', 2, true)}",
    "return {string.match('key:12', '(%a+):(%d+)')}",
    "return string.gsub('hello', 'l', 'L')",
    "return ('x'):rep(3) .. string.upper('y') .. string.reverse('ab')",
    "return string.byte('a') + #'\\0\\0'",
    "return {string.sub('hello', 2, -2), string.len('abc')}",
    "local t = {} for k, v in pairs({a = 1, b = 2, c = 3}) do t[#t + 1] = k .. v end table.sort(t) return t",
    "local t = {10, 20, 30, x = 1} local n = 0 for _ in pairs(t) do n = n + 1 end return {n, #t}",
    "return {math.floor(-3.5), math.ceil(-3.5), math.max(1, 5, 3), math.fmod(7, 3), math.huge > 1}",
    "return {tostring(nil), tostring(true), type(redis.call), type(nil)}",
    "return getmetatable('').__index == string",
    "return 9007199254740993",
    "return _VERSION",
    "if ARGV[1] == ARGV[2] then return 'same' else return 'other' end",
];

/// `EVAL script numkeys key … arg …`
fn eval(script: &str, keys: &[String], args: &[String]) -> Words {
    let first = ["EVAL".to_owned(), script.to_owned(), keys.len().to_string()];
    [&first, keys, args].concat()
}

fn with(script: &'static str) -> BoxedStrategy<Words> {
    (key(), key(), value(), value())
        .prop_map(move |(a, b, v, w)| eval(script, &[a, b], &[v, w]))
        .boxed()
}

fn with_a_number(script: &'static str) -> BoxedStrategy<Words> {
    let numbered = move |(a, b, n): (String, String, i32)| eval(script, &[a, b], &[n.to_string()]);
    (key(), key(), -20i32..20).prop_map(numbered).boxed()
}

/// What a script might return, written down.
fn expression() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => (-1000i32..1000).prop_map(|n| n.to_string()),
        2 => (-1000i32..1000).prop_map(|n| format!("{n}.5")),
        3 => prop::sample::select(vec!["'a'", "''", "'a b'", "true", "false", "nil", "KEYS[1]", "ARGV", "{ok='fine'}", "{err='ERR bad'}", "{err=1}", "{x=1}", "not KEYS", "#KEYS", "1/3"]).prop_map(str::to_owned),
    ];
    let nested = leaf.prop_recursive(4, 16, 4, |inner| {
        prop::collection::vec(inner, 0..4).prop_map(|items| format!("{{{}}}", items.join(", ")))
    });
    nested.boxed()
}

/// Scripts, those commands in scripts too.
pub fn scripts(commands: Vec<BoxedStrategy<Words>>) -> BoxedStrategy<Vec<Words>> {
    let kinds = prop::sample::select(vec![CALLS, CATCHES, CATCHES_ITSELF]);
    let within = (prop::strategy::Union::new(commands), kinds)
        .prop_map(|(command, script)| eval(script, &[], &command));
    let returned = (expression(), key(), value())
        .prop_map(|(value, k, v)| eval(&format!("return {value}"), &[k], &[v]));
    let once = (prop::sample::select(ONCE), key(), key(), value(), value())
        .prop_map(|(script, a, b, v, w)| eval(script, &[a, b], &[v, w]));
    let wrong = prop::sample::select(vec!["x", "-1", "3", "1.5", ""])
        .prop_map(|count| ["EVAL", "return 1", count, "k"].map(str::to_owned).to_vec());
    let one = prop_oneof![
        8 => within,
        4 => returned,
        4 => once,
        2 => with(SWAP),
        2 => with_a_number(TRANSFER),
        2 => with(SUM),
        1 => with_a_number(NUMBERS),
        1 => with_a_number(DRAWS),
        2 => with(COPIES),
        2 => with(RAISES),
        1 => wrong,
    ];
    let by_name = (key(), value(), value(), any::<bool>()).prop_map(|(key, old, new, known)| {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let first = if known { &["SCRIPT", "LOAD", SWAP][..] } else { &["SCRIPT", "FLUSH"] };
        vec![
            words(first),
            words(&["SCRIPT", "EXISTS", SWAP_NAME, "none"]),
            words(&["EVALSHA", SWAP_NAME, "1", &key, &old, &new]),
            words(&["EVALSHA", &SWAP_NAME.to_uppercase(), "1", &key, &new, &old]),
        ]
    });
    prop_oneof![12 => one.prop_map(|words| vec![words]), 1 => by_name].boxed()
}

/// The command that a script does nothing but run, if it is such a one.
pub fn within(words: &[String]) -> Option<&[String]> {
    let is_one = words.len() > 3 && [CALLS, CATCHES, CATCHES_ITSELF].contains(&words[1].as_str());
    is_one.then(|| &words[3..])
}
