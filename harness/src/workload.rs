//! What clients ask of the store, one workload a file.

use crate::cluster::NodeId;
use crate::history::{Event, History, Kind};
use crate::op::{Key, Mop, Op};
use std::collections::BTreeSet;

pub mod append;
pub mod final_reads;

/// Every key that a client ever named, in order.
pub fn keys_used(history: &History) -> Vec<Key> {
    let keys: BTreeSet<Key> = history
        .client_events()
        .filter(|(_, event)| event.kind == Kind::Invoke)
        .flat_map(|(_, event)| event.op.mops())
        .map(Mop::key)
        .collect();
    keys.into_iter().collect()
}

/// A read of one key.
pub fn read(key: Key) -> Op {
    Op::Txn(vec![Mop::Read { key, values: None }])
}

/// The node and key of an event that is a single read.
fn single_read(event: &Event) -> Option<(NodeId, Key)> {
    match (event.node, event.op.mops()) {
        (Some(node), [Mop::Read { key, .. }]) => Some((node, *key)),
        _ => None,
    }
}
