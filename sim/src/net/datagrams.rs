//! Datagrams on their way from one process to another, and what their fates count for.

use super::held::ECHOES;
use super::{Blame, Trip};
use crate::host::INBOX_MAX;
use crate::observe::{Carried, Load, Seen};
use crate::timers::Event;
use crate::trace::Kind;
use crate::world::World;
use bytes::Bytes;
use elastickv::env::{Lane, NodeId};
use harness::plan::{Fate, Override};
use std::task::Waker;

/// A datagram under way.
pub(crate) struct Frame {
    pub(super) from: u16,
    pub(super) to: u16,
    pub(super) lane: Lane,
    pub(super) message: Bytes,
    /// Number of the event in which it was sent: its bytes are in the hash once.
    pub(super) sent: u64,
    pub(super) blame: Blame,
    /// What watchers know it by.
    pub(super) tag: u64,
}

impl World {
    /// A datagram leaves a process that is alive.
    pub(crate) fn send(&self, from: u16, to: u16, lane: Lane, message: Bytes) {
        self.invariants_sent(from, to, lane, &message);
        if self.datagrams.replace(self.datagrams.get() + 1) == 0 {
            self.count("datagrams sent");
        }
        let trip = self.net.borrow_mut().trip(&self.params, from, to, message.len(), self.now());
        // The arrival is folded now: what arrives within the same turn of the driver shares its time.
        let words = [u64::from(to), lane as u64, trip.arrives.unwrap_or(0)];
        let sent = self.trace().events();
        self.event(from, Kind::Send, &words, &message);
        self.name_message(from, to);
        let tag = self.tag();
        let load = Load::Datagram { lane, message: &message };
        let copies = u8::from(trip.arrives.is_some()) + u8::from(trip.again.is_some());
        self.see(|| Seen::Left { carried: Carried { tag, from, to, load }, copies });
        // What is lost in any case, or nobody could have received, is nobody's doing.
        let up = self.hosts.borrow()[usize::from(to)].up;
        let comes = up && trip.arrives.is_some();
        if self.drops_cut(from, to, Kind::Drop, comes) {
            return self.see(|| Seen::Lost { tag, from, why: "cut" });
        }
        if self.drops_misaddressed(from, to, comes) {
            return self.see(|| Seen::Lost { tag, from, why: "sent to an old address" });
        }
        let Some(arrives) = trip.arrives else {
            self.was_lost(&trip, up);
            self.count("datagrams lost");
            self.see(|| Seen::Lost { tag, from, why: "lost" });
            return self.event(to, Kind::Drop, &[u64::from(from)], &[]);
        };
        let blame = trip.blame;
        if let Some(again) = trip.again {
            self.count("datagrams doubled");
            let (message, mut blame) = (message.clone(), blame.clone());
            trip.spoiled.iter().for_each(|injection| blame.add(*injection));
            self.timers
                .at(again, Event::Frame(Frame { from, to, lane, message, sent, blame, tag }));
        }
        self.timers.at(arrives, Event::Frame(Frame { from, to, lane, message, sent, blame, tag }));
    }

    /// Says in a recorded event which message of its link it is: that is how an [`Override`] names it.
    pub(crate) fn name_message(&self, from: u16, to: u16) {
        self.annotate(|| match self.net.borrow().carried(from, to).checked_sub(1) {
            Some(number) => Override { from, to, number, fate: Fate::Lost }.message(),
            None => String::new(),
        });
    }

    /// A datagram arrives at a kernel.
    pub(crate) fn deliver(&self, frame: Frame) {
        let holds_any = self.net.borrow().held.holds_any();
        let Some(frame) = (if holds_any { self.holds(frame) } else { Some(frame) }) else { return };
        let Frame { from, to, lane, message, sent, blame, tag } = frame;
        let words = [u64::from(from), lane as u64, sent];
        // Before the cut: what nobody could have received is not the partition's doing.
        if !self.hosts.borrow()[usize::from(to)].up {
            self.see(|| Seen::Lost { tag, from, why: "nobody there" });
            return self.event(to, Kind::Drop, &words, &[]);
        }
        if self.drops_cut(from, to, Kind::Drop, true) {
            return self.see(|| Seen::Lost { tag, from, why: "cut" });
        }
        if self.is_damaged(&blame) {
            self.count("datagrams damaged");
            self.see(|| Seen::Lost { tag, from, why: "damaged" });
            return self.event(to, Kind::Drop, &words, &[]);
        }
        self.event(to, Kind::Deliver, &words, &[]);
        let load = Load::Datagram { lane, message: &message };
        self.see(|| Seen::Came(Carried { tag, from, to, load }));
        self.came(&blame);
        self.hear(from, to, lane, &message, sent);
        let mut hosts = self.hosts.borrow_mut();
        let inbox = hosts[usize::from(to)].inbox(lane);
        inbox.queue.push_back((from, message));
        if inbox.queue.len() > INBOX_MAX {
            inbox.queue.pop_front();
            self.count("datagrams dropped by a full inbox");
        }
        inbox.wake();
    }

    /// A process takes the next message of a lane; if there is none, `reader` is woken when one comes, or nobody.
    pub(crate) fn take_datagram(
        &self,
        node: u16,
        lane: Lane,
        reader: Option<&Waker>,
    ) -> Option<(NodeId, Bytes)> {
        let mut hosts = self.hosts.borrow_mut();
        let (from, message) = hosts[usize::from(node)].inbox(lane).take(reader)?;
        Some((NodeId(from), message))
    }

    /// Keeps what a node was told, if it is to be told that once more.
    fn hear(&self, from: u16, to: u16, lane: Lane, message: &Bytes, sent: u64) {
        let held = &mut self.net.borrow_mut().held;
        if held.is_heard(to) {
            let (message, blame, tag) = (message.clone(), Blame::default(), 0);
            held.hear(Frame { from, to, lane, message, sent, blame, tag }, ECHOES);
        }
    }

    /// A message has arrived: what was done to it counts for the effects of those that did it.
    pub(crate) fn came(&self, blame: &Blame) {
        for injection in blame.injections() {
            self.acted(*injection as usize, 1);
        }
    }

    /// Whether what arrives is not what was sent; if so it is counted for the fault that damaged it.
    pub(crate) fn is_damaged(&self, blame: &Blame) -> bool {
        let damaged = blame.damaged();
        damaged.iter().for_each(|injection| self.acted(*injection as usize, 1));
        damaged.is_some()
    }

    /// A message is lost: if somebody could have received it, that counts for the fault that lost it.
    pub(crate) fn was_lost(&self, trip: &Trip, receivable: bool) {
        if let Some(injection) = trip.spoiled.filter(|_| receivable) {
            self.acted(injection as usize, 1);
        }
    }

    /// Whether a cut stops what goes this way now; if so it is counted for the partition's effect, if it would have come otherwise.
    pub(crate) fn drops_cut(&self, from: u16, to: u16, kind: Kind, comes: bool) -> bool {
        let blame = {
            let net = self.net.borrow();
            if !net.is_cut(from, to) {
                return false;
            }
            net.blame
        };
        if let Some(injection) = blame {
            self.acted(injection, comes.into());
        }
        self.event(to, kind, &[u64::from(from)], &[]);
        true
    }
}
