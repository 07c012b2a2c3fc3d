//! Single links are impaired: late, lossy, doubling, out of order, damaging, narrow or dripping, each as a kind of its own.
//!
//! netem and tbf on one directed link. What a node hears from one peer and not from another, or sends and does not hear answered,
//! is what a cluster agrees on least. A new impairment of a sort replaces the one before it without a rest between.
//!
//! Between followers little is said: where a single link is impaired, a leader is at one end of it, if one is known.

use super::{ClusterView, Family, Timed};
use crate::cluster::NodeId;
use crate::fault::{Fault, Impairment, Sort};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The most that is lost, doubled, held back or damaged, of a hundred.
pub const PERCENT_MAX: u64 = 60;
/// The least.
pub const PERCENT_MIN: u64 = 10;
/// No message is later than this, jitter and tail included: within what a leader's followers wait.
pub const LATE_MAX_MS: u64 = 4_000;
/// The longest that a message is held back.
pub const HELD_MAX_MS: u64 = 500;
/// The narrowest link, in KiB a second: the largest message still passes.
pub const RATE_MIN: u64 = 8;
/// The widest: a message of a few dozen bytes still takes a millisecond.
pub const RATE_MAX: u64 = 32;
/// The slowest drip, in bytes a second.
pub const DRIP_MIN: u64 = 256;
/// The fastest.
pub const DRIP_MAX: u64 = 8_192;

/// Which links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// One at a leader, either way; all that lead out of a random node if no leader is known.
    One,
    /// All that lead out of a random node.
    OutOf,
    /// All that lead to a random node.
    Into,
    /// All of a leader, both ways; of any node if none is known.
    Leader,
    /// Each with probability 1/2; one out of a leader in any case.
    Some,
    /// All.
    All,
}

impl Which {
    /// Every choice.
    pub const ALL: [Which; 6] =
        [Which::One, Which::OutOf, Which::Into, Which::Leader, Which::Some, Which::All];

    /// Links between members that run, in order; none where fewer than two do.
    pub fn links(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<(NodeId, NodeId)> {
        let mut nodes = view.which(|node| node.member && node.acts());
        rng.shuffle(&mut nodes);
        let leader = nodes.iter().find(|id| view.leaders.contains(id)).copied();
        let (Some(any), Some(one)) = (nodes.first().copied(), leader.or(nodes.first().copied()))
        else {
            return Vec::new();
        };
        let others: Vec<NodeId> = nodes.iter().copied().filter(|id| *id != one).collect();
        let (out, coin) = (rng.chance(0.5), rng.range(0, others.len() as u64));
        let Some(other) = others.get(coin as usize).copied() else { return Vec::new() };
        nodes.sort_unstable();
        let pairs = nodes.iter().flat_map(|from| nodes.iter().map(move |to| (*from, *to)));
        let mut links: Vec<(NodeId, NodeId)> = pairs.filter(|(from, to)| from != to).collect();
        match self {
            Which::One if leader.is_none() => links.retain(|(from, _)| *from == any),
            Which::One => links = vec![if out { (one, other) } else { (other, one) }],
            Which::OutOf => links.retain(|(from, _)| *from == any),
            Which::Into => links.retain(|(_, to)| *to == any),
            Which::Leader => links.retain(|(from, to)| *from == one || *to == one),
            Which::Some => links.retain(|link| rng.chance(0.5) || *link == (one, other)),
            Which::All => {}
        }
        links
    }
}

/// Impairments of one sort.
#[derive(Clone, Debug)]
pub struct Links {
    sort: Sort,
    which: Vec<Which>,
}

impl Links {
    /// Chooses among the choices given.
    pub fn new(sort: Sort, which: Vec<Which>) -> Links {
        Links { sort, which }
    }
}

impl Family for Links {
    /// One link may carry little for a while.
    fn acts_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    /// Over after 3 to 15 s, or with the next impairment of its sort.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.which.is_empty() {
            return Vec::new();
        }
        let links = rng.pick(&self.which).links(view, rng);
        let how = drawn(self.sort, rng);
        let lasts = Duration::from_millis(rng.log_uniform(3_000, 15_000));
        let fault = Fault::Links { links, how };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::LinksWhole(self.sort))]
    }
}

/// How bad it is; each factor of two is equally likely.
fn drawn(sort: Sort, rng: &mut ChaCha8Rng) -> Impairment {
    let percent = rng.log_uniform(PERCENT_MIN, PERCENT_MAX) as u8;
    match sort {
        Sort::Latency => {
            let base = rng.log_uniform(1, LATE_MAX_MS / 4);
            let jitter = rng.log_uniform(1, base + 1).min(base);
            let tail = rng.log_uniform(1, LATE_MAX_MS - base - jitter);
            Impairment::Late {
                base_ms: base as u32,
                jitter_ms: jitter as u32,
                tail_percent: rng.range(0, 11) as u8,
                tail_ms: tail as u32,
            }
        }
        Sort::Loss => Impairment::Lost { percent },
        Sort::Double => Impairment::Doubled { percent },
        Sort::Order => {
            let within_ms = rng.log_uniform(5, HELD_MAX_MS) as u32;
            Impairment::Reordered { percent, within_ms }
        }
        Sort::Damage => Impairment::Damaged { percent },
        Sort::Rate => Impairment::Narrow { kib_per_s: rng.log_uniform(RATE_MIN, RATE_MAX) as u32 },
        Sort::Drip => {
            Impairment::Dripping { bytes_per_s: rng.log_uniform(DRIP_MIN, DRIP_MAX) as u32 }
        }
    }
}
