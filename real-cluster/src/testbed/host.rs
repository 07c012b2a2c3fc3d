//! One host: its folder, and how it is made, started and ended.
//!
//! ```text
//!   n1/net       its network namespace     n1/disk, n1/work   the layer it writes to
//!   n1/root      where its root is made    n1/console         what its keeper and sshd say
//! ```
//! Its file system is mounted where only the host sees it. So it ends with the host's processes, and nothing of the machine can be
//! reached through the folder when that is removed.

use super::claim::Place;
use super::disk::{Contents, make_folder};
use super::network::{self, PREFIX};
use super::occupants::{self, Init, Namespace};
use super::programs::{command, run, with_path};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

/// Between two tries to reach a host that starts.
const LOOK: Duration = Duration::from_millis(5);
/// How long one of them may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// How long a host may take to start.
const STARTS_WITHIN: Duration = Duration::from_secs(30);
/// Where SSH listens.
pub(super) const SSH: u16 = 22;

/// A host of a testbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// `n1` and so on.
    pub name: String,
    /// Where it is reached, by SSH on port 22.
    pub address: Ipv4Addr,
    /// Its part of the testbed's folder.
    pub(super) folder: PathBuf,
}

impl Host {
    /// The file that its network namespace is bound to.
    pub(super) fn net(&self) -> PathBuf {
        self.folder.join("net")
    }

    /// Where its SSH host key is, without `.pub` the private one.
    pub(super) fn key(&self) -> PathBuf {
        self.folder.join("disk/etc/ssh/ssh_host_ed25519_key")
    }

    /// Makes its folder, its network and all that is on its disk.
    pub(super) fn make(&self, place: &Place, contents: &Contents) -> Result<()> {
        make_folder(&self.folder, 0o700)?;
        network::make_namespace(place, &self.net())?;
        for part in ["work", "root"] {
            make_folder(&self.folder.join(part), 0o755)?;
        }
        contents.write(&self.folder.join("disk"), &self.name)?;
        make_key(place, &self.key(), &self.name)
    }

    /// Starts it and whatever will start it again; returns when SSH listens.
    pub(super) fn start(&self, place: &Place, home_of_root: &str) -> Result<()> {
        let console = File::options().append(true).create(true).open(self.console());
        let console = console.context("cannot open the console")?;
        let said_before = console.metadata().context("cannot see the console")?.len() as usize;
        let errors = console.try_clone().context("cannot open the console")?;
        let mut keeper = command("setsid");
        // --fork: whoever started it is not asked to wait for it.
        keeper.args(["--fork", "nsenter"]).arg(with_path("--net=", &self.net())).args(["--", "sh"]);
        keeper.arg(place.folder.join("keep.sh")).arg(&self.folder).arg(&self.name);
        keeper.args([&format!("{}/{PREFIX}", self.address), home_of_root]);
        keeper.current_dir("/").stdout(console).stderr(errors);
        let status = place.held_by(&mut keeper)?.status();
        ensure!(status.context("cannot start the keeper")?.success(), "the keeper does not start");
        self.await_ssh(said_before)
    }

    /// Waits for SSH. It says so when it listens: who asks the network before there is one waits a second for its next answer.
    fn await_ssh(&self, said_before: usize) -> Result<()> {
        let limit = Instant::now() + STARTS_WITHIN;
        let address = SocketAddr::from((self.address, SSH));
        loop {
            let console = fs::read(self.console()).unwrap_or_default();
            let said = String::from_utf8_lossy(console.get(said_before..).unwrap_or_default());
            if said.contains(" listening on ")
                && TcpStream::connect_timeout(&address, ANSWERS_WITHIN).is_ok()
            {
                return Ok(());
            }
            if Instant::now() > limit {
                let last = said.lines().next_back().unwrap_or("nothing");
                bail!("no SSH after {STARTS_WITHIN:?}; its console ends with: {last}");
            }
            // Nobody tells when sshd is ready.
            std::thread::sleep(LOOK);
        }
    }

    fn console(&self) -> PathBuf {
        self.folder.join("console")
    }

    /// Its network namespace, if it has one.
    pub(super) fn namespace(&self) -> Option<Namespace> {
        Namespace::bound_to(&self.net())
    }

    /// Ends its keeper and all its processes.
    pub(super) fn end(&self) -> Result<()> {
        occupants::end(&self.namespace().into_iter().collect())
    }

    /// Its first process, if it runs.
    pub(super) fn init(&self) -> Result<Option<Init>> {
        let namespaces: BTreeSet<Namespace> = self.namespace().into_iter().collect();
        Ok(occupants::inits(&namespaces)?.into_iter().map(|(_, init)| init).next())
    }

    /// Runs a program inside it, from outside.
    pub(super) fn run(&self, program: &str, args: &[&str]) -> Result<Output> {
        let init = self.init()?.context("it is not up")?;
        let mut enter = command("nsenter");
        // Through the folder of that very process: a number would be another's after a reboot, perhaps the machine's.
        for (option, file) in NAMESPACES {
            enter.arg(with_path(option, &init.path(file)));
        }
        enter.arg("--").arg(program).args(args);
        enter.output().context("cannot start nsenter")
    }
}

const NAMESPACES: [(&str, &str); 5] = [
    ("--net=", "ns/net"),
    ("--uts=", "ns/uts"),
    ("--ipc=", "ns/ipc"),
    ("--pid=", "ns/pid"),
    ("--mount=", "ns/mnt"),
];

/// Makes an SSH key without a passphrase.
pub(super) fn make_key(place: &Place, file: &Path, comment: &str) -> Result<()> {
    let mut keygen = command("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(file);
    run(place.held_by(&mut keygen)?).map(drop)
}
