//! A case in words, and how a command line makes one.

use elastickv::bug::{Bug, Profile};
use harness::cli::output::note;
use harness::cli::setup::Setup;
use sim::bugs;
use sim::execute::Case;

pub use sim::setup::{bug, case, profile};

/// Says which faults of a preset this case cannot have.
pub fn tell_left_out(setup: &Setup, case: &Case) {
    setup.left_out(&case.options).into_iter().for_each(note);
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
    let finder = match row.found_by {
        bugs::STORY => "a story, which no sweep tells".to_owned(),
        checker => format!("{checker} in {}", row.test),
    };
    format!("{bug} ({}): {options}{wiring}; to be found by {finder}", bug.origin())
}

/// The profile and its bugs, unless it is the clean one.
pub fn profile_in_words(profile: Profile) -> Option<String> {
    let bugs = profile.bugs();
    let names = Bug::ALL.into_iter().filter(|bug| bugs.has(*bug)).map(Bug::name);
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| format!("profile {profile}: {}", names.join(", ")))
}
