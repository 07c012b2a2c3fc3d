//! Transactions in words: who, when, on which node, with which micro-operations.

use super::Finding;
use super::evidence::Because;
use super::graph::Edge;
use crate::cluster::NodeId;
use crate::columns::Outcome;
use crate::history::{Process, seconds};
use crate::op::Value;
use std::time::Duration;

/// A text and the events that it names.
pub struct Told {
    pub text: String,
    /// Ascending, each once.
    pub events: Vec<usize>,
}

/// A transaction but for what it did.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    pub process: Process,
    pub outcome: Outcome,
    pub node: Option<NodeId>,
    /// The event that stands for it, and its time: its completion, or its invocation while open.
    pub ended: (usize, Duration),
    /// Its invocation, where the history has one.
    pub invoked: Option<(usize, Duration)>,
}

impl Shown {
    /// `p4 at 18.204 s`.
    pub fn name(&self) -> String {
        format!("{} at {}", self.process, seconds(self.ended.1))
    }
}

/// What a checker can say of its histories.
pub trait Words {
    /// What it finds without a cycle.
    type Finding: Finding;

    /// A transaction.
    fn shown(&self, txn: u32) -> Shown;
    /// What it did, of long micro-operations only what is near some values: `[[:append 7 113] [:r 8 [1 2]]]`.
    fn mops(&self, txn: u32, around: &[Value]) -> String;
    /// A finding without a cycle.
    fn finding(&self, finding: &Self::Finding) -> Told;
    /// Why one transaction comes before another by the data: an edge from write to write, from write to read
    /// or from read to write. They are called `a` and `b`.
    fn because(&self, step: (u32, Edge, u32), a: &str, b: &str) -> Because;

    /// `p4 at 18.204 s`.
    fn name(&self, txn: u32) -> String {
        self.shown(txn).name()
    }

    /// `p4 ok at 18.204 s on n2: [[:append 7 113]]`.
    fn line(&self, txn: u32, around: &[Value]) -> String {
        let Shown { process, outcome, node, ended, .. } = self.shown(txn);
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Info => "info",
            Outcome::Fail => "fail",
            Outcome::Open => "still open, invoked",
        };
        let node = node.map_or(String::new(), |node| format!(" on {node}"));
        let time = seconds(ended.1);
        format!("{process} {outcome} at {time}{node}: {}", self.mops(txn, around))
    }
}

/// Each event once, in order.
pub fn each_once(mut events: Vec<usize>) -> Vec<usize> {
    events.sort_unstable();
    events.dedup();
    events
}
