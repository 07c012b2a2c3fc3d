//! The options that every command which runs something shares, and the case that they make.

use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use elastickv::bug::Bug;
use harness::catalog;
use harness::seed::Seed;
use sim::bugs;
use sim::execute::Case;

/// Raft groups are small; the simulated world holds every pair of nodes in memory.
const NODES_MAX: u16 = 64;

/// Word, value and meaning of each of [`harness::options::Options::words`].
const WORDS: &[(&str, &str, &str)] = &[
    ("nodes", "N", "Nodes of the cluster, up to 64"),
    ("clients", "N", "Client threads; thread i talks to node i mod n"),
    ("rate", "N", "Operations a second, all clients together"),
    ("time", "SECONDS", "How long things are broken while clients ask"),
    ("faults", "KINDS", "What is broken: partition,kill,power,pause,clock,latency or none"),
    ("interval", "MIN-MAX", "Seconds between faults"),
    ("deadline", "SECONDS", "Of one operation"),
    ("classify", "WHO", "How errors are read: elastickv or jepsen"),
    ("keys", "N", "Lists in use at a time"),
    ("txn-max", "N", "Most micro-operations in a transaction"),
    ("appends-per-key", "N", "Appends after which a list is retired"),
    ("read-percent", "N", "Share of reads among micro-operations"),
    ("distribution", "HOW", "How keys are chosen: uniform or exponential"),
    (
        "serve-limit",
        "SECONDS",
        "How long the cluster may take to serve after it was started or healed",
    ),
    ("final-limit", "SECONDS", "How long the final reads may take"),
];

/// What the command line says of a run beside its test and seed.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    bug: Option<String>,
    options: Vec<(&'static str, String)>,
}

impl Setup {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.bug.is_none() && self.options.is_empty()
    }

    /// The planted bug.
    pub fn bug(&self) -> Result<Option<Bug>, String> {
        self.bug.as_deref().map(str::parse).transpose()
    }

    /// The case: the test's own options, the bug's over them, and over both what was said.
    pub fn case(&self, test: &str, seed: Seed) -> Result<Case, String> {
        let case = Case::new(catalog::find(test)?, seed);
        let mut case = match self.bug()? {
            Some(bug) => case.with_bug(bug)?,
            None => case,
        };
        for (word, value) in &self.options {
            case.options.set(word, value)?;
        }
        if case.options.nodes > NODES_MAX {
            let nodes = case.options.nodes;
            return Err(format!(
                "`{nodes}` does not fit --nodes: a whole number from 1 to {NODES_MAX}"
            ));
        }
        Ok(case)
    }
}

/// What a bug's row asks for, in words.
pub fn row_in_words(bug: Bug) -> String {
    let row = bugs::row(bug);
    let options: Vec<String> =
        row.options.iter().map(|(word, value)| format!("--{word} {value}")).collect();
    let options =
        if options.is_empty() { "the test's own options".to_owned() } else { options.join(" ") };
    let wiring = match row.wiring {
        elastickv::options::Wiring::Verified => "",
        elastickv::options::Wiring::Direct => ", wired as in cmd/server/demo.go",
    };
    format!("{bug} ({}): {options}{wiring}; to be found by {}", bug.origin(), row.found_by)
}

impl Args for Setup {
    fn augment_args(command: Command) -> Command {
        let bug = Arg::new("bug").long("bug").value_name("NAME").help(
            "Plants a bug and sets the options under which it shows: `cargo sim list` has their names",
        );
        let words = WORDS.iter().map(|(word, value, help)| {
            let arg = Arg::new(*word).long(*word).value_name(*value).help(*help);
            arg.allow_negative_numbers(true)
        });
        let shared = std::iter::once(bug).chain(words);
        command.args(shared.map(|arg| arg.help_heading("Options of a run")))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Setup::augment_args(command)
    }
}

impl FromArgMatches for Setup {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Setup, Error> {
        let said = |word: &str| matches.get_one::<String>(word).cloned();
        let options = WORDS.iter().filter_map(|(word, _, _)| Some((*word, said(word)?)));
        Ok(Setup { bug: said("bug"), options: options.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Setup::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::fault::FaultKind;
    use harness::options::Options;

    #[test]
    fn every_option_of_a_run_is_on_the_command_line() {
        let words: Vec<&str> = WORDS.iter().map(|(word, _, _)| *word).collect();
        assert_eq!(words, Options::words());
    }

    #[test]
    fn the_help_names_every_kind_of_fault() {
        let faults = WORDS.iter().find(|(word, _, _)| *word == "faults");
        let (_, _, help) = faults.expect("it is an option");
        let names = FaultKind::ALL.map(FaultKind::name).join(",");
        assert!(help.contains(&format!(": {names} or none")), "{help}");
    }
}
