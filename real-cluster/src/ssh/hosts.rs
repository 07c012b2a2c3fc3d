//! What a host is and can: asked once, before anything is changed there.

use crate::remote::{Command, Remote, RemoteError, done};
use crate::site::Site;
use futures_util::future::join_all;
use harness::cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, UdpSocket};

/// Prints `name=value` lines.
const ASK: &str = r#"
has() { command -v "$1" > /dev/null 2>&1 && echo yes || echo no; }
echo "machine=$(uname -m)"
echo "kernel=$(uname -r)"
echo "boot=$(cat /proc/sys/kernel/random/boot_id)"
echo "init=$(cut -d' ' -f22 /proc/1/stat)"
echo "hostname=$(uname -n)"
echo "nft=$(has nft)"
echo "setsid=$(has setsid)"
echo "sha256sum=$(has sha256sum)"
echo "addresses=$(hostname -I 2> /dev/null)"
"#;

/// A host as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// Asks.
    pub async fn of(remote: &dyn Remote) -> Result<Facts, RemoteError> {
        let text = done(remote, &Command::script("facts", ASK)).await?.text();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        Ok(Facts(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    /// A fact; empty if the host does not know.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether it has a program.
    pub fn has(&self, program: &str) -> bool {
        self.get(program) == "yes"
    }

    /// `uname -m`.
    pub fn machine(&self) -> &str {
        self.get("machine")
    }

    /// What changes when the host restarts.
    pub fn boot(&self) -> String {
        format!("{} {}", self.get("boot"), self.get("init"))
    }

    /// Its addresses.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.get("addresses").split_whitespace().filter_map(|word| word.parse().ok())
    }
}

/// The addresses by which each node is known to the others: the one at which it serves, and those of its host that no other host
/// has too (bridges of containers have the same everywhere).
pub fn addresses(sites: &[(&Site, &Facts)]) -> BTreeMap<NodeId, Vec<IpAddr>> {
    let shared = |address: &IpAddr, host: &str| {
        sites.iter().any(|(site, facts)| {
            site.host != host && facts.addresses().any(|other| other == *address)
        })
    };
    let all = sites.iter().map(|(site, facts)| {
        let mut addresses = BTreeSet::from([site.address]);
        addresses.extend(
            facts
                .addresses()
                .filter(|address| !address.is_loopback() && !shared(address, &site.host)),
        );
        (site.node, addresses.into_iter().collect())
    });
    all.collect()
}

/// The address of this machine that a node sees.
pub fn control_address(at: &Site) -> Option<IpAddr> {
    let any = if at.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).ok()?;
    // Nothing is sent by this.
    socket.connect(at.socket(9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Two nodes of one host.
pub fn neighbours(sites: &[(&Site, &Facts)]) -> Option<(NodeId, NodeId)> {
    let mut seen: BTreeMap<&str, NodeId> = BTreeMap::new();
    sites
        .iter()
        .find_map(|(site, _)| seen.insert(&site.host, site.node).map(|other| (other, site.node)))
}

/// The facts of all hosts, or the first error.
pub async fn facts_of_all(sites: impl Iterator<Item = &Site>) -> Result<Vec<Facts>, RemoteError> {
    join_all(sites.map(|site| Facts::of(&*site.remote))).await.into_iter().collect()
}
