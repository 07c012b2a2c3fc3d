//! The Raft core in a hostile network: messages lost, doubled, reordered and late, nodes that crash between
//! taking work and persisting it, that restart with or without what was not synced. Each step checks the
//! paper's properties, linearizable read indexes and lease stamps; at the end the network heals and all
//! nodes must agree again.
//!
//! Cannot see: configuration changes, which have stories of their own.

use bytes::Bytes;
use elastickv::raft::{
    ConfState, Config, Entry, HardState, InitialState, Message, MessageKind, Raft, Ready, Role,
    Snapshot, SnapshotMeta, StepError,
};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

const ELECTION: u32 = 5;

#[derive(Clone, Debug)]
enum Act {
    /// So many ticks at once.
    Tick(usize, u32),
    /// Some message of those under way arrives.
    Deliver(usize),
    /// The oldest messages arrive, and the drivers keep up.
    Flow(usize),
    Double(usize),
    Lose(usize),
    /// The driver takes its next step: take work, persist it, or send and apply it.
    Drive(usize),
    /// The driver finishes all its work.
    Drain(usize),
    /// By the first node from this one on that believes to lead.
    Propose(usize),
    /// As well.
    Read(usize),
    Compact(usize),
    /// As well, to another.
    Transfer(usize, usize),
    Unreachable(usize, usize),
    Isolate(usize),
    Heal,
    Crash {
        node: usize,
        lose_unsynced: bool,
        forget_state: bool,
    },
}

fn act(nodes: usize) -> impl Strategy<Value = Act> {
    let node = move || 0..nodes;
    let pick = any::<usize>;
    prop_oneof![
        25 => (node(), 1..5u32).prop_map(|(node, ticks)| Act::Tick(node, ticks)),
        30 => pick().prop_map(Act::Deliver),
        25 => (1..12usize).prop_map(Act::Flow),
        3 => pick().prop_map(Act::Double),
        4 => pick().prop_map(Act::Lose),
        25 => node().prop_map(Act::Drive),
        25 => node().prop_map(Act::Drain),
        10 => node().prop_map(Act::Propose),
        8 => node().prop_map(Act::Read),
        3 => node().prop_map(Act::Compact),
        2 => (node(), node()).prop_map(|(from, to)| Act::Transfer(from, to)),
        1 => (node(), node()).prop_map(|(from, to)| Act::Unreachable(from, to)),
        2 => node().prop_map(Act::Isolate),
        4 => Just(Act::Heal),
        2 => (node(), any::<bool>(), any::<bool>())
            .prop_map(|(node, lose_unsynced, forget_state)| Act::Crash { node, lose_unsynced, forget_state }),
    ]
}

#[derive(Clone, Debug)]
struct Setting {
    nodes: usize,
    pre_vote: bool,
    check_quorum: bool,
    max_inflight: usize,
}

fn setting(nodes: usize) -> impl Strategy<Value = Setting> {
    let mostly = || prop::bool::weighted(0.75);
    (mostly(), mostly(), 1..4usize).prop_map(move |(pre_vote, check_quorum, max_inflight)| {
        Setting { nodes, pre_vote, check_quorum, max_inflight }
    })
}

/// What the state machine holds: how much it has applied, and a hash of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    index: u64,
    hash: u64,
}

impl State {
    fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.index, self.index + 1, "applied out of order");
        self.index = entry.index;
        for byte in entry.data.iter().chain(&entry.term.to_le_bytes()) {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn to_bytes(self) -> Bytes {
        Bytes::from([self.index.to_le_bytes(), self.hash.to_le_bytes()].concat())
    }

    fn from_bytes(bytes: &Bytes) -> State {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        State { index: number(0), hash: number(8) }
    }
}

#[derive(Clone, Default)]
struct Disk {
    hard_state: HardState,
    /// As of the last sync.
    synced_hard_state: HardState,
    snapshot: Snapshot,
    entries: Vec<Entry>,
}

struct Node {
    raft: Raft,
    disk: Disk,
    state: State,
    taken: Option<(Ready, bool)>,
    /// The commit indexes of the cluster when each read was asked.
    reads: BTreeMap<u64, u64>,
    last_role: (u64, Role),
}

#[derive(Clone, Default)]
struct Seen {
    elections: Cell<u64>,
    applied: Cell<u64>,
    reads: Cell<u64>,
    snapshots: Cell<u64>,
    stamps: Cell<u64>,
}

fn count(cell: &Cell<u64>) {
    cell.set(cell.get() + 1);
}

struct World<'a> {
    setting: Setting,
    nodes: Vec<Node>,
    wire: Vec<Message>,
    isolated: BTreeSet<u64>,
    now: u64,
    /// Who led each term, and since when.
    leaders: BTreeMap<u64, (u64, u64)>,
    /// Term of each index that some node knew to be committed.
    committed: BTreeMap<u64, u64>,
    states: BTreeMap<u64, State>,
    draws: u64,
    seen: &'a Seen,
}

fn start(setting: &Setting, id: u64, disk: Disk, state: State, draws: u64) -> Node {
    let config = Config {
        election_tick: ELECTION,
        heartbeat_tick: 1,
        pre_vote: setting.pre_vote,
        check_quorum: setting.check_quorum,
        max_size_per_msg: 100,
        max_committed_size_per_ready: 100,
        max_inflight: setting.max_inflight,
        applied: state.index,
        ..Config::new(id)
    };
    let initial = InitialState {
        hard_state: disk.hard_state,
        snapshot: disk.snapshot.meta.clone(),
        conf: ConfState::voters((1..=setting.nodes as u64).collect::<Vec<_>>()),
        entries: disk.entries.clone(),
    };
    let mut seed = draws;
    let draw = Box::new(move |n| {
        seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (seed >> 33) % n
    });
    let mut raft = Raft::new(config, initial, draw);
    if disk.snapshot.meta.index > 0 {
        raft.compact(disk.snapshot.clone()).expect("the log starts after it");
    }
    let last_role = (raft.term(), Role::Follower);
    Node { raft, disk, state, taken: None, reads: BTreeMap::new(), last_role }
}

impl<'a> World<'a> {
    fn new(setting: Setting, seen: &'a Seen) -> World<'a> {
        let ids = 1..=setting.nodes as u64;
        let nodes = ids.map(|id| start(&setting, id, Disk::default(), State::default(), id));
        World {
            nodes: nodes.collect(),
            setting,
            wire: Vec::new(),
            isolated: BTreeSet::new(),
            now: 0,
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            states: BTreeMap::new(),
            draws: 100,
            seen,
        }
    }

    fn act(&mut self, act: &Act) {
        self.now += 1;
        self.nodes.iter_mut().for_each(|node| node.raft.set_stamp(self.now));
        match *act {
            Act::Tick(node, ticks) => (0..ticks).for_each(|_| self.nodes[node].raft.tick()),
            Act::Deliver(nth) => self.deliver(nth),
            Act::Flow(messages) => (0..messages).for_each(|_| {
                self.deliver(0);
                (0..self.nodes.len()).for_each(|node| self.drain(node));
            }),
            Act::Double(nth) if !self.wire.is_empty() => {
                self.wire.push(self.wire[nth % self.wire.len()].clone());
            }
            Act::Lose(nth) if !self.wire.is_empty() => {
                let lost = self.wire.swap_remove(nth % self.wire.len());
                self.report(&lost, false);
            }
            Act::Double(_) | Act::Lose(_) => {}
            Act::Drive(node) => self.drive(node),
            Act::Drain(node) => self.drain(node),
            Act::Propose(node) => {
                let data = Bytes::from(self.now.to_string());
                let _ = self.leader(node).raft.propose(data);
            }
            Act::Read(node) => self.read(node),
            Act::Compact(node) => self.compact(node),
            Act::Transfer(from, to) => self.leader(from).raft.transfer_leader(to as u64 + 1),
            Act::Unreachable(from, to) => self.nodes[from].raft.report_unreachable(to as u64 + 1),
            Act::Isolate(node) => {
                self.isolated.insert(node as u64 + 1);
            }
            Act::Heal => self.isolated.clear(),
            Act::Crash { node, lose_unsynced, forget_state } => {
                self.crash(node, lose_unsynced, forget_state);
            }
        }
        self.check();
    }

    fn leader(&mut self, from: usize) -> &mut Node {
        let count = self.nodes.len();
        let mut turn = (from..from + count).map(|at| at % count);
        let leads = |at: &usize| self.nodes[*at].raft.role() == Role::Leader;
        let at = turn.find(leads).unwrap_or(from);
        &mut self.nodes[at]
    }

    fn deliver(&mut self, nth: usize) {
        if self.wire.is_empty() {
            return;
        }
        let message = self.wire.remove(nth % self.wire.len());
        let cut = self.isolated.contains(&message.from) || self.isolated.contains(&message.to);
        self.report(&message, !cut);
        if cut {
            return;
        }
        let decoded = Message::decode(&message.encode()).expect("we encoded it");
        assert_eq!(decoded, message);
        let result: Result<(), StepError> = self.nodes[message.to as usize - 1].raft.step(decoded);
        assert_eq!(result, Ok(()));
    }

    /// The transport tells the sender of a snapshot whether it arrived.
    fn report(&mut self, message: &Message, arrived: bool) {
        if message.kind == MessageKind::Snap {
            self.nodes[message.from as usize - 1].raft.report_snapshot(message.to, arrived);
        }
    }

    fn drive(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        match node.taken.take() {
            None if node.raft.has_ready() => node.taken = Some((node.raft.ready(), false)),
            None => {}
            Some((ready, false)) => {
                self.persist(at, &ready);
                self.nodes[at].taken = Some((ready, true));
            }
            Some((ready, true)) => self.finish(at, ready),
        }
    }

    fn drain(&mut self, at: usize) {
        while self.nodes[at].taken.is_some() || self.nodes[at].raft.has_ready() {
            self.drive(at);
        }
    }

    fn persist(&mut self, at: usize, ready: &Ready) {
        let disk = &mut self.nodes[at].disk;
        if let Some(snapshot) = &ready.snapshot {
            disk.snapshot = snapshot.clone();
            disk.entries.clear();
        }
        if let Some(first) = ready.entries.first() {
            let keep = first.index - disk.snapshot.meta.index - 1;
            assert!(keep as usize <= disk.entries.len(), "the log on disk would have a gap");
            disk.entries.truncate(keep as usize);
            disk.entries.extend_from_slice(&ready.entries);
        }
        if let Some(hard_state) = ready.hard_state {
            disk.hard_state = hard_state;
        }
        if ready.must_sync || ready.snapshot.is_some() {
            disk.synced_hard_state = disk.hard_state;
        }
    }

    fn finish(&mut self, at: usize, ready: Ready) {
        if let Some(snapshot) = &ready.snapshot {
            let state = State::from_bytes(&snapshot.data);
            assert_eq!(state.index, snapshot.meta.index);
            assert_eq!(self.states.get(&state.index), Some(&state), "snapshot of another history");
            self.nodes[at].state = state;
            count(&self.seen.snapshots);
        }
        self.wire.extend(ready.messages);
        for entry in &ready.committed {
            let node = &mut self.nodes[at];
            node.state.apply(entry);
            let state = *self.states.entry(entry.index).or_insert(node.state);
            assert_eq!(state, node.state, "n{} applied another entry at {}", at + 1, entry.index);
            count(&self.seen.applied);
        }
        for read in ready.read_states {
            let floor = self.nodes[at].reads.remove(&read.context).expect("it was asked, once");
            assert!(read.index >= floor, "read at {} misses what was acked at {floor}", read.index);
            count(&self.seen.reads);
        }
        self.nodes[at].raft.advance();
    }

    fn read(&mut self, at: usize) {
        let acked = self.committed.last_key_value().map_or(0, |(index, _)| *index);
        let now = self.now;
        let node = self.leader(at);
        if node.raft.read_index(now).is_ok() {
            node.reads.insert(now, acked);
        }
    }

    fn compact(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let index = node.raft.applied();
        // The state is ahead of a ready that is not advanced yet, or there is nothing new.
        if node.state.index != index || index == node.disk.snapshot.meta.index {
            return;
        }
        if node.taken.is_some() || node.raft.has_ready() {
            return;
        }
        let term = node.raft.term_of(index).expect("it is in the log");
        let meta = SnapshotMeta { index, term, conf: node.raft.conf_state() };
        let snapshot = Snapshot { meta, data: node.state.to_bytes() };
        let covered = index - node.disk.snapshot.meta.index;
        node.disk.entries.drain(..covered as usize);
        node.disk.snapshot = snapshot.clone();
        // Writing it syncs the log.
        node.disk.synced_hard_state = node.disk.hard_state;
        node.raft.compact(snapshot).expect("it was applied");
    }

    fn crash(&mut self, at: usize, lose_unsynced: bool, forget_state: bool) {
        let node = &self.nodes[at];
        let mut disk = node.disk.clone();
        if lose_unsynced {
            disk.hard_state = disk.synced_hard_state;
            disk.hard_state.commit = disk.hard_state.commit.max(disk.snapshot.meta.index);
        }
        // The state machine has its own disk, or comes back from the snapshot.
        let installed = node.state.index >= disk.snapshot.meta.index;
        let state = match disk.snapshot.meta.index {
            _ if installed && !forget_state => node.state,
            0 => State::default(),
            _ => State::from_bytes(&disk.snapshot.data),
        };
        self.draws += 1;
        self.nodes[at] = start(&self.setting, at as u64 + 1, disk, state, self.draws);
    }

    fn check(&mut self) {
        for at in 0..self.nodes.len() {
            self.check_commit(at);
            self.check_leader(at);
        }
        if self.now.is_multiple_of(16) {
            self.check_logs();
        }
    }

    /// State machine safety: what one node knows to be committed, no node ever knows otherwise.
    fn check_commit(&mut self, at: usize) {
        let raft = &self.nodes[at].raft;
        let Some(term) = raft.term_of(raft.commit()).filter(|term| *term > 0) else { return };
        let known = *self.committed.entry(raft.commit()).or_insert(term);
        assert_eq!(known, term, "n{} committed another entry at {}", at + 1, raft.commit());
    }

    fn check_leader(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let (raft, id) = (&node.raft, at as u64 + 1);
        let role = (raft.term(), raft.role());
        let elected = std::mem::replace(&mut node.last_role, role) != role;
        if raft.role() != Role::Leader {
            return;
        }
        if elected {
            let (leader, _) = *self.leaders.entry(raft.term()).or_insert((id, self.now));
            assert_eq!(leader, id, "two leaders in term {}", raft.term());
            // Leader completeness.
            for (index, term) in &self.committed {
                let known = raft.term_of(*index).is_none_or(|own| own == *term);
                let held = *index <= raft.snapshot_index() || raft.term_of(*index).is_some();
                assert!(known && held, "leader n{id} lacks the committed entry {index}");
            }
            count(&self.seen.elections);
        }
        // A lease: whoever leads a newer term was elected after this leader's quorum heard it.
        if let Some(stamp) = raft.quorum_stamp().filter(|stamp| *stamp > 0) {
            let newer = self.leaders.range(raft.term() + 1..).map(|(_, (_, since))| *since).min();
            assert!(newer.is_none_or(|since| since >= stamp), "lease of n{id} proves nothing");
            count(&self.seen.stamps);
        }
    }

    /// Log matching: where two logs have an entry of the same term, they are equal up to it.
    fn check_logs(&self) {
        for (at, one) in self.nodes.iter().enumerate() {
            for two in &self.nodes[..at] {
                let start = one.disk.snapshot.meta.index.max(two.disk.snapshot.meta.index);
                let (one, two) = (after_of(&one.disk, start), after_of(&two.disk, start));
                let pairs = || one.iter().zip(two);
                let agree = pairs().rposition(|(one, two)| one.term == two.term);
                let equal = pairs().take(agree.map_or(0, |at| at + 1)).all(|(one, two)| one == two);
                assert!(equal, "logs differ below an entry that they share");
            }
        }
    }

    /// Nothing is lost any more: a leader must be there soon, and everybody must catch up.
    fn heal(&mut self) {
        self.isolated.clear();
        self.quiet(8 * ELECTION);
        let leads = |node: &Node| node.raft.role() == Role::Leader;
        let leaders: Vec<usize> =
            (0..self.nodes.len()).filter(|at| leads(&self.nodes[*at])).collect();
        assert_eq!(leaders.len(), 1, "leaders after healing: {leaders:?}");
        let index = self.nodes[leaders[0]].raft.propose(Bytes::from_static(b"healed"));
        let index = index.expect("it leads and no transfer lasts that long");
        self.quiet(2 * ELECTION);
        for (at, node) in self.nodes.iter().enumerate() {
            assert_eq!(node.state.index, index, "n{} did not catch up", at + 1);
        }
    }

    fn quiet(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for node in 0..self.nodes.len() {
                self.act(&Act::Tick(node, 1));
            }
            loop {
                (0..self.nodes.len()).for_each(|node| self.act(&Act::Drain(node)));
                if self.wire.is_empty() {
                    break;
                }
                while !self.wire.is_empty() {
                    self.act(&Act::Deliver(0));
                }
            }
        }
    }
}

fn after_of(disk: &Disk, start: u64) -> &[Entry] {
    disk.entries.get((start - disk.snapshot.meta.index) as usize..).unwrap_or_default()
}

fn explore(nodes: usize, cases: u32, acts: usize) {
    let config = ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(557),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let seen = Seen::default();
    let strategy = (setting(nodes), prop::collection::vec(act(nodes), acts));
    let result = TestRunner::new(config).run(&strategy, |(setting, acts)| {
        let mut world = World::new(setting, &seen);
        acts.iter().for_each(|act| world.act(act));
        world.heal();
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let Seen { elections, applied, reads, snapshots, stamps } = seen;
    let seen = [elections.get(), applied.get(), reads.get(), snapshots.get(), stamps.get()];
    assert!(seen.iter().all(|seen| *seen > u64::from(cases)), "too little was tested: {seen:?}");
}

#[test]
fn three_nodes_keep_every_promise_in_a_hostile_network() {
    explore(3, 300, 1500);
}

#[test]
fn five_nodes_keep_every_promise_in_a_hostile_network() {
    explore(5, 200, 2500);
}
