//! Signals as something to wait for, and the dispositions that a program should not inherit.

use nix::sys::signal::{SigHandler, SigSet, Signal, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What is handed on to the program.
const FORWARDED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// Signals that came.
pub struct Signals {
    queue: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Blocks those that are handed on and the one that says that a child has ended, for the threads to come too.
    pub fn catch() -> nix::Result<Signals> {
        // Whoever ignores it has no child to wait for.
        reset(Signal::SIGCHLD)?;
        let mut caught = SigSet::from_iter(FORWARDED);
        caught.add(Signal::SIGCHLD);
        let before = SigSet::thread_get_mask()?;
        caught.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals { queue: SignalFd::with_flags(&caught, flags)?, before })
    }

    /// The mask that the program is to have.
    pub fn before(&self) -> SigSet {
        self.before
    }

    /// The next signal for the program, if there is one. One that the terminal sent has reached the whole group already.
    pub fn next(&self) -> nix::Result<Option<Signal>> {
        while let Some(came) = self.queue.read_signal()? {
            let signal = Signal::try_from(came.ssi_signo.cast_signed())?;
            if FORWARDED.contains(&signal) && came.ssi_code != libc::SI_KERNEL {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }

    /// What to poll.
    pub fn queue(&self) -> &SignalFd {
        &self.queue
    }
}

/// Gives a signal its default meaning. Async-signal-safe.
#[expect(unsafe_code, reason = "a handler can be anything")]
pub fn reset(which: Signal) -> nix::Result<()> {
    // SAFETY: the default is no code of ours.
    unsafe { signal(which, SigHandler::SigDfl) }.map(drop)
}
