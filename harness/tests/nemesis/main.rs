//! What nemeses promise, for every cluster from one to nine nodes and many seeds.

use harness::cluster::NodeId;
use harness::nemesis::ClusterView;
use harness::seed::{Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

mod clocks;
mod composed;
mod disks;
mod families;
mod inside;
mod messages;

const SECOND: Duration = Duration::from_secs(1);

fn nodes(count: u16) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

/// Everything up and connected, with steps to be killed at.
fn whole(count: u16) -> ClusterView {
    let steps = ["wal sync", "snap rename", "before the reply"].map(str::to_owned).to_vec();
    ClusterView { steps, ..ClusterView::new(&nodes(count)) }
}

fn rng(seed: u64) -> ChaCha8Rng {
    Seed(seed).stream(Stream::Nemesis)
}
