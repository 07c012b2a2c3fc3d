//! The last look: every key read once through every node, each read repeated until it succeeds.
//!
//! A node without a thread of its own cannot be asked; its reads stay missing, and the run says so.

use super::{Workload, single_read};
use crate::cluster::NodeId;
use crate::generator::{Context, Generator, Next};
use crate::history::{Event, Kind};
use crate::op::Key;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// How long a node is left alone after it failed a read.
const PAUSE: Duration = Duration::from_millis(100);

/// What is left to read through one node.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Key>,
    asked: Vec<Key>,
    rest_until: Duration,
}

/// Exhausted when every read succeeded.
#[derive(Debug)]
pub struct FinalReads {
    workload: Workload,
    queues: BTreeMap<NodeId, Queue>,
}

impl FinalReads {
    /// Of these keys of a workload through these nodes.
    pub fn new(workload: Workload, nodes: &[NodeId], keys: &[Key]) -> FinalReads {
        let queue = || Queue {
            waiting: keys.iter().copied().collect(),
            asked: Vec::new(),
            rest_until: Duration::ZERO,
        };
        let queues = nodes.iter().map(|node| (*node, queue())).collect();
        FinalReads { workload, queues }
    }

    /// Reads that have not succeeded, by node.
    pub fn missing(&self) -> BTreeMap<NodeId, usize> {
        let left = |queue: &Queue| queue.waiting.len() + queue.asked.len();
        let counted = self.queues.iter().map(|(node, queue)| (*node, left(queue)));
        counted.filter(|(_, left)| *left > 0).collect()
    }
}

impl Generator for FinalReads {
    fn next(&mut self, context: &Context, _: &mut ChaCha8Rng) -> Next {
        let mut answer = Next::Exhausted;
        for thread in &context.threads {
            let Some(queue) = self.queues.get_mut(&thread.node) else { continue };
            if queue.waiting.is_empty() && queue.asked.is_empty() {
                continue;
            }
            if !thread.free || queue.waiting.is_empty() {
                answer = answer.sooner(Next::Pending);
            } else if context.now < queue.rest_until {
                answer = answer.sooner(Next::Later(queue.rest_until));
            } else if let Some(key) = queue.waiting.pop_front() {
                queue.asked.push(key);
                return Next::Invoke { thread: thread.id, op: self.workload.read(key) };
            }
        }
        answer
    }

    fn update(&mut self, event: &Event) {
        let Some((node, key)) = single_read(event) else { return };
        let Some(queue) = self.queues.get_mut(&node) else { return };
        if event.kind == Kind::Invoke {
            return;
        }
        let Some(at) = queue.asked.iter().position(|asked| *asked == key) else { return };
        queue.asked.remove(at);
        if event.kind != Kind::Ok {
            queue.waiting.push_back(key);
            queue.rest_until = event.time + PAUSE;
        }
    }
}
