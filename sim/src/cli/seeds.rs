//! `seeds`: what is remembered, and whether it holds.

use anyhow::{bail, ensure};
use harness::cli::output::Output;
use serde_json::json;
use sim::corpus::{self, Broken, Remembered, SEEDS, Shown};
use sim::record::Ending;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

/// Checks every case of the corpus, or one, and says what it remembers
#[derive(clap::Args)]
#[command(after_help = "\
Exit codes: 0 all hold, 1 a failure is back, 2 a case is stale or there is none, 3 the simulation failed

Examples:
  cargo sim seeds
  cargo sim seeds seeds/redis-append/exec-on-follower.toml
  cargo sim seeds --json")]
pub struct Seeds {
    /// The corpus, or one of its cases
    #[arg(value_name = "DIR|CASE", default_value = SEEDS)]
    place: PathBuf,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Seeds {
    pub fn act(self) -> anyhow::Result<u8> {
        let all = self.cases()?;
        let jobs = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let mut out = Output::default();
        let mut counts: BTreeMap<Ending, usize> = BTreeMap::new();
        for remembered in &all {
            let checked = remembered.check(jobs);
            *counts.entry(ending(&checked)).or_default() += 1;
            self.tell(&mut out, remembered, &checked)?;
            if out.is_closed() {
                bail!("not every case was checked: nobody reads standard output any more");
            }
        }
        // No case at all says as little as a stale one.
        let worst = counts.keys().max().copied().unwrap_or(Ending::Unknown);
        let count = |ending| counts.get(&ending).copied().unwrap_or(0);
        let [hold, stale, back, error] =
            [Ending::Valid, Ending::Unknown, Ending::Invalid, Ending::Error].map(count);
        if self.json {
            out.object(&json!({"summary": {
                "verdict": worst.name(), "exit_code": worst.exit_code(), "cases": all.len(),
                "hold": hold, "stale": stale, "regressions": back, "errors": error,
            }}))?;
        } else {
            let cases = all.len();
            out.text(format_args!(
                "{hold} of {cases} hold, {stale} stale, {back} regressions, {error} errors\n"
            ))?;
        }
        Ok(worst.exit_code())
    }

    fn cases(&self) -> anyhow::Result<Vec<Remembered>> {
        let place = self.place.display();
        ensure!(
            self.place.exists(),
            "there is no corpus `{place}` here: go to the root of the repository, or name one as `cargo sim seeds DIR`"
        );
        if self.place.is_dir() {
            return Ok(corpus::read(&self.place)?);
        }
        Ok(vec![Remembered::load(&self.place)?])
    }

    fn tell(
        &self,
        out: &mut Output,
        remembered: &Remembered,
        checked: &Result<Shown, Broken>,
    ) -> anyhow::Result<()> {
        let Remembered { file, story } = remembered;
        let word = word(checked);
        let way = checked.as_ref().ok().map(|shown| shown.way.to_string());
        let text = checked.as_ref().err().map(ToString::to_string);
        if self.json {
            out.object(&json!({
                "case": file, "story": story, "status": word, "shown_by": way, "text": text,
            }))?;
            return Ok(());
        }
        out.text(format_args!("{word:<10}  {}\n", file.display()))?;
        out.text(format_args!("            {}: {}\n", story.says(), story.why))?;
        match (way, text) {
            (Some(way), _) => out.text(format_args!("            shown by {way}\n"))?,
            (None, text) => out.text(format_args!("{}\n", text.unwrap_or_default()))?,
        }
        Ok(())
    }
}

fn ending(checked: &Result<Shown, Broken>) -> Ending {
    match checked {
        Ok(_) => Ending::Valid,
        Err(Broken::Stale(_)) => Ending::Unknown,
        Err(Broken::Regression(_)) => Ending::Invalid,
        Err(Broken::Error(_)) => Ending::Error,
    }
}

fn word(checked: &Result<Shown, Broken>) -> &'static str {
    match checked {
        Ok(_) => "holds",
        Err(Broken::Stale(_)) => "stale",
        Err(Broken::Regression(_)) => "regression",
        Err(Broken::Error(_)) => "error",
    }
}
