//! The shape of the repository: the crates' arrows as ARCHITECTURE.md draws them, files about one idea, nothing
//! left to do.

use elastickv::bug::Bug;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files over [`LINES_MAX`] lines, and why they are one idea all the same.
const LONG: &[(&str, &str)] = &[];
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("sim is in the workspace")
}

/// The dependencies of each crate of the workspace by kind: `normal`, `dev`, `build`.
fn dependencies() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(root());
    let output = cargo.output().expect("cargo ran this test");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo's metadata is JSON");
    let mut crates: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for package in metadata["packages"].as_array().expect("a list") {
        let kinds = crates.entry(package["name"].as_str().expect("a name").to_owned()).or_default();
        for dependency in package["dependencies"].as_array().expect("a list") {
            let kind = dependency["kind"].as_str().unwrap_or("normal").to_owned();
            let name = dependency["name"].as_str().expect("a name").to_owned();
            kinds.entry(kind).or_default().insert(name);
        }
    }
    crates
}

/// Crate, arrows to our own crates, and what it must not know of.
const ARROWS: &[(&str, &[&str], &[&str])] = &[
    ("harness", &[], &["madsim", "tokio", "rand"]),
    ("elastickv", &[], &["madsim", "tokio", "rand"]),
    ("sim", &["elastickv", "harness"], &["tokio", "madsim-tokio", "rand"]),
    ("real-cluster", &["elastickv", "harness", "time-shim"], &["madsim", "madsim-tokio"]),
    ("time-shim", &[], &["madsim", "madsim-tokio", "tokio", "rand"]),
];

#[test]
fn the_crates_arrows_are_the_ones_drawn() {
    let crates = dependencies();
    let names: Vec<&String> = crates.keys().collect();
    let mut drawn: Vec<&str> = ARROWS.iter().map(|(name, _, _)| *name).collect();
    drawn.sort_unstable();
    assert_eq!(names, drawn, "a crate has no row here");
    for (name, arrows, unknown) in ARROWS {
        let all: BTreeSet<&String> = crates[*name].values().flatten().collect();
        let ours: Vec<&&String> = all.iter().filter(|other| crates.contains_key(**other)).collect();
        assert_eq!(ours, arrows.iter().collect::<Vec<_>>(), "the arrows of {name}");
        for other in *unknown {
            assert!(!all.contains(&(*other).to_owned()), "{name} must not depend on {other}");
        }
    }
    assert!(crates["sim"]["normal"].contains("madsim"), "the simulation stands on madsim");
}

/// Every Rust file of the workspace by its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut folders: Vec<PathBuf> =
        ["harness", "sim", "real-cluster"].iter().map(|name| root.join(name)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it is there") {
            let path = entry.expect("it is there").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("it is inside").display().to_string();
                sources.push((name, fs::read_to_string(&path).expect("it is text")));
            }
        }
    }
    assert!(sources.len() > 50, "the sources were found");
    sources
}

#[test]
fn files_are_about_one_idea() {
    let sources = sources();
    let is_test = |name: &str| name.contains("/tests/") || name.ends_with("/tests.rs");
    for (name, text) in sources.iter().filter(|(name, _)| !is_test(name)) {
        let lines = text.lines().count();
        let reason = LONG.iter().find(|(long, _)| long == name);
        assert!(lines <= LINES_MAX || reason.is_some(), "{name} has {lines} lines: two ideas?");
    }
    for (long, _) in LONG {
        assert!(sources.iter().any(|(name, _)| name == long), "{long} is gone: drop its reason");
    }
}

#[test]
fn every_file_says_what_it_is() {
    // The tests of a module in a file of their own are told by the module.
    for (name, text) in sources().iter().filter(|(name, _)| !name.ends_with("/tests.rs")) {
        assert!(text.starts_with("//! "), "{name} does not open with what it is");
    }
}

#[test]
fn nothing_is_left_to_do_and_no_test_is_left_out() {
    // Put together here so that this file is no hit itself.
    let undone = [
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore]"),
        concat!("dbg", "!("),
    ];
    let allowed = concat!("#[", "allow(");
    for (name, text) in sources() {
        for word in undone {
            assert!(!text.contains(word), "{name} has a {word}");
        }
        assert!(!text.contains(allowed), "{name}: expect with a reason, do not allow");
    }
}

#[test]
fn folders_have_no_mod_rs_and_no_drawer_of_leftovers() {
    for (name, _) in sources() {
        let file = name.rsplit('/').next().unwrap_or_default();
        for wrong in
            ["mod.rs", "util.rs", "utils.rs", "common.rs", "helpers.rs", "manager.rs", "misc.rs"]
        {
            assert_ne!(file, wrong, "{name}: a file is named after its one noun");
        }
    }
}

#[test]
fn documents_lead_somewhere() {
    let root = root();
    for document in ["README.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(root.join(document)).expect("it is there");
        for (_, rest) in text.match_indices("](").map(|(at, mark)| text.split_at(at + mark.len())) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            assert!(
                root.join(target).exists(),
                "{document} points to {target}, which is not there"
            );
        }
    }
}

#[test]
fn the_readme_has_the_detection_table() {
    let text = fs::read_to_string(root().join("README.md")).expect("it is there");
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).skip(1).collect();
    assert_eq!(rows.len(), Bug::ALL.len());
    for (bug, row) in Bug::ALL.into_iter().zip(rows) {
        for cell in [bug.name(), bug.origin(), sim::bugs::row(bug).found_by] {
            assert!(row.contains(cell), "`{cell}` of {bug} is missing in: {row}");
        }
    }
}
