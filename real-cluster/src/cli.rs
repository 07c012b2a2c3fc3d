//! The command line, as [`harness::cli`] promises it.

use clap::{Parser, Subcommand};
use harness::cli::Program;
use std::process::ExitCode;
use tracing_subscriber::filter::LevelFilter;

mod check;
mod database;
mod doctor;
mod heal;
mod hosts;
mod list;
mod performed;
mod progress;
mod run;
mod task;
mod testbed;

const PROGRAM: Program =
    Program { name: "cargo real-cluster", commands: "list, run, check, doctor, heal or testbed" };

/// Runs tests of a replicated store against real processes: the same tests, faults, client and checkers as in simulation.
#[derive(Parser)]
#[command(name = PROGRAM.name, bin_name = PROGRAM.name, version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Exit codes: 0 valid, 1 invalid, 2 unknown or too little tested, 3 wrong usage or a tool failed

Examples:
  cargo real-cluster run redis-append --local 5
  cargo real-cluster run redis-append --local 5 --time 60s --faults partition,kill,pause
  cargo real-cluster run redis-append --local 3 --bug exec_on_follower
  cargo real-cluster testbed up
  cargo real-cluster doctor --testbed
  cargo real-cluster run redis-append --testbed --faults standard
  cargo real-cluster check store/redis-append/0x1";

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Run(run::Run),
    Check(check::Check),
    Doctor(doctor::Doctor),
    Heal(heal::Heal),
    Testbed(testbed::Arguments),
}

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    warn_on_stderr();
    PROGRAM.main(act)
}

/// What the cluster cannot do as promised and goes on without: a link that cannot listen, metrics that cannot be kept.
fn warn_on_stderr() {
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        // It would panic where nobody reads.
        .log_internal_errors(false)
        .init();
}

fn act(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::List(list) => list.act(),
        Command::Run(run) => run.act(),
        Command::Check(check) => check.act(),
        Command::Doctor(doctor) => doctor.act(),
        Command::Heal(heal) => heal.act(),
        Command::Testbed(testbed) => testbed.act(),
    }
}
