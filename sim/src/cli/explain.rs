//! `--explain DIR`: what explains a run or a history, in a new folder.

use harness::checker::{Checker, Verdict};
use harness::explain::Explanation;
use harness::history::History;
use harness::store::explained;
use std::path::{Path, PathBuf};

/// Refuses a folder that is there already, before anything is judged.
pub fn refuse_old(folder: Option<&Path>) -> anyhow::Result<()> {
    match folder.filter(|folder| folder.exists()) {
        Some(folder) => anyhow::bail!(
            "{} is there already: an explanation goes into a new folder",
            folder.display()
        ),
        None => Ok(()),
    }
}

/// Explains what a checker says of a history from a file, and returns where the page is.
pub fn history(
    folder: &Path,
    file: &Path,
    history: &History,
    verdict: &Verdict,
    checker: Box<dyn Checker>,
) -> anyhow::Result<PathBuf> {
    let title = format!("{} {} {}", checker.name(), verdict.name(), file.display());
    let explanation = Explanation::of(title, history, verdict, &[checker]);
    Ok(explained::write_new(folder, &explanation)?)
}
