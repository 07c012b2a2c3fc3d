//! What a timeline costs: bytes and seconds of CPU for each operation: `cargo bench -p harness --bench explain`.
//!
//! An invalid history of transactions by ten processes is made in memory, with a stale read near its end and five
//! windows of faults; explaining it (the checker's second look, the smaller history) and writing its page are counted
//! apart. With `-- --keep FILE` the page of the last history stays, to be opened.

use harness::checker::Checker;
use harness::checker::list_append::ListAppend;
use harness::cluster::NodeId;
use harness::explain::{Band, Explanation, timeline};
use harness::history::{Event, History, Kind, Process};
use harness::op::{Mop, Op};
use harness::seed::{Draw, Seed, Stream};
use std::time::Duration;

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let kept = words.iter().position(|word| word == "--keep").and_then(|at| words.get(at + 1));
    for count in [10_000, 100_000, 1_000_000] {
        let history = history(count);
        let checkers: Vec<Box<dyn Checker>> = vec![Box::new(ListAppend::default())];
        let verdict = checkers[0].check(&history);
        let before = cpu_seconds();
        let title = format!("{count} operations, {}", verdict.name());
        let mut explanation = Explanation::of(title, &history, &verdict, &checkers);
        explanation.bands = bands(&history);
        let explained = cpu_seconds();
        let mut page = Vec::new();
        timeline::write(&explanation, &mut page).expect("memory does not fail");
        let written = cpu_seconds();
        let each = |seconds: f64| seconds * 1e6 / count as f64;
        println!(
            "{count} operations, {} anomalies: explained in {:.2} CPU-s, page in {:.2} CPU-s ({:.2} us each), {:.1} bytes each",
            explanation.anomalies.len(),
            explained - before,
            written - explained,
            each(written - explained),
            page.len() as f64 / count as f64
        );
        assert!((page.len() as f64) < 60.0 * count as f64 + 100_000.0, "a page has its bounds");
        if let Some(kept) = kept {
            std::fs::write(kept, page).expect("there is room");
        }
    }
}

/// Ten processes, transactions of one append and one read each, 20 elements a key; the last but two read is stale.
fn history(count: usize) -> History {
    let mut rng = Seed(1).stream(Stream::Workload);
    let mut history = History::default();
    let mut lists: Vec<Vec<u64>> = Vec::new();
    let mut processes: Vec<u32> = (0..10).collect();
    let mut time = Duration::ZERO;
    for round in 0..count / 10 {
        let key = (round / 2) as u64;
        lists.resize(key as usize + 1, Vec::new());
        let mut asked = Vec::new();
        for process in &processes {
            time += Duration::from_micros(rng.range(20, 400));
            let value = lists[key as usize].len() as u64 + 1;
            let stale = round + 3 == count / 10 && *process == processes[5];
            let seen = if stale { Vec::new() } else { lists[key as usize].clone() };
            lists[key as usize].push(value);
            let mops = |seen| vec![Mop::Read { key, values: seen }, Mop::Append { key, value }];
            push(&mut history, time, *process, Kind::Invoke, mops(None));
            asked.push(mops(Some(seen)));
        }
        for (process, mops) in processes.iter_mut().zip(asked) {
            time += Duration::from_micros(rng.range(20, 900));
            let is_lost = rng.chance(0.002);
            push(&mut history, time, *process, if is_lost { Kind::Info } else { Kind::Ok }, mops);
            if is_lost {
                *process += 10;
            }
        }
    }
    history
}

fn push(history: &mut History, time: Duration, process: u32, kind: Kind, mut mops: Vec<Mop>) {
    let node = Some(NodeId(process as u16 % 5 + 1));
    let error = (kind == Kind::Info).then(|| "connection reset by peer".to_owned());
    if error.is_some() {
        mops.iter_mut().for_each(|mop| {
            if let Mop::Read { values, .. } = mop {
                *values = None;
            }
        });
    }
    let (process, op) = (Process::Client(process), Op::Txn(mops));
    history.push(Event { time, process, kind, op, node, error });
}

fn bands(history: &History) -> Vec<Band> {
    let end = history.events.last().map_or(Duration::ZERO, |event| event.time);
    let faults = ["kill n3", "partition halves", "slow", "kill n1", "pause n2"];
    let band = |(i, fault): (usize, &&str)| {
        let from = end * (2 * i as u32 + 1) / 12;
        let kind = fault.split(' ').next().unwrap_or_default().to_owned();
        Band { kind, fault: (*fault).to_owned(), span: (from, from + end * 3 / 24) }
    };
    faults.iter().enumerate().map(band).collect()
}

/// CPU time of this thread so far, from the kernel.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos: f64 = stat.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    nanos / 1e9
}
