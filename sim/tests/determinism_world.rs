//! The same seed gives the same world, and the trace hash notices the smallest difference.
#![cfg(madsim)]

use bytes::Bytes;
use elastickv::env::{Disk, Draw, Env, Fact, GroupId, Lane, Listener, NodeId, Port};
use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::{AsyncReadExt, AsyncWriteExt, select_biased};
use harness::cluster::{self, Artifacts, Cluster};
use harness::fault::{Damage, DiskTrouble, Fault, Impairment, Sequence, Sort, Way};
use harness::plan::{Fate, Override};
use harness::seed::Seed;
use sim::cluster::Guest;
use sim::env::SimEnv;
use sim::params::WorldParams;
use sim::trace::Window;
use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

const NODES: u16 = 5;

/// Gossips, writes and syncs, answers clients, stalls.
struct Chatty;

impl Guest for Chatty {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        chat(env).boxed_local()
    }
}

async fn chat(env: SimEnv) {
    let heard = Rc::new(Cell::new(0));
    env.observe(GroupId::DEFAULT, Fact::Leads { term: 10 * env.boot + u64::from(env.node) });
    env.spawn(gossip(env, heard.clone()));
    let mut listener = env.listen(Port::REDIS).await.expect("nobody else listens");
    while let Ok(socket) = listener.accept().await {
        env.reached("accepted a client");
        env.spawn(answer(env, socket, heard.clone()));
    }
}

async fn gossip(env: SimEnv, heard: Rc<Cell<u64>>) {
    loop {
        let wait = Duration::from_millis(1 + env.draw(Draw::Election) % 10);
        let mut tick = pin!(env.sleep(wait).fuse());
        loop {
            let mut next = pin!(env.receive(Lane::Normal).fuse());
            select_biased! {
                _ = next => heard.set(heard.get() + 1),
                () = tick => break,
            }
        }
        for to in (1..=NODES).filter(|to| *to != env.node) {
            env.send(NodeId(to), Lane::Normal, Bytes::from(heard.get().to_le_bytes().to_vec()));
        }
    }
}

async fn answer(env: SimEnv, mut socket: <SimEnv as Env>::Socket, heard: Rc<Cell<u64>>) {
    let disk = env.disk();
    if disk.len("log").await.is_err() {
        disk.create("log").await.expect("a disk takes files");
    }
    let mut byte = [0];
    while socket.read_exact(&mut byte).await.is_ok() {
        env.yield_point("before the write").await;
        let stamp = env.wall_ms().to_le_bytes();
        disk.append("log", &stamp).await.expect("the file is there");
        disk.sync("log").await.expect("the file is there");
        if socket.write_all(&heard.get().to_le_bytes()).await.is_err() {
            return;
        }
    }
}

/// Three simulated seconds with every fault, and clients that ask all the while.
fn run(seed: Seed, params: WorldParams) -> (Artifacts, Vec<String>) {
    sim::simulate(
        seed,
        params,
        NODES,
        || Rc::new(Chatty),
        async move |cluster| {
            cluster.set_up(seed).await.expect("a simulated cluster starts");
            let n = cluster::NodeId;
            let links = |how| Fault::Links { links: vec![(n(1), n(2)), (n(2), n(1))], how };
            let story = [
                Fault::Partition { shape: "one".into(), cuts: vec![(n(1), n(2)), (n(2), n(1))] },
                Fault::Kill(n(3)),
                Fault::Pause(n(4)),
                Fault::WallJump { node: n(5), by_ms: 700 },
                Fault::Slow { nodes: vec![n(1), n(2)], delay_ms: 30, jitter_ms: 20 },
                Fault::PowerOff(n(5)),
                Fault::HealNetwork,
                Fault::Restart(n(3)),
                Fault::Restart(n(5)),
                Fault::Resume(n(4)),
                Fault::WallReset(n(5)),
                Fault::Fast,
                Fault::Flaky { nodes: vec![n(1)], loss_percent: 20, duplicate_percent: 20 },
                Fault::Throttle { nodes: vec![n(2)], kib_per_s: 8 },
                Fault::WallStrobe { node: n(3), delta_ms: 300, period_ms: 7 },
                Fault::WallDrift { node: n(4), ppm: 50_000 },
                Fault::Reboot(n(5)),
                links(Impairment::Late { base_ms: 9, jitter_ms: 9, tail_percent: 9, tail_ms: 90 }),
                links(Impairment::Lost { percent: 20 }),
                links(Impairment::Doubled { percent: 20 }),
                links(Impairment::Reordered { percent: 20, within_ms: 20 }),
                links(Impairment::Damaged { percent: 20 }),
                links(Impairment::Narrow { kib_per_s: 8 }),
                links(Impairment::Dripping { bytes_per_s: 512 }),
                Fault::LinksWhole(Sort::Loss),
                Fault::CutClients { nodes: vec![n(1)], way: Way::Out },
                Fault::HealClients,
                Fault::Reset { nodes: vec![n(1)] },
                Fault::Forget { nodes: vec![n(2)], way: Way::In },
                Fault::Remember,
                Fault::Hold { links: vec![(n(1), n(2))], then: Sequence::Drawn(7) },
                Fault::Release,
                Fault::Echo { node: n(1), down_ms: 50 },
                Fault::Readdress { node: n(2), stale_ms: 300 },
                Fault::Reliable,
                Fault::Unthrottle,
                Fault::Restart(n(5)),
                Fault::WallReset(n(3)),
                Fault::WallReset(n(4)),
                Fault::KillAt { node: n(3), step: "before the reply".to_owned(), or_after_ms: 90 },
                Fault::KillAfter { node: n(1), polls: 60 },
                Fault::Storm { node: n(2), times: 3, up_ms: 7, down_ms: 2 },
                Fault::LimitMemory { node: n(5), kib: 1, or_after_ms: 50 },
                Fault::WallFreeze(n(4)),
                Fault::MonoDrift { node: n(4), ppm: 300_000 },
                Fault::MonoDrift { node: n(5), ppm: -200_000 },
                Fault::WallLeap { node: n(2), back_ms: 12_000 },
                Fault::Restart(n(3)),
                Fault::Restart(n(1)),
                Fault::WallReset(n(4)),
                Fault::WallReset(n(2)),
                Fault::MonoReset(n(4)),
                Fault::Restart(n(5)),
                Fault::SpoilDisk { node: n(1), how: DiskTrouble::SlowSyncs { by_ms: 20 } },
                Fault::DamageDisk { node: n(2), how: Damage::Misdirected, at: 7 },
                Fault::DiskWhole(n(1)),
                Fault::SwapDisk { node: n(1), after_ms: 30 },
            ];
            for fault in &story {
                for node in cluster.nodes() {
                    ask(&cluster, *node).await;
                }
                cluster.inject(fault).await.expect("a fault of a known node");
            }
            let artifacts = cluster.tear_down().await;
            let lines = cluster.world().trace().lines().to_vec();
            (artifacts, lines)
        },
    )
}

/// One request with a deadline.
async fn ask(cluster: &sim::cluster::SimCluster, node: cluster::NodeId) {
    let mut deadline = cluster.clock().sleep(Duration::from_millis(50)).fuse();
    let request = async {
        let mut connection = cluster.connect(node).await?;
        connection.write_all(b"?").await?;
        connection.read_exact(&mut [0; 8]).await
    };
    let mut request = pin!(request.fuse());
    select_biased! {
        _ = request => {}
        () = deadline => {}
    }
}

#[test]
fn the_same_seed_gives_the_same_hash_and_another_seed_another() {
    let seed = Seed(7);
    let (first, _) = run(seed, WorldParams::from_seed(seed));
    let (again, _) = run(seed, WorldParams::from_seed(seed));
    assert_eq!(first, again);
    assert!(first.counters["accepted a client"] > 10, "{:?}", first.counters);
    assert!(first.counters["datagrams sent"] > 1000, "{:?}", first.counters);
    let (other, _) = run(Seed(8), WorldParams::from_seed(Seed(8)));
    assert_ne!(first.trace_hash, other.trace_hash);
}

/// One message from n1 to n2 takes a nanosecond more.
fn later(number: u64) -> Override {
    Override { from: 1, to: 2, number, fate: Fate::Late(1) }
}

#[test]
fn one_nanosecond_more_on_one_message_changes_the_hash() {
    let seed = Seed(7);
    let params = WorldParams { loss_ppm: 0, ..WorldParams::from_seed(seed) };
    let usual = run(seed, params.clone()).0.trace_hash;
    for number in [0, 10, 50] {
        let delayed = WorldParams { overrides: vec![later(number)], ..params.clone() };
        assert_ne!(run(seed, delayed).0.trace_hash, usual, "message {number}");
    }
}

#[test]
fn recording_a_window_of_events_changes_nothing_and_shows_the_first_divergence() {
    let seed = Seed(7);
    let params = WorldParams { loss_ppm: 0, ..WorldParams::from_seed(seed) };
    let record = Some(Window { from: 0, limit: 100_000 });
    let recorded = WorldParams { record, ..params.clone() };
    let delayed = WorldParams { overrides: vec![later(50)], ..recorded.clone() };
    let ((plain, none), (same, lines)) = (run(seed, params), run(seed, recorded));
    assert_eq!((plain.trace_hash, none.len()), (same.trace_hash, 0));
    let (_, other) = run(seed, delayed);
    let first = lines.iter().zip(&other).position(|(a, b)| a != b).expect("they diverge");
    assert!(first > 300, "{}", lines[first]);
}

#[test]
fn every_kind_of_world_takes_every_fault_without_a_finding_and_replays() {
    for seed in (0..30).map(Seed) {
        let (first, _) = run(seed, WorldParams::from_seed(seed));
        assert_eq!(first.findings, [], "seed {seed}");
        assert_eq!(first, run(seed, WorldParams::from_seed(seed)).0, "seed {seed}");
    }
}
