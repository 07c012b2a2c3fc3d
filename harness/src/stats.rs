//! How much was tested: operations by what became of them, faults by whether they acted.

use crate::client::read_only;
use crate::counts::Counts;
use crate::coverage::seen::seen;
use crate::fault::FaultKind;
use crate::generated::Generated;
use crate::history::{History, Kind};
use crate::op::{Answer, Bank, Call, Mop, Op, RegisterMop};
use crate::options::Options;
use crate::run::{Phase, Run};
use crate::windows::{Span, Window, Windows};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

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
    /// What was really asked, beside what was wanted.
    #[serde(default)]
    pub generated: Generated,
    /// All client operations.
    pub total: Counts,
    /// Those that only read.
    pub reads: Counts,
    /// Those that change something; appends, where lists are tested.
    pub appends: Counts,
    /// Successful reads of a key and appends to one, inside transactions and alone.
    pub mops_ok: u64,
    /// By kind.
    pub faults: BTreeMap<FaultKind, Struck>,
    /// Kinds that were asked for and possible, and that were never injected: the seed did not draw them, or time was over.
    pub unused: Vec<FaultKind>,
    /// What became of what was asked while something was broken.
    pub windows: Windows,
    /// How long each phase took.
    pub phases: Vec<(Phase, Duration)>,
    /// The whole run, in the cluster's time.
    pub lasted: Duration,
    /// Marks that the run reached.
    pub counters: BTreeMap<String, u64>,
}

impl Summary {
    /// What became of what was asked while a fault of the kind was in force, in words to go on with.
    fn meanwhile(&self, kind: FaultKind) -> String {
        self.windows
            .broken
            .get(&kind)
            .map_or_else(String::new, |span| format!("; in force for {}", in_words(span)))
    }

    /// Of a run.
    pub fn of(options: &Options, run: &Run) -> Summary {
        let mut summary = Summary {
            generated: Generated::of(options, run),
            faults: struck(run),
            windows: Windows::of(run),
            phases: phases(run),
            lasted: run.lasted(),
            counters: counters(run),
            ..Summary::default()
        };
        let unused = options
            .faults
            .iter()
            .filter(|kind| !run.unsupported.contains(kind) && !summary.faults.contains_key(kind));
        summary.unused = unused.copied().collect();
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
                self.mops_ok += event.op.length() as u64;
            }
        }
    }
}

/// What the world counted and what the harness saw.
fn counters(run: &Run) -> BTreeMap<String, u64> {
    let mut counters = run.artifacts.counters.clone();
    counters.extend(seen(run));
    counters
}

/// Whether a history holds an acknowledged write and a successful read.
pub fn both_ways(history: &History) -> (bool, bool) {
    let ok = || history.client_events().filter(|(_, event)| event.kind == Kind::Ok);
    let has = |list: fn(&Mop) -> bool, register: fn(&RegisterMop) -> bool| {
        ok().any(|(_, event)| {
            let op = &event.op;
            op.mops().iter().any(list) || op.register_mops().iter().any(register)
        })
    };
    let called = |wanted: fn(&Call) -> bool| {
        ok().any(|(_, event)| matches!(&event.op, Op::Call(call) if wanted(call)))
    };
    // That a key is of another type tells little of it.
    let tells = |call: &Call| {
        let answer = call.answer.as_ref().filter(|answer| **answer != Answer::WrongType);
        answer.is_some_and(Answer::tells)
    };
    let bank = |reads: bool| {
        ok().any(|(_, event)| {
            matches!(&event.op, Op::Bank(bank) if matches!(bank, Bank::Read { .. }) == reads)
        })
    };
    (
        has(|m| matches!(m, Mop::Append { .. }), |m| matches!(m, RegisterMop::Write { .. }))
            || called(|call| !call.function.reads() && call.answer != Some(Answer::WrongType))
            || bank(false),
        has(|m| matches!(m, Mop::Read { .. }), |m| matches!(m, RegisterMop::Read { .. }))
            || called(tells)
            || bank(true),
    )
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

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Struck { injected, effective, refused } = self;
        write!(f, "{injected} injected, {effective} effective")?;
        match refused {
            0 => Ok(()),
            _ => write!(f, ", {refused} refused"),
        }
    }
}

fn in_words(span: &Span) -> String {
    format!("{:.1} s: {}", span.lasted.as_secs_f64(), span.ops)
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "asked        {}", self.generated)?;
        writeln!(f, "operations   {}", self.total)?;
        writeln!(f, "  reads      {}", self.reads)?;
        writeln!(f, "  writes     {}", self.appends)?;
        for (kind, struck) in &self.faults {
            writeln!(f, "{:<12} {struck}{}", kind.name(), self.meanwhile(*kind))?;
        }
        let calm = &self.windows.calm;
        if !self.faults.is_empty() {
            writeln!(f, "{:<12} {}", "calm", in_words(calm))?;
        }
        for Window { fault, from, to, ops, .. } in &self.windows.all {
            let (from, to) = (from.as_secs_f64(), to.as_secs_f64());
            writeln!(f, "  {from:>8.3} s to {to:>8.3} s  {fault:<28} {ops}")?;
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
