//! What no bytes may do to the readers of histories, columns, runs and plans: a moment of what `cargo fuzz` does for as long as one likes
//! (`harness/fuzz`). The histories there, then changed at random, always in the same way.
//!
//! `READER_CHANGES` is how many changes of each; CI makes few.

#[path = "../fuzz/readers.rs"]
mod readers;

use harness::seed::{Draw, Seed, Stream};
use std::path::Path;

/// Bytes that mean something to one of the readers.
const MEANINGFUL: &[u8] = b"()[]{}\",:;#\\_ \n\0-+.09NMeE/^\xff\xc3";

fn changes() -> usize {
    let told = std::env::var("READER_CHANGES").ok().and_then(|told| told.parse().ok());
    told.unwrap_or(1500)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<_> = folder
        .read_dir()
        .expect("the seeds are beside their readers")
        .map(|entry| entry.expect("it is there").path())
        .collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it is there")).collect()
}

/// One to four changes: a byte replaced, a piece taken out, moved or doubled, the end cut off.
fn change(bytes: &mut Vec<u8>, rng: &mut impl Draw) {
    for _ in 0..rng.range(1, 5) {
        let length = bytes.len() as u64;
        let from = rng.range(0, length) as usize;
        let to = (from + rng.range(1, 24) as usize).min(bytes.len());
        let at = rng.range(0, length + 1) as usize;
        match rng.range(0, 8) {
            _ if bytes.is_empty() => bytes.push(*rng.pick(MEANINGFUL)),
            0..=2 => bytes[from] = *rng.pick(MEANINGFUL),
            3 => bytes[from] = rng.range(0, 256) as u8,
            4 => drop(bytes.drain(from..to)),
            5 | 6 => {
                let piece = bytes[from..to].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.truncate(at),
        }
    }
}

fn changed_seeds(target: &str, reader: fn(&[u8])) {
    let mut rng = Seed(7).stream(Stream::Workload);
    for seed in seeds(target) {
        reader(&seed);
        for _ in 0..changes() {
            let mut bytes = seed.clone();
            change(&mut bytes, &mut rng);
            reader(&bytes);
        }
    }
}

fn noise(reader: fn(&[u8])) {
    let mut rng = Seed(7).stream(Stream::Workload);
    for _ in 0..changes() * 4 {
        let length = rng.range(0, 24);
        let bytes: Vec<u8> = (0..length).map(|_| rng.range(0, 256) as u8).collect();
        reader(&bytes);
    }
}

#[test]
fn changed_edn_is_read_or_refused_with_its_line() {
    changed_seeds("edn", readers::edn);
}

#[test]
fn changed_json_lines_are_read_or_refused_with_their_line() {
    changed_seeds("json_lines", readers::json_lines);
}

#[test]
fn changed_etcd_logs_are_read_or_refused_with_their_line() {
    changed_seeds("etcd_log", readers::etcd_log);
}

#[test]
fn changed_columns_are_read_and_judged_or_refused() {
    noise(readers::columns);
}

#[test]
fn changed_runs_are_read_or_refused() {
    noise(readers::run);
}

#[test]
fn changed_plans_are_read_or_refused() {
    noise(readers::plan);
}
