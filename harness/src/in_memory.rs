//! The smallest cluster: lists in one process, on a virtual clock, with answers that can be scripted.
//!
//! It is what the harness tests itself against, and the first `Cluster` to read for who brings a server. All nodes
//! share one store, so its histories are strictly serializable; a node that cannot see a majority both ways answers with
//! an error. Like a kernel's, the port of a paused node stays open. A kill inside a step comes at once.
//!
//! Cannot show: replication, lost writes, latency that varies. A power cut or a reboot loses nothing; nodes send each other
//! nothing that could be lost or throttled, and read no clock.

use crate::cluster::{Artifacts, Clock, Cluster, Connection, FaultError, NodeId};
use crate::fault::{Fault, FaultKind};
use crate::nemesis::{ClusterView, NodeView};
use crate::seed::Seed;
use bytes::Bytes;
use clock::VirtualClock;
use futures_util::future::{LocalBoxFuture, ready};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;
use stream::Stream;

pub mod clock;
mod stream;

/// The one step at which a node can be killed: it is always there.
const STEP: &str = "between commands";

/// What a node does with a command, where a script says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What it asks for.
    Serve,
    /// These bytes, and nothing happens in the store.
    Bytes(Vec<u8>),
    /// It happens, and these bytes are the answer.
    ServeThen(Vec<u8>),
    /// It happens twice and is answered once: a retry behind the client's back.
    ServeTwice,
    /// It happens, and there is no answer.
    Swallow,
    /// The connection is closed instead.
    Close,
}

/// Says what a node does with a command: node, words.
pub type Script = Box<dyn FnMut(NodeId, &[Bytes]) -> Answer>;

/// A cluster of lists in memory.
pub struct InMemory {
    clock: VirtualClock,
    nodes: Vec<NodeId>,
    unsupported: Vec<FaultKind>,
    world: Rc<RefCell<World>>,
}

struct World {
    view: ClusterView,
    /// Starts of each node: a connection belongs to one.
    boots: BTreeMap<NodeId, u64>,
    lists: BTreeMap<Bytes, Vec<Bytes>>,
    script: Option<Script>,
    effects: Vec<u64>,
    connections: u64,
    /// Connections whose client waits for something other than time, by number.
    waiting: BTreeMap<u64, Waker>,
    latency: Duration,
    slowness: Option<Slowness>,
    /// The last of a node's connections that was reset.
    reset: BTreeMap<NodeId, u64>,
    /// The last of a node's connections that a middlebox has forgotten.
    forgotten: BTreeMap<NodeId, u64>,
    /// Who was handed leadership last.
    leads: Option<NodeId>,
    /// Nobody issues timestamps: a ceiling that is held has been reached, here at once.
    ceiling_held: bool,
}

/// Answers that are late, and the injection that made them so.
struct Slowness {
    nodes: Vec<NodeId>,
    delay: Duration,
    injection: usize,
}

impl InMemory {
    /// Nodes n1 to n`count`, which answer after a millisecond.
    pub fn new(count: u16, clock: VirtualClock) -> InMemory {
        let nodes: Vec<NodeId> = (1..=count).map(NodeId).collect();
        let world = World {
            view: ClusterView { steps: vec![STEP.to_owned()], ..ClusterView::new(&nodes) },
            boots: nodes.iter().map(|node| (*node, 1)).collect(),
            lists: BTreeMap::new(),
            script: None,
            effects: Vec::new(),
            connections: 0,
            waiting: BTreeMap::new(),
            latency: Duration::from_millis(1),
            slowness: None,
            reset: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            leads: None,
            ceiling_held: false,
        };
        InMemory { clock, nodes, unsupported: Vec::new(), world: Rc::new(RefCell::new(world)) }
    }

    /// With a script that is asked about every command.
    pub fn scripted(self, script: impl FnMut(NodeId, &[Bytes]) -> Answer + 'static) -> InMemory {
        self.world.borrow_mut().script = Some(Box::new(script));
        self
    }

    /// Without faults of this kind.
    pub fn without(mut self, kind: FaultKind) -> InMemory {
        self.unsupported.push(kind);
        self
    }

    /// With answers after this long instead of a millisecond.
    pub fn answering_after(self, latency: Duration) -> InMemory {
        self.world.borrow_mut().latency = latency;
        self
    }

    /// Connections that were opened so far.
    pub fn connections(&self) -> u64 {
        self.world.borrow().connections
    }

    /// The cluster as its faults left it.
    pub fn view(&self) -> ClusterView {
        self.world.borrow().view.clone()
    }
}

impl Cluster for InMemory {
    fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn supports(&self, kind: FaultKind) -> bool {
        !self.unsupported.contains(&kind)
    }

    fn set_up(&self, _: Seed) -> LocalBoxFuture<'_, io::Result<()>> {
        Box::pin(ready(Ok(())))
    }

    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>> {
        Box::pin(async move {
            self.clock.sleep(Duration::from_micros(200)).await;
            let mut world = self.world.borrow_mut();
            if world.view.node(node).is_none_or(|node| !node.up) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            world.connections += 1;
            let (number, boot) = (world.connections, world.boots.get(&node).copied().unwrap_or(0));
            let world = Rc::clone(&self.world);
            let stream = Stream::new(world, self.clock.clone(), number, (node, boot));
            Ok(Box::new(stream) as Connection)
        })
    }

    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>> {
        Box::pin(async move {
            self.world.borrow_mut().inject(fault)?;
            if let Fault::HoldCeiling { for_ms } = *fault {
                self.world.borrow_mut().ceiling_held = true;
                self.clock.sleep(Duration::from_millis(for_ms.into())).await;
                self.world.borrow_mut().ceiling_held = false;
            }
            Ok(())
        })
    }

    fn steps(&self) -> Vec<String> {
        self.world.borrow().view.steps.clone()
    }

    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>> {
        let world = self.world.borrow();
        let serving = world.view.which(|node| node.acts() && world.serves(node.id));
        let leads = world.leads.filter(|leads| serving.contains(leads));
        Box::pin(ready(leads.or(serving.first().copied()).into_iter().collect()))
    }

    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts> {
        let effects = self.world.borrow().effects.clone();
        Box::pin(ready(Artifacts { effects, ..Artifacts::default() }))
    }
}

impl World {
    fn inject(&mut self, fault: &Fault) -> Result<(), FaultError> {
        // Slowness acts when an answer is late.
        let acts = self.view.can_act(fault) && !matches!(fault, Fault::Slow { .. });
        self.effects.push(u64::from(acts));
        if let Fault::KillAt { step, .. } = fault
            && !self.view.steps.contains(step)
        {
            let text = format!("there is no step `{step}`: the steps are {STEP}");
            return Err(FaultError(text));
        }
        match fault {
            Fault::Slow { nodes, delay_ms, jitter_ms } => {
                // Without chance: the longest.
                let delay = Duration::from_millis(u64::from(*delay_ms) + u64::from(*jitter_ms));
                let injection = self.effects.len() - 1;
                self.slowness = Some(Slowness { nodes: nodes.clone(), delay, injection });
            }
            Fault::Fast => self.slowness = None,
            Fault::Transfer(node) => self.leads = Some(*node),
            Fault::Reset { nodes } => {
                let last = self.connections;
                self.reset.extend(nodes.iter().map(|node| (*node, last)));
            }
            Fault::Forget { nodes, .. } => {
                let last = self.connections;
                self.forgotten.extend(nodes.iter().map(|node| (*node, last)));
            }
            Fault::Remember => {
                for (node, last) in std::mem::take(&mut self.forgotten) {
                    let reset = self.reset.entry(node).or_default();
                    *reset = last.max(*reset);
                }
            }
            _ => {}
        }
        let ended: &[NodeId] = match fault {
            Fault::Kill(node)
            | Fault::PowerOff(node)
            | Fault::Reboot(node)
            | Fault::KillAt { node, .. }
            | Fault::KillAfter { node, .. }
            | Fault::Storm { node, .. }
            | Fault::LimitMemory { node, .. }
            | Fault::Wipe(node)
            | Fault::Join(node)
            | Fault::Echo { node, .. }
            | Fault::Readdress { node, .. } => std::slice::from_ref(node),
            // At once: nobody looks at it meanwhile.
            Fault::Rolling { nodes, .. } => nodes,
            Fault::SpoilDisk { node, how } if how.ends_the_process() => std::slice::from_ref(node),
            Fault::DamageDisk { node, .. }
            | Fault::SwapDisk { node, .. }
            | Fault::Replace(node)
            | Fault::ForgetSyncs(node) => std::slice::from_ref(node),
            _ => &[],
        };
        for node in ended {
            self.boots.entry(*node).and_modify(|boot| *boot += 1);
        }
        self.view.apply(fault);
        std::mem::take(&mut self.waiting).into_values().for_each(Waker::wake);
        Ok(())
    }

    /// How long the node takes to answer what has just been asked.
    fn answers_after(&mut self, node: NodeId) -> Duration {
        let slow = self.slowness.as_ref().filter(|slow| slow.nodes.contains(&node));
        let slow = slow.filter(|slow| !slow.delay.is_zero());
        let Some(Slowness { delay, injection, .. }) = slow else { return self.latency };
        self.effects[*injection] += 1;
        self.latency + *delay
    }

    /// Whether the node is a member and sees a majority of running members both ways.
    fn serves(&self, node: NodeId) -> bool {
        let members = self.view.which(|node| node.member);
        let sees = |other: &NodeView| {
            let cut = |from, to| self.view.cuts.contains(&(from, to));
            other.member && other.acts() && !cut(node, other.id) && !cut(other.id, node)
        };
        members.contains(&node) && self.view.which(sees).len() > members.len() / 2
    }
}
