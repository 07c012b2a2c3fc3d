//! What is not valid is run again in a fresh process before anyone hears of it.

use super::program;
use serde_json::{Value, json};
use sim::execute::Case;
use sim::record::{Record, replay_line};
use std::process::Stdio;

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

/// What `replay` says of these words in a fresh process, as one object.
pub fn anew(words: &[String]) -> Result<Value, String> {
    let mut command = program::again().map_err(|error| failed(&error.to_string()))?;
    command.arg("replay").args(words).arg("--json").stdin(Stdio::null());
    let answer = command.output().map_err(|error| failed(&error.to_string()))?;
    serde_json::from_slice(&answer.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&answer.stderr);
        failed(&format!("`replay {}` said {}", words.join(" "), said.trim()))
    })
}
