//! `--explain`, driven as a person drives it: an invalid run has its explanation, any run and any file can get one, and the smaller
//! history says the same as the whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An empty directory of the test's own.
fn room(name: &str) -> PathBuf {
    let room = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain").join(name);
    let _ = fs::remove_dir_all(&room);
    fs::create_dir_all(&room).expect("cargo's directory for tests is ours");
    room
}

fn say(room: &Path, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    let output = command.current_dir(room).stdin(Stdio::null()).args(words).output();
    let output = output.expect("the binary is there");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().expect("no signal ended it"), String::from_utf8_lossy(&said).into_owned())
}

/// The words after `cargo sim` in the last line of an anomaly's text, and the anomaly's name.
fn again(text: &str) -> (Vec<String>, String) {
    let line = text.lines().last().expect("it has lines");
    let words = line.strip_prefix("Again: cargo sim ").expect("it says how");
    let name = text.split(':').next().expect("it begins with its name");
    (words.split(' ').map(str::to_owned).collect(), name.to_owned())
}

/// Every smaller history of a folder says what the whole said.
fn holds_again(folder: &Path) -> usize {
    let anomalies = folder.join("anomalies");
    let mut smaller = 0;
    for entry in fs::read_dir(&anomalies).expect("it is there") {
        let path = entry.expect("it is there").path();
        if path.extension().is_some_and(|ending| ending == "txt") {
            let text = fs::read_to_string(&path).expect("it is text");
            if !path.with_extension("jsonl").exists() {
                continue;
            }
            let (words, name) = again(&text);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (code, said) = say(&anomalies, &words);
            assert_eq!(code, 1, "{words:?}: {said}");
            assert!(said.contains(&name), "{name}: {said}");
            smaller += 1;
        }
    }
    smaller
}

#[test]
fn an_invalid_run_has_its_timeline_and_smaller_histories_that_say_the_same() {
    let room = room("run");
    let words = "run redis-append --bug lrange_local_on_follower --time 8 --rate 150 --faults none";
    let (code, said) = say(&room, &words.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 1, "{said}");
    let line = |of: &str| said.lines().find_map(|line| line.trim().strip_prefix(of).map(str::trim));
    let folder = room.join(line("folder:").expect("it is kept"));
    assert_eq!(line("timeline:").map(|page| room.join(page)), Some(folder.join("timeline.html")));
    let report = fs::read_to_string(folder.join("report.txt")).expect("it is there");
    assert!(report.ends_with("  timeline:    timeline.html\n"), "{report}");
    let page = fs::read_to_string(folder.join("timeline.html")).expect("it is there");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(holds_again(&folder) > 0);

    // The same once more, elsewhere, byte for byte.
    let (code, said) = say(&room, &["show", folder.to_str().expect("text"), "--explain", "told"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(fs::read_to_string(room.join("told/timeline.html")).expect("it is there"), page);
}

#[test]
fn a_file_is_explained_in_a_new_folder_and_an_old_one_is_left_alone() {
    let room = room("file");
    let history = r#"{"index":0,"type":"invoke","process":0,"f":"write","value":[7,1],"time":1}
{"index":1,"type":"ok","process":0,"f":"write","value":[7,1],"time":2}
{"index":2,"type":"invoke","process":0,"f":"write","value":[7,2],"time":3}
{"index":3,"type":"ok","process":0,"f":"write","value":[7,2],"time":4}
{"index":4,"type":"invoke","process":1,"f":"read","value":[7,null],"time":5}
{"index":5,"type":"ok","process":1,"f":"read","value":[7,1],"time":6}
"#;
    fs::write(room.join("stale.jsonl"), history).expect("there is room");
    let words = ["check", "register", "stale.jsonl", "--explain", "told"];
    let (code, said) = say(&room, &words);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("timeline: told/timeline.html"), "{said}");
    assert_eq!(holds_again(&room.join("told")), 1);
    fs::write(room.join("told/timeline.html"), "mine").expect("it is there");
    let (code, said) = say(&room, &words);
    assert_eq!(
        (code, said.trim()),
        (3, "error: told is there already: an explanation goes into a new folder")
    );
    assert_eq!(fs::read_to_string(room.join("told/timeline.html")).expect("it is there"), "mine");
}

#[test]
fn what_a_history_is_made_of_is_said_again() {
    let room = room("of");
    let history = r#"{"index":0,"type":"invoke","process":0,"f":"add","value":[7,1],"time":1}
{"index":1,"type":"ok","process":0,"f":"add","value":[7,1],"time":2}
{"index":2,"type":"invoke","process":1,"f":"read","value":[7,null],"time":5}
{"index":3,"type":"ok","process":1,"f":"read","value":[7,[]],"time":6}
"#;
    fs::write(room.join("lost.jsonl"), history).expect("there is room");
    let words = ["check", "durability", "lost.jsonl", "--of", "set", "--explain", "told"];
    let (code, said) = say(&room, &words);
    assert_eq!(code, 1, "{said}");
    assert_eq!(holds_again(&room.join("told")), 1);
}
