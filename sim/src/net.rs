//! Links: when a message arrives, whether, and how often. Datagrams travel here; byte streams ask for the same fate of their
//! packets.
//!
//! Each directed link has its own stream of random numbers and takes exactly two numbers a message, so message k of a link
//! meets the same fate whatever the other links carry. Cuts are looked at when a message is sent and again when
//! it arrives. The client host is node 0: its links are never cut and lose nothing, but they take time.
//!
//! Slowness is looked at when a message is sent: it is added to the latency, drawn from the same two numbers, and counts for
//! its injection when the message arrives. A link that keeps order keeps it then too: what is sent after the
//! slowness has ended may wait for what was sent before.

use crate::host::INBOX_MAX;
use crate::params::WorldParams;
use crate::timers::Event;
use crate::trace::Kind;
use crate::world::World;
use bytes::Bytes;
use elastickv::env::Lane;
use harness::plan::{Fate, Override};
use harness::seed::{Seed, Stream};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;

/// A message to oneself.
const LOOPBACK_NS: u64 = 10_000;
/// An odd constant (2^64 / golden ratio): a product's upper half hangs on every bit below.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const MS: u64 = 1_000_000;
/// A fate's three chances have 20 bits each.
const CHANCE_BITS: u32 = 20;

/// A datagram under way.
pub(crate) struct Frame {
    from: u16,
    to: u16,
    lane: Lane,
    message: Bytes,
    late: Late,
}

/// The injection that made a message late, if one did.
pub(crate) type Late = Option<u32>;

/// What the link does to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trip {
    /// When it arrives; `None` if it is lost.
    pub(crate) arrives: Option<u64>,
    /// When it arrives a second time.
    pub(crate) again: Option<u64>,
    /// Whether it was slowed, and by what.
    pub(crate) late: Late,
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
    /// By link and number.
    overrides: BTreeMap<(u16, u16, u64), Fate>,
}

struct Slowness {
    /// By host.
    slowed: Vec<bool>,
    delay_ns: u64,
    jitter_ns: u64,
    injection: u32,
}

struct Link {
    rng: ChaCha8Rng,
    busy_until: u64,
    last_arrival: u64,
    /// Messages so far.
    messages: u64,
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
        !self.cuts.contains(&true) && self.slowness.is_none()
    }

    /// What leaves these hosts from now on is late, and nothing else, because of this injection.
    pub(crate) fn slow(
        &mut self,
        hosts: impl Iterator<Item = u16>,
        delay_ms: u32,
        jitter_ms: u32,
        injection: usize,
    ) {
        let mut slowed = vec![false; self.hosts];
        hosts.for_each(|host| slowed[usize::from(host)] = true);
        self.slowness = ((delay_ms | jitter_ms) != 0).then(|| Slowness {
            slowed,
            delay_ns: u64::from(delay_ms) * MS,
            jitter_ns: u64::from(jitter_ms) * MS,
            injection: injection as u32,
        });
    }

    /// Nothing that leaves from now on is late.
    pub(crate) fn fast(&mut self) {
        self.slowness = None;
    }

    /// How many messages this link has carried.
    pub(crate) fn carried(&self, from: u16, to: u16) -> u64 {
        self.links[self.index(from, to)].as_ref().map_or(0, |link| link.messages)
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
            return Trip { arrives: Some(now + LOOPBACK_NS), again: None, late: None };
        }
        let (seed, index) = (self.seed, self.index(from, to));
        let slowness = self.slowness.as_ref().filter(|slow| slow.slowed[usize::from(from)]);
        let link = self.links[index].get_or_insert_with(|| {
            let rng = seed.stream(Stream::Link(from, to));
            Box::new(Link { rng, busy_until: 0, last_arrival: 0, messages: 0 })
        });
        let number = link.messages;
        link.messages += 1;
        let (fate, delay) = (link.rng.next_u64(), link.rng.next_u64());
        let decreed = match self.overrides.is_empty() {
            true => None,
            false => self.overrides.get(&(from, to, number)).copied(),
        };
        let later = if let Some(Fate::Late(nanos)) = decreed { nanos } else { 0 };
        link.busy_until = link.busy_until.max(now) + (bytes as u64 * params.ns_per_kib) / 1024;
        let tail = happens(fate >> (2 * CHANCE_BITS), params.tail_ppm);
        let mut arrive = |delay: u64| {
            let slowed = slowness.map_or(0, |slow| slow.extra(fate, delay));
            let at = link.busy_until + latency(params, delay, tail) + slowed;
            if !params.reorder {
                link.last_arrival = link.last_arrival.max(at);
                return link.last_arrival + later;
            }
            at + later
        };
        let of_client = from == 0 || to == 0;
        let drawn = !of_client && happens(fate, params.loss_ppm);
        let lost = decreed.map_or(drawn, |fate| fate == Fate::Lost);
        let drawn = !of_client && happens(fate >> CHANCE_BITS, params.duplication_ppm);
        let twice = drawn || decreed == Some(Fate::Twice);
        Trip {
            arrives: (!lost).then(|| arrive(delay)),
            again: (twice && !lost).then(|| arrive(delay.rotate_left(17))),
            late: slowness.map(|slow| slow.injection),
        }
    }
}

impl Slowness {
    /// Uniform in its bounds, and of neither number alone: what else they decide says nothing of it.
    fn extra(&self, fate: u64, delay: u64) -> u64 {
        let mixed = (fate ^ delay.rotate_left(32)).wrapping_mul(MIX);
        self.delay_ns + (((mixed >> 32) * (self.jitter_ns + 1)) >> 32)
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
        self.event(from, Kind::Send, &words, &message);
        self.name_message(from, to);
        if self.drops_cut(from, to, Kind::Drop) {
            return;
        }
        let Some(arrives) = trip.arrives else {
            self.count("datagrams lost");
            return self.event(to, Kind::Drop, &[u64::from(from)], &[]);
        };
        let late = trip.late;
        if let Some(again) = trip.again {
            self.count("datagrams doubled");
            let message = message.clone();
            self.timers.at(again, Event::Frame(Frame { from, to, lane, message, late }));
        }
        self.timers.at(arrives, Event::Frame(Frame { from, to, lane, message, late }));
    }

    /// Says in a recorded event which message of its link it is: that is how an [`Override`] names it.
    pub(crate) fn name_message(&self, from: u16, to: u16) {
        let number = self.net.borrow().carried(from, to);
        let Some(number) = number.checked_sub(1) else { return };
        self.annotate(|| Override { from, to, number, fate: Fate::Lost }.message());
    }

    /// A datagram arrives at a kernel.
    pub(crate) fn deliver(&self, frame: Frame) {
        let Frame { from, to, lane, message, late } = frame;
        let words = [u64::from(from), lane as u64];
        // Before the cut: what nobody could have received is not the partition's doing.
        if !self.hosts.borrow()[usize::from(to)].up {
            return self.event(to, Kind::Drop, &words, &[]);
        }
        if self.drops_cut(from, to, Kind::Drop) {
            return;
        }
        self.event(to, Kind::Deliver, &words, &message);
        self.came_late(late);
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

    /// A message has arrived: whether it was late is counted for the slowness' effect.
    pub(crate) fn came_late(&self, late: Late) {
        if let Some(injection) = late {
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
mod tests {
    use super::*;

    const NOWHERE: Trip = Trip { arrives: None, again: None, late: None };

    fn trips(params: &WorldParams, count: usize) -> Vec<Trip> {
        let mut net = Net::new(Seed(3), 2, &[]);
        (0..count).map(|k| net.trip(params, 1, 2, 100, k as u64 * 1000)).collect()
    }

    #[test]
    fn a_message_meets_the_same_fate_whatever_other_links_carry() {
        let params = WorldParams::from_seed(Seed(3));
        let alone = trips(&params, 50);
        let mut net = Net::new(Seed(3), 2, &[]);
        for (k, trip) in alone.iter().enumerate() {
            net.trip(&params, 2, 1, 9, 0);
            assert_eq!(net.trip(&params, 1, 2, 100, k as u64 * 1000), *trip);
        }
    }

    #[test]
    fn an_override_decides_of_its_message_alone() {
        let params = WorldParams::from_seed(Seed(3));
        let usual = trips(&params, 50);
        let decreed = [(7, Fate::Lost), (8, Fate::Late(5_000_000)), (9, Fate::Twice)];
        let overrides = decreed.map(|(number, fate)| Override { from: 1, to: 2, number, fate });
        let mut net = Net::new(Seed(3), 2, &overrides);
        for (k, usual) in usual.into_iter().enumerate() {
            net.trip(&params, 2, 1, 9, 0);
            let trip = net.trip(&params, 1, 2, 100, k as u64 * 1000);
            match k {
                7 => assert_eq!(trip, NOWHERE),
                8 => assert_eq!(trip.arrives, usual.arrives.map(|at| at + 5_000_000)),
                9 => assert!(trip.again.is_some() && trip.arrives == usual.arrives),
                _ => assert_eq!(trip, usual, "message {k}"),
            }
        }
        assert_eq!((net.carried(1, 2), net.carried(2, 1)), (50, 50));
    }

    #[test]
    fn loss_and_duplication_come_as_often_as_asked() {
        let mut params = WorldParams::calm();
        params.loss_ppm = 30_000;
        params.duplication_ppm = 30_000;
        let all = trips(&params, 20_000);
        let lost = all.iter().filter(|t| t.arrives.is_none()).count();
        let twice = all.iter().filter(|t| t.again.is_some()).count();
        assert!((500..700).contains(&lost), "{lost} of 20000 lost");
        assert!((480..700).contains(&twice), "{twice} of 20000 doubled");
    }

    #[test]
    fn a_calm_link_takes_exactly_its_latency_and_the_tail_stays_below_its_end() {
        let mut params = WorldParams::calm();
        assert!(trips(&params, 9).iter().enumerate().all(|(k, t)| {
            *t == Trip { arrives: Some(k as u64 * 1000 + params.latency_ns), ..NOWHERE }
        }));
        (params.tail_ppm, params.tail_ns, params.reorder) = (1_000_000, 64_000_000, true);
        let extra = |t: &Trip, k: u64| t.arrives.unwrap() - k * 1000 - params.latency_ns;
        let all: Vec<u64> =
            trips(&params, 1000).iter().zip(0..).map(|(t, k)| extra(t, k)).collect();
        assert!(all.iter().all(|&extra| (250_000..=64_000_000).contains(&extra)));
        assert!(all.iter().any(|&extra| extra > 32_000_000));
    }

    #[test]
    fn slowness_changes_when_a_message_arrives_and_nothing_else_of_any_message() {
        let mut params = WorldParams::calm();
        (params.loss_ppm, params.duplication_ppm, params.reorder) = (100_000, 100_000, true);
        let usual = trips(&params, 3000);
        let mut net = Net::new(Seed(3), 2, &[]);
        let mut late = [Vec::new(), Vec::new()];
        for (k, usual) in usual.iter().enumerate() {
            match k {
                1000 => net.slow([1].into_iter(), 200, 100, 7),
                2000 => net.fast(),
                _ => {}
            }
            let trip = net.trip(&params, 1, 2, 100, k as u64 * 1000);
            let slow = (1000..2000).contains(&k);
            assert_eq!(trip.late, slow.then_some(7));
            assert_eq!(net.trip(&params, 2, 1, 100, k as u64 * 1000).late, None);
            let copies = [(trip.arrives, usual.arrives), (trip.again, usual.again)];
            for (late, (arrives, usual)) in late.iter_mut().zip(copies) {
                assert_eq!(arrives.is_some(), usual.is_some());
                late.extend(arrives.zip(usual).map(|(a, b)| (k, a - b)).filter(|_| slow));
                assert!(slow || arrives == usual);
            }
        }
        for late in &late {
            assert!(late.iter().all(|(_, extra)| (200 * MS..=300 * MS).contains(extra)));
            let mean = late.iter().map(|(_, extra)| extra).sum::<u64>() / late.len() as u64;
            assert!((240 * MS..260 * MS).contains(&mean), "{mean}");
        }
        // A doubled message's two copies are late by times of their own.
        assert!(late[1].iter().all(|copy| !late[0].contains(copy)));
    }

    #[test]
    fn a_link_has_a_bandwidth() {
        let mut params = WorldParams::calm();
        params.ns_per_kib = 8192;
        let mut net = Net::new(Seed(3), 2, &[]);
        let mut arrives =
            || net.trip(&params, 1, 2, 1 << 20, 0).arrives.unwrap() - params.latency_ns;
        assert_eq!((arrives(), arrives()), (8_388_608, 2 * 8_388_608));
    }
}
