//! `replay`: the same run again, from what a report says, from its folder or from a plan.

use super::case::{self, case};
use super::watch::Watch;
use super::{build, keep, planned, run};
use anyhow::{Context, bail};
use harness::catalog;
use harness::checker::Verdict;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::plan::{Override, Taken};
use harness::record::Record;
use harness::report::SEED_OF_REAL;
use harness::seed::Seed;
use harness::store::{self, Stored, World};
use sim::determinism::{self, Divergence, EVERYTHING};
use sim::execute::{Case, Outcome};
use sim::observe::{self, Observe};
use sim::record::{self, hash_text};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Runs a seed, a kept run or a plan again; with RUST_LOG=debug it is traced on standard error
#[derive(clap::Args)]
#[command(
    override_usage = "cargo sim replay TEST SEED [OPTIONS]\n       cargo sim replay [TEST] FOLDER|PLAN [OPTIONS]"
)]
#[command(after_help = "\
Examples:
  cargo sim replay redis-append 0x2a --bug exec_on_follower
  cargo sim replay store/redis-append/0x2a
  cargo sim replay seeds/redis-append/exec-on-follower.plan
  cargo sim replay redis-append 0x2a --twice
  cargo sim replay store/redis-append/0x2a --message n1-n2:17=lost
  cargo sim replay store/redis-append/0x2a --observe everything")]
pub struct Replay {
    /// A test's name, a run's folder or a plan
    #[arg(value_name = "TEST|FOLDER|PLAN")]
    what: String,
    /// The seed of the test's run, in hex or decimal, or a plan of that test
    #[arg(value_name = "SEED|PLAN", allow_negative_numbers = true)]
    seed: Option<String>,
    /// Decides of one message against its stream: n1-n2:17=lost, =twice or =5ms later; --events has the numbers
    #[arg(long, value_name = "MESSAGE=FATE")]
    message: Vec<String>,
    /// Keeps the run in a new folder there; otherwise nothing is kept
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes every event to a new file, a line each
    #[arg(long, value_name = "FILE", conflicts_with = "observe")]
    events: Option<PathBuf>,
    /// Runs it twice and shows the first event that differs
    #[arg(long, conflicts_with_all = ["events", "observe"])]
    twice: bool,
    #[command(flatten)]
    watch: Watch,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    setup: Setup,
}

/// What is replayed, and what it was the first time, if that is known.
struct Original {
    case: Case,
    taken: Option<Taken>,
}

/// What came of it.
struct Replayed {
    outcome: Outcome,
    divergence: Option<Divergence>,
    /// What was observed.
    files: Vec<observe::File>,
}

impl Replay {
    pub fn act(self) -> anyhow::Result<u8> {
        let mut original = self.original()?;
        self.decree(&mut original)?;
        let observe = self.watch.asked()?;
        let beside = self.beside(&original, observe)?;
        run::announce(&original.case);
        case::tell_left_out(&self.setup, &original.case);
        trace_if_asked();
        let Replayed { outcome, divergence, files } = self.perform(&original.case, observe)?;
        let folder = self.out.as_ref().map(|out| keep::save(out, &outcome)).transpose()?;
        if let Some(folder) = folder.as_deref().or(beside.filter(|_| original.is(&outcome))) {
            keep::add(folder, &files)?;
        }
        let mut record = record::of(&outcome);
        record.folder = folder.as_ref().map(|folder| folder.display().to_string());
        self.tell(&record, &outcome, folder.as_deref())?;
        if let Some(divergence) = divergence {
            bail!("the run did not replay: {divergence}");
        }
        original.compare(&outcome)?;
        match beside {
            Some(folder) if self.out.is_none() && !original.is(&outcome) => bail!(
                "what was observed is another run than the one in {}, and nothing of it was kept: --out DIR keeps it in a folder of its own",
                folder.display()
            ),
            Some(folder) if self.out.is_none() => {
                note(format_args!("observed into {}", folder.display()))
            }
            _ => {}
        }
        Ok(record.verdict.exit_code())
    }

    /// The folder of the run that is replayed, where what is observed goes unless the run is kept in another one.
    fn beside(&self, original: &Original, observe: Observe) -> anyhow::Result<Option<&Path>> {
        let what = Path::new(&self.what);
        if !observe.is_any() || self.out.is_some() {
            return Ok(None);
        }
        if self.seed.is_none() && what.is_dir() && original.taken.is_some() {
            return Ok(Some(what));
        }
        bail!(
            "--observe writes into a run's folder, and this run is not kept: --out DIR keeps it in a new one"
        )
    }

    fn original(&self) -> anyhow::Result<Original> {
        let is_test = catalog::find(&self.what);
        let Some(second) = &self.seed else {
            if is_test.is_ok() {
                bail!(
                    "a seed is missing after `{0}`, such as `cargo sim replay {0} 0x2a`",
                    self.what
                );
            }
            return self.planned(Path::new(&self.what));
        };
        match second.parse::<Seed>() {
            Err(_) if Path::new(second).exists() => {
                let test = is_test.map_err(anyhow::Error::msg)?;
                let original = self.planned(Path::new(second))?;
                let of = original.case.test.name;
                if of != test.name {
                    bail!("{second}: it is a plan of test `{of}`, not of `{}`", test.name);
                }
                Ok(original)
            }
            seed => {
                let seed = seed.map_err(anyhow::Error::msg)?;
                let case = case(&self.setup, &self.what, seed).map_err(anyhow::Error::msg)?;
                Ok(Original { case, taken: None })
            }
        }
    }

    fn planned(&self, place: &Path) -> anyhow::Result<Original> {
        if !place.exists() {
            let name = place.display();
            bail!("`{name}` is neither a run folder nor a plan, and no test with a seed");
        }
        if !self.setup.is_empty() {
            bail!(
                "a run folder or a plan has its own options: leave out those of a run, or name a test and a seed"
            );
        }
        if place.is_dir() { kept(place) } else { planned::case(place).map(Original::of) }
    }

    /// Lets messages have the fates that were asked for.
    fn decree(&self, original: &mut Original) -> anyhow::Result<()> {
        if self.message.is_empty() {
            return Ok(());
        }
        let fates = self.message.iter().map(|text| text.parse());
        let fates: Vec<Override> =
            fates.collect::<Result<_, String>>().map_err(anyhow::Error::msg)?;
        let nodes = original.case.options.nodes;
        if let Some(wrong) = fates.iter().find(|fate| fate.from.max(fate.to) > nodes) {
            bail!("`{wrong}` names no link of this cluster (n1..n{nodes})");
        }
        let mut world = original.case.world();
        world.overrides.extend(fates);
        original.case.world = Some(world);
        // It is to be another run.
        original.taken = None;
        Ok(())
    }

    fn perform(&self, case: &Case, observe: Observe) -> anyhow::Result<Replayed> {
        if self.twice {
            let (outcome, divergence) = determinism::first_divergence(case)?;
            return Ok(Replayed { outcome, divergence, files: Vec::new() });
        }
        let Some(path) = &self.events else {
            let (outcome, files) = case.clone().execute_observed(observe)?;
            return Ok(Replayed { outcome, divergence: None, files });
        };
        let file = File::create_new(path).with_context(|| path.display().to_string())?;
        let (outcome, lines) = case.clone().execute_recorded(EVERYTHING)?;
        let mut file = BufWriter::new(file);
        let written = lines.iter().try_for_each(|line| writeln!(file, "{line}"));
        written.and_then(|()| file.flush()).with_context(|| path.display().to_string())?;
        Ok(Replayed { outcome, divergence: None, files: Vec::new() })
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
        bail!("`{name}` is no run folder, which has a params.json");
    }
    let Stored { params, run, .. } = store::load(folder)?;
    if params.world == World::Real {
        bail!(
            "`{name}` is a run of real processes, which nothing replays: its seed {SEED_OF_REAL}"
        );
    }
    let original = Original::of(planned::case(folder)?);
    let Case { seed, ref options, .. } = original.case;
    if (seed, options) != (run.seed, &params.options) {
        bail!("{name}: its params.json and its {} are not of one run", store::PLAN);
    }
    Ok(original)
}

impl Original {
    fn of(case: Case) -> Original {
        let taken = case.plan.as_ref().map(|planned| planned.plan.taken.clone());
        Original { case, taken }
    }

    /// Whether the run is the one that the plan was taken from.
    fn is(&self, outcome: &Outcome) -> bool {
        let hash = outcome.run.artifacts.trace_hash;
        self.taken.as_ref().is_some_and(|taken| taken.trace_hash == hash)
    }

    /// Says whether the run was the one that the plan was taken from.
    fn compare(&self, outcome: &Outcome) -> anyhow::Result<()> {
        let Some(Taken { commit, build, trace_hash: then }) = &self.taken else { return Ok(()) };
        let now = outcome.run.artifacts.trace_hash;
        let (was, is) = (hash_text(*then), hash_text(now));
        if *then == now {
            note("the trace hash is the kept one");
        } else if *build == build::id()? {
            bail!(
                "the run did not replay: its trace hash was {was} when it was kept and is {is} now"
            );
        } else if *then != 0 {
            note(format_args!(
                "another run than in the build of commit {commit}, with the same faults and operations: its trace hash was {was} there and is {is} here"
            ));
        }
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
