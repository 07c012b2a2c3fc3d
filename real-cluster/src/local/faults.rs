//! Faults enacted on local processes. Its twin in simulation is `sim/src/faults.rs`.
//!
//! Power, reboots, clocks and disks cannot be had: a killed process leaves its page cache behind, and processes that share a machine
//! share its clock and its disk. Nor can loss: links are byte streams. They are refused with the reason, and count as injected without
//! effect.

use crate::local::cluster::LocalCluster;
use crate::local::net::{Port, Slowness};
use crate::local::seat::Seat;
use crate::operator;
use crate::simulated::outside;
use elastickv::admin::{self, SinceByGroup};
use elastickv::env::{GroupId, NodeId};
use harness::cluster::{Cluster, FaultError};
use harness::fault::{Fault, FaultKind};
use std::io;
use std::time::Duration;
use tokio::time::sleep;

/// Whether faults of a kind can be enacted on one machine, or why not.
pub fn supports(kind: FaultKind) -> Result<(), &'static str> {
    match kind {
        FaultKind::Partition
        | FaultKind::Kill
        | FaultKind::Pause
        | FaultKind::Latency
        | FaultKind::Membership
        | FaultKind::Transfer
        | FaultKind::Rolling
        | FaultKind::Storm
        | FaultKind::Split
        | FaultKind::Ceiling => Ok(()),
        FaultKind::Power => Err(
            "a process cannot lose its machine's power: what it wrote stays in the page cache (use kill)",
        ),
        FaultKind::Jump => {
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
        FaultKind::Freeze => {
            Err("the clock of one node cannot stand still: all nodes share this machine's clock")
        }
        FaultKind::Leap => {
            Err("the clock of one node cannot leap back: all nodes share this machine's clock")
        }
        FaultKind::Reboot => {
            Err("no node can be rebooted alone: nodes are processes of one machine (use kill)")
        }
        kind => outside(kind),
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
            Fault::WallJump { .. } | Fault::WallReset(_) => return refused(FaultKind::Jump),
            Fault::Flaky { .. } | Fault::Reliable => return refused(FaultKind::Flaky),
            Fault::Throttle { .. } | Fault::Unthrottle => return refused(FaultKind::Throttle),
            Fault::Links { how, .. } => return refused(how.sort().kind()),
            Fault::LinksWhole(sort) => return refused(sort.kind()),
            Fault::Reset { .. } => return refused(FaultKind::Reset),
            Fault::Forget { .. } | Fault::Remember => return refused(FaultKind::HalfOpen),
            Fault::Hold { .. } | Fault::Release => return refused(FaultKind::Hold),
            Fault::Echo { .. } => return refused(FaultKind::Echo),
            Fault::Readdress { .. } => return refused(FaultKind::Address),
            Fault::CutClients { .. } | Fault::HealClients => return refused(FaultKind::Clients),
            Fault::WallStrobe { .. } => return refused(FaultKind::Strobe),
            Fault::WallDrift { .. } => return refused(FaultKind::Drift),
            Fault::WallFreeze(_) => return refused(FaultKind::Freeze),
            Fault::WallLeap { .. } => return refused(FaultKind::Leap),
            Fault::MonoDrift { .. } | Fault::MonoReset(_) => return refused(FaultKind::MonoDrift),
            Fault::Reboot(_) => return refused(FaultKind::Reboot),
            Fault::KillAt { .. } => return refused(FaultKind::KillAt),
            Fault::KillAfter { .. } => return refused(FaultKind::KillAwait),
            Fault::LimitMemory { .. } => return refused(FaultKind::Memory),
            Fault::SpoilDisk { how, .. } => return refused(how.kind()),
            Fault::DiskWhole(_) => return refused(FaultKind::IoError),
            Fault::DamageDisk { how, .. } => return refused(how.kind()),
            Fault::Replace(_) => return refused(FaultKind::BitRot),
            Fault::ForgetSyncs(_) => return refused(FaultKind::LyingSync),
            Fault::SwapDisk { .. } => return refused(FaultKind::StaleDisk),
            Fault::Rolling { ref nodes, down_ms, rest_ms } => {
                let mut last = Ok(());
                for (turn, node) in nodes.iter().enumerate() {
                    let rest = if turn == 0 { 0 } else { rest_ms };
                    sleep(Duration::from_millis(rest.into())).await;
                    let seat = self.seat(*node)?;
                    links.effects().acted(injection, u64::from(seat.kill().await));
                    sleep(Duration::from_millis(down_ms.into())).await;
                    // One that cannot be started is told, and the others do not stay down for it.
                    let started = seat.start(links, self.seen(), self.began()).await;
                    last = last.and(started.map_err(|error| FaultError(error.to_string())));
                }
                last?;
            }
            Fault::Storm { node, times, up_ms, down_ms } => {
                let seat = self.seat(node)?;
                let mut last = Ok(());
                for turn in 0..times.max(1) {
                    let up = if turn == 0 { 0 } else { up_ms };
                    sleep(Duration::from_millis(up.into())).await;
                    links.effects().acted(injection, u64::from(seat.kill().await));
                    sleep(Duration::from_millis(down_ms.into())).await;
                    // One that cannot be started is told; the next start may do.
                    let started = seat.start(links, self.seen(), self.began()).await;
                    last = started.map_err(|error| FaultError(error.to_string()));
                }
                last?;
            }
            Fault::Remove(_)
            | Fault::Wipe(_)
            | Fault::Join(_)
            | Fault::Transfer(_)
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. } => {
                let Some(order) = operator::order(fault) else { return Ok(()) };
                let steps = admin::carry_out(self, order).await.map_err(FaultError)?;
                links.effects().acted(injection, steps);
            }
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

/// The operator reaches nodes past the proxies, so no partition is in the way.
impl admin::Desk for LocalCluster {
    type Socket = operator::Socket;

    fn nodes(&self) -> Vec<NodeId> {
        Cluster::nodes(self).iter().map(|node| NodeId(node.0)).collect()
    }

    fn groups(&self) -> Vec<GroupId> {
        operator::groups(self.config().groups)
    }

    async fn connect(&self, to: NodeId) -> io::Result<operator::Socket> {
        operator::connect(self.links()?.block().target(harness(to), Port::Internal)).await
    }

    async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }

    fn now(&self) -> Duration {
        self.clock().now()
    }

    fn is_empty(&self, node: NodeId) -> bool {
        self.seat(harness(node)).is_ok_and(Seat::is_empty)
    }

    fn joined(&self, node: NodeId) {
        if let Ok(seat) = self.seat(harness(node)) {
            seat.joined();
        }
    }

    async fn start_over(&self, node: NodeId, since: SinceByGroup) -> Result<(), String> {
        let seat = self.seat(harness(node)).map_err(|error| error.0)?;
        seat.start_over(since).await.map_err(|error| error.to_string())?;
        self.start(node).await
    }

    async fn start(&self, node: NodeId) -> Result<(), String> {
        let seat = self.seat(harness(node)).map_err(|error| error.0)?;
        seat.resume();
        let links = self.links().map_err(|error| error.to_string())?;
        let started = seat.start(links, self.seen(), self.began()).await;
        started.map_err(|error| error.to_string())
    }
}

fn harness(node: NodeId) -> harness::cluster::NodeId {
    harness::cluster::NodeId(node.0)
}
