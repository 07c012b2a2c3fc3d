//! How much was tested: operations by what became of them, faults by whether they acted.

use crate::client::read_only;
use crate::fault::FaultKind;
use crate::history::{History, Kind};
use crate::op::Mop;
use crate::run::{Phase, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What became of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Happened.
    pub ok: u64,
    /// Did not.
    pub fail: u64,
    /// Nobody knows.
    pub info: u64,
}

impl Counts {
    fn add(&mut self, kind: Kind) {
        match kind {
            Kind::Ok => self.ok += 1,
            Kind::Fail => self.fail += 1,
            Kind::Info => self.info += 1,
            Kind::Invoke => {}
        }
    }

    /// All that completed.
    pub fn total(&self) -> u64 {
        self.ok + self.fail + self.info
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ok, {} fail, {} info", self.ok, self.fail, self.info)
    }
}

/// What became of the faults of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Struck {
    /// Handed to the cluster.
    pub injected: u64,
    /// Seen to act.
    pub effective: u64,
    /// Refused with an error.
    pub refused: u64,
}

/// A run in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// All client operations.
    pub total: Counts,
    /// Those that only read.
    pub reads: Counts,
    /// Those that append.
    pub appends: Counts,
    /// Successful reads of a key and appends to one, inside transactions and alone.
    pub mops_ok: u64,
    /// By kind.
    pub faults: BTreeMap<FaultKind, Struck>,
    /// How long each phase took.
    pub phases: Vec<(Phase, Duration)>,
    /// The whole run, in the cluster's time.
    pub lasted: Duration,
    /// Marks that the run reached.
    pub counters: BTreeMap<String, u64>,
}

impl Summary {
    /// Of a run.
    pub fn of(run: &Run) -> Summary {
        let mut summary = Summary {
            faults: struck(run),
            phases: phases(run),
            lasted: run.phases.last().map_or(Duration::ZERO, |(_, began)| *began),
            counters: run.artifacts.counters.clone(),
            ..Summary::default()
        };
        summary.count(&run.history);
        summary
    }

    fn count(&mut self, history: &History) {
        for (_, event) in history.client_events() {
            self.total.add(event.kind);
            if read_only(&event.op) {
                self.reads.add(event.kind);
            } else {
                self.appends.add(event.kind);
            }
            if event.kind == Kind::Ok {
                self.mops_ok += event.op.mops().len() as u64;
            }
        }
    }
}

/// Whether a history holds an acknowledged append and a successful read.
pub fn both_ways(history: &History) -> (bool, bool) {
    let ok = || history.client_events().filter(|(_, event)| event.kind == Kind::Ok);
    let has = |wanted: fn(&Mop) -> bool| ok().any(|(_, event)| event.op.mops().iter().any(wanted));
    (has(|mop| matches!(mop, Mop::Append { .. })), has(|mop| matches!(mop, Mop::Read { .. })))
}

fn struck(run: &Run) -> BTreeMap<FaultKind, Struck> {
    let mut faults: BTreeMap<FaultKind, Struck> = BTreeMap::new();
    for (i, injection) in run.injections.iter().enumerate() {
        let Some(kind) = injection.fault.kind() else { continue };
        let struck = faults.entry(kind).or_default();
        struck.injected += 1;
        struck.refused += u64::from(injection.error.is_some());
        let effect = run.artifacts.effects.get(i).copied().unwrap_or(0);
        struck.effective += u64::from(effect > 0);
    }
    faults
}

fn phases(run: &Run) -> Vec<(Phase, Duration)> {
    let ends = run.phases.iter().skip(1);
    run.phases.iter().zip(ends).map(|((phase, from), (_, to))| (*phase, *to - *from)).collect()
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "operations   {}", self.total)?;
        writeln!(f, "  reads      {}", self.reads)?;
        writeln!(f, "  appends    {}", self.appends)?;
        for (kind, struck) in &self.faults {
            let Struck { injected, effective, refused } = struck;
            write!(f, "{:<12} {injected} injected, {effective} effective", kind.name())?;
            match refused {
                0 => writeln!(f)?,
                _ => writeln!(f, ", {refused} refused")?,
            }
        }
        for (phase, lasted) in &self.phases {
            writeln!(f, "{:<12} {:.3} s", phase.to_string(), lasted.as_secs_f64())?;
        }
        for (mark, count) in &self.counters {
            writeln!(f, "  {mark}: {count}")?;
        }
        Ok(())
    }
}
