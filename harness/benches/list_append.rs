//! What the list-append checker costs, in seconds of CPU and bytes: `cargo bench -p harness --bench list_append`.
//!
//! A valid history of transactions of 1 to 4 micro-operations over few hot keys is made in memory and judged against
//! strict serializability, with every anomaly looked for; making it is not counted. Each figure is from a process of its
//! own, since the kernel's high-water mark of memory (`VmHWM`) never falls. CPU seconds are the kernel's, since a wall
//! clock says little on a busy machine: those of the first thread, which with several does a share of all that they do
//! and the rest alone, and those of all together.

#[path = "measure/figures.rs"]
mod figures;
#[path = "measure/sizes.rs"]
mod sizes;

use figures::{cpu_seconds, each, figure, golden, headline, skip};
use harness::checker::list_append::{analyse, analyse_columns};
use harness::checker::transactional::{Model, Report, Validity};
use harness::columns::{Columns, Moment, MopRef, Outcome, Txn};
use harness::history::{Event, History, Kind, Process};
use harness::interchange::{self, Alphabet};
use harness::op::{Key, Mop, Op, Value};
use harness::seed::{Draw, Seed, Stream};
use sizes::size;
use std::collections::{BTreeMap, VecDeque};
use std::process::Command;
use std::time::Duration;

/// What a process of its own is asked for.
const ONE: &str = "--one";

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == ONE) {
        return one(&words[at + 1..]);
    }
    let (large, small) = (size(10_000_000), size(1_000_000));
    headline("list-append: strict serializability, all anomalies, from memory");
    let events = measured("events", small, 1);
    rate("events", small, &events, "");
    let million = measured("columns", small, 1);
    rate("columns", small, &million, "1.5 million a CPU-second");
    let ten = measured("columns", large, 1);
    rate("columns", large, &ten, "1.5 million a CPU-second, 2500 MB for 10,000,000");
    let growth = ten.seconds / million.seconds;
    figure("growth", &transactions(large), &format!("{growth:.2} times a tenth"), "11.5 times");
    for (count, alone) in [(small, &million), (large, &ten)] {
        let two = measured("columns", count, 2);
        let said = format!(
            "{:.2} times as fast ({:.3} s by the first thread, {:.2} s by both)",
            alone.seconds / two.seconds,
            two.seconds,
            two.of_all
        );
        figure("2 jobs, columns", &transactions(count), &said, "1.6 times");
    }
    headline("list-append: an invalid history and the valid one of its size");
    let stale = measured("stale", small, 1);
    assert_eq!(stale.verdict, "invalid");
    let times = stale.seconds / million.seconds;
    let said = format!("{:.3} s to {:.3} s, {times:.2} times", stale.seconds, million.seconds);
    let shape = format!("{small} transactions, all in one component");
    figure("one stale read", &shape, &said, "3 times");
    huge_component();
}

fn transactions(count: usize) -> String {
    format!("{count} transactions of 1-4 operations")
}

fn rate(name: &str, count: usize, measured: &Measured, asked: &str) {
    let Measured { seconds, peak, resident, verdict, .. } = measured;
    assert_eq!(verdict, "valid");
    let each = count as f64;
    let said = format!(
        "{seconds:.3} s, {:.2} million a CPU-second, peak {:.0} MB ({:.0} bytes each, {:.0} of them the history)",
        each / seconds / 1e6,
        peak / 1e6,
        peak / each,
        resident / each
    );
    figure(name, &transactions(count), &said, asked);
}

/// What a process of its own says.
struct Measured {
    /// Of the first thread.
    seconds: f64,
    of_all: f64,
    /// Bytes, and how many of them were there before the history was judged.
    peak: f64,
    resident: f64,
    verdict: String,
}

fn measured(source: &str, transactions: usize, jobs: usize) -> Measured {
    let program = std::env::current_exe().expect("a bench knows where it is");
    let words = [source, &transactions.to_string(), &jobs.to_string()];
    let output = Command::new(&program).arg(ONE).args(words).output().expect("it can be run again");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = said.split_whitespace().collect();
    let [seconds, of_all, peak, resident, verdict] = words[..] else {
        panic!("{words:?} said {said}{}", String::from_utf8_lossy(&output.stderr))
    };
    let [seconds, of_all, peak, resident] =
        [seconds, of_all, peak, resident].map(|number| number.parse().expect("a number"));
    Measured { seconds, of_all, peak, resident, verdict: verdict.to_owned() }
}

/// Elle's history with one component of nearly all transactions, many times over: a check of it is too quick to time once.
fn huge_component() {
    let (name, path) = ("huge-scc", "elle/upstream/huge-scc.edn");
    let Ok(edn) = std::fs::read(golden(path)) else { return skip(name, path) };
    let Ok(imported) = interchange::read(&edn, None, Alphabet::Lists) else {
        panic!("huge-scc is a history")
    };
    let huge = Columns::of(&imported.history).expect("no process asks twice");
    let valid = columns(&Shape { transactions: huge.len(), ..Shape::default() });
    let [invalid, valid] =
        [(&huge, Validity::False), (&valid, Validity::True)].map(|(columns, expected)| {
            each(|| {
                let report = analyse_columns(columns, Model::STRICT_SERIALIZABLE, 1);
                assert_eq!(report.valid, expected);
            })
        });
    let shape = format!("{} transactions, beside ours of as many", huge.len());
    let (milliseconds, times) = (invalid * 1e3, invalid / valid);
    let said = format!("{milliseconds:.1} ms to {:.1} ms, {times:.2} times", valid * 1e3);
    figure(name, &shape, &said, "3 times");
}

fn one(words: &[String]) {
    let [source, transactions, jobs] = words else {
        panic!("a source, a size and a number of jobs")
    };
    let shape = Shape { transactions: transactions.parse().expect("a number"), ..Shape::default() };
    let jobs: usize = jobs.parse().expect("a number");
    if source == "events" {
        let mut history = History::default();
        Generator::new(&shape).run(|event| {
            history.push(event);
        });
        return told(|| analyse(&history, Model::STRICT_SERIALIZABLE));
    }
    let mut columns = columns(&shape);
    if source == "stale" {
        add_stale_read(&mut columns);
    }
    told(|| analyse_columns(&columns, Model::STRICT_SERIALIZABLE, jobs));
}

/// The history as columns, without the events ever being there together.
fn columns(shape: &Shape) -> Columns {
    let mut columns = Columns::default();
    let mut open: Vec<Option<Moment>> = vec![None; shape.processes];
    let mut position = 0;
    Generator::new(shape).run(|event| {
        let time = event.time.as_nanos() as u64;
        let moment = Moment { event: position, time };
        position += 1;
        let Process::Client(process) = event.process else { return };
        if event.kind == Kind::Invoke {
            open[process as usize] = Some(moment);
            return;
        }
        let (outcome, invoked) = (Outcome::Ok, open[process as usize].take());
        let txn = Txn { process, outcome, ended: moment, invoked, node: None };
        let mops = event.op.mops().iter().map(MopRef::from);
        columns.push(txn, mops).expect("transactions come in the order of their completions");
    });
    columns
}

/// One more transaction, after all others, which reads a list as it was in the beginning: then nearly all lie on a cycle.
fn add_stale_read(columns: &mut Columns) {
    let mops = (0..columns.len()).flat_map(|txn| columns.mops(txn));
    let short = mops.filter_map(|mop| match mop {
        MopRef::Read { key, values: Some([first, _, ..]) } => Some((key, *first)),
        _ => None,
    });
    let (key, first) = { short }.next().expect("something was read");
    let Moment { event, time } = columns.txn(columns.len() - 1).ended;
    let invoked = Some(Moment { event: event + 1, time: time + 1 });
    let ended = Moment { event: event + 2, time: time + 2 };
    let txn = Txn { process: 1_000, outcome: Outcome::Ok, ended, invoked, node: None };
    let read = MopRef::Read { key, values: Some(&[first]) };
    columns.push(txn, [read]).expect("it comes last");
}

/// Says in numbers what [`Measured`] has.
fn told(judge: impl FnOnce() -> Report) {
    let resident = memory("VmRSS:");
    let (before, all_before) = (cpu_seconds(), cpu_seconds_of_all());
    let report = judge();
    let (seconds, of_all) = (cpu_seconds() - before, cpu_seconds_of_all() - all_before);
    let verdict = match report.valid {
        Validity::True => "valid",
        Validity::False => "invalid",
        Validity::Unknown(_) => "unknown",
    };
    println!("{seconds} {of_all} {} {resident} {verdict}", memory("VmHWM:"));
}

/// Seconds of CPU that all threads of this process have used, to a hundredth.
fn cpu_seconds_of_all() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Bytes, as `/proc/self/status` has them in kilobytes.
fn memory(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default()
        * 1024.0
}

/// What a history is like.
struct Shape {
    transactions: usize,
    processes: usize,
    /// Keys in use at a time, each used twice as often as the one before.
    keys: usize,
    /// After so many appends a fresh key takes a key's place.
    appends: u64,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { transactions: 0, processes: 15, keys: 10, appends: 64 }
    }
}

/// A transaction between its invocation and its completion.
struct Open {
    mops: Vec<Mop>,
    happened: bool,
}

/// Makes a history that is valid by construction: every transaction takes effect at some moment while it is open.
struct Generator<'s> {
    shape: &'s Shape,
    rng: rand_chacha::ChaCha8Rng,
    active: Vec<(Key, u64)>,
    fresh: Key,
    lists: BTreeMap<Key, Vec<Value>>,
    /// Keys that are full, until no open transaction can touch them.
    retired: VecDeque<Key>,
}

impl Generator<'_> {
    fn new(shape: &Shape) -> Generator<'_> {
        Generator {
            shape,
            rng: Seed(7).stream(Stream::Workload),
            active: (0..shape.keys as Key).map(|key| (key, 0)).collect(),
            fresh: shape.keys as Key,
            lists: BTreeMap::new(),
            retired: VecDeque::new(),
        }
    }

    fn run(mut self, mut event: impl FnMut(Event)) {
        let mut open: Vec<Option<Open>> = (0..self.shape.processes).map(|_| None).collect();
        let (mut asked, mut done, mut time) = (0, 0, 0);
        while done < self.shape.transactions {
            let process = self.rng.range(0, self.shape.processes as u64) as usize;
            time += self.rng.range(1_000, 2_000);
            let (kind, mops) = match open[process].take() {
                None if asked == self.shape.transactions => continue,
                None => {
                    asked += 1;
                    let mops = self.transaction();
                    open[process] = Some(Open { mops: mops.clone(), happened: false });
                    (Kind::Invoke, mops)
                }
                Some(Open { mut mops, happened: false }) => {
                    mops.iter_mut().for_each(|mop| self.happen(mop));
                    open[process] = Some(Open { mops, happened: true });
                    continue;
                }
                Some(Open { mops, .. }) => {
                    done += 1;
                    (Kind::Ok, mops)
                }
            };
            let (time, process) = (Duration::from_nanos(time), Process::Client(process as u32));
            event(Event { time, process, kind, op: Op::Txn(mops), node: None, error: None });
        }
    }

    fn transaction(&mut self) -> Vec<Mop> {
        (0..self.rng.range(1, 5)).map(|_| self.mop()).collect()
    }

    fn mop(&mut self) -> Mop {
        let slot = self.rng.range(1, 1 << self.shape.keys).ilog2() as usize;
        let (key, appended) = &mut self.active[slot];
        let key = *key;
        if self.rng.chance(0.5) {
            return Mop::Read { key, values: None };
        }
        *appended += 1;
        let value = *appended;
        if value == self.shape.appends {
            self.active[slot] = (self.fresh, 0);
            self.fresh += 1;
            self.retired.push_back(key);
            if self.retired.len() > 4 * self.shape.processes {
                self.retired.pop_front().and_then(|key| self.lists.remove(&key));
            }
        }
        Mop::Append { key, value }
    }

    fn happen(&mut self, mop: &mut Mop) {
        match mop {
            Mop::Append { key, value } => self.lists.entry(*key).or_default().push(*value),
            Mop::Read { key, values } => {
                *values = Some(self.lists.get(key).cloned().unwrap_or_default());
            }
        }
    }
}
