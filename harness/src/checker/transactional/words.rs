//! Transactions in words: who, when, on which node, with which micro-operations.

use super::Finding;
use super::columns::{Columns, MicroOp, Outcome, Touch, Txn};
use super::evidence::Because;
use super::graph::Edge;
use crate::op::Value;
use std::time::Duration;

/// A text and the events that it names.
pub struct Told {
    pub text: String,
    /// Ascending, each once.
    pub events: Vec<usize>,
}

/// What a checker can say of its histories.
pub trait Words<'h> {
    /// Its alphabet.
    type Mop: MicroOp + 'h;
    /// What it finds without a cycle.
    type Finding: Finding;

    /// The history.
    fn columns(&self) -> &Columns<'h, Self::Mop>;
    /// A micro-operation, of a long one only what is near some values.
    fn mop(&self, mop: &Self::Mop, around: &[Value]) -> String;
    /// A finding without a cycle.
    fn finding(&self, finding: &Self::Finding) -> Told;
    /// Why one transaction comes before another by the data: an edge from write to write, from write to read
    /// or from read to write. They are called `a` and `b`.
    fn because(&self, step: (u32, Edge, u32), a: &str, b: &str) -> Because;

    /// `p4 at 18.204 s`.
    fn name(&self, txn: &Txn<Self::Mop>) -> String {
        let event = &self.columns().history.events[txn.event];
        format!("{} at {}", event.process, seconds(event.time))
    }

    /// The transaction of a touch, by name.
    fn who(&self, touch: &Touch<Self::Mop>) -> String {
        self.name(self.columns().txn(touch))
    }

    /// `p4 ok at 18.204 s on n2: [[:append 7 113]]`.
    fn line(&self, txn: &Txn<Self::Mop>, around: &[Value]) -> String {
        let event = &self.columns().history.events[txn.event];
        let outcome = match txn.outcome {
            Outcome::Ok => "ok",
            Outcome::Info => "info",
            Outcome::Fail => "fail",
            Outcome::Open => "still open, invoked",
        };
        let node = event.node.map_or(String::new(), |node| format!(" on {node}"));
        let (process, time) = (event.process, seconds(event.time));
        format!("{process} {outcome} at {time}{node}: {}", self.mops(txn, around))
    }

    /// `[[:append 7 113] [:r 8 [1 2]]]`.
    fn mops(&self, txn: &Txn<Self::Mop>, around: &[Value]) -> String {
        let mops: Vec<String> = txn.mops.iter().map(|mop| self.mop(mop, around)).collect();
        format!("[{}]", mops.join(" "))
    }
}

/// `18.204 s`.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

/// Each event once, in order.
pub fn each_once(mut events: Vec<usize>) -> Vec<usize> {
    events.sort_unstable();
    events.dedup();
    events
}
