//! One run of the simulation in one line: [`harness::record`] with the trace hash and the command that replays it.

use crate::execute::{Case, Outcome};
use elastickv::bug::Bug;
use harness::store::World;
use serde_json::{Value, json};

pub use harness::record::{Ending, Record};

/// A trace hash as it is written everywhere.
pub fn hash_text(hash: u64) -> String {
    format!("{hash:#018x}")
}

/// The command that runs a case again.
pub fn replay_line(case: &Case) -> String {
    format!("cargo sim replay {}", case.words().join(" "))
}

/// Of a run that is over.
pub fn of(outcome: &Outcome) -> Record {
    let Outcome { case, run, judgement, cpu_ms } = outcome;
    let trace_hash = Some(hash_text(run.artifacts.trace_hash));
    Record { trace_hash, ..blank(case).judged(run, judgement, *cpu_ms) }
}

/// Of a run that our own tool or the environment made impossible.
pub fn error(case: &Case, sentence: String) -> Record {
    blank(case).failed(sentence)
}

fn blank(case: &Case) -> Record {
    let bug = case.bug.map(Bug::name).map(str::to_owned);
    Record::new(World::Simulated, case.test.name, case.seed, bug, replay_line(case))
}

/// A sentence that says how the second run of a case was another one; none if it was the same.
pub fn difference(case: &Case, first: &Record, second: &Record) -> Option<String> {
    let seen = |record: &Record| -> [(&'static str, Value); 3] {
        [
            ("trace_hash", json!(record.trace_hash)),
            ("verdict", json!(record.verdict)),
            ("anomalies", json!(record.anomalies)),
        ]
    };
    let pairs = seen(first).into_iter().zip(seen(second));
    let ((name, ours), (_, theirs)) = pairs.into_iter().find(|(ours, theirs)| ours != theirs)?;
    let line = replay_line(case);
    Some(format!(
        "the run did not replay: {name} was {ours} at first and {theirs} in a fresh process; `{line} --twice` looks \
         for the first difference"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use harness::seed::Seed;

    #[test]
    fn a_run_that_is_another_elsewhere_is_told_with_what_differs() {
        let test = harness::catalog::find("redis-append-calm").expect("it is in the catalog");
        let mut case = Case::new(test, Seed(1));
        case.options.set("time", "1").expect("a time");
        let ours = of(&case.clone().execute().expect("the simulation always runs"));
        assert_eq!(difference(&case, &ours, &ours.clone()), None);
        let others = [
            ("trace_hash", Record { trace_hash: None, ..ours.clone() }),
            ("verdict", Record { verdict: Ending::Error, ..ours.clone() }),
            ("anomalies", Record { anomalies: ["G0".to_owned()].into(), ..ours.clone() }),
        ];
        for (name, other) in others {
            let sentence = difference(&case, &ours, &other).expect("it differs");
            assert!(sentence.contains(&format!("{name} was")), "{sentence}");
        }
    }
}
