//! What nemeses promise, for every cluster from one to nine nodes and many seeds.

use harness::cluster::NodeId;
use harness::seed::{Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

mod composed;
mod families;
mod messages;

const SECOND: Duration = Duration::from_secs(1);

fn nodes(count: u16) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

fn rng(seed: u64) -> ChaCha8Rng {
    Seed(seed).stream(Stream::Nemesis)
}
