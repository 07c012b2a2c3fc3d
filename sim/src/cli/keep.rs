//! A run that is over, told to people and kept in its folder.

use harness::report::Report;
use harness::store::{self, Kept};
use sim::execute::Outcome;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where run folders go if nobody says otherwise.
pub const STORE: &str = "store";

/// The run in words, several lines.
pub fn report(outcome: &Outcome, folder: Option<&Path>) -> String {
    let report = Report {
        test: &outcome.case.base(),
        options: &outcome.case.options,
        run: &outcome.run,
        judgement: &outcome.judgement,
        world: "simulated",
        commit: commit(),
        replay: "cargo sim replay",
        extra: &outcome.case.extra_words(),
        folder,
    };
    report.to_string()
}

/// Keeps a run in a new folder under `store`.
pub fn save(store: &Path, outcome: &Outcome) -> anyhow::Result<PathBuf> {
    let kept = Kept {
        options: &outcome.case.options,
        extra: &outcome.case.extra(),
        run: &outcome.run,
        judgement: &outcome.judgement,
        report: &report(outcome, None),
    };
    Ok(store::save(store, kept)?)
}

/// The commit of the sources, `-dirty` if they were changed since; `None` outside a repository.
fn commit() -> Option<&'static str> {
    static COMMIT: OnceLock<Option<String>> = OnceLock::new();
    let ask = || {
        let mut git = Command::new("git");
        git.args(["-C", env!("CARGO_MANIFEST_DIR")]);
        git.args(["describe", "--always", "--dirty", "--exclude=*"]);
        let answer = git.output().ok().filter(|answer| answer.status.success())?;
        String::from_utf8(answer.stdout).ok().map(|text| text.trim().to_owned())
    };
    COMMIT.get_or_init(ask).as_deref()
}
