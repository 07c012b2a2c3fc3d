//! Judges of a history: pure, three-valued, and able to explain.

pub mod bank;
pub mod causal_reverse;
pub mod counter_bounds;
pub mod durability;
mod elements;
mod findings;
pub mod function_stats;
pub mod linearizable;
pub mod list_append;
pub mod log_patterns;
pub mod long_fork;
pub mod monotonic;
mod operations;
pub mod recovery;
pub mod rw_register;
pub mod set_final;
pub mod set_full;
pub mod streaming;
pub mod total_queue;
pub mod transactional;
pub mod unique_ids;
pub mod zset_safety;

pub use findings::{Analyse, Findings};

use crate::history::History;
use linearizable::Partial;
use serde::{Deserialize, Serialize};
use transactional::proof::Cycle;

/// Something that must not be in a history, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Elle's name for it (`G1c`, `G-single-item-realtime`, `duplicate-elements`) or an invariant's.
    pub name: String,
    /// The checker or invariant that found it.
    pub found_by: String,
    /// What it is, in words: operations, key, times, and for every inferred edge its evidence. Several lines.
    pub text: String,
    /// Indices of the history's events that it names.
    pub events: Vec<usize>,
}

/// What a checker says. Verdicts merge `invalid > unknown > valid`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Enough was tested and nothing is wrong.
    Valid,
    /// Too little was tested, or a cap was hit: the reasons.
    Unknown(Vec<String>),
    /// Something is wrong.
    Invalid(Vec<Anomaly>),
}

impl Verdict {
    /// Whether this checker, or invariant, found something.
    pub fn is_by(&self, found_by: &str) -> bool {
        match self {
            Verdict::Invalid(anomalies) => anomalies.iter().any(|a| a.found_by == found_by),
            Verdict::Valid | Verdict::Unknown(_) => false,
        }
    }

    /// The worse of two, with all its evidence.
    pub fn merge(self, other: Verdict) -> Verdict {
        match (self, other) {
            (Verdict::Invalid(mut a), Verdict::Invalid(b)) => {
                a.extend(b);
                Verdict::Invalid(a)
            }
            (Verdict::Invalid(a), _) | (_, Verdict::Invalid(a)) => Verdict::Invalid(a),
            (Verdict::Unknown(mut a), Verdict::Unknown(b)) => {
                a.extend(b);
                Verdict::Unknown(a)
            }
            (Verdict::Unknown(a), _) | (_, Verdict::Unknown(a)) => Verdict::Unknown(a),
            (Verdict::Valid, Verdict::Valid) => Verdict::Valid,
        }
    }

    /// `valid`, `unknown` or `invalid`.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Valid => "valid",
            Verdict::Unknown(_) => "unknown",
            Verdict::Invalid(_) => "invalid",
        }
    }

    /// The process exit code that stands for it, everywhere: 0 valid, 1 invalid, 2 unknown.
    pub fn exit_code(&self) -> u8 {
        match self {
            Verdict::Valid => 0,
            Verdict::Invalid(_) => 1,
            Verdict::Unknown(_) => 2,
        }
    }
}

/// Judges a history. Pure: the same history, the same verdict.
pub trait Checker {
    /// The name that anomalies carry in `found_by`.
    fn name(&self) -> &'static str;
    /// The verdict. An empty history is `Unknown`, not `Valid`.
    fn check(&self, history: &History) -> Verdict;
    /// Of the anomalies of the verdict those that are cycles of transactions, with these as data. Judges once more.
    fn cycles(&self, _history: &History) -> Vec<(Anomaly, Cycle)> {
        Vec::new()
    }
    /// Of the first object that is not linearizable, how far an order of its calls goes. Judges once more.
    fn order(&self, _history: &History) -> Option<Partial> {
        None
    }
    /// What to say to `check` on the command line, but for the file, so that it is this checker.
    fn words(&self) -> String {
        self.name().to_owned()
    }
}
