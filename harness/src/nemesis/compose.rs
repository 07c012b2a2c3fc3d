//! Several families at once: a strike every few seconds, each undone at its own time.
//!
//! What a fault was to hit may be gone a moment later, by another fault or by itself. So a family whose kind has not acted strikes once more
//! after a while, elsewhere, and what it broke is not mended before it has shown, where the cluster knows ([`ClusterView::idle`]).
//!
//! Swarm testing (Groce et al., ISSTA 2012): each seed draws which of the enabled kinds, shapes, targets and ranges it uses
//! and how often, since a run that does everything a little hides what needs much of one thing. Where a run is too dear for
//! that, [`Composed::every`] uses each kind in turn.

use super::address::Addresses;
use super::ceiling::Ceiling;
use super::clients::Clients;
use super::clock::Jumps;
use super::cut_off::{HalfOpen, Resets};
use super::disk::{Damages, Lies, Swaps, Troubles};
use super::drift::Drifts;
use super::flaky::Flaky;
use super::freeze::Freezes;
use super::held::{Echoes, Holds};
use super::latency::Latency;
use super::leap::Leaps;
use super::links::{Links, Which};
use super::membership::Membership;
use super::memory::Limits;
use super::mono::Paces;
use super::partition::{Partition, Shape};
use super::pause::Pauses;
use super::process::{End, Processes, Target};
use super::rolling::Rolling;
use super::senders::Senders;
use super::split::Splits;
use super::steps::{Awaits, Steps};
use super::storm::Storms;
use super::strobe::Strobes;
use super::throttle::Throttle;
use super::transfer::Transfers;
use super::{ACTS_WITHIN, ClusterView, Family, Nemesis, Timed};
use crate::fault::{Damage, Fault, FaultKind, Sort};
use crate::params::Swarm;
use crate::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;
use std::time::Duration;

/// Time between strikes, uniform from the first to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// At least.
    pub min: Duration,
    /// At most.
    pub max: Duration,
}

impl Interval {
    fn draw(self, rng: &mut ChaCha8Rng) -> Duration {
        let nanos = rng.range(self.min.as_nanos() as u64, self.max.as_nanos() as u64 + 1);
        // Never zero: a strike that finds nothing to do must move on.
        Duration::from_nanos(nanos.max(1_000_000))
    }
}

/// Which family strikes next.
enum Order {
    /// Any, by weight.
    Drawn,
    /// Each once in a round, in another order in every round: those that have not struck in this one.
    Rounds(Vec<usize>),
}

/// When to look whether what a family broke has shown.
struct Watch {
    at: Duration,
    /// Its place.
    family: usize,
    kinds: BTreeSet<FaultKind>,
}

/// A mending that has to wait is looked at again after so long, and so is a family that can break nothing.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Families one after another, and their undoings.
pub struct Composed {
    families: Vec<(u64, Box<dyn Family>)>,
    order: Order,
    interval: Interval,
    strike_at: Option<Duration>,
    /// When all is healed.
    end: Duration,
    /// In order of time; what is due at the same time in order of decision.
    schedule: Vec<(Duration, Fault)>,
    watched: Vec<Watch>,
}

impl Composed {
    /// Of these families by weight; the first strike one interval after `start`.
    pub fn new(
        families: Vec<(u64, Box<dyn Family>)>,
        interval: Interval,
        start: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Composed {
        let strike_at = (!families.is_empty()).then(|| start + interval.draw(rng));
        Composed {
            families,
            order: Order::Drawn,
            interval,
            strike_at,
            end: Duration::MAX,
            schedule: Vec::new(),
            watched: Vec::new(),
        }
    }

    /// No strike so late before `end`, when all is healed, that it could hardly act.
    #[must_use]
    pub fn ending(mut self, end: Duration) -> Composed {
        self.end = end;
        self.strike_at = self.strike_at.filter(|at| self.is_in_time(*at));
        self
    }

    fn is_in_time(&self, at: Duration) -> bool {
        at <= self.end.saturating_sub(ACTS_WITHIN)
    }

    /// What a seed makes of the kinds enabled.
    pub fn swarm(
        enabled: &[FaultKind],
        interval: Interval,
        start: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Composed {
        Composed::of(Swarm::draw(enabled, rng), interval, start, rng)
    }

    /// All of the kinds enabled, each once in every round of strikes.
    pub fn every(
        enabled: &[FaultKind],
        interval: Interval,
        start: Duration,
        rng: &mut ChaCha8Rng,
    ) -> Composed {
        Composed::of(Swarm::every(enabled, rng), interval, start, rng)
    }

    /// What a swarm choice says.
    pub fn of(swarm: Swarm, interval: Interval, start: Duration, rng: &mut ChaCha8Rng) -> Composed {
        let order = if swarm.in_turn { Order::Rounds(Vec::new()) } else { Order::Drawn };
        let families = swarm.chosen.into_iter().map(|chosen| (chosen.weight, chosen.family));
        Composed { order, ..Composed::new(families.collect(), interval, start, rng) }
    }

    fn strike(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) {
        let chance = Chance { view, left: self.end.saturating_sub(view.now) };
        let (family, struck) = match &mut self.order {
            Order::Drawn => drawn(&self.families, chance, rng),
            Order::Rounds(left) => in_rounds(left, &self.families, chance, rng),
        };
        let kinds = struck.iter().filter_map(|timed| timed.fault.kind()).collect();
        self.begin(struck, view);
        self.watch(family, kinds, view.now);
    }

    fn begin(&mut self, struck: Vec<Timed>, view: &ClusterView) {
        for Timed { after, fault } in struck {
            self.schedule(view, view.now + after, fault);
        }
    }

    /// Looks at these kinds later, if there is time for it.
    fn watch(&mut self, family: usize, kinds: BTreeSet<FaultKind>, now: Duration) {
        let Some((_, watched)) = self.families.get(family).filter(|_| !kinds.is_empty()) else {
            return;
        };
        let at = now + watched.shows_within();
        if at + LOOKS_AGAIN_AFTER <= self.end {
            self.watched.push(Watch { at, family, kinds });
        }
    }

    /// Whoever has broken something that has not shown breaks something once more.
    fn strike_again(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) {
        let is_due = |watch: &mut Watch| watch.at <= view.now;
        let due: Vec<Watch> = self.watched.extract_if(.., is_due).collect();
        for Watch { family, kinds, .. } in due {
            if kinds.iter().all(|kind| !view.idle.contains(kind)) {
                continue;
            }
            let broken = &*self.families[family].1;
            let needs = broken.shows_within().min(broken.acts_within());
            if view.now + needs > self.end {
                continue;
            }
            let struck = broken.strike(view, rng);
            if struck.is_empty() {
                let at = view.now + LOOKS_AGAIN_AFTER;
                self.watched.extend((at < self.end).then_some(Watch { at, family, kinds }));
                continue;
            }
            self.begin(struck, view);
            self.watch(family, kinds, view.now);
        }
    }

    fn schedule(&mut self, view: &ClusterView, at: Duration, fault: Fault) {
        // What a clock gains is bounded by when its drift ends: nothing puts that off.
        if let Fault::WallReset(node) = &fault
            && view.node(*node).is_some_and(|node| node.wall.drift_ppm != 0)
            && self.schedule.iter().any(|(planned, other)| *planned <= at && *other == fault)
        {
            return;
        }
        // The newer undoing counts: an old heal must not end a new partition early.
        let ended = match &fault {
            Fault::Partition { .. } => Some(Fault::HealNetwork),
            Fault::Slow { .. } => Some(Fault::Fast),
            Fault::Flaky { .. } => Some(Fault::Reliable),
            Fault::Throttle { .. } => Some(Fault::Unthrottle),
            Fault::Links { how, .. } => Some(Fault::LinksWhole(how.sort())),
            Fault::CutClients { .. } => Some(Fault::HealClients),
            Fault::Forget { .. } => Some(Fault::Remember),
            Fault::Hold { .. } => Some(Fault::Release),
            Fault::MonoDrift { node, .. } => Some(Fault::MonoReset(*node)),
            Fault::WallDrift { node, .. } | Fault::WallFreeze(node) => {
                Some(Fault::WallReset(*node))
            }
            Fault::SpoilDisk { node, .. } => Some(Fault::DiskWhole(*node)),
            Fault::DamageDisk { node, .. }
            | Fault::ForgetSyncs(node)
            | Fault::SwapDisk { node, .. } => Some(Fault::Replace(*node)),
            other => other.kind().is_none().then(|| other.clone()),
        };
        if let Some(ended) = ended {
            self.schedule.retain(|(_, planned)| *planned != ended);
        }
        self.put(at, fault);
    }

    /// The first due fault that can act; those that have to wait do, those that cannot act are forgotten.
    fn due_fault(&mut self, view: &ClusterView) -> Option<Fault> {
        while self.schedule.first().is_some_and(|(at, _)| *at <= view.now) {
            let (_, fault) = self.schedule.remove(0);
            match view.can_act(&fault) {
                true if view.must_wait(&fault) => self.put(view.now + LOOKS_AGAIN_AFTER, fault),
                true => return Some(fault),
                false => {}
            }
        }
        None
    }

    fn put(&mut self, at: Duration, fault: Fault) {
        let place = self.schedule.partition_point(|(planned, _)| *planned <= at);
        self.schedule.insert(place, (at, fault));
    }
}

impl Nemesis for Composed {
    fn due(&self) -> Option<Duration> {
        let undoing = self.schedule.first().map(|(at, _)| *at);
        let looks = self.watched.iter().map(|watch| watch.at);
        looks.chain(undoing).chain(self.strike_at).min()
    }

    fn next(&mut self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Option<Fault> {
        if let Some(fault) = self.due_fault(view) {
            return Some(fault);
        }
        if self.strike_at.is_some_and(|at| at <= view.now) {
            let next = view.now + self.interval.draw(rng);
            self.strike_at = Some(next).filter(|at| self.is_in_time(*at));
            self.strike(view, rng);
        }
        self.strike_again(view, rng);
        self.due_fault(view)
    }
}

/// What there is to break, and how much time.
#[derive(Clone, Copy)]
struct Chance<'a> {
    view: &'a ClusterView,
    left: Duration,
}

impl Chance<'_> {
    /// What a family does, if it would show in time.
    fn taken(self, family: &dyn Family, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        let struck = family.strike(self.view, rng);
        if family.acts_within() <= self.left { struck } else { Vec::new() }
    }
}

/// What one family does, drawn by weight.
fn drawn(
    families: &[(u64, Box<dyn Family>)],
    chance: Chance<'_>,
    rng: &mut ChaCha8Rng,
) -> (usize, Vec<Timed>) {
    let total = families.iter().map(|(weight, _)| weight).sum();
    let mut point = rng.range(0, total);
    for (place, (weight, family)) in families.iter().enumerate() {
        if point < *weight {
            return (place, chance.taken(&**family, rng));
        }
        point -= weight;
    }
    (0, Vec::new())
}

/// What the first of the families left does that can act. One that cannot stays; if none can, a new round begins.
fn in_rounds(
    left: &mut Vec<usize>,
    families: &[(u64, Box<dyn Family>)],
    chance: Chance<'_>,
    rng: &mut ChaCha8Rng,
) -> (usize, Vec<Timed>) {
    for _ in 0..2 {
        for place in 0..left.len() {
            let struck = chance.taken(&*families[left[place]].1, rng);
            if !struck.is_empty() {
                return (left.remove(place), struck);
            }
        }
        *left = (0..families.len()).collect();
        rng.shuffle(left);
    }
    (0, Vec::new())
}

/// How long what a kind breaks must last to show.
pub fn acts_within(kind: FaultKind) -> Duration {
    // It is the same whatever is drawn.
    family(kind, &mut Seed(0).stream(Stream::Nemesis)).acts_within()
}

pub(crate) fn family(kind: FaultKind, rng: &mut ChaCha8Rng) -> Box<dyn Family> {
    match kind {
        FaultKind::Partition => Box::new(Partition::new(subset(&Shape::ALL, rng))),
        FaultKind::Kill => Box::new(Processes::new(End::Kill, subset(&Target::ALL, rng))),
        FaultKind::Power => Box::new(Processes::new(End::Power, subset(&Target::ALL, rng))),
        FaultKind::Pause => Box::new(Pauses::default()),
        FaultKind::Jump => Box::new(Jumps::default()),
        FaultKind::Latency => Box::new(Latency::new(subset(&Senders::ALL, rng))),
        FaultKind::Flaky => Box::new(Flaky::new(subset(&Senders::ALL, rng))),
        FaultKind::Throttle => Box::new(Throttle::new(subset(&Senders::ALL, rng))),
        FaultKind::Strobe => Box::new(Strobes::default()),
        FaultKind::Drift => Box::new(Drifts::default()),
        FaultKind::Reboot => Box::new(Processes::new(End::Reboot, subset(&Target::ALL, rng))),
        FaultKind::Membership => Box::new(Membership::default()),
        FaultKind::Transfer => Box::new(Transfers),
        FaultKind::Rolling => Box::new(Rolling::default()),
        FaultKind::Split => Box::new(Splits::default()),
        FaultKind::Ceiling => Box::new(Ceiling::default()),
        FaultKind::LinkLatency => links(Sort::Latency, rng),
        FaultKind::LinkLoss => links(Sort::Loss, rng),
        FaultKind::LinkDouble => links(Sort::Double, rng),
        FaultKind::LinkOrder => links(Sort::Order, rng),
        FaultKind::LinkDamage => links(Sort::Damage, rng),
        FaultKind::LinkRate => links(Sort::Rate, rng),
        FaultKind::LinkDrip => links(Sort::Drip, rng),
        FaultKind::Clients => Box::new(Clients::new(subset(&Senders::ALL, rng))),
        FaultKind::Reset => Box::new(Resets::new(subset(&Senders::ALL, rng))),
        FaultKind::HalfOpen => Box::new(HalfOpen::new(subset(&Senders::ALL, rng))),
        FaultKind::Hold => Box::new(Holds::new(subset(&Which::ALL, rng))),
        FaultKind::Echo => Box::new(Echoes::new(subset(&[Senders::One, Senders::Leader], rng))),
        FaultKind::Address => {
            Box::new(Addresses::new(subset(&[Senders::One, Senders::Leader], rng)))
        }
        FaultKind::KillAt => Box::new(Steps::new(subset(&Target::ALL, rng))),
        FaultKind::KillAwait => Box::new(Awaits::new(subset(&Target::ALL, rng))),
        FaultKind::Storm => Box::new(Storms::new(subset(&Target::ALL, rng))),
        FaultKind::Freeze => Box::new(Freezes::default()),
        FaultKind::Leap => Box::new(Leaps::default()),
        FaultKind::MonoDrift => Box::new(Paces::default()),
        FaultKind::Memory => Box::new(Limits::new(subset(&Target::ALL, rng))),
        FaultKind::SlowSync => Box::new(Troubles::slow()),
        FaultKind::IoError => Box::new(Troubles::errors()),
        FaultKind::DiskFull => Box::new(Troubles::full()),
        FaultKind::ShortRead => Box::new(Troubles::short_reads()),
        FaultKind::BitRot => Box::new(Damages::new(Damage::Rot)),
        FaultKind::Misdirect => Box::new(Damages::new(Damage::Misdirected)),
        FaultKind::LyingSync => Box::new(Lies::default()),
        FaultKind::StaleDisk => Box::new(Swaps::default()),
    }
}

fn links(sort: Sort, rng: &mut ChaCha8Rng) -> Box<dyn Family> {
    Box::new(Links::new(sort, subset(&Which::ALL, rng)))
}

/// Each with probability 2/3; one at least, if there is any.
pub(crate) fn subset<T: Copy>(of: &[T], rng: &mut ChaCha8Rng) -> Vec<T> {
    let chosen: Vec<T> = of.iter().copied().filter(|_| rng.chance(0.67)).collect();
    match of {
        [] => Vec::new(),
        of if chosen.is_empty() => vec![*rng.pick(of)],
        _ => chosen,
    }
}
