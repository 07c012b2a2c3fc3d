//! What a transaction reads: every group's store, each at a snapshot of its own, taken at one moment (`kv/shard_store.go`).
//!
//! Promises: a key is looked for in its own group's store only. Cannot see: what a transaction that is prepared there will
//! write; [`super::context::Context::held_up_by`] asks for that.

use crate::env::GroupId;
use crate::kv::prepared::{Lock, Prepared};
use crate::kv::routes::Routes;
use crate::mvcc::Store;
use bytes::Bytes;
use std::collections::BTreeMap;

/// A key that another transaction is about to write.
pub struct HeldUp {
    /// Whose key it is.
    pub group: GroupId,
    /// The key.
    pub key: Bytes,
    /// Who holds it.
    pub lock: Lock,
}

/// One group's store.
pub struct Part<'a> {
    /// Which group.
    pub group: GroupId,
    /// Its store.
    pub store: &'a Store,
    /// Who holds keys of it.
    pub prepared: Option<&'a Prepared>,
    /// The snapshot.
    pub ts: u64,
}

/// All of them.
pub struct View<'a> {
    parts: Vec<Part<'a>>,
    routes: Option<&'a Routes>,
}

impl<'a> View<'a> {
    /// Of a store that is the only one.
    pub fn alone(store: &'a Store, ts: u64) -> View<'a> {
        let part = Part { group: GroupId::DEFAULT, store, prepared: None, ts };
        View { parts: vec![part], routes: None }
    }

    /// Of these stores; keys go where the routes say.
    pub fn of(parts: Vec<Part<'a>>, routes: &'a Routes) -> View<'a> {
        let routes = (parts.len() > 1).then_some(routes);
        View { parts, routes }
    }

    /// Where keys go; `None` if there is one group.
    pub fn routes(&self) -> Option<&'a Routes> {
        self.routes
    }

    /// The snapshot of each group.
    pub fn snapshots(&self) -> BTreeMap<GroupId, u64> {
        self.parts.iter().map(|part| (part.group, part.ts)).collect()
    }

    /// Whose an internal key is.
    pub fn group_of(&self, key: &[u8]) -> GroupId {
        self.part(key).group
    }

    /// The value of an internal key.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        let part = self.part(key);
        part.store.get_at(key, part.ts)
    }

    /// What lies under a prefix that has a whole user key in it.
    pub fn scan<'s>(&'s self, prefix: &'s [u8]) -> impl Iterator<Item = (&'s Bytes, Bytes)> + 's {
        let part = self.part(prefix);
        part.store.scan_at(prefix, part.ts)
    }

    /// What lies under a prefix in any group, in order within a group.
    pub fn scan_all<'s>(
        &'s self,
        prefix: &'s [u8],
    ) -> impl Iterator<Item = (&'s Bytes, Bytes)> + 's {
        self.parts.iter().flat_map(move |part| part.store.scan_at(prefix, part.ts))
    }

    /// From one key to another of the same user key, both included.
    pub fn range<'s>(
        &'s self,
        first: &Bytes,
        last: &Bytes,
    ) -> impl Iterator<Item = (&'s Bytes, Bytes)> + 's {
        let part = self.part(first);
        part.store.range_at(first, last, part.ts)
    }

    /// Who will write one of the keys, or any key.
    pub fn held_up_by<'k>(
        &self,
        keys: impl Iterator<Item = &'k Bytes> + Clone,
        any: bool,
    ) -> Option<HeldUp> {
        self.parts.iter().find_map(|part| {
            let prepared = part.prepared?;
            let found = if any { prepared.writer() } else { prepared.hides(keys.clone()) };
            found.map(|(key, lock)| HeldUp { group: part.group, key: key.clone(), lock })
        })
    }

    fn part(&self, key: &[u8]) -> &Part<'a> {
        let Some(routes) = self.routes else { return &self.parts[0] };
        let group = routes.group_of(key);
        self.parts.iter().find(|part| part.group == group).unwrap_or(&self.parts[0])
    }
}
