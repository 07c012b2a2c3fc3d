//! Messages are late: what leaves some nodes takes 5 ms to 2 s longer, each factor of two equally likely, and then up to
//! as much again if it jitters.
//!
//! Jepsen's `net/slow!` and `net/fast!`. A slow node is there and behind: it answers after others have given it up, its
//! votes and acknowledgements come in later terms, and of a jittering one the order of datagrams goes. A new slowness
//! replaces the one before it without a rest between.

use super::{ClusterView, Family, Timed};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The shortest delay.
pub const DELAY_MIN_MS: u64 = 5;
/// The longest: well above every election time-out, and with as much jitter and the way back still within a
/// kernel's patience.
pub const DELAY_MAX_MS: u64 = 2_000;

/// Whose messages are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slowed {
    /// Any one.
    One,
    /// A leader; any one if none is known.
    Leader,
    /// A random minority of any size.
    Minority,
    /// All that run.
    All,
}

impl Slowed {
    /// Every choice.
    pub const ALL: [Slowed; 4] = [Slowed::One, Slowed::Leader, Slowed::Minority, Slowed::All];

    /// Nodes that run, in order.
    pub fn nodes(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<NodeId> {
        let mut nodes = view.which(super::NodeView::acts);
        rng.shuffle(&mut nodes);
        let minority = rng.range(1, view.minority() as u64 + 1) as usize;
        if self == Slowed::Leader
            && let Some(at) = nodes.iter().position(|id| view.leaders.contains(id))
        {
            nodes.swap(0, at);
        }
        nodes.truncate(match self {
            Slowed::One | Slowed::Leader => 1,
            Slowed::Minority => minority,
            Slowed::All => nodes.len(),
        });
        nodes.sort_unstable();
        nodes
    }
}

/// Slowness of these choices.
#[derive(Clone, Debug)]
pub struct Latency {
    slowed: Vec<Slowed>,
}

impl Latency {
    /// Chooses among the choices given.
    pub fn new(slowed: Vec<Slowed>) -> Latency {
        Latency { slowed }
    }
}

impl Family for Latency {
    /// Without jitter in one case of three; over after 0.5 to 15 s, or with the next slowness.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.slowed.is_empty() {
            return Vec::new();
        }
        let nodes = rng.pick(&self.slowed).nodes(view, rng);
        let delay = rng.log_uniform(DELAY_MIN_MS, DELAY_MAX_MS);
        let jitters = rng.chance(0.67);
        let jitter = rng.log_uniform(1, delay);
        let lasts = Duration::from_millis(rng.log_uniform(500, 15_000));
        let jitter_ms = if jitters { jitter as u32 } else { 0 };
        let fault = Fault::Slow { nodes, delay_ms: delay as u32, jitter_ms };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::Fast)]
    }
}
