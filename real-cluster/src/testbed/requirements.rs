//! What a machine must have to carry a testbed.
//!
//! Cannot see: a kernel without veth or bridge devices; the program `ip` says so when they are made.

use super::programs::find;
use std::fs;
use std::path::Path;

/// Programs, and the package that has them.
const PROGRAMS: [(&str, &str); 12] = [
    ("ip", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("ssh-keygen", "openssh-client"),
    ("mount", "mount"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("setpriv", "util-linux"),
    ("pivot_root", "util-linux"),
];
/// Capabilities by the kernel's numbers.
const CAPABILITIES: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (21, "CAP_SYS_ADMIN")];

/// Why this machine cannot have a testbed: one sentence with what is missing and what would mend it.
pub fn missing() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("a testbed is made by root: run it with sudo".to_owned());
    }
    if let Some(name) = missing_capability() {
        return Err(format!("root lacks {name} here: run it outside the container"));
    }
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) {
        return Err("the kernel has no overlay file system: modprobe overlay".to_owned());
    }
    let absent = PROGRAMS.into_iter().filter(|(program, _)| find(program).is_none());
    let (programs, mut packages): (Vec<_>, Vec<_>) = absent.unzip();
    if !programs.is_empty() {
        packages.dedup();
        let (programs, packages) = (programs.join(", "), packages.join(" "));
        return Err(format!("{programs}: not installed: apt-get install -y {packages}"));
    }
    if !Path::new("/usr/sbin/sshd").is_file() {
        return Err("sshd is not at /usr/sbin/sshd: apt-get install -y openssh-server".to_owned());
    }
    Ok(())
}

fn missing_capability() -> Option<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let lacking = CAPABILITIES.into_iter().find(|(number, _)| bits & (1 << number) == 0);
    lacking.map(|(_, name)| name)
}
