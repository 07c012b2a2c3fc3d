//! Shrinking: the same failure in less, whatever the number of threads and however often it is interrupted.

use harness::plan::Plan;
use serde_json::Value;
use sim::shrink::{Journal, JournalError, Shown};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const BUG: &str = "exec_on_follower";
const SEED: &str = "0x9";
const FOLDER: &str = "store/redis-append/0x9";

/// A directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shrink").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

/// Exit code, standard output, standard error.
fn say(room: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.args(words).current_dir(room).output().expect("the binary is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A failing run of some seconds.
fn fails(room: &Path) {
    let words = ["run", "redis-append", "--bug", BUG, "--seed", SEED, "--time", "4"];
    let few = [
        "--faults",
        "kill",
        "--interval",
        "0.3-1",
        "--clients",
        "6",
        "--rate",
        "100",
        "--nodes",
        "3",
    ];
    let (code, out, err) = say(room, &[&words[..], &few].concat());
    assert_eq!(code, Some(1), "{out}{err}");
}

fn shrunk(room: &Path, words: &[&str]) -> Value {
    let (code, out, err) = say(room, &[&["shrink", FOLDER, "--json"], words].concat());
    assert_eq!(code, Some(0), "{out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

fn plan(room: &Path) -> Plan {
    Plan::load(&room.join(FOLDER).join("shrunk.plan")).expect("it was written")
}

#[test]
fn a_shrunk_plan_is_small_and_shows_the_same_failure() {
    let room = room("small");
    fails(&room);
    let said = shrunk(&room, &[]);
    let (before, after) = (&said["before"], &said["after"]);
    assert!(before["ops"].as_u64() > Some(100), "{said}");
    assert!(after["ops"].as_u64() <= Some(12) && after["faults"].as_u64() <= Some(2), "{said}");
    assert!(after["ms"].as_u64() < before["ms"].as_u64(), "{said}");
    let (code, out, err) = say(&room, &["replay", &format!("{FOLDER}/shrunk.plan")]);
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(err.contains("the trace hash is the kept one"), "{err}");
    assert!(out.contains(said["anomaly"].as_str().expect("a name")), "{out}");
    // What is smallest already stays as it is, under a name of its own.
    let again = ["shrink", &format!("{FOLDER}/shrunk.plan"), "--out", "smaller.plan"];
    let (code, out, err) = say(&room, &again);
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("  shrunk:      "), "{out}");
}

#[test]
fn threads_and_interruptions_change_nothing() {
    let (whole, pieces) = (room("whole"), room("pieces"));
    fails(&whole);
    fails(&pieces);
    let one = shrunk(&whole, &["--jobs", "1"]);
    let mut steps = Vec::new();
    for budget in ["20", "70", "4000"] {
        let step = shrunk(&pieces, &["--budget", budget, "--jobs", "3"]);
        steps.push(step["after"]["ops"].as_u64());
    }
    // What was found is not lost to a budget that would not have found it.
    let found = plan(&pieces);
    let less = shrunk(&pieces, &["--budget", "20"]);
    assert_eq!(less["after"]["ops"].as_u64(), steps[2]);
    assert_eq!(plan(&pieces), found);
    // A journal that was cut off in the middle of a line.
    let path = pieces.join(FOLDER).join("shrunk.plan.journal");
    let journal = fs::read(&path).expect("it is there");
    fs::write(&path, &journal[..journal.len() / 2]).expect("it is ours");
    let last = shrunk(&pieces, &[]);
    assert_eq!((&one["after"], &one["runs"]), (&last["after"], &last["runs"]));
    assert_eq!(plan(&whole), plan(&pieces));
    assert!(steps[0] > steps[2], "{steps:?}");
    assert_eq!(fs::read(&path).expect("it is there"), journal, "the same was learned again");
}

#[test]
fn what_cannot_be_shrunk_is_refused_with_a_sentence() {
    let room = room("refused");
    let refused = |words: &[&str], text: &str| {
        let (code, out, err) = say(&room, words);
        assert_eq!(code, Some(3), "{words:?}: {out}{err}");
        assert!(err.contains(text), "{words:?}: {err}");
    };
    refused(&["shrink", "nowhere"], "`nowhere`");
    let calm = ["run", "redis-append-calm", "--time", "1"];
    assert_eq!(say(&room, &calm).0, Some(0));
    refused(&["shrink", "store/redis-append-calm/0x1"], "not invalid");
    fails(&room);
    refused(&["shrink", FOLDER, "--anomaly", "G9"], "`G9` does not fit --anomaly: the run shows");
    refused(&["shrink", FOLDER, "--budget", "x"], "--budget");
    refused(&["shrink", FOLDER, "--budget", "0"], "--budget");
    let journal = room.join(FOLDER).join("shrunk.plan.journal");
    fs::write(&journal, "shrink another\n").expect("it is ours");
    refused(&["shrink", FOLDER], "remove it and its plan to begin anew");
    let file = fs::File::open(&journal).expect("it is there");
    file.lock().expect("nobody else has it");
    refused(&["shrink", FOLDER], "another shrinking is writing it");
    fs::remove_file(&journal).expect("it is there");
    fs::write(room.join(FOLDER).join("shrunk.plan"), "mine").expect("it is ours");
    refused(&["shrink", FOLDER], "shrunk.plan` is there already");
}

#[test]
fn a_journal_is_read_back_but_for_a_line_that_was_cut() -> Result<(), JournalError> {
    let path = room("journal").join("journal");
    let shown = Shown::new(Duration::from_nanos(7), u64::MAX);
    let journal = Journal::open(&path, "a shrinking")?;
    assert!(matches!(Journal::open(&path, "a shrinking"), Err(JournalError::Busy)));
    journal.add(1, None)?;
    journal.add(2, Some(shown))?;
    drop(journal);
    let whole = fs::read(&path)?;
    fs::write(&path, [&whole[..], b"00000000000000"].concat())?;
    let journal = Journal::open(&path, "a shrinking")?;
    assert_eq!(
        (journal.get(1), journal.get(2), journal.get(3)),
        (Some(None), Some(Some(shown)), None)
    );
    journal.add(3, None)?;
    drop(journal);
    assert_eq!(Journal::open(&path, "a shrinking")?.len(), 3);
    assert!(matches!(Journal::open(&path, "another"), Err(JournalError::Other)));
    fs::write(&path, "a shrinking\nnonsense here\n")?;
    assert!(matches!(Journal::open(&path, "a shrinking"), Err(JournalError::Line(2))));
    Ok(())
}
