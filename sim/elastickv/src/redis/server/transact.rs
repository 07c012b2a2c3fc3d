//! Commands become transactions (`adapter/redis_txn.go`, `redis_retry.go`): behind which fences, on which snapshot, and what is tried again.
//!
//! What touches several groups reads them at one moment at which this node leads them all, and while no prepared transaction
//! is about to write what was read: that one is asked after, and the commands run again.

use super::super::command::Command;
use super::super::context::Context;
use super::super::resp::Reply;
use super::super::view::{HeldUp, Part, View};
use super::{Inner, Server, error_reply};
use crate::bug::Bug;
use crate::env::{Draw, Env, Fact, GroupId};
use crate::kv::error::KvError;
use crate::kv::fsm::Fsm;
use crate::kv::prepared::Lock;
use crate::kv::transaction::Transaction;
use crate::options::Wiring;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const ATTEMPTS: u32 = 50;
const BACKOFF_MIN: Duration = Duration::from_millis(1);
const BACKOFF_MAX: Duration = Duration::from_millis(10);
pub(super) const LOCK_BACKOFF_MIN: Duration = Duration::from_millis(5);
const LOCK_BACKOFF_MAX: Duration = Duration::from_millis(50);

impl<E: Env> Server<E> {
    /// Commands that only read: again while a transaction is prepared that will write what they read.
    pub(super) async fn read(
        &self,
        commands: &[Command],
        mut groups: Vec<GroupId>,
    ) -> Result<Vec<Reply>, KvError> {
        let mut backoff = LOCK_BACKOFF_MIN;
        loop {
            let asked = Snapshot::OfWhatIsApplied;
            let ran = self.ask(commands, asked, Fence::Always, &mut groups).await?;
            if ran.held_up_by.is_none() && ran.txn.is_some() {
                // What has expired is told to be gone only once that is on record.
                return self.write(commands.to_vec(), Fence::Always, groups).await;
            }
            match ran.held_up_by {
                None => return Ok(ran.replies),
                Some(held) => self.settle(held.group, held.lock, &mut backoff).await,
            }
        }
    }

    /// `retryRedisWrite`: snapshot, run, dispatch; again on a conflict.
    pub(super) async fn write(
        &self,
        commands: Vec<Command>,
        fence: Fence,
        mut groups: Vec<GroupId>,
    ) -> Result<Vec<Reply>, KvError> {
        let mut fence = fence;
        let (mut backoff, mut lock_backoff) = (BACKOFF_MIN, LOCK_BACKOFF_MIN);
        let mut attempt = 0;
        loop {
            let ran = self.ask(&commands, Snapshot::ToStartFrom, fence, &mut groups).await?;
            attempt += 1;
            if let Some(held) = &ran.held_up_by
                && attempt <= ATTEMPTS
            {
                self.settle(held.group, held.lock, &mut lock_backoff).await;
                continue;
            }
            let Some(txn) = ran.txn else {
                match (fence, ran.held_up_by) {
                    // Nothing to write after all: then this was a read, and no conflict check will tell if it was stale.
                    (Fence::OnlyForReads, _) => fence = Fence::Always,
                    (_, Some(held)) => return Err(KvError::TxnLocked(held.key)),
                    (_, None) => return Ok(ran.replies),
                }
                continue;
            };
            let txn = txn.named(self.0.coordinator.new_request());
            self.0.env.yield_point("between snapshot and dispatch").await;
            match self.0.coordinator.dispatch(txn).await {
                Ok(()) => return Ok(ran.replies),
                Err(KvError::WriteConflict(_)) if attempt <= ATTEMPTS => {
                    sometimes!(self.0.env, "write conflict")
                }
                Err(KvError::TxnLocked(key)) if attempt <= ATTEMPTS => {
                    self.await_lock(&key, &mut lock_backoff).await;
                    continue;
                }
                Err(KvError::TxnAborted | KvError::RouteShifted | KvError::RouteVersionGone)
                    if attempt <= ATTEMPTS => {}
                Err(error) => return Err(error),
            }
            self.back_off(&mut backoff, BACKOFF_MAX).await;
        }
    }

    /// Runs commands on a snapshot of this moment: behind a fence, and before another, if one is asked for. What
    /// turns out to concern more groups than was known is run again behind theirs, too.
    async fn ask(
        &self,
        commands: &[Command],
        snapshot: Snapshot<'_>,
        fence: Fence,
        groups: &mut Vec<GroupId>,
    ) -> Result<Ran, KvError> {
        loop {
            let terms = self.terms(groups);
            let mut early = self.early_timestamps(commands);
            if fence == Fence::Always {
                self.fence(groups).await?;
                self.raise_to_indices(&mut early);
                if early.is_empty() {
                    self.0.env.yield_point("between fence and snapshot").await;
                }
            }
            let at = if early.is_empty() { snapshot } else { Snapshot::ChosenBefore(&early) };
            let ran = self.run(commands, at)?;
            if fence == Fence::Always && early.is_empty() {
                self.fence(groups).await?;
            }
            let more = ran.groups.iter().filter(|group| !groups.contains(group)).copied();
            let more: Vec<GroupId> = more.collect();
            if !more.is_empty() {
                groups.extend(more);
                if !self.0.coordinator.leads(groups) {
                    return Err(KvError::SpansLeaders);
                }
                continue;
            }
            // Of several groups it is one moment only if nobody else led any of them meanwhile.
            if fence == Fence::Always && self.terms(groups) != terms {
                return Err(KvError::NotLeader);
            }
            return Ok(ran);
        }
    }

    /// Of several groups, the terms that this node leads them.
    fn terms(&self, groups: &[GroupId]) -> Vec<Option<u64>> {
        if groups.len() < 2 {
            return Vec::new();
        }
        let leads = |group: &GroupId| self.0.coordinator.shard(*group)?.engine().leads();
        groups.iter().map(leads).collect()
    }

    /// Runs commands one after the other on a snapshot. A mistake of the client's is its own reply: in EXEC an element
    /// of the array.
    pub(super) fn run(&self, commands: &[Command], snapshot: Snapshot<'_>) -> Result<Ran, KvError> {
        let is_sharded = self.0.coordinator.is_sharded();
        self.on_snapshot(snapshot, |mut context| {
            let mut apply =
                |command: &Command| command.apply(&mut context).unwrap_or_else(error_reply);
            let mut replies: Vec<Reply> = commands.iter().map(&mut apply).collect();
            if !self.0.options.bugs.has(Bug::TtlWallClockLocal)
                && let Err(error) = context.bury_what_was_missed()
            {
                replies.iter_mut().for_each(|reply| *reply = Reply::Error(error.to_string()));
            }
            let groups = if is_sharded { context.groups() } else { BTreeSet::new() };
            let held_up_by = context.held_up_by();
            let txn = (!context.is_read_only()).then(|| context.into_txn());
            Ran { replies, txn, groups, held_up_by }
        })
    }

    /// Does something with what every group holds at this moment, unless nobody can tell which moment it is.
    pub(super) fn on_snapshot<T>(
        &self,
        snapshot: Snapshot<'_>,
        work: impl FnOnce(Context<'_>) -> T,
    ) -> Result<T, KvError> {
        let now_ms = self.believed_ms()?;
        let coordinator = &self.0.coordinator;
        let fsms: Vec<_> =
            coordinator.shards().iter().map(|shard| shard.engine().fsm().borrow()).collect();
        let routes = coordinator.routes().borrow();
        let parts = coordinator.shards().iter().zip(&fsms).map(|(shard, fsm)| {
            let (group, ts) = (shard.group(), self.ts(shard.group(), fsm, snapshot));
            self.0.env.observe(group, Fact::SnapshotRead { ts, applied: fsm.applied() });
            Part { group, store: &fsm.store, prepared: Some(fsm.prepared()), ts }
        });
        let view = View::of(parts.collect(), &routes);
        let context = Context::on(view, now_ms);
        Ok(work(match self.0.options.bugs.has(Bug::NoWideCollectionFence) {
            true => context.without_fences_of_absence(),
            false => context,
        }))
    }

    /// What the wall clock shows, if it can be believed.
    fn believed_ms(&self) -> Result<u64, KvError> {
        let Inner { env, coordinator, .. } = &*self.0;
        let now_ms = env.wall_ms();
        if coordinator.default_shard().engine().believes(now_ms) {
            return Ok(now_ms);
        }
        sometimes!(env, "command refused for the wall clock");
        Err(KvError::ClockSkew)
    }

    /// `redisReadFencedTimestamp`'s fences: this node leads these groups, and all that was acknowledged is applied.
    pub(super) async fn fence(&self, groups: &[GroupId]) -> Result<(), KvError> {
        for group in groups {
            self.0.coordinator.shard(*group).ok_or(KvError::RouteShifted)?.lease_read().await?;
        }
        Ok(())
    }

    /// Where the snapshot is chosen before the fence: of each group. Otherwise nothing. It once was for all commands, and it is still for
    /// some (S6) and in one of the wirings (S13).
    fn early_timestamps(&self, commands: &[Command]) -> BTreeMap<GroupId, u64> {
        let bugs = self.0.options.bugs;
        let is_unfenced = || matches!(commands, [command] if command.is_unfenced_upstream());
        let early = bugs.has(Bug::ReadTsBeforeFence)
            || (bugs.has(Bug::CollectionTsBeforeFence) && is_unfenced())
            || self.asks_for_an_index();
        if !early {
            return BTreeMap::new();
        }
        let shards = self.0.coordinator.shards().iter();
        let ts = |fsm: &RefCell<Fsm>| fsm.borrow().store.last_commit_ts().max(1);
        shards.map(|shard| (shard.group(), ts(shard.engine().fsm()))).collect()
    }

    /// Whether a fence answers with an index of the log where a timestamp is wanted (S13: `leaderFenceTS`).
    fn asks_for_an_index(&self) -> bool {
        let options = &self.0.options;
        options.bugs.has(Bug::FenceReturnsIndex) && options.wiring == Wiring::Direct
    }

    /// Raises the snapshots to what the fence returned, which is far below any timestamp.
    fn raise_to_indices(&self, early: &mut BTreeMap<GroupId, u64>) {
        if !self.asks_for_an_index() {
            return;
        }
        for (group, ts) in early {
            let applied = self.0.coordinator.fsm(*group).map_or(0, |fsm| fsm.borrow().applied());
            *ts = (*ts).max(applied);
        }
    }

    /// The newest snapshot of what is applied here; an empty store has one, too.
    fn ts(&self, group: GroupId, fsm: &Fsm, snapshot: Snapshot<'_>) -> u64 {
        let from_clock = self.0.options.bugs.has(Bug::StartTsFromHlcNext);
        match snapshot {
            Snapshot::ChosenBefore(chosen) => chosen.get(&group).copied().unwrap_or(1),
            Snapshot::ToStartFrom if from_clock => fsm.hlc.next(self.0.env.wall_ms()),
            _ => fsm.store.last_commit_ts().max(1),
        }
    }

    /// Asks what became of the transaction that holds a key, and waits a little.
    pub(super) async fn settle(&self, group: GroupId, lock: Lock, backoff: &mut Duration) {
        sometimes!(self.0.env, "txn locked");
        // Who could not be asked is asked again.
        let settled = self.0.coordinator.resolve(group, lock).await;
        if settled != Ok(true) {
            self.back_off(backoff, LOCK_BACKOFF_MAX).await;
        }
    }

    /// The same of a key that was held when it was to be written.
    async fn await_lock(&self, key: &Bytes, backoff: &mut Duration) {
        let coordinator = &self.0.coordinator;
        let group = coordinator.routes().borrow().group_of(key);
        let lock = coordinator.fsm(group).and_then(|fsm| fsm.borrow().prepared().lock(key));
        match lock {
            Some(lock) => self.settle(group, lock, backoff).await,
            None => self.back_off(backoff, LOCK_BACKOFF_MAX).await,
        }
    }

    async fn back_off(&self, delay: &mut Duration, most: Duration) {
        let jitter = self.0.env.draw(Draw::Backoff) % (delay.as_nanos() as u64 / 2).max(1);
        self.0.env.sleep(*delay + Duration::from_nanos(jitter)).await;
        *delay = (*delay * 2).min(most);
    }
}

/// What commands came to on a snapshot.
pub(super) struct Ran {
    /// One each.
    pub(super) replies: Vec<Reply>,
    /// Their writes, if there are any, without an identity.
    txn: Option<Transaction>,
    /// The groups that they touched, if there are several.
    groups: BTreeSet<GroupId>,
    /// Who will write what they read.
    held_up_by: Option<HeldUp>,
}

/// Which snapshot.
#[derive(Clone, Copy)]
pub(super) enum Snapshot<'a> {
    /// To answer from.
    OfWhatIsApplied,
    /// To base writes on.
    ToStartFrom,
    /// What was chosen before the fence (S6), of each group.
    ChosenBefore(&'a BTreeMap<GroupId, u64>),
}

/// When a write asks for a fence before its snapshot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    /// EXEC: it may only read.
    Always,
    /// A single command: the conflict check at apply guards what it writes.
    OnlyForReads,
    /// A follower that executes by itself (F6).
    Never,
}
