//! What is on a host's disk before it starts for the first time: the layer that its root file system has over the machine's.

use super::accounts::{Accounts, User};
use super::claim::write_file;
use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

const SSHD_CONFIG: &str = "\
Port 22
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
MaxStartups 100:30:200
MaxSessions 10
PermitTunnel no
Subsystem sftp internal-sftp
PidFile /run/sshd.pid
";

/// What all hosts of a testbed have on their disks.
pub(super) struct Contents<'a> {
    pub accounts: &'a Accounts,
    /// Lines of /etc/hosts.
    pub hosts: String,
    /// The key that all accounts take.
    pub authorized_keys: String,
}

impl Contents<'_> {
    /// Fills the disk of a host of this name, which has nothing on it.
    pub fn write(&self, disk: &Path, name: &str) -> Result<()> {
        for folder in ["", "etc", "etc/ssh", "home", "mnt", "mnt/small"] {
            make_folder(&disk.join(folder), 0o755)?;
        }
        let etc = disk.join("etc");
        write_file(&etc.join("hostname"), 0o644, format!("{name}\n"))?;
        write_file(&etc.join("hosts"), 0o644, &self.hosts)?;
        write_file(&etc.join("ssh/sshd_config"), 0o644, SSHD_CONFIG)?;
        self.write_accounts(&etc)?;
        self.write_home(&disk.join("home/root"), 0)?;
        for user @ User { id, .. } in &self.accounts.users {
            self.write_home(&inside(disk, &user.home()), *id)?;
        }
        Ok(())
    }

    fn write_accounts(&self, etc: &Path) -> Result<()> {
        let accounts = self.accounts;
        write_file(&etc.join("passwd"), 0o644, &accounts.passwd)?;
        write_file(&etc.join("group"), 0o644, &accounts.group)?;
        let shadow = etc.join("shadow");
        write_file(&shadow, 0o640, &accounts.shadow)?;
        // The group that may read it has another number on every distribution.
        let machine = fs::metadata("/etc/shadow").context("cannot see /etc/shadow")?;
        chown(&shadow, Some(0), Some(machine.gid())).context("cannot give /etc/shadow away")?;
        if let Some(sudoers) = &accounts.sudoers {
            let folder = etc.join("sudoers.d");
            make_folder(&folder, 0o755)?;
            write_file(&folder.join("testbed"), 0o440, sudoers)?;
        }
        Ok(())
    }

    fn write_home(&self, home: &Path, id: u32) -> Result<()> {
        let ssh = home.join(".ssh");
        make_folder(home, 0o700)?;
        make_folder(&ssh, 0o700)?;
        let keys = ssh.join("authorized_keys");
        write_file(&keys, 0o600, &self.authorized_keys)?;
        for path in [home, &ssh, &keys] {
            chown(path, Some(id), Some(id))
                .with_context(|| format!("cannot give {} away", path.display()))?;
        }
        Ok(())
    }
}

/// Where a host's absolute path is on its disk.
fn inside(disk: &Path, path: &str) -> PathBuf {
    disk.join(path.trim_start_matches('/'))
}

/// Makes a folder with just this mode, whatever the caller's mask.
pub(super) fn make_folder(folder: &Path, mode: u32) -> Result<()> {
    let made = fs::create_dir(folder)
        .and_then(|()| fs::set_permissions(folder, Permissions::from_mode(mode)));
    made.with_context(|| format!("cannot make {}", folder.display()))
}
