//! The phases of a run, the same in both worlds: set up, disturb, heal, read back, tear down.
//!
//! [`run`] records and decides nothing; [`judge`] decides, later, when the runtime is gone.

use crate::cluster::{Artifacts, Cluster, NodeId};
use crate::fault::FaultKind;
use crate::generator::Generator;
use crate::generator::on_threads::OnThreads;
use crate::generator::stagger::Stagger;
use crate::generator::time_limit::TimeLimit;
use crate::history::History;
use crate::interpreter::{Breaker, Injection, Interpreter, Settings, attempt};
use crate::nemesis::Nemesis;
use crate::nemesis::compose::Composed;
use crate::op::{Completion, Key};
use crate::options::Options;
use crate::seed::{Seed, Stream};
use crate::test::Test;
use crate::workload::append::Append;
use crate::workload::final_reads::FinalReads;
use crate::workload::{keys_used, read};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

pub use crate::judge::{Judgement, judge};

/// The key that is read to see whether a node serves; no workload uses it.
pub const PROBE: Key = Key::MAX;

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

/// All that is known of a run when it is over. Not judged yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The test's name.
    pub test: String,
    /// What it was made of.
    pub seed: Seed,
    /// The cluster.
    pub nodes: Vec<NodeId>,
    /// What happened.
    pub history: History,
    /// What the world left behind; its effects belong to `injections`, one by one.
    pub artifacts: Artifacts,
    /// Every fault and every undoing, in order.
    pub injections: Vec<Injection>,
    /// Who led, whenever the nemesis looked and found a change.
    pub leaders: Vec<(Duration, Vec<NodeId>)>,
    /// When each phase began.
    pub phases: Vec<(Phase, Duration)>,
    /// Nodes that did not serve in time, a sentence for each phase in which it was so.
    pub unready: Vec<String>,
    /// Final reads that never succeeded, by node.
    pub unread: BTreeMap<NodeId, usize>,
    /// Kinds of fault that were asked for and that the cluster cannot enact.
    pub unsupported: Vec<FaultKind>,
}

/// Why there is no run: a tool or the environment failed, not the system under test.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The nodes could not be started.
    #[error("the cluster could not be set up: {0}")]
    SetUp(#[from] io::Error),
    /// There is nothing to test.
    #[error("the cluster has no nodes: one at least is needed")]
    NoNodes,
    /// No fault that was asked for can be enacted.
    #[error(
        "this cluster can enact none of the faults asked for ({0}): ask for others, or for `--faults none`"
    )]
    Unsupported(String),
}

/// What asks and what breaks, where they are not what the seed makes of the options: a plan being replayed.
pub struct Drivers {
    /// Asks; the run disturbs until it is exhausted.
    pub generator: Box<dyn Generator>,
    /// Breaks.
    pub nemesis: Box<dyn Nemesis>,
}

/// Walks the phases with the generator and the nemesis that the seed makes of the options.
pub async fn run(
    test: &Test,
    options: &Options,
    cluster: &dyn Cluster,
    seed: Seed,
) -> Result<Run, RunError> {
    walk(test, options, cluster, seed, None).await
}

/// Walks the phases with a generator and a nemesis of the caller's.
pub async fn run_with(
    test: &Test,
    options: &Options,
    cluster: &dyn Cluster,
    seed: Seed,
    drivers: Drivers,
) -> Result<Run, RunError> {
    walk(test, options, cluster, seed, Some(drivers)).await
}

async fn walk(
    test: &Test,
    options: &Options,
    cluster: &dyn Cluster,
    seed: Seed,
    drivers: Option<Drivers>,
) -> Result<Run, RunError> {
    if cluster.nodes().is_empty() {
        return Err(RunError::NoNodes);
    }
    let (faults, unsupported): (Vec<FaultKind>, Vec<FaultKind>) =
        options.faults.iter().partition(|kind| cluster.supports(**kind));
    if faults.is_empty() && !unsupported.is_empty() && drivers.is_none() {
        let names: Vec<&str> = unsupported.iter().map(|kind| kind.name()).collect();
        return Err(RunError::Unsupported(names.join(", ")));
    }
    cluster.set_up(seed).await?;
    let mut walk = Walk::new(test, options, cluster);
    if walk.serves(Phase::SetUp).await {
        walk.disturb(seed, &faults, drivers).await;
        walk.heal().await;
        walk.read_back(seed).await;
    }
    walk.enter(Phase::TearDown);
    let artifacts = cluster.tear_down().await;
    let Walk { interpreter, phases, unready, unread, .. } = walk;
    Ok(Run {
        test: test.name.to_owned(),
        seed,
        nodes: cluster.nodes().to_vec(),
        history: interpreter.history,
        artifacts,
        injections: interpreter.injections,
        leaders: interpreter.leaders,
        phases,
        unready,
        unread,
        unsupported,
    })
}

struct Walk<'a> {
    options: &'a Options,
    cluster: &'a dyn Cluster,
    settings: Settings,
    interpreter: Interpreter<'a>,
    phases: Vec<(Phase, Duration)>,
    unready: Vec<String>,
    unread: BTreeMap<NodeId, usize>,
}

impl<'a> Walk<'a> {
    fn new(test: &Test, options: &'a Options, cluster: &'a dyn Cluster) -> Walk<'a> {
        let settings = Settings {
            // The final reads go through every node, so each has a thread, if only for them.
            clients: options.clients.max(cluster.nodes().len() as u16),
            deadline: options.deadline,
            dial: test.dial,
            classify: options.classify,
        };
        Walk {
            options,
            cluster,
            settings,
            interpreter: Interpreter::new(cluster, settings),
            phases: vec![(Phase::SetUp, Duration::ZERO)],
            unready: Vec::new(),
            unread: BTreeMap::new(),
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phases.push((phase, self.cluster.clock().now()));
    }

    async fn disturb(&mut self, seed: Seed, faults: &[FaultKind], drivers: Option<Drivers>) {
        self.enter(Phase::Disturb);
        let mut breaks = seed.stream(Stream::Nemesis);
        let mut asks = seed.stream(Stream::Workload);
        let start = self.cluster.clock().now();
        let Drivers { mut generator, mut nemesis } = drivers.unwrap_or_else(|| {
            let append =
                Stagger::per_second(self.options.rate, Append::new(self.options.append.clone()));
            let append = OnThreads::first(usize::from(self.options.clients), append);
            Drivers {
                generator: Box::new(TimeLimit::new(self.options.time, append)),
                nemesis: Box::new(
                    Composed::swarm(faults, self.options.interval, start, &mut breaks)
                        .ending(start + self.options.time),
                ),
            }
        });
        let breaker = Breaker { nemesis: &mut *nemesis, rng: &mut breaks };
        self.interpreter.drive(&mut *generator, &mut asks, Some(breaker)).await;
        self.enter(Phase::Heal);
        let healing = nemesis.heal(self.interpreter.view());
        self.interpreter.inject_all(healing).await;
    }

    /// Waits for all nodes to serve; if some do not, the final reads say which.
    async fn heal(&mut self) {
        self.serves(Phase::Heal).await;
    }

    async fn read_back(&mut self, seed: Seed) {
        self.enter(Phase::ReadBack);
        let keys = keys_used(&self.interpreter.history);
        let mut reads = FinalReads::new(self.cluster.nodes(), &keys);
        let mut limited = TimeLimit::new(self.options.final_limit, &mut reads);
        // Final reads draw nothing; the stream is only the trait's.
        let mut rng = seed.stream(Stream::Workload);
        self.interpreter.drive(&mut limited, &mut rng, None).await;
        self.unread = reads.missing();
    }

    /// Asks every node for a key that nobody uses until each has answered, outside of the history: a read leaves
    /// no trace in it.
    async fn serves(&mut self, phase: Phase) -> bool {
        let clock = self.cluster.clock();
        let limit = clock.now() + self.options.serve_limit;
        let settings = Settings { deadline: Duration::from_secs(1), ..self.settings };
        for node in self.cluster.nodes() {
            loop {
                let (_, outcome) = attempt(self.cluster, settings, *node, None, &read(PROBE)).await;
                let reason = match outcome.completion {
                    Completion::Ok(_) => break,
                    Completion::Fail(reason) | Completion::Info(reason) => reason,
                };
                if clock.now() >= limit {
                    let allowed = self.options.serve_limit;
                    self.unready.push(format!(
                        "{node} did not serve within {allowed:?} in phase `{phase}`: {reason}"
                    ));
                    return false;
                }
                clock.sleep(Duration::from_millis(50)).await;
            }
        }
        true
    }
}
