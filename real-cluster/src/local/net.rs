//! The network between local processes: a proxy of ours on every link, on one thread of its own.
//!
//! Every ordered pair of nodes, and clients and each node, have a link ([`block`]): whoever connects to the address under
//! which it sees a node reaches our proxy, which carries bytes to the node (`net/stream.rs`), under the rules in force
//! (`net/fabric.rs`), as long as the node is there (`net/door.rs`). So what a partition does is done to byte streams in user space,
//! needs no root, and touches nothing but our own sockets. Its twin is `sim/src/net.rs`.
//!
//! Promise: when a rule's call returns, the rule is in force for every connection, old and new.
//! Cannot show: loss, duplication and reordering of packets, which TCP hides from programs anyway; bandwidth limits.

pub mod block;
mod door;
mod fabric;
mod stream;

pub use block::{Block, Party, Port};
pub use fabric::Slowness;

use crate::effects::Effects;

use door::Doors;
use fabric::Fabric;
use harness::cluster::NodeId;
use harness::seed::Seed;
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::LocalSet;

/// What a rule's call asks of the thread of the proxies.
enum Order {
    Cut { cuts: Vec<(NodeId, NodeId)>, injection: usize },
    Slow { nodes: Vec<NodeId>, slowness: Slowness, injection: usize },
    Expect(NodeId),
    Close(NodeId),
}

/// An order, and who waits until it is carried out.
type Ordered = (Order, oneshot::Sender<()>);

/// All links of a local cluster. The proxies end with it.
pub struct Links {
    block: Arc<Block>,
    effects: Arc<Effects>,
    /// `None` once they were stopped.
    running: Mutex<Option<(mpsc::UnboundedSender<Ordered>, JoinHandle<()>)>>,
}

impl Links {
    /// Starts the proxies of a block. Every door is closed: no node has been started. The seed gives jitter.
    pub fn start(block: Block, seed: Seed) -> io::Result<Links> {
        let block = Arc::new(block);
        let effects = Arc::new(Effects::default());
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (served, shared) = (Arc::clone(&block), Arc::clone(&effects));
        let thread = std::thread::Builder::new().name("links".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, serve(served, seed, shared, inbox));
        })?;
        Ok(Links { block, effects, running: Mutex::new(Some((orders, thread))) })
    }

    /// Who listens where.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// How often what was injected acted. Every injection is opened here, by whoever injects it.
    pub fn effects(&self) -> &Effects {
        &self.effects
    }

    /// Cuts these directed paths and no others; bytes, ends and connects they hold are effects of the injection.
    pub async fn cut(&self, cuts: Vec<(NodeId, NodeId)>, injection: usize) {
        self.order(Order::Cut { cuts, injection }).await;
    }

    /// Slows all that leaves these nodes, and nothing else; what is delayed are effects of the injection.
    pub async fn slow(&self, nodes: Vec<NodeId>, slowness: Slowness, injection: usize) {
        self.order(Order::Slow { nodes, slowness, injection }).await;
    }

    /// The node was started: connections to it are refused until it accepts, port by port.
    pub async fn expect(&self, node: NodeId) {
        self.order(Order::Expect(node)).await;
    }

    /// The node is down: connections to it are refused.
    pub async fn close(&self, node: NodeId) {
        self.order(Order::Close(node)).await;
    }

    /// Ends the proxies and all their connections. Waits for their thread, which never waits for long.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((orders, thread)) = running {
            drop(orders);
            assert!(thread.join().is_ok(), "the thread of the proxies panicked: see its message");
        }
    }

    async fn order(&self, order: Order) {
        let (done, wait) = oneshot::channel();
        match &*self.running.lock().unwrap_or_else(PoisonError::into_inner) {
            // A thread that has ended carries nothing, so every rule is in force.
            Some((orders, _)) => drop(orders.send((order, done))),
            None => drop(done),
        }
        let _ = wait.await;
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread of the proxies: until nobody can give orders any more.
async fn serve(
    block: Arc<Block>,
    seed: Seed,
    effects: Arc<Effects>,
    mut inbox: mpsc::UnboundedReceiver<Ordered>,
) {
    let fabric = Rc::new(Fabric::new(&block, seed, effects));
    let (mut doors, mut arrivals) = Doors::new(block, Rc::clone(&fabric));
    loop {
        tokio::select! {
            biased;
            ordered = inbox.recv() => {
                let Some((order, done)) = ordered else { return };
                carry_out(order, &fabric, &mut doors).await;
                // Who waits may have been dropped; the order is carried out all the same.
                let _ = done.send(());
            }
            Some(arrival) = arrivals.recv() => doors.arrived(arrival).await,
        }
    }
}

async fn carry_out(order: Order, fabric: &Fabric, doors: &mut Doors) {
    match order {
        Order::Cut { cuts, injection } => {
            fabric.cut(&cuts, injection);
            doors.settle().await;
        }
        Order::Slow { nodes, slowness, injection } => fabric.slow(&nodes, slowness, injection),
        Order::Expect(node) => doors.expect(node),
        Order::Close(node) => doors.close(node).await,
    }
    fabric.changed.notify_waiters();
}
