//! Whether a node's wall clock can be believed: expiry is told by it, and ceilings are made of it.
//!
//! Within [`WALL_OFF_MAX`] of true time, either way, on every node, every clock is believed, and no answer depends on more than that. A clock
//! that was within when its node started and goes further off is not: the node refuses what is asked of it (`CLOCKSKEW …`) and asks for no
//! ceiling, until its clock is within again. Since the node started, or ten minutes ago at most, the clock must have gone the same way as
//! the node's monotonic clock, but for a clock that was off one way and is off the other way now, and for what a monotonic clock may be
//! off ([`PACE_OFF_MAX_PERCENT`]). If it has not, it is believed all the same where the ceiling is that was agreed on last: one
//! window above the clock of who leads.
//!
//! Cannot see: a clock that was off when its node started; one that creeps away by less than that in ten minutes; which of two
//! clocks is wrong. A node that started with a wrong clock, on its own, refuses once that is set right, until it is started again. Upstream has no
//! such guard: it has a gauge (`hlc_wall_skew_seconds`).
//!
//! A ceiling that is far ahead of a clock is no reason to refuse: ceilings never fall, so one leader with a fast clock would keep
//! all others from serving, also when its clock is right again.

use std::cell::Cell;
use std::time::Duration;

/// How far a wall clock may be from true time, either way, and is believed all the same.
pub const WALL_OFF_MAX: Duration = Duration::from_secs(60);

/// How far a monotonic clock may be from true pace, of a hundred, either way.
pub const PACE_OFF_MAX_PERCENT: u64 = 7;

/// What rounding and clocks that are kept by NTP add to it.
const SLACK_MS: u64 = 1_000;

/// What two clocks within the bound are apart at most.
const APART_MS: u64 = 2 * WALL_OFF_MAX.as_millis() as u64 + SLACK_MS;

/// For so long what a clock showed is compared with; a node looks every few seconds.
const COMPARES_FOR_MS: u64 = 600_000;

/// A wall clock and a monotonic one at one moment, in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Moment {
    wall_ms: u64,
    monotonic_ms: u64,
}

/// What a wall clock is compared with. One of each process.
#[derive(Debug, Default)]
pub struct Belief(Cell<Option<Moment>>);

impl Belief {
    /// Whether the wall clock can be believed, which shows this now. The first look begins the comparison.
    pub fn holds(
        &self,
        wall_ms: u64,
        monotonic: Duration,
        ceiling_ms: u64,
        window: Duration,
    ) -> bool {
        let monotonic_ms = monotonic.as_millis() as u64;
        let now = Moment { wall_ms, monotonic_ms };
        let then = self.0.get().unwrap_or(now);
        let lasted = monotonic_ms.saturating_sub(then.monotonic_ms);
        let moved = wall_ms.abs_diff(then.wall_ms.saturating_add(lasted));
        // A slow clock's hundred are more than its own percents of what it shows.
        let drifted =
            lasted.min(COMPARES_FOR_MS) * PACE_OFF_MAX_PERCENT / (100 - PACE_OFF_MAX_PERCENT);
        let goes_the_same_way = moved <= APART_MS + drifted;
        let agreed_ms = ceiling_ms.saturating_sub(window.as_millis() as u64);
        let holds = goes_the_same_way || agreed_ms.abs_diff(wall_ms) <= APART_MS;
        let begins = holds && (lasted >= COMPARES_FOR_MS || !goes_the_same_way);
        self.0.set(Some(if begins { now } else { then }));
        holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START_MS: u64 = 1_767_225_600_000;
    const WINDOW: Duration = Duration::from_secs(10);

    /// Whether a clock that has been off by the one and is by the other after so long is believed, without a ceiling.
    fn believed(off_ms: i64, then_ms: i64, after: Duration) -> bool {
        let belief = Belief::default();
        let start = START_MS.saturating_add_signed(off_ms);
        assert!(belief.holds(start, Duration::from_secs(5), 0, WINDOW));
        let now = (START_MS + after.as_millis() as u64).saturating_add_signed(then_ms);
        belief.holds(now, Duration::from_secs(5) + after, 0, WINDOW)
    }

    #[test]
    fn clocks_within_the_bound_are_believed_whichever_way_they_move() {
        let most = WALL_OFF_MAX.as_millis() as i64;
        for (off, then) in [(0, 0), (most, -most), (-most, most), (most, most)] {
            for after in [0, 1, 60, 599] {
                assert!(believed(off, then, Duration::from_secs(after)), "{off} {then} {after}");
            }
        }
    }

    #[test]
    fn a_clock_that_moves_further_than_two_may_be_apart_is_not_believed_until_it_is_back() {
        let belief = Belief::default();
        let at = |off_ms: i64, s: u64| {
            let wall = (START_MS + s * 1_000).saturating_add_signed(off_ms);
            belief.holds(wall, Duration::from_secs(s), 0, WINDOW)
        };
        assert!(at(0, 0) && at(120_000, 1));
        for off in [200_000, -200_000, 3_600_000, -3_600_000] {
            assert!(!at(off, 2), "{off}");
            assert!(at(0, 3), "it is back");
        }
    }

    #[test]
    fn a_monotonic_clock_within_its_bound_makes_no_wall_clock_unbelievable() {
        for pace in [93, 107] {
            let belief = Belief::default();
            assert!(belief.holds(START_MS - 60_000, Duration::ZERO, 0, WINDOW));
            for s in 1..2_000 {
                let monotonic = Duration::from_millis(s * 10 * pace);
                let wall = START_MS + s * 1_000 + if s % 2 == 0 { 60_000 } else { 0 };
                assert!(belief.holds(wall, monotonic, 0, WINDOW), "{pace} % after {s} s");
            }
        }
    }

    #[test]
    fn a_ceiling_however_far_ahead_makes_no_clock_unbelievable() {
        let belief = Belief::default();
        for s in 0..100 {
            let (wall, monotonic) = (START_MS + s * 60_000, Duration::from_secs(s * 60));
            assert!(belief.holds(wall, monotonic, START_MS + 3_600_000, WINDOW), "{s}");
        }
    }

    #[test]
    fn a_clock_that_has_moved_stays_unbelievable_however_long_it_lasts() {
        let belief = Belief::default();
        assert!(belief.holds(START_MS, Duration::ZERO, 0, WINDOW));
        for s in [1, 600, 3_600, 86_400] {
            let wall = START_MS + 200_000 + s * 1_000;
            assert!(!belief.holds(wall, Duration::from_secs(s), 0, WINDOW), "{s}");
        }
    }

    #[test]
    fn a_clock_that_started_behind_is_believed_once_it_is_where_others_are() {
        let belief = Belief::default();
        let (behind, ceiling) = (START_MS - 500_000, START_MS + 10_000);
        let second = Duration::from_secs(1);
        assert!(belief.holds(behind, Duration::ZERO, ceiling, WINDOW), "nobody can see it");
        assert!(!belief.holds(START_MS + 200_000, second, ceiling, WINDOW), "now it is ahead");
        assert!(belief.holds(START_MS, 2 * second, ceiling, WINDOW));
        assert!(belief.holds(START_MS + 20_000, 22 * second, ceiling, WINDOW), "a slow renewal");
        assert!(!belief.holds(START_MS + 200_000, 22 * second, ceiling, WINDOW));
    }

    #[test]
    fn what_a_clock_has_been_is_forgotten_after_ten_minutes_in_which_it_was_believed() {
        let belief = Belief::default();
        let step = 100_000;
        // It creeps: nobody notices, as the head of this file says.
        for turn in 0..20 {
            let lasted = turn * COMPARES_FOR_MS;
            let wall = START_MS + lasted + turn * step;
            assert!(belief.holds(wall, Duration::from_millis(lasted), 0, WINDOW), "{turn}");
        }
    }
}
