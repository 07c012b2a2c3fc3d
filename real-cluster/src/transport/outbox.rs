//! Messages that wait for one peer on one lane. The newest is refused when it is full: the peer is not there, or slow.

use super::lane_max;
use bytes::Bytes;
use elastickv::env::Lane;
use std::cell::RefCell;
use std::collections::VecDeque;
use tokio::sync::Notify;

/// Messages that may wait.
const COUNT_MAX: usize = 4096;
/// Bytes that may wait, unless one message alone is longer.
const BYTES_MAX: usize = 64 << 20;

pub(super) struct Outbox {
    queue: RefCell<Queue>,
    bytes_max: usize,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Bytes>,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(lane: Lane) -> Outbox {
        let bytes_max = BYTES_MAX.max(lane_max(lane));
        Outbox { queue: RefCell::default(), bytes_max, filled: Notify::new() }
    }

    /// Whether there was room.
    pub(super) fn push(&self, message: Bytes) -> bool {
        let mut queue = self.queue.borrow_mut();
        let room =
            queue.messages.len() < COUNT_MAX && queue.bytes + message.len() <= self.bytes_max;
        if room {
            queue.bytes += message.len();
            queue.messages.push_back(message);
            self.filled.notify_one();
        }
        room
    }

    /// The oldest.
    pub(super) fn pop(&self) -> Option<Bytes> {
        let mut queue = self.queue.borrow_mut();
        let message = queue.messages.pop_front()?;
        queue.bytes -= message.len();
        Some(message)
    }

    /// Drops all and says how many there were.
    pub(super) fn clear(&self) -> u64 {
        let dropped = std::mem::take(&mut *self.queue.borrow_mut());
        dropped.messages.len() as u64
    }

    /// Returns when something waits. Cancel-safe.
    pub(super) async fn filled(&self) {
        while self.queue.borrow().messages.is_empty() {
            self.filled.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_outbox_refuses_the_newest() {
        let outbox = Outbox::new(Lane::Heartbeat);
        for _ in 0..COUNT_MAX {
            assert!(outbox.push(Bytes::from_static(b"m")));
        }
        assert!(!outbox.push(Bytes::from_static(b"m")));
        assert!(outbox.pop().is_some());
        assert!(outbox.push(Bytes::from_static(b"m")));
        assert_eq!(outbox.clear(), COUNT_MAX as u64);
        assert!(outbox.pop().is_none());
    }

    #[test]
    fn bytes_fill_an_outbox_too() {
        let outbox = Outbox::new(Lane::Heartbeat);
        let large = Bytes::from(vec![0; BYTES_MAX / 2 + 1]);
        assert!(outbox.push(large.clone()));
        assert!(!outbox.push(large));
        assert!(outbox.push(Bytes::from_static(b"small")));
    }
}
