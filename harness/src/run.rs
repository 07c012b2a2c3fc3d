//! The phases of a run, the same in both worlds: set up, disturb, heal, read back, tear down.
//!
//! [`run`] records and decides nothing; [`judge`] decides, later, when the runtime is gone.

use crate::checker::streaming::Watch;
use crate::cluster::Cluster;
use crate::decided::{Decided, NotedGenerator, NotedNemesis};
use crate::fault::FaultKind;
use crate::generator::on_threads::OnThreads;
use crate::generator::stagger::Stagger;
use crate::generator::time_limit::TimeLimit;
use crate::generator::{self, Generator};
use crate::interpreter::{Asks, Breaker, Interpreter, Settings, attempt};
use crate::nemesis::compose::Composed;
use crate::nemesis::{self, Nemesis};
use crate::op::{Completion, Key};
use crate::options::{Options, Until};
use crate::params::Swarm;
use crate::recording::{Entry, Recorder, Sink};
use crate::seed::{Seed, Stream};
use crate::stop::Stop;
use crate::test::Test;
use crate::workload::final_reads::FinalReads;
use crate::workload::{Workload, keys_used};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

pub use crate::judge::{Judgement, judge};
pub use crate::recording::{Phase, Run};

/// The key that is read to see whether a node serves; no workload uses it.
pub const PROBE: Key = Key::MAX;

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
    /// When the disturbing ends, in the cluster's time, if the generator is not exhausted before.
    pub until: Duration,
    /// When it began where these were written down, if they are of another world: all times move by as much as it begins later
    /// here, since what sets up machines takes its time.
    pub began: Option<Duration>,
}

impl Drivers {
    /// With all times moved, so that they begin now.
    pub fn beginning(self, now: Duration) -> Drivers {
        let Some(began) = self.began else { return self };
        let by = now.saturating_sub(began);
        Drivers {
            generator: Box::new(generator::later::Later::by(by, self.generator)),
            nemesis: Box::new(nemesis::later::Later::by(by, self.nemesis)),
            until: self.until + by,
            began: None,
        }
    }
}

/// What a caller may have to do with a run while it goes on. The default: nothing.
#[derive(Default)]
pub struct Hooks {
    /// Instead of what the seed makes of the options.
    pub drivers: Option<Drivers>,
    /// Is told everything as it happens.
    pub sink: Option<Box<dyn Sink>>,
    /// Ends the disturbing early.
    pub stop: Stop,
    /// Every kind of fault that was asked for strikes, in rounds, instead of those that the seed draws: for runs that are too
    /// dear to leave any out.
    pub every_kind: bool,
}

/// Walks the phases with the generator and the nemesis that the seed makes of the options.
pub async fn run(
    test: &Test,
    options: &Options,
    cluster: &dyn Cluster,
    seed: Seed,
) -> Result<Run, RunError> {
    run_with(test, options, cluster, seed, Hooks::default()).await
}

/// Walks the phases with hooks of the caller's.
pub async fn run_with(
    test: &Test,
    options: &Options,
    cluster: &dyn Cluster,
    seed: Seed,
    hooks: Hooks,
) -> Result<Run, RunError> {
    let Hooks { drivers, sink, stop, every_kind } = hooks;
    if cluster.nodes().is_empty() {
        return Err(RunError::NoNodes);
    }
    let (faults, unsupported): (Vec<FaultKind>, Vec<FaultKind>) =
        options.faults.iter().partition(|kind| cluster.supports(**kind));
    if faults.is_empty() && !unsupported.is_empty() && drivers.is_none() {
        let names: Vec<&str> = unsupported.iter().map(|kind| kind.name()).collect();
        return Err(RunError::Unsupported(names.join(", ")));
    }
    let sink = match options.until {
        Until::Time => sink,
        Until::Anomaly => watched(test, &stop, sink),
    };
    let (swarm, breaks) = Swarm::begun(seed, &faults, every_kind);
    let (told, breaks) = match drivers {
        None => (swarm.told(), breaks),
        // A plan has drawn already.
        Some(_) => (BTreeMap::new(), seed.stream(Stream::Nemesis)),
    };
    let run = Run::new(test.name, seed, cluster.nodes(), unsupported);
    let recorder = Recorder::new(run, sink);
    cluster.set_up(seed).await?;
    let mut walk = Walk::new(test, options, cluster, recorder, stop);
    if walk.serves(Phase::SetUp).await {
        walk.disturb(seed, Breaks { swarm, rng: breaks }, drivers).await;
        walk.heal().await;
        walk.read_back(seed).await;
    }
    walk.enter(Phase::TearDown);
    let mut artifacts = cluster.tear_down().await;
    artifacts.params.extend(told);
    walk.record(Entry::Ended(artifacts));
    Ok(walk.interpreter.recorder.run)
}

/// The sink behind a watch that ends the run at the first anomaly, where the test has a checker that can.
fn watched(test: &Test, stop: &Stop, sink: Option<Box<dyn Sink>>) -> Option<Box<dyn Sink>> {
    match test.streaming() {
        Some(checker) => Some(Box::new(Watch::new(checker, stop.clone(), sink))),
        None => sink,
    }
}

/// What the seed has drawn of faults, and what it draws from then on.
struct Breaks {
    swarm: Swarm,
    rng: ChaCha8Rng,
}

struct Walk<'a> {
    workload: Workload,
    options: &'a Options,
    cluster: &'a dyn Cluster,
    settings: Settings,
    interpreter: Interpreter<'a>,
    stop: Stop,
}

impl<'a> Walk<'a> {
    fn new(
        test: &Test,
        options: &'a Options,
        cluster: &'a dyn Cluster,
        mut recorder: Recorder,
        stop: Stop,
    ) -> Walk<'a> {
        let settings = Settings {
            // The final reads go through every node, so each has a thread, if only for them.
            clients: options.clients.max(cluster.nodes().len() as u16),
            deadline: options.deadline,
            dial: test.dial,
            classify: options.classify,
            disk_bound: options.disk_bound,
        };
        recorder.record(Entry::Phase(Phase::SetUp, Duration::ZERO));
        let mut interpreter = Interpreter::new(cluster, settings, recorder);
        interpreter.only_first_ask(usize::from(options.clients));
        Walk { workload: test.workload, options, cluster, settings, interpreter, stop }
    }

    fn record(&mut self, entry: Entry) {
        self.interpreter.recorder.record(entry);
    }

    fn enter(&mut self, phase: Phase) {
        let now = self.cluster.clock().now();
        self.record(Entry::Phase(phase, now));
    }

    async fn disturb(&mut self, seed: Seed, breaks: Breaks, drivers: Option<Drivers>) {
        self.enter(Phase::Disturb);
        let Breaks { swarm, rng: mut breaks } = breaks;
        let mut asks = seed.stream(Stream::Workload);
        let drivers = drivers.unwrap_or_else(|| self.drivers(swarm, &mut breaks));
        let now = self.cluster.clock().now();
        let Drivers { generator, nemesis, until, .. } = drivers.beginning(now);
        let mut generator = TimeLimit::until(until, NotedGenerator::new(generator));
        let mut nemesis = NotedNemesis::new(nemesis);
        let stop = self.stop.clone();
        let asks = Asks { generator: &mut generator, rng: &mut asks, stop };
        let breaker = Breaker { nemesis: &mut nemesis, rng: &mut breaks };
        let stopped = self.interpreter.drive(asks, Some(breaker)).await;
        let healing = nemesis.heal(self.interpreter.view());
        let (asks, next_ask) = generator.into_inner().noted();
        let looks = nemesis.noted();
        self.record(Entry::Decided(Decided { asks, next_ask, looks, until }));
        if let Some(at) = stopped {
            self.record(Entry::Stopped(at));
        }
        self.enter(Phase::Heal);
        self.interpreter.inject_all(healing).await;
    }

    /// What the seed makes of the options.
    fn drivers(&self, swarm: Swarm, breaks: &mut ChaCha8Rng) -> Drivers {
        let Options { ref rate, clients, interval, time, ref shape, .. } = *self.options;
        let start = self.cluster.clock().now();
        let asks = Stagger::at_rate(rate.clone(), start, time, self.workload.generator(shape));
        let nemesis = Composed::of(swarm, interval, start, breaks).ending(start + time);
        Drivers {
            generator: Box::new(OnThreads::first(usize::from(clients), asks)),
            nemesis: Box::new(nemesis),
            until: start + time,
            began: None,
        }
    }

    /// Waits for all nodes to serve; if some do not, the final reads say which.
    async fn heal(&mut self) {
        self.serves(Phase::Heal).await;
    }

    async fn read_back(&mut self, seed: Seed) {
        self.enter(Phase::ReadBack);
        let keys = keys_used(&self.interpreter.recorder.run.history);
        let mut reads = FinalReads::new(self.workload, self.cluster.nodes(), &keys);
        let mut limited = TimeLimit::new(self.options.final_limit, &mut reads);
        // Final reads draw nothing; the stream is only the trait's.
        let mut rng = seed.stream(Stream::Workload);
        let asks = Asks { generator: &mut limited, rng: &mut rng, stop: Stop::default() };
        self.interpreter.drive(asks, None).await;
        self.record(Entry::Unread(reads.missing()));
    }

    /// Asks every node for a key that nobody uses until each has answered, outside of the history: a read leaves
    /// no trace in it.
    async fn serves(&mut self, phase: Phase) -> bool {
        let clock = self.cluster.clock();
        let limit = clock.now() + self.options.serve_limit;
        let settings = Settings { deadline: Duration::from_secs(1), ..self.settings };
        let probe = self.workload.read(PROBE);
        for node in self.cluster.nodes() {
            loop {
                let (_, outcome) = attempt(self.cluster, settings, *node, None, &probe).await;
                let reason = match outcome.completion {
                    Completion::Ok(_) => break,
                    Completion::Fail(reason) | Completion::Info(reason) => reason,
                };
                if phase == Phase::SetUp && self.stop.is_asked() {
                    self.record(Entry::Stopped(clock.now()));
                    return false;
                }
                if clock.now() >= limit {
                    let allowed = self.options.serve_limit;
                    self.record(Entry::Unready(format!(
                        "{node} did not serve within {allowed:?} in phase `{phase}`: {reason}"
                    )));
                    return false;
                }
                clock.sleep(Duration::from_millis(50)).await;
            }
        }
        true
    }
}
