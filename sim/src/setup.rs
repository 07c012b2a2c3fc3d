//! From what is said of a run, on a command line or in a variable, to the case that it makes.
//! Cannot see: words that are no options of a run; those are each command's own.

use crate::execute::Case;
use elastickv::bug::{Bug, Profile};
use harness::catalog;
use harness::cli::setup::Setup;
use harness::seed::Seed;

/// The planted bug that was named.
pub fn bug(setup: &Setup) -> Result<Option<Bug>, String> {
    setup.bug.as_deref().map(str::parse).transpose()
}

/// The profile that was named, or the clean one.
pub fn profile(setup: &Setup) -> Result<Profile, String> {
    setup.profile.as_deref().map_or(Ok(Profile::Fixed), str::parse)
}

/// The case: the test's own options, the bug's over them, and over both what was said.
pub fn case(setup: &Setup, test: &str, seed: Seed) -> Result<Case, String> {
    let case = Case::new(catalog::find(test)?, seed);
    let mut case = match bug(setup)? {
        Some(bug) => case.with_bug(bug)?,
        None => case,
    };
    case.profile = profile(setup)?;
    setup.apply(&mut case.options)?;
    Ok(case)
}
