//! The boundary: all that a test may ask of the system under test and of the world around it.
//!
//! Only bytes ([`Cluster::connect`]) and faults as data ([`Cluster::inject`]) cross it, so the client that reads replies
//! exists once and a fault can be recorded, stored and replayed. Nothing above this trait knows whether
//! time is real. What the methods mean is said by [`crate::contract`], which both worlds run.

use crate::fault::{Fault, FaultKind};
use crate::seed::Seed;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

/// A node of the cluster, numbered from 1. Written `n3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A byte stream, of no runtime in particular.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// A client's connection to a node.
pub type Connection = Box<dyn Duplex>;

/// The cluster's time: virtual in simulation, monotonic on machines.
pub trait Clock {
    /// Since [`Cluster::set_up`] began.
    fn now(&self) -> Duration;
    /// Completes when `now` has advanced by `duration`. Dropping it cancels it.
    fn sleep(&self, duration: Duration) -> LocalBoxFuture<'static, ()>;
}

/// A fault that could not be enacted. The run goes on; the fault counts as injected without effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(pub String);

/// What a run leaves behind, besides its history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifacts {
    /// Rolling hash over every event of the simulated world; 0 where the world is real.
    pub trace_hash: u64,
    /// How often each mark was reached: `leader elected`, `lease read`, `snapshot installed`, …
    pub counters: BTreeMap<String, u64>,
    /// For each injection, in order, how often it acted: frames dropped or late, processes gone, clocks read.
    pub effects: Vec<u64>,
    /// What the world saw go wrong inside: broken invariants, panics of a node.
    pub findings: Vec<Finding>,
    /// What went wrong around the system under test, a sentence each: another program killed a node. The run says less than
    /// it seems to.
    pub doubts: Vec<String>,
    /// What was drawn from the seed before anything happened, for people: the world's parameters, and which faults are used.
    pub params: BTreeMap<String, String>,
}

/// Something that must never happen, seen from inside the world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// When.
    pub time: Duration,
    /// The invariant, or `node-panic`.
    pub name: String,
    /// One sentence with the values.
    pub text: String,
}

/// The system under test and everything around it that a test may touch. Dyn-safe; names no runtime.
pub trait Cluster {
    /// The nodes, in order.
    fn nodes(&self) -> &[NodeId];
    /// The cluster's time.
    fn clock(&self) -> &dyn Clock;
    /// Whether faults of this kind can be enacted. Asked once, before the run.
    fn supports(&self, kind: FaultKind) -> bool;
    /// Starts every node. Returns when they have been started, not when they serve.
    fn set_up(&self, seed: Seed) -> LocalBoxFuture<'_, io::Result<()>>;
    /// Opens a byte stream to the node's client port. Refused and reset as kernels do; it may also hang: the
    /// caller keeps the deadline.
    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>>;
    /// Enacts a fault. Returns when it is in force.
    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>>;
    /// The steps at which a process can be killed ([`Fault::KillAt`]), by name.
    fn steps(&self) -> Vec<String> {
        Vec::new()
    }
    /// For each injection so far, in order, how often it has acted; empty where that is not known before the end.
    fn effects(&self) -> Vec<u64> {
        Vec::new()
    }
    /// Who thinks it leads, none to several: a hint for nemeses, never waited for long.
    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>>;
    /// Stops everything and returns what was left behind. The last call.
    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts>;
}
