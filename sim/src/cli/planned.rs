//! The runs of plans as they are named on the command line.

use anyhow::Context;
use harness::store;
use sim::execute::Case;
use std::path::Path;

/// The run that it decides.
pub fn case(place: &Path) -> anyhow::Result<Case> {
    let plan = store::plan_of(place)?;
    let case = Case::planned(plan, &place.display().to_string()).map_err(anyhow::Error::msg);
    case.with_context(|| place.display().to_string())
}
