//! Single links are impaired: late, lossy, doubling, out of order, damaging, narrow or dripping, each as a kind of its own.
//!
//! netem and tbf on one directed link. What a node hears from one peer and not from another, or sends and does not hear answered,
//! is what a cluster agrees on least. A new impairment of a sort replaces the one before it without a rest between.
//!
//! Between followers little is said: a leader is at one end of a link at least, if one is known. If none is, nobody knows who will speak, and
//! all links are impaired.

use super::range::{Range, Unit};
use super::{ClusterView, Family, SHOWS_WITHIN, Timed};
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
/// The widest: an append of one entry shows it.
pub const RATE_MAX: u64 = 64;
/// The slowest drip, in bytes a second.
pub const DRIP_MIN: u64 = 256;
/// The fastest.
pub const DRIP_MAX: u64 = 8_192;

/// Which links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// One at a leader, either way.
    One,
    /// All that lead out of a random node.
    OutOf,
    /// All that lead to a random node.
    Into,
    /// All of a leader, both ways.
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

    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Which::One => "one of a leader",
            Which::OutOf => "all out of a node",
            Which::Into => "all into a node",
            Which::Leader => "all of a leader",
            Which::Some => "some",
            Which::All => "all",
        }
    }

    /// Several of them, with commas between.
    pub fn names(of: &[Which]) -> String {
        of.iter().map(|which| which.name()).collect::<Vec<_>>().join(", ")
    }

    /// Links between members that run, in order; none where fewer than two do, all where nobody is known to lead.
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
            _ if leader.is_none() => {}
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
    /// How bad it is: as many as the sort has numbers.
    sizes: Vec<Range>,
    lasts: Range,
}

impl Links {
    /// Chooses among the choices given.
    pub fn new(sort: Sort, which: Vec<Which>) -> Links {
        Links { sort, which, sizes: sizes(sort), lasts: Range::log(3_000, 15_000, Unit::Ms) }
    }
}

impl Family for Links {
    fn told(&self) -> String {
        let (which, how) = (Which::names(&self.which), told(self.sort, &self.sizes));
        format!("{which}; {how}, for {}", self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        self.sizes.iter_mut().chain([&mut self.lasts]).collect()
    }

    /// One link may carry little for a while.
    fn acts_within(&self) -> Duration {
        Duration::from_secs(4)
    }

    /// What is late shows when it comes.
    fn shows_within(&self) -> Duration {
        match self.sort {
            Sort::Latency => Duration::from_millis(LATE_MAX_MS + 1_000),
            _ => SHOWS_WITHIN,
        }
    }

    /// Over after a while, or with the next impairment of its sort.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.which.is_empty() {
            return Vec::new();
        }
        let links = rng.pick(&self.which).links(view, rng);
        let how = drawn(self.sort, &self.sizes, rng);
        let lasts = self.lasts.time(rng);
        let fault = Fault::Links { links, how };
        if !view.can_act(&fault) {
            return Vec::new();
        }
        vec![Timed::now(fault), Timed::after(lasts, Fault::LinksWhole(self.sort))]
    }
}

/// What is drawn of a sort, in the order in which it is drawn; each factor of two is equally likely.
fn sizes(sort: Sort) -> Vec<Range> {
    let percent = Range::log(PERCENT_MIN, PERCENT_MAX, Unit::Percent);
    match sort {
        // Base and as much jitter are half of the most, the tail is the other half.
        Sort::Latency => vec![
            Range::log(1, LATE_MAX_MS / 4, Unit::Ms),
            Range::even(0, 10, Unit::Percent),
            Range::log(1, LATE_MAX_MS / 2, Unit::Ms),
        ],
        Sort::Loss | Sort::Double | Sort::Damage => vec![percent],
        Sort::Order => vec![percent, Range::log(5, HELD_MAX_MS, Unit::Ms)],
        Sort::Rate => vec![Range::log(RATE_MIN, RATE_MAX, Unit::KibPerS)],
        Sort::Drip => vec![Range::log(DRIP_MIN, DRIP_MAX, Unit::BytesPerS)],
    }
}

fn told(sort: Sort, sizes: &[Range]) -> String {
    let first = sizes[0];
    match sort {
        Sort::Latency => format!("by {first}, {} of them by {} more", sizes[1], sizes[2]),
        Sort::Order => format!("{first} of the messages held back up to {}", sizes[1]),
        Sort::Loss | Sort::Double | Sort::Damage => format!("{first} of the messages"),
        Sort::Rate | Sort::Drip => format!("to {first}"),
    }
}

/// How bad it is.
fn drawn(sort: Sort, sizes: &[Range], rng: &mut ChaCha8Rng) -> Impairment {
    let sizes: Vec<u32> = sizes.iter().map(|size| size.draw(rng) as u32).collect();
    let (size, percent) = (sizes[0], sizes[0] as u8);
    match sort {
        Sort::Latency => {
            let jitter = rng.log_uniform(1, u64::from(size) + 1) as u32;
            Impairment::Late {
                base_ms: size,
                jitter_ms: jitter.min(size),
                tail_percent: sizes[1] as u8,
                tail_ms: sizes[2],
            }
        }
        Sort::Loss => Impairment::Lost { percent },
        Sort::Double => Impairment::Doubled { percent },
        Sort::Order => Impairment::Reordered { percent, within_ms: sizes[1] },
        Sort::Damage => Impairment::Damaged { percent },
        Sort::Rate => Impairment::Narrow { kib_per_s: size },
        Sort::Drip => Impairment::Dripping { bytes_per_s: size },
    }
}
