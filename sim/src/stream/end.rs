//! One end of a byte stream as its kernel keeps it: what is to be acknowledged, what has arrived, when to try again.
//! Pure: it is told the time and returns what to send.
//!
//! Sequence numbers count bytes, and one for each SYN and FIN. Retransmission goes back to the first segment that is not
//! acknowledged; what arrives out of order is dropped, since a link keeps the order of a stream's packets.

use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::io;
use std::task::Waker;

const MS: u64 = 1_000_000;
/// The first retransmission waits this long, each further one twice as long as the one before.
pub const RETRY_FIRST_NS: u64 = 200 * MS;
/// No wait is longer.
const RETRY_MAX_NS: u64 = 12_800 * MS;
/// A connection that is not open after this fails with `TimedOut`: SYNs leave at 0, 0.2, 0.6, 1.4, 3.0 and 6.2 s.
pub const CONNECT_LIMIT_NS: u64 = 10_000 * MS;
/// An open connection fails with `TimedOut` when nothing was acknowledged for this long.
pub const SILENCE_LIMIT_NS: u64 = 30_000 * MS;
/// Bytes that a kernel holds for a process that does not read.
pub const WINDOW_BYTES: u64 = 64 * 1024;

/// What one segment carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Syn,
    Data(Bytes),
    Fin,
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Part::Syn | Part::Fin => 1,
            Part::Data(bytes) => bytes.len() as u64,
        }
    }
}

/// What one packet carries. `ack`: everything before it has arrived; `edge`: everything before it may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Segment {
        seq: u64,
        ack: u64,
        edge: u64,
        part: Part,
    },
    Ack {
        ack: u64,
        edge: u64,
    },
    /// Asks for an `Ack`: has the window opened?
    Probe,
    Reset,
}

impl Body {
    /// What of it a process wrote.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Body::Segment { part: Part::Data(bytes), .. } => bytes,
            _ => &[],
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Opening,
    Open,
    Failed(io::ErrorKind),
}

/// Who has the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// It is being opened by a peer, or waits in a backlog.
    Kernel,
    Process,
    /// The process has closed it; the kernel delivers the rest.
    Nobody,
}

/// What to do when a retry is due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    NotYet,
    TimedOut,
    Send(Vec<Body>),
}

pub(crate) struct End {
    pub(crate) state: State,
    pub(crate) holder: Holder,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    /// Whether a retry is in the world's heap.
    pub(crate) timer: bool,
    pub(crate) retry_at: u64,
    pub(crate) peer_closed: bool,
    unacked: VecDeque<(u64, Part)>,
    next: u64,
    edge: u64,
    shut: bool,
    blocked: bool,
    wait: u64,
    heard: u64,
    expected: u64,
    arrived: VecDeque<Bytes>,
    buffered: u64,
    told_edge: u64,
}

impl End {
    /// A connection is being opened. `received`: 1 if this end answers a SYN.
    pub(crate) fn opening(holder: Holder, received: u64) -> End {
        End {
            state: State::Opening,
            holder,
            reader: None,
            writer: None,
            timer: false,
            retry_at: 0,
            peer_closed: false,
            unacked: VecDeque::new(),
            next: 0,
            edge: 0,
            shut: false,
            blocked: false,
            wait: RETRY_FIRST_NS,
            heard: 0,
            expected: received,
            arrived: VecDeque::new(),
            buffered: 0,
            told_edge: 0,
        }
    }

    /// Bytes that arrived and were not read, or were sent and not acknowledged.
    pub(crate) fn held(&self) -> u64 {
        let sent = self.unacked.iter().map(|(_, part)| match part {
            Part::Data(bytes) => bytes.len() as u64,
            _ => 0,
        });
        self.buffered + sent.sum::<u64>()
    }

    /// Puts a part at the end of what is sent.
    pub(crate) fn enqueue(&mut self, now: u64, part: Part) -> Body {
        if self.unacked.is_empty() {
            self.restart_clock(now);
        }
        self.shut |= part == Part::Fin;
        let seq = self.next;
        self.next += part.len();
        self.unacked.push_back((seq, part.clone()));
        self.segment(seq, part)
    }

    fn segment(&mut self, seq: u64, part: Part) -> Body {
        self.told_edge = self.open_edge();
        Body::Segment { seq, ack: self.expected, edge: self.told_edge, part }
    }

    pub(crate) fn ack(&mut self) -> Body {
        self.told_edge = self.open_edge();
        Body::Ack { ack: self.expected, edge: self.told_edge }
    }

    fn open_edge(&self) -> u64 {
        self.expected + (WINDOW_BYTES - self.buffered)
    }

    fn restart_clock(&mut self, now: u64) {
        self.heard = now;
        self.wait = RETRY_FIRST_NS;
        self.retry_at = now + self.wait;
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut
    }

    /// Bytes that were sent and not acknowledged.
    pub(crate) fn under_way(&self) -> usize {
        self.unacked.iter().map(|(_, part)| part.len() as usize).sum()
    }

    /// Bytes that may be sent now; if none, the end begins to probe.
    pub(crate) fn room(&mut self, now: u64) -> usize {
        let room = self.edge.saturating_sub(self.next);
        if room == 0 && !self.blocked {
            self.blocked = true;
            if self.unacked.is_empty() {
                self.restart_clock(now);
            }
        }
        room as usize
    }

    /// The peer says what it has and how much more it takes.
    pub(crate) fn acknowledged(&mut self, now: u64, ack: u64, edge: u64) {
        let before = self.unacked.len();
        while self.unacked.front().is_some_and(|(seq, part)| seq + part.len() <= ack) {
            self.unacked.pop_front();
        }
        if self.unacked.len() < before {
            self.restart_clock(now);
        } else if self.unacked.is_empty() {
            self.heard = now;
        }
        self.edge = self.edge.max(edge);
        if self.edge > self.next {
            self.blocked = false;
            wake(&mut self.writer);
        }
    }

    /// A segment arrives. False if nobody will ever read its bytes: the kernel answers with a reset.
    pub(crate) fn receive(&mut self, seq: u64, part: Part) -> bool {
        if seq > self.expected || seq + part.len() <= self.expected {
            return true;
        }
        match part {
            Part::Syn => self.expected = seq + 1,
            Part::Fin => {
                self.expected = seq + 1;
                self.peer_closed = true;
            }
            Part::Data(_) if self.holder == Holder::Nobody => return false,
            Part::Data(mut bytes) => {
                bytes.advance((self.expected - seq) as usize);
                self.expected += bytes.len() as u64;
                self.buffered += bytes.len() as u64;
                self.arrived.push_back(bytes);
            }
        }
        wake(&mut self.reader);
        true
    }

    /// Whether this arrival completes the handshake; true once.
    pub(crate) fn opens(&mut self) -> bool {
        let opens = self.state == State::Opening && self.unacked.is_empty() && self.expected > 0;
        if opens {
            self.state = State::Open;
        }
        opens
    }

    /// Takes bytes that have arrived.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> usize {
        let mut filled = 0;
        while let Some(bytes) = self.arrived.front_mut()
            && filled < out.len()
        {
            let count = bytes.len().min(out.len() - filled);
            bytes.copy_to_slice(&mut out[filled..filled + count]);
            filled += count;
            if bytes.is_empty() {
                self.arrived.pop_front();
            }
        }
        self.buffered -= filled as u64;
        filled
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.buffered > 0
    }

    /// Whether reading has opened the window so far that the peer is to be told.
    pub(crate) fn owes_window(&self) -> bool {
        self.open_edge() - self.told_edge >= WINDOW_BYTES / 2
    }

    /// Closed on both sides and everything acknowledged.
    pub(crate) fn is_finished(&self) -> bool {
        self.holder == Holder::Nobody && self.unacked.is_empty() && self.peer_closed
    }

    /// Whether it needs a retry in the heap.
    pub(crate) fn waits(&self) -> bool {
        let alive = !matches!(self.state, State::Failed(_));
        alive && (!self.unacked.is_empty() || self.blocked)
    }

    /// A retry that was set has come.
    pub(crate) fn due(&mut self, now: u64) -> Due {
        if !self.waits() {
            return Due::Nothing;
        }
        if now < self.retry_at {
            return Due::NotYet;
        }
        let opening = self.state == State::Opening;
        let limit = self.heard + if opening { CONNECT_LIMIT_NS } else { SILENCE_LIMIT_NS };
        if now >= limit {
            return Due::TimedOut;
        }
        self.wait = (self.wait * 2).min(RETRY_MAX_NS);
        self.retry_at = (now + self.wait).min(limit);
        if self.unacked.is_empty() {
            return Due::Send(vec![Body::Probe]);
        }
        let parts: Vec<(u64, Part)> = self.unacked.iter().cloned().collect();
        Due::Send(parts.into_iter().map(|(seq, part)| self.segment(seq, part)).collect())
    }

    pub(crate) fn fail(&mut self, kind: io::ErrorKind) {
        self.state = State::Failed(kind);
        self.unacked.clear();
        wake(&mut self.reader);
        wake(&mut self.writer);
    }
}

pub(crate) fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_pair() -> (End, End) {
        let (mut a, mut b) = (End::opening(Holder::Process, 0), End::opening(Holder::Kernel, 1));
        a.enqueue(0, Part::Syn);
        let answer = b.enqueue(0, Part::Syn);
        give(&mut a, answer);
        assert!(a.opens() && !a.opens());
        give(&mut b, a.ack());
        assert!(b.opens());
        (a, b)
    }

    fn give(to: &mut End, body: Body) {
        match body {
            Body::Segment { seq, ack, edge, part } => {
                to.acknowledged(0, ack, edge);
                assert!(to.receive(seq, part));
            }
            Body::Ack { ack, edge } => to.acknowledged(0, ack, edge),
            Body::Probe | Body::Reset => {}
        }
    }

    fn data(bytes: &'static [u8]) -> Part {
        Part::Data(Bytes::from_static(bytes))
    }

    #[test]
    fn bytes_arrive_once_and_in_order_whatever_is_repeated_or_missing() {
        let (mut a, mut b) = open_pair();
        let (one, two) = (a.enqueue(0, data(b"one")), a.enqueue(0, data(b"two")));
        give(&mut b, two.clone());
        give(&mut b, one.clone());
        give(&mut b, one);
        give(&mut b, two);
        let mut out = [0; 9];
        assert_eq!((b.read(&mut out), &out[..6]), (6, &b"onetwo"[..]));
    }

    #[test]
    fn retries_double_until_the_limit_of_silence() {
        let (mut a, _) = open_pair();
        a.enqueue(0, data(b"x"));
        let mut times = Vec::new();
        while a.due(a.retry_at) != Due::TimedOut {
            times.push(a.retry_at / MS);
        }
        assert_eq!(times, [600, 1400, 3000, 6200, 12_600, 25_400, 30_000]);
    }

    #[test]
    fn a_full_window_lets_nothing_in_and_probes_never_time_out_while_they_are_answered() {
        let (mut a, mut b) = open_pair();
        let full = Part::Data(Bytes::from(vec![7; a.room(0)]));
        assert_eq!(full.len(), WINDOW_BYTES);
        let body = a.enqueue(0, full);
        give(&mut b, body);
        give(&mut a, b.ack());
        assert_eq!(a.room(0), 0);
        for _ in 0..20 {
            let now = a.retry_at;
            assert_eq!(a.due(now), Due::Send(vec![Body::Probe]));
            let Body::Ack { ack, edge } = b.ack() else { unreachable!() };
            a.acknowledged(now, ack, edge);
        }
        let mut out = vec![0; WINDOW_BYTES as usize / 2];
        b.read(&mut out);
        assert!(b.owes_window());
        give(&mut a, b.ack());
        assert_eq!(a.room(0), out.len());
    }
}
