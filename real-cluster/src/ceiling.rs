//! How many operations a second were asked for, how many there were, and what was in the way.
//!
//! Only the time in which clients ask counts. The CPU time of nodes is known when they have ended, so their share is that of
//! the whole run.
//!
//! Cannot see: how long the disk took.

use crate::cpu;
use harness::history::Kind;
use harness::options::Options;
use harness::recording::{Entry, Phase, Run, Sink};
use harness::windows::Windows;
use serde::Serialize;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

/// From this share on, something counts as busy.
const BUSY: f64 = 0.85;
/// With less than this share of what was asked for there is a ceiling.
const ENOUGH: f64 = 0.95;

/// CPU time at the beginning and the end of the asking. Clones are the same meter.
#[derive(Clone, Default)]
pub struct Meter(Rc<RefCell<Vec<(Phase, Used)>>>);

/// CPU time.
#[derive(Clone, Copy)]
struct Used {
    /// Of the thread that asks and records.
    thread: Duration,
    /// Of the control process.
    process: Duration,
    /// Of everything on the machine.
    machine: Duration,
}

impl Used {
    fn so_far() -> Used {
        Used {
            thread: cpu::this_thread(),
            process: cpu::this_process(),
            machine: cpu::machine_busy(),
        }
    }

    fn since(self, before: Used) -> Used {
        Used {
            thread: self.thread.saturating_sub(before.thread),
            process: self.process.saturating_sub(before.process),
            machine: self.machine.saturating_sub(before.machine),
        }
    }
}

impl Sink for Meter {
    fn entry(&mut self, entry: &Entry) {
        if let Entry::Phase(phase, _) = entry {
            self.0.borrow_mut().push((*phase, Used::so_far()));
        }
    }
}

impl Meter {
    /// What was used while clients asked.
    fn asking(&self) -> Option<Used> {
        let phases = self.0.borrow();
        let at = |wanted| phases.iter().find(|(phase, _)| *phase == wanted).map(|(_, used)| *used);
        Some(at(Phase::Heal)?.since(at(Phase::Disturb)?))
    }
}

/// Rates a second and shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rate {
    /// Operations a second that were asked for.
    pub asked: f64,
    /// Operations a second that were answered or given up.
    pub reached: f64,
    /// From asking to knowing, in the mean.
    pub mean_ms: f64,
    /// Share of the time in which every client waited for an answer.
    pub clients_busy: f64,
    /// Share of a core that the thread took which asks and records.
    pub control_thread: f64,
    /// Cores that the control process took, its links between nodes included.
    pub control_cores: f64,
    /// Cores that the nodes took, over the whole run; unknown where they are on hosts.
    pub node_cores: Option<f64>,
    /// Cores that all programs of the machine took, these among them.
    pub busy_cores: f64,
    /// Cores there are.
    pub cores: f64,
    /// Client threads.
    pub clients: u16,
    /// Share of the time in which something was broken.
    pub broken: f64,
}

impl Rate {
    /// Of a run that is over. `nodes` is the CPU time of all of them, where that is known. `None` if clients never asked.
    pub fn of(
        run: &Run,
        options: &Options,
        windows: &Windows,
        meter: &Meter,
        nodes: Option<Duration>,
    ) -> Option<Rate> {
        let at = |wanted| run.phases.iter().find(|(phase, _)| *phase == wanted).map(|(_, at)| *at);
        let (from, to) = (at(Phase::Disturb)?, at(Phase::Heal)?);
        let seconds = to.checked_sub(from).filter(|time| !time.is_zero())?.as_secs_f64();
        let Used { thread, process, machine } = meter.asking()?;
        let Waits { ended, waited, all_busy } = Waits::of(run, from, to, options.clients);
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Some(Rate {
            asked: options.rate.mean(),
            reached: ended as f64 / seconds,
            mean_ms: waited.as_secs_f64() * 1e3 / (ended.max(1) as f64),
            clients_busy: all_busy.as_secs_f64() / seconds,
            control_thread: thread.as_secs_f64() / seconds,
            control_cores: process.as_secs_f64() / seconds,
            node_cores: nodes.map(|time| time.as_secs_f64() / run.lasted().as_secs_f64()),
            busy_cores: machine.as_secs_f64() / seconds,
            cores: cores as f64,
            clients: options.clients,
            broken: 1.0 - windows.calm.lasted.as_secs_f64() / seconds,
        })
    }

    /// Why there were not as many as were asked for; `None` if there were.
    pub fn ceiling(&self) -> Option<String> {
        if self.reached >= self.asked * ENOUGH {
            return None;
        }
        let percent = |share: f64| (share * 100.0).round();
        let mut why = Vec::new();
        if self.busy_cores >= BUSY * self.cores {
            let Rate { busy_cores, cores, control_cores, .. } = self;
            let nodes = self.node_cores.unwrap_or(0.0);
            let others = (busy_cores - control_cores - nodes).max(0.0);
            let nodes = self
                .node_cores
                .map_or_else(String::new, |nodes| format!(" {nodes:.1} with the nodes,"));
            why.push(format!(
                "{busy_cores:.1} of {cores:.0} cores were busy: {control_cores:.1} with the control process and its links,{nodes} \
                 {others:.1} with other programs"
            ));
        }
        if self.control_thread >= BUSY {
            let busy = percent(self.control_thread);
            why.push(format!("the thread that asks and records was busy {busy} % of the time"));
        }
        if self.clients_busy >= 1.0 - ENOUGH {
            why.push(format!(
                "all {} clients waited for answers {} % of the time, {:.1} ms for each in the mean: --clients asks with more",
                self.clients,
                percent(self.clients_busy),
                self.mean_ms
            ));
        }
        if self.broken > 0.0 {
            let broken = percent(self.broken);
            why.push(format!("something was broken {broken} % of the time"));
        }
        if why.is_empty() {
            why.push("nothing that is measured was busy".to_owned());
        }
        Some(why.join("; "))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rate { asked, reached, mean_ms, .. } = self;
        writeln!(f, "rate         {reached:.0} of {asked:.0} operations/s, {mean_ms:.1} ms each")?;
        match self.ceiling() {
            Some(why) => writeln!(f, "  ceiling    {why}"),
            None => Ok(()),
        }
    }
}

/// What clients did in some time.
struct Waits {
    ended: u64,
    waited: Duration,
    all_busy: Duration,
}

impl Waits {
    fn of(run: &Run, from: Duration, to: Duration, clients: u16) -> Waits {
        let mut waits = Waits { ended: 0, waited: Duration::ZERO, all_busy: Duration::ZERO };
        let (mut in_flight, mut since) = (0, from);
        let inside = |time: Duration| time >= from && time < to;
        for (_, event) in run.history.client_events().filter(|(_, event)| inside(event.time)) {
            let step = event.time.saturating_sub(since);
            since = event.time;
            waits.waited += step * in_flight;
            if in_flight >= u32::from(clients) {
                waits.all_busy += step;
            }
            match event.kind {
                Kind::Invoke => in_flight += 1,
                Kind::Ok | Kind::Fail | Kind::Info => {
                    in_flight = in_flight.saturating_sub(1);
                    waits.ended += 1;
                }
            }
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::cluster::NodeId;
    use harness::history::{Event, Process};
    use harness::op::Op;
    use harness::seed::Seed;

    fn rate() -> Rate {
        Rate {
            asked: 1000.0,
            reached: 500.0,
            mean_ms: 20.0,
            clients_busy: 0.0,
            control_thread: 0.2,
            control_cores: 0.3,
            node_cores: Some(0.5),
            busy_cores: 0.9,
            cores: 2.0,
            clients: 10,
            broken: 0.0,
        }
    }

    #[test]
    fn what_is_busy_is_named_and_what_is_reached_needs_no_reason() {
        assert_eq!(Rate { reached: 990.0, ..rate() }.ceiling(), None);
        let why = |rate: Rate| rate.ceiling().expect("half is not enough");
        assert!(why(rate()).contains("nothing that is measured"));
        assert!(why(Rate { clients_busy: 0.9, ..rate() }).contains("all 10 clients waited"));
        assert!(why(Rate { control_thread: 0.97, ..rate() }).contains("busy 97 %"));
        assert!(why(Rate { broken: 0.4, ..rate() }).contains("broken 40 % of the time"));
        let machine = why(Rate { busy_cores: 1.9, ..rate() });
        assert!(machine.contains("1.9 of 2 cores") && !machine.contains("clients"), "{machine}");
        assert!(machine.contains("1.1 with other programs"), "{machine}");
    }

    #[test]
    fn time_in_which_every_client_waits_is_counted() {
        let mut run = Run::new("story", Seed(1), &[NodeId(1)], Vec::new());
        let mut event = |millis: u64, process, kind| {
            let time = Duration::from_millis(millis);
            let process = Process::Client(process);
            let op = Op::Txn(Vec::new());
            run.apply(Entry::Event(Event { time, process, kind, op, node: None, error: None }));
        };
        event(100, 0, Kind::Invoke);
        event(200, 1, Kind::Invoke);
        event(500, 0, Kind::Ok);
        event(600, 1, Kind::Info);
        let second = Duration::from_secs(1);
        let waits = Waits::of(&run, Duration::ZERO, second, 2);
        assert_eq!(waits.ended, 2);
        assert_eq!(waits.all_busy, Duration::from_millis(300));
        assert_eq!(waits.waited, Duration::from_millis(100 + 2 * 300 + 100));
    }
}
