//! The trace format itself: tracks, slices, arrows, bands, moments, as JSON.
//!
//! A message takes no time where it leaves or arrives, but an arrow needs a slice to hang on: a moment is drawn a microsecond
//! long, or until the next moment of its track. Times are microseconds with three decimals, from where the run's own time begins.

use super::super::name;
use elastickv::env::GroupId;
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The process that stands for what is done to all.
pub(super) const WORLD: u32 = 1 << 17;
/// As long as a moment is drawn.
const MOMENT_NS: u64 = 1_000;

/// A line of the picture: process and thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Track {
    process: u32,
    thread: u32,
}

const OF_PROCESS: u32 = 1;
const OF_DATAGRAMS: u32 = 2;
const OF_STREAMS: u32 = 3;
const OF_GROUPS: u32 = 10;
const OF_CLIENTS: u32 = 100;

impl Track {
    /// A node's process.
    pub(super) fn process(node: u16) -> Track {
        Track::of(node, OF_PROCESS)
    }

    /// What a node's group leads.
    pub(super) fn leads(node: u16, group: GroupId) -> Track {
        Track::of(node, OF_GROUPS + u32::from(group.0))
    }

    pub(super) fn messages(host: u16, is_datagram: bool) -> Track {
        Track::of(host, if is_datagram { OF_DATAGRAMS } else { OF_STREAMS })
    }

    /// A thread of the clients.
    pub(super) fn client(thread: u32) -> Track {
        Track::of(0, OF_CLIENTS + thread)
    }

    /// What is done to all.
    pub(super) fn world(thread: u32) -> Track {
        Track { process: WORLD, thread }
    }

    fn of(host: u16, thread: u32) -> Track {
        Track { process: host.into(), thread }
    }

    /// Whether it ends with the node's process.
    pub(super) fn is_of_process(self, node: u16) -> bool {
        self.process == u32::from(node) && (self.thread == OF_PROCESS || self.thread >= OF_GROUPS)
    }

    fn name(self) -> String {
        match (self.process, self.thread) {
            (WORLD, 1) => "phases".to_owned(),
            (WORLD, _) => "undone, refused, found".to_owned(),
            (0, thread @ OF_CLIENTS..) => format!("thread {}", thread - OF_CLIENTS),
            (_, OF_PROCESS) => "process".to_owned(),
            (_, OF_DATAGRAMS) => "datagrams".to_owned(),
            (_, OF_STREAMS) => "streams".to_owned(),
            (_, group) => format!("group {}", group - OF_GROUPS),
        }
    }
}

/// Something with a beginning and an end.
#[derive(Clone, Debug)]
pub(super) struct Slice {
    track: Track,
    from: u64,
    /// `None`: it takes no time.
    to: Option<u64>,
    name: String,
    about: String,
    begins: Vec<u64>,
    ends: Option<u64>,
}

impl Slice {
    pub(super) fn new(track: Track, from: u64, name: String) -> Slice {
        Slice {
            track,
            from,
            to: Some(from),
            name,
            about: String::new(),
            begins: Vec::new(),
            ends: None,
        }
    }

    pub(super) fn until(self, to: u64) -> Slice {
        Slice { to: Some(to.max(self.from)), ..self }
    }

    pub(super) fn moment(self) -> Slice {
        Slice { to: None, ..self }
    }

    pub(super) fn about(self, about: &str) -> Slice {
        Slice { about: about.to_owned(), ..self }
    }

    /// These arrows begin in it.
    pub(super) fn beginning(self, arrows: &[u64]) -> Slice {
        Slice { begins: arrows.to_vec(), ..self }
    }

    /// This arrow ends in it.
    pub(super) fn ending(self, arrow: u64) -> Slice {
        Slice { ends: Some(arrow), ..self }
    }
}

/// The whole of it.
pub(super) struct Picture {
    begin: u64,
    names: Vec<Value>,
    slices: BTreeMap<Track, Vec<Slice>>,
    bands: Vec<(u64, Value)>,
    instants: Vec<(u64, Track, Value)>,
}

impl Picture {
    /// Time 0 is then.
    pub(super) fn new(begin: u64) -> Picture {
        Picture {
            begin,
            names: Vec::new(),
            slices: BTreeMap::new(),
            bands: Vec::new(),
            instants: Vec::new(),
        }
    }

    pub(super) fn name_nodes(&mut self, nodes: u16) {
        self.name_process(WORLD, "world", 0);
        self.name_process(0, &name(0), 1);
        for node in 1..=nodes {
            self.name_process(node.into(), &name(node), 1 + u32::from(node));
        }
    }

    fn name_process(&mut self, process: u32, name: &str, place: u32) {
        let names = [
            ("process_name", json!({"name": name})),
            ("process_sort_index", json!({"sort_index": place})),
        ];
        for (what, args) in names {
            self.names.push(json!({"ph": "M", "name": what, "pid": process, "args": args}));
        }
    }

    pub(super) fn slice(&mut self, slice: Slice) {
        self.slices.entry(slice.track).or_default().push(slice);
    }

    /// A band over some time, beside others that overlap it.
    pub(super) fn band(&mut self, number: usize, kind: &str, words: &str, from: u64, to: u64) {
        for (phase, at) in [("b", from), ("e", to.max(from))] {
            let event = json!({"ph": phase, "cat": kind, "name": words, "id": number, "pid": WORLD, "tid": 3});
            self.bands.push((at, event));
        }
    }

    pub(super) fn instant(&mut self, track: Track, at: u64, words: &str) {
        let event = json!({
            "ph": "i", "s": "t", "name": words, "pid": track.process, "tid": track.thread
        });
        self.instants.push((at, track, event));
    }

    /// Events in order of time on each track, and what else is to be said.
    pub(super) fn json(self, about: &[(&str, &str)]) -> String {
        let mut text = String::from("{\"displayTimeUnit\":\"ms\",\"otherData\":{");
        let pairs: Vec<String> =
            about.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        text.push_str(&pairs.join(","));
        text.push_str("},\"traceEvents\":[");
        let moments = self.instants.iter().map(|(_, track, _)| track);
        let tracks: BTreeSet<Track> = self.slices.keys().chain(moments).copied().collect();
        let named = |track: &Track| json!({"ph": "M", "name": "thread_name", "pid": track.process, "tid": track.thread, "args": {"name": track.name()}});
        let mut events: Vec<String> = self.names.iter().map(Value::to_string).collect();
        events.extend(tracks.iter().map(|track| named(track).to_string()));
        let instants = self.instants.into_iter().map(|(at, _, event)| (at, event));
        let mut without_length: Vec<(u64, Value)> =
            self.bands.into_iter().chain(instants).collect();
        without_length.sort_by_key(|(at, _)| *at);
        for (at, mut event) in without_length {
            event["ts"] = time(at.saturating_sub(self.begin));
            events.push(event.to_string());
        }
        for slices in self.slices.into_values() {
            written(slices, self.begin, &mut events);
        }
        text.push_str(&events.join(",\n"));
        text.push_str("]}\n");
        text
    }
}

/// The slices of one track, longer ones before those that they contain, each with its arrows.
fn written(mut slices: Vec<Slice>, begin: u64, events: &mut Vec<String>) {
    slices.sort_by_key(|slice| (slice.from, Reverse(slice.to)));
    let mut next: Option<u64> = None;
    let mut ends: Vec<u64> = Vec::with_capacity(slices.len());
    let mut later = u64::MAX;
    for slice in slices.iter().rev() {
        if next != Some(slice.from) {
            later = next.unwrap_or(u64::MAX);
            next = Some(slice.from);
        }
        ends.push(slice.to.unwrap_or_else(|| (slice.from + MOMENT_NS).min(later)));
    }
    for (slice, to) in slices.iter().zip(ends.into_iter().rev()) {
        let Track { process, thread } = slice.track;
        let at = time(slice.from.saturating_sub(begin));
        let on = |mut event: Value| {
            event["pid"] = process.into();
            event["tid"] = thread.into();
            event["ts"] = at.clone();
            event.to_string()
        };
        let mut drawn = json!({"ph": "X", "name": slice.name, "dur": time(to - slice.from)});
        if !slice.about.is_empty() {
            drawn["args"] = json!({"about": slice.about});
        }
        events.push(on(drawn));
        let arrow = |phase: &str, id: u64| json!({"ph": phase, "cat": "message", "name": "message", "id": id});
        events.extend(slice.begins.iter().map(|id| on(arrow("s", *id))));
        events.extend(slice.ends.map(|id| {
            let mut end = arrow("f", id);
            end["bp"] = "e".into();
            on(end)
        }));
    }
}

/// Microseconds: exact up to 2^53 nanoseconds, a hundred days.
fn time(ns: u64) -> Value {
    json!(ns as f64 / 1e3)
}
