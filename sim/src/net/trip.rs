//! One message on its link: whether it arrives, when, and how often.
//!
//! Nearly every message meets what its link's parameters say and nothing else, and is not asked what faults would make of it.

use super::Net;
use super::impairment::{Flaky, Passage, pass};
use super::links::Harm;
use crate::params::WorldParams;
use harness::plan::Fate;
use harness::seed::{Seed, Stream};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;

/// A message to oneself.
const LOOPBACK_NS: u64 = 10_000;
/// A fate's three chances have 20 bits each.
pub(super) const CHANCE_BITS: u32 = 20;

/// The injections that did something to a message which arrives. Hardly any message has one, so this is no larger than a pointer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blame(Option<Box<Deeds>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Deeds {
    /// They made it late, or it has come before.
    by: Vec<u32>,
    /// It is not what was sent, and its checksum shows it.
    damaged: Option<u32>,
}

impl Blame {
    /// This injection made it late or made it come again, too.
    pub(crate) fn add(&mut self, injection: u32) {
        self.0.get_or_insert_default().by.push(injection);
    }

    fn damage(&mut self, injection: u32) {
        self.0.get_or_insert_default().damaged = Some(injection);
    }

    /// All but who damaged it.
    pub(super) fn injections(&self) -> &[u32] {
        self.0.as_ref().map_or(&[], |deeds| &deeds.by)
    }

    /// Who damaged it.
    pub(super) fn damaged(&self) -> Option<u32> {
        self.0.as_ref()?.damaged
    }
}

/// What the link does to one message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trip {
    /// When it arrives; `None` if it is lost.
    pub(crate) arrives: Option<u64>,
    /// When it arrives a second time.
    pub(crate) again: Option<u64>,
    /// What was done to it.
    pub(crate) blame: Blame,
    /// The injection that lost it or doubled it; `None` also where its link did by itself.
    pub(crate) spoiled: Option<u32>,
}

pub(super) struct Link {
    rng: ChaCha8Rng,
    busy_until: u64,
    /// When a throttle lets the last of what it queued leave.
    queued_until: u64,
    /// The same of a single link with little room.
    narrowed_until: u64,
    /// When the last of what drips has come through.
    pub(super) dripped_until: u64,
    last_arrival: u64,
    /// Messages so far.
    pub(super) messages: u64,
}

/// What becomes of a message, but for when it arrives.
struct Outcome {
    lost: bool,
    twice: bool,
    spoiled: Option<u32>,
}

impl Net {
    /// Draws the fate of the link's next message.
    pub(crate) fn trip(
        &mut self,
        params: &WorldParams,
        from: u16,
        to: u16,
        bytes: usize,
        now: u64,
    ) -> Trip {
        if from == to {
            return Trip { arrives: Some(now + LOOPBACK_NS), ..Trip::default() };
        }
        let (seed, index) = (self.seed, self.index(from, to));
        let is_plain = self.is_plain();
        let link = self.links[index].get_or_insert_with(|| Box::new(Link::new(seed, from, to)));
        link.messages += 1;
        let drawn = (link.rng.next_u64(), link.rng.next_u64());
        link.busy_until = link.busy_until.max(now) + (bytes as u64 * params.ns_per_kib) / 1024;
        match is_plain {
            true => link.plain_trip(params, from == 0 || to == 0, drawn),
            false => self.harmed_trip(params, (from, to), bytes, now, drawn),
        }
    }

    /// Whether every message meets what its link's parameters say. Nearly all do, so they are not asked what else might happen to them.
    pub(super) fn is_plain(&self) -> bool {
        self.slowness.is_none()
            && self.flaky.is_none()
            && self.throttle.is_none()
            && self.impairments.is_none()
            && self.overrides.is_empty()
    }

    /// The fate of a message that took these numbers where anything is impaired or decreed.
    #[inline(never)]
    fn harmed_trip(
        &mut self,
        params: &WorldParams,
        (from, to): (u16, u16),
        bytes: usize,
        now: u64,
        (fate, delay): (u64, u64),
    ) -> Trip {
        let index = self.index(from, to);
        let of_client = from == 0 || to == 0;
        let slowness = self.slowness.as_ref().filter(|slow| slow.is_of(from));
        let flaky = self.flaky.as_ref().filter(|flaky| !of_client && flaky.is_of(from));
        let throttle = self.throttle.as_ref().filter(|thin| !of_client && thin.is_of(from));
        let Some(link) = &mut self.links[index] else { return Trip::default() };
        let number = link.messages - 1;
        let decreed = match self.overrides.is_empty() {
            true => None,
            false => self.overrides.get(&(from, to, number)).copied(),
        };
        let later = if let Some(Fate::Late(nanos)) = decreed { nanos } else { 0 };
        let (mut leaves, mut blame) = (link.busy_until, Blame::default());
        slowness.iter().for_each(|slow| blame.add(slow.injection));
        let harm = match self.impairments.is_none() {
            true => Harm::default(),
            false => self.impairments.harm(index, fate, delay),
        };
        let harm = if decreed.is_some() { harm.but_for_its_fate() } else { harm };
        let Outcome { lost, twice, spoiled } = outcome(params, fate, of_client, flaky, decreed);
        if lost {
            return Trip { spoiled, blame, ..Trip::default() };
        }
        if harm.lost.is_some() {
            return Trip { spoiled: harm.lost, ..Trip::default() };
        }
        if let Some(throttle) = throttle {
            match throttle.pass(link.queued_until, bytes, now) {
                Passage::Queued { until, shows } => {
                    link.queued_until = until;
                    leaves = leaves.max(until);
                    shows.then(|| blame.add(throttle.injection));
                }
                // What was decreed arrives in any case.
                Passage::Full if decreed.is_some() => {}
                Passage::Full => {
                    return Trip { spoiled: Some(throttle.injection), ..Trip::default() };
                }
            }
        }
        if let Some((ns_per_kib, injection)) = harm.narrow {
            match pass(ns_per_kib, link.narrowed_until, bytes, now) {
                Passage::Queued { until, shows } => {
                    link.narrowed_until = until;
                    leaves = leaves.max(until);
                    shows.then(|| blame.add(injection));
                }
                Passage::Full if decreed.is_some() => {}
                Passage::Full => return Trip { spoiled: Some(injection), ..Trip::default() },
            }
        }
        harm.damaged.into_iter().for_each(|injection| blame.damage(injection));
        let late = harm.late.map(|(_, injection)| injection);
        let held = harm.held.map(|(_, injection)| injection);
        late.into_iter().chain(held).for_each(|injection| blame.add(injection));
        // What is held back holds up nothing that comes after it.
        let later = later + harm.held.map_or(0, |(held, _)| held);
        let tail = happens(fate >> (2 * CHANCE_BITS), params.tail_ppm);
        let mut arrive = |delay: u64| {
            let slowed = slowness.map_or(0, |slow| slow.extra(fate, delay));
            let at = leaves + latency(params, delay, tail) + slowed + harm.late_by(fate, delay);
            link.arrival(params, at) + later
        };
        Trip {
            arrives: Some(arrive(delay)),
            again: (twice || harm.doubled.is_some()).then(|| arrive(delay.rotate_left(17))),
            blame,
            spoiled: spoiled.or(harm.doubled.filter(|_| !twice)),
        }
    }
}

impl Link {
    fn new(seed: Seed, from: u16, to: u16) -> Link {
        let rng = seed.stream(Stream::Link(from, to));
        Link {
            rng,
            busy_until: 0,
            queued_until: 0,
            narrowed_until: 0,
            dripped_until: 0,
            last_arrival: 0,
            messages: 0,
        }
    }

    /// The fate of a message that took these numbers where nothing is impaired or decreed.
    fn plain_trip(
        &mut self,
        params: &WorldParams,
        of_client: bool,
        (fate, delay): (u64, u64),
    ) -> Trip {
        if !of_client && happens(fate, params.loss_ppm) {
            return Trip::default();
        }
        let twice = !of_client && happens(fate >> CHANCE_BITS, params.duplication_ppm);
        let tail = happens(fate >> (2 * CHANCE_BITS), params.tail_ppm);
        let leaves = self.busy_until;
        let mut arrive = |delay| self.arrival(params, leaves + latency(params, delay, tail));
        Trip {
            arrives: Some(arrive(delay)),
            again: twice.then(|| arrive(delay.rotate_left(17))),
            ..Trip::default()
        }
    }

    /// When a message arrives that would at this time, if none overtook another.
    fn arrival(&mut self, params: &WorldParams, at: u64) -> u64 {
        if params.reorder {
            return at;
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }
}

/// What the drawn fate says, unless another was decreed.
fn outcome(
    params: &WorldParams,
    fate: u64,
    of_client: bool,
    flaky: Option<&Flaky>,
    decreed: Option<Fate>,
) -> Outcome {
    let lost = !of_client && happens(fate, params.loss_ppm);
    let dropped = flaky.filter(|flaky| !lost && flaky.loses(params, fate));
    let twice = !of_client && happens(fate >> CHANCE_BITS, params.duplication_ppm);
    let doubled = flaky.filter(|flaky| !twice && flaky.doubles(params, fate));
    let lost = decreed.map_or(lost || dropped.is_some(), |fate| fate == Fate::Lost);
    let by = match lost {
        true => dropped.filter(|_| decreed.is_none()),
        false => doubled.filter(|_| decreed != Some(Fate::Twice)),
    };
    Outcome {
        lost,
        twice: twice || doubled.is_some() || decreed == Some(Fate::Twice),
        spoiled: by.map(|flaky| flaky.injection),
    }
}

pub(super) fn happens(bits: u64, ppm: u64) -> bool {
    (bits & ((1 << CHANCE_BITS) - 1)) * 1_000_000 < ppm << CHANCE_BITS
}

fn latency(params: &WorldParams, delay: u64, tail: bool) -> u64 {
    let fraction = delay & 0xffff_ffff;
    let usual = params.latency_ns + ((fraction * params.jitter_ns) >> 32);
    if !tail {
        return usual;
    }
    // Heavy tail: each halving of its far end is equally likely, uniform inside.
    let half = (params.tail_ns >> ((delay >> 32) & 7)) / 2;
    usual + half + (((delay >> 35) * half) >> 29)
}
