//! What it means that links between nodes are cut, slow, flaky or narrow: for nodes, and for clients that are to notice nothing.

use super::{BACK, NARROW_KIB_PER_S, WATCH, answers, connected, ensure, inject, serving, within};
use crate::cluster::{Cluster, NodeId};
use crate::fault::Fault;
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
