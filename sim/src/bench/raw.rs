//! Raw appends in the world: a node and a client as programs, each on a host of its own.

use super::Work;
use super::shape::{
    CLIENTS, CLIENTS_START_NS, Client, DEADLINE_NS, LATENCY_NS, NODES, Node, Out, SYNC_NS, TICK_NS,
    partitions,
};
use crate::cluster::{Guest, SimCluster};
use crate::env::SimEnv;
use crate::params::WorldParams;
use crate::run::simulate_here;
use elastickv::env::{Env, GroupId, Lane, NodeId};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::select_biased;
use harness::cluster::{self, Cluster};
use harness::fault::Fault;
use harness::seed::Seed;
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// No group, so that nothing watches.
struct Raw {
    seed: Seed,
    done: Rc<Cell<u64>>,
}

impl Guest for Raw {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        match env.node <= NODES {
            true => node(env, Node::new(env.node, self.seed)).boxed_local(),
            false => {
                let client = Client::new(env.node - NODES - 1, self.seed);
                drive(env, client, self.done.clone()).boxed_local()
            }
        }
    }

    fn groups(&self) -> Vec<GroupId> {
        Vec::new()
    }
}

async fn node(env: SimEnv, mut node: Node) {
    let tick_time = Duration::from_nanos(TICK_NS);
    let mut next_tick = env.monotonic() + tick_time;
    let mut tick = pin!(env.sleep(tick_time).fuse());
    let mut out = Out::new();
    loop {
        select_biased! {
            () = tick => {
                node.tick();
                next_tick = (next_tick + tick_time).max(env.monotonic());
                tick.set(env.sleep(next_tick - env.monotonic()).fuse());
            }
            (from, message) = pin!(env.receive(Lane::Normal).fuse()) => {
                node.packet(from.0, &message, &mut out);
            }
        }
        while let Some((from, message)) = env.try_receive(Lane::Normal) {
            node.packet(from.0, &message, &mut out);
        }
        while let Some(syncs) = node.begin() {
            send(env, &mut out);
            if syncs {
                env.sleep(Duration::from_nanos(SYNC_NS)).await;
            }
            node.synced(&mut out);
        }
        send(env, &mut out);
    }
}

fn send(env: SimEnv, out: &mut Out) {
    for (to, message) in out.drain(..) {
        env.send(NodeId(to), Lane::Normal, message);
    }
}

async fn drive(env: SimEnv, mut client: Client, done: Rc<Cell<u64>>) {
    env.sleep(Duration::from_nanos(CLIENTS_START_NS)).await;
    loop {
        let (node, message) = client.start();
        env.send(NodeId(node), Lane::Normal, message);
        let mut deadline = pin!(env.sleep(Duration::from_nanos(DEADLINE_NS)).fuse());
        while client.current.is_some() {
            select_biased! {
                (_, message) = pin!(env.receive(Lane::Normal).fuse()) => {
                    let before = client.done;
                    if let Some((node, again)) = client.answer(&message) {
                        env.send(NodeId(node), Lane::Normal, again);
                    }
                    done.set(done.get() + client.done - before);
                }
                () = deadline => client.give_up(),
            }
        }
    }
}

/// The world of the shape: no chance but in how long a message takes.
pub(super) fn world() -> WorldParams {
    WorldParams {
        latency_ns: LATENCY_NS.0,
        jitter_ns: LATENCY_NS.1 - LATENCY_NS.0,
        reorder: true,
        sync_ns: (SYNC_NS, SYNC_NS + 1),
        ..WorldParams::calm()
    }
}

/// The fault that parts these two from the rest, or mends it.
pub(super) fn fault(parted: Option<[u16; 2]>) -> Fault {
    let Some(parted) = parted else { return Fault::HealNetwork };
    let all = || (1..=NODES).flat_map(|a| (1..=NODES).map(move |b| (a, b)));
    let cut = all().filter(|(a, b)| parted.contains(a) != parted.contains(b));
    let cuts = cut.map(|(a, b)| (cluster::NodeId(a), cluster::NodeId(b))).collect();
    Fault::Partition { shape: "two nodes".to_owned(), cuts }
}

pub(super) fn run(seed: Seed, time: Duration) -> Work {
    let done = Rc::new(Cell::new(0));
    let guest = Rc::new(Raw { seed, done: done.clone() });
    let told =
        simulate_here(seed, world(), NODES + CLIENTS, guest, |cluster| script(cluster, time));
    Work { operations: done.get(), ..told }
}

async fn script(cluster: Rc<SimCluster>, time: Duration) -> Work {
    cluster.set_up(cluster.world().seed).await.expect("a simulated world is set up");
    for (at, parted) in partitions(cluster.world().seed, time) {
        let now = cluster.clock().now();
        cluster.clock().sleep(Duration::from_nanos(at).saturating_sub(now)).await;
        cluster.inject(&fault(parted)).await.expect("a partition of nodes that there are");
    }
    let now = cluster.clock().now();
    cluster.clock().sleep(time.saturating_sub(now)).await;
    let world = cluster.world();
    Work { messages: world.sent(), operations: 0, hash: world.trace().hash() }
}
