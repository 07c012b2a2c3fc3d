//! Families of faults, and the words for them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

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
    /// Wall clocks moved. Files and words from before there were presets say `clock`.
    #[serde(alias = "clock")]
    Jump,
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
    /// Single links late.
    LinkLatency,
    /// Single links that lose.
    LinkLoss,
    /// Single links that double.
    LinkDouble,
    /// Single links that keep no order.
    LinkOrder,
    /// Single links that damage.
    LinkDamage,
    /// Single links with little room.
    LinkRate,
    /// Single links on which byte streams drip.
    LinkDrip,
    /// Clients cut from servers.
    Clients,
    /// Connections reset.
    Reset,
    /// Connections forgotten by a middlebox.
    HalfOpen,
    /// Messages held back and let go in another order.
    Hold,
    /// Messages of before a restart told again.
    Echo,
    /// Nodes that come back under another address.
    Address,
    /// Processes killed inside a named step.
    KillAt,
    /// Processes killed at any await.
    KillAwait,
    /// A process killed again and again while it starts.
    Storm,
    /// Wall clocks that stand still.
    Freeze,
    /// Wall clocks that leap back across a window.
    Leap,
    /// Monotonic clocks that run fast or slow.
    MonoDrift,
    /// Processes killed at the limit of their memory.
    Memory,
    /// Syncs that take long.
    SlowSync,
    /// Disks that fail.
    IoError,
    /// Disks without room.
    DiskFull,
    /// Reads that give less than they are asked for.
    ShortRead,
    /// Bits that flip on disks.
    BitRot,
    /// Writes that land where they do not belong.
    Misdirect,
    /// Syncs that make nothing durable.
    LyingSync,
    /// Older images in the place of disks.
    StaleDisk,
}

impl FaultKind {
    /// Every kind, in the order in which they are listed to people.
    pub const ALL: [FaultKind; 44] = [
        FaultKind::Partition,
        FaultKind::Kill,
        FaultKind::Power,
        FaultKind::Pause,
        FaultKind::Jump,
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
        FaultKind::LinkLatency,
        FaultKind::LinkLoss,
        FaultKind::LinkDouble,
        FaultKind::LinkOrder,
        FaultKind::LinkDamage,
        FaultKind::LinkRate,
        FaultKind::LinkDrip,
        FaultKind::Clients,
        FaultKind::Reset,
        FaultKind::HalfOpen,
        FaultKind::Hold,
        FaultKind::Echo,
        FaultKind::Address,
        FaultKind::KillAt,
        FaultKind::KillAwait,
        FaultKind::Storm,
        FaultKind::Freeze,
        FaultKind::Leap,
        FaultKind::MonoDrift,
        FaultKind::Memory,
        FaultKind::SlowSync,
        FaultKind::IoError,
        FaultKind::DiskFull,
        FaultKind::ShortRead,
        FaultKind::BitRot,
        FaultKind::Misdirect,
        FaultKind::LyingSync,
        FaultKind::StaleDisk,
    ];

    /// What a test breaks unless it is told otherwise, which is not the preset `standard`. Its remembered seeds draw from
    /// these: a kind that is new does not join them.
    pub const USUAL: [FaultKind; 6] = [
        FaultKind::Partition,
        FaultKind::Kill,
        FaultKind::Power,
        FaultKind::Pause,
        FaultKind::Jump,
        FaultKind::Latency,
    ];

    /// The word for it on the command line and in summaries.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Partition => "partition",
            FaultKind::Kill => "kill",
            FaultKind::Power => "power",
            FaultKind::Pause => "pause",
            FaultKind::Jump => "jump",
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
            FaultKind::LinkLatency => "link-latency",
            FaultKind::LinkLoss => "link-loss",
            FaultKind::LinkDouble => "link-double",
            FaultKind::LinkOrder => "link-order",
            FaultKind::LinkDamage => "link-damage",
            FaultKind::LinkRate => "link-rate",
            FaultKind::LinkDrip => "link-drip",
            FaultKind::Clients => "clients",
            FaultKind::Reset => "reset",
            FaultKind::HalfOpen => "half-open",
            FaultKind::Hold => "hold",
            FaultKind::Echo => "echo",
            FaultKind::Address => "address",
            FaultKind::KillAt => "kill-at",
            FaultKind::KillAwait => "kill-await",
            FaultKind::Storm => "storm",
            FaultKind::Freeze => "freeze",
            FaultKind::Leap => "leap",
            FaultKind::MonoDrift => "mono-drift",
            FaultKind::Memory => "memory",
            FaultKind::SlowSync => "slow-sync",
            FaultKind::IoError => "io-error",
            FaultKind::DiskFull => "disk-full",
            FaultKind::ShortRead => "short-read",
            FaultKind::BitRot => "bit-rot",
            FaultKind::Misdirect => "misdirect",
            FaultKind::LyingSync => "lying-sync",
            FaultKind::StaleDisk => "stale-disk",
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

    /// As it is stored. A jump may be called `clock`, as it was; the preset of that name is the command line's alone.
    fn from_str(text: &str) -> Result<FaultKind, String> {
        let name = if text == "clock" { FaultKind::Jump.name() } else { text };
        FaultKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            let names = FaultKind::ALL.map(FaultKind::name).join(", ");
            format!("`{text}` is not a fault: the faults are {names}")
        })
    }
}
