//! `real-cluster`: runs tests against real processes. Started under the name `elastickv-node` it is such a process, so that a
//! local cluster is always of the same build as the program that drives it.

mod cli;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    if Path::new(&name).file_name().is_some_and(|name| name == real_cluster::node::NAME) {
        return real_cluster::node::main();
    }
    cli::main()
}
