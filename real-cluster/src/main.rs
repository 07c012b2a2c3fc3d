//! `real-cluster`: runs tests against real processes. Started under the name `elastickv-node` it is such a process, so that a
//! local cluster is always of the same build as the program that drives it; as `time-shim` it gives a program another wall clock.

mod cli;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let named = |other: &str| Path::new(&name).file_name().is_some_and(|name| name == other);
    if named(real_cluster::node::NAME) {
        return real_cluster::node::main();
    }
    if named(time_shim::NAME) {
        return time_shim::main(std::env::args_os());
    }
    cli::main()
}
