//! The coordinator (`kv/sharded_coordinator.go`, `kv/leader_proxy.go`): how a transaction or a read reaches the leader of its group.
//!
//! One group. A transaction of a node that does not lead is forwarded to the leader; it keeps its request identity, so that however often
//! and wherever it is proposed, it happens at most once.
//!
//! Differs from upstream: the commit timestamp is not chosen here but when the leader proposes; and a proposal whose
//! leader was deposed under way is forwarded too (upstream returns NOTLEADER), which the identity makes safe.

use super::error::KvError;
use super::forward::Forwarder;
use super::request::TxnRequest;
use crate::bug::Bug;
use crate::env::{Env, NodeId, RequestId};
use crate::options::{Options, Wiring};
use crate::raft::engine::Engine;
use futures_util::{FutureExt, select_biased};
use std::cell::Cell;
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

/// Entry to the group for everything that serves clients. Cheap to clone.
pub struct Coordinator<E: Env> {
    env: E,
    options: Rc<Options>,
    engine: Engine<E>,
    forwarder: Rc<Forwarder<E>>,
    boot: u32,
    requests: Rc<Cell<u64>>,
}

impl<E: Env> Clone for Coordinator<E> {
    fn clone(&self) -> Self {
        Coordinator {
            env: self.env.clone(),
            options: self.options.clone(),
            engine: self.engine.clone(),
            forwarder: self.forwarder.clone(),
            boot: self.boot,
            requests: self.requests.clone(),
        }
    }
}

impl<E: Env> Coordinator<E> {
    /// On the node's engine.
    pub fn new(env: E, options: Rc<Options>, engine: Engine<E>, boot: u32) -> Coordinator<E> {
        let forwarder = Rc::new(Forwarder::new(env.clone()));
        Coordinator { env, options, engine, forwarder, boot, requests: Rc::default() }
    }

    /// The node's engine.
    pub fn engine(&self) -> &Engine<E> {
        &self.engine
    }

    /// An identity that no other request has or will have.
    pub fn new_request(&self) -> RequestId {
        self.requests.set(self.requests.get() + 1);
        RequestId { node: self.env.id().0, boot: self.boot, counter: self.requests.get() }
    }

    /// Whether this node believes that it leads.
    pub fn is_leader(&self) -> bool {
        self.engine.is_leader()
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<NodeId> {
        self.engine.leader()
    }

    /// Returns when everything acknowledged before the call is applied here, and this node leads (`LeaseRead`).
    pub async fn lease_read(&self) -> Result<(), KvError> {
        if self.engine.lease_holds() {
            self.env.reached("lease read");
            return Ok(());
        }
        deadline(&self.env, VERIFY_TIMEOUT, self.engine.linearizable_read()).await?;
        self.env.reached("read index");
        Ok(())
    }

    /// Commits a transaction and returns its commit timestamp (`Dispatch`).
    pub async fn dispatch(&self, txn: TxnRequest) -> Result<u64, KvError> {
        if txn.read_keys.len() > READ_KEYS_MAX {
            return Err(KvError::InvalidRequest);
        }
        if self.options.bugs.has(Bug::ReadKeysNotInLog) {
            self.engine.check_read_keys(&txn)?;
        }
        match self.commit_here(&txn).await {
            Err(
                error @ (KvError::NotLeader | KvError::LeadershipLost | KvError::DeadlineExceeded),
            ) => self.forward(&txn, error).await,
            result => result,
        }
    }

    /// `LeaderProxy.Commit` without the forwarding: verify leadership, then propose. What the leader does with a forwarded transaction too.
    pub async fn commit_here(&self, txn: &TxnRequest) -> Result<u64, KvError> {
        if !self.engine.is_leader() {
            return Err(KvError::NotLeader);
        }
        if self.options.wiring == Wiring::Verified {
            deadline(&self.env, VERIFY_TIMEOUT, self.engine.verify_leader()).await?;
        }
        self.env.yield_point("between VerifyLeader and Propose").await;
        self.engine.propose_txn(txn.clone()).await
    }

    /// `forwardWithRetry`: three fast tries a cycle, 25 ms between cycles, five seconds in all. Success and conflict end it: both hold for
    /// every attempt of this request, also for one still on its way. Any other answer speaks for its own
    /// attempt only, so it never hides that an earlier attempt may have landed.
    async fn forward(&self, txn: &TxnRequest, first: KvError) -> Result<u64, KvError> {
        let start = self.env.monotonic();
        let mut worst = first;
        loop {
            for _ in 0..FAST_RETRIES {
                match self.forward_once(txn).await {
                    Err(error @ KvError::WriteConflict(_)) => return Err(error),
                    Err(error) if worst.is_definite() => worst = error,
                    Err(_) => {}
                    committed => return committed,
                }
            }
            if self.env.monotonic() - start >= FORWARD_BUDGET {
                return Err(worst);
            }
            self.env.sleep(FORWARD_CYCLE).await;
        }
    }

    async fn forward_once(&self, txn: &TxnRequest) -> Result<u64, KvError> {
        let leader = self.engine.leader().ok_or(KvError::LeaderNotFound)?;
        if leader == self.env.id() {
            return self.commit_here(txn).await;
        }
        self.env.reached("forward");
        deadline(&self.env, RPC_TIMEOUT, self.forwarder.call(leader, txn)).await
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
