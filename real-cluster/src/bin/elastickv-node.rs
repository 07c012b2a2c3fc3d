//! The process of one node: all of it is [`real_cluster::node`].

use std::process::ExitCode;

fn main() -> ExitCode {
    real_cluster::node::main()
}
