//! What the linearizability checker costs, in seconds of CPU: `cargo bench -p harness --bench linearizable`.
//!
//! Histories in memory are judged, from events to verdict; reading them is not counted. The etcd logs stand outside the
//! repository (`GOLDEN_DIR`, or `../shared/golden` beside it) and are left out without them. CPU seconds are the kernel's
//! (`/proc/self/schedstat`), since a wall clock says little on a busy machine.

use harness::checker::linearizable::{FailedCas, Linearizable, Report};
use harness::history::{Event, History, Kind, Process};
use harness::interchange;
use harness::op::{Answer, Call, Function, Object, Op, Value};
use harness::seed::{Draw, Seed, Stream};
use std::path::PathBuf;
use std::time::Duration;

fn main() {
    etcd();
    let million = 1_000_000;
    let cas = Linearizable::of(Object::CasRegister);
    let register = Linearizable::of(Object::Register);
    told(cas, "few values, 5 clients", &Shape { calls: million, clients: 5, values: Some(5) });
    told(cas, "few values, 10 clients", &Shape { calls: 100_000, clients: 10, values: Some(5) });
    for clients in [20, 50] {
        for calls in [100_000, million] {
            let what = format!("unique values, {clients} clients");
            told(register, &what, &Shape { calls, clients, values: None });
        }
    }
}

/// Seconds of CPU that this process has used.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|first| first.parse::<u64>().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default()).as_secs_f64()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = cpu_seconds();
    let done = work();
    (done, cpu_seconds() - before)
}

fn etcd() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let golden = std::env::var("GOLDEN_DIR").unwrap_or(beside.to_string());
    let Ok(entries) = std::fs::read_dir(PathBuf::from(golden).join("porcupine/jepsen")) else {
        println!("SKIP the logs of etcd: there are no golden data (GOLDEN_DIR)");
        return;
    };
    let logs = entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    let read = |log: Vec<u8>| interchange::read_calls(&log, None, Object::CasRegister).ok();
    let histories: Vec<History> = logs.filter_map(read).map(|imported| imported.history).collect();
    let checker =
        Linearizable { failed_cas: FailedCas::Observed, ..Linearizable::of(Object::CasRegister) };
    let rounds = 20;
    let (invalid, seconds) = timed(|| {
        let judged = || histories.iter().map(|history| checker.analyse(history).wrong).sum();
        (0..rounds).map(|_| judged()).max().unwrap_or(0)
    });
    let each = seconds * 1e3 / f64::from(rounds);
    println!("{} logs of etcd, {invalid} invalid: {each:.2} ms for all of them", histories.len());
}

/// What a history of one register is like.
struct Shape {
    calls: usize,
    clients: usize,
    /// So many values, or each once.
    values: Option<u64>,
}

fn told(checker: Linearizable, what: &str, shape: &Shape) {
    let history = history(shape);
    let (report, seconds): (Report, f64) = timed(|| checker.analyse(&history));
    let rate = shape.calls as f64 / seconds / 1e6;
    println!(
        "{} {what}, {} calls: {} in {seconds:.2} s, {rate:.2} million calls a second",
        checker.object,
        shape.calls,
        report.verdict.name()
    );
}

/// A valid history: every call takes effect at some moment while it is open, and all clients are always busy.
fn history(shape: &Shape) -> History {
    let mut rng = Seed(7).stream(Stream::Workload);
    let mut history = History::default();
    let mut register: Option<Value> = None;
    let mut clients: Vec<Option<Call>> = vec![None; shape.clients];
    let mut fresh = 0;
    while history.events.len() < shape.calls * 2 {
        let client = rng.range(0, shape.clients as u64) as usize;
        let call = match clients[client].take() {
            None => {
                fresh += 1;
                let value = shape.values.map_or(fresh, |values| rng.range(0, values));
                let function = match rng.range(0, 4) {
                    0 | 1 => Function::Read,
                    2 => Function::Write(value),
                    _ if shape.values.is_none() => Function::Write(value),
                    _ => Function::Cas { from: Some(rng.range(0, 5)), to: value },
                };
                let call = Call { key: 0, function, answer: None };
                push(&mut history, client, Kind::Invoke, call.clone());
                call
            }
            Some(Call { key, function, answer: None }) => {
                let answer = Some(happen(&function, &mut register));
                Call { key, function, answer }
            }
            Some(answered) => {
                let refused = answered.answer == Some(Answer::Flag(false));
                let kind = if refused { Kind::Fail } else { Kind::Ok };
                push(&mut history, client, kind, answered);
                continue;
            }
        };
        clients[client] = Some(call);
    }
    history
}

fn happen(function: &Function, register: &mut Option<Value>) -> Answer {
    match function {
        Function::Write(value) => {
            *register = Some(*value);
            Answer::Done
        }
        Function::Cas { from, to } => {
            let holds = *register == *from;
            if holds {
                *register = Some(*to);
            }
            Answer::Flag(holds)
        }
        _ => register.map_or(Answer::Nil, Answer::Value),
    }
}

fn push(history: &mut History, client: usize, kind: Kind, call: Call) {
    let time = Duration::from_micros(history.events.len() as u64);
    let (process, op) = (Process::Client(client as u32), Op::Call(call));
    history.push(Event { time, process, kind, op, node: None, error: None });
}
