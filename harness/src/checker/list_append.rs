//! List-append: transactions that append unique elements to lists and read whole lists. Because a list shows
//! its own history, version orders can be read off, and with them every dependency between transactions.
//!
//! What is computed, and what is called what, follows Elle (Kingsbury and Alvaro, VLDB 2020); what is not
//! about lists stands in [`super::transactional`]. Promises:
//! - no false alarm: an anomaly that is reported is in the history, whatever the unknown outcomes were;
//! - polynomial: near linear for a history without cycles.
//!
//! Differs from Elle: an element that nobody appended is an anomaly (`garbage-read`), not an exception; two
//! appends of one transaction in the wrong order are one, too (`reordered-appends`); an operation that never completed takes part once one of its appends was seen; `*-cycle-exists` does not
//! occur, since the search for cycles is complete; where Elle leaves the order of two different longest reads
//! of equal length to chance, the first counts; a model that prohibits nothing a list can show is `Unknown`.
//!
//! Cannot see: the order of appends that no read shows, predicates, and what only a choice among several
//! possible version orders would reveal (that is NP-hard).

mod dependencies;
mod direct;
mod evidence;
mod keys;
mod plain;
mod replay;
mod rewind;
mod slots;
pub mod streaming;
mod touches;
mod versions;
mod words;

use super::transactional::proof::Cycle;
use super::transactional::{AnomalySet, Found, Model, Report, coverage, cycles, order, prohibited};
use super::{Anomaly, Checker, Verdict};
use crate::columns::Columns;
use crate::history::History;
use replay::Taken;
use slots::Slots;
use touches::Touches;
use words::ListWords;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "list-append";

/// More threads are not had: a machine may refuse them.
const JOBS_MAX: usize = 64;

/// Checks a list-append history against a consistency model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAppend {
    /// What the store claims to be.
    pub model: Model,
}

impl Checker for ListAppend {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History) -> Verdict {
        analyse(history, self.model).verdict()
    }

    fn cycles(&self, history: &History) -> Vec<(Anomaly, Cycle)> {
        analyse(history, self.model).into_cycles()
    }

    fn words(&self) -> String {
        format!("{NAME} --model {}", self.model)
    }
}

/// Checks a history against a model.
pub fn analyse(history: &History, model: Model) -> Report {
    analyse_by(history, model, 1)
}

/// Checks a history against a model by so many threads. What is found does not depend on their number; where there are
/// several, no simulated run may be going on in this thread.
pub fn analyse_by(history: &History, model: Model, jobs: usize) -> Report {
    match (prohibited(model, NAME), Columns::of(history)) {
        (Ok(prohibited), Ok(columns)) => judged(&columns, prohibited, jobs),
        (Err(reason), _) | (_, Err(reason)) => Report::unknown(reason),
    }
}

/// Checks a history that is kept as columns, as [`analyse_by`] does one that is kept as events.
pub fn analyse_columns(columns: &Columns, model: Model, jobs: usize) -> Report {
    match prohibited(model, NAME) {
        Ok(prohibited) => judged(columns, prohibited, jobs),
        Err(reason) => Report::unknown(reason),
    }
}

/// Checks a history against a set of anomalies of the caller's choice. Real time counts if one of them is a
/// `-realtime` type; else the order within processes, if one is a `-process` type.
pub fn analyse_prohibiting(history: &History, prohibited: AnomalySet) -> Report {
    match Columns::of(history) {
        Ok(columns) => judged(&columns, prohibited, 1),
        Err(reason) => Report::unknown(reason),
    }
}

fn judged(columns: &Columns, prohibited: AnomalySet, jobs: usize) -> Report {
    judge(columns, prohibited, jobs.clamp(1, JOBS_MAX)).unwrap_or_else(Report::unknown)
}

fn judge(columns: &Columns, prohibited: AnomalySet, jobs: usize) -> Result<Report, String> {
    let all = Touches::new(columns, jobs);
    let outcomes = (0..columns.len()).map(|txn| columns.outcome(txn));
    let mut coverage = coverage(all.rows(), outcomes);
    let mut slots = Slots::new(&all);
    let looked = keys::look(&all, slots.as_mut(), jobs)?;
    coverage.written = looked.appends.written;
    coverage.observed = looked.appends.observed;
    let order = order(prohibited);
    let mut taken = Taken::nothing(columns.len());
    if let Some(slots) = slots.as_ref().filter(|_| looked.careful.is_empty()) {
        taken = replay::take(&all, slots, order, jobs);
    }
    let (cycles, is_empty) = if taken.complete {
        (Vec::new(), dependencies::is_empty(&all, order)?)
    } else {
        let left = dependencies::infer(&all, slots.as_ref(), &looked.careful, &taken.taken, order)?;
        (cycles::find(&left.graph, columns.len()), left.is_empty)
    };
    let direct = looked.findings.sorted(&all);
    let found = Found { direct, cycles, is_empty, coverage, notes: Vec::new(), doubt: None };
    Ok(found.report(NAME, prohibited, &ListWords::new(&all)))
}

#[cfg(test)]
mod tests;
