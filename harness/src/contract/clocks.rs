//! What it means that a clock is moved, or runs at another pace: nothing to clients.

use super::{answers, ensure, inject};
use crate::cluster::{Cluster, NodeId};
use crate::fault::Fault;
use crate::nemesis::mono::PACE_MAX_PPM;

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

pub(super) async fn frozen(cluster: &dyn Cluster) -> Result<(), String> {
    skewed(cluster, |node| [Fault::WallFreeze(node), Fault::WallFreeze(node)]).await
}

pub(super) async fn leapt(cluster: &dyn Cluster) -> Result<(), String> {
    skewed(cluster, |node| [10_001, 30_000].map(|back_ms| Fault::WallLeap { node, back_ms })).await
}

pub(super) async fn paced(cluster: &dyn Cluster) -> Result<(), String> {
    let most = PACE_MAX_PPM as i32;
    let faults = |node| [most, -most].map(|ppm| Fault::MonoDrift { node, ppm });
    changed(cluster, faults, Fault::MonoReset).await
}

async fn skewed(
    cluster: &dyn Cluster,
    faults: impl FnOnce(NodeId) -> [Fault; 2],
) -> Result<(), String> {
    changed(cluster, faults, Fault::WallReset).await
}

async fn changed(
    cluster: &dyn Cluster,
    faults: impl FnOnce(NodeId) -> [Fault; 2],
    mends: fn(NodeId) -> Fault,
) -> Result<(), String> {
    let node = cluster.nodes()[0];
    for fault in faults(node) {
        let before = cluster.clock().now();
        inject(cluster, fault).await?;
        answers(cluster, node).await?;
        let after = cluster.clock().now();
        ensure(after >= before, || format!("the cluster's clock went back to {after:?}"))?;
    }
    inject(cluster, mends(node)).await?;
    answers(cluster, node).await
}
