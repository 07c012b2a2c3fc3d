//! Settling what a coordinator left undecided (`kv/lock_resolver.go`, `kv/shard_store.go` maybeResolveTxnLock).
//!
//! A lock's transaction is what its primary group says it is: committed, then the part here is committed; rolled back, then so is
//! the part; undecided, then it is waited for until the lock's time is up, after which anybody may roll it back, in the primary's log.
//!
//! Differs from upstream, where a primary that knows nothing of a transaction means at once that it was rolled back, with nothing on
//! record that would keep it from being prepared there later (suspicion S8).

use super::coordinator::Coordinator;
use super::error::KvError;
use super::fsm::Decision;
use super::prepared::Lock;
use super::request::Phase;
use crate::bug::Bug;
use crate::env::{Env, GroupId, Level};

impl<E: Env> Coordinator<E> {
    /// Settles the transaction that holds a key of this group, if it is decided or its time is up; whether it is settled here.
    pub async fn resolve(&self, group: GroupId, lock: Lock) -> Result<bool, KvError> {
        let primary = self.shard(lock.primary).ok_or(KvError::RouteShifted)?;
        let decided = match primary.decision(lock.txn).await? {
            Decision::Pending if lock.expires_ms <= self.env().wall_ms() => {
                match self.decide(lock.primary, lock.txn, Phase::Abort).await {
                    Ok(_) => Decision::Committed,
                    Err(KvError::TxnAborted) => {
                        sometimes!(self.env(), "expired transaction rolled back");
                        let text = format_args!(
                            "transaction {:?} was undecided for too long: rolled back",
                            lock.txn
                        );
                        self.env().log(Level::Info, text);
                        Decision::Aborted
                    }
                    Err(error) => return Err(error),
                }
            }
            // The marker is there: so, upstream once thought, nothing is left to do.
            Decision::Aborted if self.options().bugs.has(Bug::AbortShortcircuitOnMarker) => {
                return Ok(false);
            }
            decided => decided,
        };
        let phase = match decided {
            Decision::Pending => return Ok(false),
            Decision::Committed => Phase::Commit,
            Decision::Aborted => Phase::Abort,
        };
        if group != lock.primary {
            match self.decide(group, lock.txn, phase).await {
                Ok(_) | Err(KvError::TxnAborted) => {
                    sometimes!(self.env(), "secondary lock resolved")
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Looks for old locks in the groups that this node leads, until the node dies (`LockResolver`).
    pub async fn resolve_expired(self) {
        loop {
            self.env().sleep(self.options().lock_resolver).await;
            for shard in self.shards() {
                if !shard.engine().is_leader() {
                    continue;
                }
                let now_ms = self.env().wall_ms();
                let expired = shard.engine().fsm().borrow().prepared().expired(now_ms);
                for lock in expired {
                    if self.env().buggify("rare: lock left to the next turn") {
                        continue;
                    }
                    // Who could not be asked is asked again at the next turn.
                    let _ = self.resolve(shard.group(), lock).await;
                }
            }
        }
    }

    /// Hands a group's leadership to the node that leads the default group, until the node dies. EXEC needs one leader for all that
    /// it touches. Differs from upstream, whose scheduler (`--leaderBalance`) spreads leaders among nodes.
    pub async fn gather_leaders(self) {
        let every = self.options().gather_leaders;
        if every.is_zero() {
            return;
        }
        let mut rest = every;
        loop {
            self.env().sleep(rest).await;
            rest = every;
            let Some(to) = self.default_shard().engine().leader() else { continue };
            for shard in &self.shards()[1..] {
                let engine = shard.engine();
                let hands_over = to != self.env().id() && engine.is_leader() && engine.keeps_up(to);
                // Proposals are refused meanwhile: one that comes to nothing is not begun again soon.
                if hands_over && engine.transfer_leadership(to).is_ok() {
                    sometimes!(self.env(), "leader gathered");
                    rest = every * 5;
                }
            }
        }
    }
}
