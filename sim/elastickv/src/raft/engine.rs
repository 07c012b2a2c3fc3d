//! The engine (`internal/raftengine/etcd/engine.go`): one task that owns the Raft core, its log and the state machine.
//!
//! Each turn takes one event (a message and what is queued behind it, a tick, a call), then drains what is ready in upstream's order:
//! persist, send, apply, answer reads, advance, snapshot, notice leadership edges. Nothing that a message promises leaves before it is
//! synced; a proposal is answered only after its entry is applied and its versions are durable.
//!
//! Differs from upstream (DESIGN, "The fixed profile"): proposal ids name node, boot and counter; the commit timestamp is issued in the
//! same step that gives the entry its place in the log; a new leader neither serves nor stamps before it has applied an entry of its
//! own term; a lease is counted from when the acknowledged message was *made*; and a voter that heard from a leader, or restarted,
//! lends no vote to another for one election time-out, whatever term it has seen since: the lease that it granted may be in use.

mod drain;
mod facts;
mod membership;
mod mistakes;
mod pace;
mod proposals;
mod reads;

pub use membership::{MemberChange, MemberError, Standing};
pub use proposals::{ProposalId, payload_of};

use super::message::{
    CAMPAIGN_TRANSFER, ConfChange, ConfState, EntryKind, HardState, Message, MessageKind, Snapshot,
    SnapshotMeta,
};
use super::wal::{Image, Wal};
use super::{Config, InitialState, Raft};
use crate::admin::Since;
use crate::bug::Bug;
use crate::env::{Draw, Env, Fact, GroupId, Lane, Level, NodeId};
use crate::group::{Folder, GroupEnv};
use crate::kv::error::KvError;
use crate::kv::fsm::Fsm;
use crate::mvcc::journal::Journal;
use crate::options::{Options, Wiring};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Messages that are stepped before what is ready is drained (upstream's priority burst).
const BURST: usize = 64;
/// The most urgent first.
const LANES: [Lane; 3] = [Lane::Heartbeat, Lane::Normal, Lane::Snapshot];

/// What the engine does next.
enum Turn {
    Tick,
    Message(Bytes),
    /// Somebody in this node has asked for something.
    Called,
}

/// A handle on the engine. Cheap to clone.
pub struct Engine<E: Env>(Rc<Inner<E>>);

impl<E: Env> Clone for Engine<E> {
    fn clone(&self) -> Self {
        Engine(self.0.clone())
    }
}

struct Inner<E: Env> {
    env: GroupEnv<E>,
    options: Rc<Options>,
    since: Since,
    boot: u32,
    raft: RefCell<Raft>,
    fsm: Rc<RefCell<Fsm>>,
    proposals: RefCell<proposals::Proposals>,
    reads: RefCell<reads::Reads>,
    pace: RefCell<pace::Pace>,
    wake: Signal,
    /// The term that this node leads, as of the last drain.
    leads: Cell<Option<u64>>,
    /// An entry of the term that this node leads is applied here.
    serves: Cell<bool>,
    /// Until then this voter is silent in elections: it may be part of a quorum that some leader reads by.
    silent_until: Cell<Duration>,
    /// When this leader added each node, in its own time: what a node acknowledged before was acknowledged by an earlier life of it.
    added_at: RefCell<BTreeMap<u64, u64>>,
    /// A conf change was applied at this index: who it added needs a snapshot that knows it.
    conf_changed: Cell<u64>,
    /// Until then this node asks for no higher ceiling.
    ceiling_held_until: Cell<Duration>,
    /// Timestamps refused for the ceiling.
    refused: Cell<u64>,
    snapshot_done: Cell<Option<Snapshot>>,
    snapshot_running: Cell<bool>,
}

/// What the engine's task owns alone.
pub struct Files<E: Env> {
    /// The Raft log.
    pub wal: Wal<Folder<E::Disk>>,
    /// The store's file.
    pub journal: Journal<Folder<E::Disk>>,
}

/// What recovery found, for [`Engine::new`].
pub struct Recovered {
    /// Which start of the node, from 1.
    pub boot: u32,
    /// The log.
    pub log: Image,
    /// The snapshot that it stands on, if it has data.
    pub snapshot: Option<Snapshot>,
    /// The state machine, at its own applied index.
    pub fsm: Rc<RefCell<Fsm>>,
}

/// Raft's name of a node.
pub fn raft_id(node: NodeId) -> u64 {
    u64::from(node.0)
}

/// The configuration once so many entries are applied: the snapshot's, and what the log changed of it since.
fn conf_at(log: &Image, applied: u64) -> ConfState {
    let changes = log.entries.iter().take_while(|entry| entry.index <= applied);
    let changes = changes.filter(|entry| entry.kind == EntryKind::ConfChange);
    changes.fold(log.snapshot.conf.clone(), |conf, entry| match ConfChange::decode(&entry.data) {
        Ok(change) => conf.after(&change),
        Err(_) => conf,
    })
}

/// What an empty log starts from: the configuration of the group's first members, or, on a node that is to be added, none.
pub fn bootstrap(options: &Options, own: NodeId) -> SnapshotMeta {
    if options.joins > 0 {
        return match options.bugs.has(Bug::SelfBootstrapOnEmptyPeers) {
            true => SnapshotMeta { index: 1, term: 1, conf: ConfState::voters([raft_id(own)]) },
            false => SnapshotMeta::default(),
        };
    }
    let conf = ConfState::voters(options.nodes.iter().map(|n| raft_id(*n)).collect::<Vec<_>>());
    SnapshotMeta { index: 1, term: 1, conf }
}

impl<E: Env> Engine<E> {
    /// An engine on recovered state; it does nothing before [`Engine::run`].
    pub fn new(env: GroupEnv<E>, options: Rc<Options>, recovered: Recovered) -> Engine<E> {
        let Recovered { boot, log, snapshot, fsm } = recovered;
        let applied = fsm.borrow().applied();
        let config = Config {
            election_tick: options.election_ticks,
            heartbeat_tick: options.heartbeat_ticks,
            pre_vote: true,
            check_quorum: true,
            max_size_per_msg: 1 << 20,
            max_committed_size_per_ready: 1 << 20,
            max_inflight: 1024,
            applied,
            step_down_on_removal: true,
            votes_for_any_log: options.bugs.has(Bug::VoteWithoutLogCheck),
            votes_again: options.bugs.has(Bug::VoteTwiceInATerm),
            ..Config::new(raft_id(env.id()))
        };
        // The disk's commit index may lag behind the state machine's: what is applied is committed.
        let hard_state = HardState { commit: log.hard_state.commit.max(applied), ..log.hard_state };
        let conf = conf_at(&log, applied);
        let conf_changed = if conf == log.snapshot.conf { 0 } else { applied };
        let state = InitialState { hard_state, snapshot: log.snapshot, conf, entries: log.entries };
        let draws = E::clone(&env);
        let since = options.since.get(&env.group()).copied().unwrap_or_default();
        let draw = Box::new(move |n: u64| {
            ((u128::from(draws.draw(Draw::Election)) * u128::from(n)) >> 64) as u64
        });
        let silent_until =
            if boot > 1 { env.monotonic() + options.election_timeout() } else { Duration::ZERO };
        let mut raft = Raft::new(config, state, draw);
        if let Some(snapshot) = snapshot {
            // Kept for followers that need it; the log stands on it already, so there is nothing to drop.
            let kept = raft.compact(snapshot);
            assert!(kept.is_ok(), "the snapshot on disk does not fit the log on disk: {kept:?}");
        }
        Engine(Rc::new(Inner {
            raft: RefCell::new(raft),
            proposals: RefCell::default(),
            reads: RefCell::default(),
            pace: RefCell::default(),
            wake: Signal::default(),
            leads: Cell::new(None),
            added_at: RefCell::default(),
            serves: Cell::new(false),
            // A snapshot that was due for it when the node stopped is due still.
            conf_changed: Cell::new(conf_changed),
            ceiling_held_until: Cell::default(),
            refused: Cell::default(),
            snapshot_done: Cell::new(None),
            snapshot_running: Cell::new(false),
            silent_until: Cell::new(silent_until),
            env,
            options,
            since,
            boot,
            fsm,
        }))
    }

    /// The engine's task. Ends only with an error of the disk, which ends the node.
    pub async fn run(self, mut files: Files<E>) -> io::Result<()> {
        let inner = &self.0;
        let mut next_tick = inner.env.monotonic() + inner.options.tick;
        let mut tick = pin!(inner.env.sleep(inner.options.tick));
        loop {
            match poll_fn(|cx| inner.poll_turn(tick.as_mut(), cx)).await {
                Turn::Tick => {
                    inner.stamp();
                    inner.raft.borrow_mut().tick();
                    // As Go's Ticker: ticks that could not be taken are dropped, not made up for.
                    let now = inner.env.monotonic();
                    next_tick = (next_tick + inner.options.tick).max(now);
                    tick.set(inner.env.sleep(next_tick - now));
                }
                Turn::Message(message) => inner.step(message),
                Turn::Called => {}
            }
            inner.step_burst();
            self.ask_reads();
            self.drain(&mut files).await?;
        }
    }

    /// Which group it is of.
    pub fn group(&self) -> GroupId {
        self.0.env.group()
    }

    /// The term that this node leads, as of the last drain.
    pub fn leads(&self) -> Option<u64> {
        self.0.leads.get()
    }

    /// Whether this node leads, as of the last drain.
    pub fn is_leader(&self) -> bool {
        self.0.leads.get().is_some()
    }

    /// Who leads, as far as this node knows.
    pub fn leader(&self) -> Option<NodeId> {
        let id = self.0.raft.borrow().leader_id();
        u16::try_from(id).ok().filter(|id| *id != 0).map(NodeId)
    }

    /// The largest commit timestamp applied here.
    pub fn last_commit_ts(&self) -> u64 {
        self.0.fsm.borrow().store.last_commit_ts()
    }

    /// The state machine, for snapshot reads.
    pub fn fsm(&self) -> &Rc<RefCell<Fsm>> {
        &self.0.fsm
    }
}

impl<E: Env> Inner<E> {
    /// The next thing to do; ticks come first, then lanes by urgency. Every wait is looked at in one call: this runs for each message.
    fn poll_turn(
        &self,
        tick: Pin<&mut impl Future<Output = ()>>,
        cx: &mut Context<'_>,
    ) -> Poll<Turn> {
        if tick.poll(cx).is_ready() {
            return Poll::Ready(Turn::Tick);
        }
        for lane in LANES {
            if let Poll::Ready((_, message)) = self.env.poll_receive(lane, cx) {
                return Poll::Ready(Turn::Message(message));
            }
        }
        self.wake.poll(cx).map(|()| Turn::Called)
    }

    /// Gives the core this node's time, which its next messages will carry and their answers echo.
    fn stamp(&self) {
        self.raft.borrow_mut().set_stamp(self.env.monotonic().as_nanos() as u64);
    }

    fn step(&self, bytes: Bytes) {
        // What does not decode was torn on the way; Raft bears a lost message.
        let Ok(message) = Message::decode(&bytes) else { return };
        if is_of_an_earlier_life(&message, self.since, &self.raft.borrow()) {
            return sometimes!(self.env, "message to an earlier life ignored");
        }
        if self.is_answer_of_an_earlier_life(&message) {
            return sometimes!(self.env, "answer of an earlier life ignored");
        }
        let election = matches!(message.kind, MessageKind::Vote | MessageKind::PreVote);
        let asked_by_leader = message.context == CAMPAIGN_TRANSFER;
        if election && !asked_by_leader && self.keeps_silent() {
            let text =
                format_args!("withholds its vote from n{}: a leader may rely on it", message.from);
            self.env.log(Level::Debug, text);
            return sometimes!(self.env, "vote withheld");
        }
        if election && waits_to_be_added(self.since, &self.raft.borrow()) {
            return sometimes!(self.env, "vote withheld by a node that waits to be added");
        }
        self.stamp();
        self.restore_when_received(&message);
        let message = self.as_granted(message);
        let (from, term) = (message.from, message.term);
        let from_leader = message.kind.is_from_leader();
        if let Err(error) = self.raft.borrow_mut().step(message) {
            // Any other refused message (an answer from nobody we know) is as good as lost.
            assert!(!error.is_fatal(), "raft cannot go on: {error}");
            return;
        }
        let raft = self.raft.borrow();
        if from_leader && (raft.leader_id(), raft.term()) == (from, term) {
            self.promise_lease();
        }
    }

    /// Whether it answers a request from before its sender was added: that was asked of who has forgotten it. Raft would count on it.
    fn is_answer_of_an_earlier_life(&self, message: &Message) -> bool {
        let answers = matches!(message.kind, MessageKind::AppResp | MessageKind::HeartbeatResp);
        let added = || self.added_at.borrow().get(&message.from).copied();
        answers
            && message.term == self.raft.borrow().term()
            && added().is_some_and(|at| message.stamp < at)
    }

    /// What this node answers to a leader is a promise not to help elect another for an election time-out. The core keeps it only
    /// while it knows that leader; an old answer with a higher term makes it forget, so the engine keeps it too.
    fn promise_lease(&self) {
        let until = self.env.monotonic() + self.options.election_timeout();
        self.silent_until.set(self.silent_until.get().max(until));
    }

    fn keeps_silent(&self) -> bool {
        let votes_at_once = self.options.bugs.has(Bug::VoteBeforeLeaseRunsOut);
        !votes_at_once && self.env.monotonic() < self.silent_until.get()
    }

    fn step_burst(&self) {
        if self.env.buggify("rare: messages taken one by one") {
            return;
        }
        for lane in LANES {
            for _ in 0..BURST {
                match self.env.try_receive(lane) {
                    Some((_, message)) => self.step(message),
                    None => break,
                }
            }
        }
    }

    /// May this node, as leader, serve reads and issue timestamps?
    fn serves(&self) -> bool {
        self.leads.get().is_some() && (self.serves.get() || self.options.wiring == Wiring::Direct)
    }

    /// Notices that leadership came or went (`refreshStatus`).
    fn refresh_status(&self) {
        let (leads, term) = {
            let raft = self.raft.borrow();
            (raft.is_leader().then(|| raft.term()), raft.term())
        };
        if leads == self.leads.get() {
            return;
        }
        if self.leads.get().is_some() {
            sometimes!(self.env, "leader follows again");
            self.proposals.borrow_mut().fail_all(KvError::LeadershipLost);
            self.reads.borrow_mut().fail_all(KvError::LeadershipLost);
            self.env.observe(Fact::Follows { term });
        }
        self.leads.set(leads);
        let applied_term = {
            let raft = self.raft.borrow();
            raft.term_of(self.fsm.borrow().applied())
        };
        self.serves.set(leads.is_some() && leads == applied_term);
        if let Some(term) = leads {
            sometimes!(self.env, "leader elected");
            self.env.observe(Fact::Leads { term });
            self.observe_elected(term);
            self.observe_unapplied();
        }
    }

    /// A new leader's clock issues nothing that its log may already carry.
    fn observe_unapplied(&self) {
        let bugs = self.options.bugs;
        if bugs.has(Bug::HlcNoApplyBarrierOnElection) || bugs.has(Bug::NoCommitGtStartCheck) {
            return;
        }
        let fsm = self.fsm.borrow();
        for entry in self.raft.borrow().unapplied() {
            if let Some(payload) = payload_of(entry) {
                fsm.observe_unapplied(payload);
            }
        }
    }
}

/// Whether the sender speaks to what a node was before its disk was wiped: it leads a term from before its removal, counts on entries
/// that a node which waits to be added cannot have, or sends a state from before its removal.
fn is_of_an_earlier_life(message: &Message, since: Since, raft: &Raft) -> bool {
    let beyond = message.kind == MessageKind::Heartbeat && message.commit > raft.last_index();
    let old = |snapshot: &Snapshot| snapshot.meta.index < since.index;
    let misses = beyond || message.snapshot.as_deref().is_some_and(old);
    message.term < since.term || (misses && waits_to_be_added(since, raft))
}

/// Whether a node has come back with nothing and has not got all that was committed when it was wiped.
fn waits_to_be_added(since: Since, raft: &Raft) -> bool {
    raft.snapshot_index() < since.index
}

/// Wakes the engine's task when something was asked of it.
#[derive(Default)]
struct Signal {
    set: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    fn notify(&self) {
        self.set.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        if self.set.take() {
            return Poll::Ready(());
        }
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|set| set.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node that was wiped when its group's leader had applied entry 100 in term 7, with a log up to here.
    fn wiped(up_to: u64) -> (Since, Raft) {
        let since = Since { term: 7, index: 100 };
        let conf = ConfState::voters(if up_to == 0 { vec![] } else { vec![1, 2, 3] });
        let snapshot = SnapshotMeta { index: up_to, term: up_to.min(7), conf: conf.clone() };
        let state = InitialState { snapshot, conf, ..InitialState::default() };
        let config = Config { applied: up_to, ..Config::new(3) };
        (since, Raft::new(config, state, Box::new(|_| 0)))
    }

    fn message(kind: MessageKind, term: u64) -> Message {
        Message { term, from: 1, ..Message::new(kind, 3) }
    }

    fn snapshot(index: u64) -> Message {
        let meta = SnapshotMeta { index, term: 7, conf: ConfState::voters([1, 2, 3]) };
        let snapshot = Some(Box::new(Snapshot { meta, data: Bytes::new() }));
        Message { snapshot, ..message(MessageKind::Snap, 7) }
    }

    #[test]
    fn who_waits_to_be_added_believes_nothing_from_before_its_removal() {
        let (since, raft) = wiped(0);
        assert!(waits_to_be_added(since, &raft));
        let old = |message| is_of_an_earlier_life(&message, since, &raft);
        assert!(old(message(MessageKind::App, 6)) && !old(message(MessageKind::App, 7)));
        assert!(old(snapshot(99)) && !old(snapshot(100)));
        assert!(old(Message { commit: 1, ..message(MessageKind::Heartbeat, 7) }));
        assert!(!old(message(MessageKind::Heartbeat, 7)), "of a leader that expects nothing of it");
    }

    #[test]
    fn who_was_added_again_is_told_of_entries_that_it_lost() {
        let (since, raft) = wiped(100);
        assert!(!waits_to_be_added(since, &raft));
        let lost = Message { commit: 101, ..message(MessageKind::Heartbeat, 7) };
        assert!(!is_of_an_earlier_life(&lost, since, &raft));
        let member = Since::default();
        assert!(!waits_to_be_added(member, &raft) && !is_of_an_earlier_life(&lost, member, &raft));
    }
}
