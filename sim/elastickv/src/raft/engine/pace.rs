//! Whether this node's monotonic clock outruns its leader's by more than a lease allows for: then it grants none.
//!
//! A lease lasts for a part of what was promised, each by the clock of its own node (1.7 s of 2.0 s): it is exclusive as long as no clock of a
//! quorum outruns the leader's by more than promise and lease are apart, which clocks that are each off by no more
//! than 7 % do not. Every message of a leader carries its time. A node compares how far that time goes with how far its own goes
//! between the messages that were least delayed; if in two windows in a row its own goes too far, its answers count for no
//! lease until it does so no more, and the leader asks a quorum before it reads.
//!
//! Cannot see: a clock that changes its pace less than two or three windows before its leader is cut off; no message says so in time. Nor
//! whether messages are more and more delayed instead: then a lease is not granted that could have been, which costs a
//! round of messages and no answer; nor that an answer with a time so old, of a node that was added again a moment ago, is taken for one
//! of its earlier life, which is as if it were lost. Upstream has no such guard.

use super::Inner;
use crate::env::{Env, Level};
use crate::raft::message::Message;
use std::time::Duration;

/// One window, of a leader's time.
const WINDOW: Duration = Duration::from_secs(2);

/// In so many windows in a row a clock has to have outrun its leader's.
const WINDOWS: u32 = 2;

/// When a leader's message was made, by its clock, and when it was heard, by this node's; nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Heard {
    made: u64,
    at: u64,
}

impl Heard {
    /// How long it took, but for what the two clocks always differ by.
    fn took(self) -> i128 {
        i128::from(self.at) - i128::from(self.made)
    }
}

/// The clocks of this node and of one leader.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Who leads, and in which term.
    leader: (u64, u64),
    /// The least delayed message of the window before.
    before: Option<Heard>,
    /// When this window began, by the leader's clock, and its least delayed message so far.
    window: Option<(u64, Heard)>,
    /// Windows in a row in which this clock outran the leader's.
    outran: u32,
    /// The log says so of this leader.
    is_told: bool,
}

impl Pace {
    /// A message of this leader of this term is heard. Whether this clock outruns the leader's by more than `promise` is longer than `lease`.
    fn outruns(
        &mut self,
        leader: (u64, u64),
        heard: Heard,
        promise: Duration,
        lease: Duration,
    ) -> bool {
        if self.leader != leader {
            *self = Pace { leader, ..Pace::default() };
        }
        let window = WINDOW.as_nanos() as u64;
        match &mut self.window {
            // An old message says nothing new.
            Some((begun, _)) if heard.made < *begun => {}
            Some((begun, least)) if heard.made - *begun < window => {
                if heard.took() < least.took() {
                    *least = heard;
                }
            }
            Some((_, least)) => {
                let least = *least;
                self.window = Some((heard.made, heard));
                self.compare(least, promise, lease);
            }
            None => self.window = Some((heard.made, heard)),
        }
        self.outran >= WINDOWS
    }

    /// The least delayed message of a window that is over, with that of the one before.
    fn compare(&mut self, least: Heard, promise: Duration, lease: Duration) {
        if let Some(before) = self.before.replace(least) {
            let (own, leaders) = (least.at.saturating_sub(before.at), least.made - before.made);
            let outran =
                u128::from(own) * lease.as_nanos() > u128::from(leaders) * promise.as_nanos();
            self.outran = if outran { self.outran + 1 } else { 0 };
        }
    }
}

impl<E: Env> Inner<E> {
    /// A leader's message as this node answers it: if its clock outruns the leader's, with a time of which no lease is left.
    pub(super) fn as_granted(&self, mut message: Message) -> Message {
        if !message.kind.is_from_leader() || message.term < self.raft.borrow().term() {
            return message;
        }
        let heard = Heard { made: message.stamp, at: self.env.monotonic().as_nanos() as u64 };
        let (promise, lease) = (self.options.election_timeout(), self.options.lease());
        let leader = (message.from, message.term);
        let mut pace = self.pace.borrow_mut();
        if pace.outruns(leader, heard, promise, lease) {
            sometimes!(self.env, "lease not granted to a slower clock");
            if !std::mem::replace(&mut pace.is_told, true) {
                let text =
                    format_args!("its clock outruns n{}'s: no lease is granted", message.from);
                self.env.log(Level::Warn, text);
            }
            message.stamp = message.stamp.saturating_sub(promise.as_nanos() as u64);
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const PROMISE: Duration = Duration::from_secs(2);
    const LEASE: Duration = Duration::from_millis(1_700);

    /// What becomes of a heartbeat every 200 ms of a leader whose clock goes at one pace, of a hundred, while this node's goes at another, and that
    /// takes so many milliseconds: the first that is granted no lease, and the last.
    fn refused(
        leaders: u64,
        own: u64,
        beats: u64,
        takes_ms: impl Fn(u64) -> u64,
    ) -> Option<(u64, u64)> {
        let mut pace = Pace::default();
        let outruns = |beat: &u64| {
            let made = beat * 200 * MS;
            let heard = (made * 100 / leaders + takes_ms(*beat) * MS) * own / 100;
            pace.outruns((1, 1), Heard { made, at: 77 * MS + heard }, PROMISE, LEASE)
        };
        let refused: Vec<u64> = (0..beats).filter(outruns).collect();
        Some((*refused.first()?, *refused.last()?))
    }

    #[test]
    fn clocks_within_the_bound_are_granted_leases_through_late_and_lost_messages() {
        for (leaders, own) in [(100, 100), (93, 107), (107, 93)] {
            let jitter = |beat: u64| 5 + beat * 7 % 11;
            assert_eq!(refused(leaders, own, 500, jitter), None, "{leaders} {own}");
            let slowed = |beat: u64| if beat / 60 % 2 == 1 { 4_000 } else { 5 };
            assert_eq!(refused(leaders, own, 500, slowed), None, "{leaders} {own}");
        }
    }

    #[test]
    fn a_clock_that_outruns_its_leaders_grants_no_lease_after_a_few_windows() {
        for (leaders, own) in [(100, 120), (80, 100), (50, 200), (90, 110)] {
            let (first, last) = refused(leaders, own, 300, |_| 5).expect("it outruns it");
            // Thirty heartbeats are three windows.
            assert!(
                first <= 31 + WINDOWS as u64 && last == 299,
                "{leaders} {own}: {first}..{last}"
            );
        }
    }

    #[test]
    fn who_is_outrun_grants_leases() {
        assert_eq!(refused(200, 50, 300, |_| 5), None, "its promise lasts all the longer");
    }

    #[test]
    fn another_leader_is_another_clock_and_a_clock_that_is_right_again_is_granted_leases() {
        let mut pace = Pace::default();
        let mut at = 0;
        let mut beat = |pace: &mut Pace, leader, made: u64, own: u64| {
            at += 200 * MS * own / 100;
            pace.outruns(leader, Heard { made: made * 200 * MS, at }, PROMISE, LEASE)
        };
        let mut last = |leader, beats: std::ops::Range<u64>, own| {
            beats.map(|made| beat(&mut pace, leader, made, own)).last()
        };
        assert_eq!(last((1, 1), 0..60, 150), Some(true));
        assert_eq!(last((2, 2), 0..20, 150), Some(false), "nothing is known of this one");
        assert_eq!(last((2, 2), 20..60, 150), Some(true));
        assert_eq!(last((2, 2), 60..61, 100), Some(true), "not yet");
        assert_eq!(last((2, 2), 61..90, 100), Some(false));
    }
}
