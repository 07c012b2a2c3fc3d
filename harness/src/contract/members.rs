//! What it means that members leave and join, that leadership is handed over, that a range is split, and that no higher ceiling is asked for.

use super::{BACK, connected, ensure, inject, serving, within};
use crate::cluster::{Cluster, NodeId};
use crate::fault::Fault;
use crate::redis::resp::Reply;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;

pub(super) async fn removed(cluster: &dyn Cluster) -> Result<(), String> {
    let [node, rest @ ..] = cluster.nodes() else { return Ok(()) };
    if rest.len() < 2 {
        return Ok(());
    }
    inject(cluster, Fault::Remove(*node)).await?;
    let mut reached = Ok(());
    for other in rest {
        reached = reached.and(reads(cluster, *other).await);
    }
    inject(cluster, Fault::Wipe(*node)).await?;
    inject(cluster, Fault::Join(*node)).await?;
    reached?;
    reads(cluster, *node).await
}

/// Waits until the node answers a read of the group's state, which one that is no member cannot do.
pub(super) async fn reads(cluster: &dyn Cluster, node: NodeId) -> Result<(), String> {
    answers(cluster, node, b"contract").await
}

async fn answers(cluster: &dyn Cluster, node: NodeId, key: &[u8]) -> Result<(), String> {
    let clock = cluster.clock();
    let limit = clock.now() + BACK;
    loop {
        let mut redis = connected(cluster, node).await?;
        let words: [&[u8]; 4] = [b"LRANGE", key, b"0", b"-1"];
        let ask = redis.ask(&words);
        let last = match within(cluster, Duration::from_secs(5), ask).await {
            Some(Ok(Reply::Error(error))) => error,
            Some(Ok(_)) => return Ok(()),
            Some(Err(error)) => error.to_string(),
            None => "no answer in 5 s".to_owned(),
        };
        if clock.now() >= limit {
            return Err(format!("{node} did not read within {BACK:?}: {last}"));
        }
        clock.sleep(Duration::from_millis(50)).await;
    }
}

pub(super) async fn handed_over(cluster: &dyn Cluster) -> Result<(), String> {
    let clock = cluster.clock();
    let limit = clock.now() + BACK;
    for to in cluster.nodes() {
        // Between two leaders there may be none for a while.
        while let Err(error) = inject(cluster, Fault::Transfer(*to)).await {
            ensure(clock.now() < limit, || error)?;
            clock.sleep(Duration::from_millis(200)).await;
        }
        let leaders = cluster.leaders().await;
        ensure(leaders.contains(to), || format!("{to} was to lead, but {leaders:?} lead"))?;
    }
    serving(cluster).await
}

pub(super) async fn split(cluster: &dyn Cluster) -> Result<(), String> {
    let clock = cluster.clock();
    let limit = clock.now() + BACK;
    // The second time there is nothing left to do.
    for _ in 0..2 {
        while let Err(error) = inject(cluster, Fault::Split { at: "contract".to_owned() }).await {
            ensure(clock.now() < limit, || error)?;
            clock.sleep(Duration::from_millis(200)).await;
        }
    }
    for node in cluster.nodes() {
        for key in [&b"contracs"[..], b"contract", b"contracu"] {
            answers(cluster, *node, key).await?;
        }
    }
    serving(cluster).await
}

pub(super) async fn ceiling_held(cluster: &dyn Cluster) -> Result<(), String> {
    let hold = inject(cluster, Fault::HoldCeiling { for_ms: 12_000 });
    match select(pin!(hold), pin!(until_refused(cluster))).await {
        Either::Left((over, _)) => {
            over?;
            return Err("the ceiling was held, and no write was refused for it".to_owned());
        }
        Either::Right((_, hold)) => hold.await?,
    }
    serving(cluster).await
}

/// Writes through one node until a write is refused for the ceiling.
async fn until_refused(cluster: &dyn Cluster) {
    let node = cluster.nodes()[0];
    loop {
        if let Ok(mut redis) = connected(cluster, node).await {
            let ask = redis.ask(&[b"RPUSH", b"contract-ceiling", b"1"]);
            if let Some(Ok(Reply::Error(error))) = within(cluster, BACK, ask).await
                && error.contains("ceiling exhausted")
            {
                return;
            }
        }
        cluster.clock().sleep(Duration::from_millis(50)).await;
    }
}
