//! All of Elastickv under the shape: its Redis, the clients of `redis-append` in a closed loop, invariants, the history and its
//! hash. The floor is the same without a madsim runtime around it.

use super::raw::{fault, world};
use super::shape::{CLIENTS, ELECTION_TICKS, HEARTBEAT_TICKS, KEYS, NODES, partitions};
use super::{Ground, Work};
use crate::cluster::SimCluster;
use crate::execute::with_history;
use crate::node::Elastickv;
use crate::run::{simulate_bare, simulate_here};
use elastickv::env::NodeId;
use elastickv::options::Options as NodeOptions;
use harness::catalog;
use harness::generator::on_threads::OnThreads;
use harness::history::Kind;
use harness::nemesis::planned::Planned;
use harness::options::Options;
use harness::run::{Drivers, Hooks, Run, run_with};
use harness::seed::Seed;
use std::rc::Rc;
use std::time::Duration;

pub(super) fn run(seed: Seed, time: Duration, ground: Ground) -> Work {
    let nodes = (1..=NODES).map(NodeId).collect();
    // The shape's Raft, not upstream's: an election time-out of 0.2 s leaves no room for a lease.
    let options = NodeOptions {
        election_ticks: ELECTION_TICKS,
        heartbeat_ticks: HEARTBEAT_TICKS,
        ..NodeOptions::new(nodes)
    };
    let guest = Rc::new(Elastickv::new(options));
    let body = |cluster| script(cluster, seed, time);
    let (run, messages) = match ground {
        Ground::World => simulate_here(seed, world(), NODES, guest, body),
        Ground::Floor => simulate_bare(seed, world(), NODES, guest, body),
    };
    let done = |event: &&harness::history::Event| event.kind == Kind::Ok;
    let operations = run.history.events.iter().filter(done).count() as u64;
    Work { messages, operations, hash: with_history(&run) }
}

async fn script(cluster: Rc<SimCluster>, seed: Seed, time: Duration) -> (Run, u64) {
    let test = catalog::find("redis-append").expect("it is in the catalog");
    let mut options = Options::defaults_of(&test);
    options.faults.clear();
    (options.nodes, options.clients, options.time) = (NODES, CLIENTS, time);
    (options.shape.keys, options.shape.txn_min, options.shape.txn_max) = (KEYS as _, 1, 1);
    options.shape.read_percent = 50;
    let looks = partitions(seed, time);
    let looks = looks.into_iter().map(|(at, parted)| (Duration::from_nanos(at), fault(parted)));
    let drivers = Drivers {
        generator: Box::new(OnThreads::first(
            usize::from(CLIENTS),
            test.workload.generator(&options.shape),
        )),
        nemesis: Box::new(Planned::script(looks)),
        until: time,
        began: Some(Duration::ZERO),
    };
    let hooks = Hooks { drivers: Some(drivers), ..Hooks::default() };
    let run = run_with(&test, &options, &*cluster, seed, hooks).await;
    (run.expect("a simulated world is set up"), cluster.world().sent())
}
