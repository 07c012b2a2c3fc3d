//! What the checkers of transactions share: consistency models and anomalies, histories as columns, the graph
//! of dependencies with the order of processes or of real time, its cycles, and how both are told.
//!
//! A checker of one alphabet ([`super::list_append`], [`super::rw_register`]) adds how versions are ordered,
//! which dependencies follow from that, and which anomalies show without a cycle. Names are Elle's (Kingsbury
//! and Alvaro, VLDB 2020).
//!
//! Promises: the verdict is a function of the history alone (no timeout decides, no order of hashing); whether
//! a type of cycle occurs is decided exactly.
//!
//! Cannot see: predicates, and what only a choice among several possible version orders would reveal (that is
//! NP-hard).

mod anomaly;
pub(super) mod columns;
pub(super) mod cycles;
pub(super) mod dependencies;
pub(super) mod evidence;
pub(super) mod graph;
mod lattice;
mod model;
pub mod proof;
pub(super) mod shortest;
pub(super) mod words;

pub use anomaly::{AnomalySet, AnomalyType};
pub use model::{Model, UnknownModel};

use super::{Anomaly, Verdict};
use crate::columns::Outcome;
use cycles::Cycle;
use dependencies::Order;
use std::collections::BTreeMap;
use words::{Told, Words};

/// Elle's name for a history in which no transaction depends on another.
pub const EMPTY_GRAPH: &str = "empty-transaction-graph";

/// Of each type so many instances are put into words.
const SHOWN_MAX: usize = 3;

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
    /// Keys touched.
    pub keys: usize,
    /// Values written by transactions that did not fail.
    pub written: usize,
    /// Of these, how many a read shows to have been there.
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
    /// Those of them that are cycles, as data, by their positions among the anomalies.
    pub cycles: BTreeMap<usize, proof::Cycle>,
    /// How much was tested.
    pub coverage: Coverage,
    /// What was left out of the check, and why: a sentence each.
    pub notes: Vec<String>,
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
            cycles: BTreeMap::new(),
            coverage: Coverage::default(),
            notes: Vec::new(),
        }
    }

    /// Nothing could be checked.
    pub(super) fn unknown(reason: String) -> Report {
        Report::new(Validity::Unknown(reason))
    }

    /// The anomalies that are cycles, with these as data.
    pub(super) fn into_cycles(self) -> Vec<(Anomaly, proof::Cycle)> {
        let Report { anomalies, mut cycles, .. } = self;
        let with_cycle = |(i, anomaly)| Some((anomaly, cycles.remove(&i)?));
        anomalies.into_iter().enumerate().filter_map(with_cycle).collect()
    }

    /// As a checker says it.
    pub fn verdict(&self) -> Verdict {
        match &self.valid {
            Validity::True => Verdict::Valid,
            Validity::False => Verdict::Invalid(self.anomalies.clone()),
            Validity::Unknown(reason) => Verdict::Unknown(vec![reason.clone()]),
        }
    }
}

/// What a model prohibits, or a sentence if a history of this kind can show none of it.
pub(super) fn prohibited(model: Model, checker: &str) -> Result<AnomalySet, String> {
    let prohibited = model.prohibits();
    if prohibited.is_empty() {
        return Err(format!(
            "model {model} prohibits nothing that a {checker} history can show: check against {} or \
             another model that does",
            Model::STRICT_SERIALIZABLE
        ));
    }
    Ok(prohibited)
}

/// The order that the anomalies to look for need.
pub(super) fn order(prohibited: AnomalySet) -> Order {
    let names = |suffix: &str| prohibited.iter().any(|anomaly| anomaly.name().ends_with(suffix));
    if names("-realtime") {
        Order::Realtime
    } else if names("-process") {
        Order::Process
    } else {
        Order::Data
    }
}

/// How the transactions ended, and how many keys they touched.
pub(super) fn coverage(keys: usize, outcomes: impl Iterator<Item = Outcome>) -> Coverage {
    let mut coverage = Coverage { keys, ..Coverage::default() };
    for outcome in outcomes {
        match outcome {
            Outcome::Ok => coverage.ok += 1,
            Outcome::Fail => coverage.failed += 1,
            Outcome::Info | Outcome::Open => coverage.unknown += 1,
        }
    }
    coverage
}

/// One instance of an anomaly that shows without a cycle, not yet in words.
pub(super) trait Finding {
    /// Its type.
    fn anomaly(&self) -> AnomalyType;
}

/// Everything that a checker found, prohibited or not.
pub(super) struct Found<F> {
    /// Without a cycle, in the order in which to tell it.
    pub direct: Vec<F>,
    pub cycles: Vec<Cycle>,
    /// Whether no transaction depends on another.
    pub is_empty: bool,
    pub coverage: Coverage,
    pub notes: Vec<String>,
    /// Why nothing found does not mean valid.
    pub doubt: Option<String>,
}

impl<F: Finding> Found<F> {
    /// Judges it. `found_by` is the checker's name.
    pub fn report<W: Words<Finding = F>>(
        self,
        found_by: &'static str,
        prohibited: AnomalySet,
        words: &W,
    ) -> Report {
        let direct = self.direct.iter().map(F::anomaly);
        let all: AnomalySet = direct.chain(self.cycles.iter().map(|cycle| cycle.anomaly)).collect();
        let valid = self.validity(all.meets(prohibited));
        let (coverage, notes) = (self.coverage, self.notes);
        if valid == Validity::True {
            return Report { coverage, notes, ..Report::new(valid) };
        }
        let mut tale = Tale::new(found_by);
        for finding in self.direct.iter().filter(|found| prohibited.contains(found.anomaly())) {
            tale.add(finding.anomaly(), || (words.finding(finding), None));
        }
        for cycle in self.cycles.iter().filter(|found| prohibited.contains(found.anomaly)) {
            tale.add(cycle.anomaly, || {
                let (told, proven) = evidence::cycle(words, cycle);
                (told, Some(proven))
            });
        }
        let Tale { counts, anomalies, cycles, .. } = tale.count();
        let mut anomaly_types: Vec<String> = counts.keys().cloned().collect();
        if self.is_empty {
            anomaly_types.push(EMPTY_GRAPH.to_string());
            anomaly_types.sort();
        }
        let model::Impossible { not, also_not } = model::impossible(all);
        Report { valid, anomaly_types, counts, not, also_not, anomalies, cycles, coverage, notes }
    }

    fn validity(&self, invalid: bool) -> Validity {
        if invalid {
            return Validity::False;
        }
        if let Some(doubt) = &self.doubt {
            return Validity::Unknown(doubt.clone());
        }
        if !self.is_empty {
            return Validity::True;
        }
        let Coverage { ok, failed, unknown, keys, .. } = self.coverage;
        Validity::Unknown(format!(
            "no transaction depends on another ({ok} ok, {failed} failed, {unknown} unknown, over {keys} \
             keys): too little was tested to say more"
        ))
    }
}

/// Anomalies put into words, the first few of each type.
struct Tale {
    found_by: &'static str,
    counts: BTreeMap<String, usize>,
    anomalies: Vec<Anomaly>,
    cycles: BTreeMap<usize, proof::Cycle>,
}

impl Tale {
    fn new(found_by: &'static str) -> Tale {
        let (anomalies, cycles) = (Vec::new(), BTreeMap::new());
        Tale { found_by, counts: BTreeMap::new(), anomalies, cycles }
    }

    fn add(&mut self, anomaly: AnomalyType, told: impl FnOnce() -> (Told, Option<proof::Cycle>)) {
        let count = self.counts.entry(anomaly.name().to_string()).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            let (Told { text, events }, cycle) = told();
            self.cycles.extend(cycle.map(|cycle| (self.anomalies.len(), cycle)));
            let (name, found_by) = (anomaly.name().to_string(), self.found_by.to_string());
            self.anomalies.push(Anomaly { name, found_by, text, events });
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
