//! A run of real processes that is over, or as much of it as is known: its words, its record, the command that does it
//! again.

use super::PROGRAM;
use elastickv::bug::{BUG, PROFILE, WIRING};
use harness::catalog;
use harness::cli::commit;
use harness::judge::{Judgement, judge};
use harness::options::Options;
use harness::plan::{Plan, Taken, Told};
use harness::record::Record;
use harness::recording::Run;
use harness::report::Report;
use harness::store::{Params, World};
use harness::test::Test;
use real_cluster::remote::quoted;
use std::path::Path;
use std::time::Duration;

/// What `params.extra` calls the words that mean the hosts.
pub const HOSTS: &str = "hosts";

/// What it calls where the plan was.
pub const PLAN: &str = "plan";

/// Options that are of this world, whatever a plan says.
pub const OF_THIS_WORLD: [&str; 5] =
    ["deadline", "serve-limit", "final-limit", "classify", "until"];

/// Time that one operation may take where nobody says otherwise. Real machines are slower than simulated ones, and busier.
const DEADLINE: Duration = Duration::from_secs(10);

/// A test as it is on real processes: its own options, but for the deadline.
pub fn test_of(name: &str) -> Result<Test, String> {
    let mut test = catalog::find(name)?;
    test.defaults.deadline = DEADLINE;
    Ok(test)
}

/// A judged run.
pub struct Performed {
    params: Params,
    test: Test,
    pub run: Run,
    pub judgement: Judgement,
}

impl Performed {
    /// Judges what is known of a run.
    pub fn new(params: Params, run: Run) -> Result<Performed, String> {
        let test = test_of(&params.test)?;
        let judgement = judge(&test, &params.options, &run);
        Ok(Performed { params, test, run, judgement })
    }

    /// The verdict in words, several lines.
    pub fn report(&self, folder: Option<&Path>) -> String {
        let report = Report {
            run: &self.run,
            judgement: &self.judgement,
            world: World::Real,
            commit: commit(env!("COMMIT")),
            again: &self.again(),
            folder,
        };
        report.to_string()
    }

    /// For machines.
    pub fn record(&self, folder: &Path, cpu_ms: f64) -> Record {
        let Params { test, extra, .. } = &self.params;
        let bug = extra.get(BUG).cloned();
        let record = Record::new(World::Real, test, self.run.seed, bug, self.again());
        Record {
            windows: Some(self.judgement.summary.windows.clone()),
            folder: Some(folder.display().to_string()),
            ..record.judged(&self.run, &self.judgement, cpu_ms)
        }
    }

    /// The decisions of the run.
    pub fn plan(&self) -> Plan {
        // Where it ran is no decision.
        let told = |word: &str| word == BUG || word == PROFILE;
        let extra = self.params.extra.iter().filter(|(word, _)| told(word));
        let extra = extra.map(|(word, value)| (word.clone(), value.clone())).collect();
        let told = Told { extra, ..Told::default() };
        let commit = commit(env!("COMMIT")).unwrap_or_default().to_owned();
        let taken = Taken { commit, ..Taken::default() };
        Plan::of(&self.run, &self.params.options, told, taken)
    }

    /// The command that asks and breaks the same things again.
    fn again(&self) -> String {
        let options = &self.params.options;
        let place = match self.params.extra.get(HOSTS) {
            Some(words) => words.clone(),
            None => format!("--local {}", options.nodes),
        };
        if let Some(plan) = self.params.extra.get(PLAN) {
            let mut words = vec![format!("{} run --plan {} {place}", PROGRAM.name, quoted(plan))];
            // All else is the plan's.
            let base = self.test.defaults.words_and_values();
            for (word, value) in options.words_and_values() {
                if OF_THIS_WORLD.contains(&word) && !base.contains(&(word, value.clone())) {
                    words.push(format!("--{word} {value}"));
                }
            }
            return words.join(" ");
        }
        let mut words = vec![format!(
            "{} run {} --seed {} {place}",
            PROGRAM.name, self.params.test, self.params.seed
        )];
        if let Some(bug) = self.params.extra.get(BUG) {
            words.push(format!("--bug {bug}"));
        }
        if let Some(profile) = self.params.extra.get(PROFILE) {
            words.push(format!("--profile {profile}"));
        }
        if let Some(wiring) = self.params.extra.get(WIRING) {
            words.push(format!("--wiring {wiring}"));
        }
        let defaults = Options { nodes: options.nodes, ..self.test.defaults.clone() };
        words.extend(options.replay_args(&Test { defaults, ..self.test.clone() }));
        words.join(" ")
    }
}
