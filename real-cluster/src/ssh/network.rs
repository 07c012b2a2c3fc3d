//! What is wrong with the network now, as the words that each host's `nft` is told. Pure: nothing is run here.
//!
//! Promise: only tables of our own are touched, nodes are matched by their addresses and clients by the ports they come to, so whoever
//! drives the cluster is never cut off; what is loaded replaces what was loaded before in one transaction; and every rule that acts
//! counts under its injection's number, for as long as the tables are there.
//!
//! A message is hurt where it arrives: a sender whose own queue holds its packets back is slowed far more than the delay says. Copies
//! alone are made where they leave, the only place where nft can. Late is what carries [`LATE_MARK`] until [`crate::queue`] has held it.
//! The base chains stay when nothing is wrong: the kernel throws away all that a queue holds when any chain leaves its hook.
//!
//! Cannot see: fragments after the first of a client's request, which name no port; and the size of a packet on the wire, since
//! what hosts join into big segments is lost, counted and copied as one.

mod counters;

pub use counters::{COUNTERS, acted};

use crate::queue::LATE_MARK;
use harness::cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

/// The shell command that takes everything away, counters too; it succeeds when nothing is there. Packets that a queue holds are lost.
pub const HEAL: &str = "nft '\
    add table inet real_cluster; delete table inet real_cluster; \
    add table ip real_cluster; delete table ip real_cluster; \
    add table ip6 real_cluster; delete table ip6 real_cluster; \
    add table ip real_cluster_queue; delete table ip real_cluster_queue; \
    add table ip6 real_cluster_queue; delete table ip6 real_cluster_queue'";

/// Tables and base chains, made if they are not there, and emptied of rules; counters keep their values.
const BARE: &str = "\
table inet real_cluster {
	chain arrive {
		type filter hook prerouting priority -500; policy accept;
	}
	chain settle {
		type filter hook prerouting priority -498; policy accept;
	}
}
table ip real_cluster {
	chain leave {
		type filter hook postrouting priority 500; policy accept;
	}
}
table ip6 real_cluster {
	chain leave {
		type filter hook postrouting priority 500; policy accept;
	}
}
flush table inet real_cluster
flush table ip real_cluster
flush table ip6 real_cluster
";

/// What IPv6 asks the link for a neighbour with, as IPv4 does by ARP, which no rule sees: without it a cut of one direction cuts both.
const NEIGHBOURS: &str = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept";
/// A bucket holds a second's worth and this: the biggest segment must fit.
const BURST_KIB: u32 = 64;

/// The addresses of every node of the cluster.
pub type Addresses = BTreeMap<NodeId, Vec<IpAddr>>;

/// What injections left broken. Each knows its injection's number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Links cut.
    pub cut: Option<Cut>,
    /// Nodes whose messages are late.
    pub slow: Option<Slow>,
    /// Nodes whose messages are lost and doubled.
    pub flaky: Option<Flaky>,
    /// Nodes that may send only so much.
    pub throttle: Option<Throttle>,
}

/// Nothing passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its number.
    pub injection: usize,
    /// (from, to) pairs.
    pub links: Vec<(NodeId, NodeId)>,
}

/// All that leaves these nodes is late, for nodes and clients alike; how late is told to [`crate::queue`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// Its number.
    pub injection: usize,
    /// Whose messages.
    pub nodes: Vec<NodeId>,
    /// At least so late.
    pub delay_ms: u32,
    /// And at most so much later than that.
    pub jitter_ms: u32,
}

/// Some of what leaves these nodes for other nodes is lost, and some comes twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaky {
    /// Its number.
    pub injection: usize,
    /// Whose messages.
    pub nodes: Vec<NodeId>,
    /// Of a hundred packets.
    pub loss_percent: u8,
    /// Of a hundred packets.
    pub duplicate_percent: u8,
}

/// What leaves these nodes for other nodes is dropped when it is more than this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// Its number.
    pub injection: usize,
    /// Whose messages.
    pub nodes: Vec<NodeId>,
    /// On each link, for each family of addresses. 0 is taken as 1.
    pub kib_per_s: u32,
}

impl Network {
    /// What `nft -f -` is told on the host of `me`, whose clients come to these ports.
    pub fn ruleset(&self, me: NodeId, addresses: &Addresses, client_ports: &[u16]) -> String {
        let host = Host { me, addresses, client_ports };
        let arriving = [
            self.cut.iter().flat_map(|cut| host.cut(cut)).collect::<Vec<_>>(),
            self.flaky.iter().flat_map(|flaky| host.lose(flaky)).collect(),
            self.throttle.iter().flat_map(|throttle| host.throttle(throttle)).collect(),
            self.slow.iter().flat_map(|slow| host.delay(slow)).collect(),
        ]
        .concat();
        let mut text = BARE.to_owned();
        arrive(&mut text, &arriving);
        for family in Family::BOTH {
            let copied = self.flaky.as_ref().and_then(|flaky| host.copy(flaky, family));
            leave(&mut text, family, copied.as_ref());
        }
        text
    }
}

/// One line of a chain.
#[derive(Clone)]
struct Rule {
    injection: usize,
    /// Which packets.
    matching: String,
    /// What happens to them once they were counted.
    action: String,
}

impl Rule {
    fn drop(injection: usize, matching: String) -> Rule {
        Rule { injection, matching, action: "drop".to_owned() }
    }

    fn line(&self) -> String {
        let Rule { injection, matching, action } = self;
        format!("{matching} counter name \"i{injection}\" {action}")
    }
}

fn arrive(text: &mut String, rules: &[Rule]) {
    let mut lines = Vec::new();
    if rules.iter().any(|rule| rule.matching.contains(Family::Six.word())) {
        lines.push(NEIGHBOURS.to_owned());
    }
    lines.extend(rules.iter().map(Rule::line));
    if lines.is_empty() {
        return;
    }
    table(text, "inet", rules, &[("arrive", &lines), ("settle", &[unmark()])]);
}

fn leave(text: &mut String, family: Family, rule: Option<&Rule>) {
    let Some(rule) = rule else { return };
    let mut lines = vec![rule.line(), unmark()];
    if family == Family::Six {
        lines.insert(0, NEIGHBOURS.to_owned());
    }
    table(text, family.word(), std::slice::from_ref(rule), &[("leave", &lines)]);
}

fn table(text: &mut String, family: &str, rules: &[Rule], chains: &[(&str, &[String])]) {
    let injections: BTreeSet<usize> = rules.iter().map(|rule| rule.injection).collect();
    let mut say =
        |line: &str| writeln!(text, "{line}").expect("a string takes all that is written");
    say(&format!("table {family} real_cluster {{"));
    for injection in injections {
        say(&format!("\tcounter i{injection} {{}}"));
    }
    for (chain, lines) in chains {
        say(&format!("\tchain {chain} {{"));
        lines.iter().for_each(|line| say(&format!("\t\t{line}")));
        say("\t}");
    }
    say("}");
}

fn mark() -> String {
    format!("meta mark set meta mark | {LATE_MARK:#010x}")
}

/// Nobody after us sees the mark.
fn unmark() -> String {
    format!("meta mark & {LATE_MARK:#010x} != 0 meta mark set meta mark & {:#010x}", !LATE_MARK)
}

/// So many of a hundred; nft knows no `< 100` of them.
fn chance(percent: u8) -> String {
    match percent {
        0..100 => format!(" numgen random mod 100 < {percent}"),
        100.. => String::new(),
    }
}

/// A host, its place in the cluster.
struct Host<'a> {
    me: NodeId,
    addresses: &'a Addresses,
    client_ports: &'a [u16],
}

impl Host<'_> {
    fn cut(&self, cut: &Cut) -> Vec<Rule> {
        let to_me = cut.links.iter().filter(|(_, to)| *to == self.me);
        let peers = self.peers(to_me.map(|(from, _)| *from));
        self.out_of(&peers, |matching| Rule::drop(cut.injection, matching))
    }

    fn lose(&self, flaky: &Flaky) -> Vec<Rule> {
        if flaky.loss_percent == 0 {
            return Vec::new();
        }
        let chance = chance(flaky.loss_percent);
        let peers = self.peers(flaky.nodes.iter().copied());
        self.out_of(&peers, |matching| Rule::drop(flaky.injection, format!("{matching}{chance}")))
    }

    /// One rule for each node: each has a bucket of its own.
    fn throttle(&self, throttle: &Throttle) -> Vec<Rule> {
        let rate = throttle.kib_per_s.max(1);
        let limit = format!("limit rate over {rate} kbytes/second burst {BURST_KIB} kbytes");
        let peers = self.peers(throttle.nodes.iter().copied());
        let rules = peers.into_iter().flat_map(|peer| {
            self.out_of(&BTreeSet::from([peer]), |matching| {
                Rule::drop(throttle.injection, format!("{matching} {limit}"))
            })
        });
        rules.collect()
    }

    fn delay(&self, slow: &Slow) -> Vec<Rule> {
        let late = |matching| Rule { injection: slow.injection, matching, action: mark() };
        let mut rules = self.out_of(&self.peers(slow.nodes.iter().copied()), late);
        if slow.nodes.contains(&self.me) {
            rules.extend(self.requests().into_iter().map(late));
        }
        rules
    }

    /// The copy carries the mark, so that it is not copied or counted again on its own way out.
    fn copy(&self, flaky: &Flaky, family: Family) -> Option<Rule> {
        if flaky.duplicate_percent == 0 || !flaky.nodes.contains(&self.me) {
            return None;
        }
        let (word, chance) = (family.word(), chance(flaky.duplicate_percent));
        let peers = self.set(family, &self.peers(self.addresses.keys().copied()))?;
        Some(Rule {
            injection: flaky.injection,
            matching: format!("meta mark & {LATE_MARK:#010x} == 0 {word} daddr {peers}{chance}"),
            action: format!("{} dup to {word} daddr", mark()),
        })
    }

    /// Of these nodes, the others.
    fn peers(&self, nodes: impl Iterator<Item = NodeId>) -> BTreeSet<NodeId> {
        nodes.filter(|node| *node != self.me).collect()
    }

    /// A rule for each family of addresses that these nodes have.
    fn out_of(&self, peers: &BTreeSet<NodeId>, rule: impl Fn(String) -> Rule) -> Vec<Rule> {
        let sets = Family::BOTH.map(|family| (family, self.set(family, peers)));
        let sets = sets.into_iter().filter_map(|(family, set)| Some((family.word(), set?)));
        sets.map(|(word, set)| rule(format!("{word} saddr {set}"))).collect()
    }

    /// Requests stand for answers: a client has no host of ours where its answers could be held.
    fn requests(&self) -> Vec<String> {
        if self.client_ports.is_empty() {
            return Vec::new();
        }
        let ports: BTreeSet<_> = self.client_ports.iter().map(u16::to_string).collect();
        let ports = braced(ports);
        let peers = self.peers(self.addresses.keys().copied());
        let rules = Family::BOTH.map(|family| {
            let word = family.word();
            let strangers = match self.set(family, &peers) {
                Some(peers) => format!("{word} saddr != {peers}"),
                None => format!("meta nfproto {}", family.protocol()),
            };
            format!("iif != \"lo\" {strangers} tcp dport {ports}")
        });
        rules.into()
    }

    fn set(&self, family: Family, nodes: &BTreeSet<NodeId>) -> Option<String> {
        let addresses = nodes.iter().filter_map(|node| self.addresses.get(node)).flatten();
        let addresses: BTreeSet<&IpAddr> = addresses.filter(|at| family.has(at)).collect();
        (!addresses.is_empty()).then(|| braced(addresses))
    }
}

fn braced(items: BTreeSet<impl ToString>) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("{{ {} }}", items.join(", "))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Four,
    Six,
}

impl Family {
    const BOTH: [Family; 2] = [Family::Four, Family::Six];

    fn word(self) -> &'static str {
        match self {
            Family::Four => "ip",
            Family::Six => "ip6",
        }
    }

    fn protocol(self) -> &'static str {
        match self {
            Family::Four => "ipv4",
            Family::Six => "ipv6",
        }
    }

    fn has(self, address: &IpAddr) -> bool {
        address.is_ipv6() == (self == Family::Six)
    }
}
