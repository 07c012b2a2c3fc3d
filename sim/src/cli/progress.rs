//! How far a sweep is, on standard error: a bar on a terminal, otherwise a line for every tenth.

use harness::cli::output::note;
use indicatif::{ProgressBar, ProgressStyle};
use sim::record::Ending;
use sim::sweep::Tally;
use std::io::{IsTerminal, stderr};

/// The progress of one test's sweep.
pub struct Progress {
    test: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Nothing yet of so many runs.
    pub fn new(test: &'static str, total: u64) -> Progress {
        let bar = stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{prefix}  {bar:40} {pos}/{len}  {eta}  {msg}");
            let bar = ProgressBar::new(total).with_prefix(test);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Progress { test, total, bar }
    }

    /// One run more.
    pub fn advance(&self, tally: &Tally) {
        let runs = tally.runs();
        match &self.bar {
            Some(bar) => {
                bar.set_message(failures(tally));
                bar.set_position(runs);
            }
            None if runs * 10 / self.total > (runs - 1) * 10 / self.total => {
                note(format_args!("{}  {runs}/{}  {}", self.test, self.total, failures(tally)));
            }
            None => {}
        }
    }

    /// Lets something be written without a bar across it.
    pub fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// The sweep is over.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn failures(tally: &Tally) -> String {
    let [invalid, unknown, error] =
        [Ending::Invalid, Ending::Unknown, Ending::Error].map(|ending| tally.count(ending));
    format!("{invalid} invalid, {unknown} unknown, {error} error")
}
