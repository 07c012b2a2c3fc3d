//! `sweep`: many seeds of one or all tests. The main job.

use super::case::{self, row_in_words};
use super::confirm::confirm;
use super::keep;
use super::progress::Progress;
use super::summary::Summary;
use anyhow::bail;
use harness::catalog::catalog;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::seed::Seed;
use sim::bugs;
use sim::execute::Case;
use sim::record::Ending;
use sim::sweep::{Finished, Seeds, Shard, Stop, Sweep as Runs};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::thread::available_parallelism;

/// More threads than any machine runs at once.
const JOBS_MAX: u64 = 1024;

/// Runs many seeds and sums up what they reached; without a test, all of them
#[derive(clap::Args)]
#[command(after_help = "\
A run that is not valid is kept in a folder. With --bug the sweep ends at the smallest seed in which the bug's own
checker or invariant finds something.

Examples:
  cargo sim sweep
  cargo sim sweep redis-append --seeds 300
  cargo sim sweep redis-append --seeds 1000000 --shard 2/16 --out results
  cargo sim sweep redis-append --bug exec_on_follower --seeds 500 --json")]
pub struct Sweep {
    /// Which tests: `cargo sim list` has their names
    tests: Vec<String>,
    /// How many seeds of each test
    #[arg(long, value_name = "N", default_value = "50", allow_negative_numbers = true)]
    seeds: String,
    /// The first seed, in hex or decimal
    #[arg(long, value_name = "SEED", visible_alias = "seed", default_value = "1")]
    #[arg(allow_negative_numbers = true)]
    start: String,
    /// Threads; otherwise as many as the machine runs at once
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    jobs: Option<String>,
    /// Only the i-th of n parts of the seeds, i from 1
    #[arg(long, value_name = "I/N", allow_negative_numbers = true)]
    shard: Option<String>,
    /// Where run folders are made
    #[arg(long, value_name = "DIR", default_value = keep::STORE)]
    out: PathBuf,
    /// Goes on after the first finding of a planted bug
    #[arg(long)]
    all: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: Setup,
}

impl Sweep {
    pub fn act(self) -> anyhow::Result<u8> {
        let sweeps = self.sweeps().map_err(anyhow::Error::msg)?;
        let mut told =
            Told { sweep: &self, out: Output::default(), summary: self.summary(&sweeps)? };
        for sweep in &sweeps {
            if told.run(sweep)?.is_break() {
                break;
            }
        }
        told.end()
    }

    /// One sweep a test. All words are read before anything runs.
    fn sweeps(&self) -> Result<Vec<Runs>, String> {
        let start: Seed = self.start.parse()?;
        let shard = self.shard.as_deref().map_or(Ok(Shard::WHOLE), str::parse)?;
        let seeds = Seeds::new(start, above_zero("seeds", &self.seeds)?, shard)?;
        let jobs = match &self.jobs {
            Some(jobs) => above_zero("jobs", jobs)?,
            None => available_parallelism().map_or(1, |jobs| jobs.get() as u64).min(JOBS_MAX),
        };
        if jobs > JOBS_MAX {
            return Err(format!("`{jobs}` does not fit --jobs: from 1 to {JOBS_MAX}"));
        }
        let jobs = NonZeroUsize::new(jobs as usize).unwrap_or(NonZeroUsize::MIN);
        let stop = match case::bug(&self.setup)? {
            Some(bug) if !self.all => Stop::AtFirstFoundBy(bugs::row(bug).found_by),
            _ => Stop::Never,
        };
        let case = |test: &String| case::case(&self.setup, test, start);
        let cases: Vec<Case> = self.tests().iter().map(case).collect::<Result<_, _>>()?;
        Ok(cases.into_iter().map(|case| Runs { case, seeds, jobs, stop }).collect())
    }

    fn tests(&self) -> Vec<String> {
        let all = || catalog().iter().map(|test| test.name.to_owned()).collect();
        if self.tests.is_empty() {
            return all();
        }
        let mut tests: Vec<String> = Vec::new();
        for test in &self.tests {
            if !tests.contains(test) {
                tests.push(test.clone());
            }
        }
        tests
    }

    fn summary(&self, sweeps: &[Runs]) -> anyhow::Result<Summary> {
        let bug = case::bug(&self.setup).map_err(anyhow::Error::msg)?;
        if let Some(bug) = bug {
            note(format_args!("planted bug {}", row_in_words(bug)));
        }
        Ok(Summary {
            seeds: sweeps.first().map(|sweep| sweep.seeds.to_string()).unwrap_or_default(),
            shard: self.shard.clone(),
            bug: bug.map(|bug| bug.to_string()),
            ..Summary::default()
        })
    }
}

fn above_zero(word: &str, value: &str) -> Result<u64, String> {
    value.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        format!("`{value}` does not fit --{word}: a whole number above 0, such as 300")
    })
}

/// A sweep as it is told.
struct Told<'a> {
    sweep: &'a Sweep,
    out: Output,
    summary: Summary,
}

impl Told<'_> {
    fn run(&mut self, runs: &Runs) -> anyhow::Result<ControlFlow<()>> {
        let test = runs.case.test.name;
        note(format_args!("{test}  {}, {} jobs", runs.seeds, runs.jobs));
        let progress = Progress::new(test, runs.seeds.len().max(1));
        let mut failure = None;
        let mut flow = ControlFlow::Continue(());
        let tally = runs.run(&confirm, |tally, finished| {
            let stops = runs.stop.at(&finished.record);
            let told = progress.aside(|| self.tell(finished));
            progress.advance(tally);
            failure = told.err();
            if stops || failure.is_some() || self.out.is_closed() {
                flow = ControlFlow::Break(());
            }
            flow
        });
        progress.finish();
        self.summary.tallies.push((test, tally));
        failure.map_or(Ok(flow), Err)
    }

    fn tell(&mut self, finished: Finished) -> anyhow::Result<()> {
        let Finished { mut record, outcome } = finished;
        if let Some(outcome) = &outcome {
            let folder = keep::save(&self.sweep.out, outcome)?;
            record.folder = Some(folder.display().to_string());
            // What did not replay is no finding.
            if !self.sweep.json && record.verdict != Ending::Error {
                self.out.text(keep::report(outcome, Some(&folder)))?;
            }
        }
        if record.verdict == Ending::Error {
            note(format_args!(
                "error: {} {}: {}",
                record.test,
                record.seed,
                record.reasons.join("; ")
            ));
        }
        self.summary.found(&record);
        if self.sweep.json {
            self.out.object(&record)?;
        }
        Ok(())
    }

    fn end(mut self) -> anyhow::Result<u8> {
        if self.sweep.json {
            self.out.object(&self.summary.object())?;
        } else {
            self.out.text(self.summary.words())?;
        }
        if self.out.is_closed() {
            bail!("the sweep ended early: nobody reads standard output any more");
        }
        Ok(self.summary.ending().exit_code())
    }
}
