//! Clients are cut from servers, and servers still see each other: both ways, or only questions, or only answers.
//!
//! A node that nobody can ask goes on to lead and to vote; one whose answers are lost does what it is asked, and nobody learns of it. A new
//! cut replaces the one before it without a heal between. Acts only on nodes that some client talks to.

use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::{Fault, Way};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Cuts of these choices.
#[derive(Clone, Debug)]
pub struct Clients {
    whose: Vec<Senders>,
}

impl Clients {
    /// Chooses among the choices given.
    pub fn new(whose: Vec<Senders>) -> Clients {
        Clients { whose }
    }
}

impl Family for Clients {
    /// Over after 1 to 10 s, or with the next cut.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whose.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.whose).nodes(view, rng);
        let way = *rng.pick(&Way::ALL);
        let lasts = Duration::from_millis(rng.log_uniform(1_000, 10_000));
        let fault = Fault::CutClients { nodes, way };
        match view.can_act(&fault) {
            true => vec![Timed::now(fault), Timed::after(lasts, Fault::HealClients)],
            false => Vec::new(),
        }
    }
}
