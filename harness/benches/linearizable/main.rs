//! What the linearizability checker costs, in seconds of CPU: `cargo bench -p harness --bench linearizable`.
//!
//! Histories in memory are judged, from events to verdict; reading and making them is not counted. CPU seconds are the
//! kernel's, since a wall clock says little on a busy machine; each figure is the mean of a few rounds.

#[path = "../measure/figures.rs"]
mod figures;
mod histories;
#[path = "../measure/sizes.rs"]
mod sizes;

use figures::{each, figure, golden, headline, skip};
use harness::checker::linearizable::{FailedCas, Linearizable};
use harness::history::History;
use harness::interchange;
use harness::op::Object;
use histories::Shape;
use sizes::size;

/// Objects whose values are each there once, and what their histories are like beside that.
const UNIQUE: [(Object, &str); 4] = [
    (Object::Register, "1 key"),
    (Object::Set, "64 adds a key, whole reads"),
    (Object::Queue, "1 key"),
    (Object::Counter, "1 key"),
];
/// Calls that are open at once.
const CLIENTS: [usize; 3] = [5, 20, 100];

fn main() {
    headline("linearizability: the logs of etcd");
    etcd();
    headline("linearizability: one key, few values, by the search");
    let cas =
        Shape { object: Object::CasRegister, calls: size(1_000_000), clients: 5, values: Some(5) };
    few_values(&cas, "1.5 s for 1,000,000 calls");
    few_values(&Shape { calls: size(100_000), clients: 10, ..cas }, "");
    headline("linearizability: unique values, without a search");
    for (object, what) in UNIQUE {
        for clients in CLIENTS {
            growth(&Shape { object, calls: size(1_000_000), clients, values: None }, what);
        }
    }
    headline("linearizability: an invalid history and the valid one of its size");
    let calls = size(1_000_000);
    invalid(&cas);
    for (object, _) in UNIQUE {
        invalid(&Shape { object, calls, clients: 20, values: None });
    }
}

/// What it costs; the verdict must be this.
fn judged(history: &History, object: Object, verdict: &str) -> f64 {
    each(|| {
        let report = Linearizable::of(object).analyse(history);
        assert_eq!(report.verdict.name(), verdict, "{object}: {:?}", report.verdict);
    })
}

fn etcd() {
    let (name, folder) = ("all logs together", "porcupine/jepsen");
    let Ok(entries) = std::fs::read_dir(golden(folder)) else { return skip(name, folder) };
    let logs = entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    let read = |log: Vec<u8>| interchange::read_calls(&log, None, Object::CasRegister).ok();
    let histories: Vec<History> = logs.filter_map(read).map(|imported| imported.history).collect();
    let checker =
        Linearizable { failed_cas: FailedCas::Observed, ..Linearizable::of(Object::CasRegister) };
    let invalid: usize = histories.iter().map(|history| checker.analyse(history).wrong).sum();
    let seconds = each(|| histories.iter().for_each(|history| drop(checker.analyse(history))));
    let shape = format!("{} logs, {invalid} invalid", histories.len());
    figure(name, &shape, &format!("{:.2} ms", seconds * 1e3), "10 ms");
}

fn shape(shape: &Shape, what: &str) -> String {
    format!("{} calls, {} clients, {what}", shape.calls, shape.clients)
}

fn few_values(of: &Shape, asked: &str) {
    let seconds = judged(&histories::valid(of), of.object, "valid");
    let rate = of.calls as f64 / seconds / 1e6;
    let said = format!("{seconds:.3} s, {rate:.2} million calls a second");
    figure(of.object.name(), &shape(of, "5 values"), &said, asked);
}

/// A tenth of the calls, and all: ten times as much is linear.
fn growth(of: &Shape, what: &str) {
    let tenth = Shape { calls: of.calls / 10, ..*of };
    let [less, more] = [&tenth, of].map(|of| judged(&histories::valid(of), of.object, "valid"));
    let said = format!(
        "{more:.3} s, {:.2} million calls a second, {:.1} times a tenth of the calls",
        of.calls as f64 / more / 1e6,
        more / less
    );
    figure(of.object.name(), &shape(of, what), &said, "linear: 10 times, at any concurrency");
}

fn invalid(of: &Shape) {
    let valid = judged(&histories::valid(of), of.object, "valid");
    let invalid = judged(&histories::invalid(of), of.object, "invalid");
    let said = format!("{invalid:.3} s to {valid:.3} s, {:.2} times", invalid / valid);
    figure(of.object.name(), &shape(of, "1 wrong answer"), &said, "3 times");
}
