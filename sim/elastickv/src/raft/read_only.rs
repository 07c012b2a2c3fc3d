//! Reads that wait for a quorum of heartbeat acks (ReadOnlySafe). Mirrors `read_only.go`.
//!
//! A heartbeat carries the position of the newest waiting read; its ack confirms all reads up to that
//! position, because the follower answered after they were asked. Positions count from 1 within a term.

use super::tracker::Peers;
use std::collections::VecDeque;

#[derive(Debug)]
struct Read {
    context: u64,
    index: u64,
}

/// The reads of one leader in one term.
#[derive(Debug, Default)]
pub(super) struct ReadOnly {
    waiting: VecDeque<Read>,
    confirmed: u64,
    /// Newest position that each voter acked, few and in the order of first ack.
    acks: Vec<(u64, u64)>,
}

impl ReadOnly {
    pub(super) fn add(&mut self, context: u64, index: u64) {
        self.waiting.push_back(Read { context, index });
    }

    /// What the next heartbeat is to carry; 0 when nothing waits.
    pub(super) fn position(&self) -> u64 {
        match self.waiting.len() as u64 {
            0 => 0,
            waiting => self.confirmed + waiting,
        }
    }

    pub(super) fn ack(&mut self, from: u64, position: u64) {
        match self.acks.iter_mut().find(|(id, _)| *id == from) {
            Some((_, acked)) => *acked = position.max(*acked),
            None => self.acks.push((from, position)),
        }
    }

    /// Moves what a majority has confirmed to `confirmed`, as (context, index), in the order asked.
    pub(super) fn release(&mut self, peers: &Peers, mut confirmed: impl FnMut(u64, u64)) {
        let acked = |id| self.acks.iter().find(|(peer, _)| *peer == id).map_or(0, |(_, at)| *at);
        let reached = peers.reached(|peer| acked(peer.id));
        while reached.is_some_and(|reached| reached > self.confirmed) {
            // An ack can only name a position that was handed out; a forged one finds nothing.
            let Some(read) = self.waiting.pop_front() else { break };
            self.confirmed += 1;
            confirmed(read.context, read.index);
        }
    }
}
