//! Links: when a message arrives, whether, and how often. Datagrams travel here; byte streams ask for the same fate of their
//! packets.
//!
//! Each directed link has its own stream of random numbers and takes exactly two numbers a message, so message k of a link
//! meets the same fate whatever the other links carry. Cuts are looked at when a message is sent and again when
//! it arrives. The client host is node 0: no partition cuts its links and they lose nothing, but they take time. Clients may be cut
//! from nodes; an operator, who is there too, is not.
//!
//! Slowness is looked at when a message is sent: it is added to the latency, drawn from the same two numbers, and counts for
//! its injection when the message arrives. A link that keeps order keeps it then too: what is sent after the
//! slowness has ended may wait for what was sent before. The same holds of a throttle. Flaky links lose more than their
//! parameters say, of the same draws; only what those alone would not have lost or doubled counts for the injection. What single
//! links do beside is in `links`.

use crate::params::WorldParams;
use address::Moved;
use harness::fault::{Impairment, Sequence, Sort, Way};
use harness::plan::{Fate, Override};
use harness::seed::{Seed, Stream};
use held::Held;
use impairment::{Flaky, Passage, Slowness, Throttle, pass};
use links::{Drip, Harm, Impairments};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use std::collections::BTreeMap;

mod address;
mod datagrams;
mod held;
mod impairment;
mod links;

pub(crate) use datagrams::Frame;

/// A message to oneself.
const LOOPBACK_NS: u64 = 10_000;
/// A fate's three chances have 20 bits each.
const CHANCE_BITS: u32 = 20;

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
    fn injections(&self) -> &[u32] {
        self.0.as_ref().map_or(&[], |deeds| &deeds.by)
    }

    /// Who damaged it.
    fn damaged(&self) -> Option<u32> {
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
    impairments: Impairments,
    clients: Option<ClientCut>,
    held: Held,
    moved: Option<Moved>,
    /// By link and number.
    overrides: BTreeMap<(u16, u16, u64), Fate>,
}

/// Clients that are cut from some hosts.
struct ClientCut {
    /// By host.
    hosts: Vec<bool>,
    way: Way,
    injection: usize,
}

struct Link {
    rng: ChaCha8Rng,
    busy_until: u64,
    /// When a throttle lets the last of what it queued leave.
    queued_until: u64,
    /// The same of a single link with little room.
    narrowed_until: u64,
    /// When the last of what drips has come through.
    dripped_until: u64,
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
            impairments: Impairments::default(),
            clients: None,
            held: Held::default(),
            moved: None,
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
        let is_cut = self.cuts.contains(&true) || self.clients.is_some() || self.moved.is_some();
        !is_cut && !impaired && self.impairments.is_none() && self.held.is_none()
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
        let any = throttled.contains(&true);
        self.throttle = any.then(|| Throttle::new(throttled, kib_per_s, injection as u32));
    }

    /// Nothing that leaves from now on is queued.
    pub(crate) fn unthrottle(&mut self) {
        self.throttle = None;
    }

    /// These links between nodes are impaired so, because of this injection, and no others by anything of its sort.
    pub(crate) fn impair(
        &mut self,
        links: impl Iterator<Item = (u16, u16)>,
        how: Impairment,
        injection: usize,
    ) {
        let links = self.these(links);
        self.impairments.impair(links, how, injection as u32);
    }

    /// These links hold what they are given until all of it is released in that order, because of this injection.
    pub(crate) fn hold(
        &mut self,
        links: impl Iterator<Item = (u16, u16)>,
        then: Sequence,
        injection: usize,
    ) {
        let links = self.these(links);
        self.held.hold(links, then, injection);
    }

    /// By link, whether it is one of these.
    fn these(&self, links: impl Iterator<Item = (u16, u16)>) -> Vec<bool> {
        let mut these = vec![false; self.links.len()];
        links.for_each(|(from, to)| these[self.index(from, to)] = true);
        these
    }

    /// No link is impaired by anything of this sort.
    pub(crate) fn mend(&mut self, sort: Sort) {
        self.impairments.mend(sort);
    }

    /// Between clients and these hosts nothing passes that way, because of this injection, and to others all.
    pub(crate) fn cut_clients(
        &mut self,
        hosts: impl Iterator<Item = u16>,
        way: Way,
        injection: usize,
    ) {
        let hosts = self.marked(hosts);
        self.clients = hosts.contains(&true).then_some(ClientCut { hosts, way, injection });
    }

    /// All passes between clients and nodes.
    pub(crate) fn heal_clients(&mut self) {
        self.clients = None;
    }

    /// The injection that cuts off what a client sends or is sent this way.
    pub(crate) fn cuts_client(&self, from: u16, to: u16) -> Option<usize> {
        let cut = self.clients.as_ref()?;
        let (node, is_cut) =
            if from == 0 { (to, cut.way.is_in()) } else { (from, cut.way.is_out()) };
        (is_cut && cut.hosts[usize::from(node)]).then_some(cut.injection)
    }

    /// How byte streams drip on this link, if they do.
    pub(crate) fn drips(&self, from: u16, to: u16) -> Option<Drip> {
        match self.impairments.is_none() {
            true => None,
            false => self.impairments.drip(self.index(from, to)),
        }
    }

    /// When so many bytes of a stream that leave now have dripped through the link, and the injection that counts them.
    pub(crate) fn drip(
        &mut self,
        from: u16,
        to: u16,
        bytes: usize,
        now: u64,
    ) -> Option<(u64, u32)> {
        let drip = self.drips(from, to)?;
        let index = self.index(from, to);
        let link = self.links[index].as_mut()?;
        link.dripped_until = drip.pass(link.dripped_until, bytes, now);
        Some((link.dripped_until - now, drip.injection))
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
            if !params.reorder {
                link.last_arrival = link.last_arrival.max(at);
                return link.last_arrival + later;
            }
            at + later
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

#[cfg(test)]
mod tests;
