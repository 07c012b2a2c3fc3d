//! `harness::cluster::Cluster` in the simulated world: starts guests, connects clients, enacts faults, and leaves nothing
//! behind.

use crate::clock::SimClock;
use crate::disk::{DiskImage, Volume};
use crate::env::{SimEnv, panic_text};
use crate::invariants::{self, View};
use crate::operator::Desk;
use crate::params::WorldParams;
use crate::steps;
use crate::stream::Dial;
use crate::world::{self, World};
use bytes::Bytes;
use elastickv::admin::{Order, SinceByGroup};
use elastickv::env::{Fact, GroupId, Port};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use harness::cluster::{Artifacts, Clock, Cluster, Connection, FaultError, NodeId};
use harness::fault::{Fault, FaultKind};
use harness::seed::{Draw, Seed, Stream};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

/// Nodes are started within this time of each other.
const STARTS_WITHIN_NS: u64 = 100_000_000;

/// A whole cluster has this long to catch up at the end of a run.
const CONVERGES_WITHIN_NS: u64 = 20_000_000_000;

/// The clients' machine, and the operator's: one process that never dies.
pub(crate) const CLIENTS: SimEnv = SimEnv { node: 0, boot: 1 };

/// What each group's facts are when a node is read back from its disk.
pub type PostMortem = Vec<(GroupId, Vec<Fact>)>;

/// A program that runs on every node.
pub trait Guest {
    /// The main function of one boot. When it returns, the process exits and the tasks it spawned with it.
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()>;

    /// What a node's disk still says when the run is over, as facts that the invariants are told. `Err`: the disk
    /// cannot be read back, which is a finding.
    fn post_mortem(&self, _node: u16, _disk: DiskImage) -> Result<PostMortem, String> {
        Ok(Vec::new())
    }

    /// The files whose every byte a start of the process reads, of what its disk holds.
    fn read_at_start(&self, volume: &Volume) -> Vec<String> {
        volume.synced_paths().map(str::to_owned).collect()
    }

    /// The Raft groups that it has; every node is a member of each.
    fn groups(&self) -> Vec<GroupId> {
        vec![GroupId::DEFAULT]
    }

    /// Whether its group's members and leader can be changed from outside.
    fn has_operator(&self) -> bool {
        false
    }

    /// Changes them, from where an operator sits. How many steps it took; `Err`: what did not come about.
    fn operate(&self, _desk: Desk, _order: Order) -> LocalBoxFuture<'static, Result<u64, String>> {
        ready(Err("this program has no operator".to_owned())).boxed_local()
    }

    /// What a datagram of it is and what else is worth saying of it, for people who look at a run.
    fn read_datagram(&self, _message: &Bytes) -> Option<(String, String)> {
        None
    }

    /// The node's disk is empty: when it starts, it waits to be added, and believes nothing that is older.
    fn starts_over(&self, _node: u16, _since: SinceByGroup) {}
}

impl<F: Fn(SimEnv) -> LocalBoxFuture<'static, ()>> Guest for F {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        self(env)
    }
}

/// Simulated nodes and the world around them.
pub struct SimCluster {
    pub(crate) world: Rc<World>,
    nodes: Vec<NodeId>,
    clock: SimClock,
    artifacts: RefCell<Option<Artifacts>>,
}

impl SimCluster {
    /// A cluster watched by the invariants of [`invariants::all`], on a thread that has no world.
    pub fn new(seed: Seed, params: WorldParams, nodes: u16, guest: Rc<dyn Guest>) -> SimCluster {
        let groups = guest.groups();
        let world = Rc::new(World::new(seed, params, nodes, guest));
        for group in groups {
            invariants::all().into_iter().for_each(|one| world.register_of(group, one));
        }
        world::enter(&world);
        world.hosts.borrow_mut()[0].start();
        SimCluster {
            clock: SimClock(world.clone()),
            world,
            nodes: (1..=nodes).map(NodeId).collect(),
            artifacts: RefCell::default(),
        }
    }

    /// The world, for checks that look inside.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The current boot of a node, for scripts that act in its place; of the clients' machine for `n0`.
    pub fn env(&self, node: NodeId) -> SimEnv {
        SimEnv { node: node.0, boot: self.world.hosts.borrow()[usize::from(node.0)].boot }
    }

    /// A task at the clients' machine, for scripts; it ends with the run.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.world.tasks.spawn(CLIENTS.node, task);
    }

    /// Kills everything and lets go of it. Harmless when done again.
    pub(crate) fn stop(&self) {
        if self.artifacts.borrow().is_some() {
            return;
        }
        self.rebuild_all();
        self.world.finish_invariants();
        for node in &self.nodes {
            self.world.settle_clock(node.0);
            self.world.pace(node.0, 0, None);
        }
        *self.artifacts.borrow_mut() = Some(self.leave_behind());
        for node in &self.nodes {
            self.world.end(node.0);
        }
        self.world.clear();
    }

    /// In a whole cluster every node catches up with what was acknowledged, though nobody asks it; one that does not is a finding.
    async fn converge(&self) {
        let limit = self.world.since_set_up() + CONVERGES_WITHIN_NS;
        while let Some((node, applied, acknowledged)) = self.world.behind() {
            if self.world.since_set_up() >= limit {
                let text = format!(
                    "n{node} is up and connected and has applied {applied} entries, but entry {acknowledged} was acknowledged"
                );
                return self.world.found("convergence", text);
            }
            self.world.sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every node once more from the bytes on its disk: as the process left it, and as a power cut would have.
    fn rebuild_all(&self) {
        let Some(guest) = self.world.guest.borrow().clone() else { return };
        for node in self.nodes.iter().map(|node| node.0) {
            let disk = self.world.disks[usize::from(node)].borrow();
            let counts = disk.is_sound() && disk.lies().is_none();
            drop(disk);
            if !counts {
                self.world.count("node not rebuilt from a disk that is lost");
                continue;
            }
            let [cached, durable] = self.world.files(node, DiskImage::views);
            self.rebuild(&*guest, node, View::Kill, cached);
            self.rebuild(&*guest, node, View::PowerCut, durable);
        }
    }

    fn rebuild(&self, guest: &dyn Guest, node: u16, view: View, disk: DiskImage) {
        let why = match catch_unwind(AssertUnwindSafe(|| guest.post_mortem(node, disk))) {
            Ok(Ok(groups)) => return self.rebuilt(node, view, &groups),
            Ok(Err(error)) => format!("n{node} cannot be rebuilt after a {view}: {error}"),
            Err(panic) => {
                let text = panic_text(panic.as_ref());
                format!("n{node} panicked when it was rebuilt after a {view}: {text}")
            }
        };
        self.world.found("rebuild", why);
    }

    /// Tells what a rebuilding found in each group, and which entry it reached.
    fn rebuilt(&self, node: u16, view: View, groups: &PostMortem) {
        for (group, facts) in groups {
            let mut reached = 0;
            for fact in facts {
                self.world.observe(node, 0, *group, fact);
                if let Fact::Applied { index, .. } | Fact::Recovered { applied: index, .. } = *fact
                {
                    reached = reached.max(index);
                }
            }
            self.world.watch_of(|of, invariant| match of == *group {
                true => invariant.rebuilt(node, view, reached),
                false => Ok(()),
            });
        }
        if !groups.is_empty() {
            self.world.count("node rebuilt from its disk");
        }
    }

    fn leave_behind(&self) -> Artifacts {
        Artifacts {
            trace_hash: self.world.trace().hash(),
            counters: self.world.counters(),
            effects: self.world.effects(),
            findings: self.world.findings(),
            doubts: Vec::new(),
            params: self.world.params.to_map(),
        }
    }

    async fn start_all(&self, seed: Seed) -> io::Result<()> {
        if seed != self.world.seed {
            let made_from = self.world.seed;
            let text = format!("the world was made from seed {made_from}, it cannot run {seed}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        self.world.begin();
        let mut rng = seed.stream(Stream::Params);
        // Far from the swarm choice's and the clocks' draws.
        rng.set_word_pos(2 << 40);
        let mut draw = |node: &NodeId| (rng.range(0, STARTS_WITHIN_NS), node.0);
        let mut starts: Vec<(u64, u16)> = self.nodes.iter().map(&mut draw).collect();
        starts.sort_unstable();
        for (at, node) in starts {
            let wait = at.saturating_sub(self.world.since_set_up());
            self.world.sleep(Duration::from_nanos(wait)).await;
            self.world.launch(node);
        }
        Ok(())
    }
}

impl Cluster for SimCluster {
    fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn supports(&self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::Partition
            | FaultKind::Kill
            | FaultKind::Power
            | FaultKind::Pause
            | FaultKind::Jump
            | FaultKind::Latency
            | FaultKind::Flaky
            | FaultKind::Throttle
            | FaultKind::Strobe
            | FaultKind::Drift
            | FaultKind::Reboot
            | FaultKind::Rolling
            | FaultKind::LinkLatency
            | FaultKind::LinkLoss
            | FaultKind::LinkDouble
            | FaultKind::LinkOrder
            | FaultKind::LinkDamage
            | FaultKind::LinkRate
            | FaultKind::LinkDrip
            | FaultKind::Clients
            | FaultKind::Reset
            | FaultKind::HalfOpen
            | FaultKind::Hold
            | FaultKind::Echo
            | FaultKind::Address
            | FaultKind::KillAt
            | FaultKind::KillAwait
            | FaultKind::Storm
            | FaultKind::Freeze
            | FaultKind::Leap
            | FaultKind::MonoDrift
            | FaultKind::Memory
            | FaultKind::SlowSync
            | FaultKind::IoError
            | FaultKind::DiskFull
            | FaultKind::ShortRead => true,
            FaultKind::Membership
            | FaultKind::Transfer
            | FaultKind::Ceiling
            | FaultKind::BitRot
            | FaultKind::Misdirect
            | FaultKind::LyingSync
            | FaultKind::StaleDisk => {
                self.world.guest.borrow().as_ref().is_some_and(|guest| guest.has_operator())
            }
            FaultKind::Split => {
                let guest = self.world.guest.borrow();
                guest.as_ref().is_some_and(|guest| guest.has_operator() && guest.groups().len() > 1)
            }
        }
    }

    fn set_up(&self, seed: Seed) -> LocalBoxFuture<'_, io::Result<()>> {
        self.start_all(seed).boxed_local()
    }

    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>> {
        async move {
            if !self.nodes.contains(&node) {
                let text = self.unknown(node);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            let socket = Dial::new(CLIENTS, node.0, Port::REDIS.0).await?;
            Ok(Box::new(socket) as Connection)
        }
        .boxed_local()
    }

    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>> {
        self.enact(fault).boxed_local()
    }

    fn steps(&self) -> Vec<String> {
        steps::names(self.world.is_sharded).map(str::to_owned).collect()
    }

    fn effects(&self) -> Vec<u64> {
        let mut effects = self.world.effects();
        for (injection, reads) in self.world.clocks_read() {
            effects[injection] += reads;
        }
        effects
    }

    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>> {
        async {
            let hosts = self.world.hosts.borrow();
            let leads = |node: &NodeId| {
                let host = &hosts[usize::from(node.0)];
                host.up && !host.leads.is_empty()
            };
            self.nodes.iter().copied().filter(leads).collect()
        }
        .boxed_local()
    }

    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts> {
        async {
            self.converge().await;
            self.stop();
            self.artifacts.borrow().clone().unwrap_or_default()
        }
        .boxed_local()
    }
}

impl SimCluster {
    pub(crate) fn unknown(&self, node: NodeId) -> String {
        format!("node {node} is not in this cluster (n1..n{})", self.nodes.len())
    }
}
