//! One command, or one MULTI/EXEC, against one snapshot (`txnContext` of `adapter/redis_txn.go`).
//!
//! Reads see the snapshot under what the same transaction wrote before. What was read is remembered, so that the state machine can refuse
//! the writes if any of it has changed. Nothing is written here: [`Context::into_txn`] gives the write set.

use super::command::CommandError;
use super::keys::{self, ListDelta, ListMeta};
use crate::env::RequestId;
use crate::kv::request::{Elem, TxnRequest};
use crate::mvcc::Store;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Deltas of one list that a push folds into the base record. Upstream's DeltaCompactor does it in the background, from 64 on; and
/// every read of the list scans them.
const FOLD_AT: usize = 32;
/// A snapshot, an overlay and a read set.
pub struct Context<'a> {
    store: &'a Store,
    ts: u64,
    read_keys: BTreeSet<Bytes>,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    stamped: Vec<Elem>,
    lists: BTreeMap<Bytes, List>,
}

/// A list as this transaction sees it.
#[derive(Clone, Copy, Debug, Default)]
struct List {
    meta: ListMeta,
    pushes: u32,
}

impl<'a> Context<'a> {
    /// On the snapshot at `ts`.
    pub fn new(store: &'a Store, ts: u64) -> Context<'a> {
        Context {
            store,
            ts,
            read_keys: BTreeSet::new(),
            writes: BTreeMap::new(),
            stamped: Vec::new(),
            lists: BTreeMap::new(),
        }
    }

    /// Whether anything was written.
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty() && self.stamped.is_empty()
    }

    /// The transaction that makes the writes real, if nothing read has changed by then.
    pub fn into_txn(self, request: RequestId, start_ts: u64) -> TxnRequest {
        let plain = self.writes.into_iter().map(|(key, value)| Elem { key, value, stamp_at: None });
        TxnRequest {
            request,
            start_ts,
            commit_ts: 0,
            read_keys: self.read_keys.into_iter().collect(),
            elems: plain.chain(self.stamped).collect(),
        }
    }

    fn read(&mut self, key: Bytes) -> Option<Bytes> {
        let value = match self.writes.get(&key) {
            Some(written) => written.clone(),
            None => self.store.get_at(&key, self.ts),
        };
        self.read_keys.insert(key);
        value
    }

    fn put(&mut self, key: Bytes, value: Bytes) {
        self.writes.insert(key, Some(value));
    }

    /// A string's bytes; an error if the key holds a list.
    pub fn string(&mut self, key: &[u8]) -> Result<Option<Bytes>, CommandError> {
        match self.read(keys::string(key)) {
            Some(stored) => Ok(Some(keys::decode_string(&stored))),
            None if self.list(key)?.len > 0 => Err(CommandError::WrongType),
            None => Ok(None),
        }
    }

    /// Makes the key a string, whatever it was.
    pub fn set_string(&mut self, key: &[u8], value: &[u8]) -> Result<(), CommandError> {
        self.remove_list(key)?;
        self.read_keys.insert(keys::string(key));
        self.put(keys::string(key), keys::encode_string(value));
        Ok(())
    }

    /// Whether the key holds anything.
    pub fn exists(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        Ok(self.read(keys::string(key)).is_some() || self.list(key)?.len > 0)
    }

    /// Deletes the key; whether it held anything.
    pub fn remove(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let held_string = self.read(keys::string(key)).is_some();
        if held_string {
            self.writes.insert(keys::string(key), None);
        }
        Ok(self.remove_list(key)? || held_string)
    }

    /// Where the list's items are; an empty list if there is none. An error if the key holds a string.
    pub fn list_meta(&mut self, key: &[u8]) -> Result<ListMeta, CommandError> {
        if self.read(keys::string(key)).is_some() {
            return Err(CommandError::WrongType);
        }
        self.list(key)
    }

    fn list(&mut self, key: &[u8]) -> Result<ListMeta, CommandError> {
        if let Some(list) = self.lists.get(key) {
            return Ok(list.meta);
        }
        self.read_keys.insert(keys::list_fence(key));
        let base =
            self.read(keys::list_meta(key)).map_or(Ok(ListMeta::default()), ListMeta::decode);
        let mut meta = base.map_err(|_| CommandError::Corrupt)?;
        let prefix = keys::list_delta_prefix(key);
        for (_, delta) in self.store.scan_at(&prefix, self.ts) {
            meta = meta.moved(ListDelta::decode(delta).map_err(|_| CommandError::Corrupt)?);
        }
        self.lists.insert(Bytes::copy_from_slice(key), List { meta, pushes: 0 });
        Ok(meta)
    }

    /// The items `from..=to`, counted from the front.
    pub fn list_items(&self, key: &[u8], meta: ListMeta, from: i64, to: i64) -> Vec<Bytes> {
        if to < from {
            return Vec::new();
        }
        // The fence stands for the items in the read set: whoever changes one writes it.
        let (first, last) =
            (keys::list_item(key, meta.head + from), keys::list_item(key, meta.head + to));
        // Items of a longer, binary key may lie between those of this one.
        let ours = |item: &&Bytes| item.len() == first.len();
        let stored = self.store.range_at(&first, &last, self.ts).filter(|(item, _)| ours(item));
        let mut written = self
            .writes
            .range(first.clone()..=last.clone())
            .filter(|(item, _)| ours(item))
            .peekable();
        if written.peek().is_none() {
            return stored.map(|(_, value)| value).collect();
        }
        let mut items: BTreeMap<&Bytes, Bytes> = stored.collect();
        for (item, value) in written {
            match value {
                Some(value) => items.insert(item, value.clone()),
                None => items.remove(item),
            };
        }
        items.into_values().collect()
    }

    /// Adds items before the first or after the last; the new length.
    pub fn push(&mut self, key: &[u8], values: &[Bytes], front: bool) -> Result<i64, CommandError> {
        let meta = self.list_meta(key)?;
        let count = values.len() as i64;
        for (i, value) in (0i64..).zip(values) {
            let seq = if front { meta.head - 1 - i } else { meta.head + meta.len + i };
            self.put(keys::list_item(key, seq), value.clone());
        }
        let delta = ListDelta { head: if front { -count } else { 0 }, len: count };
        self.put(keys::list_fence(key), Bytes::new());
        self.record_push(key, meta.moved(delta), delta);
        Ok(meta.len + count)
    }

    fn record_push(&mut self, key: &[u8], meta: ListMeta, delta: ListDelta) {
        let pushes = self.lists.get(key).map_or(0, |list| list.pushes);
        let deltas: Vec<Bytes> = self
            .store
            .scan_at(&keys::list_delta_prefix(key), self.ts)
            .map(|(key, _)| key.clone())
            .collect();
        let base = keys::list_meta(key);
        // Once this transaction has written the base, that is where its later pushes go too.
        if deltas.len() >= FOLD_AT || self.writes.contains_key(&base) {
            self.put(base, meta.encode());
            for delta in deltas {
                self.writes.insert(delta, None);
            }
            self.stamped.retain(|elem| keys::user_key(&elem.key) != key);
        } else {
            self.stamped.push(keys::list_delta(key, pushes, delta));
        }
        self.lists.insert(Bytes::copy_from_slice(key), List { meta, pushes: pushes + 1 });
    }

    fn remove_list(&mut self, key: &[u8]) -> Result<bool, CommandError> {
        let meta = self.list(key)?;
        if meta.len == 0 {
            return Ok(false);
        }
        for seq in meta.head..meta.head + meta.len {
            self.writes.insert(keys::list_item(key, seq), None);
        }
        let deltas: Vec<Bytes> = self
            .store
            .scan_at(&keys::list_delta_prefix(key), self.ts)
            .map(|(key, _)| key.clone())
            .collect();
        for delta in deltas {
            self.writes.insert(delta, None);
        }
        self.stamped.retain(|elem| keys::user_key(&elem.key) != key);
        // A base of zero length, so that what follows in this transaction writes the base and no delta.
        self.put(keys::list_meta(key), ListMeta::default().encode());
        self.put(keys::list_fence(key), Bytes::new());
        self.lists.insert(Bytes::copy_from_slice(key), List::default());
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Command;
    use super::super::resp::Reply;
    use super::*;

    /// A store and the transactions run on it, each at once, as one client would see it.
    #[derive(Default)]
    struct Solo {
        store: Store,
        ts: u64,
    }

    impl Solo {
        fn exec(&mut self, commands: &[&str]) -> Vec<Reply> {
            let mut context = Context::new(&self.store, self.ts.max(1));
            let mut run = |line: &str| {
                let args = line.split(' ').map(|w| Bytes::copy_from_slice(w.as_bytes())).collect();
                let done = Command::parse(args).and_then(|command| command.apply(&mut context));
                done.unwrap_or_else(|error| Reply::Error(error.to_string()))
            };
            let replies = commands.iter().map(|line| run(line)).collect();
            if !context.is_read_only() {
                let mut txn = context.into_txn(RequestId::default(), self.ts);
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
        let replies = redis.exec(&[
            "RPUSH k 2",
            "LPUSH k 0",
            "LRANGE k 0 -1",
            "DEL k",
            "RPUSH k 9",
            "LLEN k",
        ]);
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
        let deltas = redis.store.scan_at(&keys::list_delta_prefix(b"k"), u64::MAX).count();
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
        let mut context = Context::new(&redis.store, redis.ts);
        context.push(&longer, &["intruder".into()], false).unwrap();
        let mutations = context.into_txn(RequestId::default(), redis.ts).mutations();
        redis.ts += 10;
        redis.store.write(&mutations, redis.ts, redis.ts);
        assert_eq!(redis.list("k"), "1 2");
    }

    #[test]
    fn what_a_write_read_is_in_its_read_set() {
        let store = Store::default();
        let mut context = Context::new(&store, 1);
        context.push(b"k", &["1".into()], false).unwrap();
        context.string(b"other").unwrap();
        let txn = context.into_txn(RequestId::default(), 1);
        for key in [
            keys::string(b"k"),
            keys::list_fence(b"k"),
            keys::string(b"other"),
            keys::list_fence(b"other"),
        ] {
            assert!(txn.read_keys.contains(&key), "{key:?}");
        }
        assert!(txn.elems.iter().any(|elem| elem.key == keys::list_fence(b"k")));
    }
}
