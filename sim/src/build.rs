//! Which program this is, to the byte: a commit does not name a build with other flags or uncommitted changes.

use crate::trace::digest_bytes;
use anyhow::Context;
use std::fs::File;
use std::io::{self, Read};
use std::sync::OnceLock;

/// Read at once; a multiple of eight, so that it does not show in the hash.
const PIECE: u64 = 1 << 20;

/// A hash over the running program's own file; never 0.
pub fn id() -> anyhow::Result<u64> {
    static ID: OnceLock<u64> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(*id);
    }
    // The file that runs, even if another has taken its place.
    let program = File::open("/proc/self/exe").and_then(hash);
    let hash = program.context("the running program cannot be read")?;
    Ok(*ID.get_or_init(|| hash.max(1)))
}

/// Of a file of any size, with little of it in memory.
fn hash(mut file: File) -> io::Result<u64> {
    let (mut hash, mut piece) = (0, Vec::new());
    while file.by_ref().take(PIECE).read_to_end(&mut piece)? > 0 {
        hash = digest_bytes(hash, &piece);
        piece.clear();
    }
    Ok(hash)
}
