//! A fault as data: decided by a nemesis, recorded in the history, enacted by a cluster.
//!
//! A new fault is one variant here plus the two `match`es (`sim/src/faults.rs` and, on machines,
//! `real-cluster/src/faults.rs`) that the compiler points to.

use crate::cluster::NodeId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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
}

/// A family of faults: what `--faults` names, what a cluster supports, what a summary counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Links cut between nodes.
    Partition,
    /// Processes killed.
    Kill,
    /// Machines powered off.
    Power,
    /// Processes stopped and continued.
    Pause,
    /// Wall clocks moved.
    Clock,
    /// Messages late.
    Latency,
}

impl FaultKind {
    /// Every kind, in the order in which they are listed to people.
    pub const ALL: [FaultKind; 6] = [
        FaultKind::Partition,
        FaultKind::Kill,
        FaultKind::Power,
        FaultKind::Pause,
        FaultKind::Clock,
        FaultKind::Latency,
    ];

    /// The word for it on the command line and in summaries.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Partition => "partition",
            FaultKind::Kill => "kill",
            FaultKind::Power => "power",
            FaultKind::Pause => "pause",
            FaultKind::Clock => "clock",
            FaultKind::Latency => "latency",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<FaultKind, String> {
        FaultKind::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let names = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("`{text}` is not a fault: the faults are {names}")
        })
    }
}

impl Fault {
    /// The family that this fault breaks something in; `None` for what only mends.
    pub fn kind(&self) -> Option<FaultKind> {
        match self {
            Fault::Partition { .. } => Some(FaultKind::Partition),
            Fault::Kill(_) => Some(FaultKind::Kill),
            Fault::PowerOff(_) => Some(FaultKind::Power),
            Fault::Pause(_) => Some(FaultKind::Pause),
            Fault::WallJump { .. } => Some(FaultKind::Clock),
            Fault::Slow { .. } => Some(FaultKind::Latency),
            Fault::HealNetwork
            | Fault::Restart(_)
            | Fault::Resume(_)
            | Fault::WallReset(_)
            | Fault::Fast => None,
        }
    }
}

impl Fault {
    /// The nodes that it names, as often as it names them.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            Fault::Partition { cuts, .. } => cuts.iter().flat_map(|(a, b)| [*a, *b]).collect(),
            Fault::Slow { nodes, .. } => nodes.clone(),
            Fault::HealNetwork | Fault::Fast => Vec::new(),
            Fault::Kill(node)
            | Fault::PowerOff(node)
            | Fault::Restart(node)
            | Fault::Pause(node)
            | Fault::Resume(node)
            | Fault::WallJump { node, .. }
            | Fault::WallReset(node) => vec![*node],
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Partition { shape, cuts } => {
                write!(f, "partition {shape}:")?;
                for (from, to) in cuts {
                    write!(f, " {from}>{to}")?;
                }
                Ok(())
            }
            Fault::HealNetwork => write!(f, "heal"),
            Fault::Kill(node) => write!(f, "kill {node}"),
            Fault::PowerOff(node) => write!(f, "power off {node}"),
            Fault::Restart(node) => write!(f, "restart {node}"),
            Fault::Pause(node) => write!(f, "pause {node}"),
            Fault::Resume(node) => write!(f, "resume {node}"),
            Fault::WallJump { node, by_ms } => write!(f, "wall clock of {node} {by_ms:+} ms"),
            Fault::WallReset(node) => write!(f, "wall clock of {node} reset"),
            Fault::Slow { nodes, delay_ms, jitter_ms } => {
                write!(f, "slow")?;
                for node in nodes {
                    write!(f, " {node}")?;
                }
                match jitter_ms {
                    0 => write!(f, ": {delay_ms} ms"),
                    _ => write!(f, ": {delay_ms} ms and up to {jitter_ms} ms more"),
                }
            }
            Fault::Fast => write!(f, "fast"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_from_the_word_it_is_told_by() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        let sentence = "slowness".parse::<FaultKind>().unwrap_err();
        assert!(sentence.ends_with("clock, latency"), "{sentence}");
    }

    #[test]
    fn a_slowness_is_told_with_its_nodes_and_times() {
        let told = |nodes: &[u16], delay_ms, jitter_ms| {
            let nodes = nodes.iter().copied().map(NodeId).collect();
            Fault::Slow { nodes, delay_ms, jitter_ms }.to_string()
        };
        assert_eq!(told(&[1, 3], 250, 0), "slow n1 n3: 250 ms");
        assert_eq!(told(&[2], 250, 40), "slow n2: 250 ms and up to 40 ms more");
        assert_eq!(Fault::Fast.to_string(), "fast");
    }
}
