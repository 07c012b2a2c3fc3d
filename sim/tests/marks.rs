//! The marks that the sources set and the lists of them say the same, so that a sweep's "never reached" leaves none out.

use harness::catalog;
use harness::checker::Verdict;
use harness::seed::Seed;
use sim::execute::{Case, Outcome};
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
fn rare_branches_are_all_listed_and_every_listed_one_is_somewhere() {
    let (set, without) = set_by(".buggify(", "sim/elastickv/src");
    assert_eq!(without, [""; 0], "a branch has a literal name");
    let of_layers: BTreeSet<String> = set.into_iter().filter(|name| name != "rare").collect();
    assert_eq!(of_layers, listed(&[elastickv::marks::RARE]));
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
    let lists = [
        elastickv::marks::ALL,
        elastickv::marks::RARE,
        elastickv::marks::OF_BUGS,
        sim::marks::OF_THE_WORLD,
    ];
    for list in lists.into_iter().chain([harness::coverage::seen::ALL]) {
        assert!(list.is_sorted(), "{list:?}");
    }
    let all: Vec<&str> =
        sim::marks::all().chain(elastickv::marks::OF_BUGS.iter().copied()).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}

/// A run of five seconds with this many rare branches of a hundred.
fn ran(seed: u64, buggify: u8) -> Outcome {
    let mut case = Case::new(catalog::find("redis-append").expect("it is there"), Seed(seed));
    for (word, value) in [("nodes", "3"), ("time", "5"), ("faults", "none"), ("rate", "50")] {
        case.options.set(word, value).expect("it is an option");
    }
    case.options.buggify = buggify;
    case.execute().expect("a simulated cluster starts")
}

fn rare(outcome: &Outcome) -> BTreeSet<&str> {
    let reached = outcome.run.artifacts.counters.keys();
    reached.map(String::as_str).filter(|mark| mark.starts_with("rare: ")).collect()
}

#[test]
fn rare_branches_are_taken_only_where_they_are_asked_for_and_a_sound_store_bears_them() {
    let mut taken = BTreeSet::new();
    for seed in 1..9 {
        let outcome = ran(seed, 50);
        assert_eq!(outcome.judgement.verdict, Verdict::Valid, "seed {seed}");
        assert!(rare(&outcome).iter().all(|mark| elastickv::marks::RARE.contains(mark)));
        taken.extend(rare(&outcome).into_iter().map(str::to_owned));
    }
    assert!(taken.len() > 3, "{taken:?}");
    assert_eq!(rare(&ran(1, 0)), BTreeSet::new());
}

#[test]
fn a_run_with_rare_branches_is_the_same_again_also_from_its_plan() {
    let taking = (1..20).map(|seed| ran(seed, 50)).find(|outcome| !rare(outcome).is_empty());
    let first = taking.expect("a quarter of the branches is in each run");
    let again = ran(first.case.seed.0, 50);
    assert_eq!(again.run.artifacts.trace_hash, first.run.artifacts.trace_hash);
    let plan = Case::planned(first.plan("", 0), "a.plan").expect("it is a plan of a test");
    let planned = plan.execute().expect("a simulated cluster starts");
    assert_eq!(planned.run.artifacts.trace_hash, first.run.artifacts.trace_hash);
    let without = ran(first.case.seed.0, 0);
    assert_ne!(without.run.artifacts.trace_hash, first.run.artifacts.trace_hash);
}
