//! A node comes back under another address: who knows the old one speaks into silence until it looks the name up again.
//!
//! What a pod or a machine does that is replaced. Nobody refuses and nobody resets: to the others it is not dead but mute, while it
//! hears nothing of what they answer.

use super::range::{Range, Unit};
use super::senders::Senders;
use super::{ClusterView, Family, NodeView, Timed};
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// The longest that an old address is believed.
pub const STALE_MAX_MS: u64 = 6_000;

/// Changes of address of these choices; each strike takes one node.
#[derive(Clone, Debug)]
pub struct Addresses {
    whose: Vec<Senders>,
    stale: Range,
}

impl Addresses {
    /// Chooses among the choices given.
    pub fn new(whose: Vec<Senders>) -> Addresses {
        Addresses { whose, stale: Range::log(1_000, STALE_MAX_MS, Unit::Ms) }
    }
}

impl Family for Addresses {
    fn told(&self) -> String {
        format!("{}; the old one is believed for {}", Senders::names(&self.whose), self.stale)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.stale]
    }

    /// Only where all run: the node is lost together with one that does not.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whose.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.whose).nodes(view, rng);
        let stale_ms = self.stale.draw(rng) as u32;
        let Some(node) = nodes.first().copied() else { return Vec::new() };
        let fault = Fault::Readdress { node, stale_ms };
        match view.can_act(&fault) && view.nodes.iter().all(NodeView::acts) {
            true => vec![Timed::now(fault)],
            false => Vec::new(),
        }
    }
}
