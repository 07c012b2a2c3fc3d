//! What it means that a process is gone, a machine off or restarted, a process stopped.

use super::{BACK, WATCH, answers, connected, ensure, inject, serving, within};
use crate::cluster::{Cluster, NodeId};
use crate::fault::Fault;
use crate::redis::connection::Redis;

pub(super) async fn killed_at_each_step(cluster: &dyn Cluster) -> Result<(), String> {
    let steps = cluster.steps();
    ensure(!steps.is_empty(), || "there is no step to be killed at".to_owned())?;
    let node = cluster.nodes()[0];
    let at = |step: String| Fault::KillAt { node, step, or_after_ms: 50 };
    for step in &steps {
        killed(cluster, |_| at(step.clone())).await?;
    }
    let Err(sentence) = inject(cluster, at("no such step".to_owned())).await else {
        return Err("a node was killed at a step that nobody knows".to_owned());
    };
    let unnamed = steps.iter().find(|step| !sentence.contains(*step));
    ensure(unnamed.is_none(), || format!("no word of `{unnamed:?}` in: {sentence}"))?;
    answers(cluster, node).await
}

pub(super) async fn killed(
    cluster: &dyn Cluster,
    ends: impl FnOnce(NodeId) -> Fault,
) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let mut before = connected(cluster, node).await?;
    inject(cluster, ends(node)).await?;
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

pub(super) async fn restarted_in_turn(cluster: &dyn Cluster) -> Result<(), String> {
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

pub(super) async fn told_again(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let mut before = connected(cluster, node).await?;
    inject(cluster, Fault::Echo { node, down_ms: 100 }).await?;
    if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
        return Err(format!("restarted {node} answered {reply} on an old connection"));
    }
    serving(cluster).await
}

pub(super) async fn restarted_again_and_again(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let mut before = connected(cluster, node).await?;
    inject(cluster, Fault::Storm { node, times: 3, up_ms: 50, down_ms: 100 }).await?;
    if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
        return Err(format!("restarted {node} answered {reply} on an old connection"));
    }
    serving(cluster).await
}

pub(super) async fn readdressed(cluster: &dyn Cluster) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let mut before = connected(cluster, node).await?;
    inject(cluster, Fault::Readdress { node, stale_ms: 1_000 }).await?;
    if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
        return Err(format!("{node} answered {reply} on a connection to its old address"));
    }
    serving(cluster).await
}

pub(super) async fn without_machine(
    cluster: &dyn Cluster,
    ends: fn(NodeId) -> Fault,
) -> Result<(), String> {
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

pub(super) async fn paused(cluster: &dyn Cluster) -> Result<(), String> {
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
