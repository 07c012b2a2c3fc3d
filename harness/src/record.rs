//! One run in one line, for machines: what `--json` prints, and what a sweep keeps and reads back.
//!
//! Seeds and hashes are text in hex, since JSON's readers hold numbers as floats.

use crate::checker::{Anomaly, Verdict};
use crate::counts::Counts;
use crate::fault::FaultKind;
use crate::judge::Judgement;
use crate::recording::Run;
use crate::seed::Seed;
use crate::stats::Struck;
use crate::store::World;
use crate::windows::Windows;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A run that is over, or that could not be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The test's name.
    pub test: String,
    /// Where it ran.
    pub world: World,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// The rolling hash over all events; absent where the world is real.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_hash: Option<String>,
    /// The whole run in the cluster's time.
    pub lasted_ms: u64,
    /// CPU time of this process for the run and its judgement.
    pub cpu_ms: f64,
    /// Client operations by what became of them.
    pub ops: Counts,
    /// By kind: injected, seen to act, refused.
    pub faults: BTreeMap<FaultKind, Struck>,
    /// What became of what was asked while something was broken; a sweep leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// Marks that the run reached.
    pub marks: BTreeMap<String, u64>,
    /// The command that runs it again.
    pub replay: String,
    /// Where it is kept.
    pub folder: Option<String>,
}

/// A verdict, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

impl Record {
    /// With what a run came to.
    #[must_use]
    pub fn judged(self, run: &Run, judgement: &Judgement, cpu_ms: f64) -> Record {
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
            lasted_ms: run.lasted().as_millis() as u64,
            cpu_ms: (cpu_ms * 10.0).round() / 10.0,
            ops: summary.total,
            faults: summary.faults.clone(),
            marks: summary.counters.clone(),
            ..self
        }
    }

    /// Of a run that our own tool or the environment made impossible.
    #[must_use]
    pub fn failed(self, sentence: String) -> Record {
        Record { reasons: vec![sentence], ..self }
    }

    /// Of which nothing is known yet but how to do it.
    pub fn new(
        world: World,
        test: &str,
        seed: Seed,
        bug: Option<String>,
        replay: String,
    ) -> Record {
        Record {
            test: test.to_owned(),
            world,
            seed: seed.to_string(),
            bug,
            verdict: Ending::Error,
            anomalies: BTreeSet::new(),
            found_by: BTreeSet::new(),
            reasons: Vec::new(),
            trace_hash: None,
            lasted_ms: 0,
            cpu_ms: 0.0,
            ops: Counts::default(),
            faults: BTreeMap::new(),
            windows: None,
            marks: BTreeMap::new(),
            replay,
            folder: None,
        }
    }
}
