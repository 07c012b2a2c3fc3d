//! `check`: a checker on a history from elsewhere.

use anyhow::{Context, bail};
use harness::checker::list_append;
use harness::checker::rw_register::{self, Inference};
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
The file holds Jepsen's op maps, as EDN or as JSON lines: [:append k v] and [:r k [..]] for
list-append, [:w k v] and [:r k v] for rw-register.

Examples:
  cargo sim check list-append store/redis-append/0x2a/history.jsonl
  cargo sim check list-append history.edn --model snapshot-isolation --json
  cargo sim check rw-register history.edn --linearizable-keys --wfr-keys")]
pub struct Check {
    /// Which checker: list-append or rw-register
    checker: String,
    /// The history
    file: PathBuf,
    /// What the store claims to be
    #[arg(long, default_value = "strict-serializable")]
    model: String,
    #[command(flatten)]
    rules: Rules,
    /// How the history is written, edn or json-lines; otherwise its first characters say
    #[arg(long)]
    format: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// What rw-register may infer about the order of a key's versions.
#[derive(clap::Args)]
struct Rules {
    /// For rw-register: each key by itself is linearizable
    #[arg(long)]
    linearizable_keys: bool,
    /// For rw-register: each process sees the versions of a key in their order
    #[arg(long)]
    sequential_keys: bool,
    /// For rw-register: who reads a version and writes another writes the later one
    #[arg(long)]
    wfr_keys: bool,
}

/// A checker with all that it wants to know.
enum Chosen {
    ListAppend,
    RwRegister(Inference),
}

struct Writing {
    done: &'static str,
    many: &'static str,
}

impl Chosen {
    fn new(checker: &str, rules: &Rules) -> anyhow::Result<Chosen> {
        let Rules { linearizable_keys, sequential_keys, wfr_keys } = *rules;
        match checker {
            list_append::NAME => {
                let flags = [
                    (linearizable_keys, "--linearizable-keys"),
                    (sequential_keys, "--sequential-keys"),
                    (wfr_keys, "--wfr-keys"),
                ];
                if let Some((_, flag)) = flags.iter().find(|(given, _)| *given) {
                    bail!("`{flag}` is for rw-register: lists show the order of their elements");
                }
                Ok(Chosen::ListAppend)
            }
            rw_register::NAME => {
                Ok(Chosen::RwRegister(Inference { wfr_keys, sequential_keys, linearizable_keys }))
            }
            other => bail!(
                "there is no checker `{other}`: the checkers are {}, {}",
                list_append::NAME,
                rw_register::NAME
            ),
        }
    }

    fn alphabet(&self) -> Alphabet {
        match self {
            Chosen::ListAppend => Alphabet::Lists,
            Chosen::RwRegister(_) => Alphabet::Registers,
        }
    }

    /// What becomes of a value that is written, and what such writes are.
    fn writing(&self) -> Writing {
        match self {
            Chosen::ListAppend => Writing { done: "appended", many: "appends" },
            Chosen::RwRegister(_) => Writing { done: "written", many: "writes" },
        }
    }

    fn analyse(&self, history: &harness::history::History, model: Model) -> Report {
        match self {
            Chosen::ListAppend => list_append::analyse(history, model),
            Chosen::RwRegister(inference) => rw_register::analyse(history, model, *inference),
        }
    }
}

impl Check {
    pub fn act(self) -> anyhow::Result<u8> {
        let chosen = Chosen::new(&self.checker, &self.rules)?;
        let model: Model = self.model.parse()?;
        let format: Option<Format> =
            self.format.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
        let name = self.file.display();
        let bytes = std::fs::read(&self.file).with_context(|| name.to_string())?;
        let before = sim::execute::thread_cpu_ms();
        let imported = interchange::read(&bytes, format, chosen.alphabet())
            .with_context(|| name.to_string())?;
        let report = chosen.analyse(&imported.history, model);
        let cpu_ms = sim::execute::thread_cpu_ms() - before;
        let mut out = Output::default();
        if self.json {
            out.object(&object(&report, &self.model, chosen.writing().done, cpu_ms))?;
        } else {
            out.text(words(&report, &self.model, chosen.writing().many))?;
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

fn object(report: &Report, model: &str, written: &str, cpu_ms: f64) -> Value {
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
        "notes": report.notes,
        "coverage": {
            "ok": coverage.ok,
            "fail": coverage.failed,
            "info": coverage.unknown,
            "keys": coverage.keys,
            written: coverage.written,
            "observed": coverage.observed,
        },
        "cpu_ms": (cpu_ms * 10.0).round() / 10.0,
    })
}

fn words(report: &Report, model: &str, writes: &str) -> String {
    let coverage = &report.coverage;
    let tested = format!(
        "{} ok, {} fail, {} info, {} keys, {} of {} {writes} observed",
        coverage.ok,
        coverage.failed,
        coverage.unknown,
        coverage.keys,
        coverage.observed,
        coverage.written
    );
    let mut text = match &report.valid {
        Validity::True => format!("valid   {model}   {tested}\n"),
        Validity::Unknown(reason) => format!("UNKNOWN   {model}   {tested}\n  {reason}\n"),
        Validity::False => invalid(report, model, &tested),
    };
    let reason = match &report.valid {
        Validity::Unknown(reason) => reason,
        _ => "",
    };
    for note in report.notes.iter().filter(|note| *note != reason) {
        text.push_str(&format!("  note: {note}\n"));
    }
    text
}

fn invalid(report: &Report, model: &str, tested: &str) -> String {
    let mut text = format!("INVALID   {model}   {tested}\n");
    for anomaly in &report.anomalies {
        let told = report::named(anomaly).replace('\n', "\n    ");
        text.push_str(&format!("  {told}\n"));
    }
    text.push_str(&format!("  not:      {}\n", report.not.join(", ")));
    text.push_str(&format!("  also not: {}\n", report.also_not.join(", ")));
    text
}
