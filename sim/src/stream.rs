//! Byte streams that behave as kernels do.
//!
//! A connection has two ends, each kept by the kernel of its machine. SYN, data and FIN are retransmitted (0.2 s,
//! doubling) until they are acknowledged: across a cut they arrive after the heal, or the connection fails with
//! `TimedOut` ([`CONNECT_LIMIT_NS`], [`SILENCE_LIMIT_NS`]). A reset is sent once and lost in a cut.
//!
//! | the other side | what is seen |
//! |---|---|
//! | has no listener on the port | `ConnectionRefused` |
//! | is cut off, or has no power | silence, then `TimedOut` |
//! | was killed | `ConnectionReset`, now or at the next packet that passes |
//! | lost power and is back | `ConnectionReset` at the next packet that passes: its kernel remembers nothing |
//! | is paused | connects, takes up to [`WINDOW_BYTES`], answers nothing |
//! | is cut off from outside | `ConnectionReset` at once, or silence: see `cut_off` |
//! | closed | end of file after the last byte; it resets if it closed with bytes unread |
//!
//! Cannot show: packets of a stream overtaking each other, selective acknowledgements, congestion control, time-outs that
//! learn from a slow link: what takes longer than the first of them is sent several times.

mod cut_off;
mod end;
mod socket;

pub(crate) use end::{Body, Part};
pub use end::{CONNECT_LIMIT_NS, RETRY_FIRST_NS, SILENCE_LIMIT_NS, WINDOW_BYTES};
pub(crate) use socket::{Dial, listen};
pub use socket::{SimListener, SimSocket};

use crate::net::Blame;
use crate::observe::{Carried, Load, Seen};
use crate::trace::Kind;
use crate::world::World;
use crate::{host::Down, timers::Event};
use cut_off::CutOff;
use end::{Due, End, Holder, State};
use std::collections::BTreeMap;
use std::io;

/// Connections that wait for `accept`; a SYN beyond them is dropped.
const BACKLOG_MAX: usize = 128;
/// Headers of a packet on the wire.
const HEADER_BYTES: usize = 66;

/// A packet under way.
pub(crate) struct Packet {
    conn: u64,
    to: usize,
    body: Body,
    blame: Blame,
    /// What watchers know it by.
    tag: u64,
}

/// Time to look whether an end must send something again.
pub(crate) struct Retry {
    conn: u64,
    side: usize,
}

/// All connections that some kernel still knows.
#[derive(Default)]
pub(crate) struct Streams {
    conns: BTreeMap<u64, Conn>,
    opened: u64,
    cut_off: CutOff,
}

impl Streams {
    /// Ends of connections that a host's kernel keeps.
    pub(crate) fn ends_at(&self, host: u16) -> usize {
        let sides = self.conns.values().flat_map(|conn| conn.hosts.iter().zip(&conn.ends));
        sides.filter(|(at, end)| **at == host && matches!(end, Slot::Live(_))).count()
    }
}

/// Side 0 dialled, side 1 listens.
struct Conn {
    hosts: [u16; 2],
    port: u16,
    ends: [Slot; 2],
    /// A second SYN must not open it again.
    accepted: bool,
    /// When the latest packet to each side arrives: later ones come after it.
    latest: [u64; 2],
    /// The injection that lets packets to a side vanish.
    deaf: [Option<usize>; 2],
}

/// What a kernel knows of its end.
enum Slot {
    /// Nothing: it answers with a reset.
    Unknown,
    Live(Box<End>),
    /// It ended well: it acknowledges what is repeated.
    Closed,
}

impl Streams {
    /// Bytes that a host's kernel holds for its process, in both directions.
    pub(crate) fn held(&self, host: u16) -> u64 {
        let sides = self.conns.values().flat_map(|conn| conn.hosts.iter().zip(&conn.ends));
        let ends = sides.filter_map(|(of, slot)| match slot {
            Slot::Live(end) if *of == host => Some(end.held()),
            _ => None,
        });
        ends.sum()
    }
}

impl Conn {
    fn end(&mut self, side: usize) -> Option<&mut End> {
        match &mut self.ends[side] {
            Slot::Live(end) => Some(end),
            Slot::Unknown | Slot::Closed => None,
        }
    }

    /// Whether a client asks over it. An operator asks on another port.
    fn is_of_client(&self) -> bool {
        self.hosts[0] == 0 && self.port == elastickv::env::Port::REDIS.0
    }

    fn is_gone(&self) -> bool {
        !self.ends.iter().any(|slot| matches!(slot, Slot::Live(_)))
    }
}

impl World {
    /// A process dials.
    fn dial(&self, host: u16, to: u16, port: u16) -> u64 {
        // A connection keeps the address that it was dialled at.
        let missed = self.misses(host, to);
        let mut streams = self.streams.borrow_mut();
        streams.opened += 1;
        let id = streams.opened;
        let mut end = Box::new(End::opening(Holder::Process, 0));
        let syn = end.enqueue(self.now(), Part::Syn);
        let ends = [Slot::Live(end), Slot::Unknown];
        let hosts = [host, to];
        let conn =
            Conn { hosts, port, ends, accepted: false, latest: [0; 2], deaf: [None, missed] };
        let conn = streams.conns.entry(id).or_insert(conn);
        self.transmit(id, conn, 0, syn);
        self.arm(id, conn, 0);
        id
    }

    /// A packet leaves the kernel of this side.
    fn transmit(&self, id: u64, conn: &mut Conn, side: usize, body: Body) {
        let (from, to) = (conn.hosts[side], conn.hosts[1 - side]);
        let (words, bytes) = fingerprint(id, &body);
        let size = HEADER_BYTES + bytes.len();
        let trip = self.net.borrow_mut().trip(&self.params, from, to, size, self.now());
        self.event(from, Kind::PacketOut, &[words[0], words[1], trip.arrives.unwrap_or(0)], &[]);
        self.name_message(from, to);
        let tag = self.tag();
        let load = Load::Packet { conn: id, side, port: conn.port, body: &body };
        let copies = u8::from(trip.arrives.is_some());
        self.see(|| Seen::Left { carried: Carried { tag, from, to, load }, copies });
        // What is lost in any case, or no kernel could have received, is nobody's doing.
        let powered = self.hosts.borrow()[usize::from(to)].powered;
        let comes = powered && trip.arrives.is_some();
        let is_cut = self.drops_cut(from, to, Kind::PacketDrop, comes);
        if is_cut || self.drops_client(conn, from, to, comes) {
            return self.see(|| Seen::Lost { tag, from, why: "cut" });
        }
        if self.drops_forgotten(conn, 1 - side, comes) {
            return self.see(|| Seen::Lost { tag, from, why: "forgotten" });
        }
        let Some(arrives) = trip.arrives else {
            self.was_lost(&trip, powered);
            self.count("packets lost");
            self.see(|| Seen::Lost { tag, from, why: "lost" });
            return self.event(to, Kind::PacketDrop, &words, &[]);
        };
        let mut blame = trip.blame;
        let dripped = match body.bytes().len() {
            0 => None,
            bytes => self.net.borrow_mut().drip(from, to, bytes, self.now()),
        };
        let behind = dripped.map_or(0, |(behind, injection)| {
            blame.add(injection);
            behind
        });
        let at = (arrives + behind).max(conn.latest[1 - side]);
        conn.latest[1 - side] = at;
        let packet = Packet { conn: id, to: 1 - side, body, blame, tag };
        self.timers.at(at, Event::Packet(packet));
    }

    fn arm(&self, id: u64, conn: &mut Conn, side: usize) {
        if let Some(end) = conn.end(side)
            && end.waits()
            && !end.timer
        {
            end.timer = true;
            self.timers.at(end.retry_at, Event::Retry(Retry { conn: id, side }));
        }
    }

    /// A packet arrives at the kernel of its side.
    pub(crate) fn packet(&self, packet: Packet) {
        let Packet { conn: id, to: side, body, blame, tag } = packet;
        let streams = &mut *self.streams.borrow_mut();
        let Some(conn) = streams.conns.get_mut(&id) else {
            // Both kernels have forgotten it: the world does not know any more where it goes.
            return self.see(|| Seen::Gone { tag });
        };
        let (from, here) = (conn.hosts[1 - side], conn.hosts[side]);
        let (words, bytes) = fingerprint(id, &body);
        if !self.hosts.borrow()[usize::from(here)].powered {
            self.see(|| Seen::Lost { tag, from, why: "no power there" });
            return self.event(here, Kind::PacketDrop, &words, &[]);
        }
        let is_cut = self.drops_cut(from, here, Kind::PacketDrop, true);
        if is_cut || self.drops_client(conn, from, here, true) {
            return self.see(|| Seen::Lost { tag, from, why: "cut" });
        }
        if self.is_damaged(&blame) {
            self.count("packets damaged");
            self.see(|| Seen::Lost { tag, from, why: "damaged" });
            return self.event(here, Kind::PacketDrop, &words, &[]);
        }
        self.event(here, Kind::PacketIn, &words, bytes);
        let load = Load::Packet { conn: id, side: 1 - side, port: conn.port, body: &body };
        self.see(|| Seen::Came(Carried { tag, from, to: here, load }));
        self.came(&blame);
        self.take(conn, &mut streams.cut_off);
        match (&mut conn.ends[side], body) {
            (Slot::Live(end), body) if !matches!(end.state, State::Failed(_)) => {
                self.arrive(id, conn, side, body);
            }
            (_, Body::Reset) => {}
            (Slot::Closed, Body::Segment { seq, .. }) => {
                // Only a FIN can still be repeated.
                self.transmit(id, conn, side, Body::Ack { ack: seq + 1, edge: seq + 1 });
            }
            (Slot::Closed, _) => {}
            (Slot::Unknown, Body::Segment { part: Part::Syn, .. })
                if side == 1 && !conn.accepted =>
            {
                self.open(id, conn);
            }
            (Slot::Unknown | Slot::Live(_), _) => self.transmit(id, conn, side, Body::Reset),
        }
        if conn.is_gone() {
            streams.conns.remove(&id);
        }
    }

    /// Whether a client's packet is cut off; if so it is counted, if it would have come otherwise.
    fn drops_client(&self, conn: &Conn, from: u16, to: u16, comes: bool) -> bool {
        let injection = match conn.is_of_client() {
            true => self.net.borrow().cuts_client(from, to),
            false => None,
        };
        if let Some(injection) = injection {
            self.acted(injection, comes.into());
            self.event(to, Kind::PacketDrop, &[u64::from(from)], &[]);
        }
        injection.is_some()
    }

    /// A SYN arrives: accept it, refuse it, or let it be repeated.
    fn open(&self, id: u64, conn: &mut Conn) {
        let hosts = self.hosts.borrow();
        match hosts[usize::from(conn.hosts[1])].ports.get(&conn.port) {
            None => self.transmit(id, conn, 1, Body::Reset),
            Some(port) if port.backlog.len() >= BACKLOG_MAX => {}
            Some(_) => {
                let mut end = Box::new(End::opening(Holder::Kernel, 1));
                let syn = end.enqueue(self.now(), Part::Syn);
                conn.ends[1] = Slot::Live(end);
                conn.accepted = true;
                self.transmit(id, conn, 1, syn);
                self.arm(id, conn, 1);
            }
        }
    }

    /// A packet arrives at an end that lives.
    fn arrive(&self, id: u64, conn: &mut Conn, side: usize, body: Body) {
        let now = self.now();
        let Some(end) = conn.end(side) else { return };
        let answer = match body {
            Body::Reset => {
                let refused = end.state == State::Opening && side == 0;
                let kind = if refused {
                    io::ErrorKind::ConnectionRefused
                } else {
                    io::ErrorKind::ConnectionReset
                };
                return self.fail(conn, side, kind);
            }
            Body::Probe => Some(end.ack()),
            Body::Ack { ack, edge } => {
                end.acknowledged(now, ack, edge);
                None
            }
            Body::Segment { seq, ack, edge, part } => {
                end.acknowledged(now, ack, edge);
                Some(if end.receive(seq, part) { end.ack() } else { Body::Reset })
            }
        };
        if end.opens() {
            end::wake(&mut end.reader);
            if side == 1 && !self.offer(id, conn.hosts[1], conn.port) {
                conn.ends[1] = Slot::Unknown;
                return self.transmit(id, conn, 1, Body::Reset);
            }
        }
        let reset = answer == Some(Body::Reset);
        if let Some(answer) = answer {
            self.transmit(id, conn, side, answer);
        }
        if reset {
            conn.ends[side] = Slot::Unknown;
        } else if conn.end(side).is_some_and(|end| end.is_finished()) {
            conn.ends[side] = Slot::Closed;
        }
    }

    /// A connection is open: the listener may accept it. False if there is no listener any more.
    fn offer(&self, id: u64, host: u16, port: u16) -> bool {
        let mut hosts = self.hosts.borrow_mut();
        let Some(port) = hosts[usize::from(host)].ports.get_mut(&port) else { return false };
        port.backlog.push_back(id);
        end::wake(&mut port.acceptor);
        true
    }

    fn fail(&self, conn: &mut Conn, side: usize, kind: io::ErrorKind) {
        let Some(end) = conn.end(side) else { return };
        let forgotten = end.holder == Holder::Nobody
            || (end.holder == Holder::Kernel && end.state == State::Opening);
        end.fail(kind);
        if forgotten {
            conn.ends[side] = Slot::Unknown;
        }
    }

    /// A retry is due.
    pub(crate) fn retry(&self, retry: Retry) {
        let Retry { conn: id, side } = retry;
        let streams = &mut *self.streams.borrow_mut();
        let Some(conn) = streams.conns.get_mut(&id) else { return };
        let Some(end) = conn.end(side) else { return };
        end.timer = false;
        match end.due(self.now()) {
            Due::Nothing => return,
            Due::NotYet => {}
            Due::TimedOut => self.fail(conn, side, io::ErrorKind::TimedOut),
            Due::Send(bodies) => {
                self.count("packets retransmitted");
                for body in bodies {
                    self.transmit(id, conn, side, body);
                }
            }
        }
        self.arm(id, conn, side);
        if conn.is_gone() {
            streams.conns.remove(&id);
        }
    }

    /// The process lets go of its socket: FIN, or a reset if bytes are unread.
    fn close(&self, id: u64, side: usize) {
        let streams = &mut *self.streams.borrow_mut();
        let Some(conn) = streams.conns.get_mut(&id) else { return };
        let Some(end) = conn.end(side) else { return };
        match end.state {
            State::Open if end.has_unread() => {
                conn.ends[side] = Slot::Unknown;
                self.transmit(id, conn, side, Body::Reset);
            }
            State::Open => {
                end.holder = Holder::Nobody;
                (end.reader, end.writer) = (None, None);
                self.shut(id, conn, side);
                if conn.end(side).is_some_and(|end| end.is_finished()) {
                    conn.ends[side] = Slot::Closed;
                }
            }
            State::Opening | State::Failed(_) => conn.ends[side] = Slot::Unknown,
        }
        if conn.is_gone() {
            streams.conns.remove(&id);
        }
    }

    /// A listener is gone before it accepted this connection.
    fn refuse(&self, id: u64) {
        let streams = &mut *self.streams.borrow_mut();
        if let Some(conn) = streams.conns.get_mut(&id) {
            self.end_down(id, conn, 1, Down::Process);
        }
        streams.conns.retain(|_, conn| !conn.is_gone());
    }

    /// No more bytes from this side.
    fn shut(&self, id: u64, conn: &mut Conn, side: usize) {
        if let Some(end) = conn.end(side)
            && !end.is_shut()
        {
            let fin = end.enqueue(self.now(), Part::Fin);
            self.transmit(id, conn, side, fin);
            self.arm(id, conn, side);
        }
    }

    /// A process or a machine is gone: a kernel that lives resets its connections, where packets pass.
    pub(crate) fn streams_down(&self, host: u16, how: Down) {
        let streams = &mut *self.streams.borrow_mut();
        for (&id, conn) in &mut streams.conns {
            for side in 0..2 {
                if conn.hosts[side] == host {
                    self.end_down(id, conn, side, how);
                }
            }
        }
        streams.conns.retain(|_, conn| !conn.is_gone());
    }

    fn end_down(&self, id: u64, conn: &mut Conn, side: usize, how: Down) {
        let known = match &conn.ends[side] {
            Slot::Live(end) if how == Down::Process && end.holder == Holder::Nobody => return,
            Slot::Live(end) => matches!(end.state, State::Open),
            Slot::Closed if how == Down::Process => return,
            Slot::Closed | Slot::Unknown => false,
        };
        conn.ends[side] = Slot::Unknown;
        if known && how == Down::Process {
            self.transmit(id, conn, side, Body::Reset);
        }
    }
}

/// The packet's kind and numbers, and its bytes, for the trace.
fn fingerprint(id: u64, body: &Body) -> ([u64; 4], &[u8]) {
    match body {
        Body::Segment { seq, ack, part: Part::Data(bytes), .. } => ([id, 1, *seq, *ack], bytes),
        Body::Segment { seq, ack, part: Part::Syn, .. } => ([id, 2, *seq, *ack], &[]),
        Body::Segment { seq, ack, part: Part::Fin, .. } => ([id, 3, *seq, *ack], &[]),
        Body::Ack { ack, edge } => ([id, 4, *ack, *edge], &[]),
        Body::Probe => ([id, 5, 0, 0], &[]),
        Body::Reset => ([id, 6, 0, 0], &[]),
    }
}
