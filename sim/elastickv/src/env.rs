//! What a node may ask of the world. The only seam between the layers and whatever hosts them.
//!
//! One `Env` value belongs to one boot of one node: after the node is killed, its calls do nothing. What the methods
//! mean is a suite that every world passes: [`contract`].

pub mod contract;
mod log;

pub use log::Level;

use bytes::Bytes;
use futures_util::io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

/// A node, numbered from 1. Written `n3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u16);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// A Raft group of a node, numbered from 1. Written `g2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u16);

impl GroupId {
    /// The one that there always is; it has the route catalog.
    pub const DEFAULT: GroupId = GroupId(1);
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "g{}", self.0)
    }
}

/// A TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u16);

impl Port {
    /// Redis clients, and the leader proxy of Redis commands.
    pub const REDIS: Port = Port(6379);
    /// Forwarded transactions between nodes (upstream: the `Internal` gRPC service).
    pub const INTERNAL: Port = Port(50051);
}

/// Raft's transport has lanes, as upstream's per-peer dispatchers have: a snapshot does not hold up a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Heartbeats, votes and their answers.
    Heartbeat,
    /// Everything else but snapshots.
    Normal,
    /// Snapshots.
    Snapshot,
}

/// A named stream of random numbers of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Draw {
    /// Randomised election time-outs.
    Election,
    /// Jitter of retries.
    Backoff,
}

/// Accepts byte streams.
pub trait Listener {
    /// What it accepts.
    type Socket;
    /// The next connection. Cancel-safe.
    async fn accept(&mut self) -> io::Result<Self::Socket>;
}

/// Files by path, `a/b/c`. What was written is readable at once; it is durable only after `sync` of the file
/// and, for names (create, rename, remove), `sync_dir` of the folder. Folders need no creation.
pub trait Disk {
    /// Makes an empty file; an existing one is emptied.
    async fn create(&self, path: &str) -> io::Result<()>;
    /// Bytes in the file; `NotFound` if there is none.
    async fn len(&self, path: &str) -> io::Result<u64>;
    /// Adds at the end; the file must exist.
    async fn append(&self, path: &str, bytes: &[u8]) -> io::Result<()>;
    /// Up to `len` bytes from `offset`: it may give fewer anywhere, and none only at the end of the file.
    async fn read_at(&self, path: &str, offset: u64, len: usize) -> io::Result<Bytes>;
    /// Overwrites from `offset`, growing the file if needed.
    async fn write_at(&self, path: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file to `len` bytes.
    async fn truncate(&self, path: &str, len: u64) -> io::Result<()>;
    /// Returns when the file's bytes as of the call are durable.
    async fn sync(&self, path: &str) -> io::Result<()>;
    /// Moves a file, replacing what has that name.
    async fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Deletes a file.
    async fn remove(&self, path: &str) -> io::Result<()>;
    /// Full paths of the files in a folder (not below it), sorted.
    async fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Returns when the folder's names as of the call are durable.
    async fn sync_dir(&self, folder: &str) -> io::Result<()>;
}

/// Identity of one client request as the layers carry it through log and store: unique for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RequestId {
    /// The node that took the request.
    pub node: u16,
    /// Which start of that node.
    pub boot: u32,
    /// Counts from 1 within a boot.
    pub counter: u64,
}

/// What a node says of itself in the same poll as the act: how invariants see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The node has read its disk and is about to serve.
    Recovered {
        /// Which start, from 1.
        boot: u32,
        /// Index of the last entry whose effects the store holds.
        applied: u64,
        /// Hash of the store's state at `applied`.
        state_hash: u64,
        /// The store's own `_meta_last_commit_ts`.
        last_commit_ts: u64,
        /// Newest commit timestamp among the versions that the store holds.
        newest_version: u64,
    },
    /// It became leader.
    Leads {
        /// Of this term.
        term: u64,
    },
    /// It ceased to be leader.
    Follows {
        /// The term it is in now.
        term: u64,
    },
    /// An entry was applied to the store.
    Applied {
        /// Its log index.
        index: u64,
        /// Its log term.
        term: u64,
        /// Hash of the state after it.
        state_hash: u64,
    },
    /// A transaction was applied and wrote versions (not: conflicted, not: found to be a repetition).
    Committed {
        /// Log index of the entry.
        index: u64,
        /// Log term of the entry.
        term: u64,
        /// Whose transaction.
        request: RequestId,
        /// Timestamp of its versions.
        commit_ts: u64,
        /// Hashes of the keys written.
        keys: Vec<u64>,
    },
    /// An HLC ceiling was applied from the log.
    Ceiling {
        /// Log index of the entry.
        index: u64,
        /// Milliseconds since 1970.
        ceiling_ms: u64,
    },
    /// A commit timestamp was issued by this node as leader.
    Stamped {
        /// In this term.
        term: u64,
        /// 48 bits of milliseconds, 16 bits of counter.
        ts: u64,
    },
    /// A proposal's waiter was answered with what applying an entry came to.
    Answered {
        /// The waiter's own request.
        request: RequestId,
        /// The request that the entry carries, if it carries one.
        entry: Option<RequestId>,
        /// Log index of the entry.
        index: u64,
    },
    /// A proposal's waiter was told that its transaction committed, by this entry.
    Acked {
        /// The waiter's own request.
        request: RequestId,
        /// Log index of the entry that was taken for it.
        index: u64,
        /// Commit timestamp that it was told.
        commit_ts: u64,
    },
    /// A snapshot replaced the store's state.
    Installed {
        /// Last index that the snapshot covers.
        index: u64,
        /// Hash of the state after it.
        state_hash: u64,
    },
    /// What a new leader's log held.
    Elected {
        /// It leads this term.
        term: u64,
        /// Entries up to here are in a snapshot.
        covered: u64,
        /// The last entry.
        last: u64,
        /// Where each term begins after `covered`: first index and term, in order.
        terms: Vec<(u64, u64)>,
    },
    /// The node knows that its log is committed up to an entry, and is about to apply it.
    CommittedTo {
        /// In which term the node is: the entry was committed in this term or before.
        by_term: u64,
        /// The entry's log index.
        index: u64,
        /// The entry's log term.
        term: u64,
    },
    /// The lease vouched that the node may serve a read from what it has applied.
    LeaseRead {
        /// The term that it leads.
        term: u64,
        /// Index of the last entry applied.
        applied: u64,
    },
    /// A snapshot of the store was read, for a client.
    SnapshotRead {
        /// The snapshot holds all versions up to this timestamp.
        ts: u64,
        /// Index of the last entry applied.
        applied: u64,
    },
}

/// The world around one boot of one node.
pub trait Env: Clone + 'static {
    /// A byte stream.
    type Socket: AsyncRead + AsyncWrite + Unpin + 'static;
    /// Accepts them.
    type Listener: Listener<Socket = Self::Socket>;
    /// Files that outlive the boot.
    type Disk: Disk + Clone + 'static;
    /// This node.
    fn id(&self) -> NodeId;
    /// This node's monotonic clock, from an arbitrary start; drift included.
    fn monotonic(&self) -> Duration;
    /// This node's wall clock, milliseconds since 1970; offset included.
    fn wall_ms(&self) -> u64;
    /// Completes when `monotonic` has advanced by `duration`. Dropping it cancels it.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + 'static;
    /// Runs a task until it ends or the node dies.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);
    /// The next number of one of this node's streams.
    fn draw(&self, from: Draw) -> u64;
    /// A message to a peer: it may be lost, doubled, delayed or reordered.
    fn send(&self, to: NodeId, lane: Lane, message: Bytes);
    /// The next message of a lane; if there is none, whoever waits is woken when one comes. One task at a time may wait for a lane.
    fn poll_receive(&self, lane: Lane, cx: &mut Context<'_>) -> Poll<(NodeId, Bytes)>;
    /// The next message of a lane, if one is there; nobody waits any more.
    fn try_receive(&self, lane: Lane) -> Option<(NodeId, Bytes)>;
    /// The next message of a lane. Cancel-safe.
    fn receive(&self, lane: Lane) -> impl Future<Output = (NodeId, Bytes)> + 'static {
        let env = self.clone();
        poll_fn(move |cx| env.poll_receive(lane, cx))
    }
    /// Opens a port for byte streams.
    async fn listen(&self, port: Port) -> io::Result<Self::Listener>;
    /// Opens a byte stream to a peer. Refused and timed out as kernels do.
    fn connect(
        &self,
        to: NodeId,
        port: Port,
    ) -> impl Future<Output = io::Result<Self::Socket>> + 'static;
    /// The node's files.
    fn disk(&self) -> Self::Disk;
    /// Tells the world a fact of one of the node's groups, in the same poll as the act.
    fn observe(&self, group: GroupId, fact: Fact);
    /// Counts that the run touched something; comes back in the run's counters.
    fn reached(&self, mark: &'static str);
    /// Says something for whoever reads the node's log; it is put into words only where somebody does, and changes nothing.
    fn log(&self, _level: Level, _text: fmt::Arguments<'_>) {}
    /// Whether a rare branch is to be taken here, which is one of [`crate::marks::RARE`]; off by default. A sound node bears either
    /// answer.
    fn buggify(&self, name: &'static str) -> bool;
    /// Where the Go scheduler could preempt: yields and, with a drawn probability, stalls.
    fn yield_point(&self, name: &'static str) -> impl Future<Output = ()> + 'static;
}
