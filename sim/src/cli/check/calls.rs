//! `check register` and its like: linearizability of single objects.

use super::{Check, bytes};
use anyhow::{Context, bail};
use harness::checker::linearizable::{FailedCas, Linearizable, Report};
use harness::checker::{Anomaly, Verdict};
use harness::cli::output::Output;
use harness::interchange::{self, CallFormat};
use harness::op::Object;
use harness::report;
use serde_json::{Value, json};

pub(super) fn act(check: &Check, object: Object) -> anyhow::Result<u8> {
    if check.jobs.is_some() {
        bail!("--jobs is of list-append: a {object} is judged by one thread");
    }
    if check.model.is_some() {
        bail!("--model is of list-append: a {object} is checked for linearizability");
    }
    if check.failed_cas.is_some() && object != Object::CasRegister {
        bail!("--failed-cas is of cas-register: a {object} has no cas");
    }
    let format: Option<CallFormat> =
        check.format.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
    let failed_cas: Option<FailedCas> =
        check.failed_cas.as_deref().map(str::parse).transpose().map_err(anyhow::Error::msg)?;
    let failed_cas = failed_cas.unwrap_or_default();
    let (name, bytes) = bytes(&check.file)?;
    let before = sim::execute::thread_cpu_ms();
    let imported =
        interchange::read_calls_strictly(&bytes, format, object).with_context(|| name)?;
    let checker = Linearizable { failed_cas, ..Linearizable::of(object) };
    let report = checker.analyse(&imported.history);
    let cpu_ms = sim::execute::thread_cpu_ms() - before;
    let mut out = Output::default();
    if check.json {
        out.object(&object_of(&report, object, cpu_ms))?;
    } else {
        out.text(words(&report, object))?;
        for (key, name) in &imported.key_names {
            out.text(format_args!("  key {key} is {} in the file\n", interchange::shown(name)))?;
        }
    }
    check.explained(&mut out, &imported.history, &report.verdict, Box::new(checker))?;
    Ok(report.verdict.exit_code())
}

fn object_of(report: &Report, object: Object, cpu_ms: f64) -> Value {
    let (valid, reasons, anomalies) = match &report.verdict {
        Verdict::Valid => (json!(true), &[][..], &[][..]),
        Verdict::Unknown(reasons) => (json!("unknown"), &reasons[..], &[][..]),
        Verdict::Invalid(anomalies) => (json!(false), &[][..], &anomalies[..]),
    };
    let told = |anomaly: &Anomaly| {
        let Anomaly { name, text, events, .. } = anomaly;
        json!({"name": name, "text": text, "events": events})
    };
    let coverage = &report.coverage;
    json!({
        "valid": valid,
        "reasons": reasons,
        "object": object.name(),
        "nonlinearizable": report.wrong,
        "undecided": report.undecided,
        "anomalies": anomalies.iter().map(told).collect::<Vec<_>>(),
        "coverage": {
            "ok": coverage.ok,
            "fail": coverage.failed,
            "info": coverage.unknown,
            "keys": coverage.keys,
            "told": coverage.told,
        },
        "cpu_ms": (cpu_ms * 10.0).round() / 10.0,
    })
}

fn words(report: &Report, object: Object) -> String {
    let coverage = &report.coverage;
    let tested = format!(
        "{} ok, {} fail, {} info, {} keys, {} answers that tell something",
        coverage.ok, coverage.failed, coverage.unknown, coverage.keys, coverage.told
    );
    match &report.verdict {
        Verdict::Valid => format!("valid   linearizable {object}   {tested}\n"),
        Verdict::Unknown(reasons) => {
            let reasons: String = reasons.iter().map(|reason| format!("  {reason}\n")).collect();
            format!("UNKNOWN   linearizable {object}   {tested}\n{reasons}")
        }
        Verdict::Invalid(anomalies) => {
            let mut text = format!("INVALID   linearizable {object}   {tested}\n");
            for anomaly in anomalies {
                let told = report::named(anomaly).replace('\n', "\n    ");
                text.push_str(&format!("  {told}\n"));
            }
            let more = report.wrong.saturating_sub(anomalies.len());
            if more > 0 {
                text.push_str(&format!("  and {more} more that are not linearizable\n"));
            }
            text
        }
    }
}
