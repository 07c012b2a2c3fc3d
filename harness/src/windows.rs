//! Fault windows: while what was broken, and what became of the operations that were asked meanwhile.
//!
//! A window reaches from the moment at which a fault is injected to the one at which its undoing is in force, or to the end of
//! what is known. An operation belongs to every window in which it was asked. What could not be enacted has no window.
//!
//! Cannot see: how long a cluster needs to recover; operations asked after a window count as calm.

use crate::cluster::NodeId;
use crate::counts::Counts;
use crate::fault::{Fault, FaultKind, Sort};
use crate::history::{Kind, Process};
use crate::recording::{Phase, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something was broken from then to then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The family of the fault.
    pub kind: FaultKind,
    /// The fault in few words.
    pub fault: String,
    /// When it was injected.
    pub from: Duration,
    /// When its undoing was in force.
    pub to: Duration,
    /// What became of what was asked meanwhile.
    pub ops: Counts,
}

/// Some time, together, and what became of what was asked in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// How long.
    pub lasted: Duration,
    /// What became of it.
    pub ops: Counts,
}

/// All windows of a run, in order of their beginning, and their sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// One by one.
    pub all: Vec<Window>,
    /// While at least one fault of the kind was in force.
    pub broken: BTreeMap<FaultKind, Span>,
    /// While clients asked, the nemesis could break, and nothing was broken.
    pub calm: Span,
}

impl Windows {
    /// Of a run.
    pub fn of(run: &Run) -> Windows {
        let asked = Asked::of(run);
        let mut windows = Windows { all: opened_and_closed(run), ..Windows::default() };
        for window in &mut windows.all {
            window.ops = asked.between(window.from, window.to);
        }
        let mut kinds: Vec<FaultKind> = windows.all.iter().map(|window| window.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds {
            let of_kind = windows.all.iter().filter(|window| window.kind == kind);
            windows.broken.insert(kind, asked.during(&union(of_kind)));
        }
        let begun = run.phases.iter().find(|(phase, _)| *phase == Phase::Disturb);
        if let Some((_, from)) = begun {
            let healed = run.phases.iter().find(|(phase, _)| *phase == Phase::Heal);
            let to = healed.map_or_else(|| run.lasted(), |(_, at)| *at);
            windows.calm = asked.during(&gaps(&union(windows.all.iter()), *from, to));
        }
        windows
    }
}

/// What can be broken once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Cuts,
    Latency,
    Flakiness,
    Rate,
    Process(NodeId),
    Signals(NodeId),
    Clock(NodeId),
    Strobe(NodeId),
    Drift(NodeId),
    Leap(NodeId),
    Pace(NodeId),
    Membership(NodeId),
    Leadership,
    Routes,
    Ceiling,
    Turns,
    Links(Sort),
    Clients,
    Streams,
    Middlebox,
    Held,
    Echo,
    Address,
    Disk(NodeId),
}

fn place(fault: &Fault) -> Place {
    match fault {
        Fault::Partition { .. } | Fault::HealNetwork => Place::Cuts,
        Fault::Slow { .. } | Fault::Fast => Place::Latency,
        Fault::Flaky { .. } | Fault::Reliable => Place::Flakiness,
        Fault::Throttle { .. } | Fault::Unthrottle => Place::Rate,
        Fault::Kill(node)
        | Fault::PowerOff(node)
        | Fault::Reboot(node)
        | Fault::Restart(node)
        | Fault::KillAt { node, .. }
        | Fault::KillAfter { node, .. }
        | Fault::LimitMemory { node, .. } => Place::Process(*node),
        Fault::Pause(node) | Fault::Resume(node) => Place::Signals(*node),
        Fault::WallJump { node, .. } | Fault::WallReset(node) => Place::Clock(*node),
        Fault::WallStrobe { node, .. } => Place::Strobe(*node),
        Fault::WallDrift { node, .. } | Fault::WallFreeze(node) => Place::Drift(*node),
        Fault::WallLeap { node, .. } => Place::Leap(*node),
        Fault::MonoDrift { node, .. } | Fault::MonoReset(node) => Place::Pace(*node),
        Fault::Remove(node) | Fault::Wipe(node) | Fault::Join(node) => Place::Membership(*node),
        Fault::Transfer(_) => Place::Leadership,
        Fault::Split { .. } => Place::Routes,
        Fault::HoldCeiling { .. } => Place::Ceiling,
        Fault::Rolling { .. } | Fault::Storm { .. } => Place::Turns,
        Fault::Links { how, .. } => Place::Links(how.sort()),
        Fault::LinksWhole(sort) => Place::Links(*sort),
        Fault::CutClients { .. } | Fault::HealClients => Place::Clients,
        Fault::Reset { .. } => Place::Streams,
        Fault::Forget { .. } | Fault::Remember => Place::Middlebox,
        Fault::Hold { .. } | Fault::Release => Place::Held,
        Fault::Echo { .. } => Place::Echo,
        Fault::Readdress { .. } => Place::Address,
        Fault::SpoilDisk { node, .. }
        | Fault::DiskWhole(node)
        | Fault::DamageDisk { node, .. }
        | Fault::ForgetSyncs(node)
        | Fault::SwapDisk { node, .. }
        | Fault::Replace(node) => Place::Disk(*node),
    }
}

fn few_words(fault: &Fault) -> String {
    match fault {
        Fault::Partition { shape, .. } => format!("partition {shape}"),
        Fault::Links { how, .. } => format!("links: {how}"),
        Fault::Hold { then, .. } => format!("hold: {then}"),
        fault => fault.to_string(),
    }
}

fn opened_and_closed(run: &Run) -> Vec<Window> {
    let mut open: BTreeMap<Place, Window> = BTreeMap::new();
    let mut closed = Vec::new();
    let mut close = |open: &mut BTreeMap<Place, Window>, place: Place, to: Duration| {
        if let Some(window) = open.remove(&place) {
            closed.push(Window { to, ..window });
        }
    };
    for injection in run.injections.iter().filter(|injection| injection.error.is_none()) {
        let (from, fault) = (injection.time, &injection.fault);
        let place = place(fault);
        let in_force = injection.done.unwrap_or(from);
        let Some(kind) = fault.kind() else {
            close(&mut open, place, in_force);
            // Who joins runs.
            if let Fault::Join(node) = fault {
                close(&mut open, Place::Process(*node), in_force);
                close(&mut open, Place::Signals(*node), in_force);
                close(&mut open, Place::Disk(*node), in_force);
            }
            // So does who takes another's place, as a member.
            if let Fault::Replace(node) = fault {
                close(&mut open, Place::Process(*node), in_force);
                close(&mut open, Place::Signals(*node), in_force);
                close(&mut open, Place::Membership(*node), in_force);
            }
            // True time is all of it.
            if let Fault::WallReset(node) = fault {
                close(&mut open, Place::Strobe(*node), in_force);
                close(&mut open, Place::Drift(*node), in_force);
                close(&mut open, Place::Leap(*node), in_force);
            }
            continue;
        };
        match fault {
            // The next one takes the place of the one before it.
            Fault::Partition { .. }
            | Fault::Slow { .. }
            | Fault::Flaky { .. }
            | Fault::Throttle { .. }
            | Fault::WallStrobe { .. }
            | Fault::WallDrift { .. }
            | Fault::Links { .. }
            | Fault::CutClients { .. }
            | Fault::Hold { .. }
            | Fault::WallFreeze(_)
            | Fault::MonoDrift { .. }
            | Fault::SpoilDisk { .. } => close(&mut open, place, in_force),
            // A dead process is not paused.
            Fault::Kill(node)
            | Fault::PowerOff(node)
            | Fault::Reboot(node)
            | Fault::KillAt { node, .. }
            | Fault::KillAfter { node, .. }
            | Fault::LimitMemory { node, .. }
            | Fault::ForgetSyncs(node)
            | Fault::SwapDisk { node, .. } => {
                close(&mut open, Place::Signals(*node), in_force);
            }
            // It starts again with nothing.
            Fault::Wipe(node) => {
                close(&mut open, Place::Process(*node), in_force);
                close(&mut open, Place::Signals(*node), in_force);
                close(&mut open, Place::Disk(*node), in_force);
            }
            _ => {}
        }
        let fault = few_words(fault);
        let window = Window { kind, fault, from, to: from, ops: Counts::default() };
        open.entry(place).or_insert(window);
        // Over when it has happened.
        if let Fault::Transfer(_)
        | Fault::Rolling { .. }
        | Fault::Storm { .. }
        | Fault::Split { .. }
        | Fault::HoldCeiling { .. }
        | Fault::Reset { .. }
        | Fault::Echo { .. }
        | Fault::Readdress { .. } = injection.fault
        {
            close(&mut open, place, in_force);
        }
    }
    let end = run.lasted();
    for place in open.keys().copied().collect::<Vec<Place>>() {
        close(&mut open, place, end);
    }
    closed.sort_by_key(|window| (window.from, window.to));
    closed
}

type Interval = (Duration, Duration);

/// The same time as intervals that do not touch, in order.
fn union<'w>(windows: impl Iterator<Item = &'w Window>) -> Vec<Interval> {
    let mut union: Vec<Interval> = Vec::new();
    for window in windows {
        match union.last_mut().filter(|(_, to)| window.from <= *to) {
            Some((_, to)) => *to = window.to.max(*to),
            None => union.push((window.from, window.to)),
        }
    }
    union
}

/// What of `from` to `to` the intervals leave.
fn gaps(intervals: &[Interval], from: Duration, to: Duration) -> Vec<Interval> {
    let mut gaps = Vec::new();
    let mut at = from;
    for (begin, end) in intervals {
        if *begin > at {
            gaps.push((at, (*begin).min(to)));
        }
        at = at.max(*end);
    }
    if at < to {
        gaps.push((at, to));
    }
    gaps.retain(|(from, to)| from < to);
    gaps
}

/// Operations in the order in which they were asked; `sums[i]` is what became of the first i.
struct Asked {
    times: Vec<Duration>,
    sums: Vec<Counts>,
}

impl Asked {
    fn of(run: &Run) -> Asked {
        let mut asked: Vec<(Duration, Kind)> = Vec::new();
        let mut open: BTreeMap<Process, usize> = BTreeMap::new();
        for (_, event) in run.history.client_events() {
            if event.kind == Kind::Invoke {
                // Without an answer, nobody knows.
                open.insert(event.process, asked.len());
                asked.push((event.time, Kind::Info));
            } else if let Some(place) = open.remove(&event.process) {
                asked[place].1 = event.kind;
            }
        }
        let mut sums = vec![Counts::default()];
        for (_, kind) in &asked {
            let mut sum = sums[sums.len() - 1];
            sum.add(*kind);
            sums.push(sum);
        }
        Asked { times: asked.into_iter().map(|(time, _)| time).collect(), sums }
    }

    /// From `from` on and before `to`.
    fn between(&self, from: Duration, to: Duration) -> Counts {
        let place = |at: Duration| self.times.partition_point(|time| *time < at);
        let (before, all) = (self.sums[place(from)], self.sums[place(to.max(from))]);
        all.minus(before)
    }

    fn during(&self, intervals: &[Interval]) -> Span {
        let mut span = Span::default();
        for (from, to) in intervals {
            span.lasted += *to - *from;
            span.ops = span.ops.plus(self.between(*from, *to));
        }
        span
    }
}
