//! A run that is over, told to people and kept in its folder.

use crate::build;
use crate::execute::Outcome;
use crate::record::replay_line;
use harness::cli::commit;
use harness::plan::Plan;
use harness::report::Report;
use harness::store::{self, Kept, World};
use std::path::{Path, PathBuf};

/// Where run folders go if nobody says otherwise.
pub const STORE: &str = "store";

/// The run in words, several lines.
pub fn report(outcome: &Outcome, folder: Option<&Path>) -> String {
    let report = Report {
        run: &outcome.run,
        judgement: &outcome.judgement,
        world: World::Simulated,
        commit: commit(env!("COMMIT")),
        again: &replay_line(&outcome.case),
        folder,
    };
    report.to_string()
}

/// The decisions of a run of this program.
pub fn plan(outcome: &Outcome) -> anyhow::Result<Plan> {
    Ok(outcome.plan(commit(env!("COMMIT")).unwrap_or_default(), build::id()?))
}

/// Keeps a run in a new folder under `store`.
pub fn save(store: &Path, outcome: &Outcome) -> anyhow::Result<PathBuf> {
    let kept = Kept {
        world: World::Simulated,
        options: &outcome.case.options,
        extra: &outcome.case.extra(),
        run: &outcome.run,
        plan: &plan(outcome)?,
        judgement: &outcome.judgement,
        report: &report(outcome, None),
    };
    Ok(store::save(store, kept)?)
}
