//! A fault in a few words, as reports, plans and histories tell it.

use super::Fault;
use crate::cluster::NodeId;
use std::fmt;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Partition { shape, cuts } => {
                write!(f, "partition {shape}:{}", Arrows(cuts))
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
            Fault::Links { links, how } => write!(f, "links{}: {how}", Arrows(links)),
            Fault::LinksWhole(sort) => write!(f, "{} mended", sort.kind()),
            Fault::CutClients { nodes, way } => {
                write!(f, "cut clients from{}: {way}", Spaced(nodes))
            }
            Fault::HealClients => write!(f, "heal clients"),
            Fault::Reset { nodes } => write!(f, "reset streams of{}", Spaced(nodes)),
            Fault::Forget { nodes, way } => {
                write!(f, "forget streams of{}: {way}", Spaced(nodes))
            }
            Fault::Remember => write!(f, "reset forgotten streams"),
            Fault::Hold { links, then } => write!(f, "hold{}: {then}", Arrows(links)),
            Fault::Release => write!(f, "release"),
            Fault::Readdress { node, stale_ms } => {
                write!(f, "restart {node} under another address, unknown for {stale_ms} ms")
            }
            Fault::Echo { node, down_ms } => {
                write!(f, "restart {node} after {down_ms} ms and tell it the same again")
            }
            Fault::KillAt { node, step, or_after_ms } => {
                write!(f, "kill {node} at `{step}` or after {or_after_ms} ms")
            }
            Fault::KillAfter { node, polls } => write!(f, "kill {node} after {polls} polls"),
            Fault::WallFreeze(node) => write!(f, "wall clock of {node} stands still"),
            Fault::WallLeap { node, back_ms } => {
                write!(f, "wall clock of {node} leaps back {back_ms} ms")
            }
            Fault::MonoDrift { node, ppm } => {
                write!(f, "monotonic clock of {node} drifts {ppm:+} ppm")
            }
            Fault::LimitMemory { node, kib, or_after_ms } => {
                write!(f, "kill {node} above {kib} KiB or after {or_after_ms} ms")
            }
            Fault::MonoReset(node) => write!(f, "monotonic clock of {node} reset"),
            Fault::Storm { node, times, up_ms, down_ms } => {
                write!(f, "restart storm {node}: {times} times, {up_ms} ms up, {down_ms} ms down")
            }
            Fault::SpoilDisk { node, how } => write!(f, "disk of {node} {how}"),
            Fault::DamageDisk { node, how, at } => write!(f, "disk of {node} {how} at {at}"),
            Fault::ForgetSyncs(node) => write!(f, "disk of {node} forgets its syncs"),
            Fault::SwapDisk { node, after_ms } => {
                write!(f, "disk of {node} is as it was {after_ms} ms ago")
            }
            Fault::Replace(node) => write!(f, "replace {node}"),
            Fault::DiskWhole(node) => write!(f, "disk of {node} whole"),
            Fault::Rolling { nodes, down_ms, rest_ms } => {
                let nodes = Spaced(nodes);
                write!(f, "rolling restart{nodes}: {down_ms} ms down, {rest_ms} ms between")
            }
        }
    }
}

/// Directed links, with a space before each.
struct Arrows<'a>(&'a [(NodeId, NodeId)]);

impl fmt::Display for Arrows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(from, to)| write!(f, " {from}>{to}"))
    }
}

/// Nodes, with a space before each.
struct Spaced<'a>(&'a [NodeId]);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| write!(f, " {node}"))
    }
}
