//! What checkers say, word for word: small histories and all that is said of each, in `stories`.
//!
//! A story is the words of a checker, a history of one event a line (process, type, the rest of an op map; a millisecond
//! apart) and, after a line of dashes, what is said of it: verdict, numbers, anomalies, cycles with their proofs. Stories stand
//! apart by a line of equals signs. They show every turn that verdicts and words take; whether the verdicts are right is asked by
//! the twins. After a change of the words: `STORIES_WRITTEN=1 cargo test -p harness --test told`, and read the difference.

mod judges;

use harness::checker::recovery::Recovery;
use harness::checker::{Checker, Verdict};
use harness::history::History;
use judges::Judge;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const BETWEEN: &str = "==========\n";
const TOLD: &str = "----------\n";

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/told/stories");
    let files = fs::read_dir(folder).expect("the stories are there");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("it is there").path()).collect();
    files.sort();
    files
}

/// A story as it should be.
fn told(story: &str) -> String {
    let asked = story.split_once(TOLD).map_or(story, |(asked, _)| asked);
    let (words, lines) = asked.split_once('\n').expect("a checker, then a history");
    let judge = Judge::by(words);
    format!("{asked}{TOLD}{}", judge.tell(&judge.reading.read(lines)))
}

#[test]
fn every_story_is_told_word_for_word() {
    for file in stories() {
        let text = fs::read_to_string(&file).expect("it is text");
        let all: Vec<String> = text.split(BETWEEN).map(told).collect();
        if std::env::var_os("STORIES_WRITTEN").is_some() {
            fs::write(&file, all.join(BETWEEN)).expect("it can be written");
            continue;
        }
        for (is, should) in text.split(BETWEEN).zip(&all) {
            assert_eq!(is, should, "{}", file.display());
        }
    }
}

#[test]
fn a_verdict_is_an_exit_code() {
    let verdicts = [Verdict::Valid, Verdict::Invalid(Vec::new()), Verdict::Unknown(Vec::new())];
    assert_eq!(verdicts.map(|verdict| verdict.exit_code()), [0, 1, 2]);
}

/// Says no more than it must.
struct Silent;

impl Checker for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    fn check(&self, _history: &History) -> Verdict {
        Verdict::Valid
    }
}

#[test]
fn a_checker_is_asked_for_by_its_name_unless_it_says_more() {
    let history = History::default();
    assert_eq!((Silent.words(), Silent.order(&history)), ("silent".to_owned(), None));
    assert!(Silent.cycles(&history).is_empty());
    let recovery = Recovery { within: Duration::from_secs(1) };
    let called = (Checker::name(&recovery), Checker::words(&recovery));
    assert_eq!(called, ("recovery", "recovery".to_owned()));
}
