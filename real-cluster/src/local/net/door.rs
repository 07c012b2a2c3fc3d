//! The proxies' listeners: which of them are open.
//!
//! A door stands for a port of a node as one party sees it. It is open while the node's own port accepts, so that a
//! node that is down refuses as its kernel would; and while the pair is cut in either direction, since then nobody can
//! be told that the node is down. A connection to a cut node is accepted and goes nowhere.

use super::block::{Block, Party, Port};
use super::fabric::Fabric;
use super::stream::{Link, carry};
use harness::cluster::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};

/// How often a port that does not accept yet is tried.
const PROBE: Duration = Duration::from_millis(2);
/// How long a door rests that can accept nothing: the process has no descriptor left.
const REST: Duration = Duration::from_millis(10);

type Place = (Party, NodeId, Port);

/// A port of a node accepts; counted by starts of the node, since it may be down again.
pub(super) struct Arrival {
    node: NodeId,
    port: Port,
    start: u64,
}

/// All doors. Only one task touches them.
pub(super) struct Doors {
    block: Arc<Block>,
    fabric: Rc<Fabric>,
    arrivals: mpsc::UnboundedSender<Arrival>,
    /// Ports that accept, as far as we know.
    serving: BTreeSet<(NodeId, Port)>,
    open: BTreeMap<Place, JoinHandle<()>>,
    /// For each node that was started: which start, and who waits for its ports.
    probes: BTreeMap<NodeId, (u64, [JoinHandle<()>; 3])>,
    starts: u64,
}

impl Doors {
    /// All closed. What arrives is to be given to [`Doors::arrived`].
    pub(super) fn new(
        block: Arc<Block>,
        fabric: Rc<Fabric>,
    ) -> (Doors, mpsc::UnboundedReceiver<Arrival>) {
        let (arrivals, inbox) = mpsc::unbounded_channel();
        let (serving, open, probes) = Default::default();
        (Doors { block, fabric, arrivals, serving, open, probes, starts: 0 }, inbox)
    }

    /// The node was started: its doors open, each when its port accepts.
    pub(super) fn expect(&mut self, node: NodeId) {
        self.forget(node);
        self.starts += 1;
        let start = self.starts;
        let probes = Port::STREAMS.map(|port| {
            let target = self.block.target(node, port);
            let arrivals = self.arrivals.clone();
            spawn_local(async move {
                while TcpStream::connect(target).await.is_err() {
                    tokio::time::sleep(PROBE).await;
                }
                // Nobody listens when all is being stopped.
                let _ = arrivals.send(Arrival { node, port, start });
            })
        });
        self.probes.insert(node, (start, probes));
    }

    /// A port that was expected accepts: its doors open.
    pub(super) async fn arrived(&mut self, Arrival { node, port, start }: Arrival) {
        if self.probes.get(&node).is_some_and(|(expected, _)| *expected == start) {
            self.serving.insert((node, port));
            self.settle().await;
        }
    }

    /// The node is down: its doors are closed when this returns.
    pub(super) async fn close(&mut self, node: NodeId) {
        self.forget(node);
        self.serving.retain(|(other, _)| *other != node);
        self.settle().await;
    }

    fn forget(&mut self, node: NodeId) {
        if let Some((_, probes)) = self.probes.remove(&node) {
            probes.iter().for_each(JoinHandle::abort);
        }
    }

    /// Opens and closes what the rules say now.
    pub(super) async fn settle(&mut self) {
        let mut closing = Vec::new();
        let block = Arc::clone(&self.block);
        for node in block.nodes() {
            for place in
                block.sources(node).flat_map(|from| Port::STREAMS.map(|port| (from, node, port)))
            {
                match (self.belongs_open(place), self.open.contains_key(&place)) {
                    (true, false) => self.open(place),
                    (false, true) => closing.extend(self.open.remove(&place)),
                    _ => {}
                }
            }
        }
        for door in closing {
            door.abort();
            // Its listener is gone when it has ended; being aborted is how it ends.
            let _ = door.await;
        }
    }

    fn belongs_open(&self, (from, node, port): Place) -> bool {
        self.serving.contains(&(node, port)) || self.fabric.parted(from, Party::Node(node))
    }

    fn open(&mut self, place: Place) {
        let (from, node, port) = place;
        let address = self.block.proxy(from, node, port);
        let listener = std::net::TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        });
        let listener = match listener {
            Ok(listener) => listener,
            // It is tried again whenever doors are settled; till then it refuses.
            Err(error) => return tracing::warn!(%address, %error, "a proxy cannot listen"),
        };
        let link = Rc::new(Link {
            fabric: Rc::clone(&self.fabric),
            there: self.fabric.path(from, Party::Node(node)),
            back: self.fabric.path(Party::Node(node), from),
            target: self.block.target(node, port),
        });
        self.open.insert(place, spawn_local(admit(listener, link)));
    }
}

async fn admit(listener: TcpListener, link: Rc<Link>) {
    loop {
        match listener.accept().await {
            Ok((dialler, _)) => {
                spawn_local(carry(Rc::clone(&link), dialler));
            }
            Err(error) => {
                tracing::warn!(target = %link.target, %error, "a proxy cannot accept");
                tokio::time::sleep(REST).await;
            }
        }
    }
}
