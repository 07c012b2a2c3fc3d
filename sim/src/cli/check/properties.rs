//! `check set-full` and its like: checkers of one property each.

use super::{Check, bytes};
use anyhow::{Context, bail};
use harness::checker::bank::BankTotal;
use harness::checker::causal_reverse::CausalReverse;
use harness::checker::counter_bounds::CounterBounds;
use harness::checker::durability::Durability;
use harness::checker::function_stats::FunctionStats;
use harness::checker::log_patterns::{self, LogPatterns};
use harness::checker::long_fork::LongFork;
use harness::checker::monotonic::Monotonic;
use harness::checker::set_final::SetFinal;
use harness::checker::set_full::SetFull;
use harness::checker::total_queue::TotalQueue;
use harness::checker::unique_ids::UniqueIds;
use harness::checker::zset_safety::ZsetSafety;
use harness::checker::{Analyse, Anomaly, Findings, Verdict};
use harness::cli::output::Output;
use harness::interchange::{self, Alphabet, Format, Imported};
use harness::op::Object;
use harness::report;
use serde_json::{Map, Value, json};
use std::io::BufReader;

/// What checkers of one property want to know.
#[derive(clap::Args)]
pub struct Properties {
    /// set-full: the sets claim to be linearizable, so a read that misses an element for a while is wrong
    #[arg(long)]
    linearizable: bool,
    /// monotonic: compare only what one process saw
    #[arg(long)]
    per_process: bool,
    /// bank: how many accounts there are, numbered from 0; otherwise any may come
    #[arg(long)]
    accounts: Option<u64>,
    /// bank: what the accounts hold together; otherwise what the first read shows
    #[arg(long, allow_negative_numbers = true)]
    total: Option<i64>,
    /// bank: a balance may be below zero
    #[arg(long)]
    negative_balances: bool,
    /// durability, stats: what the history is made of: list-append, rw-register, bank or an object [default: list-append]
    #[arg(long)]
    of: Option<String>,
    /// log-patterns: words that must not stand in the log; may be said more than once
    #[arg(long = "pattern")]
    patterns: Vec<String>,
}

/// What a file is read as.
enum Reading {
    Transactions(Alphabet),
    Calls(Object),
    Queues,
}

impl Reading {
    /// What `--of` calls it, but for what it is without the word.
    fn word(&self) -> Option<&'static str> {
        match self {
            Reading::Transactions(Alphabet::Registers) => Some("rw-register"),
            Reading::Transactions(Alphabet::Bank) => Some("bank"),
            Reading::Calls(object) => Some(object.name()),
            Reading::Transactions(Alphabet::Lists) | Reading::Queues => None,
        }
    }
}

/// Every checker of one property that a file can be checked with.
pub(super) const NAMES: [&str; 13] = [
    "set-final",
    "set-full",
    "total-queue",
    "unique-ids",
    "counter-bounds",
    "monotonic",
    "causal-reverse",
    "bank",
    "long-fork",
    "zset-safety",
    "durability",
    "stats",
    log_patterns::NAME,
];

/// Checks, if it is one of these checkers.
pub(super) fn act(check: &Check) -> anyhow::Result<Option<u8>> {
    if !NAMES.contains(&check.checker.as_str()) {
        check.properties.nothing_said(&check.checker, &[])?;
        return Ok(None);
    }
    if check.model.is_some() || check.failed_cas.is_some() || check.rules.given().is_some() {
        let checker = &check.checker;
        bail!("--model, --failed-cas and the rules of rw-register say nothing to {checker}");
    }
    if check.jobs.is_some() {
        bail!("--jobs is of list-append: {} is judged by one thread", check.checker);
    }
    if check.checker == log_patterns::NAME {
        if check.explain.is_some() {
            bail!("--explain is for histories: a log has none");
        }
        return logs(check).map(Some);
    }
    let (checker, reading) = chosen(&check.checker, &check.properties)?;
    let format: Option<Format> =
        check.format.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
    let (name, bytes) = bytes(&check.file)?;
    let before = sim::execute::thread_cpu_ms();
    let imported = match reading {
        Reading::Transactions(alphabet) => interchange::read(&bytes, format, alphabet),
        Reading::Calls(object) => {
            let format = format.map(interchange::CallFormat::OpMaps);
            interchange::read_calls(&bytes, format, object)
        }
        Reading::Queues => interchange::read_drained_queues(&bytes, format),
    };
    let imported = imported.with_context(|| name)?;
    let findings = checker.analyse(&imported.history);
    let cpu_ms = sim::execute::thread_cpu_ms() - before;
    let exit_code = tell(check, &findings, &imported, cpu_ms)?;
    let verdict = findings.verdict();
    check.explained(&mut Output::default(), &imported.history, &verdict, Box::new(checker))?;
    Ok(Some(exit_code))
}

fn chosen(name: &str, said: &Properties) -> anyhow::Result<(Box<dyn Analyse>, Reading)> {
    let own: &[&str] = match name {
        "set-full" => &["--linearizable"],
        "monotonic" => &["--per-process"],
        "bank" => &["--accounts", "--total", "--negative-balances"],
        "durability" | "stats" => &["--of"],
        _ => &[],
    };
    said.nothing_said(name, own)?;
    Ok(match name {
        "set-final" => (Box::new(SetFinal), Reading::Calls(Object::Set)),
        "set-full" => {
            let checker = SetFull { linearizable: said.linearizable };
            (Box::new(checker), Reading::Calls(Object::Set))
        }
        "total-queue" => (Box::new(TotalQueue), Reading::Queues),
        "unique-ids" => (Box::new(UniqueIds), Reading::Calls(Object::Counter)),
        "counter-bounds" => (Box::new(CounterBounds), Reading::Calls(Object::Counter)),
        "monotonic" => {
            let checker = Monotonic { per_process: said.per_process };
            (Box::new(checker), Reading::Calls(Object::Counter))
        }
        "causal-reverse" => (Box::new(CausalReverse), Reading::Calls(Object::Set)),
        "bank" => {
            let checker = BankTotal {
                accounts: said.accounts.map(|count| (0..count).collect()),
                total: said.total,
                negative_balances: said.negative_balances,
            };
            (Box::new(checker), Reading::Transactions(Alphabet::Bank))
        }
        "long-fork" => (Box::new(LongFork), Reading::Transactions(Alphabet::Registers)),
        "zset-safety" => (Box::new(ZsetSafety::default()), Reading::Calls(Object::Zset)),
        "durability" => {
            let reading = reading(said.of.as_deref())?;
            (Box::new(Durability { of: reading.word() }), reading)
        }
        _ => (Box::new(FunctionStats), reading(said.of.as_deref())?),
    })
}

fn reading(of: Option<&str>) -> anyhow::Result<Reading> {
    Ok(match of {
        None | Some("list-append") => Reading::Transactions(Alphabet::Lists),
        Some("rw-register") => Reading::Transactions(Alphabet::Registers),
        Some("bank") => Reading::Transactions(Alphabet::Bank),
        Some(object) => match object.parse() {
            Ok(object) => Reading::Calls(object),
            Err(_) => {
                let objects = Object::ALL.map(Object::name).join(", ");
                bail!(
                    "--of `{object}` is nothing that histories are made of: list-append, rw-register, bank, {objects} are"
                )
            }
        },
    })
}

impl Properties {
    /// Refuses what was said and is not for this checker.
    fn nothing_said(&self, checker: &str, but: &[&str]) -> anyhow::Result<()> {
        let flags = [
            (self.linearizable, "--linearizable", "set-full"),
            (self.per_process, "--per-process", "monotonic"),
            (self.accounts.is_some(), "--accounts", "bank"),
            (self.total.is_some(), "--total", "bank"),
            (self.negative_balances, "--negative-balances", "bank"),
            (self.of.is_some(), "--of", "durability and stats"),
            (!self.patterns.is_empty(), "--pattern", log_patterns::NAME),
        ];
        let stray = flags.into_iter().find(|(said, flag, _)| *said && !but.contains(flag));
        if let Some((_, flag, whose)) = stray {
            bail!("`{flag}` is for {whose}: it says nothing to {checker}");
        }
        Ok(())
    }
}

fn logs(check: &Check) -> anyhow::Result<u8> {
    check.properties.nothing_said(&check.checker, &["--pattern"])?;
    let patterns = LogPatterns { patterns: check.properties.patterns.clone() };
    if patterns.patterns.iter().all(String::is_empty) {
        bail!("log-patterns wants a --pattern to look for: --pattern 'data corruption' is one");
    }
    let before = sim::execute::thread_cpu_ms();
    let mut looked = patterns.begin();
    let name = check.file.display().to_string();
    if name == "-" {
        patterns.look(&mut looked, "standard input", std::io::stdin().lock())?;
    } else {
        let file = std::fs::File::open(&check.file).with_context(|| name.clone())?;
        patterns.look(&mut looked, &name, BufReader::new(file)).with_context(|| name.clone())?;
    }
    let cpu_ms = sim::execute::thread_cpu_ms() - before;
    tell(check, &looked.end(), &Imported::default(), cpu_ms)
}

fn tell(
    check: &Check,
    findings: &Findings,
    imported: &Imported,
    cpu_ms: f64,
) -> anyhow::Result<u8> {
    let verdict = findings.verdict();
    let mut out = Output::default();
    if check.json {
        out.object(&object(&check.checker, findings, &verdict, cpu_ms))?;
    } else {
        out.text(words(&check.checker, findings, &verdict))?;
        for (key, name) in &imported.key_names {
            out.text(format_args!("  key {key} is {} in the file\n", interchange::shown(name)))?;
        }
    }
    Ok(verdict.exit_code())
}

fn anomalies(verdict: &Verdict) -> &[Anomaly] {
    match verdict {
        Verdict::Invalid(anomalies) => anomalies,
        _ => &[],
    }
}

fn object(checker: &str, findings: &Findings, verdict: &Verdict, cpu_ms: f64) -> Value {
    let valid = match verdict {
        Verdict::Valid => json!(true),
        Verdict::Unknown(_) => json!("unknown"),
        Verdict::Invalid(_) => json!(false),
    };
    let told = |anomaly: &Anomaly| {
        let Anomaly { name, text, events, .. } = anomaly;
        json!({"name": name, "text": text, "events": events})
    };
    let numbers = findings.numbers().iter();
    let numbers: Map<String, Value> = numbers.map(|(name, n)| (name.clone(), json!(n))).collect();
    json!({
        "valid": valid,
        "reasons": findings.reasons(),
        "checker": checker,
        "counts": findings.counts(),
        "anomalies": anomalies(verdict).iter().map(told).collect::<Vec<_>>(),
        "numbers": numbers,
        "cpu_ms": (cpu_ms * 10.0).round() / 10.0,
    })
}

fn words(checker: &str, findings: &Findings, verdict: &Verdict) -> String {
    let word = match verdict {
        Verdict::Valid => "valid",
        Verdict::Unknown(_) => "UNKNOWN",
        Verdict::Invalid(_) => "INVALID",
    };
    let numbers = findings.numbers().iter().map(|(name, number)| format!("{number} {name}"));
    let mut text = format!("{word}   {checker}   {}\n", numbers.collect::<Vec<_>>().join(", "));
    for anomaly in anomalies(verdict) {
        let told = report::named(anomaly).replace('\n', "\n    ");
        text.push_str(&format!("  {told}\n"));
    }
    let found: usize = findings.counts().values().sum();
    let more = found.saturating_sub(anomalies(verdict).len());
    if more > 0 {
        text.push_str(&format!("  and {more} more\n"));
    }
    for reason in findings.reasons() {
        text.push_str(&format!("  {reason}\n"));
    }
    text
}
