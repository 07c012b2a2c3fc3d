//! What only the simulation can break so far, on one machine and on hosts alike.

use harness::fault::FaultKind;

/// Why a kind cannot be had outside the simulation; `Ok` for those that some real cluster has, who says itself whether it can.
pub fn outside(kind: FaultKind) -> Result<(), &'static str> {
    match kind {
        FaultKind::LinkLatency
        | FaultKind::LinkLoss
        | FaultKind::LinkDouble
        | FaultKind::LinkOrder
        | FaultKind::LinkDamage
        | FaultKind::LinkRate
        | FaultKind::LinkDrip => {
            Err("single links are impaired only in the simulation, so far (use latency)")
        }
        FaultKind::Clients => Err("clients are cut from nodes only in the simulation, so far"),
        FaultKind::Reset | FaultKind::HalfOpen => {
            Err("connections are cut off from outside only in the simulation, so far")
        }
        FaultKind::Hold | FaultKind::Echo => {
            Err("messages are held back or told again only in the simulation, so far")
        }
        FaultKind::Address => Err("addresses change only in the simulation, so far"),
        FaultKind::MonoDrift => {
            Err("a monotonic clock can be changed only in the simulation, so far")
        }
        FaultKind::Memory => {
            Err("a process' memory can be limited only in the simulation, so far (use kill)")
        }
        FaultKind::KillAt | FaultKind::KillAwait => {
            Err("a process can be killed from inside only in the simulation, so far (use kill)")
        }
        FaultKind::SlowSync
        | FaultKind::IoError
        | FaultKind::DiskFull
        | FaultKind::ShortRead
        | FaultKind::BitRot
        | FaultKind::Misdirect
        | FaultKind::LyingSync
        | FaultKind::StaleDisk => {
            Err("a disk is in trouble only in the simulation, so far (use kill)")
        }
        FaultKind::Partition
        | FaultKind::Kill
        | FaultKind::Power
        | FaultKind::Pause
        | FaultKind::Jump
        | FaultKind::Latency
        | FaultKind::Flaky
        | FaultKind::Throttle
        | FaultKind::Strobe
        | FaultKind::Drift
        | FaultKind::Reboot
        | FaultKind::Membership
        | FaultKind::Transfer
        | FaultKind::Rolling
        | FaultKind::Split
        | FaultKind::Ceiling
        | FaultKind::Storm
        | FaultKind::Freeze
        | FaultKind::Leap => Ok(()),
    }
}
