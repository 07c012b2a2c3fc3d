//! The command line of `link-queue`.

use clap::Parser;
use std::path::PathBuf;

/// Holds the packets of a kernel queue for a while: what netem does, where there is no netem.
#[derive(Debug, Parser)]
#[command(name = "link-queue", version)]
pub(super) enum Flags {
    /// Holds packets until SIGTERM; one line on stderr says when it is ready.
    Run {
        /// Number of the kernel's packet queue.
        #[arg(long, value_name = "N")]
        queue: u16,
        /// Folder of this process alone, for those who give it orders; made if it is not there.
        #[arg(long, value_name = "DIR")]
        control: PathBuf,
    },
    /// Changes how late the packets are that come from now on; says how things are once that is in force.
    Set {
        /// Folder of the process that runs.
        #[arg(long, value_name = "DIR")]
        control: PathBuf,
        /// At least so late.
        #[arg(long, value_name = "D")]
        delay_ms: u32,
        /// And at most so much later than that.
        #[arg(long, value_name = "J", default_value_t = 0)]
        jitter_ms: u32,
    },
    /// Binds the queue and lets it go again: whether the kernel can do it.
    Try {
        /// Number of the kernel's packet queue.
        #[arg(long, value_name = "N")]
        queue: u16,
    },
    /// Says how things are, also when nothing runs.
    Show {
        /// Folder of the process that runs.
        #[arg(long, value_name = "DIR")]
        control: PathBuf,
    },
}
