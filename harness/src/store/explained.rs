//! What explains a run or a history, written into a folder: [`crate::explain`] says which files.

use super::{StoreError, io_error, write};
use crate::catalog;
use crate::checker::Checker;
use crate::explain::{ANOMALIES, Explanation, TIMELINE};
use crate::judge::Judgement;
use crate::recording::Run;
use std::fs;
use std::path::{Path, PathBuf};

/// Explains a run by the checkers of its test; where no test of the catalog has its name, by what was found alone.
pub fn of_run<'r>(run: &'r Run, judgement: &Judgement) -> Explanation<'r> {
    let checkers: Vec<Box<dyn Checker>> =
        catalog::find(&run.test).map(|test| (test.checkers)()).unwrap_or_default();
    Explanation::of_run(run, judgement, &checkers)
}

/// Writes an explanation into a folder that has none, and returns where the page is.
pub fn write_into(folder: &Path, explanation: &Explanation) -> Result<PathBuf, StoreError> {
    if !explanation.anomalies.is_empty() {
        let anomalies = folder.join(ANOMALIES);
        fs::create_dir_all(&anomalies).map_err(|error| io_error(&anomalies, error))?;
    }
    explanation.files(|name, content| write(&folder.join(name), |file| content(file)))?;
    Ok(folder.join(TIMELINE))
}

/// Writes an explanation into a new folder; one that is there already is left alone.
pub fn write_new(folder: &Path, explanation: &Explanation) -> Result<PathBuf, StoreError> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).map_err(|error| io_error(parent, error))?;
    }
    fs::create_dir(folder).map_err(|error| io_error(folder, error))?;
    let written = write_into(folder, explanation);
    if written.is_err() {
        // Half an explanation would only be in the way of the next. If it cannot go either, the first error says why.
        let _ = fs::remove_dir_all(folder);
    }
    written
}
