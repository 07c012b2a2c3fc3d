//! A testbed's network: `10.213.N.0/24` on a bridge that all hosts hang on, with a way to this machine.
//!
//! ```text
//!   this machine        switch (a network namespace)            n1
//!   rctN 10.213.N.1 ──── control ─┐
//!                                 br0 ─ n1 ──── eth0 10.213.N.11
//! ```
//!
//! The bridge has a namespace of its own, so that neither the machine's firewall nor what else it bridges gets between hosts, and
//! hosts have no route but to their own network: that is what cuts two testbeds off from each other.

use super::claim::{Place, write_file};
use super::programs::{command, command_in, run, with_path};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;

/// Bits of an address that name the network.
pub(super) const PREFIX: u8 = 24;
/// The last number of n1's address is one more.
const BEFORE_N1: u8 = 10;

/// Which of the networks in `10.213.0.0/16`, by its third number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Network(u8);

impl Network {
    /// The first that nobody has claimed and this machine has no address in.
    pub fn first_free(claimed: &BTreeSet<Network>) -> Result<Network> {
        let here = Interfaces::now()?;
        let mut free = (0..=u8::MAX)
            .map(Network)
            .filter(|network| !claimed.contains(network) && !here.know(*network));
        free.next().context("all networks of 10.213.0.0/16 are taken: take a testbed down first")
    }

    /// This machine's address in it.
    pub fn control(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.0, 1)
    }

    /// The address of a host, from 1.
    pub fn host(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.0, BEFORE_N1 + number)
    }

    /// The name of this machine's interface.
    fn link(self) -> String {
        format!("rct{}", self.0)
    }

    /// Whether this machine has its interface and address.
    pub fn is_here(self) -> Result<bool> {
        let here = Interfaces::now()?;
        Ok(here.names.contains(&self.link()) && here.addresses.contains(&self.control()))
    }

    /// Makes the links between this machine, the switch and the hosts: each has a namespace already.
    pub fn connect<'a>(
        self,
        place: &Place,
        switch: &Path,
        hosts: impl Iterator<Item = (&'a str, &'a Path)>,
    ) -> Result<()> {
        let (link, control) = (self.link(), self.control());
        let outside = format!(
            "link add {link} type veth peer name control netns {}\n\
             address add {control}/{PREFIX} dev {link}\n\
             link set {link} up\n",
            switch.display()
        );
        let batch = place.folder.join("links");
        write_file(&batch, 0o600, outside)?;
        run(place.held_by(command("ip").arg("-batch").arg(&batch))?)?;
        let mut inside = "link add br0 type bridge forward_delay 0\n\
                          link set br0 up\n\
                          link set control master br0 up\n"
            .to_owned();
        for (name, namespace) in hosts {
            let namespace = namespace.display();
            let _ = writeln!(inside, "link add {name} type veth peer name eth0 netns {namespace}");
            let _ = writeln!(inside, "link set {name} master br0 up");
        }
        let batch = switch.with_file_name("links");
        write_file(&batch, 0o600, inside)?;
        run(place.held_by(command_in(switch, "ip").arg("-batch").arg(&batch))?).map(drop)
    }

    /// Removes this machine's interface, if it is there.
    pub fn disconnect(self) -> Result<()> {
        let link = self.link();
        if !Interfaces::now()?.names.contains(&link) {
            return Ok(());
        }
        run(command("ip").args(["link", "delete", &link])).map(drop)
    }
}

/// Plugs a host into the switch, or out.
pub(super) fn plug(switch: &Path, host: &str, plugged: bool) -> Result<()> {
    let state = if plugged { "up" } else { "down" };
    run(command_in(switch, "ip").args(["link", "set", host, state])).map(drop)
}

/// The hosts that are plugged in.
pub(super) fn plugged(switch: &Path) -> BTreeSet<String> {
    let links = run(command_in(switch, "ip").args(["-brief", "link", "show", "up"]));
    // Without a switch nobody is.
    let links = links.unwrap_or_default();
    links.lines().filter_map(|line| line.split(['@', ' ']).next()).map(str::to_owned).collect()
}

/// Binds a new network namespace to a file, which keeps it.
pub(super) fn make_namespace(place: &Place, file: &Path) -> Result<()> {
    File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
    let mut unshare = command("unshare");
    unshare.arg(with_path("--net=", file)).arg("true");
    run(place.held_by(&mut unshare)?).map(drop)
}

/// Lets go of a namespace that is bound to a file, if one is.
pub(super) fn drop_namespace(file: &Path) -> Result<()> {
    loop {
        match umount2(file, MntFlags::MNT_DETACH) {
            Ok(()) => {}
            // Nothing is mounted there, or there is no such file.
            Err(Errno::EINVAL | Errno::ENOENT) => return Ok(()),
            Err(error) => bail!("cannot unmount {}: {error}", file.display()),
        }
    }
}

/// This machine's interfaces and its addresses on them.
struct Interfaces {
    names: BTreeSet<String>,
    addresses: BTreeSet<Ipv4Addr>,
}

impl Interfaces {
    fn now() -> Result<Interfaces> {
        let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
        for interface in getifaddrs().context("cannot list this machine's addresses")? {
            let address = interface.address.as_ref().and_then(|address| address.as_sockaddr_in());
            addresses.extend(address.map(|address| address.ip()));
            names.insert(interface.interface_name);
        }
        Ok(Interfaces { names, addresses })
    }

    fn know(&self, network: Network) -> bool {
        let inside = |address: &Ipv4Addr| address.octets()[..3] == network.control().octets()[..3];
        self.names.contains(&network.link()) || self.addresses.iter().any(inside)
    }
}
