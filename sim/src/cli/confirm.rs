//! A finding is confirmed in a fresh process before anyone hears of it.

use serde_json::Value;
use sim::execute::Outcome;
use sim::record::{self, replay_line};
use std::process::{Command, Stdio};

/// Replays an invalid run in a new process. `Err` is a sentence that says how that run was another.
pub fn confirm(outcome: &Outcome) -> Result<(), String> {
    let ours = record::of(outcome);
    let theirs = replayed(outcome)?;
    let expected = [
        ("trace_hash", Value::from(ours.trace_hash.clone())),
        ("verdict", Value::from(ours.verdict.name())),
        ("anomalies", ours.anomalies.iter().map(String::as_str).collect()),
    ];
    for (name, ours) in expected {
        if theirs[name] != ours {
            let line = replay_line(&outcome.case);
            return Err(format!(
                "the run did not replay: {name} was {ours} here and {} in a fresh process; `{line} --twice` \
                 looks for the first difference",
                theirs[name]
            ));
        }
    }
    Ok(())
}

fn replayed(outcome: &Outcome) -> Result<Value, String> {
    anew(&outcome.case.words())
}

/// What `replay` says of these words in a fresh process, as one object.
pub fn anew(words: &[String]) -> Result<Value, String> {
    let failed =
        |why: String| format!("a finding could not be confirmed in a fresh process: {why}");
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg("replay").args(words).arg("--json").stdin(Stdio::null());
    let answer = command.output().map_err(|error| failed(error.to_string()))?;
    serde_json::from_slice(&answer.stdout).map_err(|_| {
        let said = String::from_utf8_lossy(&answer.stderr);
        failed(format!("`replay {}` said {}", words.join(" "), said.trim()))
    })
}
