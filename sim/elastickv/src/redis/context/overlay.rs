//! Reads under what the same transaction wrote before.

use super::Context;
use bytes::Bytes;
use std::collections::BTreeMap;

impl Context<'_> {
    /// A record, for which something else stands in the read set.
    pub(super) fn peek(&self, key: &Bytes) -> Option<Bytes> {
        match self.writes.get(key) {
            Some(written) => written.clone(),
            None => self.view.get(key),
        }
    }

    pub(super) fn read(&mut self, key: Bytes) -> Option<Bytes> {
        let value = self.peek(&key);
        self.read_keys.insert(key);
        value
    }

    pub(super) fn put(&mut self, key: Bytes, value: Bytes) {
        self.writes.insert(key, Some(value));
    }

    pub(super) fn erase(&mut self, key: Bytes) {
        self.writes.insert(key, None);
    }

    /// Records whose keys begin so, in order, each key without that. A whole user key is among what they begin with.
    pub(super) fn scan(&self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        self.overlaid(prefix, self.view.scan(prefix))
    }

    /// The same, of all user keys: in order, but for groups.
    pub(super) fn scan_all(&mut self, prefix: &[u8]) -> Vec<(Bytes, Bytes)> {
        self.looked_at_all = true;
        self.overlaid(prefix, self.view.scan_all(prefix))
    }

    fn overlaid<'s>(
        &self,
        prefix: &[u8],
        stored: impl Iterator<Item = (&'s Bytes, Bytes)>,
    ) -> Vec<(Bytes, Bytes)> {
        let stored = stored.map(|(key, value)| (key.clone(), value));
        let from = Bytes::copy_from_slice(prefix);
        let written = self.writes.range(from..).take_while(|(key, _)| key.starts_with(prefix));
        let mut written = written.peekable();
        let rest = |(key, value): (Bytes, Bytes)| (key.slice(prefix.len()..), value);
        if written.peek().is_none() {
            return stored.map(rest).collect();
        }
        let mut all: BTreeMap<Bytes, Bytes> = stored.collect();
        for (key, value) in written {
            match value {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(key),
            };
        }
        all.into_iter().map(rest).collect()
    }
}
