//! This program, to start it again: the very file that runs, also when another was built in its place since.

use super::build;
use harness::cli::commit;
use sim::record::hash_text;
use sim::sweep::results::Build;
use std::path::Path;
use std::process::Command;

const OURSELVES: &str = "/proc/self/exe";

/// Starts this program.
pub fn again() -> anyhow::Result<Command> {
    let ourselves = Path::new(OURSELVES);
    let program = if ourselves.exists() { ourselves.to_owned() } else { std::env::current_exe()? };
    Ok(Command::new(program))
}

/// Commit and hash of this program.
pub fn build() -> anyhow::Result<Build> {
    let commit = commit(env!("COMMIT")).map(str::to_owned);
    Ok(Build { commit, id: hash_text(build::id()?) })
}
