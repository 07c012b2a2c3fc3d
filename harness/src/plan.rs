//! A run's decisions as data: faults with their times and targets, operations with theirs, and all that the run was told.
//!
//! ```text
//!   Run ──Plan::of──> Plan ──encode──> FILE.plan ──decode──> Plan ──drivers──> run_with ──> Run
//! ```
//!
//! Promises: in the build that recorded it a plan gives the run that it was taken from, with the same trace hash. In a later
//! build the same operations are asked and the same faults injected at the same times, as far as threads are free; what
//! happens then is up to that build. What is not decided here (when a message arrives) comes from the streams of the
//! plan's seed, a link's by the number of the message, unless an [`Override`] says otherwise.
//!
//! Cannot keep: the order in which tasks of one node run, which is the build's.

use crate::cluster::NodeId;
use crate::fault::{Fault, FaultKind};
use crate::generator::on_threads::OnThreads;
use crate::generator::planned::Planned;
use crate::history::{Event, Kind, Process};
use crate::nemesis;
use crate::op::Op;
use crate::options::{NODES_MAX, Options};
use crate::recording::{Injection, Phase, Run};
use crate::run::Drivers;
use crate::seed::Seed;
use crate::test::Test;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

mod fate;
mod file;
mod words;

pub use crate::generator::planned::Ask;
pub use crate::nemesis::planned::Look;
pub use fate::{Fate, Override};
pub use file::{LIMIT, PlanError};

/// No plan is longer: a week of the cluster's time.
const UNTIL_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// The run that a plan was taken from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The commit that ran; empty if unknown.
    pub commit: String,
    /// Names the very program that ran; 0 if unknown. Only there must the trace hash be the same again.
    pub build: u64,
    /// Its trace hash; 0 where the world was real.
    pub trace_hash: u64,
}

/// What a run was told beyond its test, seed and options.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// A planted bug, how writes are wired.
    pub extra: BTreeMap<String, String>,
    /// Parameters of the simulated world by name; empty: what the seed makes of it.
    pub world: BTreeMap<String, u64>,
    /// What becomes of single messages, against the streams.
    pub overrides: Vec<Override>,
}

/// All decisions of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The test's name.
    pub test: String,
    /// What the streams are made of.
    pub seed: Seed,
    /// All options.
    pub options: Options,
    /// What else the run is told.
    pub told: Told,
    /// Operations in the order in which they are asked.
    pub asks: Vec<Ask>,
    /// When one more was due, which was never asked.
    pub next_ask: Option<Duration>,
    /// In order.
    pub looks: Vec<Look>,
    /// When the disturbing ends.
    pub until: Duration,
    /// Where it comes from.
    pub taken: Taken,
}

impl Plan {
    /// The decisions of a run. Of one that did not come to its end, as far as its history shows them.
    pub fn of(run: &Run, options: &Options, told: Told, taken: Taken) -> Plan {
        let disturbed = phase(run, Phase::Disturb).unwrap_or_default();
        let healed = phase(run, Phase::Heal).unwrap_or(Duration::MAX);
        let threads = u32::from(options.clients).max(run.nodes.len() as u32).max(1);
        let client = |event: &&Event| {
            event.kind == Kind::Invoke && event.process != Process::Nemesis && event.time <= healed
        };
        let invoked: Vec<&Event> = run.history.events.iter().filter(client).collect();
        let dues = |index: usize, at: Duration| {
            run.decided.as_ref().map_or(Some(at), |decided| decided.asks.get(index).copied())
        };
        let ask = |(index, event): (usize, &&Event)| {
            let Process::Client(process) = event.process else { return None };
            let due = dues(index, event.time)?;
            let thread = (process % threads) as u16;
            Some(Ask { due, at: event.time, thread, op: event.op.clone() })
        };
        let looks = match &run.decided {
            Some(decided) => looks(&decided.looks, &run.injections),
            None => broken(run.injections.iter().filter(|injection| injection.time < healed)),
        };
        Plan {
            test: run.test.clone(),
            seed: run.seed,
            options: options.clone(),
            told,
            asks: invoked.iter().enumerate().filter_map(ask).collect(),
            next_ask: run.decided.as_ref().and_then(|decided| decided.next_ask),
            looks,
            until: run.decided.as_ref().map_or(disturbed + options.time, |decided| decided.until),
            taken,
        }
    }

    /// What asks and breaks when the plan is run.
    pub fn drivers(&self) -> Drivers {
        let asks = Planned::new(self.asks.iter().cloned(), self.next_ask);
        Drivers {
            generator: Box::new(OnThreads::first(usize::from(self.options.clients), asks)),
            nemesis: Box::new(nemesis::planned::Planned::new(self.looks.iter().cloned())),
            until: self.until,
            began: None,
        }
    }

    /// The same in another world than the one it was taken from: its times count from where the disturbing begins there.
    pub fn drivers_elsewhere(&self) -> Drivers {
        let asked = self.asks.iter().map(|ask| ask.due.min(ask.at));
        let first = asked.chain(self.looks.iter().map(|look| look.due)).min();
        let began = self.until.saturating_sub(self.options.time);
        // Of a plan that was cut down the end says little.
        let began = first.map_or(began, |first| began.min(first));
        Drivers { began: Some(began), ..self.drivers() }
    }

    /// The same plan without the faults of these kinds, and without what would mend nothing then.
    pub fn without(&self, kinds: &[FaultKind]) -> Plan {
        let left: BTreeSet<FaultKind> =
            self.kinds().into_iter().filter(|kind| !kinds.contains(kind)).collect();
        let kept = |look: &&Look| match look.fault.as_ref() {
            None => true,
            Some(fault) => match fault.kind() {
                Some(kind) => left.contains(&kind),
                None => fault.mends().iter().any(|kind| left.contains(kind)),
            },
        };
        Plan { looks: self.looks.iter().filter(kept).cloned().collect(), ..self.clone() }
    }

    /// The kinds of its faults, each once.
    pub fn kinds(&self) -> BTreeSet<FaultKind> {
        self.faults().filter_map(|(_, fault)| fault.kind()).collect()
    }

    /// Faults and undoings with their times.
    pub fn faults(&self) -> impl Iterator<Item = (Duration, &Fault)> {
        self.looks.iter().filter_map(|look| Some((look.due, look.fault.as_ref()?)))
    }

    /// Whether it fits a test and itself: a sentence if it does not.
    pub fn check(&self, test: &Test) -> Result<(), String> {
        if self.test != test.name {
            return Err(format!("it is a plan of test `{}`, not of `{}`", self.test, test.name));
        }
        let Options { nodes, clients, .. } = self.options;
        if !(1..=NODES_MAX).contains(&nodes) {
            return Err(format!(
                "its cluster has {nodes} nodes, where 1 to {NODES_MAX} are possible"
            ));
        }
        if self.until > UNTIL_MAX {
            return Err(format!("it ends at {:?}, where {UNTIL_MAX:?} is the most", self.until));
        }
        if let Some(ask) = self.asks.iter().find(|ask| matches!(ask.op, Op::Fault(_))) {
            return Err(format!("client {} is to ask for a fault at {:?}", ask.thread, ask.at));
        }
        let known = |node: &NodeId| (1..=nodes).contains(&node.0);
        for (time, fault) in self.faults() {
            if let Some(node) = fault.nodes().iter().find(|node| !known(node)) {
                return Err(format!(
                    "`{fault}` at {time:?} names {node}, which is not in its cluster (n1..n{nodes})"
                ));
            }
        }
        if let Some(ask) = self.asks.iter().find(|ask| ask.thread >= clients) {
            let Ask { thread, at, .. } = ask;
            return Err(format!(
                "an operation at {at:?} is asked of client {thread}, where its {clients} clients are numbered from 0"
            ));
        }
        match self.told.overrides.iter().find(|o| [o.from, o.to].iter().any(|n| *n > nodes)) {
            Some(wrong) => Err(format!("`{wrong}` names no link of its cluster (n1..n{nodes})")),
            None => Ok(()),
        }
    }
}

fn phase(run: &Run, wanted: Phase) -> Option<Duration> {
    run.phases.iter().find(|(phase, _)| *phase == wanted).map(|(_, began)| *began)
}

/// The moments of a run with the faults that came of them.
fn looks(times: &[(Duration, bool)], injections: &[Injection]) -> Vec<Look> {
    let mut injected = injections.iter().map(|injection| injection.fault.clone());
    let mut look = |(due, strikes): &(Duration, bool)| Look {
        due: *due,
        fault: if *strikes { injected.next() } else { None },
    };
    times.iter().map(&mut look).collect()
}

fn broken<'a>(injections: impl Iterator<Item = &'a Injection>) -> Vec<Look> {
    let look =
        |injection: &Injection| Look { due: injection.time, fault: Some(injection.fault.clone()) };
    injections.map(look).collect()
}
