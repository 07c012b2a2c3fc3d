//! The command line: words to cases, outcomes to lines and exit codes.
//!
//! Exit codes, everywhere: 0 valid, 1 invalid, 2 unknown or too little tested, 3 a wrong word, a tool or the
//! environment failed. What a command finds goes to standard output, with `--json` one object a line and
//! nothing else; what it says of itself goes to standard error. A wrong word is answered with one sentence that
//! names it and says what would be right, before anything runs.

use clap::error::{ContextKind, ErrorKind};
use clap::{Parser, Subcommand};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

mod check;
mod confirm;
mod keep;
mod list;
mod output;
mod progress;
mod replay;
mod run;
mod setup;
mod summary;
mod sweep;

/// A tool or the environment failed.
const FAILED: u8 = 3;

/// Runs tests of a replicated store in a simulated world: seeded network, clock, disk and faults.
#[derive(Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 valid, 1 invalid, 2 unknown or too little tested, 3 wrong usage or a tool failed

Examples:
  cargo sim sweep                                    every test, the main job
  cargo sim run redis-append --seed 0x2a             one run
  cargo sim sweep redis-append --bug exec_on_follower --seeds 500
  cargo sim replay redis-append 0x2a --nodes 3       the same run again";

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Run(run::Run),
    Sweep(sweep::Sweep),
    Replay(replay::Replay),
    Check(check::Check),
}

/// Does what the process's arguments say.
pub fn main() -> ExitCode {
    match catch_unwind(AssertUnwindSafe(dispatch)) {
        Ok(Ok(code)) => ExitCode::from(code),
        Ok(Err(error)) => {
            output::note(format_args!("error: {error:#}"));
            ExitCode::from(FAILED)
        }
        // The panic's own message is on standard error already.
        Err(_) => ExitCode::from(FAILED),
    }
}

fn dispatch() -> anyhow::Result<u8> {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(told) if !told.use_stderr() => {
            output::Output::default().text(told.render())?;
            return Ok(0);
        }
        Err(wrong) => anyhow::bail!(sentence(&wrong)),
    };
    match command {
        Command::List(list) => list.act(),
        Command::Run(run) => run.act(),
        Command::Sweep(sweep) => sweep.act(),
        Command::Replay(replay) => replay.act(),
        Command::Check(check) => check.act(),
    }
}

/// The first paragraph of what clap says, in one line, and a similar word if it knows one.
fn sentence(wrong: &clap::Error) -> String {
    const COMMANDS: &str = "list, run, sweep, replay or check";
    match wrong.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return format!("a command is missing: {COMMANDS}; `cargo sim --help` says more");
        }
        ErrorKind::InvalidSubcommand => {
            let word = wrong.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
            let word = word.unwrap_or_default();
            return format!("`{word}` is not a command: the commands are {COMMANDS}");
        }
        _ => {}
    }
    let text = wrong.render().to_string();
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split("\n\n").map(words);
    let first = paragraphs.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(&first);
    let tip = paragraphs.find_map(|tip| tip.strip_prefix("tip: a similar ").map(str::to_owned));
    let tip = tip.map(|tip| format!(" (a similar {tip})")).unwrap_or_default();
    format!("{first}{tip}; `--help` shows how it is used")
}
