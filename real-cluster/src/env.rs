//! `elastickv::env::Env` on a real machine: the twin of `sim::env`.
//!
//! One value is one boot of one node, on one thread: a current-thread runtime with a `LocalSet`, in which everything here must be
//! called. Time is the kernel's monotonic clock, timers have its runtime's granularity of a millisecond and are never early.
//! Dropping the `LocalSet` ends the boot.

use crate::disk::TokioDisk;
use crate::metrics::Metrics;
use crate::transport::Transport;
use bytes::Bytes;
use elastickv::env::{Draw, Env, Fact, GroupId, Lane, Level, Listener, NodeId, Port};
use nix::time::{ClockId, clock_gettime};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

/// The port numbers of a node; the same on every node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Redis clients and the leader proxy.
    pub redis: u16,
    /// Forwarded transactions.
    pub internal: u16,
    /// Raft messages.
    pub raft: u16,
}

/// What one boot of a node stands on.
#[derive(Clone, Debug)]
pub struct Place {
    /// The node.
    pub id: NodeId,
    /// Where it listens.
    pub listen: IpAddr,
    /// The other nodes: host names or addresses.
    pub peers: BTreeMap<NodeId, String>,
    /// Where everyone listens.
    pub ports: Ports,
    /// Its files.
    pub data: PathBuf,
}

/// One boot of one node. Cheap to clone.
#[derive(Clone)]
pub struct TokioEnv(Rc<Inner>);

struct Inner {
    place: Place,
    disk: TokioDisk,
    transport: Transport,
    metrics: Rc<Metrics>,
}

impl TokioEnv {
    /// Takes the data directory and the Raft port. Inside a `LocalSet`.
    pub async fn start(place: Place, metrics: Rc<Metrics>) -> io::Result<TokioEnv> {
        let disk = TokioDisk::open(&place.data, metrics.clone())?;
        let listener = bind(place.listen, place.ports.raft).await?;
        let peers = place.peers.iter().map(|(id, host)| (*id, (host.clone(), place.ports.raft)));
        let transport = Transport::start(place.id, listener, &peers.collect(), metrics.clone());
        Ok(TokioEnv(Rc::new(Inner { place, disk, transport, metrics })))
    }

    /// The number of a port as the layers name it: theirs are configured, any other is itself.
    fn number(&self, port: Port) -> u16 {
        match port {
            Port::REDIS => self.0.place.ports.redis,
            Port::INTERNAL => self.0.place.ports.internal,
            Port(other) => other,
        }
    }
}

/// Opens a port, or says which one could not be opened.
pub async fn bind(listen: IpAddr, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((listen, port)).await.map_err(|error| {
        io::Error::new(error.kind(), format!("cannot listen on {listen} port {port}: {error}"))
    })
}

/// An open port.
pub struct TokioListener(TcpListener);

impl Listener for TokioListener {
    type Socket = Compat<TcpStream>;

    async fn accept(&mut self) -> io::Result<Compat<TcpStream>> {
        let (stream, _) = self.0.accept().await?;
        stream.set_nodelay(true)?;
        Ok(stream.compat())
    }
}

impl Env for TokioEnv {
    type Socket = Compat<TcpStream>;
    type Listener = TokioListener;
    type Disk = TokioDisk;

    fn id(&self) -> NodeId {
        self.0.place.id
    }

    fn monotonic(&self) -> Duration {
        // From the machine's start, not the process': a message to an earlier boot does not seem to come from the future.
        // It goes on while the machine is suspended: no lease outlives that, and no wall clock seems to have jumped.
        let now = clock_gettime(ClockId::CLOCK_BOOTTIME);
        now.map(Duration::from).expect("Linux has a clock of the time since it started")
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static {
        tokio::time::sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }

    fn draw(&self, _: Draw) -> u64 {
        getrandom::u64().expect("Linux gives random numbers once it has started")
    }

    fn send(&self, to: NodeId, lane: Lane, message: Bytes) {
        self.0.transport.send(to, lane, message);
    }

    fn poll_receive(&self, lane: Lane, cx: &mut Context<'_>) -> Poll<(NodeId, Bytes)> {
        self.0.transport.poll_receive(lane, cx)
    }

    fn try_receive(&self, lane: Lane) -> Option<(NodeId, Bytes)> {
        self.0.transport.try_receive(lane)
    }

    async fn listen(&self, port: Port) -> io::Result<TokioListener> {
        bind(self.0.place.listen, self.number(port)).await.map(TokioListener)
    }

    fn connect(
        &self,
        to: NodeId,
        port: Port,
    ) -> impl Future<Output = io::Result<Compat<TcpStream>>> + 'static {
        let place = &self.0.place;
        let own = (to == place.id).then(|| place.listen.to_string());
        let host = own.or_else(|| place.peers.get(&to).cloned());
        let port = self.number(port);
        async move {
            let unknown = || {
                let text = format!("{to} is not in this cluster");
                io::Error::new(io::ErrorKind::InvalidInput, text)
            };
            let stream = TcpStream::connect((host.ok_or_else(unknown)?, port)).await?;
            stream.set_nodelay(true)?;
            Ok(stream.compat())
        }
    }

    fn disk(&self) -> TokioDisk {
        self.0.disk.clone()
    }

    fn observe(&self, group: GroupId, fact: Fact) {
        self.0.metrics.observe(group, &fact);
        match group {
            GroupId::DEFAULT => self.log(fact.level(), format_args!("{fact}")),
            group => self.log(fact.level(), format_args!("{group}: {fact}")),
        }
    }

    fn log(&self, level: Level, text: fmt::Arguments<'_>) {
        match level {
            Level::Warn => tracing::warn!("{text}"),
            Level::Info => tracing::info!("{text}"),
            Level::Debug => tracing::debug!("{text}"),
        }
    }

    fn reached(&self, mark: &'static str) {
        self.0.metrics.reached(mark);
    }

    fn buggify(&self, _: &'static str) -> bool {
        false
    }

    fn yield_point(&self, _: &'static str) -> impl Future<Output = ()> + 'static {
        tokio::task::yield_now()
    }
}
