//! Links: when a message arrives, whether, and how often. Datagrams travel here; byte streams ask for the same fate of their
//! packets.
//!
//! Each directed link has its own stream of random numbers and takes exactly two numbers a message, so message k of a link
//! meets the same fate whatever the other links carry. Cuts are looked at when a message is sent and again when
//! it arrives. The client host is node 0: its links are never cut and lose nothing, but they take time.
//!
//! Slowness is looked at when a message is sent: it is added to the latency, drawn from the same two numbers, and counts for
//! its injection when the message arrives. A link that keeps order keeps it then too: what is sent after the
//! slowness has ended may wait for what was sent before. The same holds of a throttle. Flaky links lose more than their
//! parameters say, of the same draws; only what those alone would not have lost or doubled counts for the injection.

use crate::host::INBOX_MAX;
use crate::params::WorldParams;
use crate::timers::Event;
use crate::trace::Kind;
use crate::world::World;
use bytes::Bytes;
use elastickv::env::Lane;
use harness::plan::{Fate, Override};
use harness::seed::{Seed, Stream};
use impairment::{Flaky, Passage, Slowness, Throttle};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;

mod impairment;

/// A message to oneself.
const LOOPBACK_NS: u64 = 10_000;
/// A fate's three chances have 20 bits each.
const CHANCE_BITS: u32 = 20;

/// A datagram under way.
pub(crate) struct Frame {
    from: u16,
    to: u16,
    lane: Lane,
    message: Bytes,
    /// Number of the event in which it was sent: its bytes are in the hash once.
    sent: u64,
    blame: Blame,
}

/// The injections that did something to a message which arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Blame {
    /// It is late.
    slowed: Option<u32>,
    /// It waited for others in a throttled link's queue.
    queued: Option<u32>,
    /// It has come before.
    doubled: Option<u32>,
}

/// What the link does to one message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// All links and what is cut.
pub(crate) struct Net {
    seed: Seed,
    hosts: usize,
    links: Vec<Option<Box<Link>>>,
    cuts: Vec<bool>,
    /// The injection that made the cuts.
    blame: Option<usize>,
    slowness: Option<Slowness>,
    flaky: Option<Flaky>,
    throttle: Option<Throttle>,
    /// By link and number.
    overrides: BTreeMap<(u16, u16, u64), Fate>,
}

struct Link {
    rng: ChaCha8Rng,
    busy_until: u64,
    /// When a throttle lets the last of what it queued leave.
    queued_until: u64,
    last_arrival: u64,
    /// Messages so far.
    messages: u64,
}

/// What becomes of a message, but for when it arrives.
struct Outcome {
    lost: bool,
    twice: bool,
    spoiled: Option<u32>,
}

impl Net {
    pub(crate) fn new(seed: Seed, nodes: u16, overrides: &[Override]) -> Net {
        let hosts = usize::from(nodes) + 1;
        Net {
            seed,
            hosts,
            links: (0..hosts * hosts).map(|_| None).collect(),
            cuts: vec![false; hosts * hosts],
            blame: None,
            slowness: None,
            flaky: None,
            throttle: None,
            overrides: overrides.iter().map(|o| ((o.from, o.to, o.number), o.fate)).collect(),
        }
    }

    fn index(&self, from: u16, to: u16) -> usize {
        usize::from(from) * self.hosts + usize::from(to)
    }

    /// These directed links are cut and no others, because of this injection.
    pub(crate) fn cut(&mut self, cuts: impl Iterator<Item = (u16, u16)>, injection: Option<usize>) {
        self.cuts.fill(false);
        self.blame = injection;
        for (from, to) in cuts.filter(|&(from, to)| from != 0 && to != 0 && from != to) {
            let link = self.index(from, to);
            self.cuts[link] = true;
        }
    }

    pub(crate) fn is_cut(&self, from: u16, to: u16) -> bool {
        self.cuts[self.index(from, to)]
    }

    /// Whether all links are as the parameters say.
    pub(crate) fn is_whole(&self) -> bool {
        let impaired = self.slowness.is_some() || self.flaky.is_some() || self.throttle.is_some();
        !self.cuts.contains(&true) && !impaired
    }

    /// What leaves these hosts from now on is late, and nothing else, because of this injection.
    pub(crate) fn slow(
        &mut self,
        hosts: impl Iterator<Item = u16>,
        delay_ms: u32,
        jitter_ms: u32,
        injection: usize,
    ) {
        let slowed = self.marked(hosts);
        self.slowness = Slowness::new(slowed, delay_ms, jitter_ms, injection as u32);
    }

    /// Nothing that leaves from now on is late.
    pub(crate) fn fast(&mut self) {
        self.slowness = None;
    }

    /// Of what leaves these hosts for other nodes so much is lost and so much doubled, because of this injection; of
    /// what leaves others, what their links' parameters say.
    pub(crate) fn spoil(
        &mut self,
        hosts: impl Iterator<Item = u16>,
        loss_percent: u8,
        duplicate_percent: u8,
        injection: usize,
    ) {
        let spoiled = self.marked(hosts);
        self.flaky = Flaky::new(spoiled, loss_percent, duplicate_percent, injection as u32);
    }

    /// Nothing that leaves from now on is spoiled.
    pub(crate) fn reliable(&mut self) {
        self.flaky = None;
    }

    /// Each link from one of these hosts to another node carries no more than this, because of this injection.
    pub(crate) fn throttle(
        &mut self,
        hosts: impl Iterator<Item = u16>,
        kib_per_s: u32,
        injection: usize,
    ) {
        let throttled = self.marked(hosts);
        self.throttle = Some(Throttle::new(throttled, kib_per_s, injection as u32));
    }

    /// Nothing that leaves from now on is queued.
    pub(crate) fn unthrottle(&mut self) {
        self.throttle = None;
    }

    /// By host, whether it is one of these.
    fn marked(&self, hosts: impl Iterator<Item = u16>) -> Vec<bool> {
        let mut marked = vec![false; self.hosts];
        hosts.for_each(|host| marked[usize::from(host)] = true);
        marked
    }

    /// How many messages this link has carried.
    pub(crate) fn carried(&self, from: u16, to: u16) -> u64 {
        self.links[self.index(from, to)].as_ref().map_or(0, |link| link.messages)
    }

    /// How many messages all links have carried.
    pub(crate) fn sent(&self) -> u64 {
        self.links.iter().flatten().map(|link| link.messages).sum()
    }

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
        let of_client = from == 0 || to == 0;
        let slowness = self.slowness.as_ref().filter(|slow| slow.is_of(from));
        let flaky = self.flaky.as_ref().filter(|flaky| !of_client && flaky.is_of(from));
        let throttle = self.throttle.as_ref().filter(|thin| !of_client && thin.is_of(from));
        let link = self.links[index].get_or_insert_with(|| Box::new(Link::new(seed, from, to)));
        let number = link.messages;
        link.messages += 1;
        let (fate, delay) = (link.rng.next_u64(), link.rng.next_u64());
        let decreed = match self.overrides.is_empty() {
            true => None,
            false => self.overrides.get(&(from, to, number)).copied(),
        };
        let later = if let Some(Fate::Late(nanos)) = decreed { nanos } else { 0 };
        link.busy_until = link.busy_until.max(now) + (bytes as u64 * params.ns_per_kib) / 1024;
        let (mut leaves, mut blame) = (link.busy_until, Blame::default());
        blame.slowed = slowness.map(|slow| slow.injection);
        let Outcome { lost, twice, spoiled } = outcome(params, fate, of_client, flaky, decreed);
        if lost {
            return Trip { spoiled, blame, ..Trip::default() };
        }
        if let Some(throttle) = throttle {
            match throttle.pass(link.queued_until, bytes, now) {
                Passage::Queued { until, behind } => {
                    link.queued_until = until;
                    leaves = leaves.max(until);
                    blame.queued = behind.then_some(throttle.injection);
                }
                // What was decreed arrives in any case.
                Passage::Full if decreed.is_some() => {}
                Passage::Full => {
                    return Trip { spoiled: Some(throttle.injection), ..Trip::default() };
                }
            }
        }
        let tail = happens(fate >> (2 * CHANCE_BITS), params.tail_ppm);
        let mut arrive = |delay: u64| {
            let slowed = slowness.map_or(0, |slow| slow.extra(fate, delay));
            let at = leaves + latency(params, delay, tail) + slowed;
            if !params.reorder {
                link.last_arrival = link.last_arrival.max(at);
                return link.last_arrival + later;
            }
            at + later
        };
        Trip {
            arrives: Some(arrive(delay)),
            again: twice.then(|| arrive(delay.rotate_left(17))),
            blame,
            spoiled,
        }
    }
}

impl Link {
    fn new(seed: Seed, from: u16, to: u16) -> Link {
        let rng = seed.stream(Stream::Link(from, to));
        Link { rng, busy_until: 0, queued_until: 0, last_arrival: 0, messages: 0 }
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

fn happens(bits: u64, ppm: u64) -> bool {
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

impl World {
    /// A datagram leaves a process that is alive.
    pub(crate) fn send(&self, from: u16, to: u16, lane: Lane, message: Bytes) {
        self.invariants_sent(from, to, lane, &message);
        self.count("datagrams sent");
        let trip = self.net.borrow_mut().trip(&self.params, from, to, message.len(), self.now());
        // The arrival is folded now: what arrives within the same turn of the driver shares its time.
        let words = [u64::from(to), lane as u64, trip.arrives.unwrap_or(0)];
        let sent = self.trace().events();
        self.event(from, Kind::Send, &words, &message);
        self.name_message(from, to);
        if self.drops_cut(from, to, Kind::Drop) {
            return;
        }
        let Some(arrives) = trip.arrives else {
            self.was_lost(trip, self.hosts.borrow()[usize::from(to)].up);
            self.count("datagrams lost");
            return self.event(to, Kind::Drop, &[u64::from(from)], &[]);
        };
        let blame = trip.blame;
        if let Some(again) = trip.again {
            self.count("datagrams doubled");
            let (message, blame) = (message.clone(), Blame { doubled: trip.spoiled, ..blame });
            self.timers.at(again, Event::Frame(Frame { from, to, lane, message, sent, blame }));
        }
        self.timers.at(arrives, Event::Frame(Frame { from, to, lane, message, sent, blame }));
    }

    /// Says in a recorded event which message of its link it is: that is how an [`Override`] names it.
    pub(crate) fn name_message(&self, from: u16, to: u16) {
        self.annotate(|| match self.net.borrow().carried(from, to).checked_sub(1) {
            Some(number) => Override { from, to, number, fate: Fate::Lost }.message(),
            None => String::new(),
        });
    }

    /// A datagram arrives at a kernel.
    pub(crate) fn deliver(&self, frame: Frame) {
        let Frame { from, to, lane, message, sent, blame } = frame;
        let words = [u64::from(from), lane as u64, sent];
        // Before the cut: what nobody could have received is not the partition's doing.
        if !self.hosts.borrow()[usize::from(to)].up {
            return self.event(to, Kind::Drop, &words, &[]);
        }
        if self.drops_cut(from, to, Kind::Drop) {
            return;
        }
        self.event(to, Kind::Deliver, &words, &[]);
        self.came(blame);
        let mut hosts = self.hosts.borrow_mut();
        let inbox = hosts[usize::from(to)].inbox(lane);
        inbox.queue.push_back((from, message));
        if inbox.queue.len() > INBOX_MAX {
            inbox.queue.pop_front();
            self.count("datagrams dropped by a full inbox");
        }
        if let Some(reader) = inbox.reader.take() {
            reader.wake();
        }
    }

    /// A message has arrived: what was done to it counts for the effects of those that did it.
    pub(crate) fn came(&self, Blame { slowed, queued, doubled }: Blame) {
        for injection in [slowed, queued, doubled].into_iter().flatten() {
            self.acted(injection as usize, 1);
        }
    }

    /// A message is lost: if somebody could have received it, that counts for the fault that lost it.
    pub(crate) fn was_lost(&self, trip: Trip, receivable: bool) {
        if let Some(injection) = trip.spoiled.filter(|_| receivable) {
            self.acted(injection as usize, 1);
        }
    }

    /// Whether a cut stops what goes this way now; if so it is counted for the partition's effect.
    pub(crate) fn drops_cut(&self, from: u16, to: u16, kind: Kind) -> bool {
        let blame = {
            let net = self.net.borrow();
            if !net.is_cut(from, to) {
                return false;
            }
            net.blame
        };
        if let Some(injection) = blame {
            self.acted(injection, 1);
        }
        self.event(to, kind, &[u64::from(from)], &[]);
        true
    }
}

#[cfg(test)]
mod tests;
