//! What is known of a run, as it becomes known: entries, in order, of which the [`Run`] is the sum.
//!
//! A run in memory and one read back from its log are made by the same [`Run::apply`], so a log that ends early
//! gives the run as it was known by then. A [`Sink`] sees every entry before it is applied: that is how a real run is kept
//! while it goes on.

use crate::cluster::{Artifacts, Finding, NodeId};
use crate::decided::Decided;
use crate::fault::{Fault, FaultKind};
use crate::history::{Event, History, Process};
use crate::op::Op;
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Nodes start; every one is asked until it serves.
    SetUp,
    /// Clients ask, the nemesis breaks.
    Disturb,
    /// All is mended; every node is asked until it serves.
    Heal,
    /// Every key is read through every node.
    ReadBack,
    /// Nothing is asked any more.
    TearDown,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::SetUp => "set up",
            Phase::Disturb => "disturb",
            Phase::Heal => "heal",
            Phase::ReadBack => "read back",
            Phase::TearDown => "tear down",
        })
    }
}

/// A fault as it was enacted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injection {
    /// When it began.
    pub time: Duration,
    /// What.
    pub fault: Fault,
    /// When it was in force, or had failed; `None` if the run is not known any further.
    pub done: Option<Duration>,
    /// Why it could not be enacted.
    pub error: Option<String>,
}

/// All that is known of a run. Not judged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The test's name.
    pub test: String,
    /// What it was made of.
    pub seed: Seed,
    /// The cluster.
    pub nodes: Vec<NodeId>,
    /// Kinds of fault that were asked for and that the cluster cannot enact.
    pub unsupported: Vec<FaultKind>,
    /// What happened.
    pub history: History,
    /// Every fault and every undoing, in order.
    pub injections: Vec<Injection>,
    /// When the generator and the nemesis wanted what they then did; `None` if the disturbing did not come to its end.
    pub decided: Option<Decided>,
    /// Who led, whenever the nemesis looked and found a change.
    pub leaders: Vec<(Duration, Vec<NodeId>)>,
    /// When each phase began.
    pub phases: Vec<(Phase, Duration)>,
    /// Nodes that did not serve in time, a sentence for each phase in which it was so.
    pub unready: Vec<String>,
    /// Final reads that never succeeded, by node.
    pub unread: BTreeMap<NodeId, usize>,
    /// When somebody asked for the end before the time was over.
    pub stopped: Option<Duration>,
    /// What the world left behind; its effects belong to `injections`, one by one. Of a run that
    /// did not come to its end, at most findings.
    pub artifacts: Artifacts,
    /// Whether the run came to its end and the world was asked what it left behind.
    pub ended: bool,
}

/// Something that a run learns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// A phase begins.
    Phase(Phase, Duration),
    /// Something was asked or came to an end; a fault is about to be enacted or was.
    Event(Event),
    /// The disturbing is over, and these were the times of its decisions.
    Decided(Decided),
    /// Others lead than before.
    Leaders(Duration, Vec<NodeId>),
    /// A node did not serve in time.
    Unready(String),
    /// Final reads that never succeeded, by node.
    Unread(BTreeMap<NodeId, usize>),
    /// Somebody asked for the end.
    Stopped(Duration),
    /// It is over, and this is what the world left behind.
    Ended(Artifacts),
    /// It is cut short, and by then the world had seen this go wrong.
    Found {
        /// What the system did.
        findings: Vec<Finding>,
        /// What was done to it.
        doubts: Vec<String>,
    },
}

impl Run {
    /// Of which nothing is known yet.
    pub fn new(test: &str, seed: Seed, nodes: &[NodeId], unsupported: Vec<FaultKind>) -> Run {
        Run {
            test: test.to_owned(),
            seed,
            nodes: nodes.to_vec(),
            unsupported,
            history: History::default(),
            injections: Vec::new(),
            decided: None,
            leaders: Vec::new(),
            phases: Vec::new(),
            unready: Vec::new(),
            unread: BTreeMap::new(),
            stopped: None,
            artifacts: Artifacts::default(),
            ended: false,
        }
    }

    /// The run once it knows this, too.
    pub fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Phase(phase, began) => self.phases.push((phase, began)),
            Entry::Event(event) => {
                if let (Process::Nemesis, Op::Fault(fault)) = (event.process, &event.op) {
                    self.struck(event.time, fault, event.error.as_ref());
                }
                self.history.push(event);
            }
            Entry::Decided(decided) => self.decided = Some(decided),
            Entry::Leaders(time, leaders) => self.leaders.push((time, leaders)),
            Entry::Unready(sentence) => self.unready.push(sentence),
            Entry::Unread(missing) => self.unread = missing,
            Entry::Stopped(time) => self.stopped = Some(time),
            Entry::Ended(artifacts) => {
                self.artifacts = artifacts;
                self.ended = true;
            }
            Entry::Found { findings, doubts } => {
                self.artifacts.findings = findings;
                self.artifacts.doubts = doubts;
            }
        }
    }

    /// Faults have two events each, one after the other: before and after they are enacted.
    fn struck(&mut self, time: Duration, fault: &Fault, error: Option<&String>) {
        match self.injections.last_mut().filter(|last| last.done.is_none()) {
            Some(last) => {
                last.done = Some(time);
                last.error = error.cloned();
            }
            None => {
                let fault = fault.clone();
                self.injections.push(Injection { time, fault, done: None, error: None });
            }
        }
    }

    /// The newest moment that it knows of.
    pub fn lasted(&self) -> Duration {
        let phase = self.phases.last().map(|(_, began)| *began);
        let event = self.history.events.last().map(|event| event.time);
        phase.max(event).unwrap_or_default()
    }
}

/// Sees every entry of a run as it comes.
pub trait Sink {
    /// The next one. Must not fail the run: what cannot be kept is told by whoever made the sink.
    fn entry(&mut self, entry: &Entry);
}

/// The run so far, and who else is told.
pub struct Recorder {
    /// The sum of all entries.
    pub run: Run,
    sink: Option<Box<dyn Sink>>,
}

impl Recorder {
    /// Goes on from a run.
    pub fn new(run: Run, sink: Option<Box<dyn Sink>>) -> Recorder {
        Recorder { run, sink }
    }

    /// Tells the sink and applies it.
    pub fn record(&mut self, entry: Entry) {
        if let Some(sink) = &mut self.sink {
            sink.entry(&entry);
        }
        self.run.apply(entry);
    }
}
