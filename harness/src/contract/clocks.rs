//! What it means that a wall clock is moved: nothing to clients.

use super::{answers, ensure, inject};
use crate::cluster::{Cluster, NodeId};
use crate::fault::Fault;

pub(super) async fn jumped(cluster: &dyn Cluster) -> Result<(), String> {
    skewed(cluster, |node| [60_000, -120_000].map(|by_ms| Fault::WallJump { node, by_ms })).await
}

pub(super) async fn strobed(cluster: &dyn Cluster) -> Result<(), String> {
    let strobe = |node, delta_ms, period_ms| Fault::WallStrobe { node, delta_ms, period_ms };
    skewed(cluster, |node| [strobe(node, 60_000, 1), strobe(node, -60_000, 700)]).await
}

pub(super) async fn drifted(cluster: &dyn Cluster) -> Result<(), String> {
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
