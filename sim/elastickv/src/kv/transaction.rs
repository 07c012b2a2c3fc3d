//! A transaction as it is asked for (`OperationGroup`): its parts by group, each with the snapshot that it read there.
//!
//! Differs from upstream, which reads every group at one timestamp, the newest of any (suspicion S9): each group's clock moves by
//! itself, so one timestamp is in the past of some group and in the future of another. Each part is checked against its own
//! group's snapshot, and all are held until it is decided.

use super::request::{Elem, TxnRequest};
use super::routes::Routes;
use crate::env::{GroupId, NodeId, RequestId};
use bytes::Bytes;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Identities for what a node asks for, which no other request has or will have.
pub struct Requests {
    node: u16,
    boot: u32,
    last: Cell<u64>,
}

impl Requests {
    /// Of this start of this node.
    pub fn of(node: NodeId, boot: u32) -> Requests {
        Requests { node: node.0, boot, last: Cell::new(0) }
    }

    /// The next.
    pub fn fresh(&self) -> RequestId {
        self.last.set(self.last.get() + 1);
        RequestId { node: self.node, boot: self.boot, counter: self.last.get() }
    }
}

/// Reads and writes of one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    parts: BTreeMap<GroupId, TxnRequest>,
}

impl Transaction {
    /// Of these keys read and these writes, by who owns them; `start_ts` is the snapshot that was read in a group.
    pub fn parted(
        routes: Option<&Routes>,
        read_keys: impl IntoIterator<Item = Bytes>,
        elems: impl IntoIterator<Item = Elem>,
        start_ts: impl Fn(GroupId) -> u64,
    ) -> Transaction {
        let owner = |key: &Bytes| routes.map_or(GroupId::DEFAULT, |routes| routes.group_of(key));
        let mut parts: BTreeMap<GroupId, TxnRequest> = BTreeMap::new();
        let part = |group| TxnRequest { start_ts: start_ts(group), ..TxnRequest::default() };
        for key in read_keys {
            let group = owner(&key);
            parts.entry(group).or_insert_with(|| part(group)).read_keys.push(key);
        }
        for elem in elems {
            let group = owner(&elem.key);
            parts.entry(group).or_insert_with(|| part(group)).elems.push(elem);
        }
        Transaction { parts }
    }

    /// The same of a transaction that looked at all keys: every group has part in it, and it is refused if anything at all was
    /// written there after the snapshot.
    #[must_use]
    pub fn whole(mut self, snapshots: &BTreeMap<GroupId, u64>) -> Transaction {
        for (group, start_ts) in snapshots {
            let part = TxnRequest { start_ts: *start_ts, ..TxnRequest::default() };
            self.parts.entry(*group).or_insert(part).whole = true;
        }
        self
    }

    /// The same, by this identity.
    #[must_use]
    pub fn named(mut self, request: RequestId) -> Transaction {
        self.parts.values_mut().for_each(|part| part.request = request);
        self
    }

    /// Its only part, if it has one.
    pub fn alone(&self) -> Option<(GroupId, &TxnRequest)> {
        let mut parts = self.parts.iter();
        let first = parts.next().map(|(group, part)| (*group, part));
        first.filter(|_| parts.next().is_none())
    }

    /// Its only part, if it has one.
    pub fn into_alone(mut self) -> Option<TxnRequest> {
        let (_, part) = self.parts.pop_first()?;
        self.parts.is_empty().then_some(part)
    }

    /// Its parts, in the groups' order.
    pub fn parts(&self) -> impl Iterator<Item = (GroupId, &TxnRequest)> {
        self.parts.iter().map(|(group, part)| (*group, part))
    }

    /// The group that decides: of the smallest key written.
    pub fn primary(&self) -> Option<GroupId> {
        let keys =
            self.parts().flat_map(|(group, part)| part.elems.iter().map(move |e| (&e.key, group)));
        keys.min().map(|(_, group)| group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::keys;

    #[test]
    fn reads_and_writes_go_to_their_groups_and_the_smallest_key_written_says_who_decides() {
        let routes = Routes::first(&":m=2,m:=1".parse().expect("ranges"));
        let key = |key: &str| keys::string(key.as_bytes());
        let put = |k| Elem::put(key(k), Bytes::new());
        let txn = Transaction::parted(
            Some(&routes),
            [key("a"), key("z")],
            [put("n"), put("b")],
            |group| u64::from(group.0) * 10,
        );
        let parts: Vec<_> = txn.parts().collect();
        assert_eq!(parts.len(), 2);
        let (group, part) = parts[0];
        assert_eq!((group, part.start_ts), (GroupId(1), 10));
        assert_eq!((&part.read_keys[..], &part.elems[..]), (&[key("z")][..], &[put("n")][..]));
        assert_eq!(txn.primary(), Some(GroupId(2)));
        assert_eq!(txn.alone(), None);
        let alone = Transaction::parted(None, [key("a")], [put("z")], |_| 7);
        assert_eq!(
            alone.alone().map(|(group, part)| (group, part.start_ts)),
            Some((GroupId(1), 7))
        );
    }
}
