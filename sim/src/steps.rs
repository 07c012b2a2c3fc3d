//! Kills from inside a process: at a step that has a name, at any await, or when too much waits for it.
//!
//! A step is a disk call of the layers, by what it does and in which folder, or a yield point that they name themselves; so no layer
//! knows of steps, and what no fault waits for costs a look at a cell. Promises: the process ends before the call does anything, or right
//! after it did all of it and before the caller hears of that; and it ends in any case, some time later, if it does not get
//! there. Each step that was really hit is a mark of its own. What waits for a process is counted, not what its allocator holds, which
//! builds differ in; it is looked at after each poll.
//!
//! Cannot see: a step between two awaits, where nothing that a disk or a peer could tell happens.

use crate::host::Down;
use crate::world::World;
use harness::cluster::FaultError;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Append,
    Sync,
    /// Of a file under a temporary name.
    SyncNew,
    Rename,
    Remove,
    SyncDir,
}

/// Where a process can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment<'a> {
    /// This is about to be done in this folder.
    Before(Call, &'a str),
    /// It was done, and nobody was told.
    After(Call, &'a str),
    /// The yield point of this name.
    Yield(&'a str),
}

/// A moment that has a name.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// Counted when a process was killed there.
    mark: &'static str,
    at: Moment<'static>,
    /// Only where keys are parted among groups.
    of_groups: bool,
}

macro_rules! step {
    ($name:literal, $at:expr) => {
        Step { name: $name, mark: concat!("killed at: ", $name), at: $at, of_groups: false }
    };
}

macro_rules! step_of_groups {
    ($name:literal) => {
        Step { of_groups: true, ..step!($name, Moment::Yield($name)) }
    };
}

/// Counted when a process was killed at any of them.
pub(crate) const HIT: &str = "killed inside a named step";

/// Counted when a process was killed since too much waited for it.
pub(crate) const OUT_OF_MEMORY: &str = "killed out of memory";

/// Every step, in the order in which an entry meets them.
const STEPS: &[Step] = &[
    // Entries are in the log and not synced; synced, and nothing was sent for it.
    step!("wal sync", Moment::Before(Call::Sync, "wal")),
    step!("wal synced", Moment::After(Call::Sync, "wal")),
    // Applied in memory and not in the store's journal; in the journal, and nobody was answered.
    step!("store append", Moment::Before(Call::Append, "store")),
    step!("store appended", Moment::After(Call::Append, "store")),
    // Applied, and the answer does not leave.
    step!("before the reply", Moment::Yield("before the reply")),
    // What a request passes on its way there.
    step!("between fence and snapshot", Moment::Yield("between fence and snapshot")),
    step!("between snapshot and dispatch", Moment::Yield("between snapshot and dispatch")),
    step!("between VerifyLeader and Propose", Moment::Yield("between VerifyLeader and Propose")),
    step_of_groups!("between prewrites"),
    step_of_groups!("between primary and secondaries"),
    // A snapshot's file: empty; written; synced under its temporary name; named, where the name can still be lost.
    step!("snap append", Moment::Before(Call::Append, "snap")),
    step!("snap sync", Moment::Before(Call::SyncNew, "snap")),
    step!("snap rename", Moment::Before(Call::Rename, "snap")),
    step!("snap names", Moment::Before(Call::SyncDir, "snap")),
    step!("snap remove", Moment::Before(Call::Remove, "snap")),
    // The log's new segment behind a snapshot: written; synced; named; the old one still there.
    step!("wal new sync", Moment::Before(Call::SyncNew, "wal")),
    step!("wal rename", Moment::Before(Call::Rename, "wal")),
    step!("wal names", Moment::Before(Call::SyncDir, "wal")),
    step!("wal remove", Moment::Before(Call::Remove, "wal")),
];

/// What is counted when a process ends from inside.
pub(crate) fn marks() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|step| step.mark).chain([HIT, OUT_OF_MEMORY])
}

/// The names of all steps that a program with several groups has, or one with one.
pub(crate) fn names(is_sharded: bool) -> impl Iterator<Item = &'static str> {
    STEPS.iter().filter(move |step| is_sharded || !step.of_groups).map(|step| step.name)
}

/// What may end a process from inside, one for each node.
#[derive(Default)]
pub(crate) struct Fuse {
    step: Cell<Option<&'static Step>>,
    /// What is looked at after each poll of the node's tasks, who share it.
    pub(crate) polled: Rc<Cell<Polled>>,
    injection: Cell<usize>,
    /// Whoever waits for the end.
    waiter: RefCell<Option<Waker>>,
}

/// What a poll sets off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Polled {
    #[default]
    Nothing,
    /// The end, after so many more.
    Polls(u64),
    /// The end, if more bytes than this wait then.
    Bytes(u64),
}

/// What sets a fuse off.
pub(crate) enum Spark {
    Step(&'static Step),
    Polled(Polled),
}

/// A fuse that is set, for as long as somebody waits for it.
struct Set<'a>(&'a Fuse);

impl Drop for Set<'_> {
    fn drop(&mut self) {
        self.0.step.set(None);
        self.0.polled.set(Polled::Nothing);
        drop(self.0.waiter.take());
    }
}

impl World {
    /// The step of this name, or a sentence with those that there are.
    pub(crate) fn step(&self, name: &str) -> Result<Spark, FaultError> {
        let known = |step: &&Step| step.name == name && (self.is_sharded || !step.of_groups);
        STEPS.iter().find(known).map(Spark::Step).ok_or_else(|| {
            let names = names(self.is_sharded).collect::<Vec<&str>>().join(", ");
            FaultError(format!("there is no step `{name}`: the steps are {names}"))
        })
    }

    /// Kills a node's process at the spark, or after that time; returns when it is dead.
    pub(crate) async fn kill_inside(
        &self,
        node: u16,
        spark: Spark,
        within: Duration,
        injection: usize,
    ) {
        if self.is_up(node) {
            let fuse = &self.fuses[usize::from(node)];
            let set = Set(fuse);
            fuse.injection.set(injection);
            match spark {
                Spark::Step(step) => fuse.step.set(Some(step)),
                Spark::Polled(polled) => fuse.polled.set(polled),
            }
            let mut limit = pin!(self.sleep(within));
            poll_fn(|cx| {
                if !self.is_up(node) {
                    return Poll::Ready(());
                }
                *fuse.waiter.borrow_mut() = Some(cx.waker().clone());
                limit.as_mut().poll(cx)
            })
            .await;
            drop(set);
        }
        self.take_down(node, Down::Process, injection);
    }

    fn is_up(&self, node: u16) -> bool {
        self.hosts.borrow()[usize::from(node)].up
    }

    /// Whether a node's process, which is at this moment, is killed there: it is over then.
    pub(crate) fn is_killed_at<'m>(&self, node: u16, moment: impl FnOnce() -> Moment<'m>) -> bool {
        let Some(step) = self.fuses[usize::from(node)].step.get() else { return false };
        if step.at != moment() {
            return false;
        }
        self.count(step.mark);
        self.count(HIT);
        self.burn(node);
        true
    }

    /// A task of a node's process, to which this fuse belongs, has run.
    pub(crate) fn polled(&self, node: u16, polled: &Cell<Polled>) {
        match polled.get() {
            Polled::Nothing => {}
            Polled::Polls(left @ 2..) => polled.set(Polled::Polls(left - 1)),
            Polled::Polls(_) => self.burn(node),
            Polled::Bytes(limit) if self.waits_for(node) <= limit => {}
            Polled::Bytes(_) => {
                self.count(OUT_OF_MEMORY);
                self.burn(node);
            }
        }
    }

    /// Bytes that a node's process or its kernel keeps until somebody reads or syncs them.
    fn waits_for(&self, node: u16) -> u64 {
        let inboxes = self.hosts.borrow()[usize::from(node)].unread();
        let unsynced = self.disks[usize::from(node)].borrow().volume.unsynced_bytes();
        inboxes + unsynced + self.streams.borrow().held(node)
    }

    /// The fuse of a node's process is through: it ends where it is.
    fn burn(&self, node: u16) {
        let fuse = &self.fuses[usize::from(node)];
        self.acted(fuse.injection.get(), 1);
        let waiter = fuse.waiter.take();
        drop(Set(fuse));
        self.stop(node, Down::Process);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

/// Where a path's file is, without the group that it belongs to.
pub(crate) fn folder(path: &str) -> &str {
    without_group(path).rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A folder, or a path, without the group that it belongs to: `g2/wal` is `wal`.
pub(crate) fn without_group(path: &str) -> &str {
    let of_group = |(first, rest)| {
        let number: &str = str::strip_prefix(first, 'g')?;
        (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
    };
    path.split_once('/').and_then(of_group).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_file_is_in_its_folder_whatever_its_group() {
        assert_eq!(
            ["wal/1.log", "g2/wal/1.log", "g12/snap/3.fsm.new"].map(folder),
            ["wal", "wal", "snap"]
        );
        assert_eq!(["log", "g/wal/1", "gnu/1"].map(folder), ["", "g/wal", "gnu"]);
        assert_eq!(["wal", "g2/wal", "g2x/wal"].map(without_group), ["wal", "wal", "g2x/wal"]);
    }

    #[test]
    fn every_step_has_a_name_and_a_moment_of_its_own() {
        let names: BTreeSet<&str> = STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), STEPS.len());
        for (place, step) in STEPS.iter().enumerate() {
            assert_eq!(step.mark, format!("killed at: {}", step.name));
            assert!(STEPS[..place].iter().all(|other| other.at != step.at), "{}", step.name);
        }
        assert_eq!(super::names(true).count(), STEPS.len());
        assert!(super::names(false).all(|name| !name.contains("prewrites")));
    }
}
