//! The words of `time-shim`.

use crate::control::Folder;
use crate::setting::{self, Change, Strobe};
use crate::status::Status;
use crate::{FAILED, NAME, run};
use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs a program under a wall clock that differs from the machine's, and sets no clock.
#[derive(Parser)]
#[command(name = NAME, disable_help_subcommand = true)]
struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a program under the host's clock; exit code: the program's, 128 and its number for a signal.
    Run {
        #[command(flatten)]
        clock: Where,
        /// The program and its words.
        #[arg(last = true, required = true, value_name = "PROGRAM")]
        program: Vec<OsString>,
    },
    /// Sets the host's clock; returns when it is in force, and prints the status.
    Set {
        #[command(flatten)]
        clock: Where,
        #[command(flatten)]
        change: Wanted,
    },
    /// Prints the status: offset_ms, drift_ppm, strobe, reads, skewed_reads, running.
    Show {
        #[command(flatten)]
        clock: Where,
    },
}

#[derive(Args)]
struct Where {
    /// The folder that keeps the clock of this host.
    #[arg(long, value_name = "DIR")]
    control: PathBuf,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Wanted {
    /// Moves the clock from where it is.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = setting::offset_ms)]
    jump_ms: Option<i64>,
    /// Puts the clock so far from true time.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = setting::offset_ms)]
    offset_ms: Option<i64>,
    /// The clock gains so many microseconds a second from now on; 0 keeps what it has gained.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = setting::drift_ppm)]
    drift_ppm: Option<i32>,
    /// The clock goes DELTA ahead and returns, every PERIOD; a DELTA of 0 ends that.
    #[arg(long, value_name = "DELTA,PERIOD", allow_hyphen_values = true)]
    strobe_ms: Option<Strobe>,
    /// True time.
    #[arg(long)]
    reset: bool,
}

pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let code = match Words::try_parse_from(args) {
        Ok(words) => act(words.command),
        // Help, which was asked for.
        Err(said) if !said.use_stderr() => tell(said.render()).map(|()| 0),
        Err(said) => Err(anyhow::Error::msg(sentence(&said.render().to_string()))),
    };
    ExitCode::from(code.unwrap_or_else(|error| {
        // If nobody reads it, nobody misses it.
        let _ = writeln!(stderr().lock(), "error: {error:#}");
        FAILED
    }))
}

fn act(command: Command) -> Result<u8> {
    match command {
        Command::Run { clock, program } => run::run(&clock.control, &program),
        Command::Set { clock, change } => {
            let status = Folder::open(&clock.control)?.change(change.change()?)?;
            tell(format_args!("{status}\n")).map(|()| 0)
        }
        Command::Show { clock } => {
            let status = shown(&clock.control)?;
            tell(format_args!("{status}\n")).map(|()| 0)
        }
    }
}

fn shown(folder: &Path) -> Result<Status> {
    if !folder.exists() {
        bail!("there is no control folder {}: `set` and `run` make it", folder.display());
    }
    Folder::open(folder)?.status()
}

impl Wanted {
    fn change(&self) -> Result<Change> {
        Ok(match *self {
            Wanted { jump_ms: Some(by_ms), .. } => Change::JumpMs(by_ms),
            Wanted { offset_ms: Some(offset_ms), .. } => Change::OffsetMs(offset_ms),
            Wanted { drift_ppm: Some(drift_ppm), .. } => Change::DriftPpm(drift_ppm),
            Wanted { strobe_ms: Some(strobe), .. } => Change::Strobe(strobe),
            Wanted { reset: true, .. } => Change::Reset,
            _ => bail!("nothing to set"),
        })
    }
}

fn tell(text: impl std::fmt::Display) -> Result<()> {
    let mut out = stdout().lock();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// The first paragraph of what clap says, in one line.
fn sentence(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line}; `{NAME} --help` shows how it is used")
}
