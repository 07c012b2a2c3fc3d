//! The shape that is measured: who parts when, and a node and a client of raw Raft as machines that somebody drives.
//!
//! It is the shape of the prototypes that this simulation was chosen by, with our Raft in place of another's: they took 425 ms on
//! madsim, 245 to 280 ms on a bare loop, and 2,400 to 2,760 ms on turmoil for the same minute.

use bytes::{BufMut, Bytes, BytesMut};
use elastickv::raft::{ConfState, Config, Entry, InitialState, Message, Raft, SnapshotMeta};
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) const NODES: u16 = 5;
pub(super) const CLIENTS: u16 = 10;
pub(super) const KEYS: u64 = 8;
pub(super) const MS: u64 = 1_000_000;
pub(super) const TICK_NS: u64 = 10 * MS;
pub(super) const SYNC_NS: u64 = MS;
/// From the first to the second.
pub(super) const LATENCY_NS: (u64, u64) = (MS, 10 * MS);
pub(super) const DEADLINE_NS: u64 = 1_000 * MS;
pub(super) const CLIENTS_START_NS: u64 = 1_000 * MS;
pub(super) const ELECTION_TICKS: u32 = 20;
pub(super) const HEARTBEAT_TICKS: u32 = 5;

/// When which nodes are parted from the rest; `None`: nobody is. The two may be the same.
pub(super) fn partitions(seed: Seed, time: Duration) -> Vec<(u64, Option<[u16; 2]>)> {
    let mut rng = seed.stream(Stream::Nemesis);
    let end = time.as_nanos() as u64;
    let (mut at, mut all) = (5_000 * MS, Vec::new());
    while at < end {
        let mut node = || rng.range(1, u64::from(NODES) + 1) as u16;
        all.push((at, Some([node(), node()])));
        at += rng.range(2_000 * MS, 5_000 * MS);
        all.push((at, None));
        at += rng.range(2_000 * MS, 4_000 * MS);
    }
    all
}

/// What a client asks of a node and what it hears. Its first byte is none of a Raft message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) kind: u8,
    pub(super) id: u64,
    pub(super) key: u64,
    pub(super) value: u64,
}

pub(super) const APPEND: u8 = 0xf0;
pub(super) const READ: u8 = 0xf1;
/// `value`: how many values the key has.
pub(super) const ANSWER: u8 = 0xf2;
/// `value`: who leads, or 0.
pub(super) const ELSEWHERE: u8 = 0xf3;

impl Call {
    pub(super) fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(25);
        out.put_u8(self.kind);
        [self.id, self.key, self.value].into_iter().for_each(|number| out.put_u64_le(number));
        out.freeze()
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Call> {
        let (kind, numbers) = bytes.split_first()?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let [id, key, value] = numbers else { return None };
        let [id, key, value] = [id, key, value].map(|number| u64::from_le_bytes(*number));
        Some(Call { kind: *kind, id, key, value })
    }
}

/// What is to be sent, to whom.
pub(super) type Out = Vec<(u16, Bytes)>;

/// A node: Raft, and lists of which only the lengths are kept.
pub(super) struct Node {
    raft: Raft,
    lengths: BTreeMap<u64, u64>,
    applied: u64,
    waiting: BTreeSet<(u16, u64)>,
    /// By context: who asks, and what.
    asked: BTreeMap<u64, (u16, Call)>,
    contexts: u64,
    /// Reads that wait for an index to be applied.
    reads: Vec<(u64, u16, Call)>,
    /// To be sent and applied when what came with it is durable.
    held: Option<(Vec<Message>, Vec<Entry>)>,
}

impl Node {
    pub(super) fn new(id: u16, seed: Seed) -> Node {
        let conf = ConfState::voters((1..=u64::from(NODES)).collect::<Vec<u64>>());
        let snapshot = SnapshotMeta { index: 1, term: 1, conf: conf.clone() };
        let state = InitialState { snapshot, conf, ..InitialState::default() };
        let config = Config {
            election_tick: ELECTION_TICKS,
            heartbeat_tick: HEARTBEAT_TICKS,
            pre_vote: true,
            check_quorum: true,
            max_size_per_msg: 1 << 20,
            applied: 1,
            ..Config::new(u64::from(id))
        };
        let mut rng = seed.stream(Stream::Node(id));
        let draw = move |n: u64| ((u128::from(rng.next_u64()) * u128::from(n)) >> 64) as u64;
        Node {
            raft: Raft::new(config, state, Box::new(draw)),
            lengths: BTreeMap::new(),
            applied: 1,
            waiting: BTreeSet::new(),
            asked: BTreeMap::new(),
            contexts: 0,
            reads: Vec::new(),
            held: None,
        }
    }

    pub(super) fn tick(&mut self) {
        self.raft.tick();
    }

    pub(super) fn packet(&mut self, from: u16, bytes: &Bytes, out: &mut Out) {
        if bytes.first().is_some_and(|first| *first >= APPEND) {
            if let Some(call) = Call::decode(bytes) {
                self.call(from, call, out);
            }
        } else if let Ok(message) = Message::decode(bytes) {
            // Raft bears a lost message.
            let _refused = self.raft.step(message);
        }
    }

    fn call(&mut self, from: u16, call: Call, out: &mut Out) {
        if !self.raft.is_leader() {
            let elsewhere = Call { kind: ELSEWHERE, value: self.raft.leader_id(), ..call };
            return out.push((from, elsewhere.encode()));
        }
        if call.kind == READ {
            self.contexts += 1;
            if self.raft.read_index(self.contexts).is_ok() {
                self.asked.insert(self.contexts, (from, call));
            }
            return;
        }
        let mut data = BytesMut::with_capacity(26);
        data.put_u16_le(from);
        [call.id, call.key, call.value].into_iter().for_each(|number| data.put_u64_le(number));
        if self.raft.propose(data.freeze()).is_ok() {
            self.waiting.insert((from, call.id));
        }
    }

    /// Takes what there is to do, unless the last of it is not durable yet. `Some(true)`: a sync has to end before
    /// [`Node::synced`]; `Some(false)`: at once.
    pub(super) fn begin(&mut self) -> Option<bool> {
        if self.held.is_some() || !self.raft.has_ready() {
            return None;
        }
        let ready = self.raft.ready();
        let syncs = ready.must_sync;
        for state in &ready.read_states {
            if let Some((from, call)) = self.asked.remove(&state.context) {
                self.reads.push((state.index, from, call));
            }
        }
        self.held = Some((ready.messages, ready.committed));
        Some(syncs)
    }

    /// What was to be durable is.
    pub(super) fn synced(&mut self, out: &mut Out) {
        let Some((messages, committed)) = self.held.take() else { return };
        out.extend(messages.iter().map(|message| (message.to as u16, message.encode())));
        for entry in committed {
            self.apply(&entry, out);
        }
        self.raft.advance();
        let (lengths, applied) = (&self.lengths, self.applied);
        self.reads.retain(|(index, from, call)| {
            if *index > applied {
                return true;
            }
            let value = lengths.get(&call.key).copied().unwrap_or(0);
            out.push((*from, Call { kind: ANSWER, value, ..*call }.encode()));
            false
        });
    }

    fn apply(&mut self, entry: &Entry, out: &mut Out) {
        self.applied = entry.index;
        let Some((from, numbers)) = entry.data.split_first_chunk::<2>() else { return };
        let (numbers, _) = numbers.as_chunks::<8>();
        let [id, key, _] = numbers else { return };
        let [id, key] = [id, key].map(|number| u64::from_le_bytes(*number));
        let length = self.lengths.entry(key).or_default();
        *length += 1;
        let from = u16::from_le_bytes(*from);
        if self.waiting.remove(&(from, id)) {
            out.push((from, Call { kind: ANSWER, id, key, value: *length }.encode()));
        }
    }
}

/// A client in a closed loop: it asks again as soon as it has its answer.
pub(super) struct Client {
    rng: ChaCha8Rng,
    leader: u16,
    calls: u64,
    /// What it waits for.
    pub(super) current: Option<Call>,
    /// Operations that ended well.
    pub(super) done: u64,
}

impl Client {
    /// Numbered from 0.
    pub(super) fn new(number: u16, seed: Seed) -> Client {
        let rng = seed.stream(Stream::Client(number));
        Client { rng, leader: 1 + number % NODES, calls: 0, current: None, done: 0 }
    }

    /// Asks something new.
    pub(super) fn start(&mut self) -> (u16, Bytes) {
        self.calls += 1;
        let kind = if self.rng.chance(0.5) { APPEND } else { READ };
        let call = Call { kind, id: self.calls, key: self.rng.range(0, KEYS), value: self.calls };
        self.current = Some(call);
        (self.leader, call.encode())
    }

    /// An answer: who is to be asked the same again, if that is what it says. The operation is over if nothing is current.
    pub(super) fn answer(&mut self, bytes: &[u8]) -> Option<(u16, Bytes)> {
        let call = self.current?;
        let answer = Call::decode(bytes).filter(|answer| answer.id == call.id)?;
        if answer.kind == ANSWER {
            self.done += 1;
            self.current = None;
            return None;
        }
        if answer.value == 0 {
            self.give_up();
            return None;
        }
        self.leader = answer.value as u16;
        Some((self.leader, call.encode()))
    }

    /// No answer came in time.
    pub(super) fn give_up(&mut self) {
        self.current = None;
        self.leader = self.rng.range(1, u64::from(NODES) + 1) as u16;
    }
}
