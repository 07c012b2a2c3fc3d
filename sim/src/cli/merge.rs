//! `sweep merge`: the results of all shards, as if they had been one sweep.

use super::summary::Summary;
use harness::cli::output::Output;
use sim::sweep::results::merge::Shards;
use std::path::PathBuf;

/// Joins the results of all shards of a sweep: same summary, digest and exit code as the whole
#[derive(clap::Args)]
#[command(after_help = "\
Gaps, overlaps, results that were cut short and those of different builds or options are refused.

Examples:
  cargo sim sweep merge results
  cargo sim sweep merge shard-1 shard-2 shard-3 --json
  cargo sim sweep merge store/sweep-redis-append-0x1-50.jsonl")]
pub struct Merge {
    /// Directories with results of sweeps, or such files
    #[arg(required = true, value_name = "DIR|FILE")]
    places: Vec<PathBuf>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Merge {
    pub fn act(self) -> anyhow::Result<u8> {
        let shards = Shards::open(&self.places)?;
        let mut summary = Summary::new(shards.seeds, shards.head.bug.clone());
        summary.results = shards.paths().map(|path| path.display().to_string()).collect();
        for test in &shards.head.tests {
            summary.begin(&shards.case(test)?);
            let joined = shards.runs(test, |record| summary.add(&record))?;
            summary.left_out(joined.not_run);
            if joined.found {
                break;
            }
        }
        let mut out = Output::default();
        summary.tell(&mut out, self.json)?;
        Ok(summary.ending().exit_code())
    }
}
