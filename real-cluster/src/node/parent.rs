//! Dying with the process that started this one, however that ends and even when this one is stopped.
//!
//! The kernel sends the signal when the *thread* that started this process ends. A parent that is gone before the signal is asked
//! for would never be missed, so who is the parent is checked afterwards.

use anyhow::{Context, Result, ensure};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

/// Who must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// The process with this id.
    Named(i32),
    /// Whoever it is now: it may have been gone already, and this process the child of init.
    Present,
}

pub(super) fn die_with(parent: Parent) -> Result<()> {
    let now = getppid().as_raw();
    let expected = match parent {
        Parent::Named(id) => id,
        Parent::Present => now,
    };
    set_pdeathsig(Signal::SIGKILL).context("cannot ask to die with the parent process")?;
    let then = getppid().as_raw();
    ensure!(then == expected, "the parent process {expected} is gone, the parent is {then} now");
    Ok(())
}
