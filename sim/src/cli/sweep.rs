//! `sweep`: many seeds of one or all tests. The main job.

use super::case::{self, profile_in_words, row_in_words};
use super::drafts::Drafts;
use super::hands::{Hand, Orders};
use super::keep;
use super::merge::Merge;
use super::program;
use super::progress::Progress;
use super::summary::Summary;
use super::wall::{self, Until};
use anyhow::{Context, bail};
use harness::catalog::catalog;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::seed::{Seed, is_commit};
use sim::execute::Case;
use sim::record::{Ending, Record};
use sim::sweep::results::{Build, Head, Results, Resumed, Why};
use sim::sweep::{Hands, JOBS_MAX, Numbers, Seeds, Shard, Stop, in_order};
use std::fs;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;
/// Of each test, if nobody says otherwise.
const SEEDS: u64 = 50;
/// The same where the time is what ends a sweep.
const SEEDS_FOR_A_TIME: u64 = 1_000_000;

/// Runs many seeds and sums up what they reached; without a test, all of them
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "\
A run that is not valid is run again in a fresh process and kept in a folder. With --bug the sweep ends at the smallest
seed in which the bug's own checker or invariant finds something. Results are kept as they come, in
DIR/sweep-….jsonl: --resume goes on with them after whatever ended the sweep.

Examples:
  cargo sim sweep
  cargo sim sweep redis-append --seeds 300
  cargo sim sweep redis-append --seeds 300 --resume
  cargo sim sweep redis-append --seeds 1000000 --shard 2/16 --out results
  cargo sim sweep --start \"$(git rev-parse HEAD)\" --for 5m
  cargo sim sweep redis-append --bug exec_on_follower --seeds 500 --json
  cargo sim sweep merge results")]
pub struct Sweep {
    #[command(subcommand)]
    part: Option<Part>,
    /// Which tests: `cargo sim list` has their names
    tests: Vec<String>,
    /// How many seeds of each test; otherwise 50, with --for as many as there is time for
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    seeds: Option<String>,
    /// The first seed, in hex or decimal, or a commit hash of 40 hex digits
    #[arg(long, value_name = "SEED", visible_alias = "seed", default_value = "1")]
    #[arg(allow_negative_numbers = true)]
    start: String,
    /// Begins no run after so long: 5m, 90s; several tests share it
    #[arg(long = "for", value_name = "TIME", allow_negative_numbers = true)]
    within: Option<String>,
    /// Processes; otherwise as many as the machine runs at once
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    jobs: Option<String>,
    /// Only the i-th of n parts of the seeds, i from 1; `auto` reads both from the environment, `auto/N` only i
    #[arg(long, value_name = "I/N", allow_negative_numbers = true)]
    shard: Option<String>,
    /// Where results and run folders are made
    #[arg(long, value_name = "DIR", default_value = keep::STORE)]
    out: PathBuf,
    /// Goes on with results of the same words that are there
    #[arg(long)]
    resume: bool,
    /// Goes on after the first finding of a planted bug
    #[arg(long)]
    all: bool,
    /// A run that takes longer is an error, by the machine's clock
    #[arg(long, value_name = "TIME", default_value = "10m", allow_negative_numbers = true)]
    wall_limit: String,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: Setup,
}

#[derive(clap::Subcommand)]
enum Part {
    Merge(Merge),
}

/// One test of a sweep.
struct Runs {
    case: Case,
    head: Head,
    seeds: Seeds,
    stop: Stop,
}

/// How all of them are run. Nothing of it changes what is found.
struct Means {
    jobs: NonZeroUsize,
    limit: Duration,
    until: Until,
}

impl Sweep {
    pub fn act(self) -> anyhow::Result<u8> {
        if let Some(Part::Merge(merge)) = self.part {
            return merge.act();
        }
        if self.out.to_str().is_none() {
            // Processes and results name folders in text.
            let out = self.out.display();
            bail!("`{out}` does not fit --out: a directory whose name is text in UTF-8");
        }
        let means = self.means().map_err(anyhow::Error::msg)?;
        let seeds = self.range().map_err(anyhow::Error::msg)?;
        let sweeps = self.sweeps(seeds, &program::build()?).map_err(anyhow::Error::msg)?;
        let summary = self.summary(seeds)?;
        if let Some(first) = sweeps.first() {
            case::tell_left_out(&self.setup, &first.case);
        }
        let mut told = Told { sweep: &self, out: Output::default(), summary };
        for (done, sweep) in sweeps.iter().enumerate() {
            let until = means.until.share(sweeps.len() - done);
            if told.run(sweep, &Means { until, ..means })?.is_break() {
                break;
            }
        }
        told.end()
    }

    /// One sweep a test. All words are read before anything runs.
    fn sweeps(&self, seeds: Seeds, build: &Build) -> Result<Vec<Runs>, String> {
        let names = self.tests();
        if names.iter().any(|name| name == "merge") {
            return Err(
                "`merge` comes right after `sweep`: cargo sim sweep merge DIR… [--json]".to_owned()
            );
        }
        let tests: Vec<&str> = names.iter().map(String::as_str).collect();
        let runs = |test: &String| {
            let case = case::case(&self.setup, test, seeds.start())?;
            let head = Head::new(&case, &tests, seeds, self.all, build);
            let stop = Stop::of(case.bug, self.all);
            Ok(Runs { case, head, seeds, stop })
        };
        names.iter().map(runs).collect()
    }

    fn range(&self) -> Result<Seeds, String> {
        let count = match &self.seeds {
            Some(seeds) => above_zero("seeds", seeds)?,
            None if self.within.is_some() => SEEDS_FOR_A_TIME,
            None => SEEDS,
        };
        let start: Seed = self.start.parse()?;
        // Nobody chose the number, so nobody is refused one that is too near to the end.
        let start =
            if is_commit(&self.start) { start.min(Seed(u64::MAX - (count - 1))) } else { start };
        let env = |name: &str| std::env::var(name).ok();
        let shard =
            self.shard.as_deref().map_or(Ok(Shard::WHOLE), |text| Shard::read(text, env))?;
        Seeds::new(start, count, shard)
    }

    fn means(&self) -> Result<Means, String> {
        let jobs = match &self.jobs {
            Some(jobs) => above_zero("jobs", jobs)?,
            None => available_parallelism().map_or(1, |jobs| jobs.get() as u64).min(JOBS_MAX),
        };
        if jobs > JOBS_MAX {
            return Err(format!("`{jobs}` does not fit --jobs: from 1 to {JOBS_MAX}"));
        }
        let jobs = NonZeroUsize::new(jobs as usize).unwrap_or(NonZeroUsize::MIN);
        let limit = wall::time("wall-limit", &self.wall_limit)?;
        let time = self.within.as_deref().map(|time| wall::time("for", time)).transpose()?;
        Ok(Means { jobs, limit, until: Until::after(time) })
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

    fn summary(&self, seeds: Seeds) -> anyhow::Result<Summary> {
        let bug = case::bug(&self.setup).map_err(anyhow::Error::msg)?;
        if let Some(bug) = bug {
            note(format_args!("planted bug {}", row_in_words(bug)));
        }
        let profile = case::profile(&self.setup).map_err(anyhow::Error::msg)?;
        if let Some(words) = profile_in_words(profile) {
            note(words);
        }
        Ok(Summary::new(seeds, bug.map(|bug| bug.to_string())))
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
    fn run(&mut self, runs: &Runs, means: &Means) -> anyhow::Result<ControlFlow<()>> {
        let (test, seeds) = (runs.case.test.name, runs.seeds);
        note(format_args!("{test}  {seeds}, {} jobs", means.jobs));
        if let Some(sentence) = runs.case.test.unwatched(&runs.case.options) {
            note(sentence);
        }
        let (Resumed { mut results, end }, found) = self.results(runs)?;
        let path = results.path().display().to_string();
        if results.runs() > 0 {
            let done = if end.is_some() { "complete" } else { "going on" };
            note(format_args!("{test}  {} runs are in {path}: {done}", results.runs()));
        }
        self.summary.results.push(path);
        if end.is_some() {
            return Ok(flow(found));
        }
        let found = if found { found } else { self.sweep(runs, means, &mut results)? };
        if self.out.is_closed() {
            return Ok(ControlFlow::Break(()));
        }
        let left = seeds.len() - results.runs();
        results.end(match left {
            _ if found => Why::Finding,
            0 => Why::Seeds,
            _ => Why::Time,
        })?;
        self.summary.left_out(if found { 0 } else { left });
        Ok(flow(found))
    }

    /// The results to write to, the runs that they have added up, and whether the last was what is looked for.
    fn results(&mut self, runs: &Runs) -> anyhow::Result<(Resumed, bool)> {
        self.summary.begin(&runs.case);
        let out = &self.sweep.out;
        if !self.sweep.resume {
            let results = Results::create(out, &runs.head)?;
            return Ok((Resumed { results, end: None }, false));
        }
        let mut found = false;
        let resumed = Results::resume(out, &runs.head, |record| {
            found |= runs.stop.at(&record);
            self.summary.add(&record);
        })?;
        Ok((resumed, found))
    }

    /// The runs that are left. Whether the last was what is looked for.
    fn sweep(&mut self, runs: &Runs, means: &Means, results: &mut Results) -> anyhow::Result<bool> {
        let drafts = Drafts::beside(results.path(), &self.sweep.out);
        let (case, limit) = (runs.case.clone(), means.limit);
        let orders = Orders { case, limit, drafts: drafts.folder().to_owned() };
        let progress = Progress::new(runs.case.test.name, runs.seeds.len().max(1));
        let (mut found, mut failure) = (false, None);
        let mut resumed = self.sweep.resume;
        let numbers = Numbers { range: results.runs()..runs.seeds.len(), jobs: means.jobs };
        let last =
            |run: &Result<Record, String>| run.as_ref().map_or(true, |run| runs.stop.at(run));
        let hands = Hands { more: || means.until.is_ahead(), last };
        let hand = || {
            let mut hand = Hand::new(&orders);
            move |index: u64| hand.run(runs.seeds.seed(index))
        };
        in_order(numbers, hands, hand, |run| {
            let mut record = match run {
                Ok(record) => record,
                Err(sentence) => {
                    failure = Some(anyhow::Error::msg(sentence));
                    return ControlFlow::Break(());
                }
            };
            found = runs.stop.at(&record);
            let once = std::mem::take(&mut resumed);
            let told = progress.aside(|| {
                place(&drafts, &mut record, once)?;
                results.add(&record)?;
                self.tell(&record)
            });
            match told {
                Ok(()) => {
                    self.summary.tally().into_iter().for_each(|tally| progress.advance(tally))
                }
                Err(error) => failure = Some(error),
            }
            flow(found || failure.is_some() || self.out.is_closed())
        });
        progress.finish();
        failure.map_or(Ok(found), Err)
    }

    fn tell(&mut self, record: &Record) -> anyhow::Result<()> {
        self.summary.add(record);
        let Record { test, seed, reasons, .. } = record;
        if record.verdict == Ending::Error {
            note(format_args!("error: {test} {seed}: {}", reasons.join("; ")));
        }
        if self.sweep.json {
            self.out.object(record)?;
        } else if let (Ending::Invalid | Ending::Unknown, Some(folder)) =
            (record.verdict, &record.folder)
        {
            let path = Path::new(folder).join("report.txt");
            let report = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            self.out.text(format_args!("{report}  folder:      {folder}\n"))?;
        }
        Ok(())
    }

    fn end(mut self) -> anyhow::Result<u8> {
        if self.out.is_closed() {
            bail!("the sweep ended early: nobody reads standard output any more");
        }
        self.summary.tell(&mut self.out, self.sweep.json)?;
        Ok(self.summary.ending().exit_code())
    }
}

/// Moves the run's folder, if it has one, from the drafts to where it is told to be.
fn place(drafts: &Drafts, record: &mut Record, once: bool) -> anyhow::Result<()> {
    let Some(draft) = record.folder.take() else { return Ok(()) };
    let draft = Path::new(&draft);
    let folder = if once { drafts.place_once(draft)? } else { drafts.place(draft)? };
    record.folder = Some(folder.display().to_string());
    Ok(())
}

fn flow(ends: bool) -> ControlFlow<()> {
    if ends { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}
