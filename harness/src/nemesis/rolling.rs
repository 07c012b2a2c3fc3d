//! All nodes restart, one after another, as when a cluster gets a new program.

use super::{ClusterView, Family, NodeView, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Each node is down for 0.1 to 2 s, and the next one goes 0.1 to 2 s later.
#[derive(Clone, Debug, Default)]
pub struct Rolling;

impl Family for Rolling {
    fn told(&self) -> String {
        "all; each down for 0.1 to 2 s".to_owned()
    }

    /// Only where all nodes run: the others would be down together with one that is.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut nodes = view.which(NodeView::acts);
        rng.shuffle(&mut nodes);
        let down_ms = rng.log_uniform(100, 2_000) as u32;
        let rest_ms = rng.log_uniform(100, 2_000) as u32;
        let fault = Fault::Rolling { nodes, down_ms, rest_ms };
        match view.can_act(&fault) && view.nodes.iter().all(NodeView::acts) {
            true => vec![Timed::now(fault)],
            false => Vec::new(),
        }
    }
}
