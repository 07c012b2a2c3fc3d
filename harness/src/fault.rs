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
    /// Messages lost and doubled.
    Flaky,
    /// Links with little room.
    #[serde(rename = "rate")]
    Throttle,
    /// Wall clocks that alternate.
    Strobe,
    /// Wall clocks that run fast or slow.
    Drift,
    /// Machines restarted.
    Reboot,
    /// Members removed, and added again.
    Membership,
    /// Leadership handed over.
    Transfer,
    /// Nodes restarted one after another.
    Rolling,
    /// Ranges of keys split.
    Split,
    /// The renewal of the clock's ceiling cut off.
    Ceiling,
}

impl FaultKind {
    /// Every kind, in the order in which they are listed to people.
    pub const ALL: [FaultKind; 16] = [
        FaultKind::Partition,
        FaultKind::Kill,
        FaultKind::Power,
        FaultKind::Pause,
        FaultKind::Clock,
        FaultKind::Latency,
        FaultKind::Flaky,
        FaultKind::Throttle,
        FaultKind::Strobe,
        FaultKind::Drift,
        FaultKind::Reboot,
        FaultKind::Membership,
        FaultKind::Transfer,
        FaultKind::Rolling,
        FaultKind::Split,
        FaultKind::Ceiling,
    ];

    /// What a test breaks unless it is told otherwise. Its remembered seeds draw from these: a kind that is new does not
    /// join them.
    pub const STANDARD: [FaultKind; 6] = [
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
            FaultKind::Flaky => "flaky",
            FaultKind::Throttle => "rate",
            FaultKind::Strobe => "strobe",
            FaultKind::Drift => "drift",
            FaultKind::Reboot => "reboot",
            FaultKind::Membership => "membership",
            FaultKind::Transfer => "transfer",
            FaultKind::Rolling => "rolling",
            FaultKind::Split => "split",
            FaultKind::Ceiling => "ceiling",
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
            Fault::Join(_)
            | Fault::HealNetwork
            | Fault::Restart(_)
            | Fault::Resume(_)
            | Fault::WallReset(_)
            | Fault::Fast
            | Fault::Reliable
            | Fault::Unthrottle => None,
        }
    }

    /// The kinds that it mends; none if it breaks something itself.
    pub fn mends(&self) -> &'static [FaultKind] {
        match self {
            Fault::HealNetwork => &[FaultKind::Partition],
            Fault::Restart(_) => &[FaultKind::Kill, FaultKind::Power, FaultKind::Reboot],
            Fault::Join(_) => &[FaultKind::Membership],
            Fault::Resume(_) => &[FaultKind::Pause],
            Fault::WallReset(_) => &[FaultKind::Clock, FaultKind::Strobe, FaultKind::Drift],
            Fault::Fast => &[FaultKind::Latency],
            Fault::Reliable => &[FaultKind::Flaky],
            Fault::Unthrottle => &[FaultKind::Throttle],
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
            | Fault::HoldCeiling { .. } => &[],
        }
    }
}

impl Fault {
    /// The nodes that it names, as often as it names them.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            Fault::Partition { cuts, .. } => cuts.iter().flat_map(|(a, b)| [*a, *b]).collect(),
            Fault::Slow { nodes, .. }
            | Fault::Flaky { nodes, .. }
            | Fault::Throttle { nodes, .. }
            | Fault::Rolling { nodes, .. } => nodes.clone(),
            Fault::HealNetwork
            | Fault::Fast
            | Fault::Reliable
            | Fault::Unthrottle
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. } => Vec::new(),
            Fault::Kill(node)
            | Fault::PowerOff(node)
            | Fault::Restart(node)
            | Fault::Pause(node)
            | Fault::Resume(node)
            | Fault::WallJump { node, .. }
            | Fault::WallReset(node)
            | Fault::WallStrobe { node, .. }
            | Fault::WallDrift { node, .. }
            | Fault::Reboot(node)
            | Fault::Remove(node)
            | Fault::Join(node)
            | Fault::Wipe(node)
            | Fault::Transfer(node) => vec![*node],
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
                write!(f, "slow{}: {delay_ms} ms", Spaced(nodes))?;
                match jitter_ms {
                    0 => Ok(()),
                    _ => write!(f, " and up to {jitter_ms} ms more"),
                }
            }
            Fault::Fast => write!(f, "fast"),
            Fault::Flaky { nodes, loss_percent, duplicate_percent } => {
                let nodes = Spaced(nodes);
                write!(f, "flaky{nodes}: {loss_percent} % lost, {duplicate_percent} % doubled")
            }
            Fault::Reliable => write!(f, "reliable"),
            Fault::Throttle { nodes, kib_per_s } => {
                write!(f, "throttle{}: {kib_per_s} KiB/s", Spaced(nodes))
            }
            Fault::Unthrottle => write!(f, "unthrottle"),
            Fault::WallStrobe { node, delta_ms, period_ms } => {
                write!(f, "wall clock of {node} {delta_ms:+} ms every other {period_ms} ms")
            }
            Fault::WallDrift { node, ppm } => write!(f, "wall clock of {node} drifts {ppm:+} ppm"),
            Fault::Reboot(node) => write!(f, "reboot {node}"),
            Fault::Remove(node) => write!(f, "remove {node}"),
            Fault::Join(node) => write!(f, "join {node}"),
            Fault::Wipe(node) => write!(f, "wipe {node}"),
            Fault::Transfer(node) => write!(f, "transfer leadership to {node}"),
            Fault::Split { at } => write!(f, "split at {at}"),
            Fault::HoldCeiling { for_ms } => write!(f, "hold the ceiling for {for_ms} ms"),
            Fault::Rolling { nodes, down_ms, rest_ms } => {
                let nodes = Spaced(nodes);
                write!(f, "rolling restart{nodes}: {down_ms} ms down, {rest_ms} ms between")
            }
        }
    }
}

/// Nodes, with a space before each.
struct Spaced<'a>(&'a [NodeId]);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| write!(f, " {node}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_from_the_word_it_is_told_by_and_kept_under_it() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
            let kept = serde_json::to_string(&kind).expect("it is a word");
            assert_eq!(kept, format!("\"{kind}\""));
        }
        let sentence = "slowness".parse::<FaultKind>().unwrap_err();
        assert!(sentence.ends_with("membership, transfer, rolling, split, ceiling"), "{sentence}");
    }

    #[test]
    fn the_standard_kinds_come_first_in_their_order() {
        assert_eq!(FaultKind::STANDARD, FaultKind::ALL[..FaultKind::STANDARD.len()]);
        assert!(
            FaultKind::ALL.is_sorted(),
            "options are sorted by it, and a seed draws in that order"
        );
    }

    #[test]
    fn a_fault_is_told_with_its_nodes_and_numbers() {
        let nodes = |of: &[u16]| of.iter().copied().map(NodeId).collect::<Vec<NodeId>>();
        let slow = |of, delay_ms, jitter_ms| Fault::Slow { nodes: nodes(of), delay_ms, jitter_ms };
        let node = NodeId(2);
        for (fault, told) in [
            (slow(&[1, 3], 250, 0), "slow n1 n3: 250 ms"),
            (slow(&[2], 250, 40), "slow n2: 250 ms and up to 40 ms more"),
            (Fault::Fast, "fast"),
            (
                Fault::Flaky { nodes: nodes(&[1, 2]), loss_percent: 20, duplicate_percent: 3 },
                "flaky n1 n2: 20 % lost, 3 % doubled",
            ),
            (Fault::Reliable, "reliable"),
            (Fault::Throttle { nodes: nodes(&[4]), kib_per_s: 64 }, "throttle n4: 64 KiB/s"),
            (Fault::Unthrottle, "unthrottle"),
            (
                Fault::WallStrobe { node, delta_ms: -250, period_ms: 10 },
                "wall clock of n2 -250 ms every other 10 ms",
            ),
            (Fault::WallDrift { node, ppm: 500 }, "wall clock of n2 drifts +500 ppm"),
            (Fault::Reboot(node), "reboot n2"),
            (Fault::Remove(node), "remove n2"),
            (Fault::Join(node), "join n2"),
            (Fault::Wipe(node), "wipe n2"),
            (Fault::Transfer(node), "transfer leadership to n2"),
            (Fault::Split { at: "47".to_owned() }, "split at 47"),
            (Fault::HoldCeiling { for_ms: 12_000 }, "hold the ceiling for 12000 ms"),
            (
                Fault::Rolling { nodes: nodes(&[2, 1]), down_ms: 500, rest_ms: 100 },
                "rolling restart n2 n1: 500 ms down, 100 ms between",
            ),
        ] {
            assert_eq!(fault.to_string(), told);
        }
    }

    #[test]
    fn a_fault_names_the_nodes_that_it_breaks_and_what_mends_is_of_no_kind() {
        let (node, nodes) = (NodeId(2), vec![NodeId(1), NodeId(2)]);
        let flaky = Fault::Flaky { nodes: nodes.clone(), loss_percent: 1, duplicate_percent: 1 };
        let throttle = Fault::Throttle { nodes: nodes.clone(), kib_per_s: 8 };
        let strobe = Fault::WallStrobe { node, delta_ms: 1, period_ms: 1 };
        let rolling = Fault::Rolling { nodes: nodes.clone(), down_ms: 1, rest_ms: 1 };
        for (fault, kind, named) in [
            (rolling, Some(FaultKind::Rolling), nodes.clone()),
            (flaky, Some(FaultKind::Flaky), nodes.clone()),
            (throttle, Some(FaultKind::Throttle), nodes),
            (strobe, Some(FaultKind::Strobe), vec![node]),
            (Fault::WallDrift { node, ppm: 1 }, Some(FaultKind::Drift), vec![node]),
            (Fault::Reboot(node), Some(FaultKind::Reboot), vec![node]),
            (Fault::Remove(node), Some(FaultKind::Membership), vec![node]),
            (Fault::Join(node), None, vec![node]),
            (Fault::Wipe(node), Some(FaultKind::Membership), vec![node]),
            (Fault::Transfer(node), Some(FaultKind::Transfer), vec![node]),
            (Fault::Split { at: "47".to_owned() }, Some(FaultKind::Split), Vec::new()),
            (Fault::HoldCeiling { for_ms: 1 }, Some(FaultKind::Ceiling), Vec::new()),
            (Fault::Reliable, None, Vec::new()),
            (Fault::Unthrottle, None, Vec::new()),
        ] {
            assert_eq!((fault.kind(), fault.nodes()), (kind, named), "{fault}");
        }
    }
}
