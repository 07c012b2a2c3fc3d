//! Clients are cut from servers, and servers still see each other: both ways, or only questions, or only answers.
//!
//! A node that nobody can ask goes on to lead and to vote; one whose answers are lost does what it is asked, and nobody learns of it. A new
//! cut replaces the one before it without a heal between. One node at least is among them that some client talks to.

use super::range::{Range, Unit};
use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::{Fault, Way};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Cuts of these choices.
#[derive(Clone, Debug)]
pub struct Clients {
    whose: Vec<Senders>,
    lasts: Range,
}

impl Clients {
    /// Chooses among the choices given.
    pub fn new(whose: Vec<Senders>) -> Clients {
        Clients { whose, lasts: Range::log(1_000, 10_000, Unit::Ms) }
    }
}

impl Family for Clients {
    fn told(&self) -> String {
        let whose = Senders::names(&self.whose);
        format!("from {whose}; both ways or one way, for {} or on to the next", self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    /// Over after a while, or with the next cut.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whose.is_empty() {
            return Vec::new();
        }
        let mut nodes = rng.pick(&self.whose).nodes(view, rng);
        let mut asked = view.which(|node| node.acts() && view.asked.contains(&node.id));
        rng.shuffle(&mut asked);
        if let Some(one) = asked.first().filter(|_| !nodes.iter().any(|id| asked.contains(id))) {
            nodes = vec![*one];
        }
        let way = *rng.pick(&Way::ALL);
        let lasts = self.lasts.time(rng);
        let fault = Fault::CutClients { nodes, way };
        match view.can_act(&fault) {
            true => vec![Timed::now(fault), Timed::after(lasts, Fault::HealClients)],
            false => Vec::new(),
        }
    }
}
