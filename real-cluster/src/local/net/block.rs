//! The addresses and ports of a local cluster: who listens where, and under which address whom sees whom.
//!
//! Every node has a loopback address of its own, and one more for each party that sees it, since what listens there
//! is the proxy of that link. The third number of an address is the node, the last one says who sees it:
//! `127.83.3.1` is n3 itself, `127.83.3.2` is n3 as clients see it, `127.83.3.12` is n3 as n2 sees it.
//!
//! Promise: two blocks that are claimed at the same time, in one process or several, have different ports: each
//! holds the claim address, on all its ports, for as long as it lives.
//! Cannot see: another program that takes one of the ports later.

use harness::cluster::NodeId;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};

/// Nodes of a local cluster, at most: the last number of an address has room for so many.
pub const NODES_MAX: u16 = 200;
/// The lowest port that is tried.
const FIRST: u16 = 20_000;
/// Blocks that are tried; all end below the ports that Linux gives to outgoing connections (32768).
const BLOCKS: u16 = 3_000;
/// The second number of every address.
const NET: u8 = 83;

/// A port of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Port {
    /// Clients, and the leader proxy of Redis commands.
    Redis,
    /// Forwarded transactions.
    Internal,
    /// Raft's transport.
    Raft,
    /// Metrics: asked directly, never through a link.
    Metrics,
}

impl Port {
    /// The ports of a node in the order of their numbers.
    pub const ALL: [Port; 4] = [Port::Redis, Port::Internal, Port::Raft, Port::Metrics];
    /// The ports that nodes reach each other on.
    pub const STREAMS: [Port; 3] = [Port::Redis, Port::Internal, Port::Raft];

    /// The word for it in flags and parameters.
    pub fn name(self) -> &'static str {
        match self {
            Port::Redis => "redis",
            Port::Internal => "internal",
            Port::Raft => "raft",
            Port::Metrics => "metrics",
        }
    }
}

/// Who opens a connection, or whom it is opened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// All clients.
    Clients,
    /// One node.
    Node(NodeId),
}

/// Four consecutive ports on the addresses of some nodes, claimed.
pub struct Block {
    nodes: u16,
    first: u16,
    /// Bound as long as the block is ours, and never accepted from.
    _claim: Vec<TcpListener>,
}

impl Block {
    /// The first free block for nodes n1 to n`nodes`, starting at a place that depends on the process, so that clusters
    /// that are started at once rarely try the same.
    pub fn claim(nodes: u16) -> io::Result<Block> {
        if nodes == 0 || nodes > NODES_MAX {
            let text = format!("{nodes} nodes cannot run on one machine: 1 to {NODES_MAX} can");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let start = std::process::id() % u32::from(BLOCKS);
        let mut last = None;
        for turn in 0..u32::from(BLOCKS) {
            let first = FIRST + 4 * ((start + turn) % u32::from(BLOCKS)) as u16;
            match Block::at(nodes, first) {
                Ok(block) => return Ok(block),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        let error = last.map_or(String::new(), |error| format!(": {error}"));
        let text = format!("no four free ports from {FIRST} on for {nodes} nodes{error}");
        Err(io::Error::new(io::ErrorKind::AddrInUse, text))
    }

    fn at(nodes: u16, first: u16) -> io::Result<Block> {
        let claim = Ipv4Addr::new(127, NET, 0, 1);
        let bind = |address: Ipv4Addr, port: Port| {
            TcpListener::bind(SocketAddrV4::new(address, number(first, port)))
        };
        let held = Port::ALL.into_iter().map(|port| bind(claim, port));
        let block = Block { nodes, first, _claim: held.collect::<io::Result<_>>()? };
        for node in block.nodes() {
            for port in Port::ALL {
                bind(block.own(node), port)?;
            }
            for from in block.sources(node) {
                for port in Port::STREAMS {
                    bind(block.as_seen_by(from, node), port)?;
                }
            }
        }
        Ok(block)
    }

    /// The nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.nodes).map(NodeId)
    }

    /// Everybody who sees this node from outside: clients, then the other nodes.
    pub fn sources(&self, node: NodeId) -> impl Iterator<Item = Party> + use<> {
        let peers = self.nodes().filter(move |peer| *peer != node).map(Party::Node);
        std::iter::once(Party::Clients).chain(peers)
    }

    /// The number of a port, the same on every address.
    pub fn port(&self, port: Port) -> u16 {
        number(self.first, port)
    }

    /// The address that the node itself listens on.
    pub fn own(&self, node: NodeId) -> Ipv4Addr {
        address(node, 1)
    }

    /// The address under which a party sees a node: its proxy.
    pub fn as_seen_by(&self, from: Party, node: NodeId) -> Ipv4Addr {
        match from {
            Party::Clients => address(node, 2),
            Party::Node(peer) => address(node, 10 + peer.0 as u8),
        }
    }

    /// Address and port that the node itself listens on.
    pub fn target(&self, node: NodeId, port: Port) -> SocketAddr {
        SocketAddrV4::new(self.own(node), self.port(port)).into()
    }

    /// Address and port of the proxy between a party and a node.
    pub fn proxy(&self, from: Party, node: NodeId, port: Port) -> SocketAddr {
        SocketAddrV4::new(self.as_seen_by(from, node), self.port(port)).into()
    }
}

fn number(first: u16, port: Port) -> u16 {
    first + port as u16
}

fn address(node: NodeId, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, NET, node.0 as u8, last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_link_has_an_address_of_its_own_below_the_outgoing_ports() {
        let block = Block::claim(5).expect("some block is free");
        let mut seen = BTreeSet::new();
        for node in block.nodes() {
            assert!(seen.insert(block.own(node)));
            for from in block.sources(node) {
                assert!(seen.insert(block.as_seen_by(from, node)), "{from:?} sees {node}");
            }
        }
        assert_eq!(seen.len(), 5 * (1 + 1 + 4));
        assert!(block.port(Port::Metrics) < 32_768);
    }

    #[test]
    fn two_blocks_at_once_have_different_ports() {
        let one = Block::claim(3).expect("some block is free");
        let two = Block::claim(3).expect("another block is free");
        assert!(one.port(Port::Redis).abs_diff(two.port(Port::Redis)) >= 4);
    }

    #[test]
    fn too_many_nodes_are_refused_with_a_sentence() {
        let error = Block::claim(201).err().expect("refused").to_string();
        assert_eq!(error, "201 nodes cannot run on one machine: 1 to 200 can");
    }
}
