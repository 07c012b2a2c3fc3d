//! One run in one line, for machines: what `--json` prints.
//!
//! Seeds and hashes are text in hex, since JSON's readers hold numbers as floats.

use crate::execute::{Case, Outcome};
use elastickv::bug::Bug;
use harness::checker::{Anomaly, Verdict};
use harness::fault::FaultKind;
use harness::stats::{Counts, Struck};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A run that is over, or that could not be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    /// The test's name.
    pub test: String,
    /// The seed in hex.
    pub seed: String,
    /// The planted bug.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bug: Option<String>,
    /// What became of it.
    pub verdict: Ending,
    /// What was found, by name, each once.
    pub anomalies: BTreeSet<String>,
    /// Who found it: checkers by name, invariants as `invariant:NAME`.
    pub found_by: BTreeSet<String>,
    /// Why the verdict is unknown, or what went wrong with the tool.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The rolling hash over all events; empty where there was no run.
    pub trace_hash: String,
    /// The whole run in the cluster's time.
    pub simulated_ms: u64,
    /// CPU time of the run and its judgement.
    pub cpu_ms: f64,
    /// Client operations by what became of them.
    pub ops: Counts,
    /// By kind: injected, seen to act, refused.
    pub faults: BTreeMap<FaultKind, Struck>,
    /// Marks that the run reached.
    pub marks: BTreeMap<String, u64>,
    /// The command that runs it again.
    pub replay: String,
    /// Where it is kept.
    pub folder: Option<String>,
}

/// A verdict, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Enough was tested and nothing is wrong.
    Valid,
    /// Too little was tested.
    Unknown,
    /// There was no run: a tool or the environment failed.
    Error,
    /// Something is wrong.
    Invalid,
}

impl Ending {
    /// Of a verdict.
    pub fn of(verdict: &Verdict) -> Ending {
        match verdict {
            Verdict::Valid => Ending::Valid,
            Verdict::Unknown(_) => Ending::Unknown,
            Verdict::Invalid(_) => Ending::Invalid,
        }
    }

    /// The process exit code that stands for it, everywhere. Of several runs, the greatest ending counts.
    pub fn exit_code(self) -> u8 {
        match self {
            Ending::Valid => 0,
            Ending::Invalid => 1,
            Ending::Unknown => 2,
            Ending::Error => 3,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Ending::Valid => "valid",
            Ending::Invalid => "invalid",
            Ending::Unknown => "unknown",
            Ending::Error => "error",
        }
    }
}

/// A trace hash as it is written everywhere.
pub fn hash_text(hash: u64) -> String {
    format!("{hash:#018x}")
}

/// The command that runs a case again.
pub fn replay_line(case: &Case) -> String {
    format!("cargo sim replay {}", case.words().join(" "))
}

impl Record {
    /// Of a run that is over.
    pub fn of(outcome: &Outcome) -> Record {
        let Outcome { case, run, judgement, cpu_ms } = outcome;
        let summary = &judgement.summary;
        let anomalies: &[Anomaly] = match &judgement.verdict {
            Verdict::Invalid(anomalies) => anomalies,
            Verdict::Valid | Verdict::Unknown(_) => &[],
        };
        let reasons = match &judgement.verdict {
            Verdict::Unknown(reasons) => reasons.clone(),
            Verdict::Valid | Verdict::Invalid(_) => Vec::new(),
        };
        Record {
            verdict: Ending::of(&judgement.verdict),
            anomalies: anomalies.iter().map(|anomaly| anomaly.name.clone()).collect(),
            found_by: anomalies.iter().map(|anomaly| anomaly.found_by.clone()).collect(),
            reasons,
            trace_hash: hash_text(run.artifacts.trace_hash),
            simulated_ms: summary.lasted.as_millis() as u64,
            cpu_ms: (cpu_ms * 10.0).round() / 10.0,
            ops: summary.total,
            faults: summary.faults.clone(),
            marks: summary.counters.clone(),
            ..Record::blank(case)
        }
    }

    /// Of a run that our own tool or the environment made impossible.
    pub fn error(case: &Case, sentence: String) -> Record {
        Record { reasons: vec![sentence], ..Record::blank(case) }
    }

    fn blank(case: &Case) -> Record {
        Record {
            test: case.test.name.to_owned(),
            seed: case.seed.to_string(),
            bug: case.bug.map(Bug::name).map(str::to_owned),
            verdict: Ending::Error,
            anomalies: BTreeSet::new(),
            found_by: BTreeSet::new(),
            reasons: Vec::new(),
            trace_hash: String::new(),
            simulated_ms: 0,
            cpu_ms: 0.0,
            ops: Counts::default(),
            faults: BTreeMap::new(),
            marks: BTreeMap::new(),
            replay: replay_line(case),
            folder: None,
        }
    }
}
