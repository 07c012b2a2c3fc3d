//! What a sweep says when it is over: a table for people, one object for machines.

use harness::cli::output::Output;
use harness::record::{Ending, Record};
use serde_json::{Map, Value, json};
use sim::execute::Case;
use sim::sweep::{Digest, Lack, Seeds, Shard, Tally};
use std::io;

/// Findings that are named; all are counted.
const NAMED: usize = 100;

/// A sweep over one or several tests.
#[derive(Default)]
pub struct Summary {
    /// The seeds in words.
    seeds: String,
    /// `2/4`, if the sweep is a part of one.
    shard: Option<String>,
    /// The planted bug.
    bug: Option<String>,
    /// Where the results are.
    pub results: Vec<String>,
    /// In order.
    tests: Vec<OfTest>,
    digest: Digest,
    /// The first runs that were not valid.
    findings: Vec<Record>,
}

/// The runs of one test.
struct OfTest {
    name: &'static str,
    tally: Tally,
    /// Seeds that there was no time for.
    not_run: u64,
}

impl Summary {
    /// Nothing yet: of these seeds, and with a planted bug or none.
    pub fn new(seeds: Seeds, bug: Option<String>) -> Summary {
        let shard = Some(seeds.shard()).filter(|shard| *shard != Shard::WHOLE);
        let (seeds, shard) = (seeds.to_string(), shard.map(|shard| shard.to_string()));
        Summary { seeds, shard, bug, ..Summary::default() }
    }

    /// The runs that follow are of this test.
    pub fn begin(&mut self, case: &Case) {
        let (name, tally) = (case.test.name, Tally::new(case));
        self.tests.push(OfTest { name, tally, not_run: 0 });
    }

    /// Adds a run, and remembers it if it was not valid.
    pub fn add(&mut self, record: &Record) {
        if let Some(test) = self.tests.last_mut() {
            test.tally.add(record);
        }
        self.digest.add(record);
        if record.verdict != Ending::Valid && self.findings.len() < NAMED {
            self.findings.push(record.clone());
        }
    }

    /// So many seeds of this test were not run, since the time was over.
    pub fn left_out(&mut self, seeds: u64) {
        if let Some(test) = self.tests.last_mut() {
            test.not_run = seeds;
        }
    }

    /// Of the test that runs.
    pub fn tally(&self) -> Option<&Tally> {
        self.tests.last().map(|test| &test.tally)
    }

    /// All of it, for people or for machines.
    pub fn tell(&self, out: &mut Output, json: bool) -> io::Result<()> {
        if json { out.object(&self.object()) } else { out.text(self.words()) }
    }

    /// What all of it stands for.
    pub fn ending(&self) -> Ending {
        self.tests.iter().map(|test| test.tally.ending()).max().unwrap_or(Ending::Unknown)
    }

    fn object(&self) -> Value {
        let tests: Map<String, Value> =
            self.tests.iter().map(|test| (test.name.to_owned(), numbers(test))).collect();
        let findings: Vec<Value> = self.findings.iter().map(finding).collect();
        let ending = self.ending();
        json!({"summary": {
            "verdict": ending.name(),
            "exit_code": ending.exit_code(),
            "seeds": self.seeds,
            "shard": self.shard,
            "bug": self.bug,
            "tests": tests,
            "digest": self.digest.to_string(),
            "results": self.results,
            "findings": findings,
        }})
    }

    fn words(&self) -> String {
        let mut text = String::new();
        for OfTest { name, tally, not_run } in &self.tests {
            text.push_str(&format!("\n{name}  {}, {}\n{tally}", tally.ending().name(), self.seeds));
            if *not_run > 0 {
                let all = tally.runs() + not_run;
                let over = format!("{not_run} of {all} seeds: the time was over");
                text.push_str(&format!("  {:<28} {over}\n", "not run"));
            }
        }
        let failed: u64 = self.tests.iter().map(|test| failed(&test.tally)).sum();
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
        text.push_str(&format!("\ndigest   {}\n", self.digest));
        for path in &self.results {
            text.push_str(&format!("results  {path}\n"));
        }
        text
    }
}

fn failed(tally: &Tally) -> u64 {
    tally.runs() - tally.count(Ending::Valid)
}

fn numbers(OfTest { tally, not_run, .. }: &OfTest) -> Value {
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
        "not_run": not_run,
        "valid": tally.count(Ending::Valid),
        "invalid": tally.count(Ending::Invalid),
        "unknown": tally.count(Ending::Unknown),
        "error": tally.count(Ending::Error),
        "ops": tally.ops,
        "faults": tally.faults,
        "marks": marks,
        "too_little": lacks(true),
        "not_reached": lacks(false),
        "never_reached": tally.never_reached(),
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
