//! `cargo sim`: runs, sweeps, replays and checks tests in the simulated world.

#[cfg(madsim)]
mod cli;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    cli::main()
}
