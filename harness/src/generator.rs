//! What the clients ask, and when: pure, deterministic, one stream of random numbers.
//!
//! A generator is asked with a [`Context`] (the time, the threads) and answers with a [`Next`]. It never waits
//! and never acts: the interpreter does. The combinators are Jepsen's, one a file, except that their draws all
//! come from the workload's stream, so that a seed fixes them.
//!
//! Cannot see: what the nemesis does. Only client events come back through [`Generator::update`].

use crate::cluster::NodeId;
use crate::history::Event;
use crate::op::Op;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::collections::VecDeque;
use std::time::Duration;

pub mod later;
pub mod limit;
pub mod mix;
pub mod on_threads;
pub mod per_thread;
pub mod phases;
pub mod planned;
pub mod rate;
pub mod stagger;
pub mod time_limit;

/// One client thread as a generator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its number, from 0; never changes.
    pub id: usize,
    /// The process that it runs now: `id` at first, plus the number of threads after each `Info`.
    pub process: u32,
    /// The node that it talks to; never changes.
    pub node: NodeId,
    /// Whether it can be asked to do something.
    pub free: bool,
}

/// What a generator may know when it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The cluster's time.
    pub now: Duration,
    /// The threads it may use, by number.
    pub threads: Vec<Thread>,
}

impl Context {
    /// A free thread, each equally likely; `None`, without a draw, if all are busy.
    pub fn free(&self, rng: &mut ChaCha8Rng) -> Option<Thread> {
        let free = self.threads.iter().filter(|thread| thread.free).count();
        if free == 0 {
            return None;
        }
        let chosen = rng.range(0, free as u64) as usize;
        self.threads.iter().filter(|thread| thread.free).nth(chosen).copied()
    }

    /// Whether nothing is in flight.
    pub fn idle(&self) -> bool {
        self.threads.iter().all(|thread| thread.free)
    }
}

/// A generator's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask this now. The thread is free.
    Invoke {
        /// [`Thread::id`].
        thread: usize,
        /// What to ask.
        op: Op,
    },
    /// Nothing before this time, unless something completes.
    Later(Duration),
    /// Nothing until something completes.
    Pending,
    /// Nothing ever again.
    Exhausted,
}

impl Next {
    /// Of two answers that invoke nothing, the one that holds for both: the earliest time; exhausted only if both are.
    pub fn sooner(self, other: Next) -> Next {
        match (self, other) {
            (invoke @ Next::Invoke { .. }, _) | (_, invoke @ Next::Invoke { .. }) => invoke,
            (Next::Later(a), Next::Later(b)) => Next::Later(a.min(b)),
            (Next::Later(at), _) | (_, Next::Later(at)) => Next::Later(at),
            (Next::Exhausted, Next::Exhausted) => Next::Exhausted,
            (Next::Pending, _) | (_, Next::Pending) => Next::Pending,
        }
    }
}

/// Decides what is asked next. Asked again whenever something completed or the time it named has come.
pub trait Generator {
    /// The next operation, or when to ask again. An `Invoke` counts as carried out.
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next;

    /// Told of every event of a client, invocations and completions, after it was recorded. The context's
    /// threads have not yet been renamed: `event.process` is the process that asked.
    fn update(&mut self, event: &Event) {
        let _ = event;
    }
}

impl<G: Generator + ?Sized> Generator for Box<G> {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        (**self).next(context, rng)
    }

    fn update(&mut self, event: &Event) {
        (**self).update(event);
    }
}

impl<G: Generator + ?Sized> Generator for &mut G {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        (**self).next(context, rng)
    }

    fn update(&mut self, event: &Event) {
        (**self).update(event);
    }
}

/// These operations, each once, in order, on any free thread.
#[derive(Clone, Debug, Default)]
pub struct Each {
    ops: VecDeque<Op>,
}

impl Each {
    /// Of the operations given.
    pub fn of(ops: impl IntoIterator<Item = Op>) -> Each {
        Each { ops: ops.into_iter().collect() }
    }
}

impl Generator for Each {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        if self.ops.is_empty() {
            return Next::Exhausted;
        }
        let Some(thread) = context.free(rng) else { return Next::Pending };
        match self.ops.pop_front() {
            Some(op) => Next::Invoke { thread: thread.id, op },
            None => Next::Exhausted,
        }
    }
}

/// The same operation for ever, on any free thread.
#[derive(Clone, Debug)]
pub struct Repeat(pub Op);

impl Generator for Repeat {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        match context.free(rng) {
            Some(thread) => Next::Invoke { thread: thread.id, op: self.0.clone() },
            None => Next::Pending,
        }
    }
}
