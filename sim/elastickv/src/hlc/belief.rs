//! Whether a node's wall clock can be believed: expiry is told by it, and ceilings are made of it.
//!
//! Within [`WALL_OFF_MAX`] of true time, either way, on every node, every clock is believed, and no answer depends on more than that. Further off, a
//! node refuses what is asked of it (`CLOCKSKEW …`) and asks for no ceiling, until its clock is within again. It notices by two comparisons:
//!
//! - with the ceiling that Raft agreed on: it lies one window above the clock of some leader at some time, so a clock that is further below
//!   it than two clocks may be apart is behind, or that leader's was ahead;
//! - if it is not below the ceiling, with its own monotonic clock: since the node started, or ten minutes ago at most, the two must have gone
//!   the same way, but for a clock that was off one way and is off the other way now, and for what a monotonic clock may be off
//!   ([`PACE_OFF_MAX_PERCENT`]).
//!
//! Cannot see: a clock that was ahead when the node started, as long as it leads (the others find themselves behind its ceilings and
//! refuse); one that creeps away, by less than a window from ceiling to ceiling; which of two clocks is wrong. Upstream has no such guard:
//! it has a gauge (`hlc_wall_skew_seconds`). A machine that was suspended for long finds its monotonic clock behind, and refuses until
//! another leads or the node is started again.

use std::cell::Cell;
use std::time::Duration;

/// How far a wall clock may be from true time, either way, and is believed all the same.
pub const WALL_OFF_MAX: Duration = Duration::from_secs(60);

/// How far a monotonic clock may be from true pace, of a hundred, either way.
pub const PACE_OFF_MAX_PERCENT: u64 = 7;

/// What rounding and clocks that are kept by NTP add to it.
const SLACK_MS: u64 = 1_000;

/// For so long what a clock showed is compared with.
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
        let apart_ms = 2 * WALL_OFF_MAX.as_millis() as u64 + SLACK_MS;
        if ceiling_ms > wall_ms.saturating_add(apart_ms + window.as_millis() as u64) {
            return false;
        }
        let then = self.0.get().unwrap_or(now);
        let lasted = monotonic_ms.saturating_sub(then.monotonic_ms);
        let moved = wall_ms.abs_diff(then.wall_ms.saturating_add(lasted));
        // A slow clock's hundred are more than its own percents of what it shows.
        let may_move = apart_ms + lasted * PACE_OFF_MAX_PERCENT / (100 - PACE_OFF_MAX_PERCENT);
        let goes_the_same_way = moved <= may_move;
        let holds = goes_the_same_way || wall_ms < ceiling_ms;
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
    /// What two clocks within the bound are apart at most.
    const APART_MS: u64 = 120_000;

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
        assert!(at(0, 0) && at(APART_MS as i64, 1));
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
    fn a_clock_far_below_the_ceiling_is_not_believed_from_the_start() {
        let window = WINDOW.as_millis() as u64;
        for (ceiling, is_believed) in [
            (0, true),
            (START_MS + window, true),
            (START_MS + window + APART_MS, true),
            (START_MS + window + APART_MS + 2 * SLACK_MS, false),
        ] {
            let belief = Belief::default();
            assert_eq!(belief.holds(START_MS, Duration::ZERO, ceiling, WINDOW), is_believed);
            assert_eq!(belief.holds(START_MS, Duration::ZERO, ceiling, WINDOW), is_believed);
        }
    }

    #[test]
    fn a_clock_that_started_behind_is_believed_once_it_is_where_others_are() {
        let belief = Belief::default();
        let (behind, ceiling) = (START_MS - 500_000, START_MS + 10_000);
        let second = Duration::from_secs(1);
        assert!(belief.holds(behind, Duration::ZERO, 0, WINDOW), "nothing is agreed on yet");
        assert!(!belief.holds(behind + 1_000, second, ceiling, WINDOW));
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
