//! Established connections that are reset from outside, or that a middlebox between their ends forgets.
//!
//! A reset connection fails on both sides at once, also across a cut. Of a forgotten one packets vanish without a word, both ways or one
//! way, and new connections pass; until the middlebox answers for all that it forgot, with a reset to both sides.
//!
//! Where none is established when a reset comes, the next one that is and carries something is taken, within [`WAITS_NS`]. Of forgetting
//! each further one is, until a packet has vanished. An operator's are never touched.

use super::end::State;
use super::{Conn, Slot, Streams};
use crate::trace::Kind;
use crate::world::World;
use harness::fault::Way;
use std::io;

/// A reset waits so long for a connection; then it has had no effect.
const WAITS_NS: u64 = 2_000_000_000;

/// What waits for a connection, and what is forgotten while it is.
#[derive(Default)]
pub(super) struct CutOff {
    reset: Option<Taken>,
    forget: Option<Taken>,
}

/// Whose connections, and because of which injection.
struct Taken {
    /// By host.
    hosts: Vec<bool>,
    way: Way,
    injection: usize,
    /// Nothing is taken any more.
    until: u64,
}

impl Taken {
    fn is_of(&self, host: u16) -> bool {
        self.hosts[usize::from(host)]
    }

    fn takes(&self, conn: &Conn) -> bool {
        let [one, other] = conn.hosts;
        let is_theirs = one != other && (self.is_of(one) || self.is_of(other));
        is_theirs && !conn.is_of_operator() && conn.is_established()
    }

    /// Marks the sides that do not hear any more.
    fn forgets(&self, conn: &mut Conn) {
        for side in 0..2 {
            let (here, there) = (conn.hosts[side], conn.hosts[1 - side]);
            let inbound = self.is_of(here) && self.way.is_in();
            let outbound = self.is_of(there) && self.way.is_out();
            if inbound || outbound {
                conn.deaf[side] = Some(self.injection);
            }
        }
    }
}

impl Conn {
    fn is_established(&self) -> bool {
        let is_open = |slot: &Slot| matches!(slot, Slot::Live(end) if end.state == State::Open);
        self.ends.iter().all(is_open)
    }

    fn is_of_operator(&self) -> bool {
        self.hosts[0] == 0 && !self.is_of_client()
    }
}

impl World {
    /// Every established connection of these hosts is reset on both sides; the next one, if there is none.
    pub(crate) fn reset_streams(&self, hosts: Vec<bool>, injection: usize) {
        let streams = &mut *self.streams.borrow_mut();
        let until = self.now() + WAITS_NS;
        let taken = Taken { hosts, way: Way::Both, injection, until };
        let mut waits = true;
        for conn in streams.conns.values_mut().filter(|conn| taken.takes(conn)) {
            self.reset_both(conn, injection);
            waits = false;
        }
        streams.cut_off.reset = waits.then_some(taken);
        streams.conns.retain(|_, conn| !conn.is_gone());
    }

    /// Packets of every established connection of these hosts vanish that way; of the next one, if there is none.
    pub(crate) fn forget_streams(&self, hosts: Vec<bool>, way: Way, injection: usize) {
        let streams = &mut *self.streams.borrow_mut();
        let taken = Taken { hosts, way, injection, until: u64::MAX };
        for conn in streams.conns.values_mut().filter(|conn| taken.takes(conn)) {
            taken.forgets(conn);
        }
        streams.cut_off.forget = Some(taken);
    }

    /// A host's address is gone: its byte streams reach it no more, and it resets none of them.
    pub(crate) fn abandon_streams(&self, host: u16, injection: usize) {
        let streams = &mut *self.streams.borrow_mut();
        for conn in streams.conns.values_mut().filter(|conn| conn.hosts.contains(&host)) {
            if conn.hosts[0] != conn.hosts[1] {
                conn.deaf = [Some(injection); 2];
            }
        }
    }

    /// All that was forgotten is reset, and nothing is forgotten from now on.
    pub(crate) fn remember_streams(&self) {
        let streams = &mut *self.streams.borrow_mut();
        streams.cut_off.forget = None;
        for conn in streams.conns.values_mut().filter(|conn| conn.deaf != [None; 2]) {
            conn.deaf = [None; 2];
            for side in 0..2 {
                self.fail(conn, side, io::ErrorKind::ConnectionReset);
            }
        }
        streams.conns.retain(|_, conn| !conn.is_gone());
    }

    fn reset_both(&self, conn: &mut Conn, injection: usize) {
        for side in 0..2 {
            self.fail(conn, side, io::ErrorKind::ConnectionReset);
        }
        self.acted(injection, 1);
        self.count("connections reset from outside");
    }

    /// A packet has arrived: if something waits for a connection like this one, it is taken.
    pub(super) fn take(&self, conn: &mut Conn, cut_off: &mut CutOff) {
        let now = self.now();
        let hit = |taken: &mut Taken| now < taken.until && taken.takes(conn);
        if let Some(taken) = cut_off.reset.take_if(hit) {
            self.reset_both(conn, taken.injection);
        }
        let forget = cut_off.forget.as_ref();
        let idle = |taken: &&Taken| taken.takes(conn) && !self.has_acted(taken.injection);
        if let Some(taken) = forget.filter(idle) {
            taken.forgets(conn);
        }
    }

    /// Whether a middlebox lets a packet to this side vanish; if so it is counted, if it would have come otherwise.
    pub(super) fn drops_forgotten(&self, conn: &Conn, side: usize, comes: bool) -> bool {
        if let Some(injection) = conn.deaf[side] {
            self.acted(injection, comes.into());
            self.count("packets vanished");
            let (from, here) = (conn.hosts[1 - side], conn.hosts[side]);
            self.event(here, Kind::PacketDrop, &[u64::from(from)], &[]);
        }
        conn.deaf[side].is_some()
    }
}

impl Streams {
    /// Whether some middlebox forgets.
    pub(crate) fn is_remembered(&self) -> bool {
        self.cut_off.forget.is_none()
    }
}
