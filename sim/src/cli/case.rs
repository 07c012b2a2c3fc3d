//! From what the command line says of a run to the case that it makes.

use elastickv::bug::Bug;
use harness::catalog;
use harness::cli::setup::Setup;
use harness::seed::Seed;
use sim::bugs;
use sim::execute::Case;

/// The planted bug that was named.
pub fn bug(setup: &Setup) -> Result<Option<Bug>, String> {
    setup.bug.as_deref().map(str::parse).transpose()
}

/// The case: the test's own options, the bug's over them, and over both what was said.
pub fn case(setup: &Setup, test: &str, seed: Seed) -> Result<Case, String> {
    let case = Case::new(catalog::find(test)?, seed);
    let mut case = match bug(setup)? {
        Some(bug) => case.with_bug(bug)?,
        None => case,
    };
    setup.apply(&mut case.options)?;
    Ok(case)
}

/// What a bug's row asks for, in words.
pub fn row_in_words(bug: Bug) -> String {
    let row = bugs::row(bug);
    let options: Vec<String> =
        row.options.iter().map(|(word, value)| format!("--{word} {value}")).collect();
    let options =
        if options.is_empty() { "the test's own options".to_owned() } else { options.join(" ") };
    let wiring = match bug.wiring() {
        elastickv::options::Wiring::Verified => "",
        elastickv::options::Wiring::Direct => ", wired as in cmd/server/demo.go",
    };
    format!("{bug} ({}): {options}{wiring}; to be found by {}", bug.origin(), row.found_by)
}
