//! Commands against a store, as one client would see them.

use super::*;
use crate::redis::command::Command;
use crate::redis::resp::Reply;

/// A store and the transactions run on it, each at once, as one client would see it.
#[derive(Default)]
struct Solo {
    store: Store,
    ts: u64,
    now_ms: u64,
}

impl Solo {
    fn exec(&mut self, commands: &[&str]) -> Vec<Reply> {
        let mut context = Context::new(&self.store, self.ts.max(1), self.now_ms);
        let mut run = |line: &str| {
            let args = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
            let done = Command::parse(args).and_then(|command| command.apply(&mut context));
            done.unwrap_or_else(|error| Reply::Error(error.to_string()))
        };
        let replies = commands.iter().map(|line| run(line)).collect();
        if !context.is_read_only() {
            let mut txn = context.into_txn().into_alone().expect("one group");
            self.ts += 10;
            txn.commit_ts = self.ts;
            self.store.write(&txn.mutations(), self.ts, self.ts);
        }
        replies
    }

    fn one(&mut self, command: &str) -> Reply {
        self.exec(&[command]).remove(0)
    }

    fn list(&mut self, key: &str) -> String {
        match self.one(&format!("LRANGE {key} 0 -1")) {
            Reply::Array(items) => {
                let text = |item: &Reply| match item {
                    Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    other => format!("{other:?}"),
                };
                items.iter().map(text).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        }
    }
}

fn wrong_type() -> Reply {
    Reply::Error(CommandError::WrongType.to_string())
}

#[test]
fn pushes_go_to_both_ends_and_ranges_are_read_in_order() {
    let mut redis = Solo::default();
    assert_eq!(redis.one("RPUSH k a b"), Reply::Integer(2));
    assert_eq!(redis.one("LPUSH k c d"), Reply::Integer(4));
    assert_eq!(redis.list("k"), "d c a b");
    assert_eq!(redis.one("LLEN k"), Reply::Integer(4));
    assert_eq!(
        redis.one("LRANGE k -2 -1"),
        Reply::Array(vec![Reply::Bulk("a".into()), Reply::Bulk("b".into())])
    );
}

#[test]
fn a_transaction_sees_its_own_writes() {
    let mut redis = Solo::default();
    redis.one("RPUSH k 1");
    let replies =
        redis.exec(&["RPUSH k 2", "LPUSH k 0", "LRANGE k 0 -1", "DEL k", "RPUSH k 9", "LLEN k"]);
    let items = ["0", "1", "2"].map(|item| Reply::Bulk(item.into())).to_vec();
    let expected = [
        Reply::Integer(2),
        Reply::Integer(3),
        Reply::Array(items),
        Reply::Integer(1),
        Reply::Integer(1),
        Reply::Integer(1),
    ];
    assert_eq!(replies, expected);
    assert_eq!(redis.list("k"), "9");
}

#[test]
fn a_list_outlives_any_number_of_foldings() {
    let mut redis = Solo::default();
    for n in 0..3 * FOLD_AT as i64 {
        assert_eq!(redis.one(&format!("RPUSH k {n}")), Reply::Integer(n + 1));
    }
    let deltas = redis.store.scan_at(&keys::delta_prefix(Kind::List, b"k"), u64::MAX).count();
    assert!(deltas <= FOLD_AT, "{deltas} deltas are left");
    let expected: Vec<String> = (0..3 * FOLD_AT).map(|n| n.to_string()).collect();
    assert_eq!(redis.list("k"), expected.join(" "));
}

#[test]
fn a_key_has_one_type_and_set_and_del_change_it() {
    let mut redis = Solo::default();
    redis.one("SET s v");
    redis.one("RPUSH l 1");
    assert_eq!(redis.one("RPUSH s 1"), wrong_type());
    assert_eq!(redis.one("GET l"), wrong_type());
    assert_eq!(redis.one("INCR l"), wrong_type());
    assert_eq!(redis.one("EXISTS s l none"), Reply::Integer(2));
    assert_eq!(redis.one("SET l x"), Reply::ok());
    assert_eq!(redis.one("GET l"), Reply::Bulk("x".into()));
    assert_eq!(redis.one("DEL l s none"), Reply::Integer(2));
    assert_eq!(redis.one("GET l"), Reply::NullBulk);
    assert_eq!(redis.list("l"), "");
    assert_eq!(redis.one("RPUSH l 2"), Reply::Integer(1));
    assert_eq!(redis.list("l"), "2", "nothing of the old list comes back");
}

#[test]
fn counters_count_and_refuse_what_is_no_number() {
    let mut redis = Solo::default();
    assert_eq!(redis.exec(&["INCR n", "INCR n"]), [Reply::Integer(1), Reply::Integer(2)]);
    assert_eq!(redis.one("GET n"), Reply::Bulk("2".into()));
    redis.one("SET n x");
    assert_eq!(redis.one("INCR n"), Reply::Error(CommandError::NotAnInteger.to_string()));
    redis.one(&format!("SET n {}", i64::MAX));
    assert_eq!(redis.one("INCR n"), Reply::Error(CommandError::Overflow.to_string()));
}

#[test]
fn items_of_a_longer_binary_key_are_not_read_with_those_of_a_shorter() {
    let mut redis = Solo::default();
    redis.one("RPUSH k 1 2");
    let longer = [&b"k"[..], &(1u64 << 63).to_be_bytes()].concat();
    let mut context = Context::new(&redis.store, redis.ts, 0);
    context.push(&longer, &["intruder".into()], false).unwrap();
    let mutations = context.into_txn().into_alone().expect("one group").mutations();
    redis.ts += 10;
    redis.store.write(&mutations, redis.ts, redis.ts);
    assert_eq!(redis.list("k"), "1 2");
}

#[test]
fn what_a_write_read_is_in_its_read_set() {
    let store = Store::default();
    let mut context = Context::new(&store, 1, 0);
    context.push(b"k", &["1".into()], false).unwrap();
    context.string(b"other").unwrap();
    let txn = context.into_txn().into_alone().expect("one group");
    for key in [
        keys::string(b"k"),
        keys::fence(Kind::List, b"k"),
        keys::string(b"other"),
        keys::fence(Kind::List, b"other"),
    ] {
        assert!(txn.read_keys.contains(&key), "{key:?}");
    }
    assert!(txn.elems.iter().any(|elem| elem.key == keys::fence(Kind::List, b"k")));
}

#[test]
fn what_has_expired_is_not_there_and_nothing_of_it_comes_back() {
    let makers = ["SET k v", "RPUSH k 1 2", "HSET k f v g w", "SADD k m n", "ZADD k 1 m 2 n"];
    for maker in makers {
        let mut redis = Solo { now_ms: 1_000, ..Solo::default() };
        redis.one(maker);
        assert_eq!(redis.one("PEXPIRE k 500"), Reply::Integer(1), "{maker}");
        redis.now_ms = 1_499;
        assert_eq!(redis.one("EXISTS k"), Reply::Integer(1), "{maker}");
        assert_eq!(redis.one("PTTL k"), Reply::Integer(1), "{maker}");
        redis.now_ms = 1_500;
        assert_eq!(redis.one("EXISTS k"), Reply::Integer(0), "{maker}");
        assert_eq!(redis.one("TTL k"), Reply::Integer(-2), "{maker}");
        assert_eq!(redis.one("DBSIZE"), Reply::Integer(0), "{maker}");
        assert_eq!(redis.one("SMEMBERS k"), Reply::Array(vec![]), "{maker}");
        assert_eq!(redis.one("PERSIST k"), Reply::Integer(0), "{maker}");
        // Another type may take the key, and then nothing of the first.
        for (writes, len) in [("RPUSH k 9", "LLEN k"), ("DEL k", "LLEN k"), ("SADD k x", "SCARD k")]
        {
            redis.one(writes);
            let expected = i64::from(writes != "DEL k");
            assert_eq!(redis.one(len), Reply::Integer(expected), "{maker}, {writes}");
        }
        assert_eq!(redis.one("TTL k"), Reply::Integer(-1), "{maker}");
        redis.one("DEL k");
        redis.one(maker);
        assert_eq!(redis.one("TTL k"), Reply::Integer(-1), "it begins anew: {maker}");
    }
}

#[test]
fn a_collection_that_is_empty_is_gone_and_so_is_when_it_expires() {
    for (fill, empty) in [
        ("RPUSH k 1", "LPOP k"),
        ("HSET k f v", "HDEL k f"),
        ("SADD k m", "SREM k m"),
        ("ZADD k 1 m", "ZREM k m"),
    ] {
        let mut redis = Solo::default();
        redis.exec(&[fill, "EXPIRE k 100", empty]);
        assert_eq!(redis.one("TYPE k"), Reply::Simple("none".into()), "{empty}");
        redis.one(fill);
        redis.one("EXPIRE k 100");
        redis.one(empty);
        assert_eq!(redis.one("SET k v XX"), Reply::NullBulk, "{empty}");
        redis.one(fill);
        assert_eq!(redis.one("TTL k"), Reply::Integer(-1), "{empty}");
    }
}

#[test]
fn writers_of_one_key_conflict_whatever_types_they_make_it() {
    let makers = ["SET k v", "RPUSH k 1", "HSET k f v", "SADD k m", "ZADD k 1 m"];
    for first in makers {
        for second in makers {
            let mut redis = Solo::default();
            let args = second.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
            let command = Command::parse(args).expect("it is one");
            let empty = Store::default();
            let mut context = Context::new(&empty, 1, 0);
            command.apply(&mut context).expect("an empty store takes it");
            let txn = context.into_txn().into_alone().expect("one group");
            redis.ts = 5;
            redis.one(first);
            let written = txn.elems.iter().map(|elem| &elem.key);
            let conflict = redis.store.check(txn.read_keys.iter().chain(written), 1);
            assert!(conflict.is_err(), "{first} and {second} at the same time");
        }
    }
}

#[test]
fn a_flush_leaves_nothing_that_another_clock_would_see() {
    let mut redis = Solo { now_ms: 1_000, ..Solo::default() };
    let records = ["XADD x 1-1 f v", "PEXPIRE x 10", "PFADD h e"];
    for maker in ["SET s v PX 10", "RPUSH l 1", "PEXPIRE l 10", "SADD m x"].iter().chain(&records) {
        redis.one(maker);
    }
    redis.now_ms = 2_000;
    assert_eq!(redis.one("FLUSHALL"), Reply::ok());
    redis.now_ms = 1_000;
    assert_eq!(redis.one("DBSIZE"), Reply::Integer(0));
    assert_eq!(redis.one("EXISTS s l m x h"), Reply::Integer(0));
}

#[test]
fn identities_of_a_stream_grow_also_where_the_clock_goes_back() {
    let mut redis = Solo { now_ms: 1_000, ..Solo::default() };
    let mut given = Vec::new();
    for now_ms in [1_000, 1_000, 400, 2_000] {
        redis.now_ms = now_ms;
        given.push(redis.one("XADD k * f v"));
    }
    let expected = ["1000-0", "1000-1", "1000-2", "2000-0"];
    assert_eq!(given, expected.map(|id| Reply::Bulk(id.into())));
    assert_eq!(redis.one("XTRIM k MAXLEN 0"), Reply::Integer(4));
    assert_eq!(redis.one("TYPE k"), Reply::Simple("stream".into()), "an empty one stays");
    redis.now_ms = 400;
    assert_eq!(redis.one("XADD k * f v"), Reply::Bulk("2000-1".into()));
    for (id, text) in [
        ("2000-1", "equal or smaller than the target stream top item"),
        ("0-0", "must be greater than 0-0"),
        ("moth", "Invalid stream ID"),
    ] {
        match redis.one(&format!("XADD k {id} f v")) {
            Reply::Error(error) => assert!(error.contains(text), "{error}"),
            other => panic!("{other:?}"),
        }
    }
    let last = format!("{}-{}", u64::MAX, u64::MAX);
    redis.one(&format!("XADD k {last} f v"));
    assert_eq!(
        redis.one("XADD k * f v"),
        Reply::Error("ERR The stream has exhausted the ID space".into())
    );
}

#[test]
fn a_read_that_waits_means_the_same_when_it_is_asked_again() {
    let mut redis = Solo::default();
    redis.one("XADD k 5-1 f v");
    let args = "XREAD BLOCK 0 STREAMS k none $ $".split(' ');
    let command = Command::parse(args.map(|w| Bytes::copy_from_slice(w.as_bytes())).collect());
    let command = command.expect("it is one");
    assert_eq!(command.patience(), Some(std::time::Duration::ZERO));
    let pinned = command.pinned(&mut Context::new(&redis.store, redis.ts, 0)).expect("two streams");
    assert_eq!(&pinned.args[4..], ["k", "none", "5-1", "0-0"].map(Bytes::from));
    redis.one("XADD k 5-2 f v");
    let again: Vec<String> =
        pinned.args.iter().map(|w| String::from_utf8_lossy(w).into_owned()).collect();
    assert!(matches!(redis.one(&again.join(" ")), Reply::Array(streams) if streams.len() == 1));
}

#[test]
fn who_asked_what_a_key_holds_conflicts_with_who_deletes_it() {
    for maker in [
        "SET k v",
        "RPUSH k 1",
        "HSET k f v",
        "SADD k m",
        "ZADD k 1 m",
        "XADD k 1-1 f v",
        "PFADD k e",
    ] {
        let mut redis = Solo::default();
        redis.one(maker);
        let ts = redis.ts;
        let reads = {
            let mut context = Context::new(&redis.store, ts, 0);
            for line in ["EXISTS k", "SET a 1"] {
                let args = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
                let command = Command::parse(args).expect("it is one");
                command.apply(&mut context).expect("nothing is in the way");
            }
            context.into_txn().into_alone().expect("one group").read_keys
        };
        assert!(redis.store.check(reads.iter(), ts).is_ok(), "{maker}: nothing has changed yet");
        redis.one("DEL k");
        assert!(redis.store.check(reads.iter(), ts).is_err(), "{maker}: it is gone");
    }
}

#[test]
fn who_looks_at_all_keys_and_writes_is_in_the_way_of_every_other_write() {
    for (line, whole) in [("DBSIZE", true), ("KEYS *", true), ("FLUSHALL", true), ("GET k", false)]
    {
        let mut redis = Solo::default();
        redis.one("SET k 1");
        let mut context = Context::new(&redis.store, redis.ts, 0);
        for line in [line, "SET other 1"] {
            let args = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
            let command = Command::parse(args).expect("it is one");
            command.apply(&mut context).expect("nothing is in the way");
        }
        let txn = context.into_txn().into_alone().expect("one group");
        assert_eq!(txn.whole, whole, "{line}");
    }
}
