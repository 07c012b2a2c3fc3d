//! The options that every command which runs something shares: those of a run, and a planted bug.

use crate::fault::FaultKind;
use crate::options::{NODES_MAX, Options};
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};

/// Word, value and meaning of each of [`harness::options::Options::words`].
const WORDS: &[(&str, &str, &str)] = &[
    ("nodes", "N", "Nodes of the cluster, up to 64"),
    ("clients", "N", "Client threads; thread i talks to node i mod n"),
    (
        "rate",
        "N",
        "Operations a second, all clients together: 100, in steps 50,100,200, or on a ramp 10-200",
    ),
    ("time", "SECONDS", "How long things are broken while clients ask"),
    (
        "faults",
        "KINDS",
        "What is broken: partition,kill,power,pause,clock,latency,flaky,rate,strobe,drift,reboot,membership,transfer,rolling,split,ceiling or none",
    ),
    ("interval", "MIN-MAX", "Seconds between faults"),
    ("deadline", "SECONDS", "Of one operation"),
    ("classify", "WHO", "How errors are read: elastickv or jepsen"),
    ("keys", "N", "Keys in use at a time"),
    ("txn-min", "N", "Fewest micro-operations in a transaction"),
    (
        "txn-max",
        "N",
        "Most micro-operations in a transaction; of no account where single objects are called",
    ),
    ("appends-per-key", "N", "Appends, or other changes, after which a key is retired"),
    ("read-percent", "N", "Share of reads among micro-operations, or calls"),
    ("distribution", "HOW", "How keys are chosen: uniform or exponential"),
    (
        "serve-limit",
        "SECONDS",
        "How long the cluster may take to serve after it was started or healed",
    ),
    ("final-limit", "SECONDS", "How long the final reads may take"),
    ("groups", "N", "Raft groups that the store parts its keys among, up to 16"),
    (
        "snapshot-entries",
        "N",
        "Applied entries between snapshots of the store; 0: as a simulation's seed or the store has it",
    ),
    (
        "until",
        "WHEN",
        "What ends a run: time, or anomaly, the first that a checker sees while the run goes on",
    ),
];

/// What the command line says of a run beside its test and seed.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The planted bug's name, as it was typed.
    pub bug: Option<String>,
    /// The profile's name, as it was typed.
    pub profile: Option<String>,
    /// The wiring's name, as it was typed.
    pub wiring: Option<String>,
    options: Vec<(&'static str, String)>,
}

impl Setup {
    /// From words as a command line has them, with spaces between: `--nodes 3 --faults kill,pause`.
    pub fn from_words(words: &str) -> Result<Setup, String> {
        let command = Command::new("setup").no_binary_name(true).disable_help_flag(true);
        let matches = Setup::augment_args(command).try_get_matches_from(words.split_whitespace());
        let said = matches.map_err(|said| super::first_paragraph(&said.render().to_string()))?;
        Setup::from_arg_matches(&said).map_err(|said| said.to_string())
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        let said = [&self.bug, &self.profile, &self.wiring];
        said.iter().all(|said| said.is_none()) && self.options.is_empty()
    }

    /// Whether this option was said.
    pub fn says(&self, word: &str) -> bool {
        self.options.iter().any(|(said, _)| *said == word)
    }

    /// Takes an option out, for a program that means something else by its word: what was said.
    pub fn take(&mut self, word: &str) -> Option<String> {
        let at = self.options.iter().position(|(said, _)| *said == word)?;
        Some(self.options.remove(at).1)
    }

    /// Puts what was said over the options.
    pub fn apply(&self, options: &mut Options) -> Result<(), String> {
        for (word, value) in &self.options {
            options.set(word, value)?;
        }
        if options.nodes > NODES_MAX {
            let nodes = options.nodes;
            return Err(format!(
                "`{nodes}` does not fit --nodes: a whole number from 1 to {NODES_MAX}"
            ));
        }
        if options.groups == 1 && options.faults.contains(&FaultKind::Split) {
            return Err("split needs keys that are parted: give --groups 2 or more".to_owned());
        }
        Ok(())
    }
}

impl Args for Setup {
    fn augment_args(command: Command) -> Command {
        let bug = Arg::new("bug")
            .long("bug")
            .value_name("NAME")
            .help("Plants a bug: `list` has their names; a simulation also sets the options under which it shows");
        let profile = Arg::new("profile").long("profile").value_name("NAME").help(
            "fixed, or head: with all that upstream's head is suspected of; a bug comes on top",
        );
        let words = WORDS.iter().map(|(word, value, help)| {
            let arg = Arg::new(*word).long(*word).value_name(*value).help(*help);
            arg.allow_negative_numbers(true)
        });
        let wiring = Arg::new("wiring").long("wiring").value_name("NAME").help(
            "How Elastickv's writes reach Raft: verified, or direct (`demo.go`'s); otherwise as the bug needs it",
        );
        let shared = [bug, profile, wiring].into_iter().chain(words);
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
        Ok(Setup {
            bug: said("bug"),
            profile: said("profile"),
            wiring: said("wiring"),
            options: options.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Setup::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_a_run_is_on_the_command_line() {
        let words: Vec<&str> = WORDS.iter().map(|(word, _, _)| *word).collect();
        assert_eq!(words, Options::words());
    }

    #[test]
    fn words_are_read_as_on_a_command_line() {
        let setup =
            Setup::from_words(" --nodes 3  --bug moth --faults=kill ").expect("known words");
        assert!(setup.says("nodes") && setup.says("faults") && !setup.says("time"));
        assert_eq!(setup.bug.as_deref(), Some("moth"));
        assert!(Setup::from_words("").expect("nothing is fine").is_empty());
        for (words, value) in [("--fire 1", "--fire"), ("nodes", "nodes"), ("--nodes", "--nodes")] {
            let sentence = Setup::from_words(words).expect_err("no option of a run");
            assert!(sentence.contains(value) && !sentence.contains('\n'), "{sentence}");
            assert!(!sentence.starts_with("error") && !sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn a_split_needs_several_groups() {
        let applied =
            |words| Setup::from_words(words).and_then(|s| s.apply(&mut Options::default()));
        assert!(applied("--faults split").is_err_and(|sentence| sentence.contains("--groups 2")));
        assert_eq!(applied("--faults split --groups 2"), Ok(()));
    }

    #[test]
    fn the_help_names_every_kind_of_fault() {
        let faults = WORDS.iter().find(|(word, _, _)| *word == "faults");
        let (_, _, help) = faults.expect("it is an option");
        let names = FaultKind::ALL.map(FaultKind::name).join(",");
        assert!(help.contains(&format!(": {names} or none")), "{help}");
    }
}
