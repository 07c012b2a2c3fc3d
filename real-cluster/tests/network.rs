//! Rulesets: their exact text, what any of them promises, and what they do between two hosts.

#[path = "namespaces/pair.rs"]
mod pair;

use harness::cluster::NodeId;
use pair::{Host, Pair, time_to_read, wait};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use real_cluster::ssh::network::{
    Addresses, COUNTERS, Cut, Flaky, HEAL, Network, Slow, Throttle, acted,
};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);
const CLIENTS: u16 = 6379;
const PORT: u16 = 7000;

/// What a user's firewall may hold.
const USERS: &str = "\
table inet firewall {
	counter i7 {
	}

	chain in {
		type filter hook input priority 0; policy accept;
		tcp dport 1 counter drop
	}
}
";

/// Nodes with an address of each family, as the hosts of a test have them.
fn addresses(nodes: u16) -> Addresses {
    (1..=nodes).map(|node| (NodeId(node), pair::addresses(node).to_vec())).collect()
}

fn four_only() -> Addresses {
    let four = |node| vec![pair::addresses(node)[0]];
    (1..=3).map(|node| (NodeId(node), four(node))).collect()
}

fn cut(links: &[(NodeId, NodeId)]) -> Option<Cut> {
    Some(Cut { injection: 3, links: links.to_vec() })
}

fn slow(nodes: &[NodeId]) -> Option<Slow> {
    Some(Slow { injection: 4, nodes: nodes.to_vec(), delay_ms: 50, jitter_ms: 20 })
}

fn flaky(nodes: &[NodeId], loss_percent: u8, duplicate_percent: u8) -> Option<Flaky> {
    Some(Flaky { injection: 5, nodes: nodes.to_vec(), loss_percent, duplicate_percent })
}

fn throttle(nodes: &[NodeId], kib_per_s: u32) -> Option<Throttle> {
    Some(Throttle { injection: 6, nodes: nodes.to_vec(), kib_per_s })
}

/// Each golden: its file, whose host, and what is wrong.
fn goldens() -> Vec<(&'static str, NodeId, Network, Addresses)> {
    let all = Network {
        cut: cut(&[(N1, N2)]),
        slow: slow(&[N1, N2]),
        flaky: flaky(&[N2, N3], 30, 100),
        throttle: throttle(&[N1, N3], 64),
    };
    let none = Network::default;
    vec![
        ("nothing", N1, none(), addresses(3)),
        (
            "two-way-cut",
            N1,
            Network { cut: cut(&[(N1, N2), (N2, N1), (N3, N1), (N1, N3)]), ..none() },
            four_only(),
        ),
        ("one-way-cut", N2, Network { cut: cut(&[(N1, N2)]), ..none() }, addresses(3)),
        ("slow-at-itself", N1, Network { slow: slow(&[N1]), ..none() }, addresses(3)),
        ("slow-at-a-peer", N2, Network { slow: slow(&[N1]), ..none() }, four_only()),
        ("flaky", N2, Network { flaky: flaky(&[N1, N2], 30, 20), ..none() }, addresses(3)),
        ("throttle", N1, Network { throttle: throttle(&[N2, N3], 64), ..none() }, four_only()),
        ("all-at-once", N2, all, addresses(3)),
    ]
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rulesets"))
}

fn golden(name: &str) -> String {
    fs::read_to_string(folder().join(format!("{name}.nft"))).unwrap_or_default()
}

#[test]
fn each_shape_has_its_exact_ruleset() {
    for (name, me, network, addresses) in goldens() {
        let text = network.ruleset(me, &addresses, &[CLIENTS]);
        assert_eq!(text, golden(name), "{name} on {me} is\n{text}");
    }
}

#[test]
fn every_ruleset_loads_and_leaves_others_tables_alone() {
    let Some(Pair { one, .. }) = Pair::new() else { return };
    one.nft(&["-f", "-"], USERS);
    let before = one.shell("nft list table inet firewall");
    for (name, ..) in goldens() {
        one.nft(&["-c", "-f", "-"], &golden(name));
        one.nft(&["-f", "-"], &golden(name));
        assert_eq!(one.shell("nft list table inet firewall"), before, "{name}");
    }
    assert!(one.shell("nft list tables").contains("table inet real_cluster"));
    // Once with tables, once without.
    for _ in 0..2 {
        one.shell(HEAL);
        assert_eq!(one.shell("nft list ruleset"), before);
    }
}

/// Rules of every host of a cluster.
fn rules(network: &Network, addresses: &Addresses) -> BTreeMap<NodeId, String> {
    let host = |node: &NodeId| (*node, network.ruleset(*node, addresses, &[CLIENTS]));
    addresses.keys().map(host).collect()
}

fn drops(ruleset: &str, from: IpAddr) -> bool {
    let is_from = |line: &&str| {
        let sources = line.split_once("saddr { ").and_then(|(_, rest)| rest.split_once(" }"));
        sources.is_some_and(|(set, _)| set.split(", ").any(|one| one == from.to_string()))
    };
    ruleset.lines().filter(is_from).any(|line| line.ends_with("drop"))
}

fn nodes() -> impl Strategy<Value = Vec<NodeId>> {
    prop::collection::vec((1..=5_u16).prop_map(NodeId), 1..5)
}

prop_compose! {
    fn networks()(
        links in prop::collection::vec(((1..=5_u16).prop_map(NodeId), (1..=5_u16).prop_map(NodeId)), 0..8),
        late in prop::option::of(nodes()),
        bad in prop::option::of((nodes(), 0..=120_u8, 0..=120_u8)),
        narrow in prop::option::of((nodes(), any::<u32>())),
    ) -> Network {
        Network {
            cut: cut(&links),
            slow: late.and_then(|nodes| slow(&nodes)),
            flaky: bad.and_then(|(nodes, loss, copies)| flaky(&nodes, loss, copies)),
            throttle: narrow.and_then(|(nodes, rate)| throttle(&nodes, rate)),
        }
    }
}

fn config() -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(0);
    ProptestConfig { failure_persistence: None, rng_seed, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_cut_drops_its_sender_at_its_receiver_and_nowhere_else(
        from in (1..=5_u16).prop_map(NodeId), to in (1..=5_u16).prop_map(NodeId)
    ) {
        let addresses = addresses(5);
        let network = Network { cut: cut(&[(from, to)]), ..Network::default() };
        for (me, ruleset) in rules(&network, &addresses) {
            for (node, address) in addresses.iter().flat_map(|(node, all)| all.iter().map(move |one| (*node, *one))) {
                let cut = from != to && (node, me) == (from, to);
                prop_assert_eq!(drops(&ruleset, address), cut, "{} on {}:\n{}", node, me, ruleset);
            }
        }
    }

    #[test]
    fn only_addresses_of_other_nodes_are_named(network in networks()) {
        let addresses = addresses(5);
        for (me, ruleset) in rules(&network, &addresses) {
            let named = ruleset.split([' ', ',', '\n']).filter_map(|word| word.parse::<IpAddr>().ok());
            for address in named {
                let peer = addresses.iter().find(|(_, all)| all.contains(&address));
                prop_assert!(peer.is_some_and(|(node, _)| *node != me), "{address} on {me}:\n{ruleset}");
            }
        }
    }

    #[test]
    fn a_rule_that_acts_counts_and_names_whom_it_acts_on(network in networks()) {
        for (_, ruleset) in rules(&network, &addresses(5)) {
            let acts = |line: &&str| ["drop", "daddr", "| 0x20000000"].iter().any(|end| line.ends_with(end));
            for line in ruleset.lines().filter(acts) {
                let named = line.contains("counter name \"i") && (line.contains("addr {") || line.contains("addr != {"));
                prop_assert!(named, "{}", line);
            }
        }
    }
}

#[test]
fn what_acted_is_summed_over_tables_and_others_counters_are_left_out() {
    let json = r#"{"nftables": [{"metainfo": {"version": "1.0.6"}},
        {"counter": {"family": "inet", "name": "i7", "table": "real_cluster", "packets": 3, "bytes": 0}},
        {"counter": {"family": "ip", "name": "i7", "table": "real_cluster", "packets": 4, "bytes": 0}},
        {"counter": {"family": "ip", "name": "i8", "table": "real_cluster", "packets": 0, "bytes": 0}},
        {"counter": {"family": "inet", "name": "i7", "table": "firewall", "packets": 9, "bytes": 0}}]}"#;
    assert_eq!(acted(json), Ok(BTreeMap::from([(7, 7), (8, 0)])));
    assert_eq!(acted(r#"{"nftables": []}"#), Ok(BTreeMap::new()));
    let strange =
        r#"{"nftables": [{"counter": {"name": "x", "table": "real_cluster", "packets": 1}}]}"#;
    let error = acted(strange).unwrap_err();
    assert_eq!(error, "counter `x` names no injection (`i0`, `i1`, ..)");
    assert!(acted("Error").unwrap_err().starts_with("cannot read the list of counters: "));
}

/// Both hosts are told what is wrong.
fn load(pair: &Pair, network: &Network) {
    for host in [&pair.one, &pair.two] {
        let text = network.ruleset(NodeId(host.number), &addresses(2), &[CLIENTS]);
        host.nft(&["-f", "-"], &text);
    }
}

fn counted(host: &Host, injection: usize) -> u64 {
    let acted = acted(&host.shell(COUNTERS)).unwrap();
    acted.get(&injection).copied().unwrap_or_default()
}

/// A wire is quick: what has not come within this time, after all that came before, was lost.
const QUIET: Duration = Duration::from_millis(50);
/// As many datagrams as any socket can hold unread.
const HELD: usize = 50;

fn bound(host: &Host, family: usize) -> UdpSocket {
    let at = SocketAddr::new(pair::addresses(host.number)[family], PORT);
    let socket = host.inside(|| UdpSocket::bind(at).unwrap());
    socket.set_read_timeout(Some(QUIET)).unwrap();
    socket
}

/// How many of so many datagrams come.
fn sent(from: &UdpSocket, to: &UdpSocket, count: usize) -> usize {
    let address = to.local_addr().unwrap();
    let some = |count: usize| {
        (0..count).for_each(|_| assert_eq!(from.send_to(b"datagram", address).unwrap(), 8));
        std::iter::from_fn(|| to.recv(&mut [0; 64]).ok()).count()
    };
    (0..count).step_by(HELD).map(|before| some(HELD.min(count - before))).sum()
}

/// How many of so many datagrams come from one to two, and back.
fn sent_both_ways(pair: &Pair, family: usize, count: usize) -> [usize; 2] {
    let [one, two] = [&pair.one, &pair.two].map(|host| bound(host, family));
    [sent(&one, &two, count), sent(&two, &one, count)]
}

/// Both families.
fn each_family(act: impl FnMut(usize)) {
    (0..2).for_each(act);
}

#[test]
fn a_cut_of_one_direction_drops_that_direction_alone() {
    let Some(pair) = Pair::new() else { return };
    let network = Network { cut: cut(&[(N1, N2)]), ..Network::default() };
    load(&pair, &network);
    each_family(|family| assert_eq!(sent_both_ways(&pair, family, 20), [0, 20]));
    assert_eq!((counted(&pair.two, 3), counted(&pair.one, 3)), (40, 0));
    // Another ruleset, and what was counted stays.
    load(&pair, &Network::default());
    each_family(|family| assert_eq!(sent_both_ways(&pair, family, 20), [20, 20]));
    assert_eq!(counted(&pair.two, 3), 40);
}

#[test]
fn neighbours_find_each_other_through_a_cut_of_one_direction() {
    let Some(pair) = Pair::new() else { return };
    load(&pair, &Network { cut: cut(&[(N1, N2)]), ..Network::default() });
    pair.two.shell("ip neighbour flush all");
    assert_eq!(sent_both_ways(&pair, 1, 5), [0, 5]);
}

#[test]
fn loss_loses_its_share() {
    let Some(pair) = Pair::new() else { return };
    for (percent, least, most) in [(100, 0, 0), (50, 100, 300), (0, 400, 400)] {
        load(&pair, &Network { flaky: flaky(&[N1], percent, 0), ..Network::default() });
        let [lossy, whole] = sent_both_ways(&pair, 0, 400);
        assert!((least..=most).contains(&lossy), "{percent} %: {lossy} of 400");
        assert_eq!(whole, 400);
    }
    assert!((500..=700).contains(&counted(&pair.two, 5)), "{}", counted(&pair.two, 5));
}

#[test]
fn a_copied_packet_comes_twice_and_counts_once() {
    let Some(pair) = Pair::new() else { return };
    load(&pair, &Network { flaky: flaky(&[N1], 0, 100), ..Network::default() });
    each_family(|family| assert_eq!(sent_both_ways(&pair, family, 20), [40, 20]));
    assert_eq!((counted(&pair.one, 5), counted(&pair.two, 5)), (40, 0));
    load(&pair, &Network { flaky: flaky(&[N1], 0, 50), ..Network::default() });
    let [some, _] = sent_both_ways(&pair, 0, 100);
    assert!((110..=190).contains(&some), "{some} of 100");
}

#[test]
fn a_throttled_node_sends_a_transfer_slowly_and_the_other_does_not() {
    const BYTES: usize = 1 << 20;
    let Some(pair) = Pair::new() else { return };
    load(&pair, &Network { throttle: throttle(&[N1], 256), ..Network::default() });
    let transfer = |from: &Host, to: &Host| {
        let at = SocketAddr::new(pair::addresses(to.number)[0], PORT);
        let listener = to.inside(|| TcpListener::bind(at).unwrap());
        let mut sender = from.inside(|| TcpStream::connect(at).unwrap());
        let (receiver, _) = listener.accept().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || sender.write_all(&vec![7; BYTES]).unwrap());
            time_to_read(receiver)
        })
    };
    let (bytes, slowly) = transfer(&pair.one, &pair.two);
    // A second's worth and a burst pass at once.
    let least = Duration::from_secs_f64((BYTES - ((256 + 64) << 10)) as f64 / f64::from(256 << 10));
    assert_eq!(bytes, BYTES);
    assert!(slowly >= least.mul_f64(0.9), "{slowly:?}, not {least:?}");
    let (bytes, quickly) = transfer(&pair.two, &pair.one);
    assert_eq!(bytes, BYTES);
    assert!(quickly < slowly / 2, "{quickly:?}, throttled {slowly:?}");
    println!("1 MiB: {slowly:?} at 256 KiB/s, {quickly:?} without");
    wait("the throttle counts", || counted(&pair.two, 6) > 0);
}
