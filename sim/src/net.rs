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
//! links do beside is in `links`, what becomes of one message in `trip`.

use address::Moved;
use harness::fault::{Impairment, Sequence, Sort, Way};
use harness::plan::{Fate, Override};
use harness::seed::Seed;
use held::Held;
use impairment::{Flaky, Slowness, Throttle};
use links::{Drip, Impairments};
use std::collections::BTreeMap;
use trip::Link;

mod address;
mod datagrams;
mod held;
mod impairment;
mod links;
mod trip;

pub(crate) use datagrams::Frame;
pub(crate) use trip::{Blame, Trip};

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
}

#[cfg(test)]
mod tests;
