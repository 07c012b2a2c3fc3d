//! List-append: transactions that append unique elements to lists and read whole lists. Because a list shows
//! its own history, version orders can be read off, and with them every dependency between transactions.
//!
//! What is computed, and what is called what, follows Elle (Kingsbury and Alvaro, VLDB 2020). Promises:
//! - no false alarm: an anomaly that is reported is in the history, whatever the unknown outcomes were;
//! - the verdict is a function of the history alone: no timeout decides, no order of hashing;
//! - polynomial: near linear for a history without cycles.
//!
//! Differs from Elle: an element that nobody appended is an anomaly (`garbage-read`), not an exception; two
//! appends of one transaction in the wrong order are one, too (`reordered-appends`); an operation that never completed takes part once one of its appends was seen; `*-cycle-exists` does not
//! occur, since the search for cycles is complete; where Elle leaves the order of two different longest reads
//! of equal length to chance, the first counts; a model that prohibits nothing a list can show is `Unknown`.
//!
//! Cannot see: the order of appends that no read shows, predicates, and what only a choice among several
//! possible version orders would reveal (that is NP-hard).

mod anomaly;
mod columns;
mod cycles;
mod dependencies;
mod direct;
mod evidence;
mod graph;
mod lattice;
mod model;
mod shortest;
mod versions;
mod words;

pub use anomaly::{AnomalySet, AnomalyType};
pub use model::{Model, UnknownModel};

use super::{Anomaly, Checker, Verdict};
use crate::history::History;
use columns::{Columns, Outcome};
use cycles::Cycle;
use dependencies::{Dependencies, Order};
use direct::Finding;
use std::collections::BTreeMap;
use versions::Versions;
use words::{Told, Words};

/// The name that anomalies carry in `found_by`.
pub const NAME: &str = "list-append";

/// Elle's name for a history in which no transaction depends on another.
pub const EMPTY_GRAPH: &str = "empty-transaction-graph";

/// Of each type so many instances are put into words.
const SHOWN_MAX: usize = 3;

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
        let report = analyse(history, self.model);
        match report.valid {
            Validity::True => Verdict::Valid,
            Validity::False => Verdict::Invalid(report.anomalies),
            Validity::Unknown(reason) => Verdict::Unknown(vec![reason]),
        }
    }
}

/// Elle's `:valid?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Nothing prohibited was found.
    True,
    /// Something prohibited was found.
    False,
    /// Nothing could be: the reason in one sentence.
    Unknown(String),
}

/// How much was tested.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Transactions that succeeded.
    pub ok: usize,
    /// Transactions that failed.
    pub failed: usize,
    /// Transactions of unknown outcome, those still open included.
    pub unknown: usize,
    /// Lists touched.
    pub keys: usize,
    /// Elements appended by transactions that did not fail.
    pub appended: usize,
    /// Of these, how many the version orders hold.
    pub observed: usize,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub valid: Validity,
    /// The prohibited types found, and [`EMPTY_GRAPH`]; sorted. Empty where valid.
    pub anomaly_types: Vec<String>,
    /// How often each prohibited type was found: instances, or for cycles components that hold one.
    pub counts: BTreeMap<String, usize>,
    /// The weakest models that the history is not, by friendly name, sorted; from all anomalies found,
    /// prohibited or not. Empty where valid.
    pub not: Vec<String>,
    /// All models stronger than those.
    pub also_not: Vec<String>,
    /// Up to three instances of each prohibited type, in words.
    pub anomalies: Vec<Anomaly>,
    /// How much was tested.
    pub coverage: Coverage,
}

/// Checks a history against a model.
pub fn analyse(history: &History, model: Model) -> Report {
    let prohibited = model.prohibits();
    if prohibited.is_empty() {
        let reason = format!(
            "model {model} prohibits nothing that a list-append history can show: check against {} or \
             another model that does",
            Model::STRICT_SERIALIZABLE
        );
        return Report::unknown(reason, Coverage::default());
    }
    analyse_prohibiting(history, prohibited)
}

/// Checks a history against a set of anomalies of the caller's choice. Real time counts if one of them is a
/// `-realtime` type; else the order within processes, if one is a `-process` type.
pub fn analyse_prohibiting(history: &History, prohibited: AnomalySet) -> Report {
    let columns = match Columns::new(history) {
        Ok(columns) => columns,
        Err(reason) => return Report::unknown(reason, Coverage::default()),
    };
    let versions = match Versions::new(&columns) {
        Ok(versions) => versions,
        Err(reason) => return Report::unknown(reason, Coverage::default()),
    };
    let dependencies = Dependencies::new(&columns, &versions, order(prohibited));
    let found = Found {
        direct: direct::find(&columns, &versions),
        cycles: cycles::find(&dependencies.graph, columns.txns.len()),
        is_empty: dependencies.is_empty,
        coverage: coverage(&columns, &versions),
    };
    found.report(prohibited, Words { columns: &columns, versions: &versions })
}

/// The order that the anomalies to look for need.
fn order(prohibited: AnomalySet) -> Order {
    let names = |suffix: &str| prohibited.iter().any(|anomaly| anomaly.name().ends_with(suffix));
    if names("-realtime") {
        Order::Realtime
    } else if names("-process") {
        Order::Process
    } else {
        Order::Data
    }
}

fn coverage(columns: &Columns, versions: &Versions) -> Coverage {
    let mut coverage = Coverage { keys: columns.keys.len(), ..Coverage::default() };
    for txn in &columns.txns {
        match txn.outcome {
            Outcome::Ok => coverage.ok += 1,
            Outcome::Fail => coverage.failed += 1,
            Outcome::Info | Outcome::Open => coverage.unknown += 1,
        }
    }
    for append in &versions.appends {
        let happened = columns.txns[append.txn as usize].outcome != Outcome::Fail;
        coverage.appended += usize::from(happened);
        coverage.observed += usize::from(happened && append.position != columns::NONE);
    }
    coverage
}

/// Everything found, prohibited or not.
struct Found {
    direct: Vec<Finding>,
    cycles: Vec<Cycle>,
    is_empty: bool,
    coverage: Coverage,
}

impl Found {
    fn report(self, prohibited: AnomalySet, words: Words) -> Report {
        let direct = self.direct.iter().map(|finding| finding.anomaly);
        let all: AnomalySet = direct.chain(self.cycles.iter().map(|cycle| cycle.anomaly)).collect();
        let invalid = all.meets(prohibited);
        if !invalid && !self.is_empty {
            return Report { coverage: self.coverage, ..Report::new(Validity::True) };
        }
        let valid = if invalid { Validity::False } else { Validity::Unknown(self.why_unknown()) };
        let mut tale = Tale::default();
        for finding in self.direct.iter().filter(|found| prohibited.contains(found.anomaly)) {
            tale.add(finding.anomaly, || words.finding(finding));
        }
        for cycle in self.cycles.iter().filter(|found| prohibited.contains(found.anomaly)) {
            tale.add(cycle.anomaly, || words.cycle(cycle));
        }
        let Tale { counts, anomalies } = tale.count();
        let mut anomaly_types: Vec<String> = counts.keys().cloned().collect();
        if self.is_empty {
            anomaly_types.push(EMPTY_GRAPH.to_string());
            anomaly_types.sort();
        }
        let model::Impossible { not, also_not } = model::impossible(all);
        Report { valid, anomaly_types, counts, not, also_not, anomalies, coverage: self.coverage }
    }

    fn why_unknown(&self) -> String {
        let Coverage { ok, failed, unknown, keys, .. } = self.coverage;
        format!(
            "no transaction depends on another ({ok} ok, {failed} failed, {unknown} unknown, over {keys} \
             keys): too little was tested to say more"
        )
    }
}

impl Report {
    fn new(valid: Validity) -> Report {
        Report {
            valid,
            anomaly_types: Vec::new(),
            counts: BTreeMap::new(),
            not: Vec::new(),
            also_not: Vec::new(),
            anomalies: Vec::new(),
            coverage: Coverage::default(),
        }
    }

    fn unknown(reason: String, coverage: Coverage) -> Report {
        Report { coverage, ..Report::new(Validity::Unknown(reason)) }
    }
}

/// Anomalies put into words, the first few of each type.
#[derive(Default)]
struct Tale {
    counts: BTreeMap<String, usize>,
    anomalies: Vec<Anomaly>,
}

impl Tale {
    fn add(&mut self, anomaly: AnomalyType, told: impl FnOnce() -> Told) {
        let count = self.counts.entry(anomaly.name().to_string()).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            let Told { text, events } = told();
            let name = anomaly.name().to_string();
            self.anomalies.push(Anomaly { name, found_by: NAME.to_string(), text, events });
        }
    }

    /// Says of each how many of its type there are, where it is not alone.
    fn count(mut self) -> Tale {
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for anomaly in &mut self.anomalies {
            let Some((name, total)) = self.counts.get_key_value(&anomaly.name) else { continue };
            let number = told.entry(name).or_default();
            *number += 1;
            if *total > 1 {
                anomaly.text.push_str(&format!("\n({number} of {total} {name})"));
            }
        }
        self
    }
}
