//! Disks are slow, fail, fill up and read short, and are whole again after a while. Or what they hold is damaged or old, and their nodes are
//! replaced.
//!
//! Trouble loses nothing, so it may befall all nodes at once: who ends by its disk is as if it had been killed. What is damaged is lost, and so
//! is what a disk only said that it had, or holds an older image of: with those that are no members, no more than a minority is at once, and nobody where two nodes
//! or fewer are. Unless [`DiskBound`] is lifted.

use super::clock::WHOSE;
use super::range::{Range, Unit};
use super::{ACTS_WITHIN, ClusterView, Family, Timed, clock};
use crate::cluster::NodeId;
use crate::fault::{Damage, DiskTrouble, Fault, FaultKind};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::str::FromStr;
use std::time::Duration;

/// What the faults so far made of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DiskState {
    /// Nothing.
    #[default]
    Whole,
    /// Its process goes on with it. What troubles it.
    Troubled(FaultKind),
    /// Its process has ended by it and waits until it is whole.
    Failing,
    /// It holds what its node has promised in its cache only: for who counts on it, it is as good as lost.
    Lying,
    /// It does not hold what its node has promised: the node stays down until it is replaced.
    Lost,
}

/// How many disks may be lost at once, and what becomes of their nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskBound {
    /// A minority, with those that are no members. Who has forgotten what it has promised stays down until it is replaced.
    #[default]
    Minority,
    /// Any number, and who has forgotten starts with what it has. No store survives that: acknowledged writes are lost.
    None,
}

impl DiskBound {
    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            DiskBound::Minority => "minority",
            DiskBound::None => "none",
        }
    }

    /// Whether it says anything of a kind of fault.
    pub fn bounds(kind: FaultKind) -> bool {
        use FaultKind::{BitRot, LyingSync, Misdirect, StaleDisk};
        matches!(kind, BitRot | LyingSync | Misdirect | StaleDisk)
    }
}

impl FromStr for DiskBound {
    type Err = String;

    fn from_str(text: &str) -> Result<DiskBound, String> {
        [DiskBound::Minority, DiskBound::None]
            .into_iter()
            .find(|bound| bound.name() == text)
            .ok_or_else(|| format!("`{text}` does not fit --disk-bound: minority or none"))
    }
}

/// What brings a node back that has forgotten what it has promised.
fn back(view: &ClusterView, node: NodeId) -> Vec<Fault> {
    match view.disk_bound {
        DiskBound::Minority => vec![Fault::Replace(node)],
        DiskBound::None => vec![Fault::DiskWhole(node), Fault::Restart(node)],
    }
}

impl DiskState {
    /// Whether a process that is started with it runs.
    pub fn runs(self) -> bool {
        !matches!(self, DiskState::Failing | DiskState::Lost)
    }
}

/// The least by which syncs are slowed, in milliseconds.
pub const SLOWER_MIN_MS: u64 = 20;
/// The most: longer than an election takes.
pub const SLOWER_MAX_MS: u64 = 2_000;
/// Fewer calls than a start of a node makes: a disk that is to fail fails at the next start at the latest.
pub const FAILS_AFTER_MAX: u64 = 8;

/// What troubles a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Slow,
    Errors,
    Full,
    ShortReads,
}

/// Disks in trouble of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Troubles {
    kind: Kind,
    /// How bad it is, where that is drawn.
    size: Option<Range>,
    lasts: Range,
}

impl Troubles {
    fn of(kind: Kind, size: Option<Range>) -> Troubles {
        Troubles { kind, size, lasts: Range::log(500, 10_000, Unit::Ms) }
    }

    /// Slow syncs.
    pub fn slow() -> Troubles {
        Troubles::of(Kind::Slow, Some(Range::log(SLOWER_MIN_MS, SLOWER_MAX_MS, Unit::Ms)))
    }

    /// Calls that fail.
    pub fn errors() -> Troubles {
        Troubles::of(Kind::Errors, Some(Range::even(0, FAILS_AFTER_MAX, Unit::Times)))
    }

    /// No room.
    pub fn full() -> Troubles {
        Troubles::of(Kind::Full, None)
    }

    /// Short reads.
    pub fn short_reads() -> Troubles {
        Troubles::of(Kind::ShortReads, None)
    }

    fn draw(self, rng: &mut ChaCha8Rng) -> DiskTrouble {
        let size = self.size.map_or(0, |size| size.draw(rng)) as u32;
        match self.kind {
            Kind::Slow => DiskTrouble::SlowSyncs { by_ms: size },
            Kind::Errors => DiskTrouble::Errors { after: size },
            Kind::Full => DiskTrouble::Full,
            Kind::ShortReads => DiskTrouble::ShortReads,
        }
    }
}

impl Family for Troubles {
    fn told(&self) -> String {
        let how = match (self.kind, self.size) {
            (Kind::Slow, Some(size)) => format!("; by {size}"),
            (Kind::Errors, Some(size)) => format!("; after {size} calls"),
            _ => String::new(),
        };
        format!("{WHOSE}{how}; for {}", self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        self.size.iter_mut().chain([&mut self.lasts]).collect()
    }

    /// Of a leader in four cases of ten, of some random nodes in the others; each whole again by itself.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let how = self.draw(rng);
        let spoilt = clock::nodes(view, rng).into_iter().map(|node| Fault::SpoilDisk { node, how });
        let spoilt: Vec<Fault> = spoilt.filter(|fault| view.can_act(fault)).collect();
        let mut timed: Vec<Timed> = spoilt.iter().cloned().map(Timed::now).collect();
        for node in spoilt.iter().flat_map(Fault::nodes) {
            timed.push(Timed::after(self.lasts.time(rng), Fault::DiskWhole(node)));
        }
        timed
    }
}

/// One disk at a time damaged in this way.
#[derive(Clone, Copy, Debug)]
pub struct Damages {
    how: Damage,
    back: Range,
}

impl Damages {
    /// Its node is replaced after 1 to 10 s.
    pub fn new(how: Damage) -> Damages {
        Damages { how, back: Range::log(1_000, 10_000, Unit::Ms) }
    }
}

impl Family for Damages {
    fn told(&self) -> String {
        format!("of a leader or another; replaced after {}", self.back)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.back]
    }

    /// Of a leader in four cases of ten.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let at = rng.range(0, 1 << 32) as u32;
        let back = self.back.time(rng);
        let damage = |node: &NodeId| Fault::DamageDisk { node: *node, how: self.how, at };
        match nodes.first().map(|node| (*node, damage(node))) {
            Some((node, damage)) if view.can_act(&damage) => {
                vec![Timed::now(damage), Timed::after(back, Fault::Replace(node))]
            }
            _ => Vec::new(),
        }
    }
}

/// One disk at a time whose syncs lie.
#[derive(Clone, Copy, Debug)]
pub struct Lies {
    lasts: Range,
    back: Range,
}

impl Default for Lies {
    /// For 1 to 6 s; its node is replaced after 1 to 10 s.
    fn default() -> Lies {
        let (lasts, back) =
            (Range::log(1_000, 6_000, Unit::Ms), Range::log(1_000, 10_000, Unit::Ms));
        Lies { lasts, back }
    }
}

impl Family for Lies {
    fn told(&self) -> String {
        format!("of a leader or another; for {}, replaced {} later", self.lasts, self.back)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts, &mut self.back]
    }

    /// Of a leader in four cases of ten. In three cases of four its machine then loses its power, and is replaced; in the others it makes
    /// up for it.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let (lasts, after) = (self.lasts.time(rng), self.back.time(rng));
        let forgets = rng.chance(0.75);
        let Some(node) = nodes.first().copied() else { return Vec::new() };
        let lie = Fault::SpoilDisk { node, how: DiskTrouble::LyingSyncs };
        if !view.can_act(&lie) {
            return Vec::new();
        }
        let ends = if forgets { Fault::ForgetSyncs(node) } else { Fault::DiskWhole(node) };
        // Also where it makes up for it: another fault may take its power meanwhile. What mends it already must not be put off.
        let back = back(view, node).into_iter().filter(|fault| *fault != ends);
        let back: Vec<Timed> = back.map(|fault| Timed::after(lasts + after, fault)).collect();
        [vec![Timed::now(lie), Timed::after(lasts, ends)], back].concat()
    }
}

/// One disk at a time as it was a while ago.
#[derive(Clone, Copy, Debug)]
pub struct Swaps {
    age: Range,
    back: Range,
}

impl Default for Swaps {
    /// Its node is replaced after 1 to 10 s.
    fn default() -> Swaps {
        let age = Range::log(OLD_MIN_MS, OLD_MAX_MS, Unit::Ms);
        Swaps { age, back: Range::log(1_000, 10_000, Unit::Ms) }
    }
}

/// The youngest image that takes a disk's place, in milliseconds.
pub const OLD_MIN_MS: u64 = 300;
/// The oldest.
pub const OLD_MAX_MS: u64 = 4_000;

impl Family for Swaps {
    fn told(&self) -> String {
        format!("of a leader or another; {} old, replaced after {}", self.age, self.back)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.age, &mut self.back]
    }

    fn acts_within(&self) -> Duration {
        ACTS_WITHIN + Duration::from_millis(OLD_MAX_MS)
    }

    /// Of a leader in four cases of ten.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let nodes = clock::nodes(view, rng);
        let after_ms = self.age.draw(rng) as u32;
        let back = Duration::from_millis(after_ms.into()) + self.back.time(rng);
        let swap = |node: &NodeId| Fault::SwapDisk { node: *node, after_ms };
        match nodes.first().map(|node| (*node, swap(node))) {
            Some((node, swap)) if view.can_act(&swap) => {
                vec![Timed::now(swap), Timed::after(back, Fault::Replace(node))]
            }
            _ => Vec::new(),
        }
    }
}
