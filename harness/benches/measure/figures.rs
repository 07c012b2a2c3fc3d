//! What all benches share: how they count, where the golden data are, and what a figure looks like: its name, what the
//! history is like, the figure, and what is asked of it.
//!
//! `BENCH_SHORT=1` asks for a tenth of the sizes, for a machine with less memory or time.

use std::path::PathBuf;
use std::time::Duration;

/// Whether a tenth of all is enough.
pub fn short() -> bool {
    std::env::var("BENCH_SHORT").is_ok_and(|short| short == "1")
}

/// Where the data are that stand outside the repository: `GOLDEN_DIR`, or `../shared/golden` beside it.
pub fn golden(path: &str) -> PathBuf {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    PathBuf::from(std::env::var("GOLDEN_DIR").unwrap_or(beside.to_string())).join(path)
}

/// Opens a part of the report.
pub fn headline(text: &str) {
    let size = if short() { "; BENCH_SHORT=1: a tenth of the sizes" } else { "" };
    println!("\n== {text}{size}");
}

/// One line of the report.
pub fn figure(name: &str, shape: &str, figure: &str, asked: &str) {
    let asked = if asked.is_empty() { String::new() } else { format!("   (asked: {asked})") };
    println!("{name:<34} {shape:<56} {figure}{asked}");
}

/// What could not be measured, and why.
pub fn skip(name: &str, path: &str) {
    println!("SKIP {name}: {path} is not among the golden data, or there are none (GOLDEN_DIR)");
}

/// Seconds of CPU that this thread has used, as the kernel counts them.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|first| first.parse::<u64>().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default()).as_secs_f64()
}

/// Seconds of CPU that work takes: of several rounds together, for so long that the kernel's ticks are small beside it.
pub fn each(work: impl Fn()) -> f64 {
    let before = cpu_seconds();
    let mut rounds = 0;
    while rounds < 3 || cpu_seconds() - before < 0.3 {
        work();
        rounds += 1;
    }
    (cpu_seconds() - before) / f64::from(rounds)
}
