//! `check`: a checker on a history from elsewhere.

use super::explain;
use super::lists::{self, Lists};
use anyhow::{Context, anyhow, bail};
use harness::checker::list_append::{self, ListAppend};
use harness::checker::rw_register::{self, Inference, OrderHint, RwRegister};
use harness::checker::transactional::{Model, Report, Validity};
use harness::checker::{Checker, Verdict};
use harness::cli::output::Output;
use harness::history::History;
use harness::interchange::{self, Alphabet, Format, Imported};
use harness::op::Object;
use harness::report;
use serde_json::{Value, json};
use sim::record::Ending;
use std::fs;
use std::path::{Path, PathBuf};

mod calls;
mod properties;

/// Checks a history that was kept in a file
#[derive(clap::Args)]
#[command(after_help = "\
The file holds Jepsen's op maps, as EDN or as JSON lines; for list-append also columns as `cargo sim convert` writes them;
of a register also the log of Jepsen's etcd tests. A folder stands for the history of the run that was kept in it.
list-append ([:append k v] and [:r k [..]]) and rw-register ([:w k v] and [:r k v]) check transactions against a model, the others
calls of single objects for linearizability: :value is [key value], or the value alone where there is one object. Checkers of one
property are set-final, set-full, total-queue, unique-ids, counter-bounds, monotonic, causal-reverse, bank, long-fork,
zset-safety, durability, stats and log-patterns; docs/checkers.md says what each of them sees.

Examples:
  cargo sim check list-append store/redis-append/0x2a
  cargo sim check list-append history.edn --model snapshot-isolation --json
  cargo sim check rw-register history.edn --linearizable-keys --wfr-keys
  cargo sim check rw-register history.edn --transaction-order raft-log.txt
  cargo sim check cas-register etcd_000.log --failed-cas observed
  cargo sim check bank history.edn --accounts 8 --total 100
  cargo sim check list-append history.edn --explain told
  cargo sim check log-patterns n1.log --pattern panicked
  zcat history.edn.gz | cargo sim check set -")]
pub struct Check {
    /// Which checker: list-append, rw-register, an object (register, cas-register, counter, set, queue, list, map, zset,
    /// stream, ttl-register or mixed) or a property
    checker: String,
    /// The history, or the folder of a run; - reads what is piped in
    file: PathBuf,
    /// list-append, rw-register: what the store claims to be [default: strict-serializable]
    #[arg(long)]
    model: Option<String>,
    #[command(flatten)]
    rules: Rules,
    #[command(flatten)]
    properties: properties::Properties,
    /// How the history is written: edn, json-lines or, of registers, etcd-log; otherwise its first characters say
    #[arg(long)]
    format: Option<String>,
    /// cas-register: what a cas says that failed: dropped (nothing) or observed (it held something else) [default: dropped]
    #[arg(long)]
    failed_cas: Option<String>,
    /// list-append: so many threads; what is found does not depend on their number [default: 1]
    #[arg(long)]
    jobs: Option<usize>,
    /// Also writes what explains the verdict into a new folder: a timeline, and each anomaly in words, as a picture if it is a
    /// cycle, and as a smaller history that still shows it
    #[arg(long, value_name = "DIR")]
    explain: Option<PathBuf>,
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
    /// For rw-register: a file with a line `EVENT NUMBER` for each transaction whose place in the order is known, such as its index in
    /// a Raft log; EVENT is the position of its completion in the history, from 0. It is used where nothing contradicts it
    #[arg(long, value_name = "FILE")]
    transaction_order: Option<PathBuf>,
}

/// Threads at most.
const JOBS_MAX: usize = 256;
/// What the kernel counts a process's CPU time in.
const MS_PER_TICK: f64 = 10.0;

/// A checker with all that it wants to know.
enum Chosen {
    ListAppend,
    RwRegister(Inference),
}

struct Writing {
    done: &'static str,
    many: &'static str,
}

impl Rules {
    fn given(&self) -> Option<&'static str> {
        let flags = [
            (self.linearizable_keys, "--linearizable-keys"),
            (self.sequential_keys, "--sequential-keys"),
            (self.wfr_keys, "--wfr-keys"),
            (self.transaction_order.is_some(), "--transaction-order"),
        ];
        flags.into_iter().find_map(|(given, flag)| given.then_some(flag))
    }

    /// The order of transactions that was given for this history.
    fn hint(&self, history: &History) -> anyhow::Result<Option<OrderHint>> {
        let Some(file) = &self.transaction_order else { return Ok(None) };
        let name = || file.display().to_string();
        let text = fs::read_to_string(file).with_context(name)?;
        let hint = OrderHint::parse(&text).map_err(anyhow::Error::msg).with_context(name)?;
        match hint.misplaced(history) {
            None => Ok(Some(hint)),
            Some(sentence) => Err(anyhow!(sentence)).with_context(name),
        }
    }
}

impl Chosen {
    /// `None` if it is no checker of transactions.
    fn new(checker: &str, rules: &Rules) -> anyhow::Result<Option<Chosen>> {
        let Rules { linearizable_keys, sequential_keys, wfr_keys, .. } = *rules;
        if checker == rw_register::NAME {
            let inference = Inference { wfr_keys, sequential_keys, linearizable_keys };
            return Ok(Some(Chosen::RwRegister(inference)));
        }
        if let Some(flag) = rules.given() {
            bail!("`{flag}` is for rw-register: what {checker} reads shows the order by itself");
        }
        Ok((checker == list_append::NAME).then_some(Chosen::ListAppend))
    }

    /// What becomes of a value that is written, and what such writes are.
    fn writing(&self) -> Writing {
        match self {
            Chosen::ListAppend => Writing { done: "appended", many: "appends" },
            Chosen::RwRegister(_) => Writing { done: "written", many: "writes" },
        }
    }
}

impl Check {
    pub fn act(self) -> anyhow::Result<u8> {
        explain::refuse_old(self.explain.as_deref())?;
        if let Some(exit_code) = properties::act(&self)? {
            return Ok(exit_code);
        }
        if let Some(chosen) = Chosen::new(&self.checker, &self.rules)? {
            return self.transactions(&chosen);
        }
        let Ok(object) = self.checker.parse::<Object>() else {
            let objects = Object::ALL.map(Object::name).join(", ");
            bail!(
                "there is no checker `{}`: the checkers are {}, {}, {objects}, {}",
                self.checker,
                list_append::NAME,
                rw_register::NAME,
                properties::NAMES.join(", ")
            );
        };
        calls::act(&self, object)
    }

    fn transactions(&self, chosen: &Chosen) -> anyhow::Result<u8> {
        if self.failed_cas.is_some() {
            bail!("--failed-cas is of cas-register: a transaction has no cas");
        }
        let named = self.model.as_deref().unwrap_or("strict-serializable");
        let model: Model = named.parse()?;
        let format: Option<Format> =
            self.format.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
        // An explanation wants the events.
        let in_words = self.explain.is_some() && self.file.is_dir();
        let format = format.or(in_words.then_some(Format::JsonLines));
        if self.explain.is_some() && self.rules.transaction_order.is_some() {
            bail!(
                "--explain wants to judge smaller histories, for which --transaction-order says nothing: leave out one of them"
            );
        }
        let jobs = self.jobs.unwrap_or(1);
        if jobs == 0 || jobs > JOBS_MAX {
            bail!("`{jobs}` does not fit --jobs: from 1 to {JOBS_MAX}");
        }
        let cpu_ms = if jobs > 1 { process_cpu_ms } else { sim::execute::thread_cpu_ms };
        let before = cpu_ms();
        let (report, key_names, events) = match chosen {
            Chosen::RwRegister(inference) => {
                if self.jobs.is_some() {
                    bail!("--jobs is of list-append: rw-register is judged by one thread");
                }
                let (name, bytes) = bytes(&self.file)?;
                let imported = interchange::read_strictly(&bytes, format, Alphabet::Registers);
                let imported = imported.with_context(|| name)?;
                let Imported { history, key_names } = imported;
                let hint = self.rules.hint(&history)?;
                let report =
                    rw_register::analyse_hinted(&history, model, *inference, hint.as_ref());
                (report, key_names, Some(history))
            }
            Chosen::ListAppend => match lists::read(&self.file, format)? {
                Lists::Columns(kept) => {
                    if self.explain.is_some() {
                        bail!(
                            "--explain is for histories in words: {} holds columns",
                            self.file.display()
                        );
                    }
                    (list_append::analyse_columns(&kept.columns, model, jobs), kept.key_names, None)
                }
                Lists::Events(imported) => {
                    let report = list_append::analyse_by(&imported.history, model, jobs);
                    (report, imported.key_names, Some(imported.history))
                }
            },
        };
        let cpu_ms = cpu_ms() - before;
        let mut out = Output::default();
        if self.json {
            out.object(&object(&report, named, chosen.writing().done, cpu_ms))?;
        } else {
            out.text(words(&report, named, chosen.writing().many))?;
            for (key, name) in &key_names {
                out.text(format_args!(
                    "  key {key} is {} in the file\n",
                    interchange::shown(name)
                ))?;
            }
        }
        if let Some(history) = events {
            let checker: Box<dyn Checker> = match chosen {
                Chosen::ListAppend => Box::new(ListAppend { model }),
                Chosen::RwRegister(inference) => {
                    Box::new(RwRegister { model, inference: *inference })
                }
            };
            self.explained(&mut out, &history, &report.verdict(), checker)?;
        }
        Ok(ending(&report).exit_code())
    }

    /// Writes the explanation, if one is asked for.
    fn explained(
        &self,
        out: &mut Output,
        history: &History,
        verdict: &Verdict,
        checker: Box<dyn Checker>,
    ) -> anyhow::Result<()> {
        let Some(folder) = &self.explain else { return Ok(()) };
        let page = explain::history(folder, &self.file, history, verdict, checker)?;
        if !self.json {
            out.text(format_args!("  timeline: {}\n", page.display()))?;
        }
        Ok(())
    }
}

/// The history's bytes, and what to call where they came from.
fn bytes(file: &Path) -> anyhow::Result<(String, Vec<u8>)> {
    let (name, input) = lists::open(file)?;
    let bytes = interchange::input(input).with_context(|| name.clone())?;
    Ok((name, bytes))
}

/// CPU time of all threads of this process so far, those that ended included; 0 where the system does not say.
fn process_cpu_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, which may hold anything, ends with the last parenthesis.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 * MS_PER_TICK
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
