//! Hybrid logical clock (`kv/hlc.go`): 48 bits of milliseconds, 16 bits of counter.
//!
//! The physical part is agreed on: a leader proposes a ceiling some seconds ahead of its wall clock, every
//! node that applies it knows that no timestamp may lie above it, and once there is a ceiling every timestamp is issued
//! *at* it. So a new leader, which inherits the ceiling from the log, never issues below what its
//! predecessor could have issued. The counter lives in memory only; `observe` carries it over from what was applied.
//!
//! Cannot see: another node's clock. That the log's timestamps are observed before this node issues
//! any is the engine's business.

pub mod belief;

use belief::Belief;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

/// Bits of the counter.
pub const LOGICAL_BITS: u32 = 16;

/// A new timestamp would lie above the Raft-agreed ceiling. Nothing was issued. Upstream's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CeilingExpired;

impl fmt::Display for CeilingExpired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "hlc: physical/logical ceiling exhausted; refusing to issue persistence timestamp",
        )
    }
}

/// The clock of one process. The wall clock is handed in with each call.
#[derive(Debug, Default)]
pub struct Hlc {
    last: Cell<u64>,
    ceiling_ms: Cell<u64>,
    belief: Belief,
}

impl Hlc {
    /// The next timestamp, whatever the ceiling says (`Next`).
    pub fn next(&self, wall_ms: u64) -> u64 {
        self.issue(self.successor(wall_ms))
    }

    /// The next timestamp, unless it or the wall clock lies above the ceiling (`NextFenced`). Without a ceiling nothing
    /// is fenced, as upstream: none was applied here yet.
    pub fn next_fenced(&self, wall_ms: u64) -> Result<u64, CeilingExpired> {
        let ceiling = self.ceiling_ms.get();
        let next = self.successor(wall_ms);
        if ceiling > 0 && (wall_ms >= ceiling || next >> LOGICAL_BITS > ceiling) {
            return Err(CeilingExpired);
        }
        Ok(self.issue(next))
    }

    fn successor(&self, wall_ms: u64) -> u64 {
        let physical = wall_ms.max(self.ceiling_ms.get());
        let last = self.last.get();
        // A full counter carries into the milliseconds by itself.
        if physical <= last >> LOGICAL_BITS { last + 1 } else { physical << LOGICAL_BITS }
    }

    fn issue(&self, ts: u64) -> u64 {
        self.last.set(ts);
        ts
    }

    /// Never issue at or below `ts` from now on.
    pub fn observe(&self, ts: u64) {
        self.last.set(self.last.get().max(ts));
    }

    /// The ceiling that Raft agreed on; a lower one than known is ignored.
    pub fn set_ceiling_ms(&self, ceiling_ms: u64) {
        self.ceiling_ms.set(self.ceiling_ms.get().max(ceiling_ms));
    }

    /// The ceiling, 0 if there is none yet.
    pub fn ceiling_ms(&self) -> u64 {
        self.ceiling_ms.get()
    }

    /// Whether the wall clock can be believed ([`belief`]), of a node whose ceilings lie so far above wall clocks.
    pub fn believes(&self, wall_ms: u64, monotonic: Duration, window: Duration) -> bool {
        self.belief.holds(wall_ms, monotonic, self.ceiling_ms(), window)
    }

    /// The last timestamp issued or observed.
    pub fn last(&self) -> u64 {
        self.last.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, counter: u64) -> u64 {
        (ms << LOGICAL_BITS) | counter
    }

    #[test]
    fn the_counter_grows_within_a_millisecond_and_restarts_with_the_next() {
        let hlc = Hlc::default();
        assert_eq!([hlc.next(5), hlc.next(5), hlc.next(4)], [at(5, 0), at(5, 1), at(5, 2)]);
        assert_eq!(hlc.next(6), at(6, 0));
    }

    #[test]
    fn under_a_ceiling_every_timestamp_is_issued_at_it() {
        let hlc = Hlc::default();
        hlc.set_ceiling_ms(10_000);
        assert_eq!(hlc.next_fenced(5), Ok(at(10_000, 0)));
        assert_eq!(hlc.next_fenced(9_999), Ok(at(10_000, 1)));
    }

    #[test]
    fn the_fence_refuses_when_the_wall_clock_reaches_the_ceiling() {
        let hlc = Hlc::default();
        hlc.set_ceiling_ms(10_000);
        assert_eq!(hlc.next_fenced(10_000), Err(CeilingExpired));
        assert_eq!(hlc.last(), 0, "a refusal issues nothing");
        hlc.set_ceiling_ms(20_000);
        assert_eq!(hlc.next_fenced(10_000), Ok(at(20_000, 0)));
    }

    #[test]
    fn the_fence_refuses_what_an_observed_timestamp_pushes_above_the_ceiling() {
        let hlc = Hlc::default();
        hlc.set_ceiling_ms(10_000);
        hlc.observe(at(10_000, 0xffff));
        assert_eq!(hlc.next_fenced(1), Err(CeilingExpired));
        assert_eq!(hlc.next(1), at(10_001, 0), "the unfenced clock goes on");
    }

    #[test]
    fn a_ceiling_never_falls_and_an_observed_timestamp_is_never_issued_again() {
        let hlc = Hlc::default();
        hlc.set_ceiling_ms(10);
        hlc.set_ceiling_ms(5);
        assert_eq!(hlc.ceiling_ms(), 10);
        hlc.observe(at(50, 3));
        hlc.observe(at(7, 0));
        assert_eq!(hlc.next(1), at(50, 4));
    }
}
