//! What faults do to the messages of a link, beside cutting it: slow, flaky, throttled. All of it is drawn from the two numbers
//! that a message takes in any case, so an impairment shifts no other message's fate.
//!
//! A throttled link has a queue, as tbf has: what would stay in it for longer than [`QUEUE_MAX_NS`] is lost, and a kernel or a
//! peer sends it again. What is queued when the throttle ends keeps its time.

use super::trip::{CHANCE_BITS, happens};
use crate::params::WorldParams;

/// No message is queued for longer. A segment of the largest size passes the narrowest link in half of it, and it is within
/// a kernel's patience.
pub(super) const QUEUE_MAX_NS: u64 = 4_000 * MS;

/// What a queue makes later by less than this is no effect of it: it is what a link takes in any case.
const SHOWS_NS: u64 = MS;

/// An odd constant (2^64 / golden ratio): a product's upper half hangs on every bit below.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1_000 * MS;
const MILLION: u64 = 1_000_000;

/// What leaves some hosts is late.
pub(super) struct Slowness {
    /// By host.
    slowed: Vec<bool>,
    delay_ns: u64,
    jitter_ns: u64,
    pub(super) injection: u32,
}

impl Slowness {
    /// `None` if it delays nothing.
    pub(super) fn new(
        slowed: Vec<bool>,
        delay_ms: u32,
        jitter_ms: u32,
        injection: u32,
    ) -> Option<Slowness> {
        let (delay_ns, jitter_ns) = (u64::from(delay_ms) * MS, u64::from(jitter_ms) * MS);
        (delay_ns | jitter_ns != 0).then_some(Slowness { slowed, delay_ns, jitter_ns, injection })
    }

    pub(super) fn is_of(&self, host: u16) -> bool {
        self.slowed[usize::from(host)]
    }

    /// Uniform in its bounds, and of neither number alone: what else they decide says nothing of it.
    pub(super) fn extra(&self, fate: u64, delay: u64) -> u64 {
        let mixed = (fate ^ delay.rotate_left(32)).wrapping_mul(MIX);
        self.delay_ns + (((mixed >> 32) * (self.jitter_ns + 1)) >> 32)
    }
}

/// Part of what leaves some hosts is lost or doubled.
pub(super) struct Flaky {
    /// By host.
    spoiled: Vec<bool>,
    loss_ppm: u64,
    duplication_ppm: u64,
    pub(super) injection: u32,
}

impl Flaky {
    /// `None` if it spoils nothing.
    pub(super) fn new(
        spoiled: Vec<bool>,
        loss_percent: u8,
        duplicate_percent: u8,
        injection: u32,
    ) -> Option<Flaky> {
        let ppm = |percent: u8| u64::from(percent.min(100)) * (MILLION / 100);
        let (loss_ppm, duplication_ppm) = (ppm(loss_percent), ppm(duplicate_percent));
        let spoils = loss_ppm | duplication_ppm != 0;
        spoils.then_some(Flaky { spoiled, loss_ppm, duplication_ppm, injection })
    }

    pub(super) fn is_of(&self, host: u16) -> bool {
        self.spoiled[usize::from(host)]
    }

    /// Whether a message of this fate is lost, by the link's own loss or by this.
    pub(super) fn loses(&self, params: &WorldParams, fate: u64) -> bool {
        happens(fate, either(params.loss_ppm, self.loss_ppm))
    }

    /// Whether a message of this fate comes twice, by the link's own doubling or by this.
    pub(super) fn doubles(&self, params: &WorldParams, fate: u64) -> bool {
        happens(fate >> CHANCE_BITS, either(params.duplication_ppm, self.duplication_ppm))
    }
}

/// The chance of one or the other, where neither hangs on the other.
fn either(one_ppm: u64, other_ppm: u64) -> u64 {
    one_ppm + other_ppm - one_ppm * other_ppm / MILLION
}

/// Links from some hosts carry little.
pub(super) struct Throttle {
    /// By host.
    throttled: Vec<bool>,
    ns_per_kib: u64,
    pub(super) injection: u32,
}

/// What a throttled link's queue does to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It leaves at that time; `shows`: so late that it counts.
    Queued { until: u64, shows: bool },
    /// There is no room for it.
    Full,
}

impl Throttle {
    pub(super) fn new(throttled: Vec<bool>, kib_per_s: u32, injection: u32) -> Throttle {
        let ns_per_kib = SECOND / u64::from(kib_per_s.max(1));
        Throttle { throttled, ns_per_kib, injection }
    }

    pub(super) fn is_of(&self, host: u16) -> bool {
        self.throttled[usize::from(host)]
    }

    /// A message comes to a queue whose last one leaves at `queued_until`.
    pub(super) fn pass(&self, queued_until: u64, bytes: usize, now: u64) -> Passage {
        pass(self.ns_per_kib, queued_until, bytes, now)
    }
}

/// A message comes to a queue of this rate whose last one leaves at `queued_until`.
pub(super) fn pass(ns_per_kib: u64, queued_until: u64, bytes: usize, now: u64) -> Passage {
    let until = queued_until.max(now) + bytes as u64 * ns_per_kib / 1024;
    match until - now <= QUEUE_MAX_NS {
        true => Passage::Queued { until, shows: until - now >= SHOWS_NS },
        false => Passage::Full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_what_leaves_it_in_time_and_says_what_took_long() {
        let throttle = Throttle::new(vec![true], 8, 0);
        let first = throttle.pass(0, 8 * 1024, 5 * SECOND);
        assert_eq!(first, Passage::Queued { until: 6 * SECOND, shows: true });
        let second = throttle.pass(6 * SECOND, 4 * 1024, 5 * SECOND);
        assert_eq!(second, Passage::Queued { until: 6 * SECOND + SECOND / 2, shows: true });
        assert_eq!(throttle.pass(6 * SECOND, 25 * 1024, 5 * SECOND), Passage::Full);
        let later = throttle.pass(6 * SECOND, 25 * 1024, 6 * SECOND);
        assert!(matches!(later, Passage::Queued { shows: true, .. }), "{later:?}");
        let short = throttle.pass(0, 2, 5 * SECOND);
        assert!(matches!(short, Passage::Queued { shows: false, .. }), "{short:?}");
    }

    #[test]
    fn a_rate_of_nothing_is_the_least_and_a_hundred_percent_the_most() {
        let least = Throttle::new(vec![true], 0, 0);
        let until = SECOND;
        assert_eq!(least.pass(0, 1024, 0), Passage::Queued { until, shows: true });
        let all = Flaky::new(vec![true], 200, 0, 0).expect("it spoils all");
        let params = WorldParams { loss_ppm: 30_000, ..WorldParams::calm() };
        assert!(all.loses(&params, u64::MAX) && !all.doubles(&params, 0));
        assert!(Flaky::new(vec![true], 0, 0, 0).is_none());
    }
}
