//! Who breaks things: pure. A nemesis decides, a cluster enacts.
//!
//! It sees a [`ClusterView`], which the interpreter keeps from the faults it injected; a real node that died by
//! itself still looks up. Promises: what it picks can act on the view (no dead node is killed), and
//! [`ClusterView::healing`] undoes all that was done.

use crate::cluster::NodeId;
use crate::fault::{DiskTrouble, Fault, FaultKind, Sort};
use disk::{DiskBound, DiskState};
use freeze::FROZEN_PPM;
use rand_chacha::ChaCha8Rng;
use range::Range;
use skew::Skew;
use std::collections::BTreeMap;
use std::time::Duration;

mod acts;
pub mod address;
pub mod ceiling;
pub mod clients;
pub mod clock;
pub mod compose;
pub mod cut_off;
pub mod disk;
pub mod drift;
pub mod flaky;
pub mod freeze;
pub mod held;
pub mod latency;
pub mod later;
pub mod leap;
pub mod links;
pub mod membership;
pub mod memory;
pub mod mono;
pub mod partition;
pub mod pause;
pub mod planned;
pub mod process;
pub mod range;
pub mod rolling;
pub mod senders;
pub mod skew;
pub mod split;
pub mod steps;
pub mod storm;
pub mod strobe;
pub mod throttle;
pub mod transfer;
mod view;

pub use view::NodeView;

/// The cluster as a nemesis sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's time.
    pub now: Duration,
    /// In order.
    pub nodes: Vec<NodeView>,
    /// Who thinks it leads: a hint.
    pub leaders: Vec<NodeId>,
    /// The links that are cut.
    pub cuts: Vec<(NodeId, NodeId)>,
    /// The nodes whose messages are late.
    pub slow: Vec<NodeId>,
    /// The nodes whose messages are lost and doubled.
    pub flaky: Vec<NodeId>,
    /// The nodes whose links have little room.
    pub throttled: Vec<NodeId>,
    /// The single links that are impaired, by what is wrong with them.
    pub impaired: BTreeMap<Sort, Vec<(NodeId, NodeId)>>,
    /// The nodes that clients are cut from.
    pub unasked: Vec<NodeId>,
    /// The nodes whose byte streams a middlebox has forgotten.
    pub forgotten: Vec<NodeId>,
    /// The links that hold back what they are given, or did and have not let it go.
    pub held: Vec<(NodeId, NodeId)>,
    /// The steps at which a process can be killed.
    pub steps: Vec<String>,
    /// How many disks may be lost.
    pub disk_bound: DiskBound,
    /// The nodes that some client talks to.
    pub asked: Vec<NodeId>,
    /// The kinds that were injected and have not acted so far, where the cluster knows.
    pub idle: Vec<FaultKind>,
}

impl ClusterView {
    /// Everything up and connected.
    pub fn new(nodes: &[NodeId]) -> ClusterView {
        let view = |id: &NodeId| {
            let (wall, disk) = (Skew::default(), DiskState::default());
            NodeView { id: *id, up: true, paused: false, member: true, wall, pace_ppm: 0, disk }
        };
        ClusterView {
            now: Duration::ZERO,
            nodes: nodes.iter().map(view).collect(),
            leaders: Vec::new(),
            cuts: Vec::new(),
            slow: Vec::new(),
            flaky: Vec::new(),
            throttled: Vec::new(),
            impaired: BTreeMap::new(),
            unasked: Vec::new(),
            forgotten: Vec::new(),
            held: Vec::new(),
            steps: Vec::new(),
            disk_bound: DiskBound::default(),
            asked: nodes.to_vec(),
            idle: Vec::new(),
        }
    }

    /// The node, if there is one of that number.
    pub fn node(&self, id: NodeId) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// The nodes for which something holds.
    pub fn which(&self, holds: impl Fn(&NodeView) -> bool) -> Vec<NodeId> {
        self.nodes.iter().filter(|node| holds(node)).map(|node| node.id).collect()
    }

    /// The largest number of nodes that leaves a majority.
    pub fn minority(&self) -> usize {
        self.nodes.len().saturating_sub(1) / 2
    }

    /// How many nodes are no members, or have lost their disks, or would with their power. As long as these are a minority, the others
    /// have all that was ever acknowledged.
    pub fn given_up(&self) -> usize {
        let doubtful = |disk| matches!(disk, DiskState::Lost | DiskState::Lying);
        self.which(|node| !node.member || doubtful(node.disk)).len()
    }

    /// Whether one more disk may be lost.
    fn may_lose_a_disk(&self) -> bool {
        self.disk_bound == DiskBound::None || self.given_up() < self.minority()
    }

    /// What the view is once the fault is in force, which is now.
    pub fn apply(&mut self, fault: &Fault) {
        let now = self.now;
        // Who has forgotten what it has promised must not start.
        let is_bounded = self.disk_bound == DiskBound::Minority;
        match fault {
            Fault::Partition { cuts, .. } => self.cuts = cuts.clone(),
            Fault::HealNetwork => self.cuts.clear(),
            Fault::Kill(id)
            | Fault::PowerOff(id)
            | Fault::Reboot(id)
            | Fault::ForgetSyncs(id)
            | Fault::KillAt { node: id, .. }
            | Fault::KillAfter { node: id, .. }
            | Fault::LimitMemory { node: id, .. } => {
                let keeps_cache =
                    !matches!(fault, Fault::PowerOff(_) | Fault::Reboot(_) | Fault::ForgetSyncs(_));
                self.change(*id, |node| {
                    node.up = false;
                    node.paused = false;
                    if node.disk == DiskState::Lying && !keeps_cache && is_bounded {
                        node.disk = DiskState::Lost;
                    }
                });
            }
            Fault::Restart(id) => self.change(*id, |node| node.up = node.disk.runs()),
            Fault::Pause(id) => self.change(*id, |node| node.paused = node.up),
            Fault::Resume(id) => self.change(*id, |node| node.paused = false),
            Fault::WallJump { node, by_ms } => self.change(*node, |node| node.wall.jump(*by_ms)),
            Fault::WallStrobe { node, delta_ms, .. } => {
                self.change(*node, |node| node.wall.strobe(*delta_ms));
            }
            Fault::WallDrift { node, ppm } => {
                self.change(*node, |node| node.wall.drift(*ppm, now));
            }
            Fault::WallFreeze(id) => self.change(*id, |node| node.wall.drift(FROZEN_PPM, now)),
            Fault::WallLeap { node, back_ms } => {
                self.change(*node, |node| node.wall.jump(-i64::from(*back_ms)));
            }
            Fault::WallReset(id) => self.change(*id, |node| node.wall = Skew::default()),
            Fault::MonoDrift { node, ppm } => self.change(*node, |node| node.pace_ppm = *ppm),
            Fault::MonoReset(id) => self.change(*id, |node| node.pace_ppm = 0),
            Fault::Slow { nodes, delay_ms, jitter_ms } => {
                self.slow = if delay_ms | jitter_ms != 0 { nodes.clone() } else { Vec::new() };
            }
            Fault::Fast => self.slow.clear(),
            Fault::Flaky { nodes, loss_percent, duplicate_percent } => {
                let any = loss_percent | duplicate_percent != 0;
                self.flaky = if any { nodes.clone() } else { Vec::new() };
            }
            Fault::Reliable => self.flaky.clear(),
            Fault::Throttle { nodes, .. } => self.throttled.clone_from(nodes),
            Fault::Unthrottle => self.throttled.clear(),
            Fault::Links { links, how } if links.is_empty() || !how.harms() => {
                self.impaired.remove(&how.sort());
            }
            Fault::Links { links, how } => {
                self.impaired.insert(how.sort(), links.clone());
            }
            Fault::LinksWhole(sort) => {
                self.impaired.remove(sort);
            }
            Fault::CutClients { nodes, .. } => self.unasked.clone_from(nodes),
            Fault::HealClients => self.unasked.clear(),
            // What an earlier one has forgotten stays forgotten.
            Fault::Forget { nodes, .. } => {
                self.forgotten.extend(nodes);
                self.forgotten.sort_unstable();
                self.forgotten.dedup();
            }
            Fault::Remember => self.forgotten.clear(),
            // What an earlier one has held is still there.
            Fault::Hold { links, .. } if links.is_empty() => {}
            Fault::Hold { links, .. } => self.held.clone_from(links),
            Fault::Release => self.held.clear(),
            Fault::Remove(id) => self.change(*id, |node| node.member = false),
            Fault::Join(id) | Fault::Wipe(id) => {
                let joins = matches!(fault, Fault::Join(_));
                self.change(*id, |node| {
                    // Who starts over does so on a disk with nothing on it, and nothing wrong with it.
                    if !node.member {
                        node.disk = DiskState::Whole;
                    }
                    node.member |= joins;
                    node.up = node.disk.runs();
                    node.paused = false;
                });
            }
            Fault::SpoilDisk { node, how } => self.change(*node, |node| {
                let ends = how.ends_the_process() && (node.up || !node.disk.runs());
                node.disk = match how {
                    DiskTrouble::LyingSyncs => DiskState::Lying,
                    _ if ends => DiskState::Failing,
                    _ => DiskState::Troubled(how.kind()),
                };
                node.up &= !ends;
                node.paused &= !ends;
            }),
            Fault::DiskWhole(id) => self.change(*id, |node| {
                if node.disk != DiskState::Lost {
                    node.up |= !node.disk.runs();
                    node.disk = DiskState::Whole;
                }
            }),
            // It has started with what it has.
            Fault::SwapDisk { node, .. } if !is_bounded => self.change(*node, |node| {
                node.up = true;
                node.paused = false;
            }),
            Fault::DamageDisk { node, .. } | Fault::SwapDisk { node, .. } => {
                self.change(*node, |node| {
                    node.disk = DiskState::Lost;
                    node.up = false;
                    node.paused = false;
                });
            }
            Fault::Replace(id) => self.change(*id, |node| {
                if node.disk == DiskState::Lost {
                    node.disk = DiskState::Whole;
                    node.member = true;
                    node.up = true;
                }
            }),
            Fault::Transfer(_)
            | Fault::Rolling { .. }
            | Fault::Storm { .. }
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. }
            | Fault::Reset { .. }
            | Fault::Echo { .. }
            | Fault::Readdress { .. } => {}
        }
    }

    fn change(&mut self, id: NodeId, how: impl Fn(&mut NodeView)) {
        self.nodes.iter_mut().filter(|node| node.id == id).for_each(how);
    }

    /// All that is needed for everything to be whole again: network first, disks before who starts on them, clocks last.
    pub fn healing(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.cuts.is_empty() {
            faults.push(Fault::HealNetwork);
        }
        if !self.slow.is_empty() {
            faults.push(Fault::Fast);
        }
        if !self.flaky.is_empty() {
            faults.push(Fault::Reliable);
        }
        if !self.throttled.is_empty() {
            faults.push(Fault::Unthrottle);
        }
        faults.extend(self.impaired.keys().copied().map(Fault::LinksWhole));
        if !self.unasked.is_empty() {
            faults.push(Fault::HealClients);
        }
        if !self.forgotten.is_empty() {
            faults.push(Fault::Remember);
        }
        faults.extend(self.which(|node| node.paused).into_iter().map(Fault::Resume));
        faults.extend(self.which(NodeView::may_be_mended).into_iter().map(Fault::DiskWhole));
        let down = self.which(|node| !node.up && node.disk.runs());
        faults.extend(down.into_iter().map(Fault::Restart));
        // What was held goes to who is there again.
        if !self.held.is_empty() {
            faults.push(Fault::Release);
        }
        // Whom they ask to be added has to be there.
        let lost = |node: &NodeView| node.disk == DiskState::Lost;
        faults.extend(self.which(lost).into_iter().map(Fault::Replace));
        let out = self.which(|node| !node.member && !lost(node));
        faults.extend(out.into_iter().map(Fault::Join));
        faults.extend(self.which(|node| node.wall.touched).into_iter().map(Fault::WallReset));
        faults.extend(self.which(|node| node.pace_ppm != 0).into_iter().map(Fault::MonoReset));
        faults
    }
}

/// Decides what to break and what to mend.
pub trait Nemesis {
    /// When it wants to be asked, which may have passed; `None`: never again.
    fn due(&self) -> Option<Duration>;

    /// The fault to inject now, one at a time; `None` if nothing is due or nothing could act. A call at or after
    /// `due` that returns `None` moves `due` into the future.
    fn next(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<Fault>;

    /// What mends everything, at the end.
    fn heal(&self, view: &ClusterView) -> Vec<Fault> {
        view.healing()
    }
}

impl<N: Nemesis + ?Sized> Nemesis for Box<N> {
    fn due(&self) -> Option<Duration> {
        (**self).due()
    }

    fn next(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<Fault> {
        (**self).next(view, rng)
    }

    fn heal(&self, view: &ClusterView) -> Vec<Fault> {
        (**self).heal(view)
    }
}

/// A fault and how long from now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// From the moment at which it was decided.
    pub after: Duration,
    /// What.
    pub fault: Fault,
}

impl Timed {
    /// At once.
    pub fn now(fault: Fault) -> Timed {
        Timed { after: Duration::ZERO, fault }
    }

    /// After a while.
    pub fn after(after: Duration, fault: Fault) -> Timed {
        Timed { after, fault }
    }
}

/// What most faults need at most before they show: a clock is read once a second, a link is used five times.
pub const ACTS_WITHIN: Duration = Duration::from_secs(2);

/// An operator waits for five seconds until what was asked for has come about.
pub(crate) const ORDERED_WITHIN: Duration = Duration::from_secs(6);

/// After what time most faults have shown where they do: sooner than they must have.
pub const SHOWS_WITHIN: Duration = Duration::from_secs(2);

/// One kind of fault: what to break now and when to mend it. Nothing if nothing could act on the view.
pub trait Family {
    /// How long what it breaks must last to show.
    fn acts_within(&self) -> Duration {
        ACTS_WITHIN
    }

    /// After what time it breaks something once more if nothing that it broke has shown.
    fn shows_within(&self) -> Duration {
        SHOWS_WITHIN
    }

    /// What it chooses among and its ranges, in words.
    fn told(&self) -> String;

    /// The ranges that its parameters are drawn from.
    fn ranges(&mut self) -> Vec<&mut Range>;

    /// Of each range a part.
    fn narrow(&mut self, rng: &mut ChaCha8Rng) {
        for range in self.ranges() {
            *range = range.narrowed(rng);
        }
    }

    /// Faults with their undoings.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed>;
}
