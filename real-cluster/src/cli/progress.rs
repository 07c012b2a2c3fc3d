//! How far a run is, on standard error: each phase, and what became of the operations every ten seconds.

use harness::cli::output::note;
use harness::counts::Counts;
use harness::history::Process;
use harness::op::Op;
use harness::recording::{Entry, Phase, Sink};
use harness::store::log::Growing;
use real_cluster::ceiling::Meter;
use std::time::Duration;

const EVERY: Duration = Duration::from_secs(10);

/// Keeps every entry and tells some.
pub struct Progress {
    kept: Growing,
    meter: Meter,
    ops: Counts,
    fault_events: u64,
    next: Duration,
}

impl Progress {
    /// Nothing yet.
    pub fn new(kept: Growing, meter: Meter) -> Progress {
        Progress { kept, meter, ops: Counts::default(), fault_events: 0, next: EVERY }
    }

    fn line(&self, at: Duration) {
        // A fault has two events: before and after it is enacted.
        let (at, ops, faults) = (at.as_secs_f64(), self.ops, self.fault_events.div_ceil(2));
        note(format_args!("{at:>6.1} s  {ops}, {faults} faults"));
    }
}

impl Sink for Progress {
    fn entry(&mut self, entry: &Entry) {
        self.kept.entry(entry);
        self.meter.entry(entry);
        match entry {
            Entry::Event(event) => {
                match (&event.op, event.process) {
                    (Op::Fault(fault), _) => {
                        self.fault_events += u64::from(fault.kind().is_some());
                    }
                    (_, Process::Client(_)) => self.ops.add(event.kind),
                    _ => {}
                }
                if event.time >= self.next {
                    self.next = event.time + EVERY;
                    self.line(event.time);
                }
            }
            Entry::Phase(phase, began) => {
                let began = began.as_secs_f64();
                let what = match phase {
                    Phase::SetUp => "set up: waiting for every node to serve",
                    Phase::Disturb => "disturb: clients ask, things break",
                    Phase::Heal => "heal: waiting for every node to serve",
                    Phase::ReadBack => "read back: every key through every node",
                    Phase::TearDown => "tear down",
                };
                note(format_args!("{began:>6.1} s  {what}"));
            }
            Entry::Unready(sentence) => note(sentence),
            Entry::Leaders(..)
            | Entry::Decided(_)
            | Entry::Unread(_)
            | Entry::Stopped(_)
            | Entry::Ended(_)
            | Entry::Found { .. } => {}
        }
    }
}
