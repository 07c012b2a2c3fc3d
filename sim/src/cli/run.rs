//! `run`: one seed, told in full and kept.

use super::case::{self, profile_in_words, row_in_words};
use super::keep;
use super::watch::Watch;
use harness::checker::Verdict;
use harness::cli::output;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::seed::Seed;
use sim::execute::{Case, Outcome};
use sim::record;
use sim::sweep;
use std::path::PathBuf;

/// Runs a test once and keeps the run in a new folder
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo sim run redis-append
  cargo sim run redis-append --seed 0x2a --nodes 3 --faults partition,kill --time 30
  cargo sim run redis-append --bug exec_on_follower --json
  cargo sim run redis-append --observe tcpdump,metrics")]
pub struct Run {
    /// Which test: `cargo sim list` has their names
    test: String,
    /// What the run is made of, in hex or decimal
    #[arg(long, default_value = "1", allow_negative_numbers = true)]
    seed: String,
    /// Where the run's folder is made
    #[arg(long, value_name = "DIR", default_value = keep::STORE)]
    out: PathBuf,
    #[command(flatten)]
    watch: Watch,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: Setup,
}

impl Run {
    pub fn act(self) -> anyhow::Result<u8> {
        let seed: Seed = self.seed.parse().map_err(anyhow::Error::msg)?;
        let case = case::case(&self.setup, &self.test, seed).map_err(anyhow::Error::msg)?;
        let observe = self.watch.asked()?;
        announce(&case);
        case::tell_left_out(&self.setup, &case);
        let (outcome, files) = sweep::ran_observed(&case, observe).map_err(anyhow::Error::msg)?;
        let folder = keep::save(&self.out, &outcome)?;
        keep::add(&folder, &files)?;
        let mut record = record::of(&outcome);
        record.folder = Some(folder.display().to_string());
        let mut out = Output::default();
        if self.json {
            out.object(&record)?;
        } else {
            out.text(keep::report(&outcome, Some(&folder)))?;
            numbers(&mut out, &outcome)?;
            if outcome.judgement.verdict == Verdict::Valid {
                out.text(format_args!("  folder:      {}\n", folder.display()))?;
            }
        }
        Ok(record.verdict.exit_code())
    }
}

/// Says what is about to run, before anything can fail.
pub fn announce(case: &Case) {
    let seed = case.seed;
    note(format_args!("{}  seed {seed} ({})", case.test.name, seed.0));
    if let Some(bug) = case.bug {
        note(format_args!("planted bug {}", row_in_words(bug)));
    }
    if let Some(words) = profile_in_words(case.profile) {
        note(words);
    }
    if let Some(sentence) = case.test.unwatched(&case.options) {
        note(sentence);
    }
    for (name, value) in case.drawn() {
        note(format_args!("  {name:<22} {value}"));
    }
}

/// How much was tested, a line each.
pub fn numbers(out: &mut output::Output, outcome: &Outcome) -> anyhow::Result<()> {
    out.indented(&outcome.judgement.summary)?;
    let hash = outcome.run.artifacts.trace_hash;
    out.text(format_args!("  trace hash   {}\n", sim::record::hash_text(hash)))?;
    Ok(())
}
