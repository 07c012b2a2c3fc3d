//! The workflows do nothing that cannot be done here: every `run:` is a script of `.ci/`, and `.ci/run` runs each.
//! Cannot see: what GitHub makes of the rest; `.ci/workflows` asks its schema.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("sim is in the workspace")
}

fn script(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The lines of all workflows, each with its file's name.
fn lines() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join(".github/workflows")).expect("it is there");
    let mut lines = Vec::new();
    for path in entries.map(|entry| entry.expect("it is there").path()) {
        let text = fs::read_to_string(&path).expect("it is text");
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        lines.extend(text.lines().map(|line| (name.clone(), line.to_owned())));
    }
    lines
}

/// What the workflows say after a key, wherever it stands.
fn values(key: &str) -> Vec<(String, String)> {
    let value = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("- ").unwrap_or(line);
        line.strip_prefix(key).map(|value| value.trim().to_owned())
    };
    lines().into_iter().filter_map(|(file, line)| Some((file, value(&line)?))).collect()
}

#[test]
fn every_run_is_one_script_of_the_repository() {
    let runs = values("run:");
    assert!(runs.len() > 4, "{runs:?}");
    for (file, run) in runs {
        let words: Vec<&str> = run.split(' ').collect();
        assert!(words.len() <= 2 && words[0].starts_with(".ci/"), "{file}: run: {run}");
        let plain = |c: char| c.is_ascii_lowercase() || matches!(c, '.' | '/' | ' ');
        assert!(run.chars().all(plain), "{file}: run: {run}");
        let about = fs::metadata(root().join(words[0]));
        let about = about.unwrap_or_else(|error| panic!("{file}: {}: {error}", words[0]));
        assert!(about.permissions().mode() & 0o111 != 0, "{} is not executable", words[0]);
    }
}

#[test]
fn the_gate_runs_every_script_of_the_workflows() {
    let gate = script(".ci/run");
    assert!(gate.contains(" .ci/rehearsal\n") && gate.contains(" .ci/workflows\n"), "{gate}");
    let rehearsal = script(".ci/rehearsal");
    for (file, run) in values("run:").into_iter().filter(|(_, run)| run != ".ci/run") {
        let called = rehearsal.lines().any(|line| line.ends_with(&run));
        assert!(called, "{file}: .ci/rehearsal does not run `{run}`");
    }
}

#[test]
fn every_action_is_pinned_by_its_commit_and_says_its_version() {
    let uses = values("uses:");
    assert!(uses.len() > 4, "{uses:?}");
    for (file, action) in uses {
        let (_, pin) = action.split_once('@').unwrap_or_else(|| panic!("{file}: {action}"));
        let (commit, version) = pin.split_once(" # v").unwrap_or_else(|| panic!("{file}: {pin}"));
        let is_commit = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        assert!(is_commit && !version.is_empty(), "{file}: {action}");
    }
}
