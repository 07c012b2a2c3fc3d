//! What upstream's coordinators did, or do, with a transaction of which nobody knows whether it commits. Nothing of it happens unless
//! a bug is planted.

use super::LeaderProxy;
use crate::bug::Bug;
use crate::env::Env;
use crate::kv::error::KvError;
use crate::kv::request::TxnRequest;
use crate::redis::keys;

impl<E: Env> LeaderProxy<E> {
    /// As it was; or, where a deposed leader's proposal is taken for one that was never made (S11: `Coordinate.Dispatch` takes `failPending`'s
    /// error for the refusal of a proposal), another transaction with the same writes and a later snapshot.
    pub(super) fn made_anew(&self, txn: TxnRequest, error: &KvError) -> TxnRequest {
        let retries = self.options.bugs.has(Bug::RetryUnknownWithFreshTs);
        if !retries || *error != KvError::LeadershipLost {
            return txn;
        }
        let start_ts = self.engine.last_commit_ts().max(txn.start_ts);
        TxnRequest { request: self.requests.fresh(), start_ts, commit_ts: 0, ..txn }
    }

    /// The transaction under an identity that nobody knows (F1: without PrevCommitTS a retry is a transaction of its own; F15: only
    /// pushes to lists have one, and what conflicts with its own first attempt is tried again).
    pub(super) fn anonymous(&self, txn: &TxnRequest) -> Option<TxnRequest> {
        let bugs = self.options.bugs;
        let touches_lists = || txn.elems.iter().any(|elem| keys::is_of_list(&elem.key));
        let forgets = bugs.has(Bug::DisableOnephaseDedup)
            || (bugs.has(Bug::RetryWireWriteConflict) && !touches_lists());
        forgets.then(|| TxnRequest { request: self.requests.fresh(), ..txn.clone() })
    }
}
