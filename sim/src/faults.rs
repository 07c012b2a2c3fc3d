//! Faults enacted in the simulated world. Its twins on machines are `local/faults.rs` and `ssh/faults.rs` of `real-cluster/src`.
//!
//! A process is ended in this order: its host is marked down, no borrow of the world is held, its tasks are dropped. So a restart
//! never runs the destructors of the boot before it.

use crate::clock::Changed;
use crate::cluster::SimCluster;
use crate::host::Down;
use crate::observe::Seen;
use crate::operator::Desk;
use crate::steps::{Polled, Spark};
use crate::trace::{Kind, digest, digest_bytes};
use crate::world::World;
use elastickv::admin::Order;
use elastickv::env;
use harness::cluster::{FaultError, NodeId};
use harness::fault::{Damage, DiskTrouble, Fault, Impairment, Sequence};
use harness::nemesis::freeze::FROZEN_PPM;
use harness::nemesis::steps::POLLS_WITHIN;
use std::time::Duration;

impl SimCluster {
    pub(crate) async fn enact(&self, fault: &Fault) -> Result<(), FaultError> {
        let world = &self.world;
        let injection = world.injection();
        self.check(fault)?;
        world.event(0, Kind::Fault, &fingerprint(fault), &[]);
        world.see(|| Seen::Fault(fault));
        match *fault {
            Fault::Partition { ref cuts, .. } => {
                let cuts = cuts.iter().map(|(from, to)| (from.0, to.0));
                world.net.borrow_mut().cut(cuts, Some(injection));
            }
            Fault::HealNetwork => world.net.borrow_mut().cut(std::iter::empty(), None),
            Fault::Slow { ref nodes, delay_ms, jitter_ms } => {
                let nodes = nodes.iter().map(|node| node.0);
                world.net.borrow_mut().slow(nodes, delay_ms, jitter_ms, injection);
            }
            Fault::Fast => world.net.borrow_mut().fast(),
            Fault::Kill(node) => world.take_down(node.0, Down::Process, injection),
            Fault::PowerOff(node) => world.take_down(node.0, Down::Power, injection),
            Fault::Restart(node) => world.restart(node.0),
            Fault::Pause(node) => world.pause(node.0, injection),
            Fault::Resume(node) => world.resume(node.0),
            Fault::WallJump { node, by_ms } => {
                world.wall.borrow_mut().jump(node.0, by_ms, injection);
            }
            Fault::WallReset(node) => world.settle_clock(node.0),
            Fault::Flaky { ref nodes, loss_percent, duplicate_percent } => {
                let nodes = nodes.iter().map(|node| node.0);
                let mut net = world.net.borrow_mut();
                net.spoil(nodes, loss_percent, duplicate_percent, injection);
            }
            Fault::Reliable => world.net.borrow_mut().reliable(),
            Fault::Throttle { ref nodes, kib_per_s } => {
                let nodes = nodes.iter().map(|node| node.0);
                world.net.borrow_mut().throttle(nodes, kib_per_s, injection);
            }
            Fault::Unthrottle => world.net.borrow_mut().unthrottle(),
            Fault::Links { ref links, how } => {
                let links = links.iter().map(|(from, to)| (from.0, to.0));
                world.net.borrow_mut().impair(links, how, injection);
            }
            Fault::LinksWhole(sort) => world.net.borrow_mut().mend(sort),
            Fault::CutClients { ref nodes, way } => {
                let nodes = nodes.iter().map(|node| node.0);
                world.net.borrow_mut().cut_clients(nodes, way, injection);
            }
            Fault::HealClients => world.net.borrow_mut().heal_clients(),
            Fault::Reset { ref nodes } => world.reset_streams(self.marked(nodes), injection),
            Fault::Forget { ref nodes, way } => {
                world.forget_streams(self.marked(nodes), way, injection);
            }
            Fault::Remember => world.remember_streams(),
            Fault::Hold { ref links, then } => {
                let links = links.iter().map(|(from, to)| (from.0, to.0));
                world.net.borrow_mut().hold(links, then, injection);
            }
            Fault::Release => world.release(),
            Fault::Readdress { node, stale_ms } => {
                world.readdress(node.0, Duration::from_millis(stale_ms.into()), injection).await;
            }
            Fault::Echo { node, down_ms } => {
                world.echo(node.0, Duration::from_millis(down_ms.into()), injection).await;
            }
            Fault::WallStrobe { node, delta_ms, period_ms } => {
                let now = world.now();
                world.wall.borrow_mut().strobe(node.0, delta_ms, period_ms, now, injection);
            }
            Fault::WallDrift { node, ppm } => {
                world.wall.borrow_mut().drift(node.0, ppm, world.now(), injection);
            }
            Fault::WallFreeze(node) => {
                world.wall.borrow_mut().drift(node.0, FROZEN_PPM, world.now(), injection);
            }
            Fault::WallLeap { node, back_ms } => {
                world.wall.borrow_mut().jump(node.0, -i64::from(back_ms), injection);
            }
            Fault::MonoDrift { node, ppm } => world.pace(node.0, ppm, Some(injection)),
            Fault::MonoReset(node) => world.pace(node.0, 0, None),
            // What a machine that restarts without a sync forgets is what one without power forgets.
            Fault::Reboot(node) => world.take_down(node.0, Down::Power, injection),
            Fault::Rolling { ref nodes, down_ms, rest_ms } => {
                for (turn, node) in nodes.iter().enumerate() {
                    let rest = if turn == 0 { 0 } else { rest_ms };
                    world.sleep(Duration::from_millis(rest.into())).await;
                    world.take_down(node.0, Down::Process, injection);
                    world.sleep(Duration::from_millis(down_ms.into())).await;
                    world.restart(node.0);
                }
            }
            Fault::Remove(node) => self.order(Order::Remove(named(node)), injection).await?,
            Fault::Wipe(node) => self.order(Order::Wipe(named(node)), injection).await?,
            Fault::Join(node) => self.order(Order::Join(named(node)), injection).await?,
            Fault::Transfer(node) => self.order(Order::Transfer(named(node)), injection).await?,
            Fault::Split { ref at } => {
                self.order(Order::Split(at.clone().into()), injection).await?;
            }
            Fault::HoldCeiling { for_ms } => {
                let time = Duration::from_millis(for_ms.into());
                self.order(Order::HoldCeiling(time), injection).await?;
            }
            Fault::Storm { node, times, up_ms, down_ms } => {
                for turn in 0..times.max(1) {
                    let up = if turn == 0 { 0 } else { up_ms };
                    world.sleep(Duration::from_millis(up.into())).await;
                    world.take_down(node.0, Down::Process, injection);
                    world.sleep(Duration::from_millis(down_ms.into())).await;
                    world.restart(node.0);
                }
            }
            Fault::KillAt { node, ref step, or_after_ms } => {
                let within = Duration::from_millis(or_after_ms.into());
                world.kill_inside(node.0, world.step(step)?, within, injection).await;
            }
            Fault::KillAfter { node, polls } => {
                let spark = Spark::Polled(Polled::Polls(polls.into()));
                world.kill_inside(node.0, spark, POLLS_WITHIN, injection).await;
            }
            Fault::LimitMemory { node, kib, or_after_ms } => {
                let spark = Spark::Polled(Polled::Bytes(u64::from(kib) * 1024));
                let within = Duration::from_millis(or_after_ms.into());
                world.kill_inside(node.0, spark, within, injection).await;
            }
            Fault::SpoilDisk { node, how } => world.spoil_disk(node.0, how, injection).await,
            Fault::DiskWhole(node) => world.mend_disk(node.0),
            Fault::DamageDisk { node, how, at } => {
                world.damage_disk(node.0, how, at, injection).await;
            }
            Fault::Replace(node) => self.replace(named(node), injection).await?,
            Fault::ForgetSyncs(node) => world.forget_syncs(node.0, injection),
            Fault::SwapDisk { node, after_ms } => {
                world.swap_disk(node.0, Duration::from_millis(after_ms.into()), injection).await;
            }
        }
        Ok(())
    }

    /// Acts as often as a leader had to be asked for a step.
    async fn order(&self, order: Order, injection: usize) -> Result<(), FaultError> {
        let Some(guest) = self.world.guest.borrow().clone() else { return Ok(()) };
        if let Order::Remove(node) = &order {
            // Also if nobody hears that it came about.
            self.world.hosts.borrow_mut()[usize::from(node.0)].out = true;
        }
        let joins = if let Order::Join(node) = order { Some(node) } else { None };
        let steps = guest.operate(Desk(self.world.clone()), order).await.map_err(FaultError)?;
        self.world.acted(injection, steps);
        if let Some(node) = joins {
            self.world.hosts.borrow_mut()[usize::from(node.0)].out = false;
        }
        Ok(())
    }

    /// By host, whether it is one of these nodes.
    fn marked(&self, nodes: &[NodeId]) -> Vec<bool> {
        use harness::cluster::Cluster;
        let hosts = 0..=self.nodes().len() as u16;
        hosts.map(|host| nodes.contains(&NodeId(host))).collect()
    }

    /// Another machine takes the place of a node whose disk is lost; what was begun of it earlier is gone on with.
    async fn replace(&self, node: env::NodeId, injection: usize) -> Result<(), FaultError> {
        let is_sound = self.world.disks[usize::from(node.0)].borrow().is_sound();
        let is_out = self.world.hosts.borrow()[usize::from(node.0)].out;
        if !is_sound {
            self.order(Order::Remove(node), injection).await?;
            self.order(Order::Wipe(node), injection).await?;
        } else if !is_out {
            return Ok(());
        }
        self.order(Order::Join(node), injection).await
    }

    fn check(&self, fault: &Fault) -> Result<(), FaultError> {
        use harness::cluster::Cluster;
        match fault.nodes().iter().find(|node| !self.nodes().contains(node)) {
            Some(node) => Err(FaultError(self.unknown(*node))),
            None => Ok(()),
        }
    }
}

/// The node as the layers name it.
fn named(node: NodeId) -> env::NodeId {
    env::NodeId(node.0)
}

/// The fault as numbers: its place in the enum and its values.
fn fingerprint(fault: &Fault) -> [u64; 3] {
    let names = |nodes: &[NodeId]| {
        digest(&nodes.iter().map(|node| u64::from(node.0)).collect::<Vec<u64>>())
    };
    let pairs = |links: &[(NodeId, NodeId)]| {
        let link = |(from, to): &(NodeId, NodeId)| u64::from(from.0) << 16 | u64::from(to.0);
        digest(&links.iter().map(link).collect::<Vec<u64>>())
    };
    match fault {
        Fault::Partition { cuts, .. } => [1, cuts.len() as u64, pairs(cuts)],
        Fault::HealNetwork => [2, 0, 0],
        Fault::Kill(node) => [3, u64::from(node.0), 0],
        Fault::PowerOff(node) => [4, u64::from(node.0), 0],
        Fault::Restart(node) => [5, u64::from(node.0), 0],
        Fault::Pause(node) => [6, u64::from(node.0), 0],
        Fault::Resume(node) => [7, u64::from(node.0), 0],
        Fault::WallJump { node, by_ms } => [8, u64::from(node.0), *by_ms as u64],
        Fault::WallReset(node) => [9, u64::from(node.0), 0],
        Fault::Slow { nodes, delay_ms, jitter_ms } => {
            [10, names(nodes), u64::from(*delay_ms) << 32 | u64::from(*jitter_ms)]
        }
        Fault::Fast => [11, 0, 0],
        Fault::Flaky { nodes, loss_percent, duplicate_percent } => {
            [12, names(nodes), u64::from(*loss_percent) << 8 | u64::from(*duplicate_percent)]
        }
        Fault::Reliable => [13, 0, 0],
        Fault::Throttle { nodes, kib_per_s } => [14, names(nodes), u64::from(*kib_per_s)],
        Fault::Unthrottle => [15, 0, 0],
        Fault::WallStrobe { node, delta_ms, period_ms } => {
            [16, u64::from(*period_ms) << 16 | u64::from(node.0), *delta_ms as u64]
        }
        Fault::WallDrift { node, ppm } => [17, u64::from(node.0), i64::from(*ppm) as u64],
        Fault::Reboot(node) => [18, u64::from(node.0), 0],
        Fault::Remove(node) => [19, u64::from(node.0), 0],
        Fault::Join(node) => [20, u64::from(node.0), 0],
        Fault::Transfer(node) => [21, u64::from(node.0), 0],
        Fault::Wipe(node) => [23, u64::from(node.0), 0],
        Fault::Split { at } => [24, digest_bytes(0, at.as_bytes()), 0],
        Fault::HoldCeiling { for_ms } => [25, u64::from(*for_ms), 0],
        Fault::Links { links, how } => [26, pairs(links), of_impairment(*how)],
        Fault::LinksWhole(sort) => [27, *sort as u64, 0],
        Fault::CutClients { nodes, way } => [28, names(nodes), *way as u64],
        Fault::HealClients => [29, 0, 0],
        Fault::Reset { nodes } => [30, names(nodes), 0],
        Fault::Forget { nodes, way } => [31, names(nodes), *way as u64],
        Fault::Remember => [32, 0, 0],
        Fault::Hold { links, then } => {
            let (order, number) = match *then {
                Sequence::Sent => (0, 0),
                Sequence::Reversed => (1, 0),
                Sequence::Drawn(number) => (2, number),
            };
            [33, pairs(links), digest(&[order, number])]
        }
        Fault::Release => [34, 0, 0],
        Fault::Readdress { node, stale_ms } => [36, u64::from(node.0), u64::from(*stale_ms)],
        Fault::Echo { node, down_ms } => [35, u64::from(node.0), u64::from(*down_ms)],
        Fault::KillAt { node, step, or_after_ms } => {
            let step = digest_bytes(0, step.as_bytes());
            [46, u64::from(*or_after_ms) << 16 | u64::from(node.0), step]
        }
        Fault::KillAfter { node, polls } => [47, u64::from(node.0), u64::from(*polls)],
        Fault::WallFreeze(node) => [49, u64::from(node.0), 0],
        Fault::WallLeap { node, back_ms } => [50, u64::from(node.0), u64::from(*back_ms)],
        Fault::MonoDrift { node, ppm } => [51, u64::from(node.0), i64::from(*ppm) as u64],
        Fault::MonoReset(node) => [52, u64::from(node.0), 0],
        Fault::LimitMemory { node, kib, or_after_ms } => {
            [53, u64::from(*or_after_ms) << 16 | u64::from(node.0), u64::from(*kib)]
        }
        Fault::Storm { node, times, up_ms, down_ms } => {
            let times_of_node = u64::from(*times) << 16 | u64::from(node.0);
            [48, times_of_node, u64::from(*down_ms) << 32 | u64::from(*up_ms)]
        }
        Fault::SpoilDisk { node, how } => {
            let (number, value) = match how {
                DiskTrouble::SlowSyncs { by_ms } => (61, *by_ms),
                DiskTrouble::Errors { after } => (62, *after),
                DiskTrouble::Full => (63, 0),
                DiskTrouble::ShortReads => (64, 0),
                DiskTrouble::LyingSyncs => (69, 0),
            };
            [number, u64::from(node.0), u64::from(value)]
        }
        Fault::DiskWhole(node) => [65, u64::from(node.0), 0],
        Fault::DamageDisk { node, how, at } => {
            let number = match how {
                Damage::Rot => 66,
                Damage::Misdirected => 67,
            };
            [number, u64::from(node.0), u64::from(*at)]
        }
        Fault::Replace(node) => [68, u64::from(node.0), 0],
        Fault::ForgetSyncs(node) => [70, u64::from(node.0), 0],
        Fault::SwapDisk { node, after_ms } => [80, u64::from(node.0), u64::from(*after_ms)],
        Fault::Rolling { nodes, down_ms, rest_ms } => {
            [22, names(nodes), u64::from(*down_ms) << 32 | u64::from(*rest_ms)]
        }
    }
}

fn of_impairment(how: Impairment) -> u64 {
    let numbers = match how {
        Impairment::Late { base_ms, jitter_ms, tail_percent, tail_ms } => {
            [base_ms, jitter_ms, tail_percent.into(), tail_ms]
        }
        Impairment::Lost { percent }
        | Impairment::Doubled { percent }
        | Impairment::Damaged { percent } => [percent.into(), 0, 0, 0],
        Impairment::Reordered { percent, within_ms } => [percent.into(), within_ms, 0, 0],
        Impairment::Narrow { kib_per_s } => [kib_per_s, 0, 0, 0],
        Impairment::Dripping { bytes_per_s } => [bytes_per_s, 0, 0, 0],
    };
    digest(&[how.sort() as u64].into_iter().chain(numbers.map(u64::from)).collect::<Vec<u64>>())
}

impl World {
    pub(crate) fn take_down(&self, node: u16, how: Down, injection: usize) {
        self.acted(injection, u64::from(self.hosts.borrow()[usize::from(node)].up));
        self.put_down(node, how);
    }

    /// Ends a node's process, and its machine if it loses its power.
    pub(crate) fn put_down(&self, node: u16, how: Down) {
        let (up, powered) = {
            let host = &self.hosts.borrow()[usize::from(node)];
            (host.up, host.powered)
        };
        // A dead process' machine can still lose its power, and with it its page cache.
        if up || (powered && how == Down::Power) {
            self.stop(node, how);
        }
    }

    /// Ends a node's process, if it runs; counts for no fault.
    pub(crate) fn end(&self, node: u16) {
        if self.hosts.borrow()[usize::from(node)].up {
            self.stop(node, Down::Process);
        }
    }

    pub(crate) fn restart(&self, node: u16) {
        let (up, started) = {
            let host = &self.hosts.borrow()[usize::from(node)];
            (host.up, host.boot > 0)
        };
        // What it has forgotten it must not vote and answer without.
        let forgot = self.disks[usize::from(node)].borrow().forgot;
        if !up && started && !forgot {
            self.launch(node);
        }
    }

    fn pause(&self, node: u16, injection: usize) {
        {
            let host = &mut self.hosts.borrow_mut()[usize::from(node)];
            if !host.up || host.paused {
                return;
            }
            host.paused = true;
        }
        self.see(|| Seen::Paused { node });
        self.acted(injection, 1);
        self.tasks.pause(node);
    }

    pub(crate) fn resume(&self, node: u16) {
        {
            let host = &mut self.hosts.borrow_mut()[usize::from(node)];
            if !host.up || !host.paused {
                return;
            }
            host.paused = false;
        }
        self.see(|| Seen::Resumed { node });
        self.tasks.resume(node);
    }

    /// Another pace of a node's monotonic clock; the one before it has acted as often as it changed what was read.
    pub(crate) fn pace(&self, node: u16, ppm: i32, injection: Option<usize>) {
        let before = self.monotonic.drift(node, ppm, self.now(), injection);
        if let Some((injection, reads)) = before {
            self.acted(injection, reads);
        }
        if before.is_some() || injection.is_some() {
            self.timers.rouse(node);
        }
    }

    /// What clocks have not been set right of so far has changed so many reads.
    pub(crate) fn clocks_read(&self) -> Vec<Changed> {
        let mut changed = self.wall.borrow().changed();
        changed.extend(self.monotonic.changed());
        changed
    }

    /// True time on a node's wall clock; what was in force has acted as often as it changed what was read.
    pub(crate) fn settle_clock(&self, node: u16) {
        let settled = self.wall.borrow_mut().reset(node);
        for (injection, reads) in settled {
            self.acted(injection, reads);
        }
    }
}
