//! The options that every command which runs something shares: those of a run, and a planted bug.

use crate::fault::FaultKind;
use crate::fault::preset::Asked;
use crate::nemesis::compose::acts_within;
use crate::nemesis::disk::DiskBound;
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
        "What is broken, with commas between: partition,kill,power,pause,jump,latency,flaky,rate,strobe,drift,reboot,membership,transfer,rolling,split,ceiling,link-latency,link-loss,link-double,link-order,link-damage,link-rate,link-drip,clients,reset,half-open,hold,echo,address,kill-at,kill-await,storm,freeze,leap,mono-drift,memory,slow-sync,io-error,disk-full,short-read,bit-rot,misdirect,lying-sync,stale-disk; several at once: standard,network,clock,disk,process,membership,everything; or none",
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
    (
        "buggify",
        "PERCENT",
        "How often the layers take a rare branch where there is one, in simulation; a sound store bears all of them",
    ),
    (
        "disk-bound",
        "HOW",
        "How many disks may be lost at once, in simulation: minority; or none, and nodes start with what they have left, which no store survives",
    ),
];

/// The word for what is broken.
const FAULTS: &str = "faults";
/// The word for how often.
const INTERVAL: &str = "interval";
/// The word for how many disks may be lost.
const DISK_BOUND: &str = "disk-bound";

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

    /// Puts what was said over the options. Presets of faults become the kinds that these options can have: what is stored and
    /// replayed are kinds.
    pub fn apply(&self, options: &mut Options) -> Result<(), String> {
        for (word, value) in self.options.iter().filter(|(word, _)| *word != FAULTS) {
            options.set(word, value)?;
        }
        if options.nodes > NODES_MAX {
            let nodes = options.nodes;
            return Err(format!(
                "`{nodes}` does not fit --nodes: a whole number from 1 to {NODES_MAX}"
            ));
        }
        if let Some(asked) = self.asked()? {
            options.faults = asked.kinds(options)?;
        }
        self.no_bound_is_lifted_in_vain(options)?;
        self.no_fault_is_too_late(options)
    }

    /// The kinds of fault that were asked for by name: a cluster that cannot have one of them refuses it.
    pub fn named(&self) -> Vec<FaultKind> {
        self.asked().ok().flatten().map(|asked| asked.named).unwrap_or_default()
    }

    /// What presets of faults would have and a cluster of these options cannot, a sentence each.
    pub fn left_out(&self, options: &Options) -> Vec<String> {
        let asked = self.asked().ok().flatten();
        asked.map(|asked| asked.left_out(options)).unwrap_or_default()
    }

    fn asked(&self) -> Result<Option<Asked>, String> {
        let faults = self.options.iter().find(|(word, _)| *word == FAULTS);
        faults.map(|(_, value)| Asked::read(value)).transpose()
    }

    /// Who lifts the bound means that disks are lost.
    fn no_bound_is_lifted_in_vain(&self, options: &Options) -> Result<(), String> {
        let lifts = self.says(DISK_BOUND) && options.disk_bound == DiskBound::None;
        if lifts && !options.faults.iter().any(|kind| DiskBound::bounds(*kind)) {
            return Err(
                "--disk-bound none lifts nothing: no disk can be lost: give --faults bit-rot, misdirect, lying-sync or stale-disk, or leave it out".to_owned()
            );
        }
        Ok(())
    }

    /// Who asks for faults, or says when they come, means that one comes.
    fn no_fault_is_too_late(&self, options: &Options) -> Result<(), String> {
        let Options { interval, time, ref faults, .. } = *options;
        let needs = faults.iter().map(|kind| acts_within(*kind)).min().unwrap_or_default();
        let earliest = interval.min + needs;
        let is_meant = self.says(FAULTS) || self.says(INTERVAL);
        if is_meant && !faults.is_empty() && earliest > time {
            return Err(format!(
                "no fault can act: the first comes after {:?} at the earliest and needs {needs:?} before all is healed after {time:?}: give --time {} or more, or a shorter --interval",
                interval.min,
                earliest.as_secs_f64()
            ));
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
    use crate::fault::preset::Preset;

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

    fn applied(words: &str) -> Result<Options, String> {
        let mut options = Options::default();
        Setup::from_words(words)?.apply(&mut options)?;
        Ok(options)
    }

    #[test]
    fn a_split_needs_several_groups() {
        assert!(applied("--faults split").is_err_and(|sentence| sentence.contains("--groups 2")));
        let split = applied("--faults split --groups 2").expect("there are several");
        assert_eq!(split.faults, [FaultKind::Split]);
    }

    #[test]
    fn presets_become_kinds_that_the_other_words_allow_wherever_they_stand() {
        let whole = applied("--faults everything --groups 2").expect("it fits");
        assert_eq!(whole.faults, FaultKind::ALL);
        let alone = applied("--faults standard --nodes 1").expect("some of it fits");
        let kinds = [FaultKind::Kill, FaultKind::Jump, FaultKind::Strobe];
        assert_eq!(alone.faults, kinds);
        let setup = Setup::from_words("--nodes 1 --faults standard,kill").expect("known words");
        assert_eq!(setup.named(), [FaultKind::Kill]);
        assert_eq!(setup.left_out(&alone).len(), 3, "partition, pause and membership");
    }

    /// A preset is not what its word was before there were presets.
    #[test]
    fn what_a_run_says_of_its_faults_is_read_again_as_the_same_kinds() {
        for kind in FaultKind::ALL {
            let again = applied(&format!("--faults {kind} --groups 2")).expect("it fits");
            assert_eq!(again.faults, [kind]);
        }
        let mut stored = Options::default();
        assert_eq!(stored.set("faults", "clock,kill"), Ok(()));
        assert_eq!(stored.faults, [FaultKind::Kill, FaultKind::Jump]);
        assert!(applied("--faults clock").is_ok_and(|said| said.faults.len() > 1));
    }

    #[test]
    fn faults_that_contradict_each_other_or_the_time_are_refused_with_a_sentence() {
        for (words, why) in [
            ("--faults none,kill", "stands alone"),
            ("--faults kill,kill", "twice"),
            ("--faults standard,fire", "`fire` is not a fault"),
            ("--faults partition --nodes 1", "two nodes"),
            ("--faults membership --nodes 2", "three nodes"),
            ("--faults kill --interval 8-3", "the first number is the smaller"),
            ("--faults kill --interval 9 --time 10", "--time 11"),
            ("--faults link-loss --interval 9 --time 12", "--time 13"),
            ("--faults ceiling --time 12", "--time 15"),
            ("--faults kill --time 4.9", "--time 5 or more"),
            ("--faults kill --disk-bound none", "no disk can be lost"),
            ("--disk-bound none", "no disk can be lost"),
            ("--faults bit-rot --disk-bound all", "minority or none"),
            ("--faults bit-rot --disk-bound none --nodes 2", "three nodes"),
            ("--faults stale-disk --nodes 2", "three nodes"),
        ] {
            let sentence = applied(words).expect_err("it is a contradiction");
            assert!(sentence.contains(why) && !sentence.contains('\n'), "{words}: {sentence}");
        }
        for words in [
            "--faults kill --time 5",
            "--faults none --time 1",
            "--interval 9 --time 1",
            "--faults kill --disk-bound minority",
            "--faults disk --disk-bound none",
            "--faults stale-disk --disk-bound none --nodes 1",
        ] {
            assert!(applied(words).is_ok(), "{words}");
        }
    }

    #[test]
    fn the_help_names_every_kind_of_fault_and_every_preset() {
        let faults = WORDS.iter().find(|(word, _, _)| *word == FAULTS);
        let (_, _, help) = faults.expect("it is an option");
        let names = FaultKind::ALL.map(FaultKind::name).join(",");
        let presets = Preset::ALL.map(Preset::name).join(",");
        assert!(
            help.contains(&format!(": {names}; several at once: {presets}; or none")),
            "{help}"
        );
    }
}
