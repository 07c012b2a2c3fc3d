//! Messages of one lane that the node has not taken yet. When it is full the oldest go, as in the simulated world's kernel.

use super::lane_max;
use bytes::Bytes;
use elastickv::env::{Lane, NodeId};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

const COUNT_MAX: usize = 4096;
const BYTES_MAX: usize = 64 << 20;

pub(super) struct Inbox {
    state: RefCell<State>,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(NodeId, Bytes)>,
    bytes: usize,
    /// Whose receive waits: one task per lane.
    reader: Option<Waker>,
}

impl Inbox {
    pub(super) fn new(lane: Lane) -> Inbox {
        Inbox { state: RefCell::default(), bytes_max: BYTES_MAX.max(lane_max(lane)) }
    }

    /// How many older ones were dropped for it.
    pub(super) fn push(&self, from: NodeId, message: Bytes) -> u64 {
        let mut state = self.state.borrow_mut();
        state.bytes += message.len();
        state.queue.push_back((from, message));
        let mut dropped = 0;
        while state.queue.len() > COUNT_MAX || state.bytes > self.bytes_max {
            let Some((_, oldest)) = state.queue.pop_front() else { break };
            state.bytes -= oldest.len();
            dropped += 1;
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        dropped
    }

    pub(super) fn poll_pop(&self, cx: &Context<'_>) -> Poll<(NodeId, Bytes)> {
        match self.pop() {
            Some(came) => Poll::Ready(came),
            None => {
                self.state.borrow_mut().reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(super) fn pop(&self) -> Option<(NodeId, Bytes)> {
        let mut state = self.state.borrow_mut();
        let Some((from, message)) = state.queue.pop_front() else {
            state.reader = None;
            return None;
        };
        state.bytes -= message.len();
        Some((from, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn a_full_inbox_drops_the_oldest() {
        let inbox = Inbox::new(Lane::Heartbeat);
        let message = |n: usize| Bytes::from(n.to_string());
        for n in 0..COUNT_MAX {
            assert_eq!(inbox.push(NodeId(1), message(n)), 0);
        }
        assert_eq!(inbox.push(NodeId(1), message(COUNT_MAX)), 1);
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(inbox.poll_pop(&cx), Poll::Ready((NodeId(1), message(1))));
    }
}
