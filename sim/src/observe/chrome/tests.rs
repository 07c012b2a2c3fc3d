use super::super::{Carried, Load};
use super::*;
use bytes::Bytes;
use elastickv::env::{Fact, Lane};
use harness::cluster::Finding;
use harness::run::Run;
use harness::seed::Seed;
use serde_json::Value;
use std::time::Duration;

fn send(chrome: &mut Chrome, now: u64, tag: u64, copies: u8) {
    let message = Bytes::from_static(b"x");
    let load = Load::Datagram { lane: Lane::Normal, message: &message };
    chrome.see(now, &Seen::Left { carried: Carried { tag, from: 1, to: 2, load }, copies });
}

fn arrive(chrome: &mut Chrome, now: u64, tag: u64) {
    let message = Bytes::from_static(b"x");
    let load = Load::Datagram { lane: Lane::Normal, message: &message };
    chrome.see(now, &Seen::Came(Carried { tag, from: 1, to: 2, load }));
}

fn drawn(chrome: Chrome) -> Value {
    drawn_of(chrome, &Run::new("redis-append", Seed(1), &[], Vec::new()))
}

fn drawn_of(chrome: Chrome, run: &Run) -> Value {
    let after = After { run, set_up_at: 0, threads: 1 };
    let files = Box::new(chrome).files(&after);
    assert_eq!(files[0].path, "trace.json");
    serde_json::from_slice(&files[0].bytes).expect("it is JSON")
}

fn of_phase<'v>(picture: &'v Value, phase: &str) -> Vec<&'v Value> {
    let events = picture["traceEvents"].as_array().expect("a list");
    events.iter().filter(|event| event["ph"] == phase).collect()
}

/// Names, beginnings and lengths.
fn slices(picture: &Value) -> Vec<(&str, f64, f64)> {
    let all = of_phase(picture, "X").into_iter().map(|event| {
        let number = |name: &str| event[name].as_f64().expect("a number");
        (event["name"].as_str().expect("a name"), number("ts"), number("dur"))
    });
    all.collect()
}

#[test]
fn a_message_has_an_arrow_if_it_arrives_and_says_why_if_it_does_not() {
    let mut chrome = Chrome::new(2, None);
    send(&mut chrome, 5_000, 1, 1);
    send(&mut chrome, 5_000, 2, 1);
    send(&mut chrome, 5_400, 3, 0);
    chrome.see(5_400, &Seen::Lost { tag: 3, from: 1, why: "cut" });
    arrive(&mut chrome, 9_000, 2);
    arrive(&mut chrome, 9_500, 1);
    let picture = drawn(chrome);
    let expected = [
        ("1 bytes to n2", 5.0, 0.4),
        ("1 bytes to n2", 5.0, 0.4),
        ("1 bytes to n2 (cut)", 5.4, 1.0),
        ("1 bytes from n1", 9.0, 0.5),
        ("1 bytes from n1", 9.5, 1.0),
    ];
    assert_eq!(slices(&picture), expected);
    let ids = |phase| -> Vec<u64> {
        let all = of_phase(&picture, phase).into_iter();
        all.map(|event| event["id"].as_u64().expect("an id")).collect()
    };
    assert_eq!((ids("s"), ids("f")), (vec![4, 8], vec![8, 4]));
}

#[test]
fn an_old_message_that_comes_again_is_drawn_without_an_arrow() {
    let mut chrome = Chrome::new(2, None);
    arrive(&mut chrome, 7_000, 0);
    let picture = drawn(chrome);
    assert_eq!(of_phase(&picture, "X")[0]["name"], "1 bytes from n1 (an old one, again)");
    assert!(of_phase(&picture, "s").is_empty() && of_phase(&picture, "f").is_empty());
}

#[test]
fn what_a_node_leads_ends_with_its_process() {
    let mut chrome = Chrome::new(1, None);
    let leads = Fact::Leads { term: 3 };
    chrome.see(0, &Seen::Booted { node: 1, boot: 1 });
    chrome.see(1_000, &Seen::Fact { node: 1, boot: 1, group: GroupId::DEFAULT, fact: &leads });
    chrome.see(2_000, &Seen::Paused { node: 1 });
    chrome.see(3_000, &Seen::Stopped { node: 1, how: Down::Process });
    chrome.see(4_000, &Seen::Booted { node: 1, boot: 2 });
    let picture = drawn(chrome);
    let expected = [
        ("boot 1", 0.0, 3.0),
        ("stopped", 2.0, 1.0),
        ("down", 3.0, 1.0),
        ("boot 2", 4.0, 0.0),
        ("g1 leads in term 3", 1.0, 2.0),
    ];
    assert_eq!(slices(&picture), expected);
}

#[test]
fn what_was_found_is_a_moment_on_a_track_with_a_name_and_events_are_in_order() {
    let mut run = Run::new("redis-append", Seed(1), &[], Vec::new());
    for (ms, name) in [(9, "late"), (4, "early")] {
        let (name, text) = (name.to_owned(), "it broke".to_owned());
        run.artifacts.findings.push(Finding { time: Duration::from_millis(ms), name, text });
    }
    let picture = drawn_of(Chrome::new(1, None), &run);
    let moments = of_phase(&picture, "i");
    let words: Vec<&Value> = moments.iter().map(|moment| &moment["name"]).collect();
    assert_eq!(words, ["early: it broke", "late: it broke"]);
    let of = |event: &Value| (event["pid"].clone(), event["tid"].clone());
    let named = of_phase(&picture, "M").into_iter().find(|event| of(event) == of(moments[0]));
    assert_eq!(named.expect("the track has a name")["args"]["name"], "undone, refused, found");
}

#[test]
fn of_too_many_messages_the_first_are_left_out_and_counted() {
    let mut chrome = Chrome::new(2, None);
    for tag in 0..MESSAGES_MAX as u64 + 3 {
        send(&mut chrome, tag * 10, tag, 1);
    }
    // Of one that is not drawn any more.
    arrive(&mut chrome, 2_000_000, 1);
    arrive(&mut chrome, 2_000_000, 3);
    let picture = drawn(chrome);
    assert_eq!(picture["otherData"]["messages"], "the first 3 messages are not drawn");
    assert_eq!(of_phase(&picture, "X").len(), MESSAGES_MAX + 1);
    assert_eq!((of_phase(&picture, "s").len(), of_phase(&picture, "f").len()), (1, 1));
}

#[test]
fn a_command_is_named_by_its_first_word() {
    assert_eq!(command(b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n"), Some("GET".to_owned()));
    assert_eq!(command(b"+OK\r\n"), None);
    assert_eq!(command(b"*2\r\n"), None);
    assert_eq!(command(b""), None);
}
