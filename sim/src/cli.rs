//! The command line: words to cases, outcomes to lines and exit codes, as [`harness::cli`] promises them.

use clap::{Parser, Subcommand};
use harness::cli::Program;
use sim::{build, keep};
use std::process::ExitCode;

mod bench;
mod case;
mod check;
mod confirm;
mod convert;
mod drafts;
mod explain;
mod hands;
mod list;
mod lists;
mod merge;
mod planned;
mod program;
mod progress;
mod raft_scripts;
mod remember;
mod replay;
mod run;
mod seeds;
mod show;
mod shrink;
mod summary;
mod sweep;
mod wall;
mod watch;
mod worker;

const PROGRAM: Program = Program {
    name: "cargo sim",
    commands: "list, run, sweep, replay, show, shrink, remember, seeds, check, convert, bench or raft-scripts",
};

/// Runs tests of a replicated store in a simulated world: seeded network, clock, disk and faults.
#[derive(Parser)]
#[command(name = PROGRAM.name, bin_name = PROGRAM.name, version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER: &str = "\
Exit codes: 0 valid, 1 invalid, 2 unknown or too little tested, 3 wrong usage or a tool failed

Examples:
  cargo sim sweep                                    every test, the main job
  cargo sim run redis-append --seed 0x2a             one run
  cargo sim sweep redis-append --bug exec_on_follower --seeds 500
  cargo sim replay redis-append 0x2a --nodes 3       the same run again
  cargo sim show store/redis-append/0x2a             what it decided: faults and operations with their times
  cargo sim remember store/redis-append/0x2a         a case of the corpus, which `cargo test` replays
  cargo sim seeds                                    whether everything that is remembered holds";

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Run(run::Run),
    Sweep(sweep::Sweep),
    Replay(replay::Replay),
    Show(show::Show),
    Shrink(shrink::Shrink),
    Remember(remember::Remember),
    Seeds(seeds::Seeds),
    Check(check::Check),
    Convert(convert::Convert),
    Bench(bench::Bench),
    RaftScripts(raft_scripts::RaftScripts),
    #[command(hide = true)]
    Worker(worker::Worker),
}

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    PROGRAM.main(act)
}

fn act(cli: Cli) -> anyhow::Result<u8> {
    match cli.command {
        Command::List(list) => list.act(),
        Command::Run(run) => run.act(),
        Command::Sweep(sweep) => sweep.act(),
        Command::Replay(replay) => replay.act(),
        Command::Show(show) => show.act(),
        Command::Shrink(shrink) => shrink.act(),
        Command::Remember(remember) => remember.act(),
        Command::Seeds(seeds) => seeds.act(),
        Command::Check(check) => check.act(),
        Command::Convert(convert) => convert.act(),
        Command::Bench(bench) => bench.act(),
        Command::RaftScripts(scripts) => scripts.act(),
        Command::Worker(worker) => worker.act(),
    }
}
