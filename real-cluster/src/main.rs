//! `real-cluster`: runs tests against real processes.
//!
//! Under other names it is what hosts need, so that all of a cluster is of the build that drives it: `elastickv-node` is a node,
//! `time-shim` gives a program another wall clock, `link-queue` makes packets late, `host-reboot` restarts a host.

mod cli;

use real_cluster::{node, queue, ssh::reboot};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args_os();
    let program = std::env::args_os().next().unwrap_or_default();
    match Path::new(&program).file_name().and_then(|name| name.to_str()) {
        Some(node::NAME) => node::main(),
        Some(time_shim::NAME) => time_shim::main(words),
        Some(queue::NAME) => queue::main(),
        Some(reboot::NAME) => reboot::main(words),
        _ => cli::main(),
    }
}
