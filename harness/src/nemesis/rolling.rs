//! All nodes restart, one after another, as when a cluster gets a new program.

use super::range::{Range, Unit};
use super::{ClusterView, Family, NodeView, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Each node is down for a while, and the next one goes some time later.
#[derive(Clone, Debug)]
pub struct Rolling {
    down: Range,
    rest: Range,
}

impl Default for Rolling {
    /// For 0.1 to 2 s each.
    fn default() -> Rolling {
        let some = Range::log(100, 2_000, Unit::Ms);
        Rolling { down: some, rest: some }
    }
}

impl Family for Rolling {
    fn told(&self) -> String {
        format!("all; each down for {}, {} between", self.down, self.rest)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.down, &mut self.rest]
    }

    /// Only where all nodes run: the others would be down together with one that is.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let mut nodes = view.which(NodeView::acts);
        rng.shuffle(&mut nodes);
        let down_ms = self.down.draw(rng) as u32;
        let rest_ms = self.rest.draw(rng) as u32;
        let fault = Fault::Rolling { nodes, down_ms, rest_ms };
        match view.can_act(&fault) && view.nodes.iter().all(NodeView::acts) {
            true => vec![Timed::now(fault)],
            false => Vec::new(),
        }
    }
}
