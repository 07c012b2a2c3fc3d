//! A fault as data: decided by a nemesis, recorded in the history, enacted by a cluster.
//!
//! A new fault is one variant here plus the three `match`es (`sim/src/faults.rs` and, on machines, `local/faults.rs` and
//! `ssh/faults.rs` of `real-cluster/src`) that the compiler points to.

use crate::cluster::NodeId;
use serde::{Deserialize, Serialize};

mod disk;
mod impairment;
mod kind;
pub mod preset;
mod sequence;
#[cfg(test)]
mod tests;
mod way;
mod words;

pub use disk::{Damage, DiskTrouble};
pub use impairment::{Impairment, Sort};
pub use kind::FaultKind;
pub use sequence::Sequence;
pub use way::Way;

/// Something broken or mended. Enacting one twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Fault {
    /// These directed links are cut, and no others: replaces the partition before it. Links to clients are never cut.
    Partition {
        /// The shape's name, for people: `halves`, `isolate leader`, `majorities ring`.
        shape: String,
        /// (from, to) pairs between which nothing passes, in that direction.
        cuts: Vec<(NodeId, NodeId)>,
    },
    /// No link is cut.
    HealNetwork,
    /// SIGKILL: the process is gone, the page cache survives.
    Kill(NodeId),
    /// The machine loses power: what was not synced is lost or torn.
    PowerOff(NodeId),
    /// A killed or powered-off node starts again. A running one goes on.
    Restart(NodeId),
    /// SIGSTOP: nothing of the process runs, its kernel still accepts and acknowledges.
    Pause(NodeId),
    /// SIGCONT.
    Resume(NodeId),
    /// The wall clock of the node is moved by so many milliseconds; its monotonic clock is not.
    WallJump {
        /// Whose clock.
        node: NodeId,
        /// Added to what it shows, either way.
        by_ms: i64,
    },
    /// The wall clock of the node shows true time again.
    WallReset(NodeId),
    /// All that leaves these nodes, to each other, to the rest and to clients alike, takes so much longer: replaces the
    /// slowness before it. Nothing is lost and a byte stream keeps its order; what is under way keeps its time.
    Slow {
        /// Whose messages.
        nodes: Vec<NodeId>,
        /// At least so much longer.
        delay_ms: u32,
        /// And at most so much more than that, drawn for each message.
        jitter_ms: u32,
    },
    /// Nothing is slowed.
    Fast,
    /// Of the messages that leave these nodes for other nodes so many in a hundred are lost and so many come twice:
    /// replaces the flakiness before it. What a byte stream loses its kernel sends again. Links to clients lose nothing.
    Flaky {
        /// Whose messages.
        nodes: Vec<NodeId>,
        /// Lost, of a hundred; more than 100 are 100.
        loss_percent: u8,
        /// Doubled, of a hundred; more than 100 are 100.
        duplicate_percent: u8,
    },
    /// Nothing is flaky.
    Reliable,
    /// Each link from one of these nodes to another node carries at most so much, and keeps what waits for a few seconds:
    /// replaces the throttle before it. What finds its queue full is lost; what is queued keeps its time.
    Throttle {
        /// Whose messages.
        nodes: Vec<NodeId>,
        /// KiB a second and link; 0 is taken for 1.
        kib_per_s: u32,
    },
    /// Nothing is throttled.
    Unthrottle,
    /// The wall clock of the node alternates between what it showed and that much more or less: first that, and the other
    /// after every period. Replaces the strobe before it; until `WallReset`.
    WallStrobe {
        /// Whose clock.
        node: NodeId,
        /// Added to what it shows, either way, in every other period.
        delta_ms: i64,
        /// How long it shows the one and then the other; 0 is taken for 1.
        period_ms: u32,
    },
    /// From now on the wall clock of the node gains so many microseconds a second, or loses them. Replaces the drift before
    /// it and keeps what that has gained; until `WallReset`.
    WallDrift {
        /// Whose clock.
        node: NodeId,
        /// Microseconds a second, either way.
        ppm: i32,
    },
    /// The machine restarts without a sync: all its processes are gone at once and what was not synced may be lost. The
    /// node stays down until `Restart`.
    Reboot(NodeId),
    /// The node is no member of the group any more; its process goes on. Returns when a leader says so.
    Remove(NodeId),
    /// The node is a voter of the group and its process runs. One that was removed comes back with nothing on its disk, is added
    /// as a learner, catches up and is promoted. Returns when a leader says so.
    Join(NodeId),
    /// The leader hands leadership to this voter. Returns when it leads.
    Transfer(NodeId),
    /// These nodes are killed and started again, one after another. Returns when the last one was started.
    Rolling {
        /// In this order.
        nodes: Vec<NodeId>,
        /// How long each is down.
        down_ms: u32,
        /// How long after it the next one goes down.
        rest_ms: u32,
    },
    /// A removed node has nothing on its disk, and its process runs: it waits to be added. Refused of a member, who may be the
    /// last to hold what it would forget.
    Wipe(NodeId),
    /// From now on a range of keys begins here, in the group that held the key. Returns when that is committed. Nothing undoes it.
    Split {
        /// The range's first key.
        at: String,
    },
    /// For so long no node asks the others for a higher ceiling of the hybrid logical clock, so that nobody can issue timestamps once the
    /// last one is reached. Returns when the time is over.
    HoldCeiling {
        /// How long.
        for_ms: u32,
    },
    /// These directed links between nodes are impaired so, and no others: replaces the impairment of that sort before it.
    /// What is under way keeps its time.
    Links {
        /// (from, to) pairs, in that direction.
        links: Vec<(NodeId, NodeId)>,
        /// What they do to what they carry.
        how: Impairment,
    },
    /// No link is impaired by anything of this sort.
    LinksWhole(Sort),
    /// Between clients and these nodes nothing passes, and between clients and the others all: replaces the cut before it. Nodes
    /// still see each other, and an operator sees them.
    CutClients {
        /// From which.
        nodes: Vec<NodeId>,
        /// Whether questions, answers or both are lost.
        way: Way,
    },
    /// No client is cut from a node.
    HealClients,
    /// Every byte stream of these nodes, with other nodes and with clients, is reset on both sides; the next one to be
    /// established, if there is none. An operator's are not.
    Reset {
        /// Whose.
        nodes: Vec<NodeId>,
    },
    /// A middlebox forgets every byte stream of these nodes, with other nodes and with clients: its packets vanish, and new ones
    /// pass; it forgets the next one to be established, if there is none. What an earlier one forgot stays forgotten.
    Forget {
        /// Whose.
        nodes: Vec<NodeId>,
        /// Which packets vanish.
        way: Way,
    },
    /// The middlebox resets all that it forgot on both sides, and forgets nothing more.
    Remember,
    /// What arrives at the end of these directed links is held back there, and of no others: replaces the hold before it and keeps
    /// what that has held. Datagrams only; where very many are held the oldest are lost.
    Hold {
        /// (from, to) pairs, in that direction.
        links: Vec<(NodeId, NodeId)>,
        /// In which order it is let go.
        then: Sequence,
    },
    /// Nothing is held back, and what was arrives now.
    Release,
    /// The node is killed, started again, and told once more the last that it was told before: datagrams of its former life.
    /// Returns when it was told.
    Echo {
        /// Which.
        node: NodeId,
        /// How long it is down.
        down_ms: u32,
    },
    /// The node is killed and starts again at once, under another address. Others go on speaking to the old one, which nobody has:
    /// until they look the name up again, each at its own time, and on byte streams that they had to it for good. Returns when nobody
    /// believes the old address any more.
    Readdress {
        /// Which.
        node: NodeId,
        /// The longest that somebody believes it.
        stale_ms: u32,
    },
    /// SIGKILL at the moment at which the node's process next is at this step, or after that long if it is not there by then.
    /// Returns when it is dead.
    KillAt {
        /// Whose process.
        node: NodeId,
        /// Of those that the cluster has ([`crate::cluster::Cluster::steps`]).
        step: String,
        /// From now on, in any case.
        or_after_ms: u32,
    },
    /// SIGKILL where the node's process waits once its tasks have run so many times more, at any `await`; after two seconds
    /// if they have not. Returns when it is dead.
    KillAfter {
        /// Whose process.
        node: NodeId,
        /// Of all its tasks together; 0 is taken for 1.
        polls: u32,
    },
    /// The node is killed and started again, so many times in a row. Returns when it was started the last time.
    Storm {
        /// Which.
        node: NodeId,
        /// How often; 0 is taken for 1.
        times: u32,
        /// How long it is up before the next kill.
        up_ms: u32,
        /// How long it is down after each.
        down_ms: u32,
    },
    /// The wall clock of the node stands still. Takes the place of a drift before it, and keeps what that has gained; until
    /// `WallReset`.
    WallFreeze(NodeId),
    /// The wall clock of the node leaps back, further than the window of a hybrid logical clock reaches; its monotonic clock
    /// does not.
    WallLeap {
        /// Whose clock.
        node: NodeId,
        /// So many milliseconds.
        back_ms: u32,
    },
    /// The monotonic clock of the node, and all that it measures with it, gains so many microseconds a second, or loses them.
    /// Replaces the drift before it; its wall clock is not touched. Until `MonoReset`. What leases stand is said by
    /// [`crate::nemesis::mono`].
    MonoDrift {
        /// Whose clock.
        node: NodeId,
        /// Microseconds a second, either way; at a million less it stands still.
        ppm: i32,
    },
    /// The monotonic clock of the node runs as true time does, from what it shows now.
    MonoReset(NodeId),
    /// SIGKILL, as a kernel does it that is out of memory, once so much waits for the node's process: messages that it has not read,
    /// what its streams hold, what it wrote and nobody synced. Or after that long, if it does not come to that. Returns when
    /// it is dead.
    LimitMemory {
        /// Whose process.
        node: NodeId,
        /// More than so many KiB.
        kib: u32,
        /// From now on, in any case.
        or_after_ms: u32,
    },
    /// From now on something is wrong with the node's disk, in place of what was wrong with it before. Returns when it has shown: where
    /// little is asked of the disk, the process is killed and started again for it. Until `DiskWhole`.
    SpoilDisk {
        /// Whose disk.
        node: NodeId,
        /// What is wrong with it.
        how: DiskTrouble,
    },
    /// The node's disk does all that it is asked, and a process that has ended by it starts again.
    DiskWhole(NodeId),
    /// While the node's process is dead, bytes that it will read become others; then it starts and reads them. Returns when it has refused
    /// to go on with such a disk. Only `Replace` brings it back: nobody can tell what else is wrong with the disk.
    DamageDisk {
        /// Whose disk.
        node: NodeId,
        /// How.
        how: Damage,
        /// Which file and which of its bytes: any number will do, and each is for certain ones.
        at: u32,
    },
    /// The node, whose disk is lost, is removed from the group, gets an empty disk, and joins: a new machine in the place of the old one.
    /// Returns when a leader says that it is a voter.
    Replace(NodeId),
    /// The machine of a node whose syncs have lied loses its power, and with it what they said was durable. Only `Replace` brings it back:
    /// it has forgotten what it has promised.
    ForgetSyncs(NodeId),
    /// An older image of a node's disk takes the disk's place, as when a machine is restored from a snapshot: what is durable now is kept, and so
    /// much later, when more is, the process is killed and finds that. Returns when it is there. Only `Replace` brings the node back: it has
    /// forgotten what it has promised since.
    SwapDisk {
        /// Whose disk.
        node: NodeId,
        /// How old the image is at least.
        after_ms: u32,
    },
}

impl Fault {
    /// The family that this fault breaks something in; `None` for what only mends.
    pub fn kind(&self) -> Option<FaultKind> {
        match self {
            Fault::Partition { .. } => Some(FaultKind::Partition),
            Fault::Kill(_) => Some(FaultKind::Kill),
            Fault::PowerOff(_) => Some(FaultKind::Power),
            Fault::Pause(_) => Some(FaultKind::Pause),
            Fault::WallJump { .. } => Some(FaultKind::Jump),
            Fault::Slow { .. } => Some(FaultKind::Latency),
            Fault::Flaky { .. } => Some(FaultKind::Flaky),
            Fault::Throttle { .. } => Some(FaultKind::Throttle),
            Fault::WallStrobe { .. } => Some(FaultKind::Strobe),
            Fault::WallDrift { .. } => Some(FaultKind::Drift),
            Fault::Reboot(_) => Some(FaultKind::Reboot),
            Fault::Remove(_) | Fault::Wipe(_) => Some(FaultKind::Membership),
            Fault::Transfer(_) => Some(FaultKind::Transfer),
            Fault::Rolling { .. } => Some(FaultKind::Rolling),
            Fault::Split { .. } => Some(FaultKind::Split),
            Fault::HoldCeiling { .. } => Some(FaultKind::Ceiling),
            Fault::Links { how, .. } => Some(how.sort().kind()),
            Fault::CutClients { .. } => Some(FaultKind::Clients),
            Fault::Reset { .. } => Some(FaultKind::Reset),
            Fault::Forget { .. } => Some(FaultKind::HalfOpen),
            Fault::Hold { .. } => Some(FaultKind::Hold),
            Fault::Echo { .. } => Some(FaultKind::Echo),
            Fault::Readdress { .. } => Some(FaultKind::Address),
            Fault::KillAt { .. } => Some(FaultKind::KillAt),
            Fault::KillAfter { .. } => Some(FaultKind::KillAwait),
            Fault::Storm { .. } => Some(FaultKind::Storm),
            Fault::WallFreeze(_) => Some(FaultKind::Freeze),
            Fault::WallLeap { .. } => Some(FaultKind::Leap),
            Fault::MonoDrift { .. } => Some(FaultKind::MonoDrift),
            Fault::LimitMemory { .. } => Some(FaultKind::Memory),
            Fault::SpoilDisk { how, .. } => Some(how.kind()),
            Fault::DamageDisk { how, .. } => Some(how.kind()),
            Fault::ForgetSyncs(_) => Some(FaultKind::LyingSync),
            Fault::SwapDisk { .. } => Some(FaultKind::StaleDisk),
            Fault::Join(_)
            | Fault::HealNetwork
            | Fault::Restart(_)
            | Fault::Resume(_)
            | Fault::WallReset(_)
            | Fault::MonoReset(_)
            | Fault::Fast
            | Fault::Reliable
            | Fault::Unthrottle
            | Fault::LinksWhole(_)
            | Fault::HealClients
            | Fault::Remember
            | Fault::Release
            | Fault::DiskWhole(_)
            | Fault::Replace(_) => None,
        }
    }

    /// The kinds that it mends; none if it breaks something itself.
    pub fn mends(&self) -> &'static [FaultKind] {
        match self {
            Fault::HealNetwork => &[FaultKind::Partition],
            Fault::Restart(_) => &[
                FaultKind::Kill,
                FaultKind::Power,
                FaultKind::Reboot,
                FaultKind::KillAt,
                FaultKind::KillAwait,
                FaultKind::Memory,
            ],
            Fault::Join(_) => &[FaultKind::Membership],
            Fault::Resume(_) => &[FaultKind::Pause],
            Fault::WallReset(_) => &[
                FaultKind::Jump,
                FaultKind::Strobe,
                FaultKind::Drift,
                FaultKind::Freeze,
                FaultKind::Leap,
            ],
            Fault::MonoReset(_) => &[FaultKind::MonoDrift],
            Fault::Fast => &[FaultKind::Latency],
            Fault::Reliable => &[FaultKind::Flaky],
            Fault::Unthrottle => &[FaultKind::Throttle],
            Fault::LinksWhole(sort) => sort.kinds(),
            Fault::HealClients => &[FaultKind::Clients],
            Fault::Remember => &[FaultKind::HalfOpen],
            Fault::Release => &[FaultKind::Hold],
            Fault::Replace(_) => &[
                FaultKind::BitRot,
                FaultKind::Misdirect,
                FaultKind::LyingSync,
                FaultKind::StaleDisk,
            ],
            Fault::DiskWhole(_) => &[
                FaultKind::SlowSync,
                FaultKind::IoError,
                FaultKind::DiskFull,
                FaultKind::ShortRead,
                FaultKind::LyingSync,
            ],
            Fault::Partition { .. }
            | Fault::Kill(_)
            | Fault::PowerOff(_)
            | Fault::Pause(_)
            | Fault::WallJump { .. }
            | Fault::Slow { .. }
            | Fault::Flaky { .. }
            | Fault::Throttle { .. }
            | Fault::WallStrobe { .. }
            | Fault::WallDrift { .. }
            | Fault::Reboot(_)
            | Fault::Remove(_)
            | Fault::Wipe(_)
            | Fault::Transfer(_)
            | Fault::Rolling { .. }
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. }
            | Fault::Links { .. }
            | Fault::CutClients { .. }
            | Fault::Reset { .. }
            | Fault::Forget { .. }
            | Fault::Hold { .. }
            | Fault::Echo { .. }
            | Fault::Readdress { .. }
            | Fault::KillAt { .. }
            | Fault::KillAfter { .. }
            | Fault::Storm { .. }
            | Fault::WallFreeze(_)
            | Fault::WallLeap { .. }
            | Fault::MonoDrift { .. }
            | Fault::LimitMemory { .. }
            | Fault::SpoilDisk { .. }
            | Fault::DamageDisk { .. }
            | Fault::ForgetSyncs(_)
            | Fault::SwapDisk { .. } => &[],
        }
    }

    /// The nodes that it names, as often as it names them.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            Fault::Partition { cuts: links, .. }
            | Fault::Links { links, .. }
            | Fault::Hold { links, .. } => links.iter().flat_map(|(a, b)| [*a, *b]).collect(),
            Fault::Slow { nodes, .. }
            | Fault::Flaky { nodes, .. }
            | Fault::Throttle { nodes, .. }
            | Fault::Rolling { nodes, .. }
            | Fault::CutClients { nodes, .. }
            | Fault::Reset { nodes }
            | Fault::Forget { nodes, .. } => nodes.clone(),
            Fault::HealNetwork
            | Fault::Fast
            | Fault::Reliable
            | Fault::Unthrottle
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. }
            | Fault::LinksWhole(_)
            | Fault::HealClients
            | Fault::Remember
            | Fault::Release => Vec::new(),
            Fault::Kill(node)
            | Fault::PowerOff(node)
            | Fault::Restart(node)
            | Fault::Pause(node)
            | Fault::Resume(node)
            | Fault::WallJump { node, .. }
            | Fault::WallReset(node)
            | Fault::WallStrobe { node, .. }
            | Fault::WallDrift { node, .. }
            | Fault::KillAt { node, .. }
            | Fault::KillAfter { node, .. }
            | Fault::Storm { node, .. }
            | Fault::WallFreeze(node)
            | Fault::WallLeap { node, .. }
            | Fault::MonoDrift { node, .. }
            | Fault::MonoReset(node)
            | Fault::LimitMemory { node, .. }
            | Fault::Reboot(node)
            | Fault::Remove(node)
            | Fault::Join(node)
            | Fault::Wipe(node)
            | Fault::Transfer(node)
            | Fault::Echo { node, .. }
            | Fault::Readdress { node, .. }
            | Fault::SpoilDisk { node, .. }
            | Fault::DiskWhole(node)
            | Fault::DamageDisk { node, .. }
            | Fault::Replace(node)
            | Fault::ForgetSyncs(node)
            | Fault::SwapDisk { node, .. } => vec![*node],
        }
    }
}
