//! Monotonic clocks of nodes: they show virtual time, unless a pace of their own was injected.
//!
//! A node measures with its clock whatever it measures: what it reads, and how long it sleeps. Its disk, its kernel's streams and the
//! network take true time. A clock that was set back to the true pace keeps what it has gained: it never goes back. Promises: a clock to which nothing
//! was done shows virtual time to the nanosecond; a sleep ends at the first nanosecond at which the node's clock shows its end, also when its
//! pace changes meanwhile.

use super::Changed;
use crate::timers::END_OF_TIME;
use std::cell::Cell;

const MILLION: u128 = 1_000_000;

/// The monotonic clocks of all nodes.
pub(crate) struct MonotonicClocks(Vec<Monotonic>);

#[derive(Default)]
struct Monotonic {
    pace: Cell<Pace>,
    /// The injection in force, and the reads that it changed.
    changed: Cell<Option<Changed>>,
}

/// What a clock has shown, since when, and how it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pace {
    /// Gained, in microseconds a second.
    ppm: i32,
    /// In true time.
    since: u64,
    /// Then.
    shown: u64,
}

impl Pace {
    /// Of a million nanoseconds of true time; none if it stands still.
    fn rate(self) -> u128 {
        (1_000_000 + i64::from(self.ppm)).max(0) as u128
    }

    /// In nanoseconds, at that true time.
    fn shows(self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.since);
        let gained = match self.ppm {
            0 => u128::from(passed),
            _ => u128::from(passed) * self.rate() / MILLION,
        };
        (u128::from(self.shown) + gained).min(END_OF_TIME.into()) as u64
    }

    /// The first true time at which it shows so much or more.
    fn comes(self, at: u64) -> u64 {
        let left = u128::from(at.saturating_sub(self.shown));
        let passes = match (self.ppm, self.rate()) {
            (0, _) => left,
            (_, 0) if left > 0 => END_OF_TIME.into(),
            (_, 0) => 0,
            (_, rate) => (left * MILLION).div_ceil(rate),
        };
        (u128::from(self.since) + passes).min(END_OF_TIME.into()) as u64
    }
}

impl MonotonicClocks {
    pub(crate) fn new(nodes: u16) -> MonotonicClocks {
        MonotonicClocks((0..=nodes).map(|_| Monotonic::default()).collect())
    }

    /// What the node's clock shows at virtual time `now`.
    pub(crate) fn shows(&self, node: u16, now: u64) -> u64 {
        self.0[usize::from(node)].pace.get().shows(now)
    }

    /// The same, counted as a read by the node.
    pub(crate) fn read(&self, node: u16, now: u64) -> u64 {
        let clock = &self.0[usize::from(node)];
        let pace = clock.pace.get();
        let shows = pace.shows(now);
        if let Some((injection, reads)) = clock.changed.get() {
            let differs = shows != (Pace { ppm: 0, ..pace }).shows(now);
            clock.changed.set(Some((injection, reads + u64::from(differs))));
        }
        shows
    }

    /// The virtual time at which the node's clock shows `at`, as it goes now.
    pub(crate) fn comes(&self, node: u16, at: u64) -> u64 {
        self.0[usize::from(node)].pace.get().comes(at)
    }

    /// For each injection in force, how many reads it has changed so far.
    pub(crate) fn changed(&self) -> impl Iterator<Item = Changed> + '_ {
        self.0.iter().filter_map(|clock| clock.changed.get())
    }

    /// Another pace from now on, for the injection of this number, or the true one. Returns how many reads the pace before it
    /// changed.
    pub(crate) fn drift(
        &self,
        node: u16,
        ppm: i32,
        now: u64,
        injection: Option<usize>,
    ) -> Option<Changed> {
        let clock = &self.0[usize::from(node)];
        let shown = clock.pace.get().shows(now);
        if clock.pace.get() != Pace::default() || ppm != 0 {
            clock.pace.set(Pace { ppm, since: now, shown });
        }
        clock.changed.replace(injection.map(|injection| (injection, 0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_clock_of_its_own_pace_goes_on_from_what_it_showed_and_keeps_it_when_it_is_true_again() {
        let clocks = MonotonicClocks::new(2);
        assert_eq!((clocks.read(1, 1_000), clocks.comes(1, 5_000)), (1_000, 5_000));
        clocks.drift(1, 250_000, 1_000, Some(7));
        assert_eq!((clocks.read(1, 1_000), clocks.read(1, 5_000)), (1_000, 6_000));
        assert_eq!(clocks.read(2, 5_000), 5_000);
        assert_eq!(clocks.drift(1, -1_000_000, 5_000, Some(8)), Some((7, 1)));
        assert_eq!((clocks.read(1, 9_000), clocks.comes(1, 6_001)), (6_000, END_OF_TIME));
        assert_eq!(clocks.drift(1, 0, 9_000, None), Some((8, 1)));
        assert_eq!((clocks.read(1, 10_000), clocks.comes(1, 7_000)), (7_000, 10_000));
        assert_eq!(clocks.drift(1, 0, 10_000, None), None);
    }

    proptest! {
        #[test]
        fn a_clock_shows_a_time_at_the_first_nanosecond_and_not_before(
            ppm in -999_999i32..5_000_000, since in 0u64..1 << 50, shown in 0u64..1 << 50, left in 0u64..1 << 40,
        ) {
            let pace = Pace { ppm, since, shown };
            let at = pace.comes(shown + left);
            prop_assert!(pace.shows(at) >= shown + left);
            prop_assert!(left == 0 || pace.shows(at - 1) < shown + left);
        }

        #[test]
        fn a_true_clock_is_virtual_time(now in 0u64..END_OF_TIME) {
            let pace = Pace::default();
            prop_assert_eq!((pace.shows(now), pace.comes(now)), (now, now));
        }
    }
}
