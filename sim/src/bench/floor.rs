//! The floor of raw appends: the same nodes and clients on one heap of events, with no tasks, no world and no executor.

use super::Work;
use super::shape::{
    CLIENTS, CLIENTS_START_NS, Client, DEADLINE_NS, LATENCY_NS, NODES, Node, Out, SYNC_NS, TICK_NS,
    partitions,
};
use crate::timers::Heap;
use crate::trace::{Kind, Trace};
use bytes::Bytes;
use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

enum Event {
    Deliver(u16, u16, Bytes),
    Tick(u16),
    Synced(u16),
    Deadline(u16, u64),
    Part(Option<[u16; 2]>),
}

struct Place {
    node: Node,
    syncs: bool,
    missed_tick: bool,
    inbox: VecDeque<(u16, Bytes)>,
}

struct Loop {
    heap: Heap<Event>,
    now: u64,
    rng: ChaCha8Rng,
    parted: Option<[u16; 2]>,
    trace: Trace,
    messages: u64,
}

impl Loop {
    fn send(&mut self, from: u16, to: u16, message: Bytes) {
        self.messages += 1;
        self.trace.event(self.now, from, Kind::Send, &[u64::from(to)], &message);
        if self.is_cut(from, to) {
            return;
        }
        let took = self.rng.range(LATENCY_NS.0, LATENCY_NS.1);
        self.heap.push(self.now + took, Event::Deliver(from, to, message));
    }

    fn is_cut(&self, from: u16, to: u16) -> bool {
        let nodes = from <= NODES && to <= NODES;
        nodes && self.parted.is_some_and(|parted| parted.contains(&from) != parted.contains(&to))
    }
}

/// Clients are numbered after the nodes.
pub(super) fn run(seed: Seed, time: Duration) -> Work {
    let end = time.as_nanos() as u64;
    let (heap, rng) = (Heap::new(), seed.stream(Stream::Net));
    let trace = Trace::new(None);
    let mut world = Loop { heap, now: 0, rng, parted: None, trace, messages: 0 };
    let place = |id| Place {
        node: Node::new(id, seed),
        syncs: false,
        missed_tick: false,
        inbox: VecDeque::new(),
    };
    let mut places: Vec<Place> = (1..=NODES).map(place).collect();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, seed)).collect();
    for id in 1..=NODES {
        world.heap.push(TICK_NS + u64::from(id) * 1000, Event::Tick(id));
    }
    for (at, parted) in partitions(seed, time) {
        world.heap.push(at, Event::Part(parted));
    }
    for number in 0..CLIENTS {
        world.heap.push(CLIENTS_START_NS + u64::from(number), Event::Deadline(number, 0));
    }
    let mut out = Out::new();
    while let Some(now) = world.heap.next().filter(|at| *at < end) {
        world.now = now;
        let Some(event) = world.heap.pop(now) else { continue };
        match event {
            Event::Part(parted) => world.parted = parted,
            Event::Deadline(number, call) => {
                let client = &mut clients[usize::from(number)];
                if client.current.is_none_or(|current| current.id == call) {
                    if client.current.is_some() {
                        client.give_up();
                    }
                    ask(&mut world, number, client);
                }
            }
            Event::Deliver(from, to, message) if !world.is_cut(from, to) => {
                world.trace.event(now, to, Kind::Deliver, &[u64::from(from)], &message);
                if to > NODES {
                    let client = &mut clients[usize::from(to - NODES - 1)];
                    if let Some((node, again)) = client.answer(&message) {
                        world.send(to, node, again);
                    } else if client.current.is_none() {
                        ask(&mut world, to - NODES - 1, client);
                    }
                    continue;
                }
                let place = &mut places[usize::from(to - 1)];
                if place.syncs {
                    place.inbox.push_back((from, message));
                } else {
                    place.node.packet(from, &message, &mut out);
                    act(&mut world, to, place, &mut out);
                }
            }
            Event::Deliver(..) => {}
            Event::Tick(id) => {
                let place = &mut places[usize::from(id - 1)];
                world.heap.push(now + TICK_NS, Event::Tick(id));
                if place.syncs {
                    place.missed_tick = true;
                } else {
                    place.node.tick();
                    act(&mut world, id, place, &mut out);
                }
            }
            Event::Synced(id) => {
                let place = &mut places[usize::from(id - 1)];
                place.syncs = false;
                place.node.synced(&mut out);
                if std::mem::take(&mut place.missed_tick) {
                    place.node.tick();
                }
                while let Some((from, message)) = place.inbox.pop_front() {
                    place.node.packet(from, &message, &mut out);
                }
                act(&mut world, id, place, &mut out);
            }
        }
    }
    let operations = clients.iter().map(|client| client.done).sum();
    Work { messages: world.messages, operations, hash: world.trace.hash() }
}

fn ask(world: &mut Loop, number: u16, client: &mut Client) {
    let (node, message) = client.start();
    let call = client.current.map_or(0, |call| call.id);
    world.send(NODES + 1 + number, node, message);
    world.heap.push(world.now + DEADLINE_NS, Event::Deadline(number, call));
}

/// Does what is ready, up to the next sync.
fn act(world: &mut Loop, id: u16, place: &mut Place, out: &mut Out) {
    loop {
        match place.node.begin() {
            None => break,
            Some(false) => place.node.synced(out),
            Some(true) => {
                place.syncs = true;
                world.heap.push(world.now + SYNC_NS, Event::Synced(id));
                break;
            }
        }
    }
    for (to, message) in out.drain(..) {
        world.send(id, to, message);
    }
}
