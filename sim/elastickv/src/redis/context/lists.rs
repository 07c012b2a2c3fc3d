//! A list's items, each under its sequence number.

use super::super::command::CommandError;
use super::super::keys::{self, Kind, Meta};
use super::Context;
use bytes::Bytes;
use std::collections::BTreeMap;

impl Context<'_> {
    /// The items `from..=to`, counted from the front.
    pub fn list_items(&self, key: &[u8], meta: Meta, from: i64, to: i64) -> Vec<Bytes> {
        if to < from {
            return Vec::new();
        }
        let (first, last) =
            (keys::list_item(key, meta.head + from), keys::list_item(key, meta.head + to));
        // Items of a longer, binary key may lie between those of this one.
        let ours = |item: &&Bytes| item.len() == first.len();
        let stored = self.view.range(&first, &last).filter(|(item, _)| ours(item));
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
        let meta = self.open(Kind::List, key)?;
        let count = values.len() as i64;
        for (i, value) in (0i64..).zip(values) {
            let seq = if front { meta.head - 1 - i } else { meta.head + meta.len + i };
            self.put(keys::list_item(key, seq), value.clone());
        }
        let by = Meta { head: if front { -count } else { 0 }, len: count };
        self.changed(Kind::List, key, by)?;
        Ok(meta.len + count)
    }

    /// Takes the first or the last item out.
    pub fn pop(&mut self, key: &[u8], front: bool) -> Result<Option<Bytes>, CommandError> {
        let meta = self.open(Kind::List, key)?;
        let at = if front { 0 } else { meta.len - 1 };
        let Some(item) = self.list_items(key, meta, at, at).pop().filter(|_| meta.len > 0) else {
            return Ok(None);
        };
        self.erase(keys::list_item(key, meta.head + at));
        self.changed(Kind::List, key, Meta { head: i64::from(front), len: -1 })?;
        Ok(Some(item))
    }

    /// Puts another item at a place.
    pub fn set_item(
        &mut self,
        key: &[u8],
        meta: Meta,
        at: i64,
        value: Bytes,
    ) -> Result<(), CommandError> {
        self.put(keys::list_item(key, meta.head + at), value);
        self.changed(Kind::List, key, Meta::default())
    }

    /// Makes the list these items, which keep their places at the front; when it expires stays.
    pub fn replace_items(&mut self, key: &[u8], items: Vec<Bytes>) -> Result<(), CommandError> {
        let meta = self.open(Kind::List, key)?;
        for seq in meta.head + items.len() as i64..meta.head + meta.len {
            self.erase(keys::list_item(key, seq));
        }
        let len = items.len() as i64 - meta.len;
        for (seq, item) in (meta.head..).zip(items) {
            self.put(keys::list_item(key, seq), item);
        }
        self.changed(Kind::List, key, Meta::grown(len))
    }
}
