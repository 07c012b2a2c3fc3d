//! Whose a testbed's folder and network are.
//!
//! The folder is locked while it is made or removed; which network it takes is decided while the folder of all testbeds is
//! locked, and written down before anything is made of it. So two testbeds never meet, and whatever ends a program in the
//! middle, what is left can be found by name. The programs that make the parts hold the lock with it: whoever removes a half
//! made testbed comes after the last of them.

use super::network::Network;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the folders of all testbeds are.
const ALL: &str = "/run/real-cluster/testbed";
const NAME_MAX: usize = 32;
/// Hosts of a testbed, at most.
pub const HOSTS_MAX: u8 = 100;

/// The folder of the testbed of this name, if the name can be one's.
pub(super) fn folder(name: &str) -> Result<PathBuf> {
    let fits = (1..=NAME_MAX).contains(&name.len()) && !name.starts_with('-');
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    ensure!(
        fits && name.bytes().all(plain),
        "`{name}` is no name for a testbed: 1 to {NAME_MAX} of a-z, 0-9 and, not as the first, -"
    );
    Ok(Path::new(ALL).join(name))
}

/// What a testbed has taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claim {
    pub network: Network,
    pub hosts: u8,
    /// Accounts that the hosts have.
    pub accounts: Vec<String>,
    /// Why not all that a testbed could have.
    pub left_out: Option<String>,
    /// The folder in which root is at home, on this machine and on the hosts.
    pub home_of_root: String,
}

/// What of a claim tells where the testbed is: every version of this program can read that much.
#[derive(Deserialize)]
struct Taken {
    network: Network,
}

impl Claim {
    /// `None` if nothing was claimed.
    pub fn read(folder: &Path) -> Result<Option<Claim>> {
        let Some(text) = read(folder)? else { return Ok(None) };
        let claim = serde_json::from_slice(&text);
        let text = "it was made by another version of this program: take it `down` first";
        claim.context(text).map(Some)
    }

    /// The network that was claimed, as far as it can be told.
    pub fn network(folder: &Path) -> Result<Option<Network>> {
        let text = read(folder)?.unwrap_or_default();
        // Torn or not: an interface that is there goes with the namespaces, and an address that is there is seen.
        Ok(serde_json::from_slice(&text).ok().map(|Taken { network }| network))
    }

    /// There whole or not at all.
    fn write(&self, folder: &Path) -> Result<()> {
        let new = folder.join("claim.new");
        let text = serde_json::to_vec(self).context("a claim is JSON")?;
        write_file(&new, 0o600, &text)?;
        fs::rename(&new, folder.join("claim.json")).context("cannot keep the claim")
    }
}

fn read(folder: &Path) -> Result<Option<Vec<u8>>> {
    let file = folder.join("claim.json");
    match fs::read(&file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

/// A testbed's folder, locked.
pub(super) struct Place {
    pub folder: PathBuf,
    lock: File,
}

impl Place {
    /// Makes the folder if it is not there, and waits until nobody else has it.
    pub fn enter(folder: &Path) -> Result<Place> {
        loop {
            make_folder(folder)?;
            // `None`: somebody has removed it in between.
            if let Some(place) = Place::enter_if_there(folder)? {
                return Ok(place);
            }
        }
    }

    /// As [`Place::enter`]; `None` if there is no such folder.
    pub fn enter_if_there(folder: &Path) -> Result<Option<Place>> {
        Place::locked(folder, File::lock)
    }

    /// As [`Place::enter_if_there`], beside others who neither make nor remove the testbed.
    pub fn visit(folder: &Path) -> Result<Option<Place>> {
        Place::locked(folder, File::lock_shared)
    }

    fn locked(folder: &Path, how: Lock) -> Result<Option<Place>> {
        let lock = lock(folder, how);
        let lock = lock.with_context(|| format!("cannot lock {}", folder.display()))?;
        Ok(lock.map(|lock| Place { folder: folder.to_owned(), lock }))
    }

    /// Lets a program hold the lock as its standard input, also when this one is killed meanwhile.
    pub fn held_by<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        Ok(command.stdin(self.lock.try_clone().context("cannot share the testbed's lock")?))
    }

    /// Takes a network that no other testbed has, for what is claimed with it.
    pub fn claim(&self, of: impl FnOnce(Network) -> Claim) -> Result<Claim> {
        let all = lock(Path::new(ALL), File::lock).with_context(|| format!("cannot lock {ALL}"))?;
        let _all = all.with_context(|| format!("{ALL} was removed"))?;
        let mut claimed = BTreeSet::new();
        for entry in fs::read_dir(ALL).with_context(|| format!("cannot list {ALL}"))?.flatten() {
            claimed.extend(Claim::network(&entry.path())?);
        }
        let claim = of(Network::first_free(&claimed)?);
        claim.write(&self.folder)?;
        Ok(claim)
    }

    /// Empties the folder. The claim goes last: without it nobody could tell what is left.
    pub fn empty(&self) -> Result<()> {
        let entries = fs::read_dir(&self.folder).context("cannot list the testbed's folder")?;
        let mut entries: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        entries.sort_by_key(|path| path.ends_with("claim.json"));
        for path in entries {
            let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
            let removed =
                if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Removes the folder, and those above it if it was the last testbed.
    pub fn leave(self) -> Result<()> {
        self.empty()?;
        fs::remove_dir(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))?;
        for above in Path::new(ALL).ancestors().take(2) {
            // Err: there are others.
            let _ = fs::remove_dir(above);
        }
        Ok(())
    }
}

fn make_folder(folder: &Path) -> Result<()> {
    loop {
        fs::create_dir_all(ALL).with_context(|| format!("cannot make {ALL}"))?;
        match DirBuilder::new().mode(0o700).create(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
            // Who took the last testbed down has removed the folder above in between.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot make {}", folder.display()));
            }
        }
    }
}

/// How a file is locked.
type Lock = fn(&File) -> std::io::Result<()>;

/// Locks a folder that may be removed by whoever has the lock; `None` if there is none.
fn lock(folder: &Path, how: Lock) -> std::io::Result<Option<File>> {
    loop {
        let file = match File::open(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        how(&file)?;
        let (held, now) = (file.metadata()?, fs::metadata(folder));
        if now.is_ok_and(|now| (now.dev(), now.ino()) == (held.dev(), held.ino())) {
            return Ok(Some(file));
        }
    }
}

/// Writes a file with just this mode, whatever the caller's mask.
pub(super) fn write_file(file: &Path, mode: u32, text: impl AsRef<[u8]>) -> Result<()> {
    let write = || {
        // Nobody may read it before it has its mode.
        let mut options = File::options();
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut new = options.write(true).create(true).truncate(true).open(file)?;
        std::io::Write::write_all(&mut new, text.as_ref())?;
        fs::set_permissions(file, Permissions::from_mode(mode))
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
