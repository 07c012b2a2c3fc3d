//! What the command lines of both worlds share: the options of a run, standard output, refusals, exit codes.
//!
//! Exit codes, everywhere: 0 valid, 1 invalid, 2 unknown or too little tested, 3 a wrong word, a tool or the
//! environment failed. What a command finds goes to standard output, with `--json` one object a line and
//! nothing else; what it says of itself goes to standard error. A wrong word is answered with one sentence that
//! names it and says what would be right, before anything runs.

use clap::error::{ContextKind, ErrorKind};
use output::{Output, note};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

pub mod output;
pub mod setup;

/// A tool or the environment failed.
pub const FAILED: u8 = 3;

/// The words of one program.
#[derive(Clone, Copy)]
pub struct Program {
    /// What is typed before its commands.
    pub name: &'static str,
    /// The names of all of them, in words.
    pub commands: &'static str,
}

impl Program {
    /// Does what the process's arguments say. `act` gives the exit code, or the error that is told on standard error.
    pub fn main<C: clap::Parser, E: fmt::Display>(
        self,
        act: impl FnOnce(C) -> Result<u8, E>,
    ) -> ExitCode {
        let parsed = C::try_parse();
        let acted = catch_unwind(AssertUnwindSafe(|| match parsed {
            Ok(words) => act(words).map_err(|error| format!("{error:#}")),
            // Help or the version, which was asked for.
            Err(said) if !said.use_stderr() => {
                let told = Output::default().text(said.render());
                told.map(|()| 0).map_err(|error| error.to_string())
            }
            Err(said) => Err(self.refused(&said)),
        }));
        match acted {
            Ok(Ok(code)) => ExitCode::from(code),
            Ok(Err(sentence)) => {
                note(format_args!("error: {sentence}"));
                ExitCode::from(FAILED)
            }
            // The panic's own message is on standard error already.
            Err(_) => ExitCode::from(FAILED),
        }
    }

    /// What clap says, in one sentence.
    fn refused(self, said: &clap::Error) -> String {
        let Program { name: program, commands } = self;
        match said.kind() {
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                format!("a command is missing: {commands}; `{program} --help` says more")
            }
            ErrorKind::InvalidSubcommand => {
                let word = said.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
                let word = word.unwrap_or_default();
                format!("`{word}` is not a command: the commands are {commands}")
            }
            _ => sentence(&said.render().to_string()),
        }
    }
}

/// The commit that a program was built from, by what its build script found; `None` outside a repository.
pub fn commit(built_from: &'static str) -> Option<&'static str> {
    Some(built_from).filter(|commit| !commit.is_empty())
}

/// What clap says in one sentence, and where to read more.
fn sentence(text: &str) -> String {
    format!("{}; `--help` shows how it is used", first_paragraph(text))
}

/// The first paragraph of what clap says in one line, and a similar word if clap knows one.
fn first_paragraph(text: &str) -> String {
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split("\n\n").map(words);
    let first = paragraphs.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(&first);
    let tip = paragraphs.find_map(|tip| tip.strip_prefix("tip: a similar ").map(str::to_owned));
    let tip = tip.map(|tip| format!(" (a similar {tip})")).unwrap_or_default();
    format!("{first}{tip}")
}
