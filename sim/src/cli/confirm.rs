//! What is not valid is run again in a fresh process before anyone hears of it.

use serde_json::{Value, json};
use sim::execute::Case;
use sim::record::{Record, replay_line};

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

/// There was no second run.
pub fn failed(why: &str) -> String {
    format!("a finding could not be confirmed in a fresh process: {why}")
}
