//! A case in words, and how a command line makes one.

use elastickv::bug::Bug;
use sim::bugs;

pub use sim::setup::{bug, case};

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
