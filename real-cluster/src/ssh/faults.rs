//! Faults enacted on hosts. Its twin in simulation is `sim/src/faults.rs`.
//!
//! What mends is tried again while a host cannot be reached or did not answer: mending twice is harmless, and a link that was lost
//! for a moment must not leave anything broken.

use super::cluster::SshCluster;
use super::hosts::Facts;
use super::network::{Cut, Flaky, Slow, Throttle};
use super::reboot;
use crate::operator;
use crate::remote::{Command, RemoteError, done};
use crate::site::Site;
use harness::cluster::{Cluster, FaultError, NodeId};
use harness::fault::{Fault, FaultKind};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long mending is tried.
const MENDS_WITHIN: Duration = Duration::from_secs(40);
/// Between two attempts.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a host that restarts may take to be gone.
const ENDS_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(100);
/// How long a restarted host may take until SSH answers.
const BACK_WITHIN: Duration = Duration::from_secs(180);

/// What mends a fault.
fn mending(fault: &Fault) -> Option<Fault> {
    match fault {
        Fault::Partition { .. } => Some(Fault::HealNetwork),
        Fault::Slow { .. } => Some(Fault::Fast),
        Fault::Flaky { .. } => Some(Fault::Reliable),
        Fault::Throttle { .. } => Some(Fault::Unthrottle),
        Fault::Kill(node) | Fault::Reboot(node) => Some(Fault::Restart(*node)),
        Fault::Pause(node) => Some(Fault::Resume(*node)),
        Fault::WallJump { node, .. }
        | Fault::WallStrobe { node, .. }
        | Fault::WallDrift { node, .. }
        | Fault::WallLeap { node, .. } => Some(Fault::WallReset(*node)),
        Fault::Storm { node, .. } => Some(Fault::Restart(*node)),
        _ => None,
    }
}

impl SshCluster {
    /// Every call is an injection of its own, also a refused one.
    pub(super) async fn enact(&self, fault: &Fault) -> Result<(), FaultError> {
        let injection = self.effects.open();
        if let Some(node) = fault.nodes().iter().find(|node| !self.nodes().contains(node)) {
            return Err(FaultError(self.unknown(*node)));
        }
        if let Some(kind) = fault.kind() {
            self.supported(kind).map_err(FaultError)?;
            let broken = self.attempt(fault, injection).await;
            if broken.is_err()
                && let Some(mends) = mending(fault)
                // Part of it may be in force, which nobody would mend who is told that it failed.
                && let Err(why) = self.mend(&mends, injection).await
            {
                let doubt = format!(
                    "`{fault}` failed and may be in force in part, for `{mends}` failed too: {why}"
                );
                self.doubts.borrow_mut().push(doubt);
            }
            return broken.map_err(FaultError);
        }
        self.mend(fault, injection).await.map_err(FaultError)
    }

    async fn mend(&self, fault: &Fault, injection: usize) -> Result<(), String> {
        let limit = Instant::now() + MENDS_WITHIN;
        loop {
            match self.attempt(fault, injection).await {
                Err(_) if Instant::now() + AGAIN_AFTER < limit => sleep(AGAIN_AFTER).await,
                result => return result,
            }
        }
    }

    async fn attempt(&self, fault: &Fault, injection: usize) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        match *fault {
            Fault::Partition { cuts: ref links, .. } => {
                let cut = Cut { injection, links: links.clone() };
                self.network(|network| network.cut = Some(cut)).await
            }
            Fault::HealNetwork => self.network(|network| network.cut = None).await,
            Fault::Slow { ref nodes, delay_ms, jitter_ms } => {
                let slow = Slow { injection, nodes: nodes.clone(), delay_ms, jitter_ms };
                self.network(|network| network.slow = Some(slow)).await
            }
            Fault::Fast => self.network(|network| network.slow = None).await,
            Fault::Flaky { ref nodes, loss_percent, duplicate_percent } => {
                let flaky =
                    Flaky { injection, nodes: nodes.clone(), loss_percent, duplicate_percent };
                self.network(|network| network.flaky = Some(flaky)).await
            }
            Fault::Reliable => self.network(|network| network.flaky = None).await,
            Fault::Throttle { ref nodes, kib_per_s } => {
                let throttle = Throttle { injection, nodes: nodes.clone(), kib_per_s };
                self.network(|network| network.throttle = Some(throttle)).await
            }
            Fault::Unthrottle => self.network(|network| network.throttle = None).await,
            Fault::Links { how, .. } => self.supported(how.sort().kind()),
            Fault::LinksWhole(sort) => self.supported(sort.kind()),
            Fault::Reset { .. } => self.supported(FaultKind::Reset),
            Fault::Forget { .. } | Fault::Remember => self.supported(FaultKind::HalfOpen),
            Fault::Hold { .. } | Fault::Release => self.supported(FaultKind::Hold),
            Fault::Echo { .. } => self.supported(FaultKind::Echo),
            Fault::Readdress { .. } => self.supported(FaultKind::Address),
            Fault::CutClients { .. } | Fault::HealClients => self.supported(FaultKind::Clients),
            Fault::Kill(node) => self.kill(node, injection).await,
            Fault::Restart(node) => self.start(node).await,
            Fault::Rolling { ref nodes, down_ms, rest_ms } => {
                let mut last = Ok(());
                for (turn, node) in nodes.iter().enumerate() {
                    let rest = if turn == 0 { 0 } else { rest_ms };
                    sleep(Duration::from_millis(rest.into())).await;
                    last = last.and(self.kill(*node, injection).await);
                    sleep(Duration::from_millis(down_ms.into())).await;
                    // Also where nobody answered whether it was killed: it may be down.
                    let started = Box::pin(self.mend(&Fault::Restart(*node), injection)).await;
                    last = last.and(started);
                }
                last
            }
            Fault::Storm { node, times, up_ms, down_ms } => {
                let (mut kills, mut last) = (Ok(()), Ok(()));
                for turn in 0..times.max(1) {
                    let up = if turn == 0 { 0 } else { up_ms };
                    sleep(Duration::from_millis(up.into())).await;
                    kills = kills.and(self.kill(node, injection).await);
                    sleep(Duration::from_millis(down_ms.into())).await;
                    // Also where nobody answered whether it was killed: it may be down.
                    last = Box::pin(self.mend(&Fault::Restart(node), injection)).await;
                }
                kills.and(last)
            }
            Fault::Pause(node) => {
                let pause = self.db.pause().ok_or("the database has no `pause`")?;
                let paused = pause.pause(&self.sites, self.site(node)?).await;
                self.effects.acted(injection, paused.map_err(|error| text(&error))?.min(1));
                Ok(())
            }
            Fault::Resume(node) => {
                let pause = self.db.pause().ok_or("the database has no `resume`")?;
                pause.resume(&self.sites, self.site(node)?).await.map_err(|error| text(&error))
            }
            Fault::WallJump { node, by_ms } => {
                self.skew(node, format!("--jump-ms={by_ms}"), injection).await
            }
            Fault::WallLeap { node, back_ms } => {
                self.skew(node, format!("--jump-ms=-{back_ms}"), injection).await
            }
            Fault::WallFreeze(_) => self.supported(FaultKind::Freeze),
            Fault::MonoDrift { .. } | Fault::MonoReset(_) => self.supported(FaultKind::MonoDrift),
            Fault::WallStrobe { node, delta_ms, period_ms } => {
                self.skew(node, format!("--strobe-ms={delta_ms},{}", period_ms.max(1)), injection)
                    .await
            }
            Fault::WallDrift { node, ppm } => {
                self.skew(node, format!("--drift-ppm={ppm}"), injection).await
            }
            Fault::WallReset(node) => {
                let acted =
                    self.clocks.reset(self.site(node)?).await.map_err(|error| text(&error))?;
                self.clocks_acted(acted);
                Ok(())
            }
            Fault::Reboot(node) => self.reboot(self.site(node)?, injection).await,
            Fault::PowerOff(_) => self.supported(FaultKind::Power),
            Fault::KillAt { .. } => self.supported(FaultKind::KillAt),
            Fault::KillAfter { .. } => self.supported(FaultKind::KillAwait),
            Fault::LimitMemory { .. } => self.supported(FaultKind::Memory),
            Fault::SpoilDisk { how, .. } => self.supported(how.kind()),
            Fault::DiskWhole(_) => self.supported(FaultKind::IoError),
            Fault::DamageDisk { how, .. } => self.supported(how.kind()),
            Fault::Replace(_) => self.supported(FaultKind::BitRot),
            Fault::ForgetSyncs(_) => self.supported(FaultKind::LyingSync),
            Fault::SwapDisk { .. } => self.supported(FaultKind::StaleDisk),
            Fault::Remove(_)
            | Fault::Wipe(_)
            | Fault::Join(_)
            | Fault::Transfer(_)
            | Fault::Split { .. }
            | Fault::HoldCeiling { .. } => {
                let members = self.db.members().ok_or("the database has no `members`")?;
                let Some(order) = operator::order(fault) else { return Ok(()) };
                if let Fault::Wipe(node) | Fault::Join(node) = *fault {
                    self.come_back(self.site(node)?).await?;
                }
                let steps = members.carry_out(&self.sites, order).await;
                self.effects.acted(injection, steps.map_err(|error| text(&error))?);
                Ok(())
            }
        }
    }

    async fn kill(&self, node: NodeId, injection: usize) -> Result<(), String> {
        let at = self.site(node)?;
        // What its clock did is known only as long as it runs.
        self.settle_clock(at).await;
        let kill = self.db.kill().ok_or("the database has no `kill`")?;
        let killed = kill.kill(&self.sites, at).await.map_err(|error| error.to_string())?;
        self.clocks.gone(node);
        self.effects.acted(injection, killed.min(1));
        Ok(())
    }

    async fn start(&self, node: NodeId) -> Result<(), String> {
        let at = self.site(node)?;
        self.come_back(at).await?;
        let kill = self.db.kill().ok_or("the database has no `start`")?;
        kill.start(&self.sites, at).await.map(drop).map_err(|error| error.to_string())
    }

    async fn network(&self, how: impl FnOnce(&mut super::network::Network)) -> Result<(), String> {
        let changed = self.net.change(&self.sites, |at| self.client_port(at), how).await;
        changed.map_err(|error| error.to_string())
    }

    async fn skew(&self, node: NodeId, word: String, injection: usize) -> Result<(), String> {
        let acted = self.clocks.change(self.site(node)?, &[word], injection).await;
        self.clocks_acted(acted.map_err(|error| error.to_string())?);
        Ok(())
    }

    pub(super) fn clocks_acted(&self, acted: super::clock::Acted) {
        for (injection, reads) in acted {
            self.effects.acted(injection, reads);
        }
    }

    /// Counts what a node's clock has done by now. Err: it is counted later, or never, and then the fault counts for less.
    pub(super) async fn settle_clock(&self, at: &Site) {
        if let Ok(acted) = self.clocks.settle(at).await {
            self.clocks_acted(acted);
        }
    }

    /// Restarts a host. In force when its processes are gone, which shows in SSH being gone.
    async fn reboot(&self, at: &Site, injection: usize) -> Result<(), String> {
        let before = Facts::of(&*at.remote).await.map_err(|error| error.to_string())?;
        self.settle_clock(at).await;
        if let Some(kill) = self.db.kill() {
            kill.goes_down(at).await.map_err(|error| error.to_string())?;
        }
        let boot = reboot::boot_id().ok_or("this machine has no boot id")?;
        let restart =
            Command::new(at.program(reboot::NAME)).arg(boot).within(Duration::from_secs(5));
        match done(&*at.remote, &restart).await {
            // Nobody may be left to say that it was done; a host that is a namespace may still say so.
            Ok(_) | Err(RemoteError::Unknown { .. }) => self.ends(at, &before).await?,
            Err(error) => return Err(error.to_string()),
        }
        self.net.restarted(at.node);
        self.clocks.gone(at.node);
        self.rebooted.borrow_mut().insert(at.node, (before.boot(), injection));
        Ok(())
    }

    /// Waits until a host's life is over: it cannot be asked any more, or is in its next one.
    async fn ends(&self, at: &Site, before: &Facts) -> Result<(), String> {
        let limit = Instant::now() + ENDS_WITHIN;
        while Facts::of(&*at.remote).await.is_ok_and(|now| now.boot() == before.boot()) {
            if Instant::now() >= limit {
                return Err(format!("{} did not restart within {ENDS_WITHIN:?}", at.node));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// A host that restarted answers again, and its network is as wrong as it was.
    async fn come_back(&self, at: &Site) -> Result<(), String> {
        let Some((before, injection)) = self.rebooted.borrow().get(&at.node).cloned() else {
            return Ok(());
        };
        let limit = Instant::now() + BACK_WITHIN;
        loop {
            let last = match Facts::of(&*at.remote).await {
                Ok(facts) if facts.boot() != before => break,
                Ok(_) => "it has not restarted".to_owned(),
                Err(error) => error.to_string(),
            };
            if Instant::now() >= limit {
                return Err(format!("{} was not back within {BACK_WITHIN:?}: {last}", at.node));
            }
            sleep(AGAIN_AFTER).await;
        }
        self.net.tell(at, self.client_port(at)).await.map_err(|error| error.to_string())?;
        if self.rebooted.borrow_mut().remove(&at.node).is_some() {
            self.effects.acted(injection, 1);
        }
        Ok(())
    }
}
