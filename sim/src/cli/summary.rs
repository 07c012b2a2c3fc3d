//! What a sweep says when it is over: a table for people, one object for machines.

use harness::record::{Ending, Record};
use serde_json::{Map, Value, json};
use sim::sweep::{Lack, Tally};

/// Findings that are named; all are counted.
const NAMED: usize = 100;

/// A sweep over one or several tests.
#[derive(Default)]
pub struct Summary {
    /// The seeds in words.
    pub seeds: String,
    /// `2/4`, if the sweep is a part of one.
    pub shard: Option<String>,
    /// The planted bug.
    pub bug: Option<String>,
    /// By test, in order.
    pub tallies: Vec<(&'static str, Tally)>,
    /// The first runs that were not valid.
    pub findings: Vec<Record>,
}

impl Summary {
    /// Remembers a run that was not valid.
    pub fn found(&mut self, record: &Record) {
        if record.verdict != Ending::Valid && self.findings.len() < NAMED {
            self.findings.push(record.clone());
        }
    }

    /// What all of it stands for.
    pub fn ending(&self) -> Ending {
        self.tallies.iter().map(|(_, tally)| tally.ending()).max().unwrap_or(Ending::Unknown)
    }

    /// For machines.
    pub fn object(&self) -> Value {
        let tests: Map<String, Value> =
            self.tallies.iter().map(|(test, tally)| ((*test).to_owned(), numbers(tally))).collect();
        let findings: Vec<Value> = self.findings.iter().map(finding).collect();
        let ending = self.ending();
        json!({"summary": {
            "verdict": ending.name(),
            "exit_code": ending.exit_code(),
            "seeds": self.seeds,
            "shard": self.shard,
            "bug": self.bug,
            "tests": tests,
            "findings": findings,
        }})
    }

    /// For people.
    pub fn words(&self) -> String {
        let mut text = String::new();
        for (test, tally) in &self.tallies {
            text.push_str(&format!("\n{test}  {}, {}\n{tally}", tally.ending().name(), self.seeds));
        }
        let failed: u64 = self.tallies.iter().map(|(_, tally)| failed(tally)).sum();
        if failed > 0 {
            text.push_str("\nnot valid\n");
        }
        for record in &self.findings {
            let what: Vec<&str> = record.anomalies.iter().map(String::as_str).collect();
            let what = if what.is_empty() { record.reasons.join("; ") } else { what.join(", ") };
            let place = record.folder.as_deref().unwrap_or("not kept");
            let (seed, ending) = (&record.seed, record.verdict.name());
            text.push_str(&format!("  {}  {seed}  {ending}: {what}  {place}\n", record.test));
        }
        if failed > self.findings.len() as u64 {
            text.push_str(&format!("  and {} more\n", failed - self.findings.len() as u64));
        }
        text
    }
}

fn failed(tally: &Tally) -> u64 {
    tally.runs() - tally.count(Ending::Valid)
}

fn numbers(tally: &Tally) -> Value {
    let lacks = |counts: bool| -> Vec<String> {
        let lacks = tally.lacks().into_iter().filter(|lack| lack.counts == counts);
        lacks.map(|Lack { what, .. }| what).collect()
    };
    let marks: Map<String, Value> = tally
        .coverage
        .marks
        .iter()
        .map(|(mark, reached)| {
            (mark.clone(), json!({"runs": reached.runs, "times": reached.times}))
        })
        .collect();
    json!({
        "verdict": tally.ending().name(),
        "runs": tally.runs(),
        "valid": tally.count(Ending::Valid),
        "invalid": tally.count(Ending::Invalid),
        "unknown": tally.count(Ending::Unknown),
        "error": tally.count(Ending::Error),
        "ops": tally.ops,
        "faults": tally.faults,
        "marks": marks,
        "too_little": lacks(true),
        "not_reached": lacks(false),
        "simulated_ms": tally.simulated.as_millis() as u64,
        "cpu_ms": tally.cpu_ms.round(),
    })
}

fn finding(record: &Record) -> Value {
    json!({
        "test": record.test,
        "seed": record.seed,
        "verdict": record.verdict,
        "anomalies": record.anomalies,
        "found_by": record.found_by,
        "trace_hash": record.trace_hash,
        "replay": record.replay,
        "folder": record.folder,
    })
}
