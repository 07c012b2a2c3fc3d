//! The testbed: hosts that are namespaces of this one machine, and are reached over SSH as hosts elsewhere are.
//!
//! Each host has a network, a process tree, a file system, a name and a sshd of its own, and survives its own reboot. What tests
//! on it cannot see: clocks that differ, since all hosts have the machine's, and power that fails in the middle of a write, since
//! all have its kernel. Both are guarded: a host can neither set the clock nor reach the kernel's keys for emergencies.
//!
//! Promise: a testbed outlives the program that made it, and [`Testbed::down`] leaves nothing of it, whatever came between: no
//! process, mount, namespace, link or folder. All that belongs to it is found by its folder, see `claim` and `occupants`.
//! Two testbeds work side by side and do not reach each other, see `network`.

use accounts::Accounts;
use anyhow::{Context, Result, anyhow, bail, ensure};
use claim::{Claim, Place, write_file};
use disk::{Contents, make_folder};
use occupants::Namespace;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;

mod accounts;
mod claim;
mod client;
mod disk;
mod host;
mod network;
mod occupants;
mod programs;
mod requirements;
mod status;

pub use claim::HOSTS_MAX;
pub use host::Host;
pub use requirements::missing;
pub use status::{Boot, HostStatus};

/// Each is given to `sh` as a file, and its words as arguments.
const SCRIPTS: [(&str, &str); 2] =
    [("keep.sh", include_str!("testbed/keep.sh")), ("boot.sh", include_str!("testbed/boot.sh"))];

/// Hosts n1 and so on, made earlier or by this value; they stay when it is dropped.
#[derive(Clone, Debug)]
pub struct Testbed {
    name: String,
    folder: PathBuf,
    claim: Claim,
    hosts: Vec<Host>,
}

impl Testbed {
    /// Makes so many hosts; returns when SSH listens on all. A testbed that is there whole stays as it is, one that is there
    /// in part is made anew.
    pub fn up(name: &str, hosts: u8) -> Result<Testbed> {
        let folder = claim::folder(name)?;
        ensure!(
            (1..=HOSTS_MAX).contains(&hosts),
            "a testbed of {hosts} hosts cannot be: 1 to {HOSTS_MAX} can"
        );
        missing().map_err(anyhow::Error::msg)?;
        let place = Place::enter(&folder)?;
        if let Some(testbed) = Testbed::open(name)?
            && testbed.is_whole()?
        {
            let there = testbed.hosts.len();
            ensure!(
                there == usize::from(hosts),
                "the testbed {name} has {there} hosts, not {hosts}: take it `down` first"
            );
            return Ok(testbed);
        }
        clear(&place)?;
        let made = Testbed::make(name, &place, hosts);
        if made.is_err() {
            // What was in the way is said by the first error.
            let _ = clear(&place).and_then(|()| place.leave());
        }
        made.with_context(|| format!("the testbed {name} cannot be made"))
    }

    /// The testbed of this name as far as it is there; `None` if nothing of it is.
    pub fn open(name: &str) -> Result<Option<Testbed>> {
        let folder = claim::folder(name)?;
        let claim = Claim::read(&folder).with_context(|| format!("the testbed {name}"))?;
        Ok(claim.map(|claim| Testbed::new(name, folder, claim)))
    }

    /// Ends and removes all that there is of this testbed. Whether there was anything.
    pub fn down(name: &str) -> Result<bool> {
        let folder = claim::folder(name)?;
        let Some(place) = Place::enter_if_there(&folder)? else { return Ok(false) };
        let removed = clear(&place).and_then(|()| place.leave());
        removed.with_context(|| format!("the testbed {name} cannot be removed"))?;
        Ok(true)
    }

    fn new(name: &str, folder: PathBuf, claim: Claim) -> Testbed {
        let host = |number| {
            let name = format!("n{number}");
            let folder = folder.join(&name);
            Host { name, address: claim.network.host(number), folder }
        };
        let hosts = (1..=claim.hosts).map(host).collect();
        Testbed { name: name.to_owned(), folder, claim, hosts }
    }

    fn make(name: &str, place: &Place, hosts: u8) -> Result<Testbed> {
        let accounts = Accounts::new()?;
        let claim = place.claim(|network| Claim {
            network,
            hosts,
            accounts: accounts.names(),
            left_out: accounts.left_out.clone(),
            home_of_root: accounts.home_of_root.clone(),
        })?;
        let testbed = Testbed::new(name, place.folder.clone(), claim);
        let folder = &testbed.folder;
        for (script, text) in SCRIPTS {
            write_file(&folder.join(script), 0o600, text)?;
        }
        if let Some(password) = &accounts.password {
            write_file(&folder.join("sudo_password"), 0o600, password)?;
        }
        host::make_key(place, &testbed.key(), &format!("testbed {name}"))?;
        let authorized_keys = fs::read_to_string(testbed.key().with_extension("pub"))
            .context("cannot read the key")?;
        let contents =
            Contents { accounts: &accounts, hosts: testbed.etc_hosts(), authorized_keys };
        let switch = testbed.switch();
        make_folder(&folder.join("switch"), 0o700)?;
        network::make_namespace(place, &switch)?;
        testbed.on_all(|host| host.make(place, &contents))?;
        let nets: Vec<PathBuf> = testbed.hosts.iter().map(Host::net).collect();
        let names = testbed.hosts.iter().map(|host| host.name.as_str());
        let nets = nets.iter().map(PathBuf::as_path);
        testbed.claim.network.connect(place, &switch, names.zip(nets))?;
        testbed.on_all(|host| host.start(place, &testbed.claim.home_of_root))?;
        client::write(folder, &testbed.hosts)?;
        client::write_nodes(folder, &testbed.hosts)?;
        Ok(testbed)
    }

    /// Does something on all hosts at once; the first failure, by their order.
    fn on_all(&self, act: impl Fn(&Host) -> Result<()> + Sync) -> Result<()> {
        let act = &act;
        let all: Vec<Result<()>> = thread::scope(|scope| {
            let threads = self.hosts.iter().map(|host| (host, scope.spawn(move || act(host))));
            let threads: Vec<_> = threads.collect();
            let joined = threads.into_iter().map(|(host, thread)| {
                let done = thread.join().unwrap_or_else(|_| bail!("it panicked"));
                done.with_context(|| format!("host {}", host.name))
            });
            joined.collect()
        });
        all.into_iter().collect()
    }

    fn etc_hosts(&self) -> String {
        let mut lines = format!("127.0.0.1 localhost\n{} control\n", self.control_address());
        for Host { name, address, .. } in &self.hosts {
            let _ = writeln!(lines, "{address} {name}");
        }
        lines
    }

    /// Whether all was made, and all hosts are up. What faults do to links and firewalls does not matter.
    pub fn is_whole(&self) -> Result<bool> {
        let all: BTreeSet<Namespace> = self.hosts.iter().filter_map(Host::namespace).collect();
        Ok(self.nodes_file().is_file()
            && self.claim.network.is_here()?
            && occupants::inits(&all)?.len() == self.hosts.len())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where all that belongs to it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its hosts in the order of their numbers.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// This machine's address as hosts see it, `control` by name.
    pub fn control_address(&self) -> Ipv4Addr {
        self.claim.network.control()
    }

    /// One host a line, as `--nodes` takes them.
    pub fn nodes_file(&self) -> PathBuf {
        self.folder.join("nodes")
    }

    /// For `ssh -F`: knows the hosts by name and by address.
    pub fn ssh_config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// The hosts' keys.
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.join("known_hosts")
    }

    /// The private key that all accounts take.
    pub fn key(&self) -> PathBuf {
        self.folder.join("id_ed25519")
    }

    /// Who can log in: root, `tester` without sudo, and with sudo `admin` and `pwadmin`, who is asked for a password.
    pub fn accounts(&self) -> &[String] {
        &self.claim.accounts
    }

    /// Why `admin` and `pwadmin` are missing, if they are.
    pub fn left_out(&self) -> Option<&str> {
        self.claim.left_out.as_deref()
    }

    /// The password of `pwadmin`, if there is one.
    pub fn sudo_password(&self) -> Result<Option<String>> {
        let file = self.folder.join("sudo_password");
        if self.left_out().is_some() {
            return Ok(None);
        }
        let password = fs::read_to_string(&file);
        password.with_context(|| format!("cannot read {}", file.display())).map(Some)
    }

    /// Takes a host's power: silence at once, and nothing of it runs until [`Testbed::power_on`].
    pub fn power_off(&self, host: &str) -> Result<()> {
        let host = self.host(host)?;
        // The link first: a machine without power does not close its connections.
        network::plug(&self.switch(), &host.name, false)?;
        host.end()
    }

    /// Starts a host that was powered off; one that is up stays so. Returns when SSH listens.
    pub fn power_on(&self, host: &str) -> Result<()> {
        let host = self.host(host)?;
        let place = Place::visit(&self.folder)?;
        let place = place.with_context(|| format!("the testbed {} is down", self.name))?;
        network::plug(&self.switch(), &host.name, true)?;
        if host.init()?.is_some() {
            return Ok(());
        }
        // A keeper that waits to start it again would be a second one.
        host.end()?;
        host.start(&place, &self.claim.home_of_root)
    }

    /// Plugs a host into the switch, or out of it while it goes on running.
    pub fn link(&self, host: &str, up: bool) -> Result<()> {
        network::plug(&self.switch(), &self.host(host)?.name, up)
    }

    /// Runs a program inside a host, as root of the machine, from outside: for a look that needs no SSH.
    pub fn run_in(&self, host: &str, program: &str, args: &[&str]) -> Result<Output> {
        let host = self.host(host)?;
        host.run(program, args).with_context(|| format!("host {}", host.name))
    }

    fn host(&self, name: &str) -> Result<&Host> {
        let found = self.hosts.iter().find(|host| host.name == name);
        found.ok_or_else(|| {
            let last = self.hosts.len();
            anyhow!("host {name} is not in the testbed {} (n1..n{last})", self.name)
        })
    }

    /// The file that the switch's network namespace is bound to.
    fn switch(&self) -> PathBuf {
        self.folder.join("switch/net")
    }
}

/// Ends and removes all that is in a testbed's folder or that it claims; the folder stays, empty.
fn clear(place: &Place) -> Result<()> {
    let entries = fs::read_dir(&place.folder).context("cannot list the testbed's folder")?;
    let nets = entries.flatten().map(|entry| entry.path().join("net"));
    let nets: Vec<PathBuf> = nets.filter(|net| net.is_file()).collect();
    occupants::end(&nets.iter().filter_map(|net| Namespace::bound_to(net)).collect())?;
    if let Some(network) = Claim::network(&place.folder)? {
        network.disconnect()?;
    }
    nets.iter().try_for_each(|net| network::drop_namespace(net))?;
    place.empty()
}
