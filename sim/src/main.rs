//! `cargo sim`: runs, sweeps and replays tests in the simulated world.

#[cfg(madsim)]
fn main() {}
