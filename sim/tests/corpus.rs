//! Cases of the corpus: how they are made, kept, checked and recorded again. The cases themselves are in `tests/seeds.rs`.

use elastickv::bug::Bug;
use harness::catalog;
use harness::seed::Seed;
use serde_json::Value;
use sim::corpus::{self, Broken, Expect, Remembered, Story, Way};
use sim::execute::{Case, Outcome};
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const JOBS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");
/// A planted bug that seed 3 shows in a run of [`SMALL`], and its name as a story.
const BUG: (&str, &str) = ("lrange_local_on_follower", "lrange-local-on-follower");
const SMALL: [&str; 10] = [
    "--nodes",
    "3",
    "--clients",
    "3",
    "--time",
    "3",
    "--faults",
    "partition",
    "--interval",
    "0.3-1",
];

/// A directory of the test's own with an empty corpus.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("corpus").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(room.join("seeds")).expect("cargo's directory for tests is ours");
    room
}

/// Exit code, standard output, standard error.
fn say(room: &Path, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let command = command.args(words).current_dir(room).stdin(Stdio::null());
    let output = command.output().expect("the binary is there");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run(room: &Path, words: &[&str], code: i32) {
    let words = [&["run", "redis-append"], words, &SMALL].concat();
    let (ended, out, err) = say(room, &words);
    assert_eq!(ended, Some(code), "{out}{err}");
}

/// Refused with one sentence that says this, and nothing is remembered.
fn refused(room: &Path, words: &[&str], right: &str) {
    let (code, out, err) = say(room, words);
    assert_eq!((code, out.as_str()), (Some(3), ""), "{words:?}: {err}");
    let last = err.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: ") && !last.ends_with('.'), "{err}");
    assert!(last.contains(right), "{words:?}: {last}");
}

/// A story of a small calm run, and the run.
fn calm(reaches: &[&str]) -> (Story, Outcome) {
    let mut case = Case::new(catalog::find("redis-append-calm").expect("a test"), Seed(1));
    for (word, value) in [("nodes", "3"), ("clients", "3"), ("time", "2")] {
        case.options.set(word, value).expect("an option");
    }
    let story = Story {
        why: "nothing happens".to_owned(),
        test: "redis-append-calm".to_owned(),
        seed: "0x1".to_owned(),
        span: 3,
        bug: None,
        expect: Expect::Valid,
        anomaly: None,
        found_by: None,
        reaches: reaches.iter().map(|mark| (*mark).to_owned()).collect(),
        found_at: "unknown".to_owned(),
        options: Story::options_of(&case),
    };
    (story, case.execute().expect("the simulation always runs"))
}

fn written(room: &str, story: Story, outcome: &Outcome) -> Remembered {
    let remembered = Remembered::at(&self::room(room).join("seeds"), "a-story", story);
    let remembered = remembered.expect("a story's name");
    remembered.write(&outcome.plan("", 0)).expect("it is written");
    let read = corpus::read(&remembered.file.with_file_name("..")).expect("it is read");
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].story, remembered.story);
    remembered
}

fn stale(remembered: &Remembered, why: &str) {
    let Err(Broken::Stale(sentence)) = remembered.check(JOBS) else { panic!("it is not stale") };
    let file = remembered.file.display();
    assert!(sentence.starts_with(&format!("{file} is stale: ")), "{sentence}");
    assert!(sentence.contains(why), "{sentence}");
    let again = format!("; `cargo sim remember --again {file}` records it again");
    assert!(sentence.ends_with(&again) && !sentence.contains('\n'), "{sentence}");
}

#[test]
fn a_valid_story_that_reaches_its_marks_holds_and_one_that_does_not_is_stale() {
    let (story, outcome) = calm(&["redis proxy", "lease read"]);
    let shown = written("valid", story, &outcome).check(JOBS);
    let way = shown.map(|shown| shown.way).map_err(|broken| broken.to_string());
    assert_eq!(way, Ok(Way::Plan));
    let (story, outcome) = calm(&["redis proxy", "kill"]);
    let why = "neither its plan nor any of 3 seeds from 0x1 on is valid and reaches `redis proxy`, `kill`";
    stale(&written("unreached", story, &outcome), why);
}

#[test]
fn a_story_whose_signature_no_run_shows_any_more_is_stale() {
    let (story, outcome) = calm(&[]);
    let anomaly = Some("G0".to_owned());
    let found_by = Some("list-append".to_owned());
    let story = Story { expect: Expect::Invalid, anomaly, found_by, ..story };
    let why = "neither its plan nor any of 3 seeds from 0x1 on shows G0 [list-append]";
    stale(&written("signature", story, &outcome), why);
}

#[test]
fn a_plan_that_is_gone_or_of_another_story_makes_a_case_stale() {
    let (story, outcome) = calm(&[]);
    let remembered = written("plan", story, &outcome);
    let mut other = outcome.plan("", 0);
    other.told.extra.insert("bug".to_owned(), Bug::ExecOnFollower.name().to_owned());
    remembered.replace(&other).expect("it is written");
    stale(&remembered, "it is a plan of `redis-append-calm` with `exec_on_follower`");
    fs::remove_file(remembered.plan_file()).expect("it is there");
    stale(&remembered, "its plan is of no use: ");
}

#[test]
fn a_mended_failure_that_is_back_is_told_in_full() {
    let (bug, _) = BUG;
    let case = Case::new(catalog::find("redis-append").expect("a test"), Seed(3));
    let mut case = case.with_bug(bug.parse().expect("a bug")).expect("its row is right");
    for pair in SMALL.chunks(2) {
        case.options.set(pair[0].trim_start_matches('-'), pair[1]).expect("an option");
    }
    let outcome = case.execute().expect("the simulation always runs");
    let (story, _) = calm(&[]);
    // As if it showed without the bug.
    let story = Story { test: "redis-append".to_owned(), ..story };
    let remembered = Remembered::at(Path::new("seeds"), "back", story).expect("a name");
    let Err(Broken::Regression(report)) = remembered.judge(&outcome) else {
        panic!("it is no regression")
    };
    assert!(report.starts_with("seeds/redis-append/back.toml was valid, and is invalid now"));
    for part in ["INVALID   seed 0x3", "[list-append]", "  replay:      cargo sim replay "] {
        assert!(report.contains(part), "{report}");
    }
}

#[test]
fn a_folder_becomes_a_case_that_is_never_written_over_and_can_be_recorded_again() {
    let room = room("remember");
    let (bug, name) = BUG;
    run(&room, &["--seed", "3", "--bug", bug], 1);
    let folder = "store/redis-append/0x3";
    let (code, out, err) = say(&room, &["remember", folder, "--why", "a follower is behind"]);
    assert_eq!(code, Some(0), "{err}");
    let (case, plan) =
        (format!("seeds/redis-append/{name}.toml"), format!("seeds/redis-append/{name}.plan"));
    assert!(out.starts_with(&format!("remembered {case}: shows G-single-item")), "{out}");
    let text = fs::read_to_string(room.join(&case)).expect("it is written");
    assert!(text.contains("expect = \"invalid\"") && text.contains("clients = \"3\""), "{text}");
    refused(&room, &["remember", folder], "it is there already");
    refused(&room, &["remember", &case], &format!("`cargo sim remember --again {case}`"));
    let (code, out, err) = say(&room, &["seeds"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.ends_with("1 of 1 hold, 0 stale, 0 regressions, 0 errors\n"), "{out}");
    // Another name, another place, and the plan by itself.
    let (code, _, err) = say(&room, &["remember", folder, "--as", "behind"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = say(&room, &["remember", &plan, "--as", "behind", "--again"]);
    assert_eq!(code, Some(0), "{err}");
    // It drifts: what is told is typed, and it holds again.
    fs::write(room.join(&plan), "no plan").expect("it is ours");
    let (code, out, err) = say(&room, &["seeds", &case]);
    assert_eq!(code, Some(2), "{out}{err}");
    assert!(out.contains(&format!("`cargo sim remember --again {case}` records it again")));
    let (code, out, err) = say(&room, &["remember", "--again", &case, "--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let told: Value = serde_json::from_str(&out).expect("one object");
    assert_eq!(
        (&told["holds"], &told["story"]["why"]),
        (&true.into(), &"a follower is behind".into())
    );
    let (code, out, err) = say(&room, &["seeds", "--json"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let lines: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let shown: Vec<&Value> = lines[..2].iter().map(|line| &line["shown_by"]).collect();
    assert_eq!(shown, ["its plan", "its plan"]);
    assert_eq!(lines[2]["summary"]["hold"], 2);
}

#[test]
fn a_valid_run_is_remembered_only_for_what_it_reaches() {
    let room = room("reaches");
    run(&room, &["--seed", "1"], 0);
    let folder = "store/redis-append/0x1";
    refused(&room, &["remember", folder], "--expect valid remembers that it is");
    refused(&room, &["remember", folder, "--expect", "invalid"], "the run is valid");
    refused(&room, &["remember", folder, "--expect", "perhaps"], "`perhaps` does not fit --expect");
    let valid = ["remember", folder, "--expect", "valid"];
    refused(&room, &valid, "--why TEXT");
    let valid = [&valid[..], &["--why", "links are cut", "--as", "cut"]].concat();
    refused(&room, &[&valid[..], &["--reaches", "power"]].concat(), "does not reach `power`");
    refused(&room, &[&valid[..], &["--as", "Cut!"]].concat(), "--as");
    refused(&room, &[&valid[..], &["--seeds", "elsewhere"]].concat(), "no corpus `elsewhere`");
    refused(&room, &["remember", "nowhere"], "`nowhere`");
    assert_eq!(fs::read_dir(room.join("seeds")).expect("it is there").count(), 0);
    let (code, out, err) = say(&room, &[&valid[..], &["--reaches", "partition"]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("is valid, reaching partition"), "{out}");
    // What no seed reaches is left as it was.
    let case = room.join("seeds/redis-append/cut.toml");
    let text = fs::read_to_string(&case).expect("it is there");
    let text =
        text.replace("[\"partition\"]", "[\"gravity\"]").replace("time = \"3\"", "time = \"0.2\"");
    fs::write(&case, &text).expect("it is ours");
    let (code, _, err) = say(&room, &["remember", "--again", "seeds/redis-append/cut.toml"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("none of 300 seeds from 0x1 on shows"), "{err}");
    assert_eq!(fs::read_to_string(&case).expect("it is there"), text);
}

#[test]
fn what_is_no_case_in_a_corpus_is_refused_and_an_empty_one_is_unknown() {
    let room = room("strangers");
    let (code, out, err) = say(&room, &["seeds"]);
    assert_eq!(code, Some(2), "{out}{err}");
    let folder = room.join("seeds/redis-append");
    fs::create_dir_all(&folder).expect("it is ours");
    fs::write(folder.join("alone.plan"), "").expect("it is ours");
    refused(&room, &["seeds"], "alone.plan: it belongs to no case");
    fs::write(folder.join("alone.toml"), "why = \"\"\nwhen = \"now\"\n").expect("it is ours");
    refused(&room, &["seeds"], "alone.toml: line 2: unknown field `when`");
    refused(&room, &["seeds", "nowhere"], "there is no corpus `nowhere` here");
    // The folder of one test is no corpus, and a case beside the folders is not passed over.
    refused(&room, &["seeds", "seeds/redis-append"], "a case lies in the folder of its test");
    fs::rename(folder.join("alone.toml"), room.join("seeds/alone.toml")).expect("it is ours");
    refused(&room, &["seeds"], "seeds/alone.toml: a case lies in the folder of its test");
}
