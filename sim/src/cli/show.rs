//! `show`: a plan for people, and what explains a run.

use super::explain;
use anyhow::Context;
use harness::catalog;
use harness::cli::output::Output;
use harness::judge::judge;
use harness::store::{self, Stored, explained};
use std::path::{Path, PathBuf};

/// Prints a plan: what the run is told, its faults and operations with their times
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo sim show store/redis-append/0x2a
  cargo sim show store/redis-append/0x2a --explain told
  cargo sim show seeds/redis-append/exec-on-follower.plan")]
pub struct Show {
    /// A plan, or the folder of a run
    #[arg(value_name = "PLAN|FOLDER")]
    plan: PathBuf,
    /// Instead of the plan, writes what explains the run into a new folder: a timeline, and each anomaly in words, as a picture
    /// if it is a cycle, and as a smaller history that still shows it
    #[arg(long, value_name = "DIR")]
    explain: Option<PathBuf>,
}

impl Show {
    pub fn act(self) -> anyhow::Result<u8> {
        match &self.explain {
            Some(into) => self.explained(into),
            None => {
                let plan = store::plan_of(&self.plan)?;
                Output::default().text(plan)?;
                Ok(0)
            }
        }
    }

    fn explained(&self, into: &Path) -> anyhow::Result<u8> {
        explain::refuse_old(Some(into))?;
        let Stored { params, run, judgement, .. } = store::load(&self.plan)?;
        let judgement = match judgement {
            Some(judgement) => judgement,
            None => {
                let test = catalog::find(&run.test).map_err(anyhow::Error::msg);
                let test = test.with_context(|| self.plan.display().to_string())?;
                judge(&test, &params.options, &run)
            }
        };
        let page = explained::write_new(into, &explained::of_run(&run, &judgement))?;
        let verdict = judgement.verdict.name();
        Output::default().text(format_args!("{verdict}   timeline: {}\n", page.display()))?;
        Ok(0)
    }
}
