//! How it runs in one process, deterministically.
//!
//! ```text
//!   harness ── Cluster ──> cluster ── faults ──┐
//!                                              ▼
//!   guest <── Env ── env ──────────────────> world ── tasks (who runs next), timers (one heap, the clock)
//!                                              ├── net, stream (datagrams, byte streams)
//!                                              ├── disk, clock
//!                                              ├── trace (the run's hash)
//!                                              ├── observer, invariants (what nodes say of themselves)
//!                                              └── observe (written down for people, if they ask)
//! ```
//!
//! A run is one future inside a madsim runtime, which gives libraries a virtual clock and seeded entropy where they ask the
//! system, and forbids threads. Its executor and its network, TCP and file simulators are not used.
//!
//! Architecture Invariant: nothing here reads the machine's clock, asks it for entropy or depends on hash order. One seed
//! decides a run; the same seed gives the same trace hash in every process.

#[cfg(not(madsim))]
compile_error!(
    "crate `sim` needs `--cfg madsim`, which .cargo/config.toml sets: an RUSTFLAGS variable replaces it (add `--cfg madsim` to it), and cargo must run inside the repository"
);

#[cfg(madsim)]
pub mod bench;
#[cfg(madsim)]
pub mod bugs;
#[cfg(madsim)]
pub mod build;
#[cfg(madsim)]
pub mod clock;
#[cfg(madsim)]
pub mod cluster;
#[cfg(madsim)]
pub mod corpus;
#[cfg(madsim)]
pub mod determinism;
#[cfg(madsim)]
pub mod disk;
#[cfg(madsim)]
pub mod env;
#[cfg(madsim)]
pub mod execute;
#[cfg(madsim)]
mod faults;
#[cfg(madsim)]
mod host;
#[cfg(madsim)]
pub mod invariants;
#[cfg(madsim)]
pub mod keep;
#[cfg(madsim)]
pub mod marks;
#[cfg(madsim)]
mod net;
#[cfg(madsim)]
pub mod node;
#[cfg(madsim)]
pub mod observe;
#[cfg(madsim)]
mod observer;
#[cfg(madsim)]
pub mod operator;
#[cfg(madsim)]
pub mod params;
#[cfg(madsim)]
mod progress;
#[cfg(madsim)]
pub mod raft_scripts;
#[cfg(madsim)]
mod rare;
#[cfg(madsim)]
pub mod record;
#[cfg(madsim)]
mod run;
#[cfg(madsim)]
pub mod setup;
#[cfg(madsim)]
pub mod shrink;
#[cfg(madsim)]
pub mod signature;
#[cfg(madsim)]
mod steps;
#[cfg(madsim)]
pub mod stream;
#[cfg(madsim)]
pub mod sweep;
#[cfg(madsim)]
mod tasks;
#[cfg(madsim)]
pub mod testing;
#[cfg(madsim)]
mod timers;
#[cfg(madsim)]
pub mod trace;
#[cfg(madsim)]
pub mod world;

#[cfg(madsim)]
pub use run::{on_fresh_thread, simulate, simulate_here};
