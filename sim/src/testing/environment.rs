//! The variables that say what tests of the catalog run. A wrong value is one sentence that names the variable and says what
//! would be right; an empty one is as good as none.
//! Cannot see: variables of another name, so a misspelt one changes nothing.

use super::store_of_the_workspace;
use crate::execute::Case;
use crate::setup;
use crate::sweep::JOBS_MAX;
use harness::cli::setup::Setup;
use harness::seed::Seed;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

pub const SEED: &str = "SEED";
pub const SEEDS: &str = "SEEDS";
pub const JOBS: &str = "JOBS";
pub const ARGS: &str = "ARGS";
pub const STORE: &str = "STORE";

/// What they say.
#[derive(Debug)]
pub struct Environment {
    pub seeds: Seeds,
    pub jobs: NonZeroUsize,
    pub setup: Setup,
    pub store: PathBuf,
}

/// Which seeds, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seeds {
    /// The ones of [`super::SEEDS`].
    Fixed,
    /// So many in a row.
    Row { first: u64, count: u64 },
}

impl Seeds {
    pub fn len(self) -> u64 {
        match self {
            Seeds::Fixed => super::SEEDS.len() as u64,
            Seeds::Row { count, .. } => count,
        }
    }

    /// The seed of this index, below [`Seeds::len`].
    pub fn seed(self, index: u64) -> Seed {
        match self {
            Seeds::Fixed => super::SEEDS[index as usize],
            Seeds::Row { first, .. } => Seed(first + index),
        }
    }
}

impl Environment {
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Environment, String> {
        let text = |name: &str| match variable(name).map(OsString::into_string) {
            Some(Err(value)) => Err(format!("{name} is not text: {}", value.display())),
            Some(Ok(text)) if !text.trim().is_empty() => Ok(Some(text.trim().to_owned())),
            _ => Ok(None),
        };
        let named = |name: &'static str| move |why: String| format!("{name}: {why}");
        let seeds = match (text(SEED)?, text(SEEDS)?) {
            (Some(_), Some(_)) => {
                return Err("SEED and SEEDS are both set: SEED is one seed, SEEDS many".to_owned());
            }
            (Some(seed), None) => {
                Seeds::Row { first: seed.parse::<Seed>().map_err(named(SEED))?.0, count: 1 }
            }
            (None, Some(seeds)) => several(&seeds).map_err(named(SEEDS))?,
            (None, None) => Seeds::Fixed,
        };
        let jobs = match text(JOBS)? {
            None => NonZeroUsize::MIN,
            Some(jobs) => threads(&jobs)?,
        };
        let args = text(ARGS)?.unwrap_or_default();
        let setup = Setup::from_words(&args).map_err(named(ARGS))?;
        let store = variable(STORE).filter(|store| !store.is_empty()).map(PathBuf::from);
        let store = store.unwrap_or_else(store_of_the_workspace);
        Ok(Environment { seeds, jobs, setup, store })
    }

    /// The case of a test, but for its seed.
    pub fn case(&self, test: &str) -> Result<Case, String> {
        setup::case(&self.setup, test, self.seeds.seed(0)).map_err(|why| {
            match self.setup.is_empty() {
                true => why,
                false => format!("{ARGS}: {why}"),
            }
        })
    }
}

fn several(text: &str) -> Result<Seeds, String> {
    let wrong = || {
        format!(
            "`{text}` is neither how many seeds, such as 20, nor a range with something in it, such as 0x1..0x40"
        )
    };
    let Some((first, end)) = text.split_once("..") else {
        let count = text.parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        return Ok(Seeds::Row { first: 1, count });
    };
    let seed = |text: &str| text.trim().parse::<Seed>().map(|seed| seed.0).map_err(|_| wrong());
    let (first, end) = (seed(first)?, seed(end)?);
    let count = end.checked_sub(first).filter(|count| *count > 0).ok_or_else(wrong)?;
    Ok(Seeds::Row { first, count })
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let jobs = text.parse().ok().filter(|jobs| (1..=JOBS_MAX).contains(jobs));
    jobs.and_then(|jobs| NonZeroUsize::new(jobs as usize))
        .ok_or_else(|| format!("{JOBS}: `{text}` is not a number from 1 to {JOBS_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::read(|name| {
            let found = variables.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn variables_say_which_seeds_and_how_many_threads() {
        let seeds = |variables: &[(&str, &str)]| read(variables).expect("all is right").seeds;
        assert_eq!(seeds(&[]), Seeds::Fixed);
        assert_eq!(seeds(&[(SEED, ""), (SEEDS, "  ")]), Seeds::Fixed, "empty is not set");
        assert_eq!(seeds(&[(SEED, "0x2a")]), Seeds::Row { first: 0x2a, count: 1 });
        assert_eq!(seeds(&[(SEEDS, "20")]), Seeds::Row { first: 1, count: 20 });
        assert_eq!(seeds(&[(SEEDS, "0x1..0x40")]), Seeds::Row { first: 1, count: 0x3f });
        let last = seeds(&[(SEED, "0xffffffffffffffff")]);
        assert_eq!((last.len(), last.seed(0)), (1, Seed(u64::MAX)));
        assert_eq!(Seeds::Fixed.seed(2), super::super::SEEDS[2]);
        assert_eq!(read(&[(JOBS, "4")]).expect("all is right").jobs.get(), 4);
        assert_eq!(read(&[(STORE, "/kept")]).expect("all is right").store, PathBuf::from("/kept"));
    }

    #[test]
    fn options_of_a_run_go_over_the_tests_and_the_bugs_own() {
        let words = "--bug exec_on_follower --nodes 3 --time 7";
        let case = read(&[(ARGS, words)]).and_then(|environment| environment.case("redis-append"));
        let case = case.expect("all is right");
        assert_eq!(case.options.nodes, 3);
        assert!(case.words().join(" ").contains("--bug exec_on_follower"), "{:?}", case.words());
        assert!(case.words().join(" ").contains("--time 7"), "{:?}", case.words());
    }

    #[test]
    fn a_wrong_value_is_one_sentence_with_its_variable() {
        for (name, value) in [
            (SEED, "pi"),
            (SEED, "-1"),
            (SEEDS, "0"),
            (SEEDS, "many"),
            (SEEDS, "5..5"),
            (SEEDS, "9..1"),
            (SEEDS, "1.."),
            (JOBS, "0"),
            (JOBS, "4096"),
            (ARGS, "--fire 1"),
            (ARGS, "--nodes"),
            (ARGS, "--faults fire"),
            (ARGS, "--nodes 0"),
            (ARGS, "--bug moth"),
        ] {
            let case =
                read(&[(name, value)]).and_then(|environment| environment.case("redis-append"));
            let sentence = case.err().unwrap_or_else(|| panic!("{name}={value} was taken"));
            let word = value.split(' ').next_back().unwrap_or(value);
            assert!(sentence.starts_with(&format!("{name}: ")), "{sentence}");
            assert!(sentence.contains(word) || sentence.contains("--fire"), "{sentence}");
            assert!(!sentence.contains('\n') && !sentence.ends_with('.'), "{sentence}");
        }
        let both = read(&[(SEED, "1"), (SEEDS, "2")]).expect_err("which one?");
        assert!(both.contains("both set"), "{both}");
    }
}
