//! Errors of the transaction path, with upstream's texts (`kv/*_errors.go`, `raftengine/etcd/engine.go`).

use crate::hlc::CeilingExpired;
use crate::hlc::belief::WALL_OFF_MAX;
use bytes::Bytes;
use std::fmt;

/// Why a transaction, a fence or a proxied command did not give an answer. Whether its effect may still come is said by
/// [`KvError::is_definite`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvError {
    /// This node does not lead and refused before it did anything.
    NotLeader,
    /// This node ceased to lead while the proposal was under way: it may still commit. The same text as `NotLeader` (S4).
    LeadershipLost,
    /// No leader is known.
    LeaderNotFound,
    /// The transaction was checked against newer versions and wrote nothing.
    WriteConflict(Bytes),
    /// Another transaction, which is not decided yet, holds this key. Nothing was written.
    TxnLocked(Bytes),
    /// The transaction was rolled back before it was decided: by itself, or by somebody who found its locks too old.
    TxnAborted,
    /// What was asked concerns groups that different nodes lead. Nothing was done.
    SpansLeaders,
    /// The key is another group's by this node's route catalog.
    RouteShifted,
    /// The route catalog of which the request speaks is too old to be known.
    RouteVersionGone,
    /// No timestamp may be issued.
    CeilingExpired,
    /// This node's wall clock cannot be believed. Nothing was done.
    ClockSkew,
    /// The transaction reads or writes more than one entry may carry. Nothing was done.
    InvalidRequest,
    /// Time ran out; the work may go on.
    DeadlineExceeded,
    /// A call to another node failed on the way, in gRPC's words.
    Rpc(String),
    /// The disk or the engine failed; the node is about to stop.
    Closed,
}

impl KvError {
    /// Nothing was done and nothing will be.
    pub fn is_definite(&self) -> bool {
        use KvError::{
            CeilingExpired, ClockSkew, InvalidRequest, NotLeader, RouteShifted, RouteVersionGone,
            SpansLeaders, TxnAborted, TxnLocked, WriteConflict,
        };
        let nothing_came_of_it = matches!(self, WriteConflict(_) | TxnLocked(_) | TxnAborted);
        let nothing_was_done = matches!(
            self,
            NotLeader
                | CeilingExpired
                | ClockSkew
                | InvalidRequest
                | SpansLeaders
                | RouteShifted
                | RouteVersionGone
        );
        nothing_came_of_it || nothing_was_done
    }
}

impl From<CeilingExpired> for KvError {
    fn from(_: CeilingExpired) -> KvError {
        KvError::CeilingExpired
    }
}

impl fmt::Display for KvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KvError::NotLeader | KvError::LeadershipLost => {
                f.write_str("etcd raft engine is not leader")
            }
            KvError::LeaderNotFound => f.write_str("leader not found"),
            KvError::WriteConflict(key) => write!(f, "key: {}: write conflict", key.escape_ascii()),
            KvError::TxnLocked(key) => write!(f, "key: {}: txn locked", key.escape_ascii()),
            KvError::TxnAborted => f.write_str("txn already aborted"),
            KvError::SpansLeaders => {
                f.write_str("ERR EXEC read fence spans multiple shard leaders")
            }
            KvError::RouteShifted => {
                f.write_str("composed-1: route ownership shifted; retry on new owning group")
            }
            KvError::RouteVersionGone => {
                f.write_str("composed-1: observed catalog version evicted from history ring; retry")
            }
            KvError::CeilingExpired => CeilingExpired.fmt(f),
            KvError::ClockSkew => write!(
                f,
                "CLOCKSKEW this node's wall clock has gone {} s or more another way than its monotonic clock: set it right, or start the node again",
                2 * WALL_OFF_MAX.as_secs()
            ),
            KvError::InvalidRequest => f.write_str("invalid request"),
            KvError::DeadlineExceeded => f.write_str("context deadline exceeded"),
            KvError::Rpc(text) => f.write_str(text),
            KvError::Closed => f.write_str("etcd raft engine is closed"),
        }
    }
}
