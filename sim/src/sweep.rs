//! Many seeds of one test: handed out in order, run by several hands, told in order, kept as they are told.
//!
//! Promises: what is told, the sum and the end do not depend on how many hands there are, nor on how often the sweep was
//! killed and went on, nor on how it was parted in shards. Who runs a seed, in which process, is the caller's.

use crate::bugs;
use crate::execute::{Case, Outcome};
use crate::observe::{File, Observe};
use elastickv::bug::Bug;
use harness::record::Record;
use std::panic::{AssertUnwindSafe, catch_unwind};

mod digest;
mod in_order;
pub mod results;
mod seeds;
mod shard;
mod tally;

pub use digest::Digest;
pub use in_order::{AHEAD, Hands, Numbers, in_order};
pub use seeds::Seeds;
pub use shard::Shard;
pub use tally::{Lack, MARKS, Mark, RUNS_ENOUGH, Tally};

/// More threads than any machine runs at once.
pub const JOBS_MAX: u64 = 1024;

/// When a sweep ends before its last seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Never.
    Never,
    /// At the smallest seed in which this checker or invariant found something.
    AtFirstFoundBy(&'static str),
}

impl Stop {
    /// With a planted bug a sweep ends when the bug's own finder found something, unless it is to run `all` seeds.
    pub fn of(bug: Option<Bug>, all: bool) -> Stop {
        match bug {
            Some(bug) if !all => Stop::AtFirstFoundBy(bugs::row(bug).found_by),
            _ => Stop::Never,
        }
    }

    /// Whether the sweep ends with this run.
    pub fn at(self, record: &Record) -> bool {
        match self {
            Stop::Never => false,
            Stop::AtFirstFoundBy(finder) => record.found_by.contains(finder),
        }
    }
}

/// Runs a case; a panic of ours is an error of ours.
pub fn ran(case: &Case) -> Result<Box<Outcome>, String> {
    ran_observed(case, Observe::default()).map(|(outcome, _)| outcome)
}

/// [`ran`], with what is to be observed of it.
pub fn ran_observed(case: &Case, observe: Observe) -> Result<(Box<Outcome>, Vec<File>), String> {
    match catch_unwind(AssertUnwindSafe(|| case.clone().execute_observed(observe))) {
        Ok(Ok((outcome, files))) => Ok((Box::new(outcome), files)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(format!("the simulation itself panicked: {}", text.unwrap_or("no message")))
        }
    }
}
