//! `replay`: the same run again, from what a report says or from its folder.

use super::case::case;
use super::{keep, run};
use anyhow::{Context, bail};
use harness::catalog;
use harness::checker::Verdict;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::record::Record;
use harness::report::SEED_OF_REAL;
use harness::run::Run;
use harness::seed::Seed;
use harness::store::{self, Stored, World};
use sim::determinism::{self, Divergence, EVERYTHING};
use sim::execute::{Case, Outcome};
use sim::record::{self, hash_text};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Runs a seed or a kept run again; with RUST_LOG=debug it is traced on standard error
#[derive(clap::Args)]
#[command(
    override_usage = "cargo sim replay TEST SEED [OPTIONS]\n       cargo sim replay FOLDER [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  cargo sim replay redis-append 0x2a --bug exec_on_follower
  cargo sim replay store/redis-append/0x2a
  cargo sim replay redis-append 0x2a --twice")]
pub struct Replay {
    /// A test's name, or a run folder
    #[arg(value_name = "TEST|FOLDER")]
    what: String,
    /// The seed of the test's run, in hex or decimal
    #[arg(allow_negative_numbers = true)]
    seed: Option<String>,
    /// Keeps the run in a new folder there; otherwise nothing is kept
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes every event to a new file, a line each
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Runs it twice and shows the first event that differs
    #[arg(long, conflicts_with = "events")]
    twice: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: Setup,
}

/// What is replayed, and what it was the first time, if that is kept.
struct Original {
    case: Case,
    run: Option<Run>,
}

impl Replay {
    pub fn act(self) -> anyhow::Result<u8> {
        let original = self.original()?;
        run::announce(&original.case);
        trace_if_asked();
        let (outcome, divergence) = self.perform(&original.case)?;
        let folder = self.out.as_ref().map(|out| keep::save(out, &outcome)).transpose()?;
        let mut record = record::of(&outcome);
        record.folder = folder.as_ref().map(|folder| folder.display().to_string());
        self.tell(&record, &outcome, folder.as_deref())?;
        if let Some(divergence) = divergence {
            bail!("the run did not replay: {divergence}");
        }
        original.compare(&outcome)?;
        Ok(record.verdict.exit_code())
    }

    fn original(&self) -> anyhow::Result<Original> {
        if let Some(seed) = &self.seed {
            let seed: Seed = seed.parse().map_err(anyhow::Error::msg)?;
            let case = case(&self.setup, &self.what, seed).map_err(anyhow::Error::msg)?;
            return Ok(Original { case, run: None });
        }
        if catalog::find(&self.what).is_ok() {
            bail!("a seed is missing after `{0}`, such as `cargo sim replay {0} 0x2a`", self.what);
        }
        if !self.setup.is_empty() {
            bail!(
                "a run folder has its own options: leave out those of a run, or name a test and a seed"
            );
        }
        kept(Path::new(&self.what))
    }

    fn perform(&self, case: &Case) -> anyhow::Result<(Outcome, Option<Divergence>)> {
        if self.twice {
            return Ok(determinism::first_divergence(case)?);
        }
        let Some(path) = &self.events else { return Ok((case.clone().execute()?, None)) };
        let file = File::create_new(path).with_context(|| path.display().to_string())?;
        let (outcome, lines) = case.clone().execute_recorded(EVERYTHING)?;
        let mut file = BufWriter::new(file);
        let written = lines.iter().try_for_each(|line| writeln!(file, "{line}"));
        written.and_then(|()| file.flush()).with_context(|| path.display().to_string())?;
        Ok((outcome, None))
    }

    fn tell(
        &self,
        record: &Record,
        outcome: &Outcome,
        folder: Option<&Path>,
    ) -> anyhow::Result<()> {
        let mut out = Output::default();
        if self.json {
            out.object(record)?;
            return Ok(());
        }
        out.text(keep::report(outcome, folder))?;
        run::numbers(&mut out, outcome)?;
        if let Some(folder) = folder.filter(|_| outcome.judgement.verdict == Verdict::Valid) {
            out.text(format_args!("  folder:      {}\n", folder.display()))?;
        }
        if self.twice {
            note("both runs had the same events");
        }
        Ok(())
    }
}

fn kept(folder: &Path) -> anyhow::Result<Original> {
    let name = folder.display();
    if !folder.join("params.json").is_file() {
        bail!("`{name}` is neither a run folder, which has a params.json, nor a test with a seed");
    }
    let Stored { params, run, .. } = store::load(folder)?;
    if params.world == World::Real {
        bail!(
            "`{name}` is a run of real processes, which nothing replays: its seed {SEED_OF_REAL}"
        );
    }
    let test = catalog::find(&params.test).map_err(anyhow::Error::msg)?;
    let case = Case::stored(test, run.seed, params.options, &params.extra);
    let case = case.map_err(|error| anyhow::anyhow!("{name}/params.json: {error}"))?;
    Ok(Original { case, run: Some(run) })
}

impl Original {
    /// Says whether the run was the kept one.
    fn compare(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let Some(kept) = &self.run else { return Ok(()) };
        let (then, now) = (kept.artifacts.trace_hash, outcome.run.artifacts.trace_hash);
        if then != now {
            bail!(
                "the run did not replay: its trace hash was {} when it was kept and is {} now, as with another \
                 build of the simulation",
                hash_text(then),
                hash_text(now)
            );
        }
        note("the trace hash is the kept one");
        Ok(())
    }
}

/// A subscriber on standard error if RUST_LOG names a level.
fn trace_if_asked() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    let Some(level): Option<tracing::Level> = level else { return };
    let subscriber = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    // Without the time: reading the machine's clock is not ours to do, virtual time is in the events.
    let _ = subscriber.without_time().try_init();
}
