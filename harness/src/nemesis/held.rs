//! Messages out of their time: held back and let go in another order, or told again to a node that has restarted since.
//!
//! What arrives in another order than it was sent is what a protocol over datagrams promises to bear; what comes from before a restart
//! is addressed to somebody who has forgotten all that is not on its disk. Byte streams are not touched.

use super::links::Which;
use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::{Fault, Sequence};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Messages held back on these choices of links.
#[derive(Clone, Debug)]
pub struct Holds {
    which: Vec<Which>,
}

impl Holds {
    /// Chooses among the choices given.
    pub fn new(which: Vec<Which>) -> Holds {
        Holds { which }
    }
}

impl Family for Holds {
    /// One link may carry little for a while.
    fn acts_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    /// Let go after 1 to 8 s, in the order in which they came in one case of four.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.which.is_empty() {
            return Vec::new();
        }
        let links = rng.pick(&self.which).links(view, rng);
        let (case, number) = (rng.range(0, 4), rng.range(0, u64::MAX));
        let then = match case {
            0 => Sequence::Sent,
            1 => Sequence::Reversed,
            _ => Sequence::Drawn(number),
        };
        let lasts = Duration::from_millis(rng.log_uniform(1_000, 8_000));
        let fault = Fault::Hold { links, then };
        match view.can_act(&fault) {
            true => vec![Timed::now(fault), Timed::after(lasts, Fault::Release)],
            false => Vec::new(),
        }
    }
}

/// Old messages told again, of these choices; each strike takes one node.
#[derive(Clone, Debug)]
pub struct Echoes {
    whom: Vec<Senders>,
}

impl Echoes {
    /// Chooses among the choices given.
    pub fn new(whom: Vec<Senders>) -> Echoes {
        Echoes { whom }
    }
}

impl Family for Echoes {
    /// The node is down for 50 ms to 2 s. Only where all run: it would be down together with one that is.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whom.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.whom).nodes(view, rng);
        let down_ms = rng.log_uniform(50, 2_000) as u32;
        let Some(node) = nodes.first().copied() else { return Vec::new() };
        let fault = Fault::Echo { node, down_ms };
        match view.can_act(&fault) && view.nodes.iter().all(super::NodeView::acts) {
            true => vec![Timed::now(fault)],
            false => Vec::new(),
        }
    }
}
