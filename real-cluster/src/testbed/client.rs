//! What an SSH client needs to reach a testbed's hosts: `ssh_config`, `known_hosts`, and the list `nodes`.

use super::claim::write_file;
use super::host::{Host, SSH};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// Writes the files that say where the hosts are and who they are.
pub(super) fn write(folder: &Path, hosts: &[Host]) -> Result<()> {
    let mut known = String::new();
    for host in hosts {
        let file = host.key().with_extension("pub");
        let key =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // Without its comment.
        let key: Vec<&str> = key.split_whitespace().take(2).collect();
        let _ = writeln!(known, "{},{} {}", host.name, host.address, key.join(" "));
    }
    write_file(&folder.join("known_hosts"), 0o600, known)?;
    write_file(&folder.join("ssh_config"), 0o600, config(folder, hosts))
}

/// Writes the list of nodes: what is written last, since with it a testbed is whole.
pub(super) fn write_nodes(folder: &Path, hosts: &[Host]) -> Result<()> {
    let nodes: String = hosts.iter().map(|host| format!("root@{}:{SSH}\n", host.address)).collect();
    write_file(&folder.join("nodes"), 0o600, nodes)
}

fn config(folder: &Path, hosts: &[Host]) -> String {
    let mut config = String::new();
    let mut all = Vec::new();
    for Host { name, address, .. } in hosts {
        let _ = writeln!(config, "Host {name}\n    HostName {address}\n");
        all.extend([name.clone(), address.to_string()]);
    }
    let (all, folder) = (all.join(" "), folder.display());
    let _ = write!(
        config,
        "Host {all}
    User root
    Port {SSH}
    IdentityFile {folder}/id_ed25519
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {folder}/known_hosts
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    ConnectTimeout 5
    BatchMode yes
"
    );
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_meant_by_its_name_and_by_its_address() {
        let host = |number: u8| Host {
            name: format!("n{number}"),
            address: [10, 213, 7, 10 + number].into(),
            folder: Path::new("/there").join(format!("n{number}")),
        };
        let config = config(Path::new("/there"), &[host(1), host(2)]);
        assert!(config.contains("Host n2\n    HostName 10.213.7.12\n"), "{config}");
        assert!(config.contains("Host n1 10.213.7.11 n2 10.213.7.12\n    User root"), "{config}");
        assert!(config.contains("    IdentityFile /there/id_ed25519\n"), "{config}");
    }
}
