//! What of the picture is known when the run is over: operations, faults, phases, findings.

use super::super::After;
use super::picture::{Picture, Slice, Track};
use harness::history::{Event, Kind, Process};
use harness::windows::Windows;
use std::collections::BTreeMap;
use std::time::Duration;

const PHASES: u32 = 1;
const MOMENTS: u32 = 2;

pub(super) fn draw(picture: &mut Picture, after: &After<'_>) {
    let at = |time: Duration| time.as_nanos() as u64 + after.set_up_at;
    let run = after.run;
    for (number, window) in Windows::of(run).all.iter().enumerate() {
        picture.band(number, window.kind.name(), &window.fault, at(window.from), at(window.to));
    }
    for injection in &run.injections {
        let words = match &injection.error {
            Some(error) => format!("{}: {error}", injection.fault),
            None if injection.fault.kind().is_none() => injection.fault.to_string(),
            None => continue,
        };
        picture.instant(Track::world(MOMENTS), at(injection.time), &words);
    }
    for finding in &run.artifacts.findings {
        let words = format!("{}: {}", finding.name, finding.text);
        picture.instant(Track::world(MOMENTS), at(finding.time), &words);
    }
    let ends = run.phases.iter().skip(1).map(|(_, begin)| *begin).chain([run.lasted()]);
    for ((phase, begin), end) in run.phases.iter().zip(ends) {
        let slice = Slice::new(Track::world(PHASES), at(*begin), phase.to_string());
        picture.slice(slice.until(at(end)));
    }
    operations(picture, after);
}

fn operations(picture: &mut Picture, after: &After<'_>) {
    let at = |time: Duration| time.as_nanos() as u64 + after.set_up_at;
    let mut asked: BTreeMap<u32, &Event> = BTreeMap::new();
    let mut draw = |process: u32, invocation: &Event, end: Duration, what: &str, about: &str| {
        let node = invocation.node.map_or_else(String::new, |node| format!(" of {node}"));
        let name = format!("{what}: {}", invocation.op);
        let slice = Slice::new(Track::client(process % after.threads), at(invocation.time), name);
        picture.slice(slice.until(at(end)).about(&format!("p{process} asks{node}{about}")));
    };
    for (_, event) in after.run.history.client_events() {
        let Process::Client(process) = event.process else { continue };
        if event.kind == Kind::Invoke {
            asked.insert(process, event);
        } else if let Some(invocation) = asked.remove(&process) {
            let what = match event.kind {
                Kind::Ok => "ok",
                Kind::Fail => "fail",
                Kind::Info | Kind::Invoke => "info",
            };
            let about = match &event.error {
                Some(error) => format!(": {error}"),
                None => format!(": {}", event.op),
            };
            draw(process, invocation, event.time, what, &about);
        }
    }
    for (process, invocation) in asked {
        draw(process, invocation, after.run.lasted(), "info", ": no answer");
    }
}
