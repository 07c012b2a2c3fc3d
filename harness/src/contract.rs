//! What the methods of [`Cluster`] mean, as clauses that run against any cluster. Both worlds run [`all`].
//!
//! A clause begins and ends on a whole cluster whose nodes answer PING. It speaks to nodes in RESP, since
//! whether a node is there shows only in its answers. Limits are generous: a clause says what happens, not how soon.
//!
//! Cannot see: whether a power cut or a reboot really lost what was not synced, which a world's own counters say; nor what
//! happens between nodes, whether a partition really cut, a flaky link lost, a throttled one made wait, or what a node's wall
//! clock shows: that is what [`crate::cluster::Artifacts::effects`] count.

use crate::cluster::{Cluster, NodeId};
use crate::fault::{Damage, DiskTrouble, Fault, FaultKind, Sequence, Way};
use crate::redis::connection::Redis;
use crate::redis::resp::Reply;
use crate::seed::Seed;
use futures_util::future::{Either, LocalBoxFuture, select};
use std::pin::pin;
use std::time::Duration;

mod clocks;
mod disks;
mod members;
mod network;
mod processes;

/// How long a node may take to answer again after it was mended.
const BACK: Duration = Duration::from_secs(30);
/// How long a broken thing is watched to see that it is broken.
const WATCH: Duration = Duration::from_secs(2);

/// The smallest rate that a nemesis chooses.
const NARROW_KIB_PER_S: u32 = 8;

/// A promise, and how to find out whether it holds. `Err` says in a sentence what happened instead.
pub struct Clause {
    /// A sentence that is true when it passes.
    pub name: &'static str,
    /// The fault that it needs.
    pub needs: Option<FaultKind>,
    /// Finds out.
    pub check: for<'a> fn(&'a dyn Cluster) -> LocalBoxFuture<'a, Result<(), String>>,
}

/// Every clause.
pub fn all() -> Vec<Clause> {
    let clause = |name, needs, check| Clause { name, needs, check };
    use FaultKind::{
        Address, BitRot, Ceiling, Clients, DiskFull, Drift, Echo, Flaky, Freeze, HalfOpen, Hold,
        IoError, Jump, Kill, KillAt, KillAwait, Latency, Leap, LinkDamage, LinkDouble, LinkDrip,
        LinkLatency, LinkLoss, LinkOrder, LinkRate, LyingSync, Membership, Memory, Misdirect,
        MonoDrift, Partition, Pause, Power, Reboot, Reset, Rolling, ShortRead, SlowSync, Split,
        StaleDisk, Storm, Strobe, Throttle, Transfer,
    };
    vec![
        clause("the clock moves and a sleep is never short", None, |c| Box::pin(time(c))),
        clause("every node answers", None, |c| Box::pin(serving(c))),
        clause("leaders are told at once, whatever is broken", None, |c| Box::pin(leaders(c))),
        clause(
            "a killed node breaks its connections, refuses new ones and comes back",
            Some(Kill),
            |c| Box::pin(processes::killed(c, Fault::Kill)),
        ),
        clause(
            "a node that is killed inside a step is dead when the fault returns, whatever the step, and no other step is known",
            Some(KillAt),
            |c| Box::pin(processes::killed_at_each_step(c)),
        ),
        clause(
            "a node that is killed at an await is dead when the fault returns",
            Some(KillAwait),
            |c| Box::pin(processes::killed(c, |node| Fault::KillAfter { node, polls: 40 })),
        ),
        clause(
            "a node that reaches its memory's limit is dead when the fault returns",
            Some(Memory),
            |c| {
                Box::pin(processes::killed(c, |node| Fault::LimitMemory {
                    node,
                    kib: 1,
                    or_after_ms: 50,
                }))
            },
        ),
        clause("a node without power is silent and comes back", Some(Power), |c| {
            Box::pin(processes::without_machine(c, Fault::PowerOff))
        }),
        clause("a rebooted node refuses or is silent until it is restarted", Some(Reboot), |c| {
            Box::pin(processes::without_machine(c, Fault::Reboot))
        }),
        clause("a partition cuts no client off and heals", Some(Partition), |c| {
            Box::pin(network::partitioned(c))
        }),
        clause("a paused node keeps its port open and answers when resumed", Some(Pause), |c| {
            Box::pin(processes::paused(c))
        }),
        clause("a wall clock that jumps does no harm to clients", Some(Jump), |c| {
            Box::pin(clocks::jumped(c))
        }),
        clause(
            "flaky links between nodes lose nothing of a client's, and all answer when they are reliable",
            Some(Flaky),
            |c| Box::pin(network::flaky(c)),
        ),
        clause(
            "throttled links between nodes hold up no client, and all answer when they are not",
            Some(Throttle),
            |c| Box::pin(network::throttled(c)),
        ),
        clause("single links that are late hold up no client", Some(LinkLatency), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[0]))
        }),
        clause("single links that lose hold up no client", Some(LinkLoss), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[1]))
        }),
        clause("single links that double hold up no client", Some(LinkDouble), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[2]))
        }),
        clause("single links that keep no order hold up no client", Some(LinkOrder), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[3]))
        }),
        clause("single links that damage hold up no client", Some(LinkDamage), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[4]))
        }),
        clause("single links with little room hold up no client", Some(LinkRate), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[5]))
        }),
        clause("single links on which streams drip hold up no client", Some(LinkDrip), |c| {
            Box::pin(network::impaired(c, network::IMPAIRMENTS[6]))
        }),
        clause("messages between nodes that are held back hold up no client", Some(Hold), |c| {
            Box::pin(network::held(c))
        }),
        clause(
            "a slowed node answers late, and promptly again when it is fast",
            Some(Latency),
            |c| Box::pin(network::slowed(c)),
        ),
        clause("a wall clock that strobes does no harm to clients", Some(Strobe), |c| {
            Box::pin(clocks::strobed(c))
        }),
        clause("a wall clock that drifts does no harm to clients", Some(Drift), |c| {
            Box::pin(clocks::drifted(c))
        }),
        clause("a wall clock that stands still does no harm to clients", Some(Freeze), |c| {
            Box::pin(clocks::frozen(c))
        }),
        clause("a wall clock that leaps back does no harm to clients", Some(Leap), |c| {
            Box::pin(clocks::leapt(c))
        }),
        clause("a monotonic clock that drifts does no harm to clients", Some(MonoDrift), |c| {
            Box::pin(clocks::paced(c))
        }),
        clause(
            "the group goes on without a removed node, which answers when it has joined",
            Some(Membership),
            |c| Box::pin(members::removed(c)),
        ),
        clause(
            "a rolling restart breaks each node's connections and leaves all of them running",
            Some(Rolling),
            |c| Box::pin(processes::restarted_in_turn(c)),
        ),
        clause(
            "a restart storm breaks a node's connections and leaves it running",
            Some(Storm),
            |c| Box::pin(processes::restarted_again_and_again(c)),
        ),
        clause("who is handed leadership leads", Some(Transfer), |c| {
            Box::pin(members::handed_over(c))
        }),
        clause("a range that is split serves its keys on both sides", Some(Split), |c| {
            Box::pin(members::split(c))
        }),
        clause(
            "under a held ceiling writes are refused, and none is when it is over",
            Some(Ceiling),
            |c| Box::pin(members::ceiling_held(c)),
        ),
        clause(
            "a node that clients are cut from answers none of them until they are healed, and others do",
            Some(Clients),
            |c| Box::pin(network::unasked(c)),
        ),
        clause(
            "a connection that is reset breaks, and a fresh one is answered",
            Some(Reset),
            |c| Box::pin(network::reset(c)),
        ),
        clause(
            "a forgotten connection is silent until it is reset, and a fresh one is answered",
            Some(HalfOpen),
            |c| Box::pin(network::forgotten(c)),
        ),
        clause(
            "a node that is told old messages again has restarted, and answers",
            Some(Echo),
            |c| Box::pin(processes::told_again(c)),
        ),
        clause(
            "a node that comes back under another address answers when its name is looked up again",
            Some(Address),
            |c| Box::pin(processes::readdressed(c)),
        ),
        clause("a node whose syncs are slow answers", Some(SlowSync), |c| {
            Box::pin(disks::troubled(c, DiskTrouble::SlowSyncs { by_ms: 300 }))
        }),
        clause("a node whose disk reads short answers", Some(ShortRead), |c| {
            Box::pin(disks::troubled(c, DiskTrouble::ShortReads))
        }),
        clause("a node whose disk fails is gone until the disk is whole", Some(IoError), |c| {
            Box::pin(disks::ended(c, DiskTrouble::Errors { after: 3 }))
        }),
        clause("a node whose disk is full is gone until there is room", Some(DiskFull), |c| {
            Box::pin(disks::ended(c, DiskTrouble::Full))
        }),
        clause("a node whose disk rots is gone until it is replaced", Some(BitRot), |c| {
            Box::pin(disks::lost(c, Damage::Rot))
        }),
        clause(
            "a node whose disk misdirects a write is gone until it is replaced",
            Some(Misdirect),
            |c| Box::pin(disks::lost(c, Damage::Misdirected)),
        ),
        clause(
            "a node that was lied to goes on, and without its power is gone until it is replaced",
            Some(LyingSync),
            |c| Box::pin(disks::lied_to(c)),
        ),
        clause(
            "a node whose disk is an older one is gone until it is replaced, also if it is told to start",
            Some(StaleDisk),
            |c| Box::pin(disks::swapped(c)),
        ),
        clause("a fault injected twice is injected once", None, |c| Box::pin(twice(c))),
    ]
}

/// Sets a cluster up, checks every clause whose fault it supports, tears it down: what each one said, by name.
pub async fn check_all(
    cluster: &dyn Cluster,
    seed: Seed,
) -> Vec<(&'static str, Result<(), String>)> {
    if let Err(error) = cluster.set_up(seed).await {
        return vec![("the cluster is set up", Err(error.to_string()))];
    }
    let mut results = Vec::new();
    for clause in all() {
        if clause.needs.is_none_or(|kind| cluster.supports(kind)) {
            results.push((clause.name, (clause.check)(cluster).await));
        }
    }
    cluster.tear_down().await;
    results
}

async fn time(cluster: &dyn Cluster) -> Result<(), String> {
    let clock = cluster.clock();
    for asked in [Duration::ZERO, Duration::from_micros(10), Duration::from_millis(30)] {
        let before = clock.now();
        clock.sleep(asked).await;
        let slept = clock.now().saturating_sub(before);
        ensure(slept >= asked, || format!("a sleep of {asked:?} took {slept:?}"))?;
    }
    let before = clock.now();
    drop(clock.sleep(Duration::from_secs(3600)));
    clock.sleep(Duration::from_millis(1)).await;
    ensure(clock.now() - before < Duration::from_secs(3600), || "a dropped sleep was slept".into())
}

async fn serving(cluster: &dyn Cluster) -> Result<(), String> {
    for node in cluster.nodes() {
        answers(cluster, *node).await?;
    }
    Ok(())
}

async fn leaders(cluster: &dyn Cluster) -> Result<(), String> {
    told(cluster).await?;
    if cluster.supports(FaultKind::Pause) {
        for node in cluster.nodes() {
            inject(cluster, Fault::Pause(*node)).await?;
        }
        let result = told(cluster).await;
        for node in cluster.nodes() {
            inject(cluster, Fault::Resume(*node)).await?;
        }
        result?;
    }
    serving(cluster).await
}

async fn told(cluster: &dyn Cluster) -> Result<(), String> {
    let limit = Duration::from_secs(5);
    let leaders = within(cluster, limit, cluster.leaders()).await;
    let leaders = leaders.ok_or_else(|| format!("leaders() took more than {limit:?}"))?;
    let stranger = leaders.iter().find(|id| !cluster.nodes().contains(id));
    match stranger {
        Some(id) => Err(format!("{id} leads, which is not in this cluster")),
        None => Ok(()),
    }
}

async fn twice(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let step = cluster.steps().first().cloned().unwrap_or_default();
    let pairs = [
        (FaultKind::Kill, Fault::Kill(node), Fault::Restart(node)),
        (FaultKind::Power, Fault::PowerOff(node), Fault::Restart(node)),
        (FaultKind::Pause, Fault::Pause(node), Fault::Resume(node)),
        (FaultKind::Jump, Fault::WallJump { node, by_ms: 10 }, Fault::WallReset(node)),
        (
            FaultKind::Partition,
            Fault::Partition { shape: "none".into(), cuts: Vec::new() },
            Fault::HealNetwork,
        ),
        (
            FaultKind::Latency,
            Fault::Slow { nodes: vec![node], delay_ms: 10, jitter_ms: 5 },
            Fault::Fast,
        ),
        (
            FaultKind::Flaky,
            Fault::Flaky { nodes: vec![node], loss_percent: 20, duplicate_percent: 20 },
            Fault::Reliable,
        ),
        (
            FaultKind::Throttle,
            Fault::Throttle { nodes: vec![node], kib_per_s: NARROW_KIB_PER_S },
            Fault::Unthrottle,
        ),
        (
            FaultKind::Strobe,
            Fault::WallStrobe { node, delta_ms: 10, period_ms: 5 },
            Fault::WallReset(node),
        ),
        (FaultKind::Drift, Fault::WallDrift { node, ppm: 1_000 }, Fault::WallReset(node)),
        (FaultKind::Reboot, Fault::Reboot(node), Fault::Restart(node)),
        (FaultKind::Membership, Fault::Remove(node), Fault::Join(node)),
        (
            FaultKind::Clients,
            Fault::CutClients { nodes: vec![node], way: Way::Both },
            Fault::HealClients,
        ),
        (FaultKind::HalfOpen, Fault::Forget { nodes: vec![node], way: Way::Both }, Fault::Remember),
        (
            FaultKind::Hold,
            Fault::Hold { links: network::every_link(cluster), then: Sequence::Reversed },
            Fault::Release,
        ),
        (FaultKind::KillAt, Fault::KillAt { node, step, or_after_ms: 50 }, Fault::Restart(node)),
        (FaultKind::Freeze, Fault::WallFreeze(node), Fault::WallReset(node)),
        (FaultKind::Leap, Fault::WallLeap { node, back_ms: 10_001 }, Fault::WallReset(node)),
        (FaultKind::MonoDrift, Fault::MonoDrift { node, ppm: 1_000 }, Fault::MonoReset(node)),
        (
            FaultKind::Memory,
            Fault::LimitMemory { node, kib: 1, or_after_ms: 50 },
            Fault::Restart(node),
        ),
        (FaultKind::KillAwait, Fault::KillAfter { node, polls: 40 }, Fault::Restart(node)),
    ];
    let links = network::IMPAIRMENTS.map(|how| {
        let breaks = Fault::Links { links: network::every_link(cluster), how };
        (how.sort().kind(), breaks, Fault::LinksWhole(how.sort()))
    });
    let troubles = [
        DiskTrouble::SlowSyncs { by_ms: 10 },
        DiskTrouble::Errors { after: 0 },
        DiskTrouble::Full,
        DiskTrouble::ShortReads,
        DiskTrouble::LyingSyncs,
    ];
    let spoilt =
        troubles.map(|how| (how.kind(), Fault::SpoilDisk { node, how }, Fault::DiskWhole(node)));
    // Two that are left need each other: nobody can be replaced.
    let damages =
        if cluster.nodes().len() < 3 { &[][..] } else { &[Damage::Rot, Damage::Misdirected] };
    let damaged = damages.iter().map(|how| {
        (how.kind(), Fault::DamageDisk { node, how: *how, at: 1 }, Fault::Replace(node))
    });
    let swap = Fault::SwapDisk { node, after_ms: 50 };
    let swapped = (FaultKind::StaleDisk, swap, Fault::Replace(node));
    let swapped = (!damages.is_empty()).then_some(swapped);
    let disks = spoilt.into_iter().chain(damaged).chain(swapped);
    for (kind, breaks, mends) in pairs.into_iter().chain(links).chain(disks) {
        if cluster.supports(kind) {
            for fault in [&breaks, &breaks, &mends, &mends] {
                inject(cluster, fault.clone()).await?;
            }
            answers(cluster, node)
                .await
                .map_err(|error| format!("after {breaks} twice: {error}"))?;
        }
    }
    Ok(())
}

/// Waits until the node answers PING on a fresh connection.
async fn answers(cluster: &dyn Cluster, node: NodeId) -> Result<(), String> {
    connected(cluster, node).await.map(drop)
}

/// A fresh connection that has answered PING.
async fn connected(cluster: &dyn Cluster, node: NodeId) -> Result<Redis, String> {
    let clock = cluster.clock();
    let limit = clock.now() + BACK;
    loop {
        let ping = async {
            let mut redis = Redis::new(cluster.connect(node).await?);
            let reply = redis.ask(&[b"PING"]).await?;
            Ok::<(Redis, Reply), std::io::Error>((redis, reply))
        };
        let last = match within(cluster, Duration::from_secs(5), ping).await {
            Some(Ok((redis, reply))) if reply.is_status("PONG") => return Ok(redis),
            Some(Ok((_, reply))) => format!("PING was answered with {reply}"),
            Some(Err(error)) => error.to_string(),
            None => "no answer in 5 s".to_owned(),
        };
        if clock.now() >= limit {
            return Err(format!("{node} did not answer within {BACK:?}: {last}"));
        }
        clock.sleep(Duration::from_millis(50)).await;
    }
}

async fn inject(cluster: &dyn Cluster, fault: Fault) -> Result<(), String> {
    cluster.inject(&fault).await.map_err(|error| format!("{fault}: {error}"))
}

/// What the future gives, if it does so in time.
async fn within<T>(
    cluster: &dyn Cluster,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    match select(pin!(future), cluster.clock().sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
