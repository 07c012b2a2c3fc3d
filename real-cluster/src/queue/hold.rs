//! Packets that wait for their time. Pure: time and chance are handed in.
//!
//! Promise: packets go in the order of their times, and those of one time in the order in which they came.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How late packets are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Slowness {
    pub delay_ms: u32,
    /// At most so much on top of the delay.
    pub jitter_ms: u32,
}

impl Slowness {
    /// The delay, and the part of the jitter that `draw` is of all numbers.
    fn lateness(self, draw: u64) -> Duration {
        let jitter = Duration::from_millis(self.jitter_ms.into()).as_nanos();
        let part = ((jitter + 1) * u128::from(draw)) >> u64::BITS;
        let part = u64::try_from(part).expect("a part of 2^32 ms fits in 64 bits of ns");
        Duration::from_millis(self.delay_ms.into()) + Duration::from_nanos(part)
    }
}

#[derive(Debug, Default)]
pub(super) struct Hold {
    slowness: Slowness,
    /// (due, how many came before, packet).
    waiting: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    came: u64,
}

impl Hold {
    pub(super) fn slowness(&self) -> Slowness {
        self.slowness
    }

    /// For packets that come from now on.
    pub(super) fn set(&mut self, slowness: Slowness) {
        self.slowness = slowness;
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn take(&mut self, packet: u32, now: Instant, draw: u64) {
        let due = now + self.slowness.lateness(draw);
        self.waiting.push(Reverse((due, self.came, packet)));
        self.came += 1;
    }

    /// When the first of them must go.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse((due, ..))| *due)
    }

    /// Those whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> Vec<u32> {
        let mut due = Vec::new();
        while self.next_due().is_some_and(|next| next <= now) {
            due.extend(self.pop());
        }
        due
    }

    /// All, whatever their time.
    pub(super) fn all(&mut self) -> Vec<u32> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    fn pop(&mut self) -> Option<u32> {
        self.waiting.pop().map(|Reverse((.., packet))| packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    const NONE: Slowness = Slowness { delay_ms: 0, jitter_ms: 0 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn without_delay_a_packet_is_due_at_once() {
        let (mut hold, now) = (Hold::default(), Instant::now());
        hold.take(7, now, u64::MAX);
        assert_eq!(hold.due(now), [7]);
        assert_eq!(hold.next_due(), None);
    }

    #[test]
    fn a_packet_keeps_the_time_that_it_was_given_when_it_came() {
        let (mut hold, now) = (Hold::default(), Instant::now());
        hold.set(Slowness { delay_ms: 50, jitter_ms: 0 });
        hold.take(1, now, 0);
        hold.set(NONE);
        hold.take(2, now + ms(1), 0);
        assert_eq!(hold.due(now + ms(1)), [2]);
        assert!(hold.due(now + ms(49)).is_empty());
        assert_eq!(hold.due(now + ms(50)), [1]);
    }

    #[test]
    fn all_lets_go_what_is_not_due_in_the_order_of_its_times() {
        let (mut hold, now) = (Hold::default(), Instant::now());
        hold.set(Slowness { delay_ms: 50, jitter_ms: 0 });
        hold.take(1, now, 0);
        hold.set(Slowness { delay_ms: 10, jitter_ms: 0 });
        hold.take(2, now, 0);
        assert_eq!(hold.all(), [2, 1]);
        assert_eq!(hold.len(), 0);
    }

    fn config() -> ProptestConfig {
        let rng_seed = RngSeed::Fixed(0);
        ProptestConfig { failure_persistence: None, rng_seed, ..ProptestConfig::default() }
    }

    proptest! {
        #![proptest_config(config())]

        #[test]
        fn lateness_is_the_delay_and_at_most_the_jitter(
            delay_ms: u32, jitter_ms: u32, draw: u64
        ) {
            let late = Slowness { delay_ms, jitter_ms }.lateness(draw);
            prop_assert!(late >= ms(delay_ms.into()));
            prop_assert!(late <= ms(u64::from(delay_ms) + u64::from(jitter_ms)));
        }

        #[test]
        fn without_jitter_packets_keep_their_order(
            delay_ms in 0..100_u32, gaps in prop::collection::vec(0..5_u64, 1..50), draw: u64
        ) {
            let (mut hold, mut now) = (Hold::default(), Instant::now());
            hold.set(Slowness { delay_ms, jitter_ms: 0 });
            let mut out = Vec::new();
            for (packet, gap) in (0..).zip(&gaps) {
                now += ms(*gap);
                hold.take(packet, now, draw.rotate_left(packet));
                out.extend(hold.due(now));
            }
            out.extend(hold.all());
            prop_assert!(out.iter().copied().eq(0..gaps.len() as u32));
        }
    }

    #[test]
    fn the_greatest_draw_is_the_whole_jitter() {
        let slowness = Slowness { delay_ms: 1, jitter_ms: 20 };
        assert_eq!(slowness.lateness(0), ms(1));
        assert_eq!(slowness.lateness(u64::MAX), ms(21));
    }
}
