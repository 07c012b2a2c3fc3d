//! Operations that were written down: each on its thread, at its time or as soon as the thread is free.
//!
//! In the build that it was recorded in it asks as the generator did that it stands for, and waits for the same moments. In another
//! build, where other threads are busy, an operation keeps its time if its thread is free then; one that has to wait holds
//! up no other thread's.

use super::{Context, Generator, Next};
use crate::op::Op;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

/// An operation and when it is asked, in the cluster's time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// When it is due: nothing is waited for before.
    pub due: Duration,
    /// When it is asked, if its thread is free.
    pub at: Duration,
    /// Of which thread; thread i talks to node i mod n.
    pub thread: u16,
    /// What; its reads say nothing of what they see.
    pub op: Op,
}

/// The operations of a plan. Never exhausted: its run ends at its time.
#[derive(Clone, Debug)]
pub struct Planned {
    asks: VecDeque<Ask>,
    next_ask: Option<Duration>,
}

impl Planned {
    /// Of operations in the order in which they were invoked, and the moment at which one more was due.
    pub fn new(asks: impl IntoIterator<Item = Ask>, next_ask: Option<Duration>) -> Planned {
        Planned { asks: asks.into_iter().collect(), next_ask }
    }

    /// The first operation whose time has come and whose thread is free.
    fn ready(&mut self, context: &Context) -> Option<Ask> {
        let come = self.asks.iter().take_while(|ask| ask.at <= context.now);
        let free = |ask: &Ask| context.threads.get(usize::from(ask.thread)).is_some_and(|t| t.free);
        let index = come.enumerate().find(|(_, ask)| free(ask)).map(|(index, _)| index)?;
        self.asks.remove(index)
    }

    /// When the next operation is due; after the last one, when one more was.
    fn due(&self, now: Duration, busy: bool) -> Option<Duration> {
        if busy {
            let first = self.asks.front().map_or(self.next_ask, |ask| Some(ask.due));
            return first.filter(|due| *due > now);
        }
        match self.asks.iter().find(|ask| ask.at > now) {
            Some(ask) if ask.due > now => Some(ask.due),
            Some(ask) => Some(ask.at),
            None => self.next_ask.filter(|due| self.asks.is_empty() && *due > now),
        }
    }
}

impl Generator for Planned {
    fn next(&mut self, context: &Context, _: &mut ChaCha8Rng) -> Next {
        if let Some(Ask { thread, op, .. }) = self.ready(context) {
            return Next::Invoke { thread: usize::from(thread), op };
        }
        // With all threads busy the original waited for one of them, not for a time.
        let busy = context.threads.iter().all(|thread| !thread.free);
        self.due(context.now, busy).map_or(Next::Pending, Next::Later)
    }
}
