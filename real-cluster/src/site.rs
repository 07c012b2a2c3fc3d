//! Where nodes are: a host with a remote, an address at which the node serves, a folder that is its own.

use crate::remote::Remote;
use harness::cluster::NodeId;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Barrier;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long nodes wait for each other.
const TOGETHER_WITHIN: Duration = Duration::from_secs(60);
/// The folder on hosts below which everything is, if nobody says otherwise.
pub const BASE: &str = "/opt/real-cluster";
/// What the time shim is called there.
pub const SHIM: &str = "time-shim";
/// Folders that a path must be below, at least: nobody means `/` or `/var` when data is to be removed.
const DEPTH_MIN: usize = 2;

/// A node's place.
#[derive(Clone)]
pub struct Site {
    /// The node.
    pub node: NodeId,
    /// Its host.
    pub remote: Rc<dyn Remote>,
    /// What the host is called in the nodes file: two sites of one host have the same.
    pub host: String,
    /// Where the node serves, as all others see it.
    pub address: IpAddr,
    /// Numbers of ports that are not the database's usual ones, by name.
    pub ports: BTreeMap<String, u16>,
    /// The folder of everything on the host: `/opt/real-cluster`.
    pub base: String,
}

impl Site {
    /// The node's own folder, absolute.
    pub fn folder(&self) -> String {
        format!("{}/{}", self.base, self.node)
    }

    /// Something in the node's own folder.
    pub fn path(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.base, self.node)
    }

    /// A program that was brought to the host.
    pub fn program(&self, name: &str) -> String {
        format!("{}/bin/{name}", self.base)
    }

    /// Words in front of a program that make it run under this node's wall clock.
    pub fn under_shim(&self) -> Vec<String> {
        ["run", "--control", &self.path("clock"), "--"].iter().fold(
            vec![self.program(SHIM)],
            |mut words, word| {
                words.push((*word).to_owned());
                words
            },
        )
    }

    /// The number of a port, where the database would use this one.
    pub fn port(&self, name: &str, usual: u16) -> u16 {
        self.ports.get(name).copied().unwrap_or(usual)
    }

    /// A port of the node.
    pub fn socket(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }
}

/// All places of a cluster, in the nodes' order.
#[derive(Clone)]
pub struct Sites {
    all: Vec<Rc<Site>>,
    meeting: Rc<RefCell<Rc<Meeting>>>,
}

/// Where nodes wait for each other.
struct Meeting {
    barrier: Barrier,
    /// Somebody will not come.
    off: CancellationToken,
}

impl Meeting {
    fn of(count: usize) -> Rc<Meeting> {
        Rc::new(Meeting { barrier: Barrier::new(count), off: CancellationToken::new() })
    }
}

impl Sites {
    /// These.
    pub fn new(all: Vec<Site>) -> Sites {
        let meeting = Rc::new(RefCell::new(Meeting::of(all.len())));
        Sites { all: all.into_iter().map(Rc::new).collect(), meeting }
    }

    /// The same cluster with each place changed; its nodes go on waiting for each other as here.
    #[must_use]
    pub fn map(&self, change: impl Fn(&Site) -> Site) -> Sites {
        let all = self.iter().map(|site| Rc::new(change(site))).collect();
        Sites { all, meeting: Rc::clone(&self.meeting) }
    }

    /// Each.
    pub fn iter(&self) -> impl Iterator<Item = &Site> {
        self.all.iter().map(Rc::as_ref)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The place of a node.
    pub fn of(&self, node: NodeId) -> Option<&Site> {
        self.iter().find(|site| site.node == node)
    }

    /// Returns when it was called for every node; an error if one failed, or after a minute. That another try may cure, so a
    /// database tells it as a failed set-up. Jepsen's `synchronize`.
    pub async fn synchronize(&self) -> Result<(), String> {
        let meeting = Rc::clone(&self.meeting.borrow());
        let met = meeting.off.run_until_cancelled(meeting.barrier.wait());
        match timeout(TOGETHER_WITHIN, met).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("another node failed, so there is nobody to wait for".to_owned()),
            Err(_) => Err(format!("the other nodes did not come within {TOGETHER_WITHIN:?}")),
        }
    }

    /// Whoever waits, or will, is told that somebody does not come.
    pub fn break_barrier(&self) {
        self.meeting.borrow().off.cancel();
    }

    /// Whoever waited before counts no more, and nobody is missing.
    pub fn reset_barrier(&self) {
        *self.meeting.borrow_mut() = Meeting::of(self.all.len());
    }
}

/// A path on a host that may be filled and removed: absolute, below some folder, without a way back.
pub fn checked_path(path: &str) -> Result<&str, String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if !path.starts_with('/') {
        return Err(format!("`{path}` is not an absolute path: write one such as {BASE}"));
    }
    if parts.iter().any(|part| *part == "." || *part == "..") {
        return Err(format!("`{path}` has a `.` or `..` in it: write the path itself"));
    }
    if parts.len() < DEPTH_MIN {
        return Err(format!(
            "`{path}` is too short a path for what may be removed as a whole: write one of {DEPTH_MIN} parts at least, such \
             as {BASE}"
        ));
    }
    if path.chars().any(|c| c.is_control() || "'\"\\$`".contains(c)) {
        return Err(format!(
            "`{}` has characters that no folder here should have",
            path.escape_default()
        ));
    }
    Ok(path)
}

/// Two nodes that would use one port of one address, or two names for one port: a sentence.
pub fn port_conflict<'a>(
    ports: impl Iterator<Item = (&'a Site, Vec<(String, u16)>)>,
) -> Option<String> {
    let mut taken: BTreeMap<(String, u16), (NodeId, String)> = BTreeMap::new();
    for (site, ports) in ports {
        for (name, port) in ports {
            // What listens on one address of a host may listen on all of them.
            let place = (site.address.to_string(), port);
            if let Some((other, theirs)) = taken.get(&place) {
                return Some(format!(
                    "{theirs} of {other} and {name} of {} are both port {port} of {}: give one of them another by `{name}-port=` \
                     in the nodes file, or another host",
                    site.node, site.address
                ));
            }
            taken.insert(place, (site.node, name));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::recorded::Recorded;

    fn site(node: u16, address: &str) -> Site {
        Site {
            node: NodeId(node),
            remote: Rc::new(Recorded::named("host")),
            host: address.to_owned(),
            address: address.parse().expect("an address"),
            ports: BTreeMap::new(),
            base: BASE.to_owned(),
        }
    }

    #[test]
    fn paths_that_could_take_a_machine_with_them_are_refused() {
        for path in ["/opt/real-cluster", "/var/lib/elastickv/n1", "/srv/a b"] {
            assert_eq!(checked_path(path), Ok(path));
        }
        for path in [
            "",
            "data",
            "./data/n1",
            "/",
            "/var",
            "/var/",
            "//var",
            "/var/../etc",
            "/var/./x",
            "/a/$(id)",
            "/a/b\n",
        ] {
            let sentence = checked_path(path).expect_err(path);
            assert!(!sentence.contains('\n'), "{sentence}");
        }
    }

    #[test]
    fn two_that_would_listen_on_one_port_are_named() {
        let ports = |list: &[(&str, u16)]| {
            list.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect()
        };
        let (one, two) = (site(1, "10.0.0.1"), site(2, "10.0.0.2"));
        let apart =
            [(&one, ports(&[("redis", 6379), ("raft", 50050)])), (&two, ports(&[("redis", 6379)]))];
        assert_eq!(port_conflict(apart.into_iter()), None);
        let same = site(2, "10.0.0.1");
        let both = [(&one, ports(&[("redis", 6379)])), (&same, ports(&[("redis", 6379)]))];
        let sentence = port_conflict(both.into_iter()).expect("a conflict");
        assert!(
            sentence.starts_with("redis of n1 and redis of n2 are both port 6379 of 10.0.0.1"),
            "{sentence}"
        );
        let twice = [(&one, ports(&[("redis", 6379), ("raft", 6379)]))];
        assert!(port_conflict(twice.into_iter()).is_some());
    }
}
