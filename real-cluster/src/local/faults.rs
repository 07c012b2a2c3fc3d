//! Faults enacted on local processes. Its twin in simulation is `sim/src/faults.rs`.
//!
//! Power, reboots and clocks cannot be had: a killed process leaves its page cache behind, and processes that share a machine
//! share its clock. Nor can loss: links are byte streams. They are refused with the reason, and count as injected without
//! effect.

use crate::local::cluster::LocalCluster;
use crate::local::net::Slowness;
use harness::cluster::{Cluster, FaultError};
use harness::fault::{Fault, FaultKind};

/// Whether faults of a kind can be enacted on one machine, or why not.
pub fn supports(kind: FaultKind) -> Result<(), &'static str> {
    match kind {
        FaultKind::Partition | FaultKind::Kill | FaultKind::Pause | FaultKind::Latency => Ok(()),
        FaultKind::Power => Err(
            "a process cannot lose its machine's power: what it wrote stays in the page cache (use kill)",
        ),
        FaultKind::Clock => {
            Err("the clock of one node cannot be moved: all nodes share this machine's clock")
        }
        FaultKind::Flaky => Err(
            "no message can be lost or doubled: links are byte streams through proxies, which lose nothing (use latency)",
        ),
        FaultKind::Throttle => Err(
            "a link has no rate of its own: links are byte streams through proxies on this machine (use latency)",
        ),
        FaultKind::Strobe => {
            Err("the clock of one node cannot strobe: all nodes share this machine's clock")
        }
        FaultKind::Drift => {
            Err("the clock of one node cannot drift: all nodes share this machine's clock")
        }
        FaultKind::Reboot => {
            Err("no node can be rebooted alone: nodes are processes of one machine (use kill)")
        }
    }
}

impl LocalCluster {
    /// Every call is an injection of its own, also a refused one.
    pub(crate) async fn enact(&self, fault: &Fault) -> Result<(), FaultError> {
        let links = self.links().map_err(|error| FaultError(error.to_string()))?;
        let injection = links.effects().open();
        self.check(fault)?;
        match *fault {
            Fault::Partition { ref cuts, .. } => links.cut(cuts.clone(), injection).await,
            Fault::HealNetwork => links.cut(Vec::new(), injection).await,
            Fault::Kill(node) => {
                let killed = self.seat(node)?.kill().await;
                links.effects().acted(injection, u64::from(killed));
            }
            Fault::Restart(node) => {
                let started = self.seat(node)?.start(links, self.seen(), self.began()).await;
                started.map_err(|error| FaultError(error.to_string()))?;
            }
            Fault::Pause(node) => {
                let seat = self.seat(node)?;
                let stopped = seat.pause().await.map_err(FaultError)?;
                links.effects().acted(injection, u64::from(stopped));
            }
            Fault::Resume(node) => self.seat(node)?.resume(),
            Fault::Slow { ref nodes, delay_ms, jitter_ms } => {
                links.slow(nodes.clone(), Slowness { delay_ms, jitter_ms }, injection).await;
            }
            Fault::Fast => {
                let none = Slowness { delay_ms: 0, jitter_ms: 0 };
                links.slow(Vec::new(), none, injection).await;
            }
            Fault::PowerOff(_) => return refused(FaultKind::Power),
            Fault::WallJump { .. } | Fault::WallReset(_) => return refused(FaultKind::Clock),
            Fault::Flaky { .. } | Fault::Reliable => return refused(FaultKind::Flaky),
            Fault::Throttle { .. } | Fault::Unthrottle => return refused(FaultKind::Throttle),
            Fault::WallStrobe { .. } => return refused(FaultKind::Strobe),
            Fault::WallDrift { .. } => return refused(FaultKind::Drift),
            Fault::Reboot(_) => return refused(FaultKind::Reboot),
        }
        Ok(())
    }

    fn check(&self, fault: &Fault) -> Result<(), FaultError> {
        match fault.nodes().iter().find(|node| !self.nodes().contains(node)) {
            Some(node) => Err(FaultError(self.unknown(*node))),
            None => Ok(()),
        }
    }
}

fn refused(kind: FaultKind) -> Result<(), FaultError> {
    supports(kind).map_err(|why| FaultError(why.to_owned()))
}
