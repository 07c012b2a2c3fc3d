//! `--observe`: where what is observed goes, and when it goes nowhere.

use super::{BUG, SMALL, room, say};
use std::fs;
use std::path::Path;

fn observed(folder: &Path) -> Vec<&'static str> {
    let all = [
        "log.txt",
        "n1/log.txt",
        "n3/metrics.om",
        "n2/tcpdump.pcapng",
        "clients/tcpdump.pcapng",
        "trace.json",
    ];
    all.into_iter().filter(|name| folder.join(name).is_file()).collect()
}

#[test]
fn a_run_is_observed_into_its_folder_and_a_replay_into_the_same() {
    let room = room("observe");
    let run: Vec<&str> =
        ["run", "redis-append"].into_iter().chain(SMALL).chain(["--observe", "metrics"]).collect();
    assert_eq!(say(&room, &run).code, 0);
    let folder = room.join("store/redis-append/0x1");
    assert_eq!(observed(&folder), ["n3/metrics.om"]);
    let metrics = fs::read(folder.join("n3/metrics.om")).expect("it is there");
    let name = folder.to_str().expect("it is text");
    let said = say(&room, &["replay", name, "--observe", "everything"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.err.contains("observed into"), "{}", said.err);
    assert_eq!(observed(&folder).len(), 6);
    let again = fs::read(folder.join("n3/metrics.om")).expect("it is there");
    assert_eq!(metrics, again, "the same run has the same numbers");
}

#[test]
fn what_is_another_run_is_not_observed_into_a_folder() {
    let room = room("observe_another");
    let run: Vec<&str> = ["run", "redis-append"].into_iter().chain(SMALL).collect();
    assert_eq!(say(&room, &run).code, 0);
    let name = "store/redis-append/0x1";
    let message = ["replay", name, "--message", "n1-n2:17=lost", "--observe", "logs"];
    let said = say(&room, &message);
    assert_eq!(said.code, 3, "{}", said.err);
    assert!(said.err.contains("--out DIR"), "{}", said.err);
    assert_eq!(observed(&room.join(name)), [""; 0]);
    let kept: Vec<&str> = message.into_iter().chain(["--out", "others"]).collect();
    assert_eq!(say(&room, &kept).code, 0);
    assert_eq!(observed(&room.join("others/redis-append/0x1")), ["log.txt", "n1/log.txt"]);
}

#[test]
fn an_invalid_run_names_the_command_that_observes_it() {
    let room = room("observe_invalid");
    let run: Vec<&str> = ["run", "redis-append", "--bug", BUG].into_iter().chain(SMALL).collect();
    let said = say(&room, &run);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let line = said.out.lines().find(|line| line.starts_with("  observe:     cargo sim "));
    let line = line.unwrap_or_else(|| panic!("nothing says how: {}", said.out));
    let words: Vec<&str> = line.split_whitespace().skip(3).collect();
    assert_eq!(words.join(" "), "replay store/redis-append/0x1 --observe everything");
    let said = say(&room, &words);
    assert_eq!(said.code, 1, "it is invalid again: {}", said.err);
    assert_eq!(observed(&room.join("store/redis-append/0x1")).len(), 6);
}
