//! `check`: a checker on a history from elsewhere.

use anyhow::{Context, bail};
use harness::checker::list_append;
use harness::checker::transactional::{Model, Report, Validity};
use harness::cli::output::Output;
use harness::interchange::{self, Alphabet, Format};
use harness::report;
use serde_json::{Value, json};
use sim::record::Ending;
use std::path::PathBuf;

/// Checks a history that was kept in a file
#[derive(clap::Args)]
#[command(after_help = "\
The file holds Jepsen's op maps, as EDN or as JSON lines.

Examples:
  cargo sim check list-append store/redis-append/0x2a/history.jsonl
  cargo sim check list-append history.edn --model snapshot-isolation --json")]
pub struct Check {
    /// Which checker: list-append
    checker: String,
    /// The history
    file: PathBuf,
    /// What the store claims to be
    #[arg(long, default_value = "strict-serializable")]
    model: String,
    /// How the history is written, edn or json-lines; otherwise its first characters say
    #[arg(long)]
    format: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn act(self) -> anyhow::Result<u8> {
        if self.checker != list_append::NAME {
            bail!("there is no checker `{}`: the checkers are {}", self.checker, list_append::NAME);
        }
        let model: Model = self.model.parse()?;
        let format: Option<Format> =
            self.format.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
        let name = self.file.display();
        let bytes = std::fs::read(&self.file).with_context(|| name.to_string())?;
        let before = sim::execute::thread_cpu_ms();
        let imported = interchange::read(&bytes, format, Alphabet::Lists)
            .with_context(|| name.to_string())?;
        let report = list_append::analyse(&imported.history, model);
        let cpu_ms = sim::execute::thread_cpu_ms() - before;
        let mut out = Output::default();
        if self.json {
            out.object(&object(&report, &self.model, cpu_ms))?;
        } else {
            out.text(words(&report, &self.model))?;
            for (key, name) in &imported.key_names {
                out.text(format_args!("  key {key} is {name} in the file\n"))?;
            }
        }
        Ok(ending(&report).exit_code())
    }
}

fn ending(report: &Report) -> Ending {
    match report.valid {
        Validity::True => Ending::Valid,
        Validity::False => Ending::Invalid,
        Validity::Unknown(_) => Ending::Unknown,
    }
}

fn object(report: &Report, model: &str, cpu_ms: f64) -> Value {
    let (valid, reason) = match &report.valid {
        Validity::True => (json!(true), None),
        Validity::False => (json!(false), None),
        Validity::Unknown(reason) => (json!("unknown"), Some(reason)),
    };
    let anomalies: Vec<Value> = report
        .anomalies
        .iter()
        .map(
            |anomaly| json!({"name": anomaly.name, "text": anomaly.text, "events": anomaly.events}),
        )
        .collect();
    let coverage = &report.coverage;
    json!({
        "valid": valid,
        "reason": reason,
        "model": model,
        "anomaly_types": report.anomaly_types,
        "counts": report.counts,
        "not": report.not,
        "also_not": report.also_not,
        "anomalies": anomalies,
        "coverage": {
            "ok": coverage.ok,
            "fail": coverage.failed,
            "info": coverage.unknown,
            "keys": coverage.keys,
            "appended": coverage.written,
            "observed": coverage.observed,
        },
        "cpu_ms": (cpu_ms * 10.0).round() / 10.0,
    })
}

fn words(report: &Report, model: &str) -> String {
    let coverage = &report.coverage;
    let tested = format!(
        "{} ok, {} fail, {} info, {} keys, {} of {} appends observed",
        coverage.ok,
        coverage.failed,
        coverage.unknown,
        coverage.keys,
        coverage.observed,
        coverage.written
    );
    match &report.valid {
        Validity::True => return format!("valid   {model}   {tested}\n"),
        Validity::Unknown(reason) => return format!("UNKNOWN   {model}   {tested}\n  {reason}\n"),
        Validity::False => {}
    }
    let mut text = format!("INVALID   {model}   {tested}\n");
    for anomaly in &report.anomalies {
        let told = report::named(anomaly).replace('\n', "\n    ");
        text.push_str(&format!("  {told}\n"));
    }
    text.push_str(&format!("  not:      {}\n", report.not.join(", ")));
    text.push_str(&format!("  also not: {}\n", report.also_not.join(", ")));
    text
}
