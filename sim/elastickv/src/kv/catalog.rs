//! The route catalog (`distribution/catalog.go`, `watcher.go`, `adapter/distribution_server.go`): routes and their version as rows of
//! the default group, changed by transactions, watched by every node.
//!
//! Before the first split there are no rows: the routes are those that every node was started with. A split stays in its group, so
//! no data moves.
//!
//! Differs from upstream: no row for the next range's number, which is one more than the largest.
//!
//! Promises: a split is checked against the catalog that it read, all of it, so that of two at a time one is refused and tried again
//! (F57); a node takes a version only if it is newer than its own. Cannot see: how far behind another node's routes are.

use super::coordinator::Coordinator;
use super::error::KvError;
use super::request::Elem;
use super::routes::{Route, Routes};
use super::transaction::Transaction;
use crate::codec::{Malformed, Reader, Writer};
use crate::env::{Env, GroupId, Level};
use crate::mvcc::Store;
use bytes::Bytes;

const VERSION: &[u8] = b"!dist|meta|version";
const ROUTE: &[u8] = b"!dist|route|";

/// Tries of a split that others get in the way of.
const ATTEMPTS: u32 = 5;

/// What the rows say at a timestamp; `None` before the first split.
fn read(store: &Store, ts: u64) -> Result<Option<(u64, Vec<Route>)>, Malformed> {
    let Some(version) = store.get_at(VERSION, ts) else { return Ok(None) };
    let mut routes = Vec::new();
    for (_, row) in store.scan_at(ROUTE, ts) {
        let mut r = Reader::new(row);
        let (id, group, start) = (r.u64()?, GroupId(r.u16()?), r.bytes()?);
        r.end()?;
        routes.push(Route { id, start, group });
    }
    routes.sort_by(|one, other| one.start.cmp(&other.start));
    Ok(Some((Reader::new(version).u64()?, routes)))
}

fn number(n: u64) -> Bytes {
    let mut w = Writer::new();
    w.u64(n);
    w.finish().into()
}

fn row_key(id: u64) -> Bytes {
    [ROUTE, &id.to_be_bytes()].concat().into()
}

fn row(route: &Route) -> Elem {
    let mut w = Writer::new();
    w.u64(route.id).u16(route.group.0).bytes(&route.start);
    Elem::put(row_key(route.id), w.finish().into())
}

/// The catalog after a split, as writes; `None` if a range begins there already. The first split writes all rows.
fn split(routes: &Routes, stored: bool, at: &[u8]) -> Option<Vec<Elem>> {
    let held = routes.route(at);
    if held.start == at {
        return None;
    }
    let id = routes.all().iter().map(|route| route.id).max().unwrap_or(0) + 1;
    let new = Route { id, start: Bytes::copy_from_slice(at), group: held.group };
    let mut elems =
        vec![Elem::put(Bytes::from_static(VERSION), number(routes.version() + 1)), row(&new)];
    if !stored {
        elems.extend(routes.all().iter().map(row));
    }
    Some(elems)
}

impl<E: Env> Coordinator<E> {
    /// Takes what the default group says here, if it is newer; whether it was.
    fn look_at_catalog(&self) -> bool {
        let fsm = self.default_shard().engine().fsm().borrow();
        // Rows that cannot be read are none of ours: what is known stays.
        match read(&fsm.store, u64::MAX) {
            Ok(Some((version, routes))) => self.routes().borrow_mut().apply(version, routes),
            Ok(None) | Err(Malformed) => false,
        }
    }

    /// Watches the catalog until the node dies.
    pub async fn watch_catalog(self) {
        loop {
            if self.look_at_catalog() {
                sometimes!(self.env(), "route catalog taken");
            }
            self.env().sleep(self.options().route_watch).await;
        }
    }

    /// `SplitRange`: a range of the same group begins at this key. By the default group's leader. Whether it was split now.
    pub async fn split_range(&self, at: &[u8]) -> Result<bool, KvError> {
        let mut conflict = KvError::RouteShifted;
        for _ in 0..ATTEMPTS {
            let shard = self.default_shard();
            shard.lease_read().await?;
            let Some(txn) = self.split_txn(at)? else { return Ok(false) };
            match self.dispatch(txn.named(self.new_request())).await {
                Ok(()) => {
                    sometimes!(self.env(), "range split");
                    let at = String::from_utf8_lossy(at);
                    self.env().log(Level::Info, format_args!("a range begins at {at:?} now"));
                    self.look_at_catalog();
                    return Ok(true);
                }
                Err(error @ KvError::WriteConflict(_)) => conflict = error,
                Err(error) => return Err(error),
            }
        }
        Err(conflict)
    }

    fn split_txn(&self, at: &[u8]) -> Result<Option<Transaction>, KvError> {
        let fsm = self.default_shard().engine().fsm().borrow();
        let ts = fsm.store.last_commit_ts().max(1);
        let stored = read(&fsm.store, ts).map_err(|Malformed| KvError::InvalidRequest)?;
        let mut routes = Routes::first(&self.options().shards);
        let known = stored.is_some();
        if let Some((version, rows)) = stored {
            routes.apply(version, rows);
        }
        let read_keys = [Bytes::from_static(VERSION)];
        let elems = split(&routes, known, at);
        Ok(elems.map(|elems| Transaction::parted(None, read_keys, elems, |_| ts)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::routes::Shards;
    use crate::mvcc::Mutation;

    fn written(store: &mut Store, elems: Vec<Elem>, ts: u64) {
        let mutations: Vec<Mutation> =
            elems.into_iter().map(|elem| Mutation { key: elem.key, value: elem.value }).collect();
        store.write(&mutations, ts, ts);
    }

    #[test]
    fn a_split_adds_one_range_of_the_same_group_and_the_next_version() {
        let shards: Shards = ":m=1,m:=2".parse().expect("ranges");
        let mut routes = Routes::first(&shards);
        let mut store = Store::default();
        assert_eq!(read(&store, 5), Ok(None));
        for (turn, (at, group)) in (1..).zip([("p", 2), ("c", 1), ("q", 2)]) {
            let elems = split(&routes, turn > 1, at.as_bytes()).expect("no range begins there");
            written(&mut store, elems, turn * 10);
            let (version, rows) = read(&store, turn * 10).expect("whole").expect("rows");
            assert_eq!((version, rows.len() as u64), (turn + 1, turn + 2));
            assert!(routes.apply(version, rows));
            let route = routes.route(at.as_bytes());
            assert_eq!((&route.start[..], route.group), (at.as_bytes(), GroupId(group)));
            assert_eq!(split(&routes, true, at.as_bytes()), None);
        }
        let ids: Vec<u64> = routes.all().iter().map(|route| route.id).collect();
        assert_eq!(ids, [1, 4, 2, 3, 5], "in the order of their keys");
    }
}
