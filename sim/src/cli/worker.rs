//! `worker`: runs the seeds that come on standard input, a line each, and answers each with its record.
//!
//! A sweep starts its workers; nobody types this. Promises: when standard input ends, so does the process, in the middle of
//! a run too: a sweep that is killed leaves nothing behind. What the machine refuses, such as room for a folder, is never
//! told as what became of a seed.

use super::{case, keep};
use harness::cli::FAILED;
use harness::cli::output::{Output, note};
use harness::cli::setup::Setup;
use harness::record::{Ending, Record};
use harness::seed::Seed;
use serde::{Deserialize, Serialize};
use sim::execute::Case;
use sim::record;
use sim::sweep;
use std::io::stdin;
use std::path::PathBuf;
use std::process::exit;
use std::sync::mpsc;

/// An answer, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// What became of the seed.
    Run(Box<Record>),
    /// Why the run could not be kept, which says nothing about the seed.
    Unkept(String),
}

/// Runs seeds from standard input until it ends; a sweep starts it
#[derive(clap::Args)]
pub struct Worker {
    /// Which test
    test: String,
    /// Keeps what is not valid in new folders there
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    setup: Setup,
}

impl Worker {
    pub fn act(self) -> anyhow::Result<u8> {
        let case = case::case(&self.setup, &self.test, Seed(0)).map_err(anyhow::Error::msg)?;
        let (send, seeds) = mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || read(send));
            if let Err(error) = self.answer(&case, seeds) {
                note(format_args!("error: {error:#}"));
            }
            // The other thread reads on, and whoever waits for an answer must not.
            exit(i32::from(FAILED))
        })
    }

    /// Returns only if there can be no further answer.
    fn answer(&self, case: &Case, seeds: mpsc::Receiver<String>) -> anyhow::Result<()> {
        let mut out = Output::default();
        for seed in seeds {
            let seed: Seed = seed.parse().map_err(anyhow::Error::msg)?;
            out.object(&self.run(Case { seed, ..case.clone() }))?;
        }
        Ok(())
    }

    fn run(&self, case: Case) -> Line {
        let outcome = match sweep::ran(&case) {
            Ok(outcome) => outcome,
            Err(sentence) => return Line::Run(Box::new(record::error(&case, sentence))),
        };
        let mut record = record::of(&outcome);
        if let Some(store) = &self.keep
            && record.verdict != Ending::Valid
        {
            match keep::save(store, &outcome) {
                Ok(folder) => record.folder = Some(folder.display().to_string()),
                Err(error) => return Line::Unkept(format!("{error:#}")),
            }
        }
        Line::Run(Box::new(record))
    }
}

fn read(seeds: mpsc::Sender<String>) {
    for line in stdin().lines() {
        let Ok(line) = line else { break };
        if seeds.send(line).is_err() {
            break;
        }
    }
    exit(0);
}
