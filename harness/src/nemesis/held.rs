//! Messages out of their time: held back and let go in another order, or told again to a node that has restarted since.
//!
//! What arrives in another order than it was sent is what a protocol over datagrams promises to bear; what comes from before a restart
//! is addressed to somebody who has forgotten all that is not on its disk. Byte streams are not touched.

use super::links::Which;
use super::range::{Range, Unit};
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
    lasts: Range,
}

impl Holds {
    /// Chooses among the choices given.
    pub fn new(which: Vec<Which>) -> Holds {
        Holds { which, lasts: Range::log(2_000, 8_000, Unit::Ms) }
    }
}

impl Family for Holds {
    fn told(&self) -> String {
        let which = Which::names(&self.which);
        format!(
            "{which}; for {}, let go as they came, the last one first or in a drawn order",
            self.lasts
        )
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    /// One link may carry little for a while.
    fn acts_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    /// Let go in the order in which they came in one case of four.
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
        let lasts = self.lasts.time(rng);
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
    down: Range,
}

impl Echoes {
    /// Chooses among the choices given.
    pub fn new(whom: Vec<Senders>) -> Echoes {
        Echoes { whom, down: Range::log(50, 2_000, Unit::Ms) }
    }
}

impl Family for Echoes {
    fn told(&self) -> String {
        format!("{}; down for {}", Senders::names(&self.whom), self.down)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.down]
    }

    /// Only where all run: it would be down together with one that is.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whom.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.whom).nodes(view, rng);
        let down_ms = self.down.draw(rng) as u32;
        let Some(node) = nodes.first().copied() else { return Vec::new() };
        let fault = Fault::Echo { node, down_ms };
        match view.can_act(&fault) && view.nodes.iter().all(super::NodeView::acts) {
            true => vec![Timed::now(fault)],
            false => Vec::new(),
        }
    }
}
