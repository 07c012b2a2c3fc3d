//! The picture's structure.

use super::Observed;
use harness::history::Kind;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

fn events() -> Vec<Value> {
    let picture: Value =
        serde_json::from_slice(Observed::get().file("trace.json")).expect("it is JSON");
    assert_eq!(picture["otherData"]["messages"], "all messages are drawn");
    picture["traceEvents"].as_array().expect("a list").clone()
}

fn number(event: &Value, name: &str) -> f64 {
    event[name].as_f64().unwrap_or_else(|| panic!("no {name}: {event}"))
}

#[test]
fn times_ascend_on_each_track_and_slices_nest() {
    let mut tracks: BTreeMap<(u64, u64), Vec<(f64, f64)>> = BTreeMap::new();
    for event in events().iter().filter(|event| event["ph"] == "X") {
        let place = |name: &str| event[name].as_u64().expect("a track");
        let (from, lasts) = (number(event, "ts"), number(event, "dur"));
        tracks.entry((place("pid"), place("tid"))).or_default().push((from, from + lasts));
    }
    // The process, datagrams and streams of each node.
    assert!(tracks.len() > 9);
    for (track, slices) in tracks {
        assert!(slices.is_sorted_by_key(|(from, _)| *from), "{track:?}");
        let mut open: Vec<f64> = Vec::new();
        for (from, to) in slices {
            // Sums of decimals differ in their last digits.
            let near = 1e-4;
            while open.last().is_some_and(|end| *end <= from + near) {
                open.pop();
            }
            assert!(open.last().is_none_or(|end| to <= end + near), "{track:?} at {from}");
            open.push(to);
        }
    }
}

#[test]
fn each_arrow_begins_and_ends_once_and_in_this_order() {
    let events = events();
    let of = |phase: &str| -> BTreeMap<u64, f64> {
        let arrows = events.iter().filter(|event| event["ph"] == phase);
        let all: Vec<(u64, f64)> = arrows
            .map(|arrow| (arrow["id"].as_u64().expect("an id"), number(arrow, "ts")))
            .collect();
        let count = all.len();
        let by_id: BTreeMap<u64, f64> = all.into_iter().collect();
        assert_eq!(by_id.len(), count, "{phase}");
        by_id
    };
    let (begins, ends) = (of("s"), of("f"));
    assert!(begins.len() > 1_000);
    assert!(begins.keys().eq(ends.keys()));
    assert!(begins.iter().all(|(id, at)| ends[id] > *at));
    let lost = events
        .iter()
        .filter(|event| event["name"].as_str().is_some_and(|name| name.ends_with("(cut)")));
    assert!(lost.count() > 0, "what was cut says so");
}

#[test]
fn operations_faults_and_phases_are_drawn() {
    let observed = Observed::get();
    let events = events();
    let asked = observed.outcome.run.history.client_events();
    let asked = asked.filter(|(_, event)| event.kind == Kind::Invoke).count();
    let slices = events.iter().filter(|event| event["ph"] == "X" && event["pid"] == 0);
    let operations = slices.filter(|event| event["tid"].as_u64().is_some_and(|tid| tid >= 100));
    assert_eq!(operations.count(), asked);
    let bands = |phase: &str| -> BTreeSet<u64> {
        let bands = events.iter().filter(|event| event["ph"] == phase);
        bands.map(|band| band["id"].as_u64().expect("an id")).collect()
    };
    let windows = harness::windows::Windows::of(&observed.outcome.run).all.len();
    assert!(windows > 2);
    assert_eq!((bands("b").len(), bands("e").len()), (windows, windows));
    for name in ["set up", "disturb", "heal", "read back", "tear down", "boot 2", "down"] {
        assert!(events.iter().any(|event| event["name"] == name), "{name}");
    }
    let named = |begin: &str| {
        events
            .iter()
            .any(|event| event["name"].as_str().is_some_and(|name| name.starts_with(begin)))
    };
    assert!(named("App to n") && named("HeartbeatResp from n"), "datagrams are read");
}
