//! Which program this is, to the byte: a commit does not name a build with other flags or uncommitted changes.

use crate::trace::digest_bytes;
use anyhow::Context;
use std::fs;
use std::sync::OnceLock;

/// A hash over the running program's own file; never 0.
pub fn id() -> anyhow::Result<u64> {
    static ID: OnceLock<u64> = OnceLock::new();
    if let Some(id) = ID.get() {
        return Ok(*id);
    }
    // The file that runs, even if another has taken its place.
    let program = fs::read("/proc/self/exe").context("the running program cannot be read")?;
    Ok(*ID.get_or_init(|| digest_bytes(0, &program).max(1)))
}
