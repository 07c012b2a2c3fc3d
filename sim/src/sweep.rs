//! Many seeds of one test: handed out in order, run on several threads, told in order.
//!
//! Promises: what is told, the tally and the end do not depend on how many threads there are; a run that is not valid
//! by its anomalies was confirmed by the caller (in a fresh process) before it is told; a panic of ours is an
//! [`Ending::Error`] of that seed, not the end of the sweep.

use crate::execute::{Case, Outcome};
use crate::record;
use harness::record::{Ending, Record};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

mod in_order;
mod seeds;
mod tally;

pub use in_order::in_order;
pub use seeds::{Seeds, Shard};
pub use tally::{Lack, MARKS, Mark, RUNS_ENOUGH, Tally};

/// When a sweep ends before its last seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    Never,
    /// At the smallest seed in which this checker or invariant found something.
    AtFirstFoundBy(&'static str),
}

impl Stop {
    /// Whether the sweep ends with this run.
    pub fn at(self, record: &Record) -> bool {
        match self {
            Stop::Never => false,
            Stop::AtFirstFoundBy(finder) => record.found_by.contains(finder),
        }
    }
}

/// What to run.
#[derive(Clone)]
pub struct Sweep {
    /// Everything but the seed.
    pub case: Case,
    /// Which seeds.
    pub seeds: Seeds,
    /// Threads.
    pub jobs: NonZeroUsize,
    /// When it ends early.
    pub stop: Stop,
}

/// A run that is over, as it is told.
pub struct Finished {
    /// It in one line.
    pub record: Record,
    /// All of it, where it is not valid.
    pub outcome: Option<Box<Outcome>>,
}

/// Says whether an invalid run is the same elsewhere; `Err` is a sentence that says how it is not.
pub type Confirm<'a> = &'a (dyn Fn(&Outcome) -> Result<(), String> + Sync);

impl Sweep {
    /// Runs it. `tell` hears of every run in the order of seeds, and may end the sweep.
    pub fn run(
        &self,
        confirm: Confirm,
        mut tell: impl FnMut(&Tally, Finished) -> ControlFlow<()>,
    ) -> Tally {
        let mut tally = Tally::new(&self.case);
        let work = |index: u64| self.one(index, confirm);
        let last = |finished: &Finished| self.stop.at(&finished.record);
        in_order(self.seeds.len(), self.jobs, work, last, |finished| {
            tally.add(&finished.record);
            let stops = last(&finished);
            tell(&tally, finished)?;
            if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        tally
    }

    fn one(&self, index: u64, confirm: Confirm) -> Finished {
        let case = Case { seed: self.seeds.seed(index), ..self.case.clone() };
        let outcome = match ran(&case) {
            Ok(outcome) => outcome,
            Err(sentence) => return Finished::error(&case, sentence),
        };
        let record = record::of(&outcome);
        if record.verdict == Ending::Invalid
            && let Err(sentence) = confirm(&outcome)
        {
            return Finished { outcome: Some(outcome), ..Finished::error(&case, sentence) };
        }
        let outcome = (record.verdict != Ending::Valid).then_some(outcome);
        Finished { record, outcome }
    }
}

impl Finished {
    fn error(case: &Case, sentence: String) -> Finished {
        Finished { record: record::error(case, sentence), outcome: None }
    }
}

/// Runs a case; a panic of ours is an error of ours.
pub fn ran(case: &Case) -> Result<Box<Outcome>, String> {
    match catch_unwind(AssertUnwindSafe(|| case.clone().execute())) {
        Ok(Ok(outcome)) => Ok(Box::new(outcome)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("the simulation itself panicked: {}", text.unwrap_or("no message")))
        }
    }
}
