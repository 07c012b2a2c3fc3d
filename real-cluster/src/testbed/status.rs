//! How each host of a testbed is, seen from outside: without SSH, so that it can be told also of a host that is cut off.

use super::Testbed;
use super::network;
use super::occupants::{self, Namespace};
use super::programs::{command_in, run};
use anyhow::Result;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

/// Linux tells user space hundredths of a second, whatever it counts by itself.
const TICKS_PER_SECOND: f64 = 100.0;

/// A host as it is now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    /// Its name.
    pub host: String,
    /// Where it is reached.
    pub address: Ipv4Addr,
    /// Its first process; `None` while it is down.
    pub boot: Option<Boot>,
    /// Whether it is plugged into the switch.
    pub link: bool,
    /// The tables of its firewall by family and name: `inet filter`.
    pub firewall: Vec<String>,
}

/// One life of a host.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Boot {
    /// The number of its first process on this machine.
    pub process: i32,
    /// When that started, in hundredths of a second since this machine did. With the number it tells one life from another.
    pub started_ticks: u64,
    /// Seconds since then.
    pub uptime_s: f64,
}

impl Testbed {
    /// How each host is, in the order of their numbers.
    pub fn status(&self) -> Result<Vec<HostStatus>> {
        let namespaces: Vec<Option<Namespace>> =
            self.hosts().iter().map(|host| host.namespace()).collect();
        let all: BTreeSet<Namespace> = namespaces.iter().copied().flatten().collect();
        let inits: BTreeMap<_, _> = occupants::inits(&all)?.into_iter().collect();
        let plugged = network::plugged(&self.switch());
        let now = uptime();
        let status = |(host, namespace): (&super::Host, &Option<Namespace>)| {
            let init = namespace.as_ref().and_then(|namespace| inits.get(namespace));
            HostStatus {
                host: host.name.clone(),
                address: host.address,
                boot: init.map(|init| Boot {
                    process: init.process,
                    started_ticks: init.started,
                    uptime_s: (now - init.started as f64 / TICKS_PER_SECOND).max(0.0),
                }),
                link: plugged.contains(&host.name),
                firewall: if namespace.is_some() { tables(&host.net()) } else { Vec::new() },
            }
        };
        Ok(self.hosts().iter().zip(&namespaces).map(status).collect())
    }
}

/// Seconds since the machine started.
fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.0)
}

fn tables(namespace: &Path) -> Vec<String> {
    // A kernel without nftables has no tables.
    let listed = run(command_in(namespace, "nft").args(["list", "tables"])).unwrap_or_default();
    listed.lines().filter_map(|line| line.strip_prefix("table ")).map(str::to_owned).collect()
}
