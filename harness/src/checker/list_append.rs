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
mod versions;
mod words;

use super::transactional::columns::{Columns, NONE, Outcome};
use super::transactional::{
    AnomalySet, Coverage, Found, Model, Report, coverage, cycles, order, prohibited,
};
use super::{Checker, Verdict};
use crate::history::History;
use crate::op::Mop;
use versions::Versions;
use words::ListWords;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "list-append";

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
}

/// Checks a history against a model.
pub fn analyse(history: &History, model: Model) -> Report {
    match prohibited(model, NAME) {
        Ok(prohibited) => analyse_prohibiting(history, prohibited),
        Err(reason) => Report::unknown(reason),
    }
}

/// Checks a history against a set of anomalies of the caller's choice. Real time counts if one of them is a
/// `-realtime` type; else the order within processes, if one is a `-process` type.
pub fn analyse_prohibiting(history: &History, prohibited: AnomalySet) -> Report {
    let columns: Columns<Mop> = match Columns::new(history) {
        Ok(columns) => columns,
        Err(reason) => return Report::unknown(reason),
    };
    let versions = match Versions::new(&columns) {
        Ok(versions) => versions,
        Err(reason) => return Report::unknown(reason),
    };
    let dependencies = dependencies::infer(&columns, &versions, order(prohibited));
    let found = Found {
        direct: direct::find(&columns, &versions),
        cycles: cycles::find(&dependencies.graph, columns.txns.len()),
        is_empty: dependencies.is_empty,
        coverage: observed(&columns, &versions),
        notes: Vec::new(),
        doubt: None,
    };
    found.report(NAME, prohibited, &ListWords { columns: &columns, versions: &versions })
}

fn observed(columns: &Columns<Mop>, versions: &Versions) -> Coverage {
    let mut coverage = coverage(columns);
    for append in &versions.appends {
        let happened = columns.txns[append.txn as usize].outcome != Outcome::Fail;
        coverage.written += usize::from(happened);
        coverage.observed += usize::from(happened && append.position != NONE);
    }
    coverage
}
