//! `real-cluster`: runs tests against real processes. Started under the name `elastickv-node` it is such a process, so that a
//! local cluster is always of the same build as the program that drives it; under the name `link-queue` it makes packets late.

mod cli;

use real_cluster::{node, queue};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    match Path::new(&program).file_name().and_then(|name| name.to_str()) {
        Some(node::NAME) => node::main(),
        Some(queue::NAME) => queue::main(),
        _ => cli::main(),
    }
}
