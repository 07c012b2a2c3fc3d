//! How far a node's wall clock is from true time: jumps, a strobe and a drift at once.
//!
//! What it may be off by is a range, since nobody knows which of its two times a strobing clock shows. Whoever breaks a
//! clock further keeps the range within [`SKEW_MAX_MS`], for as long as a drift may last.

use super::drift::DRIFT_MAX;
use std::time::Duration;

/// How far a wall clock may be from true time.
pub const SKEW_MAX_MS: i64 = 60_000;

/// What a wall clock was made to show since it was last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skew {
    /// Whether anything was done to it.
    pub touched: bool,
    /// Moved by so much: by jumps, and by drifts whose place another took.
    pub moved_ms: i64,
    /// Shown in every other period on top; 0: it does not strobe.
    pub strobe_ms: i64,
    /// Gained by so many microseconds a second; 0: it does not drift.
    pub drift_ppm: i32,
    /// Since then.
    pub drifts_since: Duration,
}

impl Skew {
    /// It jumps.
    pub fn jump(&mut self, by_ms: i64) {
        self.touched = true;
        self.moved_ms = self.moved_ms.saturating_add(by_ms);
    }

    /// It strobes from now on, so and no longer otherwise.
    pub fn strobe(&mut self, delta_ms: i64) {
        self.touched = true;
        self.strobe_ms = delta_ms;
    }

    /// It drifts from now on, so and no longer otherwise; what it has gained it keeps.
    pub fn drift(&mut self, ppm: i32, now: Duration) {
        self.touched = true;
        self.moved_ms = self.moved_ms.saturating_add(self.gained_ms(now));
        (self.drift_ppm, self.drifts_since) = (ppm, now);
    }

    /// The least and the most that it may be off by at that time, in milliseconds.
    pub fn at(&self, now: Duration) -> (i64, i64) {
        let still = self.moved_ms.saturating_add(self.gained_ms(now));
        spread((still, still), self.strobe_ms)
    }

    /// The least and the most that it may ever be off by, if it drifts no longer than [`DRIFT_MAX`].
    pub fn reach(&self) -> (i64, i64) {
        let still = spread((self.moved_ms, self.moved_ms), self.strobe_ms);
        spread(still, gained_ms(self.drift_ppm, DRIFT_MAX))
    }

    /// Whether it stays within [`SKEW_MAX_MS`] if it is off by so much more.
    pub fn has_room(&self, by_ms: i64) -> bool {
        let (least, most) = self.reach();
        least.saturating_add(by_ms) >= -SKEW_MAX_MS && most.saturating_add(by_ms) <= SKEW_MAX_MS
    }

    fn gained_ms(&self, now: Duration) -> i64 {
        gained_ms(self.drift_ppm, now.saturating_sub(self.drifts_since))
    }
}

/// The range once the clock is off by so much more at times.
fn spread((least, most): (i64, i64), by_ms: i64) -> (i64, i64) {
    (least.saturating_add(by_ms.min(0)), most.saturating_add(by_ms.max(0)))
}

/// What a clock gains in that time: rounded away from zero, so that no bound is kept by rounding.
pub fn gained_ms(ppm: i32, lasts: Duration) -> i64 {
    let nanos = lasts.as_micros() as i128 * i128::from(ppm) / 1_000;
    let away = nanos.signum() * 999_999;
    ((nanos + away) / 1_000_000) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn jumps_a_strobe_and_a_drift_add_up() {
        let mut skew = Skew::default();
        skew.jump(1_000);
        skew.strobe(-300);
        skew.drift(50_000, 10 * SECOND);
        assert_eq!(skew.at(10 * SECOND), (700, 1_000));
        assert_eq!(skew.at(14 * SECOND), (900, 1_200));
        assert_eq!(skew.reach(), (700, 2_000), "in twenty seconds it gains one");
        skew.jump(-2_000);
        assert_eq!(skew.at(14 * SECOND), (-1_100, -800));
    }

    #[test]
    fn a_new_drift_keeps_what_the_old_one_has_gained_and_a_new_strobe_takes_its_place() {
        let mut skew = Skew::default();
        skew.drift(100_000, SECOND);
        skew.drift(-1_000, 6 * SECOND);
        assert_eq!(skew.at(6 * SECOND), (500, 500));
        assert_eq!(skew.at(16 * SECOND), (490, 490));
        skew.strobe(80);
        skew.strobe(-8);
        assert_eq!(skew.at(6 * SECOND), (492, 500));
    }

    #[test]
    fn what_is_gained_is_rounded_away_from_zero() {
        assert_eq!((gained_ms(1, SECOND), gained_ms(-1, SECOND)), (1, -1));
        assert_eq!((gained_ms(1_000, SECOND), gained_ms(1_000, Duration::ZERO)), (1, 0));
    }

    #[test]
    fn there_is_room_up_to_the_bound_on_both_sides_of_a_strobe() {
        let mut skew = Skew::default();
        skew.strobe(SKEW_MAX_MS / 2);
        assert!(skew.has_room(SKEW_MAX_MS / 2) && !skew.has_room(SKEW_MAX_MS / 2 + 1));
        assert!(skew.has_room(-SKEW_MAX_MS) && !skew.has_room(-SKEW_MAX_MS - 1));
    }
}
