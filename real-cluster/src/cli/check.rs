//! `check`: a verdict on what a run folder holds, also where the run did not come to its end.

use super::performed::Performed;
use anyhow::bail;
use harness::cli::output::{Output, note};
use harness::record::Ending;
use harness::store::{self, Stored, World};
use real_cluster::cpu;
use std::path::PathBuf;

/// Judges a run folder again; of a run that was killed, as much as was kept
#[derive(clap::Args)]
#[command(after_help = "\
Nothing is written.

Examples:
  cargo real-cluster check store/redis-append/0x1
  cargo real-cluster check store/redis-append/0x1 --json")]
pub struct Check {
    /// The run's folder
    #[arg(value_name = "RUN")]
    folder: PathBuf,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn act(self) -> anyhow::Result<u8> {
        let name = self.folder.display();
        if !self.folder.join("params.json").is_file() {
            bail!("`{name}` is not a run folder, which has a params.json");
        }
        let Stored { params, run, judgement, torn } = store::load(&self.folder)?;
        if params.world == World::Simulated {
            bail!(
                "`{name}` is a simulated run: `cargo sim replay {name}` runs and judges it again"
            );
        }
        if judgement.is_none() {
            note(format_args!(
                "{name}: the run did not come to its end; {} events are known, {torn} bytes at the end are no whole chunk",
                run.history.events.len()
            ));
        }
        let before = cpu::this_thread();
        let performed = Performed::new(params, run).map_err(anyhow::Error::msg)?;
        let cpu_ms = (cpu::this_thread() - before).as_secs_f64() * 1e3;
        let mut out = Output::default();
        if self.json {
            out.object(&performed.record(&self.folder, cpu_ms))?;
        } else {
            out.text(performed.report(Some(&self.folder)))?;
            out.indented(&performed.judgement.summary)?;
        }
        Ok(Ending::of(&performed.judgement.verdict).exit_code())
    }
}
