//! What it means that something is wrong with a node's disk, for a while or until it is replaced. How slow a sync or how short a read was cannot be seen from outside.

use super::members::reads;
use super::{WATCH, answers, connected, ensure, inject, serving, within};
use crate::cluster::{Cluster, NodeId};
use crate::fault::{Damage, DiskTrouble, Fault};

/// A process that cannot go on with its disk is gone until the disk is whole.
pub(super) async fn ended(cluster: &dyn Cluster, how: DiskTrouble) -> Result<(), String> {
    let node = cluster.nodes()[0];
    is_gone(cluster, node, Fault::SpoilDisk { node, how }).await?;
    inject(cluster, Fault::DiskWhole(node)).await?;
    answers(cluster, node).await
}

/// A process whose disk is damaged is gone until its node is replaced; the others go on.
pub(super) async fn lost(cluster: &dyn Cluster, how: Damage) -> Result<(), String> {
    let [node, rest @ ..] = cluster.nodes() else { return Ok(()) };
    if rest.len() < 2 {
        return Ok(());
    }
    for at in 0..4 {
        let gone = is_gone(cluster, *node, Fault::DamageDisk { node: *node, how, at }).await;
        let mut reached = Ok(());
        for other in rest {
            reached = reached.and(reads(cluster, *other).await);
        }
        inject(cluster, Fault::Replace(*node)).await?;
        gone?;
        reached?;
        reads(cluster, *node).await?;
    }
    Ok(())
}

/// Who was lied to goes on, with its power; without, it is gone until it is replaced, also if it is told to start.
pub(super) async fn lied_to(cluster: &dyn Cluster) -> Result<(), String> {
    troubled(cluster, DiskTrouble::LyingSyncs).await?;
    let Some(node) = one_of_three(cluster) else { return Ok(()) };
    inject(cluster, Fault::SpoilDisk { node, how: DiskTrouble::LyingSyncs }).await?;
    gone_until_replaced(cluster, node, Fault::ForgetSyncs(node)).await
}

/// Who has an older disk than it had is gone until it is replaced; the others go on.
pub(super) async fn swapped(cluster: &dyn Cluster) -> Result<(), String> {
    let Some(node) = one_of_three(cluster) else { return Ok(()) };
    gone_until_replaced(cluster, node, Fault::SwapDisk { node, after_ms: 400 }).await
}

/// A node that two others can do without.
fn one_of_three(cluster: &dyn Cluster) -> Option<NodeId> {
    cluster.nodes().first().copied().filter(|_| cluster.nodes().len() > 2)
}

/// By this fault the node has forgotten what it promised: nothing but being replaced brings it back, and the others go on.
async fn gone_until_replaced(
    cluster: &dyn Cluster,
    node: NodeId,
    forgets: Fault,
) -> Result<(), String> {
    let mut gone = is_gone(cluster, node, forgets.clone()).await;
    inject(cluster, Fault::Restart(node)).await?;
    gone = gone.and(refuses(cluster, node, &forgets).await);
    let mut reached = Ok(());
    for other in cluster.nodes().iter().filter(|other| **other != node) {
        reached = reached.and(reads(cluster, *other).await);
    }
    inject(cluster, Fault::Replace(node)).await?;
    gone?;
    reached?;
    reads(cluster, node).await
}

async fn is_gone(cluster: &dyn Cluster, node: NodeId, fault: Fault) -> Result<(), String> {
    let mut before = connected(cluster, node).await?;
    inject(cluster, fault.clone()).await?;
    if let Some(Ok(reply)) = within(cluster, WATCH, before.ask(&[b"PING"])).await {
        return Err(format!("{node} answered {reply} on an old connection during `{fault}`"));
    }
    refuses(cluster, node, &fault).await
}

async fn refuses(cluster: &dyn Cluster, node: NodeId, fault: &Fault) -> Result<(), String> {
    let accepted = matches!(within(cluster, WATCH, cluster.connect(node)).await, Some(Ok(_)));
    ensure(!accepted, || format!("{node} accepted a connection during `{fault}`"))
}

/// A process that can go on does.
pub(super) async fn troubled(cluster: &dyn Cluster, how: DiskTrouble) -> Result<(), String> {
    let node = cluster.nodes()[0];
    let fault = Fault::SpoilDisk { node, how };
    inject(cluster, fault.clone()).await?;
    let answered = answers(cluster, node).await;
    inject(cluster, Fault::DiskWhole(node)).await?;
    answered.map_err(|error| format!("during `{fault}`: {error}"))?;
    serving(cluster).await
}
