//! What is remembered of a failure, as people read and edit it: one TOML file.
//!
//! Promises: a field that is not known is refused, so that a misspelt one is not silently nothing; what is written reads
//! back the same. Options are only those that differ from the test's own, or from what the bug's row makes of them.

use crate::execute::Case;
use crate::signature::Signature;
use elastickv::bug::Bug;
use harness::catalog;
use harness::seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Seeds that are tried if a story does not say.
pub const SPAN: u64 = 32;
/// Above it a check takes too long.
const SPAN_MAX: u64 = 1000;

/// What its runs must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// They show the signature: a planted bug is found.
    Invalid,
    /// They show nothing wrong: what was found is mended.
    Valid,
}

/// One story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// Why it is remembered, in one line.
    pub why: String,
    /// The test's name.
    pub test: String,
    /// The first seed, and the one that it was found with.
    pub seed: String,
    /// Seeds from there on of which one must show it where the plan does not.
    #[serde(default = "span")]
    pub span: u64,
    /// The planted bug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// What its runs must be.
    pub expect: Expect,
    /// What was found, by name; of a valid story what it showed before it was mended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<String>,
    /// Who found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found_by: Option<String>,
    /// Marks that a valid run must reach to be the same story.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    /// The commit at which it was seen.
    pub found_at: String,
    /// Words and values of the options that differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

fn span() -> u64 {
    SPAN
}

impl Story {
    /// From a file's text. `Err` is a sentence.
    pub fn parse(text: &str) -> Result<Story, String> {
        let story: Story = toml::from_str(text).map_err(|error| one_line(&error, text))?;
        story.check()?;
        Ok(story)
    }

    /// The run of one of its seeds.
    pub fn case(&self, seed: Seed) -> Result<Case, String> {
        let case = Case::new(catalog::find(&self.test)?, seed);
        let mut case = match &self.bug {
            Some(bug) => case.with_bug(bug.parse::<Bug>()?)?,
            None => case,
        };
        for (word, value) in &self.options {
            case.options.set(word, value)?;
        }
        Ok(case)
    }

    /// Its first seed.
    pub fn seed(&self) -> Result<Seed, String> {
        self.seed.parse()
    }

    /// What it shows or showed.
    pub fn signature(&self) -> Option<Signature> {
        let (anomaly, found_by) = (self.anomaly.clone()?, self.found_by.clone()?);
        Some(Signature { anomaly, found_by })
    }

    /// What its runs must be, in a few words.
    pub fn says(&self) -> String {
        let shown = self.signature().map(|signature| signature.to_string());
        let reaches = match &self.reaches[..] {
            [] => String::new(),
            reaches => format!(", reaching {}", reaches.join(", ")),
        };
        match (self.expect, shown) {
            (Expect::Invalid, shown) => format!("shows {}", shown.unwrap_or_default()),
            (Expect::Valid, None) => format!("is valid{reaches}"),
            (Expect::Valid, Some(shown)) => format!("is valid{reaches}, and showed {shown}"),
        }
    }

    /// The options of a case as a story keeps them.
    pub fn options_of(case: &Case) -> BTreeMap<String, String> {
        let words = case.options.replay_args(&case.base());
        let pair = |pair: &[String]| (pair[0].trim_start_matches("--").to_owned(), pair[1].clone());
        words.chunks_exact(2).map(pair).collect()
    }

    /// Whether it can be true of anything.
    pub fn check(&self) -> Result<(), String> {
        self.case(self.seed()?)?;
        if !(1..=SPAN_MAX).contains(&self.span) {
            return Err(format!(
                "`span = {}` is no number of seeds: from 1 to {SPAN_MAX}",
                self.span
            ));
        }
        if self.why.trim().is_empty() || self.why.contains('\n') {
            return Err(format!("`why = {:?}` says nothing: one line", self.why));
        }
        match self.expect {
            Expect::Invalid if self.signature().is_none() => {
                Err("`expect = \"invalid\"` needs an `anomaly` and `found_by`".to_owned())
            }
            Expect::Invalid if !self.reaches.is_empty() => {
                Err("`reaches` is for `expect = \"valid\"`: an invalid run is known by its anomaly"
                    .to_owned())
            }
            Expect::Valid if self.bug.is_some() => {
                Err("`expect = \"valid\"` does not go with a `bug`, which is to be found"
                    .to_owned())
            }
            _ if self.anomaly.is_some() != self.found_by.is_some() => {
                Err("`anomaly` and `found_by` go together".to_owned())
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&toml::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// A word or a name as names of stories are written: `exec_on_follower` becomes `exec-on-follower`.
pub fn kebab(name: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let words: String = name.chars().map(word).collect();
    words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

pub(super) fn check_name(name: &str) -> Result<(), String> {
    if !name.is_empty() && kebab(name) == name {
        return Ok(());
    }
    Err(format!(
        "`{name}` is no name of a story: lower-case words, such as votes-survive-a-restart"
    ))
}

/// What the parser says, with the line that it says it of.
fn one_line(error: &toml::de::Error, text: &str) -> String {
    let said = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
    let at = error.span().and_then(|span| Some(text.get(..span.start)?.matches('\n').count() + 1));
    at.map_or(said.clone(), |line| format!("line {line}: {said}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"why = "a follower runs EXEC by itself"
test = "redis-append"
seed = "0x1"
span = 8
bug = "exec_on_follower"
expect = "invalid"
anomaly = "G-single-item-realtime"
found_by = "list-append"
found_at = "9a8792a"

[options]
time = "5"
"#;

    #[test]
    fn a_story_reads_back_as_it_is_written() {
        let story = Story::parse(TEXT).unwrap();
        assert_eq!(story.to_string(), TEXT);
        let case = story.case(Seed(3)).unwrap();
        assert_eq!(case.words().join(" "), "redis-append 0x3 --bug exec_on_follower --time 5");
        assert_eq!(Story::options_of(&case), story.options);
    }

    #[test]
    fn a_wrong_story_is_refused_with_a_sentence_that_names_what_is_wrong() {
        for (from, to, said) in [
            ("span = 8", "spam = 8", "line 4: unknown field `spam`"),
            ("span = 8", "span = 0", "`span = 0` is no number of seeds: from 1 to 1000"),
            ("exec_on_follower", "moth", "`moth` is not a planted bug"),
            ("redis-append", "redis", "there is no test `redis`"),
            ("0x1", "many", "`many`"),
            ("time = \"5\"", "time = \"soon\"", "`soon` does not fit --time"),
            ("time = \"5\"", "colour = \"red\"", "there is no option `colour`"),
            ("\"invalid\"", "\"broken\"", "unknown variant `broken`"),
            ("\"invalid\"", "\"valid\"", "does not go with a `bug`"),
            ("anomaly = \"G-single-item-realtime\"\n", "", "needs an `anomaly`"),
            ("a follower runs EXEC by itself", "", "says nothing"),
            ("found_at", "reaches = [\"forward\"]\nfound_at", "`reaches` is for"),
            ("seed = \"0x1\"\n", "", "missing field `seed`"),
        ] {
            let sentence = Story::parse(&TEXT.replacen(from, to, 1)).unwrap_err();
            assert!(sentence.contains(said), "{to}: {sentence}");
            assert!(!sentence.contains('\n') && !sentence.ends_with('.'), "{sentence}");
        }
    }

    #[test]
    fn names_of_stories_are_words_with_dashes() {
        assert_eq!(kebab("G-single-item [list-append]"), "g-single-item-list-append");
        assert_eq!(kebab("exec_on_follower"), "exec-on-follower");
        assert!(check_name("votes-survive").is_ok());
        for name in ["", "Votes", "../votes", "votes--survive", "-votes", "a b"] {
            assert!(check_name(name).unwrap_err().contains("no name of a story"), "{name}");
        }
    }
}
