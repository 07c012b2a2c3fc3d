//! `shrink`: a smaller plan with the same failure.

use super::confirm::anew;
use super::{build, keep, planned};
use anyhow::{Context, bail};
use harness::cli::commit;
use harness::cli::output::{Output, note};
use harness::plan::{Plan, Taken};
use harness::store;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use sim::execute::{Case, Outcome};
use sim::record::hash_text;
use sim::shrink::{Budget, Journal, Size, shrink};
use sim::signature::Signature;
use sim::sweep::ran;
use std::io::{IsTerminal, stderr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// The smaller plan's name in a run's folder.
pub const SHRUNK: &str = "shrunk.plan";

/// Looks for a smaller plan that shows the same failure: fewer faults, clients, keys, operations and nodes, less time
#[derive(clap::Args)]
#[command(after_help = "\
The best plan so far is always in its file, and what was learned is in a journal beside it: a shrinking that was
killed goes on when it is begun again, and one that spent its budget goes on with a larger one. Exits with 0 when
there is a shrunk plan that shows the failure in a fresh process.

Examples:
  cargo sim shrink store/redis-append/0x4
  cargo sim shrink store/redis-append/0x4 --budget 20000
  cargo sim shrink seeds/redis-append/exec-on-follower.plan --out smaller.plan")]
pub struct Shrink {
    /// The folder of an invalid run, or a plan
    #[arg(value_name = "FOLDER|PLAN")]
    what: PathBuf,
    /// Runs that may be spent
    #[arg(long, value_name = "RUNS", default_value_t = 4000, value_parser = clap::value_parser!(u64).range(1..))]
    budget: u64,
    /// Threads; otherwise as many as the machine runs at once
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Where the smaller plan goes; otherwise shrunk.plan in the folder, or NAME.shrunk.plan beside the plan
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Which of the run's anomalies must stay; otherwise the first, of a planted bug the first of its own finder
    #[arg(long, value_name = "NAME")]
    anomaly: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

impl Shrink {
    pub fn act(self) -> anyhow::Result<u8> {
        let case = planned::case(&self.what)?;
        let outcome = ran(&case).map_err(anyhow::Error::msg)?;
        let signature = self.signature(&outcome)?;
        note(format_args!("looking for a smaller plan that shows {signature}"));
        // Replays wait for exactly the moments that the run waited for.
        let plan = keep::plan(&outcome)?;
        let out = self.out();
        let journal = self.journal(&out, &plan, &signature)?;
        let known = journal.len();
        if known > 0 {
            note(format_args!("going on after {known} runs"));
        }
        let progress = Progress::new(self.budget, known as u64);
        let shrunk = shrink(&plan, &signature, self.limits(), &journal, &mut |runs, best| {
            progress.advance(runs, best);
            if let Some(best) = best {
                // What cannot be written now is tried again with the next one, and told at the end.
                let _ = improve(&out, best);
            }
        });
        progress.finish();
        let shrunk = shrunk.map_err(anyhow::Error::msg)?;
        let smallest = improve(&out, &shrunk.plan)?;
        self.confirm(&out, &smallest, &signature)?;
        if shrunk.spent {
            note(format_args!(
                "the budget of {} runs is spent: --budget {} goes on",
                self.budget,
                self.budget.saturating_mul(4)
            ));
        }
        self.tell(&plan, &smallest, shrunk.runs, &signature, &out)?;
        Ok(0)
    }

    fn signature(&self, outcome: &Outcome) -> anyhow::Result<Signature> {
        let place = self.what.display();
        let verdict = &outcome.judgement.verdict;
        let Some(first) = Signature::of(outcome) else {
            bail!(
                "{place}: there is nothing to shrink, since its run is not invalid in this build"
            );
        };
        let Some(name) = &self.anomaly else { return Ok(first) };
        let all = Signature::all(verdict);
        all.iter().find(|signature| signature.anomaly == *name).cloned().with_context(|| {
            let names: Vec<&str> = all.iter().map(|signature| signature.anomaly.as_str()).collect();
            format!("`{name}` does not fit --anomaly: the run shows {}", names.join(", "))
        })
    }

    fn limits(&self) -> Budget {
        Budget { runs: self.budget, jobs: self.jobs.unwrap_or_else(all_cores) }
    }

    fn out(&self) -> PathBuf {
        match &self.out {
            Some(out) => out.clone(),
            None if self.what.is_dir() => self.what.join(SHRUNK),
            None => self.what.with_extension(SHRUNK),
        }
    }

    /// The journal beside the smaller plan. A plan there that is of no shrinking of ours is not replaced.
    fn journal(&self, out: &Path, plan: &Plan, signature: &Signature) -> anyhow::Result<Journal> {
        let path = out.with_added_extension("journal");
        if out.exists() && !path.exists() {
            bail!("`{}` is there already: name another file with --out", out.display());
        }
        let hash = hash_text(plan.taken.trace_hash);
        let head = format!("shrink {hash} {signature} build {:016x}", build::id()?);
        Journal::open(&path, &head).with_context(|| path.display().to_string())
    }

    /// The smaller plan in a fresh process.
    fn confirm(&self, out: &Path, plan: &Plan, signature: &Signature) -> anyhow::Result<()> {
        let said = anew(&[out.display().to_string()]).map_err(anyhow::Error::msg)?;
        let hash = said["trace_hash"] == hash_text(plan.taken.trace_hash);
        let names = said["anomalies"].as_array();
        let shown = names.is_some_and(|names| names.iter().any(|name| *name == *signature.anomaly));
        if !(hash && shown) {
            bail!("the shrunk plan did not replay in a fresh process: {said}");
        }
        Ok(())
    }

    fn tell(
        &self,
        before: &Plan,
        after: &Plan,
        runs: u64,
        signature: &Signature,
        out: &Path,
    ) -> anyhow::Result<()> {
        let (was, is) = (Size::of(before), Size::of(after));
        let replay = format!("cargo sim replay {}", out.display());
        let mut output = Output::default();
        if self.json {
            output.object(&json!({
                "anomaly": signature.anomaly,
                "found_by": signature.found_by,
                "before": size(was),
                "after": size(is),
                "runs": runs,
                "trace_hash": hash_text(after.taken.trace_hash),
                "plan": out.display().to_string(),
                "replay": replay,
            }))?;
            return Ok(());
        }
        output.text(after)?;
        let outcome = Case::planned(after.clone(), &out.display().to_string())
            .and_then(|case| ran(&case))
            .map_err(anyhow::Error::msg)?;
        output.text(keep::report(&outcome, None))?;
        output.text(format_args!(
            "  shrunk:      {} faults of {}, {} operations of {}, {} clients of {}, {} nodes of {}, {:.1} s of {:.1} s, in {runs} runs\n",
            is.faults,
            was.faults,
            is.asks,
            was.asks,
            is.clients,
            was.clients,
            is.nodes,
            was.nodes,
            is.until.as_secs_f64(),
            was.until.as_secs_f64()
        ))?;
        Ok(())
    }
}

fn all_cores() -> NonZeroUsize {
    available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// A smaller plan of a run that shows a signature, with nothing kept on the way.
pub fn smaller(outcome: &Outcome, signature: &Signature, runs: u64) -> anyhow::Result<Plan> {
    let plan = keep::plan(outcome)?;
    let progress = Progress::new(runs, 0);
    let budget = Budget { runs, jobs: all_cores() };
    let shrunk = shrink(&plan, signature, budget, &Journal::default(), &mut |runs, best| {
        progress.advance(runs, best);
    });
    progress.finish();
    ours(&shrunk.map_err(anyhow::Error::msg)?.plan)
}

fn size(size: Size) -> Value {
    json!({
        "faults": size.faults,
        "ops": size.asks,
        "mops": size.mops,
        "clients": size.clients,
        "nodes": size.nodes,
        "ms": size.until.as_millis() as u64,
    })
}

/// A plan whose run this program has done.
fn ours(plan: &Plan) -> anyhow::Result<Plan> {
    let commit = commit(env!("COMMIT")).unwrap_or_default().to_owned();
    let taken = Taken { commit, build: build::id()?, ..plan.taken };
    Ok(Plan { taken, ..plan.clone() })
}

/// Writes the best plan so far; what is there and smaller stays and is returned. A shrinking that goes on takes each step of
/// the one before it again, and with a smaller budget not all of them.
fn improve(out: &Path, best: &Plan) -> anyhow::Result<Plan> {
    if out.exists() {
        let there = store::read_plan(out)?;
        if Size::of(&there) < Size::of(best) {
            return Ok(there);
        }
    }
    let best = ours(best)?;
    store::write_plan(out, &best)?;
    Ok(best)
}

/// How far it is, on standard error: a bar on a terminal, otherwise a line for every smaller plan.
struct Progress {
    bar: Option<ProgressBar>,
    /// Runs of which a journal knows.
    known: u64,
}

impl Progress {
    fn new(budget: u64, known: u64) -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} runs  {msg}");
            ProgressBar::new(budget)
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Progress { bar, known }
    }

    fn advance(&self, runs: u64, best: Option<&Plan>) {
        let words = best.map(|plan| {
            let Size { faults, asks, nodes, until, .. } = Size::of(plan);
            format!(
                "{faults} faults, {asks} operations, {nodes} nodes, {:.1} s",
                until.as_secs_f64()
            )
        });
        match &self.bar {
            Some(bar) => {
                bar.set_position(runs);
                if let Some(words) = words {
                    bar.set_message(words);
                }
            }
            None => {
                if let Some(words) = words.filter(|_| runs > self.known) {
                    note(format_args!("{runs} runs: {words}"));
                }
            }
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
