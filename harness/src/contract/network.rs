//! What it means that links between nodes are cut, slow, flaky or narrow: for nodes, and for clients that are to notice nothing.

use super::{BACK, NARROW_KIB_PER_S, WATCH, answers, connected, ensure, inject, serving, within};
use crate::cluster::{Cluster, NodeId};
use crate::fault::{Fault, Impairment, Sequence, Way};
use crate::redis::connection::Redis;
use crate::redis::resp::Reply;
use std::time::Duration;

/// How much longer the messages of a slowed node take: more than a machine under load is late by itself.
const LATE: Duration = Duration::from_millis(1_500);

pub(super) async fn partitioned(cluster: &dyn Cluster) -> Result<(), String> {
    let (alone, rest) = cluster.nodes().split_at(1);
    let cuts = rest.iter().flat_map(|other| [(alone[0], *other), (*other, alone[0])]).collect();
    inject(cluster, Fault::Partition { shape: "isolate node".into(), cuts }).await?;
    let reached = serving(cluster).await;
    inject(cluster, Fault::HealNetwork).await?;
    reached?;
    serving(cluster).await
}

pub(super) async fn flaky(cluster: &dyn Cluster) -> Result<(), String> {
    let nodes = cluster.nodes().to_vec();
    let flaky = Fault::Flaky { nodes, loss_percent: 20, duplicate_percent: 20 };
    between_nodes(cluster, flaky, Fault::Reliable).await
}

pub(super) async fn throttled(cluster: &dyn Cluster) -> Result<(), String> {
    let nodes = cluster.nodes().to_vec();
    let throttle = Fault::Throttle { nodes, kib_per_s: NARROW_KIB_PER_S };
    between_nodes(cluster, throttle, Fault::Unthrottle).await
}

/// What a single link can do, of each sort, as bad as a nemesis makes it or worse.
pub(super) const IMPAIRMENTS: [Impairment; 7] = [
    Impairment::Late { base_ms: 1_000, jitter_ms: 1_000, tail_percent: 20, tail_ms: 2_000 },
    Impairment::Lost { percent: 60 },
    Impairment::Doubled { percent: 60 },
    Impairment::Reordered { percent: 60, within_ms: 500 },
    Impairment::Damaged { percent: 60 },
    Impairment::Narrow { kib_per_s: NARROW_KIB_PER_S },
    Impairment::Dripping { bytes_per_s: 256 },
];

pub(super) async fn impaired(cluster: &dyn Cluster, how: Impairment) -> Result<(), String> {
    let breaks = Fault::Links { links: every_link(cluster), how };
    between_nodes(cluster, breaks, Fault::LinksWhole(how.sort())).await
}

pub(super) async fn held(cluster: &dyn Cluster) -> Result<(), String> {
    let breaks = Fault::Hold { links: every_link(cluster), then: Sequence::Reversed };
    between_nodes(cluster, breaks, Fault::Release).await
}

/// All links between nodes.
pub(super) fn every_link(cluster: &dyn Cluster) -> Vec<(NodeId, NodeId)> {
    let nodes = cluster.nodes();
    let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
    pairs.filter(|(from, to)| from != to).collect()
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

pub(super) async fn unasked(cluster: &dyn Cluster) -> Result<(), String> {
    let (node, rest) = (cluster.nodes()[0], &cluster.nodes()[1..]);
    for way in Way::ALL {
        let mut before = connected(cluster, node).await?;
        inject(cluster, Fault::CutClients { nodes: vec![node], way }).await?;
        let mut during = Ok(());
        if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
            during =
                Err(format!("{node} answered {reply} on an old connection that is cut, {way}"));
        }
        let fresh = async { Redis::new(cluster.connect(node).await?).ask(&[b"PING"]).await };
        if let Some(Ok(reply)) = within(cluster, WATCH, fresh).await {
            during = Err(format!("{node} answered {reply} on a connection that is cut, {way}"));
        }
        for other in rest {
            during = during.and(answers(cluster, *other).await);
        }
        inject(cluster, Fault::HealClients).await?;
        during?;
        serving(cluster).await?;
    }
    Ok(())
}

pub(super) async fn reset(cluster: &dyn Cluster) -> Result<(), String> {
    let (node, rest) = (cluster.nodes()[0], &cluster.nodes()[1..]);
    let mut before = connected(cluster, node).await?;
    let mut others = Vec::new();
    for other in rest {
        others.push((*other, connected(cluster, *other).await?));
    }
    inject(cluster, Fault::Reset { nodes: vec![node] }).await?;
    match within(cluster, WATCH, before.ask(&[b"PING"])).await {
        Some(Err(_)) => {}
        Some(Ok(reply)) => return Err(format!("{node} answered {reply} on a reset connection")),
        None => return Err(format!("a reset connection to {node} was silent")),
    }
    for (other, mut redis) in others {
        let answered = within(cluster, BACK, redis.ask(&[b"PING"])).await;
        ensure(matches!(answered, Some(Ok(_))), || {
            format!("a connection to {other} broke, which was not reset")
        })?;
    }
    answers(cluster, node).await
}

pub(super) async fn forgotten(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    for way in Way::ALL {
        let mut before = connected(cluster, node).await?;
        inject(cluster, Fault::Forget { nodes: vec![node], way }).await?;
        let said = within(cluster, WATCH, before.ask(&[b"PING"])).await;
        let fresh = answers(cluster, node).await;
        inject(cluster, Fault::Remember).await?;
        match said {
            None => {}
            Some(Ok(reply)) => {
                return Err(format!("{node} answered {reply} on a forgotten connection, {way}"));
            }
            Some(Err(error)) => return Err(format!("a forgotten connection broke: {error}")),
        }
        fresh?;
        let said = within(cluster, WATCH, before.ask(&[b"PING"])).await;
        ensure(matches!(said, Some(Err(_))), || {
            format!("a forgotten connection to {node} was not reset in the end")
        })?;
    }
    serving(cluster).await
}

pub(super) async fn slowed(cluster: &dyn Cluster) -> Result<(), String> {
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
