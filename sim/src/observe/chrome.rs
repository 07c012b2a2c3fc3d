//! A picture of a run in Chrome's trace format, which <https://ui.perfetto.dev> opens: a process for each node, for the clients and
//! for what is done to all of them.
//!
//! | process   | tracks                                                                                     |
//! |-----------|--------------------------------------------------------------------------------------------|
//! | `n1`, …   | its process (boots, stops, power), what each group leads, datagrams, packets of streams     |
//! | `clients` | one for each thread: operations, from what was asked to what became of it                   |
//! | `world`   | phases of the run, faults as bands from injection to undoing, what invariants found         |
//!
//! A message is a slice where it leaves and one where it arrives, with an arrow between them; one that does not arrive says why
//! and has none. Acknowledgements of streams are not drawn. Promises: times ascend on each track, slices of a track nest, each
//! arrow that begins ends. Of a long run the newest [`MESSAGES_MAX`] messages are drawn; `otherData` says how many are not.
//!
//! Cannot see: checkers' anomalies, which are found when the run is over; `timeline.html` has them.

use super::{After, Carried, File, Load, Seen, Watch, name};
use crate::cluster::Guest;
use crate::host::Down;
use crate::stream::{Body, Part};
use elastickv::env::{GroupId, Port};
use picture::{Picture, Slice, Track};
use std::collections::BTreeMap;
use std::rc::Rc;

mod of_run;
mod picture;

/// Messages that are drawn, the newest.
const MESSAGES_MAX: usize = 100_000;

/// All that is drawn of a run while it goes on.
pub(super) struct Chrome {
    guest: Option<Rc<dyn Guest>>,
    nodes: u16,
    messages: BTreeMap<u64, Message>,
    left_out: u64,
    slices: Vec<Slice>,
    /// What has begun and not ended, by where it is drawn.
    open: BTreeMap<Track, Vec<Begun>>,
    instants: Vec<(Track, u64, String)>,
    last: u64,
}

struct Message {
    from: u16,
    to: u16,
    left: u64,
    is_datagram: bool,
    name: String,
    about: String,
    came: Vec<u64>,
    lost: Option<&'static str>,
}

struct Begun {
    from: u64,
    name: String,
}

impl Chrome {
    pub(super) fn new(nodes: u16, guest: Option<Rc<dyn Guest>>) -> Chrome {
        Chrome {
            guest,
            nodes,
            messages: BTreeMap::new(),
            left_out: 0,
            slices: Vec::new(),
            open: BTreeMap::new(),
            instants: Vec::new(),
            last: 0,
        }
    }

    fn begin(&mut self, track: Track, from: u64, name: String) {
        self.open.entry(track).or_default().push(Begun { from, name });
    }

    /// What began last on this track ends.
    fn end(&mut self, track: Track, to: u64) {
        if let Some(Begun { from, name }) = self.open.get_mut(&track).and_then(Vec::pop) {
            self.slices.push(Slice::new(track, from, name).until(to));
        }
    }

    fn end_all(&mut self, track: Track, to: u64) {
        while self.open.get(&track).is_some_and(|begun| !begun.is_empty()) {
            self.end(track, to);
        }
    }

    /// Whatever the node's process was doing is over, and something else begins.
    fn process(&mut self, node: u16, now: u64, name: String) {
        let of_node: Vec<Track> =
            self.open.keys().copied().filter(|track| track.is_of_process(node)).collect();
        of_node.into_iter().for_each(|track| self.end_all(track, now));
        self.begin(Track::process(node), now, name);
    }

    fn left(&mut self, now: u64, carried: &Carried<'_>, copies: u8) {
        let Some((name, about)) = self.told(carried) else { return };
        let Carried { tag, from, to, load } = *carried;
        let message = Message {
            from,
            to,
            left: now,
            is_datagram: matches!(load, Load::Datagram { .. }),
            name,
            about,
            came: Vec::with_capacity(copies.into()),
            lost: None,
        };
        self.messages.insert(tag, message);
        if self.messages.len() > MESSAGES_MAX {
            self.messages.pop_first();
            self.left_out += 1;
        }
    }

    /// An old message arrives once more: it is drawn where it arrives only.
    fn again(&mut self, now: u64, carried: &Carried<'_>) {
        let Some((what, about)) = self.told(carried) else { return };
        let track = Track::messages(carried.to, matches!(carried.load, Load::Datagram { .. }));
        let words = format!("{what} from {} (an old one, again)", name(carried.from));
        self.slices.push(Slice::new(track, now, words).moment().about(&about));
    }

    /// A name and what else is worth saying; `None` if it is not drawn.
    fn told(&self, carried: &Carried<'_>) -> Option<(String, String)> {
        match carried.load {
            Load::Datagram { message, .. } => {
                let read = self.guest.as_ref().and_then(|guest| guest.read_datagram(message));
                Some(read.unwrap_or_else(|| (format!("{} bytes", message.len()), String::new())))
            }
            Load::Packet { conn, side, port, body } => {
                let name = match body {
                    Body::Segment { part: Part::Syn, .. } => "SYN".to_owned(),
                    Body::Segment { part: Part::Fin, .. } => "FIN".to_owned(),
                    Body::Segment { part: Part::Data(bytes), .. } => {
                        let asked = side == 0 && port == Port::REDIS.0;
                        let command = asked.then(|| command(bytes)).flatten();
                        command.unwrap_or_else(|| format!("{} bytes", bytes.len()))
                    }
                    Body::Reset => "RST".to_owned(),
                    Body::Ack { .. } | Body::Probe => return None,
                };
                Some((name, format!("stream {conn} to port {port}")))
            }
        }
    }

    fn messages_as_slices(&mut self) {
        for (tag, message) in std::mem::take(&mut self.messages) {
            let Message { from, to, left, is_datagram, name: what, about, came, lost } = message;
            let fate = match (lost, came.len()) {
                (Some(why), 0) => format!(" ({why})"),
                (Some(why), _) => format!(" (one copy: {why})"),
                (None, 0) => " (under way at the end)".to_owned(),
                (None, 1) => String::new(),
                (None, copies) => format!(" (arrives {copies} times)"),
            };
            let arrows: Vec<u64> = (0..came.len() as u64).map(|copy| tag << 2 | copy).collect();
            let sent = format!("{what} to {}{fate}", name(to));
            let sent = Slice::new(Track::messages(from, is_datagram), left, sent);
            self.slices.push(sent.moment().about(&about).beginning(&arrows));
            for (at, arrow) in came.into_iter().zip(arrows) {
                let had = format!("{what} from {}", name(from));
                let had = Slice::new(Track::messages(to, is_datagram), at, had);
                self.slices.push(had.moment().about(&about).ending(arrow));
            }
        }
    }
}

impl Watch for Chrome {
    fn see(&mut self, now: u64, seen: &Seen<'_>) {
        self.last = now;
        match *seen {
            Seen::Booted { node, boot } => self.process(node, now, format!("boot {boot}")),
            Seen::Stopped { node, how: Down::Process } => {
                self.process(node, now, "down".to_owned())
            }
            Seen::Stopped { node, how: Down::Power } => {
                self.process(node, now, "no power".to_owned())
            }
            Seen::Paused { node } => self.begin(Track::process(node), now, "stopped".to_owned()),
            Seen::Resumed { node } => self.end(Track::process(node), now),
            Seen::Wiped { node } => {
                self.instants.push((Track::process(node), now, "disk wiped".to_owned()));
            }
            Seen::Fact { boot: 0, .. } => {}
            Seen::Fact { node, group, fact, .. } => self.fact(now, node, group, fact),
            Seen::Left { ref carried, copies } => self.left(now, carried, copies),
            Seen::Came(ref carried) if carried.tag == 0 => self.again(now, carried),
            Seen::Came(Carried { tag, .. }) => {
                if let Some(message) = self.messages.get_mut(&tag) {
                    message.came.push(now);
                }
            }
            Seen::Lost { tag, why, .. } => {
                if let Some(message) = self.messages.get_mut(&tag) {
                    message.lost = Some(why);
                }
            }
            Seen::Gone { tag } => {
                if let Some(message) = self.messages.get_mut(&tag) {
                    message.lost = Some("to a connection that is over");
                }
            }
            Seen::PowerCut { .. }
            | Seen::Fault(_)
            | Seen::Finding { .. }
            | Seen::Synced { .. }
            | Seen::Mark { .. }
            | Seen::Said { .. } => {}
        }
    }

    fn files(mut self: Box<Self>, after: &After<'_>) -> Vec<File> {
        let tracks: Vec<Track> = self.open.keys().copied().collect();
        tracks.into_iter().for_each(|track| self.end_all(track, self.last));
        self.messages_as_slices();
        let mut picture = Picture::new(after.set_up_at);
        picture.name_nodes(self.nodes);
        self.slices.into_iter().for_each(|slice| picture.slice(slice));
        self.instants.into_iter().for_each(|(track, at, text)| picture.instant(track, at, &text));
        of_run::draw(&mut picture, after);
        let about = match self.left_out {
            0 => "all messages are drawn".to_owned(),
            count => format!("the first {count} messages are not drawn"),
        };
        let bytes = picture.json(&[
            ("test", &after.run.test),
            ("seed", &after.run.seed.to_string()),
            ("messages", &about),
        ]);
        vec![File { path: "trace.json".to_owned(), bytes: bytes.into_bytes() }]
    }
}

impl Chrome {
    fn fact(&mut self, now: u64, node: u16, group: GroupId, fact: &elastickv::env::Fact) {
        use elastickv::env::Fact;
        let track = Track::leads(node, group);
        match fact {
            Fact::Leads { term } => {
                self.end_all(track, now);
                self.begin(track, now, format!("{group} leads in term {term}"));
            }
            Fact::Follows { .. } => self.end_all(track, now),
            Fact::Recovered { .. } | Fact::Installed { .. } => {
                self.instants.push((Track::process(node), now, format!("{group}: {fact}")));
            }
            _ => {}
        }
    }
}

/// The name of the first command in what a client sends.
fn command(bytes: &[u8]) -> Option<String> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let is = |line: Option<&[u8]>, first| line.is_some_and(|line| line.first() == Some(&first));
    if !is(lines.next(), b'*') || !is(lines.next(), b'$') {
        return None;
    }
    let word = std::str::from_utf8(lines.next()?).ok()?;
    (!word.is_empty() && word.len() <= 20).then(|| word.to_ascii_uppercase())
}

#[cfg(test)]
mod tests;
