//! Rw-register: transactions that write unique values to registers and read them. A register shows one value
//! at a time, so the order of its versions must be inferred, and what may be inferred depends on what the
//! store promises beyond its model: see [`Inference`].
//!
//! What is computed, and what is called what, follows Elle (Kingsbury and Alvaro, VLDB 2020); what is not
//! about registers stands in [`super::transactional`]. Promises:
//! - no false alarm: an anomaly that is reported is in the history, whatever the unknown outcomes were, as long
//!   as what [`Inference`] assumes is true of the store;
//! - two rules of inference that contradict each other are an anomaly (`cyclic-versions`), and the later one is
//!   not used;
//! - a value that is written twice to a key proves nothing: it is left out, and a history in which nothing else
//!   is wrong is then `Unknown`;
//! - near linear for a history without cycles; the rules of real time cost the number of operations that are
//!   concurrent on one key for each version, never all pairs.
//!
//! Differs from Elle: a value that nobody wrote is an anomaly (`garbage-read`), where Elle is silent; so is a
//! read of the transaction's own later write (`future-read`); a crashed write takes part once it was read; a
//! value written twice is `Unknown`, where Elle throws or reports the reader; a caller's order of transactions
//! is taken last and only if nothing contradicts it ([`OrderHint`]).
//!
//! Cannot see: the order of versions that no rule infers. Without any rule that is every order but that the
//! initial state comes first, so that a lost or stale version passes unless it shows in another key.

mod dependencies;
mod direct;
mod evidence;
mod hint;
mod linearizable;
mod orders;
mod versions;
mod words;

pub use hint::OrderHint;

use super::transactional::columns::{Columns, NONE, Outcome};
use super::transactional::proof::Cycle;
use super::transactional::{
    AnomalySet, Coverage, Found, Model, Report, coverage, cycles, order, prohibited,
};
use super::{Anomaly, Checker, Verdict};
use crate::history::History;
use crate::op::RegisterMop;
use orders::Orders;
use versions::Versions;
use words::RegisterWords;

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "rw-register";

/// What may be inferred about the order of a key's versions. That the initial state comes first, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inference {
    /// A transaction that reads a version and writes another wrote the later one. So it is in every
    /// serializable store.
    pub wfr_keys: bool,
    /// Each process sees the versions of a key in their order. So it is in a strictly serializable store.
    pub sequential_keys: bool,
    /// Each key by itself is linearizable. So it is in a strictly serializable store.
    pub linearizable_keys: bool,
}

/// Checks an rw-register history against a consistency model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RwRegister {
    /// What the store claims to be.
    pub model: Model,
    /// What it claims beyond that.
    pub inference: Inference,
}

impl Checker for RwRegister {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, history: &History) -> Verdict {
        analyse(history, self.model, self.inference).verdict()
    }

    fn cycles(&self, history: &History) -> Vec<(Anomaly, Cycle)> {
        analyse(history, self.model, self.inference).into_cycles()
    }

    fn words(&self) -> String {
        let Inference { wfr_keys, sequential_keys, linearizable_keys } = self.inference;
        let flags = [
            (linearizable_keys, " --linearizable-keys"),
            (sequential_keys, " --sequential-keys"),
            (wfr_keys, " --wfr-keys"),
        ];
        let flags = flags.into_iter().filter_map(|(given, flag)| given.then_some(flag));
        format!("{NAME} --model {}{}", self.model, flags.collect::<String>())
    }
}

/// Checks a history against a model.
pub fn analyse(history: &History, model: Model, inference: Inference) -> Report {
    analyse_hinted(history, model, inference, None)
}

/// Checks a history against a model with the help of an order of transactions that the caller claims.
pub fn analyse_hinted(
    history: &History,
    model: Model,
    inference: Inference,
    hint: Option<&OrderHint>,
) -> Report {
    match prohibited(model, NAME) {
        Ok(prohibited) => analyse_prohibiting(history, prohibited, inference, hint),
        Err(reason) => Report::unknown(reason),
    }
}

/// Checks a history against a set of anomalies of the caller's choice. Real time counts if one of them is a
/// `-realtime` type; else the order within processes, if one is a `-process` type.
pub fn analyse_prohibiting(
    history: &History,
    prohibited: AnomalySet,
    inference: Inference,
    hint: Option<&OrderHint>,
) -> Report {
    let columns: Columns<RegisterMop> = match Columns::new(history) {
        Ok(columns) => columns,
        Err(reason) => return Report::unknown(reason),
    };
    let versions = Versions::new(&columns);
    let orders = Orders::infer(&columns, &versions, inference, hint);
    let dependencies = dependencies::infer(&columns, &versions, &orders, order(prohibited));
    let doubt = versions.doubt(&columns);
    let found = Found {
        direct: direct::find(&columns, &versions, &orders),
        cycles: cycles::find(&dependencies.graph, columns.txns.len()),
        is_empty: dependencies.is_empty,
        coverage: observed(&columns, &versions),
        notes: doubt.iter().chain(&orders.notes).cloned().collect(),
        doubt,
    };
    let words = RegisterWords { columns: &columns, versions: &versions, orders: &orders };
    found.report(NAME, prohibited, &words)
}

fn observed(columns: &Columns<RegisterMop>, versions: &Versions) -> Coverage {
    let outcomes = columns.txns.iter().map(|txn| txn.outcome);
    let mut coverage = coverage(columns.keys.len(), outcomes);
    for (touch, version) in columns.touches.iter().zip(&versions.of_touch) {
        let written = matches!(touch.mop, RegisterMop::Write { .. });
        if written && columns.txn(touch).outcome != Outcome::Fail && *version != NONE {
            coverage.written += 1;
            coverage.observed += usize::from(versions.is_read[*version as usize]);
        }
    }
    coverage
}
