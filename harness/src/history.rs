//! What happened, in order: Jepsen's history. Append-only; an index is a position and never changes.

use crate::cluster::NodeId;
use crate::op::Op;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Who did it: a client process (its number is retired by `Info`, the thread goes on with a fresh one)
/// or the nemesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Process {
    /// A logical client.
    Client(u32),
    /// The breaker of things.
    Nemesis,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Client(number) => write!(f, "p{number}"),
            Process::Nemesis => write!(f, "nemesis"),
        }
    }
}

/// Jepsen's `:type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Asked.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen.
    Fail,
    /// Nobody knows. For the nemesis: a fault, before and after it was enacted.
    Info,
}

/// One line of a history: Jepsen's op map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Since the start of the run, in the cluster's time.
    pub time: Duration,
    /// Who.
    pub process: Process,
    /// Asked, or how it ended.
    pub kind: Kind,
    /// What; on completion with what was seen.
    pub op: Op,
    /// The node it was asked of, where there is one.
    pub node: Option<NodeId>,
    /// Why it failed or why nobody knows.
    pub error: Option<String>,
}

/// All events of a run, in the order in which the control process saw them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// In order; the index of an event is its position here.
    pub events: Vec<Event>,
}

impl History {
    /// Adds an event and returns its index.
    pub fn push(&mut self, event: Event) -> usize {
        self.events.push(event);
        self.events.len() - 1
    }

    /// Client events only, with their indices.
    pub fn client_events(&self) -> impl Iterator<Item = (usize, &Event)> {
        self.events.iter().enumerate().filter(|(_, e)| e.process != Process::Nemesis)
    }
}

/// How a time of a history is told: `18.204 s`.
pub fn seconds(time: Duration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}
