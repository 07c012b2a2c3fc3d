//! Counters to which only more is added, with every sum told: near-linear.
//!
//! Promises: exact, for any number of calls at once.
//!
//! Then a counter has every value once, and rises from each to the next: the sum that an add was answered says where it
//! stands, and the sum that a read was answered between which adds. That is an order of all calls but for reads of one
//! value, which may come in any. So a history is linearizable if and only if the sums add up and no call ended before one
//! was asked for that stands before it.
//!
//! An add of unknown outcome is left out if the sums add up without it: then it happened after all that was answered, or
//! never. If they do not, it is for the search to say which of these happened.
//!
//! Not for counters with `clear`, with adds of nothing or less, with adds whose sums were not told, or with a sum of all
//! that overflows.

use super::clash::{Clash, Latest};
use super::model::Asked;
use super::search::Operation;
use crate::op::{Answer, Function};

/// What the sums say, if the history is one that they can judge.
pub(super) fn judge(operations: &[Operation<Asked>]) -> Option<Result<(), Clash>> {
    let sums = Sums::of(operations)?;
    match sums.add_up() {
        Err(_) if sums.some_unknown => None,
        judged => Some(judged.and_then(|()| sums.in_time())),
    }
}

/// A call and the sum that it was answered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Told {
    sum: i64,
    /// An add comes before the reads of its sum.
    is_read: bool,
    operation: usize,
    /// What it added; nothing, of a read.
    by: i64,
}

struct Sums<'o, 'h> {
    operations: &'o [Operation<Asked<'h>>],
    /// Ascending.
    told: Vec<Told>,
    /// There are adds of unknown outcome.
    some_unknown: bool,
}

impl<'o, 'h> Sums<'o, 'h> {
    fn of(operations: &'o [Operation<Asked<'h>>]) -> Option<Sums<'o, 'h>> {
        let mut sums = Sums { operations, told: Vec::new(), some_unknown: false };
        let mut all: i64 = 0;
        for (number, operation) in operations.iter().enumerate() {
            let by = match operation.what.function {
                Function::Read => 0,
                Function::Add(by) if *by > 0 => *by,
                _ => return None,
            };
            all = all.checked_add(by)?;
            match operation.what.answer {
                Some(Answer::Number(sum)) => {
                    sums.told.push(Told { sum: *sum, is_read: by == 0, operation: number, by })
                }
                _ if by > 0 && operation.returned.is_some() => return None,
                _ => sums.some_unknown |= by > 0,
            }
        }
        sums.told.sort_unstable();
        Some(sums)
    }

    /// Whether each sum is the one before and what was added.
    fn add_up(&self) -> Result<(), Clash> {
        let mut before: Option<Told> = None;
        for told in &self.told {
            let sum = before.map_or(0, |before| before.sum);
            // No overflow: nothing is expected beyond the sum of all.
            if told.sum != sum + told.by {
                return Err(self.not_the_sum(before, *told));
            }
            before = Some(*told);
        }
        Ok(())
    }

    /// Whether nothing ended before what stands before it was asked for. Reads of one sum stand in the order in which they
    /// were asked for, so none of them is late for another.
    fn in_time(&self) -> Result<(), Clash> {
        let mut before: Latest = None;
        for told in &self.told {
            let Operation { invoked, .. } = self.operations[told.operation];
            match before.filter(|(at, _)| *at > self.operations[told.operation].end()) {
                Some((_, late)) => return Err(self.reversed(late, told.operation)),
                None => before = before.max(Some((invoked, told.operation))),
            }
        }
        Ok(())
    }
}

/// Words.
impl Sums<'_, '_> {
    fn not_the_sum(&self, before: Option<Told>, told: Told) -> Clash {
        let what = "what was added does not make up the sums, all of which are known";
        let clash = Clash::new(what);
        let clash = match before {
            Some(before) => clash
                .call(before.operation)
                .call(told.operation)
                .said("No other sum lies between these two, and the counter only ever rises."),
            None => clash
                .call(told.operation)
                .said("No other sum is smaller, and the counter was 0 at first."),
        };
        let sum = before.map_or(0, |before| before.sum);
        match told.by {
            0 => clash.said(format!("So nothing makes it {} after {sum}.", told.sum)),
            by => clash
                .said(format!("So it was {sum} when {by} was added, which makes {}.", sum + by)),
        }
    }

    fn reversed(&self, late: usize, early: usize) -> Clash {
        let why = "The counter only ever rises: by their sums the second came before the first.";
        Clash::reversed(late, early).said(why)
    }
}
