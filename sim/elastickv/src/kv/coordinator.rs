//! The coordinator (`kv/sharded_coordinator.go`): where the parts of a transaction go, and in what order.
//!
//! What concerns one group is one proposal in it. What concerns several is prepared in each, in the groups' order, then decided in its
//! primary, the moment at which it happens, then committed in the others; who finds it undecided asks the primary ([`super::resolver`]).
//!
//! Differs from upstream: no commit timestamp is allocated before the prewrites (S9), each group's log gives its own; what was
//! only read is locked, too.

use super::error::KvError;
use super::forward::Forwarder;
use super::fsm::Fsm;
use super::leader_proxy::{LeaderProxy, deadline};
use super::request::{Phase, TxnRequest};
use super::routes::Routes;
use super::transaction::{Requests, Transaction};
use crate::bug::Bug;
use crate::env::{Env, GroupId, NodeId, RequestId};
use crate::options::Options;
use crate::raft::engine::Engine;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// A part that is not committed by then, once its transaction is, is left to who needs it.
const SECONDARY_WITHIN: Duration = Duration::from_secs(1);

/// Entry to the groups for everything that serves clients. Cheap to clone.
pub struct Coordinator<E: Env> {
    env: E,
    options: Rc<Options>,
    shards: Rc<Vec<LeaderProxy<E>>>,
    routes: Rc<RefCell<Routes>>,
    requests: Rc<Requests>,
}

impl<E: Env> Clone for Coordinator<E> {
    fn clone(&self) -> Self {
        Coordinator {
            env: self.env.clone(),
            options: self.options.clone(),
            shards: self.shards.clone(),
            routes: self.routes.clone(),
            requests: self.requests.clone(),
        }
    }
}

impl<E: Env> Coordinator<E> {
    /// On the node's engines, the default group's first.
    pub fn new(env: E, options: Rc<Options>, engines: Vec<Engine<E>>, boot: u32) -> Coordinator<E> {
        let forwarder = Rc::new(Forwarder::new(env.clone()));
        let requests = Rc::new(Requests::of(env.id(), boot));
        let routes = Rc::new(RefCell::new(Routes::first(&options.shards)));
        let shard = |engine| LeaderProxy {
            env: env.clone(),
            options: options.clone(),
            engine,
            routes: routes.clone(),
            forwarder: forwarder.clone(),
            requests: requests.clone(),
        };
        let shards = Rc::new(engines.into_iter().map(shard).collect());
        Coordinator { env, options, shards, routes, requests }
    }

    /// The way to a group; `None` if there is no such group.
    pub fn shard(&self, group: GroupId) -> Option<&LeaderProxy<E>> {
        self.shards.iter().find(|shard| shard.group() == group)
    }

    /// The ways to all groups, the default group's first.
    pub fn shards(&self) -> &[LeaderProxy<E>] {
        &self.shards
    }

    /// The way to the default group.
    pub fn default_shard(&self) -> &LeaderProxy<E> {
        &self.shards[0]
    }

    /// The routes as this node knows them.
    pub fn routes(&self) -> &RefCell<Routes> {
        &self.routes
    }

    /// What the node was told when it started.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The world.
    pub fn env(&self) -> &E {
        &self.env
    }

    /// Whether there are several groups.
    pub fn is_sharded(&self) -> bool {
        self.shards.len() > 1
    }

    /// An identity that no other request has or will have.
    pub fn new_request(&self) -> RequestId {
        self.requests.fresh()
    }

    /// Whether this node believes that it leads all of these groups.
    pub fn leads(&self, groups: &[GroupId]) -> bool {
        groups.iter().all(|group| self.shard(*group).is_some_and(|s| s.engine().is_leader()))
    }

    /// Who leads all of these groups, as far as this node knows.
    pub fn leader(&self, groups: &[GroupId]) -> Result<NodeId, KvError> {
        let mut leaders = groups.iter().map(|group| {
            let leader = self.shard(*group).and_then(|shard| shard.engine().leader());
            leader.ok_or(KvError::LeaderNotFound)
        });
        let first = leaders.next().unwrap_or(Err(KvError::LeaderNotFound))?;
        for leader in leaders {
            if leader? != first {
                return Err(KvError::SpansLeaders);
            }
        }
        Ok(first)
    }

    /// A group's state machine on this node.
    pub fn fsm(&self, group: GroupId) -> Option<&RefCell<Fsm>> {
        self.shard(group).map(|shard| &**shard.engine().fsm())
    }

    /// Commits a transaction (`Dispatch`).
    pub async fn dispatch(&self, txn: Transaction) -> Result<(), KvError> {
        if let Some((group, part)) = txn.alone() {
            return self.part(group, part.clone()).await.map(|_| ());
        }
        self.two_phase(txn).await
    }

    /// `dispatchMultiShardTxn`. Nobody but this call ever commits the primary, so what ends it before it asks for that has
    /// not happened, whatever the error says.
    async fn two_phase(&self, txn: Transaction) -> Result<(), KvError> {
        let (Some(primary), Some((_, first))) = (txn.primary(), txn.parts().next()) else {
            return Err(KvError::InvalidRequest);
        };
        let request = first.request;
        sometimes!(self.env, "transaction across groups");
        let allocated = self.allocated_early(&txn);
        let commit = |group: GroupId| TxnRequest {
            phase: Phase::Commit,
            request,
            commit_ts: allocated.get(&group).copied().unwrap_or_default(),
            ..TxnRequest::default()
        };
        for (group, part) in txn.parts() {
            if part.elems.is_empty() && self.options.bugs.has(Bug::NoReadonlyShardValidation) {
                continue;
            }
            let ttl = self.options.txn_lock_ttl.as_millis() as u64;
            let phase = Phase::Prepare { primary, expires_ms: self.env.wall_ms() + ttl };
            if let Err(error) = self.part(group, TxnRequest { phase, ..part.clone() }).await {
                sometimes!(self.env, "transaction across groups rolled back");
                self.roll_back_later(request, primary, &txn);
                return Err(error);
            }
            self.env.yield_point("between prewrites").await;
        }
        if let Err(error) = self.part(primary, commit(primary)).await {
            if error.is_definite() {
                self.roll_back_later(request, primary, &txn);
            }
            return Err(error);
        }
        sometimes!(self.env, "transaction across groups committed");
        self.env.yield_point("between primary and secondaries").await;
        for (group, _) in txn.parts().filter(|(group, _)| *group != primary) {
            if self.env.buggify("rare: secondary commit not asked for") {
                continue;
            }
            let commit = self.part(group, commit(group));
            if deadline(&self.env, SECONDARY_WITHIN, commit).await.is_err() {
                sometimes!(self.env, "secondary commit left to who needs it");
            }
        }
        Ok(())
    }

    /// The commit timestamps that upstream allocates before anything is held (S9): of each group that this node leads. Otherwise
    /// none, and each group's leader issues its own when it commits.
    fn allocated_early(&self, txn: &Transaction) -> BTreeMap<GroupId, u64> {
        if !self.options.bugs.has(Bug::CommitTsBeforePrewrite) {
            return BTreeMap::new();
        }
        let allocated = txn.parts().filter_map(|(group, part)| {
            let engine = self.shard(group)?.engine();
            let mut part = TxnRequest { start_ts: part.start_ts, ..TxnRequest::default() };
            engine.issue_commit_ts(&mut part).ok().filter(|()| engine.is_leader())?;
            Some((group, part.commit_ts))
        });
        allocated.collect()
    }

    /// Lets go of what was prepared, the primary first, by a task that does not end with its client's patience.
    fn roll_back_later(&self, request: RequestId, primary: GroupId, txn: &Transaction) {
        let others: Vec<GroupId> =
            txn.parts().map(|(group, _)| group).filter(|group| *group != primary).collect();
        let coordinator = self.clone();
        self.env.spawn(async move {
            for group in [primary].into_iter().chain(others) {
                // What is not undone now is undone by who needs it.
                let _ = coordinator.decide(group, request, Phase::Abort).await;
            }
        });
    }

    /// Commits or aborts a group's part of a transaction. `Err(TxnAborted)` is what an abort comes to.
    pub async fn decide(
        &self,
        group: GroupId,
        request: RequestId,
        phase: Phase,
    ) -> Result<u64, KvError> {
        self.part(group, TxnRequest { phase, request, ..TxnRequest::default() }).await
    }

    async fn part(&self, group: GroupId, part: TxnRequest) -> Result<u64, KvError> {
        self.shard(group).ok_or(KvError::RouteShifted)?.dispatch(part).await
    }
}
