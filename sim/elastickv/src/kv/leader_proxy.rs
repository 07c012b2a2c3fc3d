//! How one group's transactions and reads reach its leader (`kv/leader_proxy.go`, `ShardGroup`).
//!
//! A transaction of a node that does not lead is forwarded to the leader; it keeps its request identity, so that however often
//! and wherever it is proposed, it happens at most once.
//!
//! Differs from upstream: the commit timestamp is not chosen here but when the leader proposes; and a proposal whose
//! leader was deposed under way is forwarded too (upstream returns NOTLEADER), which the identity makes safe.

use super::error::KvError;
use super::forward::{Call, Forwarder};
use super::fsm::Decision;
use super::request::{Phase, TxnRequest};
use super::routes::Routes;
use super::transaction::Requests;
use crate::bug::Bug;
use crate::env::{Env, GroupId, RequestId};
use crate::options::{Options, Wiring};
use crate::raft::engine::Engine;
use futures_util::{FutureExt, select_biased};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

const FORWARD_BUDGET: Duration = Duration::from_secs(5);
const FORWARD_CYCLE: Duration = Duration::from_millis(25);
const FAST_RETRIES: u32 = 3;
/// Largest read set of one transaction (`maxReadKeys`): the conflict check must see all of it.
const READ_KEYS_MAX: usize = 10_000;
const RPC_TIMEOUT: Duration = Duration::from_secs(5);
const VERIFY_TIMEOUT: Duration = Duration::from_secs(5);

mod mistakes;

/// The way to one group, by this node's engine of it. The coordinator makes one for each.
pub struct LeaderProxy<E: Env> {
    pub(super) env: E,
    pub(super) options: Rc<Options>,
    pub(super) engine: Engine<E>,
    pub(super) routes: Rc<RefCell<Routes>>,
    pub(super) forwarder: Rc<Forwarder<E>>,
    pub(super) requests: Rc<Requests>,
}

impl<E: Env> LeaderProxy<E> {
    /// Which group.
    pub fn group(&self) -> GroupId {
        self.engine.group()
    }

    /// The node's engine of it.
    pub fn engine(&self) -> &Engine<E> {
        &self.engine
    }

    /// Returns when everything acknowledged before the call is applied here, and this node leads (`LeaseRead`).
    pub async fn lease_read(&self) -> Result<(), KvError> {
        if self.engine.lease_holds() && !self.env.buggify("rare: lease not trusted") {
            sometimes!(self.env, "lease read");
            return Ok(());
        }
        deadline(&self.env, VERIFY_TIMEOUT, self.engine.linearizable_read()).await?;
        sometimes!(self.env, "read index");
        Ok(())
    }

    /// Commits a transaction, or does a phase of one, and returns the timestamp of its entry (`Dispatch`).
    pub async fn dispatch(&self, mut txn: TxnRequest) -> Result<u64, KvError> {
        if txn.read_keys.len() > READ_KEYS_MAX {
            return Err(KvError::InvalidRequest);
        }
        if self.options.bugs.has(Bug::ReadKeysNotInLog) {
            self.engine.check_read_keys(&txn)?;
        }
        if self.options.bugs.has(Bug::CommitTsAllocatedBeforePropose) {
            // The leader stamps what comes to it without a timestamp.
            let _ = self.engine.issue_commit_ts(&mut txn);
        }
        let version = self.routes.borrow().version();
        match self.commit_here(&txn, version).await {
            Err(KvError::LeadershipLost)
                if self.options.bugs.has(Bug::ReplyNotleaderWhenUnknown) =>
            {
                Err(KvError::LeadershipLost)
            }
            Err(
                error @ (KvError::NotLeader | KvError::LeadershipLost | KvError::DeadlineExceeded),
            ) => self.forward(&self.made_anew(txn, &error), version, error).await,
            result => result,
        }
    }

    /// `LeaderProxy.Commit` without the forwarding: verify leadership, then propose. What the leader does with a forwarded transaction too.
    pub async fn commit_here(&self, txn: &TxnRequest, version: u64) -> Result<u64, KvError> {
        if !self.engine.is_leader() {
            return Err(KvError::NotLeader);
        }
        if self.options.wiring == Wiring::Verified {
            deadline(&self.env, VERIFY_TIMEOUT, self.engine.verify_leader()).await?;
        }
        self.env.yield_point("between VerifyLeader and Propose").await;
        if let Phase::Prepare { primary, .. } = txn.phase
            && !self.options.shards.groups().contains(&primary)
        {
            return Err(KvError::InvalidRequest);
        }
        self.verify_ownership(txn, version)?;
        self.engine.propose_txn(txn.clone()).await
    }

    /// `verifyComposed1`: what the transaction writes was this group's by the catalog that its coordinator saw, and is by the one that
    /// is known here. Undoing needs no such thing.
    ///
    /// Differs from upstream, which asks when the entry is applied: what a node knows of the catalog then is not in the log, and
    /// nodes that know different things would apply it differently.
    fn verify_ownership(&self, txn: &TxnRequest, version: u64) -> Result<(), KvError> {
        let routes = self.routes.borrow();
        let group = self.group();
        for elem in &txn.elems {
            match routes.group_at(version, &elem.key) {
                // A catalog that this node has not seen yet: it may not judge by it.
                None if version > routes.version() => return Err(KvError::RouteShifted),
                None => return Err(KvError::RouteVersionGone),
                Some(owner) if owner != group => return Err(KvError::RouteShifted),
                Some(_) if routes.group_of(&elem.key) != group => {
                    return Err(KvError::RouteShifted);
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// What became of a transaction that is decided in this group: asked of its leader.
    pub async fn decision(&self, request: RequestId) -> Result<Decision, KvError> {
        match self.engine.leader().ok_or(KvError::LeaderNotFound)? {
            leader if leader == self.env.id() => self.decision_here(request).await,
            leader => {
                let call = self.forwarder.decision(leader, self.group(), request);
                deadline(&self.env, RPC_TIMEOUT, call).await
            }
        }
    }

    /// What the leader answers to that.
    pub async fn decision_here(&self, request: RequestId) -> Result<Decision, KvError> {
        self.lease_read().await?;
        let fsm = self.engine.fsm().borrow();
        Ok(match fsm.decision(request) {
            Decision::Pending
                if self.options.bugs.has(Bug::MissingPrimaryLockMeansRollback)
                    && !fsm.prepared().holds(request) =>
            {
                Decision::Aborted
            }
            decision => decision,
        })
    }

    /// `forwardWithRetry`: three fast tries a cycle, 25 ms between cycles, five seconds in all. Success and conflict end it: both hold for
    /// every attempt of this request, also for one still on its way. Any other answer speaks for its own
    /// attempt only, so it never hides that an earlier attempt may have landed; one that is definite ends it only if
    /// there was none.
    async fn forward(
        &self,
        txn: &TxnRequest,
        version: u64,
        first: KvError,
    ) -> Result<u64, KvError> {
        let start = self.env.monotonic();
        let mut worst = first;
        loop {
            for _ in 0..FAST_RETRIES {
                match self.forward_once(txn, version).await {
                    Err(error @ (KvError::WriteConflict(_) | KvError::TxnAborted)) => {
                        return Err(error);
                    }
                    Err(
                        error @ (KvError::TxnLocked(_)
                        | KvError::RouteShifted
                        | KvError::RouteVersionGone),
                    ) if worst.is_definite() => {
                        return Err(error);
                    }
                    Err(error) if worst.is_definite() => worst = error,
                    Err(_) => {}
                    committed => return committed,
                }
            }
            if self.env.monotonic() - start >= FORWARD_BUDGET {
                sometimes!(self.env, "forwarding given up");
                return Err(worst);
            }
            self.env.sleep(FORWARD_CYCLE).await;
        }
    }

    async fn forward_once(&self, txn: &TxnRequest, version: u64) -> Result<u64, KvError> {
        let leader = self.engine.leader().ok_or(KvError::LeaderNotFound)?;
        let anonymous = self.anonymous(txn);
        let txn = anonymous.as_ref().unwrap_or(txn);
        if leader == self.env.id() {
            return self.commit_here(txn, version).await;
        }
        if self.env.buggify("rare: proposal not forwarded") {
            return Err(KvError::LeaderNotFound);
        }
        sometimes!(self.env, "forward");
        let call = Call { group: self.group(), version };
        deadline(&self.env, RPC_TIMEOUT, self.forwarder.commit(leader, call, txn)).await
    }
}

/// Races work against a deadline on the node's monotonic clock; the loser is dropped.
pub async fn deadline<E: Env, T>(
    env: &E,
    after: Duration,
    work: impl Future<Output = Result<T, KvError>>,
) -> Result<T, KvError> {
    let mut work = std::pin::pin!(work.fuse());
    let mut timer = std::pin::pin!(env.sleep(after).fuse());
    select_biased! {
        result = work => result,
        () = timer => Err(KvError::DeadlineExceeded),
    }
}
