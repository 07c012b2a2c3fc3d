//! A run that is over, told to people and kept in its folder.

use crate::build;
use crate::execute::Outcome;
use crate::observe::File;
use crate::record::replay_line;
use anyhow::Context;
use harness::checker::Verdict;
use harness::cli::commit;
use harness::plan::Plan;
use harness::report::Report;
use harness::store::{self, Kept, World};
use std::fs;
use std::path::{Path, PathBuf};

/// Where run folders go if nobody says otherwise.
pub const STORE: &str = "store";

/// The run in words, several lines; of one that is not valid, with what shows more of it.
pub fn report(outcome: &Outcome, folder: Option<&Path>) -> String {
    let report = Report {
        run: &outcome.run,
        judgement: &outcome.judgement,
        world: World::Simulated,
        commit: commit(env!("COMMIT")),
        again: &replay_line(&outcome.case),
        folder,
    };
    let mut text = report.to_string();
    if let Some(folder) = folder.filter(|_| outcome.judgement.verdict != Verdict::Valid) {
        let folder = folder.display();
        text.push_str(&format!("  observe:     cargo sim replay {folder} --observe everything\n"));
    }
    text
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

/// Adds what was observed of a run to its folder, each file whole or not at all. What was observed of the same run before is
/// replaced.
pub fn add(folder: &Path, files: &[File]) -> anyhow::Result<()> {
    for File { path, bytes } in files {
        let place = folder.join(path);
        let draft = place.with_added_extension("part");
        let parent = place.parent().unwrap_or(folder);
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&draft, bytes));
        written
            .and_then(|()| fs::rename(&draft, &place))
            .with_context(|| place.display().to_string())?;
    }
    Ok(())
}
