//! What the command lines of both worlds share: the options of a run, standard output, refusals, exit codes.
//!
//! Exit codes, everywhere: 0 valid, 1 invalid, 2 unknown or too little tested, 3 a wrong word, a tool or the
//! environment failed. What a command finds goes to standard output, with `--json` one object a line and
//! nothing else; what it says of itself goes to standard error. A wrong word is answered with one sentence that
//! names it and says what would be right, before anything runs.

use clap::error::{ContextKind, ErrorKind};

pub mod output;
pub mod setup;

/// A tool or the environment failed.
pub const FAILED: u8 = 3;

/// What every command's help says of how it ends.
pub const EXIT_CODES: &str = "Exit codes: 0 valid, 1 invalid, 2 unknown or too little tested, 3 wrong usage or a tool failed";

/// What a command line has instead of the words that were typed.
pub enum Refused {
    /// Help or the version, which was asked for: standard output, exit code 0.
    Told(String),
    /// One sentence: standard error, [`FAILED`].
    Wrong(String),
}

/// What clap says, in one sentence. `commands` are the names of all, `program` is what is typed before them.
pub fn refused(said: &clap::Error, program: &str, commands: &str) -> Refused {
    if !said.use_stderr() {
        return Refused::Told(said.render().to_string());
    }
    Refused::Wrong(match said.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            format!("a command is missing: {commands}; `{program} --help` says more")
        }
        ErrorKind::InvalidSubcommand => {
            let word = said.get(ContextKind::InvalidSubcommand).map(ToString::to_string);
            let word = word.unwrap_or_default();
            format!("`{word}` is not a command: the commands are {commands}")
        }
        _ => sentence(&said.render().to_string()),
    })
}

/// The first paragraph in one line, and a similar word if clap knows one.
fn sentence(text: &str) -> String {
    let words = |paragraph: &str| paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut paragraphs = text.split("\n\n").map(words);
    let first = paragraphs.next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(&first);
    let tip = paragraphs.find_map(|tip| tip.strip_prefix("tip: a similar ").map(str::to_owned));
    let tip = tip.map(|tip| format!(" (a similar {tip})")).unwrap_or_default();
    format!("{first}{tip}; `--help` shows how it is used")
}
