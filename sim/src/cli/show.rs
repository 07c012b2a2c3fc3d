//! `show`: a plan for people.

use harness::cli::output::Output;
use harness::store;
use std::path::PathBuf;

/// Prints a plan: what the run is told, its faults and operations with their times
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  cargo sim show store/redis-append/0x2a
  cargo sim show seeds/redis-append/exec-on-follower.plan")]
pub struct Show {
    /// A plan, or the folder of a run
    #[arg(value_name = "PLAN|FOLDER")]
    plan: PathBuf,
}

impl Show {
    pub fn act(self) -> anyhow::Result<u8> {
        let plan = store::plan_of(&self.plan)?;
        Output::default().text(plan)?;
        Ok(0)
    }
}
