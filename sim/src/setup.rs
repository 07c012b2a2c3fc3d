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
    if let Some(wiring) = &setup.wiring {
        case.wiring = wiring.parse()?;
    }
    setup.apply(&mut case.options)?;
    Ok(case)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str) -> Vec<String> {
        let setup = Setup::from_words(words).expect("they are words of a run");
        case(&setup, "redis-append", Seed(1)).expect("they fit").extra_words()
    }

    #[test]
    fn a_wiring_is_said_again_where_it_is_not_the_usual_one() {
        assert_eq!(said("--wiring verified"), [""; 0]);
        assert_eq!(said("--wiring direct"), ["--wiring", "direct"]);
        let bug = "--bug fence_returns_index";
        assert_eq!(said(&format!("{bug} --wiring direct")).join(" "), bug);
        let other = format!("{bug} --wiring verified");
        assert_eq!(said(&other).join(" "), other);
    }

    #[test]
    fn a_wiring_that_there_is_not_is_refused() {
        let setup = Setup::from_words("--wiring loose").expect("it is a word");
        let refusal = case(&setup, "redis-append", Seed(1)).err();
        assert!(refusal.is_some_and(|why| why.contains("verified or direct")));
    }
}
