//! This program: a process of its own to start it again, and an id that tells it from every other build.

use sim::sweep::results::Build;
use sim::trace::{digest, digest_bytes};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The very file that runs, also when another was built in its place since.
const OURSELVES: &str = "/proc/self/exe";
/// Read at once; a multiple of eight, so that it does not show in the hash.
const PIECE: u64 = 1 << 20;

/// Starts this program.
pub fn again() -> anyhow::Result<Command> {
    Ok(Command::new(path()?))
}

/// Commit and hash of this program.
pub fn build() -> anyhow::Result<Build> {
    let mut file = File::open(path()?)?;
    let mut hash = digest(&[]);
    let mut piece = Vec::new();
    loop {
        piece.clear();
        if file.by_ref().take(PIECE).read_to_end(&mut piece)? == 0 {
            break;
        }
        hash = digest_bytes(hash, &piece);
    }
    let commit = harness::cli::commit(env!("COMMIT")).map(str::to_owned);
    Ok(Build { commit, id: sim::record::hash_text(hash) })
}

fn path() -> anyhow::Result<PathBuf> {
    let ourselves = Path::new(OURSELVES);
    Ok(if ourselves.exists() { ourselves.to_owned() } else { std::env::current_exe()? })
}
