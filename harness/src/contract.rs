//! What the methods of [`Cluster`] mean, as clauses that run against any cluster. Both worlds run [`all`].
//!
//! A clause begins and ends on a whole cluster whose nodes answer PING. It speaks to nodes in RESP, since
//! whether a node is there shows only in its answers. Limits are generous: a clause says what happens, not how soon.
//!
//! Cannot see: whether a power cut or a reboot really lost what was not synced, which a world's own counters say; nor what
//! happens between nodes, whether a partition really cut, a flaky link lost, a throttled one made wait, or what a node's wall
//! clock shows: that is what [`crate::cluster::Artifacts::effects`] count.

use crate::cluster::{Cluster, NodeId};
use crate::fault::{Fault, FaultKind};
use crate::redis::connection::Redis;
use crate::redis::resp::Reply;
use crate::seed::Seed;
use futures_util::future::{Either, LocalBoxFuture, select};
use std::pin::pin;
use std::time::Duration;

mod members;

/// How long a node may take to answer again after it was mended.
const BACK: Duration = Duration::from_secs(30);
/// How long a broken thing is watched to see that it is broken.
const WATCH: Duration = Duration::from_secs(2);
/// How much longer the messages of a slowed node take: more than a machine under load is late by itself.
const LATE: Duration = Duration::from_millis(1_500);

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
        Ceiling, Clock, Drift, Flaky, Kill, Latency, Membership, Partition, Pause, Power, Reboot,
        Rolling, Split, Strobe, Throttle, Transfer,
    };
    vec![
        clause("the clock moves and a sleep is never short", None, |c| Box::pin(time(c))),
        clause("every node answers", None, |c| Box::pin(serving(c))),
        clause("leaders are told at once, whatever is broken", None, |c| Box::pin(leaders(c))),
        clause(
            "a killed node breaks its connections, refuses new ones and comes back",
            Some(Kill),
            |c| Box::pin(killed(c)),
        ),
        clause("a node without power is silent and comes back", Some(Power), |c| {
            Box::pin(without_machine(c, Fault::PowerOff))
        }),
        clause("a rebooted node refuses or is silent until it is restarted", Some(Reboot), |c| {
            Box::pin(without_machine(c, Fault::Reboot))
        }),
        clause("a partition cuts no client off and heals", Some(Partition), |c| {
            Box::pin(partitioned(c))
        }),
        clause("a paused node keeps its port open and answers when resumed", Some(Pause), |c| {
            Box::pin(paused(c))
        }),
        clause("a wall clock that jumps does no harm to clients", Some(Clock), |c| {
            Box::pin(jumped(c))
        }),
        clause(
            "flaky links between nodes lose nothing of a client's, and all answer when they are reliable",
            Some(Flaky),
            |c| Box::pin(flaky(c)),
        ),
        clause(
            "throttled links between nodes hold up no client, and all answer when they are not",
            Some(Throttle),
            |c| Box::pin(throttled(c)),
        ),
        clause(
            "a slowed node answers late, and promptly again when it is fast",
            Some(Latency),
            |c| Box::pin(slowed(c)),
        ),
        clause("a wall clock that strobes does no harm to clients", Some(Strobe), |c| {
            Box::pin(strobed(c))
        }),
        clause("a wall clock that drifts does no harm to clients", Some(Drift), |c| {
            Box::pin(drifted(c))
        }),
        clause(
            "the group goes on without a removed node, which answers when it has joined",
            Some(Membership),
            |c| Box::pin(members::removed(c)),
        ),
        clause(
            "a rolling restart breaks each node's connections and leaves all of them running",
            Some(Rolling),
            |c| Box::pin(restarted_in_turn(c)),
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

async fn killed(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let mut before = connected(cluster, node).await?;
    inject(cluster, Fault::Kill(node)).await?;
    if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
        return Err(format!("killed {node} answered {reply} on an old connection"));
    }
    match within(cluster, WATCH, cluster.connect(node)).await {
        Some(Ok(_)) => return Err(format!("killed {node} accepted a connection")),
        Some(Err(_)) => {}
        None => return Err(format!("killed {node} was silent: a connection should be refused")),
    }
    inject(cluster, Fault::Restart(node)).await?;
    answers(cluster, node).await
}

async fn restarted_in_turn(cluster: &dyn Cluster) -> Result<(), String> {
    let mut before = Vec::new();
    for node in cluster.nodes() {
        before.push((*node, connected(cluster, *node).await?));
    }
    let nodes = cluster.nodes().to_vec();
    inject(cluster, Fault::Rolling { nodes, down_ms: 100, rest_ms: 100 }).await?;
    for (node, mut redis) in before {
        if let Some(Ok(reply)) = within(cluster, WATCH, redis.ask(&[b"PING"])).await {
            return Err(format!("restarted {node} answered {reply} on an old connection"));
        }
    }
    serving(cluster).await
}

async fn without_machine(cluster: &dyn Cluster, ends: fn(NodeId) -> Fault) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let mut before = connected(cluster, node).await?;
    let fault = ends(node);
    inject(cluster, fault.clone()).await?;
    if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
        return Err(format!("{node} answered {reply} after {fault}"));
    }
    if let Some(Ok(_)) = within(cluster, WATCH, cluster.connect(node)).await {
        return Err(format!("{node} accepted a connection after {fault}"));
    }
    inject(cluster, Fault::Restart(node)).await?;
    answers(cluster, node).await
}

async fn partitioned(cluster: &dyn Cluster) -> Result<(), String> {
    let (alone, rest) = cluster.nodes().split_at(1);
    let cuts = rest.iter().flat_map(|other| [(alone[0], *other), (*other, alone[0])]).collect();
    inject(cluster, Fault::Partition { shape: "isolate node".into(), cuts }).await?;
    let reached = serving(cluster).await;
    inject(cluster, Fault::HealNetwork).await?;
    reached?;
    serving(cluster).await
}

async fn paused(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    inject(cluster, Fault::Pause(node)).await?;
    let during = match within(cluster, WATCH, cluster.connect(node)).await {
        Some(Ok(connection)) => connection,
        Some(Err(error)) => return Err(format!("paused {node} refused a connection: {error}")),
        None => return Err(format!("the kernel of paused {node} did not accept a connection")),
    };
    let mut during = Redis::new(during);
    let silent = within(cluster, WATCH, during.ask(&[b"PING"])).await;
    inject(cluster, Fault::Resume(node)).await?;
    if let Some(answer) = silent {
        return Err(format!("paused {node} did not keep silent: {answer:?}"));
    }
    // What its kernel took while it was stopped is answered now.
    match within(cluster, BACK, during.reply()).await {
        Some(Ok(reply)) => {
            ensure(reply.is_status("PONG"), || format!("PING was answered {reply}"))?
        }
        Some(Err(error)) => return Err(format!("resumed {node} broke a connection: {error}")),
        None => return Err(format!("resumed {node} did not answer within {BACK:?}")),
    }
    answers(cluster, node).await
}

async fn jumped(cluster: &dyn Cluster) -> Result<(), String> {
    skewed(cluster, |node| [60_000, -120_000].map(|by_ms| Fault::WallJump { node, by_ms })).await
}

async fn strobed(cluster: &dyn Cluster) -> Result<(), String> {
    let strobe = |node, delta_ms, period_ms| Fault::WallStrobe { node, delta_ms, period_ms };
    skewed(cluster, |node| [strobe(node, 60_000, 1), strobe(node, -60_000, 700)]).await
}

async fn drifted(cluster: &dyn Cluster) -> Result<(), String> {
    skewed(cluster, |node| [100_000, -100_000].map(|ppm| Fault::WallDrift { node, ppm })).await
}

async fn skewed(
    cluster: &dyn Cluster,
    faults: impl FnOnce(NodeId) -> [Fault; 2],
) -> Result<(), String> {
    let node = cluster.nodes()[0];
    for fault in faults(node) {
        let before = cluster.clock().now();
        inject(cluster, fault).await?;
        answers(cluster, node).await?;
        let after = cluster.clock().now();
        ensure(after >= before, || format!("the cluster's clock went back to {after:?}"))?;
    }
    inject(cluster, Fault::WallReset(node)).await?;
    answers(cluster, node).await
}

async fn flaky(cluster: &dyn Cluster) -> Result<(), String> {
    let nodes = cluster.nodes().to_vec();
    let flaky = Fault::Flaky { nodes, loss_percent: 20, duplicate_percent: 20 };
    between_nodes(cluster, flaky, Fault::Reliable).await
}

async fn throttled(cluster: &dyn Cluster) -> Result<(), String> {
    let nodes = cluster.nodes().to_vec();
    let throttle = Fault::Throttle { nodes, kib_per_s: NARROW_KIB_PER_S };
    between_nodes(cluster, throttle, Fault::Unthrottle).await
}

/// What is broken between nodes holds up no client, on an old connection or a fresh one.
async fn between_nodes(cluster: &dyn Cluster, breaks: Fault, mends: Fault) -> Result<(), String> {
    let mut before = Vec::new();
    for node in cluster.nodes() {
        before.push((*node, connected(cluster, *node).await?));
    }
    inject(cluster, breaks.clone()).await?;
    let mut during = Ok(());
    for (node, old) in &mut before {
        let answered = within(cluster, WATCH, old.ask(&[b"PING"])).await;
        let said = match answered {
            Some(Ok(reply)) if reply.is_status("PONG") => continue,
            Some(Ok(reply)) => format!("answered PING with {reply}"),
            Some(Err(error)) => format!("broke a connection: {error}"),
            None => format!("did not answer a client within {WATCH:?}"),
        };
        during = during.and(Err(format!("{node} {said} during `{breaks}`")));
    }
    for node in cluster.nodes() {
        during = during.and(prompt(cluster, *node).await);
    }
    inject(cluster, mends).await?;
    during?;
    for node in cluster.nodes() {
        prompt(cluster, *node).await?;
    }
    Ok(())
}

async fn slowed(cluster: &dyn Cluster) -> Result<(), String> {
    let (node, rest) = (cluster.nodes()[0], &cluster.nodes()[1..]);
    let mut before = connected(cluster, node).await?;
    let (delay_ms, jitter_ms) = (LATE.as_millis() as u32, 200);
    inject(cluster, Fault::Slow { nodes: vec![node], delay_ms, jitter_ms }).await?;
    let took = answer_time(cluster, node, before.ask(&[b"PING"])).await;
    let fresh = async { Redis::new(cluster.connect(node).await?).ask(&[b"PING"]).await };
    let took_fresh = answer_time(cluster, node, fresh).await;
    let mut others = Ok(());
    for other in rest {
        others = others.and(prompt(cluster, *other).await);
    }
    inject(cluster, Fault::Fast).await?;
    for (took, on) in [(took?, "an old"), (took_fresh?, "a fresh")] {
        ensure(took >= LATE, || {
            format!("slowed by {LATE:?}, {node} answered after {took:?} on {on} connection")
        })?;
    }
    others?;
    prompt(cluster, node).await?;
    serving(cluster).await
}

/// How long the node took to answer PONG.
async fn answer_time(
    cluster: &dyn Cluster,
    node: NodeId,
    answer: impl Future<Output = std::io::Result<Reply>>,
) -> Result<Duration, String> {
    let asked = cluster.clock().now();
    match within(cluster, BACK, answer).await {
        Some(Ok(reply)) if reply.is_status("PONG") => Ok(cluster.clock().now() - asked),
        Some(Ok(reply)) => Err(format!("{node} answered PING with {reply}")),
        Some(Err(error)) => Err(format!("slowness broke a connection to {node}: {error}")),
        None => Err(format!("{node} did not answer within {BACK:?}: late is not never")),
    }
}

/// Waits until the node answers PING on a fresh connection sooner than a slowed one could.
async fn prompt(cluster: &dyn Cluster, node: NodeId) -> Result<(), String> {
    let limit = cluster.clock().now() + BACK;
    loop {
        let asked = cluster.clock().now();
        answers(cluster, node).await?;
        let took = cluster.clock().now() - asked;
        if took < LATE {
            return Ok(());
        }
        // What is under way keeps its time, and others may stand behind it.
        ensure(cluster.clock().now() < limit, || {
            format!(
                "{node} is not slowed and for {BACK:?} took {took:?} to answer, not below {LATE:?}"
            )
        })?;
    }
}

async fn twice(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let pairs = [
        (FaultKind::Kill, Fault::Kill(node), Fault::Restart(node)),
        (FaultKind::Power, Fault::PowerOff(node), Fault::Restart(node)),
        (FaultKind::Pause, Fault::Pause(node), Fault::Resume(node)),
        (FaultKind::Clock, Fault::WallJump { node, by_ms: 10 }, Fault::WallReset(node)),
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
    ];
    for (kind, breaks, mends) in pairs {
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
