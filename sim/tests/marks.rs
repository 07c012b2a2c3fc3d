//! The marks that the sources set and the lists of them say the same, so that a sweep's "never reached" leaves none out.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust file below a folder of the workspace.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let (mut folders, mut found) = (vec![root], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it is there") {
            let path = entry.expect("it is there").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "rs" => {
                    let text = fs::read_to_string(&path).expect("it is text");
                    found.push((path, text));
                }
                _ => {}
            }
        }
    }
    found
}

/// The text literals that follow a call of this name, as its last argument; and where a call has none.
fn set_by(call: &str, folder: &str) -> (BTreeSet<String>, Vec<String>) {
    let (mut marks, mut without) = (BTreeSet::new(), Vec::new());
    for (path, text) in sources(folder) {
        // The macro's own lines say `$mark`.
        for (at, _) in text.match_indices(call) {
            let rest = &text[at + call.len()..];
            let quoted: Vec<&str> = rest.splitn(3, '"').collect();
            let [before, mark, after] = quoted[..] else { continue };
            match before.contains(';') || !after.trim_start().starts_with([')', ',']) {
                true => without.push(path.display().to_string()),
                false => drop(marks.insert(mark.to_owned())),
            }
        }
    }
    (marks, without)
}

fn listed(lists: &[&[&str]]) -> BTreeSet<String> {
    lists.iter().flat_map(|list| list.iter()).map(|mark| (*mark).to_owned()).collect()
}

#[test]
fn the_layers_marks_are_all_listed_and_every_listed_one_is_set() {
    let (set, without) = set_by("sometimes!(", "sim/elastickv/src");
    assert_eq!(without, [""; 0], "a mark is a literal");
    assert_eq!(set, listed(&[elastickv::marks::ALL, elastickv::marks::OF_BUGS]));
    let (by_hand, _) = set_by("env.reached(", "sim/elastickv/src");
    assert!(by_hand.is_empty(), "marks are set by `sometimes!`: {by_hand:?}");
}

#[test]
fn the_worlds_marks_are_all_listed_and_every_listed_one_is_counted() {
    let counted = [set_by("self.count(", "sim/src").0, set_by("world.count(", "sim/src").0];
    let counted: BTreeSet<String> = counted.into_iter().flatten().collect();
    assert_eq!(counted, listed(&[sim::marks::OF_THE_WORLD]));
}

#[test]
fn the_harnesss_marks_are_all_listed_and_every_listed_one_is_set() {
    let (set, without) = set_by("sometimes!(", "harness/src");
    assert_eq!(without, [""; 0], "a mark is a literal");
    assert_eq!(set, listed(&[harness::coverage::seen::ALL]));
}

#[test]
fn lists_are_in_order_and_no_mark_is_in_two() {
    let lists = [elastickv::marks::ALL, elastickv::marks::OF_BUGS, sim::marks::OF_THE_WORLD];
    for list in lists.into_iter().chain([harness::coverage::seen::ALL]) {
        assert!(list.is_sorted(), "{list:?}");
    }
    let all: Vec<&str> =
        sim::marks::all().chain(elastickv::marks::OF_BUGS.iter().copied()).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}
