//! Connections are cut off from outside: reset on both sides, or forgotten by a middlebox, so that one side or both speak into nothing.
//!
//! A reset is what a load balancer or a firewall does that restarts; forgetting is what one does whose table was flushed: established
//! connections are half open, new ones pass. Neither touches a datagram. Who is cut off has other nodes and clients.

use super::range::{Range, Unit};
use super::senders::Senders;
use super::{ClusterView, Family, Timed};
use crate::fault::{Fault, Way};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Resets of these choices.
#[derive(Clone, Debug)]
pub struct Resets {
    whose: Vec<Senders>,
}

impl Resets {
    /// Chooses among the choices given.
    pub fn new(whose: Vec<Senders>) -> Resets {
        Resets { whose }
    }
}

impl Family for Resets {
    fn told(&self) -> String {
        format!("of {}; once", Senders::names(&self.whose))
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        Vec::new()
    }

    /// Over when it has happened.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whose.is_empty() {
            return Vec::new();
        }
        let fault = Fault::Reset { nodes: rng.pick(&self.whose).nodes(view, rng) };
        if view.can_act(&fault) { vec![Timed::now(fault)] } else { Vec::new() }
    }
}

/// Forgotten connections of these choices.
#[derive(Clone, Debug)]
pub struct HalfOpen {
    whose: Vec<Senders>,
    lasts: Range,
}

impl HalfOpen {
    /// Chooses among the choices given.
    pub fn new(whose: Vec<Senders>) -> HalfOpen {
        HalfOpen { whose, lasts: Range::log(2_000, 15_000, Unit::Ms) }
    }
}

impl Family for HalfOpen {
    fn told(&self) -> String {
        format!("of {}; both ways or one way, for {}", Senders::names(&self.whose), self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    /// Over after a while, when what is still half open is reset.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.whose.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.whose).nodes(view, rng);
        let way = *rng.pick(&Way::ALL);
        let lasts = self.lasts.time(rng);
        let fault = Fault::Forget { nodes, way };
        match view.can_act(&fault) {
            true => vec![Timed::now(fault), Timed::after(lasts, Fault::Remember)],
            false => Vec::new(),
        }
    }
}
