//! What is not valid is run again in a fresh process before anyone hears of it.

use super::program;
use serde_json::Value;
use std::process::Stdio;

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
