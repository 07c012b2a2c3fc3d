//! Plans as they are named on the command line: a file, or the folder of a run.

use anyhow::{Context, bail};
use harness::plan::Plan;
use harness::store;
use sim::execute::Case;
use std::path::{Path, PathBuf};

/// The plan's file.
pub fn file(place: &Path) -> PathBuf {
    if place.is_dir() { place.join(store::PLAN) } else { place.to_owned() }
}

/// The plan of a file or a run's folder.
pub fn read(place: &Path) -> anyhow::Result<Plan> {
    let file = file(place);
    if !file.exists() {
        bail!(
            "`{}` is neither a plan nor a run's folder, which has a {}",
            place.display(),
            store::PLAN
        );
    }
    Ok(store::read_plan(&file)?)
}

/// The run that it decides.
pub fn case(place: &Path) -> anyhow::Result<Case> {
    let plan = read(place)?;
    let case = Case::planned(plan, &place.display().to_string()).map_err(anyhow::Error::msg);
    case.with_context(|| place.display().to_string())
}
