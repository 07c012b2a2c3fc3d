//! The one loop: asks the generator, hands operations to clients and faults to the cluster, records everything.
//!
//! One task, no spawn: all that is in flight sits in one set of futures. Its rules:
//! - thread i talks to node i mod n and never follows the leader; one attempt per operation; connections are
//!   opened when first needed;
//! - a deadline drops the operation and its connection;
//! - `Info` retires the process and its connection: the thread goes on as process + threads;
//! - `Fail` keeps the process, and the connection only at a reply boundary outside MULTI;
//! - an operation whose connection could not be opened was never sent: it is `Fail`, after a pause, so that a
//!   dead node does not eat the run;
//! - an operation that only reads is never worse than `Fail`;
//! - a fault is recorded before and after it is enacted, and no second one begins in between.
//!
//! Cannot see: when a server acted, only when the reply was read.

use crate::client::{Classify, Client, Dial, Outcome, undecided};
use crate::cluster::{Cluster, FaultError, NodeId};
use crate::fault::{Fault, FaultKind};
use crate::generator::{Context, Generator, Next, Thread};
use crate::history::{Event, Kind, Process};
use crate::nemesis::disk::DiskBound;
use crate::nemesis::{ClusterView, Nemesis};
use crate::op::{Completion, Op};
use crate::recording::{Entry, Injection, Recorder};
use crate::stop::Stop;
use futures_util::future::{Either, LocalBoxFuture, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand_chacha::ChaCha8Rng;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

/// How long a thread rests after a connection could not be opened.
pub const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// How clients behave.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Threads; at least one.
    pub clients: u16,
    /// Of one operation, its connection included.
    pub deadline: Duration,
    /// Makes a client out of a connection.
    pub dial: Dial,
    /// How that client reads errors.
    pub classify: Classify,
    /// How many disks may be lost.
    pub disk_bound: DiskBound,
}

/// What is asked, and until when.
pub struct Asks<'n> {
    /// Decides.
    pub generator: &'n mut dyn Generator,
    /// Its draws.
    pub rng: &'n mut ChaCha8Rng,
    /// Asked to stop, the generator counts as exhausted.
    pub stop: Stop,
}

/// A nemesis and its stream.
pub struct Breaker<'n> {
    /// Decides.
    pub nemesis: &'n mut dyn Nemesis,
    /// Its draws.
    pub rng: &'n mut ChaCha8Rng,
}

/// The state of a run: threads, what is in flight, what was recorded.
pub struct Interpreter<'a> {
    cluster: &'a dyn Cluster,
    settings: Settings,
    context: Context,
    clients: Vec<Option<Box<dyn Client>>>,
    in_flight: FuturesUnordered<LocalBoxFuture<'a, Done>>,
    /// The earliest time for which a timer is in flight.
    armed: Option<Duration>,
    breaking: bool,
    view: ClusterView,
    /// All that happened.
    pub recorder: Recorder,
}

/// What a future in flight comes back with.
enum Done {
    Attempt { thread: usize, op: Op, client: Option<Box<dyn Client>>, outcome: Outcome },
    Leaders(Vec<NodeId>),
    Injected(Fault, Result<(), FaultError>),
    Tick(Duration),
}

impl<'a> Interpreter<'a> {
    /// Nothing asked yet.
    pub fn new(
        cluster: &'a dyn Cluster,
        settings: Settings,
        recorder: Recorder,
    ) -> Interpreter<'a> {
        let nodes = cluster.nodes();
        let thread = |id: usize| Thread {
            id,
            process: id as u32,
            node: nodes[id % nodes.len()],
            free: true,
        };
        let threads: Vec<Thread> = match nodes.is_empty() {
            true => Vec::new(),
            false => (0..usize::from(settings.clients.max(1))).map(thread).collect(),
        };
        Interpreter {
            cluster,
            settings,
            clients: threads.iter().map(|_| None).collect(),
            context: Context { now: cluster.clock().now(), threads },
            in_flight: FuturesUnordered::new(),
            armed: None,
            breaking: false,
            view: ClusterView {
                steps: cluster.steps(),
                disk_bound: settings.disk_bound,
                ..ClusterView::new(nodes)
            },
            recorder,
        }
    }

    /// The cluster as the faults so far left it.
    pub fn view(&self) -> &ClusterView {
        &self.view
    }

    /// Only the first so many threads are asked anything while things are broken: what is cut from clients is to be cut from one of theirs.
    pub fn only_first_ask(&mut self, threads: usize) {
        let mut asked: Vec<NodeId> =
            self.context.threads.iter().take(threads).map(|thread| thread.node).collect();
        asked.sort_unstable();
        asked.dedup();
        self.view.asked = asked;
    }

    /// Until the generator is exhausted and nothing is in flight. The nemesis is asked as long as the generator has
    /// something to ask. Gives the moment at which it was asked to stop, if that was sooner.
    pub async fn drive(
        &mut self,
        asks: Asks<'_>,
        mut breaker: Option<Breaker<'_>>,
    ) -> Option<Duration> {
        let Asks { generator, rng, stop } = asks;
        let (mut exhausted, mut stopped) = (false, None);
        loop {
            if stop.is_asked() && !exhausted {
                stopped = Some(self.cluster.clock().now());
            }
            exhausted = stop.is_asked() || self.ask(generator, rng);
            if exhausted {
                breaker = None;
            }
            if let Some(breaker) = &breaker {
                self.look(breaker.nemesis.due());
            }
            if exhausted && !self.breaking && self.context.idle() {
                break;
            }
            let next = match stop.is_asked() {
                true => self.in_flight.next().await,
                false => match select(self.in_flight.next(), pin!(stop.asked())).await {
                    Either::Left((done, _)) => done,
                    Either::Right(((), _)) => continue,
                },
            };
            match next {
                Some(done) => self.conclude(done, generator, breaker.as_mut()),
                // Pending with nothing in flight: a generator that waits for nothing.
                None => break,
            }
        }
        // Only timers are left.
        self.in_flight.clear();
        self.armed = None;
        stopped
    }

    /// Injects faults one after another, outside of any loop: the healing at the end. What cannot be mended is tried
    /// three times.
    pub async fn inject_all(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            for _ in 0..3 {
                self.record(fault.clone(), None);
                let result = self.cluster.inject(&fault).await;
                let failed = result.is_err();
                self.injected(fault.clone(), result);
                if !failed {
                    break;
                }
                self.cluster.clock().sleep(Duration::from_secs(1)).await;
            }
        }
    }

    /// Starts all that can be started now. Whether the generator is exhausted.
    fn ask(&mut self, generator: &mut dyn Generator, rng: &mut ChaCha8Rng) -> bool {
        self.context.now = self.cluster.clock().now();
        loop {
            match generator.next(&self.context, rng) {
                Next::Invoke { thread, op } => {
                    self.invoke(thread, op, generator);
                }
                Next::Later(at) => {
                    self.arm(at);
                    return false;
                }
                Next::Pending => return false,
                Next::Exhausted => return true,
            }
        }
    }

    fn invoke(&mut self, thread: usize, op: Op, generator: &mut dyn Generator) {
        let Thread { process, node, free, .. } = self.context.threads[thread];
        assert!(free, "the generator asked thread {thread}, which is busy");
        self.context.threads[thread].free = false;
        let event = Event {
            time: self.context.now,
            process: Process::Client(process),
            kind: Kind::Invoke,
            op: op.clone(),
            node: Some(node),
            error: None,
        };
        generator.update(&event);
        self.recorder.record(Entry::Event(event));
        let client = self.clients[thread].take();
        let (cluster, settings) = (self.cluster, self.settings);
        self.in_flight.push(Box::pin(async move {
            let (client, outcome) = attempt(cluster, settings, node, client, &op).await;
            Done::Attempt { thread, op, client, outcome }
        }));
    }

    /// One timer for the earliest time that anybody named.
    fn arm(&mut self, at: Duration) {
        if self.armed.is_some_and(|armed| armed <= at) {
            return;
        }
        self.armed = Some(at);
        let sleep = self.cluster.clock().sleep(at.saturating_sub(self.context.now));
        self.in_flight.push(Box::pin(async move {
            sleep.await;
            Done::Tick(at)
        }));
    }

    /// Asks who leads, if the nemesis is to be asked now; else at its time.
    fn look(&mut self, due: Option<Duration>) {
        let Some(due) = due else { return };
        if self.breaking {
            return;
        }
        if due > self.context.now {
            return self.arm(due);
        }
        self.breaking = true;
        let cluster = self.cluster;
        self.in_flight.push(Box::pin(async move { Done::Leaders(cluster.leaders().await) }));
    }

    fn conclude(
        &mut self,
        done: Done,
        generator: &mut dyn Generator,
        breaker: Option<&mut Breaker<'_>>,
    ) {
        match done {
            Done::Attempt { thread, op, client, outcome } => {
                let event = self.complete(thread, op, client, outcome);
                generator.update(&event);
                self.recorder.record(Entry::Event(event));
            }
            Done::Leaders(leaders) => {
                self.saw(leaders);
                self.breaking = false;
                if let Some(Breaker { nemesis, rng }) = breaker
                    && let Some(fault) = nemesis.next(&self.view, rng)
                {
                    self.inject(fault);
                }
            }
            Done::Injected(fault, result) => {
                self.breaking = false;
                self.injected(fault, result);
            }
            // A timer that was overtaken by an earlier one is only a wake-up.
            Done::Tick(at) => self.armed = self.armed.filter(|armed| *armed != at),
        }
    }

    /// The thread is free again, under a fresh process if nobody knows what became of the old one's operation.
    fn complete(
        &mut self,
        thread: usize,
        asked: Op,
        client: Option<Box<dyn Client>>,
        outcome: Outcome,
    ) -> Event {
        let threads = self.context.threads.len() as u32;
        let state = &mut self.context.threads[thread];
        state.free = true;
        let process = Process::Client(state.process);
        let (kind, op, error) = match outcome.completion {
            Completion::Ok(op) => (Kind::Ok, op, None),
            Completion::Fail(reason) => (Kind::Fail, asked, Some(reason)),
            Completion::Info(reason) => (Kind::Info, asked, Some(reason)),
        };
        if kind == Kind::Info {
            state.process += threads;
        } else if outcome.reusable {
            self.clients[thread] = client;
        }
        let time = self.cluster.clock().now();
        Event { time, process, kind, op, node: Some(state.node), error }
    }

    fn saw(&mut self, leaders: Vec<NodeId>) {
        self.view.now = self.cluster.clock().now();
        let before = self.recorder.run.leaders.last();
        if before.is_none_or(|(_, before)| *before != leaders) {
            self.recorder.record(Entry::Leaders(self.view.now, leaders.clone()));
        }
        self.view.leaders = leaders;
        self.view.idle = idle(&self.recorder.run.injections, &self.cluster.effects());
    }

    fn inject(&mut self, fault: Fault) {
        self.breaking = true;
        self.record(fault.clone(), None);
        let cluster = self.cluster;
        self.in_flight.push(Box::pin(async move {
            let result = cluster.inject(&fault).await;
            Done::Injected(fault, result)
        }));
    }

    fn injected(&mut self, fault: Fault, result: Result<(), FaultError>) {
        let error = result.err().map(|error| error.0);
        // A fault that reported an error may have acted all the same: it is healed at the end. A mending that did
        // has not mended.
        if error.is_none() || fault.kind().is_some() {
            self.view.now = self.cluster.clock().now();
            self.view.apply(&fault);
        }
        self.record(fault, error);
    }

    fn record(&mut self, fault: Fault, error: Option<String>) {
        self.recorder.record(Entry::Event(Event {
            time: self.cluster.clock().now(),
            process: Process::Nemesis,
            kind: Kind::Info,
            op: Op::Fault(fault),
            node: None,
            error,
        }));
    }
}

/// The kinds that were injected and have not acted, of injections whose effects are known.
fn idle(injections: &[Injection], effects: &[u64]) -> Vec<FaultKind> {
    let mut acted: BTreeMap<FaultKind, bool> = BTreeMap::new();
    for (injection, effect) in injections.iter().zip(effects) {
        if let Some(kind) = injection.fault.kind() {
            *acted.entry(kind).or_default() |= *effect > 0;
        }
    }
    acted.into_iter().filter(|(_, acted)| !acted).map(|(kind, _)| kind).collect()
}

/// One attempt within its deadline. The client comes back if there is still one.
pub(crate) async fn attempt(
    cluster: &dyn Cluster,
    settings: Settings,
    node: NodeId,
    client: Option<Box<dyn Client>>,
    op: &Op,
) -> (Option<Box<dyn Client>>, Outcome) {
    let clock = cluster.clock();
    let connected = Cell::new(client.is_some());
    let exchange = async {
        let mut client = match client {
            Some(client) => client,
            None => {
                let connection = cluster.connect(node).await?;
                connected.set(true);
                (settings.dial)(connection, settings.classify)
            }
        };
        let outcome = client.invoke(op).await;
        Ok::<_, std::io::Error>((client, outcome))
    };
    // The reply first: one that came in the same instant as the deadline counts.
    let completion = match select(pin!(exchange), clock.sleep(settings.deadline)).await {
        Either::Left((Ok((client, outcome)), _)) => return (Some(client), outcome),
        Either::Left((Err(error), _)) => {
            clock.sleep(REFUSED_PAUSE).await;
            Completion::Fail(format!("not sent: {node} cannot be connected to: {error}"))
        }
        Either::Right(((), _)) if connected.get() => {
            undecided(op, format!("no answer from {node} within {:?}", settings.deadline))
        }
        Either::Right(((), _)) => Completion::Fail(format!(
            "not sent: no connection to {node} within {:?}",
            settings.deadline
        )),
    };
    (None, Outcome { completion, reusable: false })
}
