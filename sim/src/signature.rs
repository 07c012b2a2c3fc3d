//! What tells one failure from another: who found it, and what it is called.
//!
//! A shrunk run and a remembered one must show the same signature as the run that they came from: a smaller run with another
//! anomaly is another story. Cannot tell: two causes with one symptom.

use crate::bugs;
use crate::execute::Outcome;
use harness::checker::{Anomaly, Verdict};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One kind of failure. Written `G-single-item [list-append]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Signature {
    /// The anomaly or the invariant by name.
    pub anomaly: String,
    /// `list-append`, or `invariant:NAME`.
    pub found_by: String,
}

impl Signature {
    /// Everything that a verdict shows, in the order of its report, each once.
    pub fn all(verdict: &Verdict) -> Vec<Signature> {
        let anomalies: &[Anomaly] = match verdict {
            Verdict::Invalid(anomalies) => anomalies,
            Verdict::Valid | Verdict::Unknown(_) => &[],
        };
        let mut all: Vec<Signature> = Vec::new();
        for Anomaly { name, found_by, .. } in anomalies {
            let signature = Signature { anomaly: name.clone(), found_by: found_by.clone() };
            if !all.contains(&signature) {
                all.push(signature);
            }
        }
        all
    }

    /// The one that stands for a run: the first, of a planted bug the first of its own finder. `None`: it is not invalid.
    pub fn of(outcome: &Outcome) -> Option<Signature> {
        let all = Signature::all(&outcome.judgement.verdict);
        let finder = outcome.case.bug.map(|bug| bugs::row(bug).found_by);
        let own = all.iter().find(|signature| Some(signature.found_by.as_str()) == finder);
        own.or(all.first()).cloned()
    }

    /// Whether a verdict shows it.
    pub fn is_in(&self, verdict: &Verdict) -> bool {
        Signature::all(verdict).contains(self)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.anomaly, self.found_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_shows_each_of_its_failures_once() {
        let anomaly = |name: &str, found_by: &str| Anomaly {
            name: name.to_owned(),
            found_by: found_by.to_owned(),
            text: String::new(),
            events: Vec::new(),
        };
        let verdict = Verdict::Invalid(vec![
            anomaly("G0", "list-append"),
            anomaly("G0", "list-append"),
            anomaly("equal-state", "invariant:equal-state"),
        ]);
        let all = Signature::all(&verdict);
        let words: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["G0 [list-append]", "equal-state [invariant:equal-state]"]);
        assert!(all[1].is_in(&verdict) && !all[1].is_in(&Verdict::Valid));
    }
}
