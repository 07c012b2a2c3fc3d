//! What reading histories costs, in bytes a second of CPU: `cargo bench -p harness --bench interchange`.
//!
//! Elle's histories of 100,000 transactions, unpacked before anything is counted, as EDN and as JSON lines; the last line of each
//! is what `check` does with such a file, from bytes to verdict. They stand outside the repository; without them there is
//! nothing to say. CPU seconds are the kernel's, the mean of several rounds, since a wall clock says little on a busy machine.
//! `cargo bench -p harness --bench interchange -- la-clean-100k edn` does one of them only, for a profiler.

#[path = "measure/figures.rs"]
mod figures;

use figures::{each, figure, golden, headline, skip};
use flate2::read::GzDecoder;
use harness::checker::transactional::{Model, Report};
use harness::checker::{list_append, rw_register};
use harness::history::History;
use harness::interchange::{self, Alphabet, Format};
use std::io::Read;

fn main() {
    headline("interchange: Elle's histories of 100,000 transactions");
    let chosen: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |word: &str| chosen.is_empty() || chosen.iter().any(|other| other == word);
    let cases = [("la-clean-100k", Alphabet::Lists), ("rw-clean-100k", Alphabet::Registers)];
    for (name, alphabet) in cases.into_iter().filter(|(name, _)| chosen.len() < 2 || wanted(name)) {
        let Some(edn) = unpacked(name) else {
            skip(name, &path(name));
            continue;
        };
        for (word, format) in [("edn", Format::Edn), ("json-lines", Format::JsonLines)] {
            if chosen.len() < 2 || wanted(word) {
                told(name, &written(&edn, format, alphabet), format, alphabet);
            }
        }
    }
}

fn path(name: &str) -> String {
    format!("elle/perf/{name}.edn.gz")
}

fn unpacked(name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(std::fs::File::open(golden(&path(name))).ok()?).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn written(edn: &[u8], format: Format, alphabet: Alphabet) -> Vec<u8> {
    match format {
        Format::Edn => edn.to_vec(),
        Format::JsonLines => {
            let imported = interchange::read(edn, Some(Format::Edn), alphabet).expect("it is EDN");
            interchange::write(&imported, format).into_bytes()
        }
    }
}

fn told(name: &str, bytes: &[u8], format: Format, alphabet: Alphabet) {
    let read = || interchange::read(bytes, None, alphabet).expect("it is a history").history;
    let megabytes = bytes.len() as f64 / 1e6;
    let (history, seconds) = measured(read);
    let (events, rate) = (history.events.len(), megabytes / seconds);
    drop(history);
    let (of, is_edn) = (format!("{name} {format:?}"), format == Format::Edn);
    let shape = format!("{megabytes:.1} MB, {events} events");
    let said = format!("{seconds:.3} s, {rate:.0} MB a CPU-second");
    figure(&of, &shape, &said, if is_edn { "100 MB a CPU-second" } else { "" });
    let strictly =
        || interchange::read_strictly(bytes, None, alphabet).expect("it is sound").history;
    let (report, seconds) = measured(|| judged(&strictly(), alphabet));
    let said = format!("{seconds:.3} s, {:?}", report.valid);
    let asked = if is_edn { "0.5 s" } else { "" };
    figure(&format!("{of}, and judged"), &format!("{} ok", report.coverage.ok), &said, asked);
}

fn judged(history: &History, alphabet: Alphabet) -> Report {
    let model = Model::default();
    match alphabet {
        Alphabet::Lists => list_append::analyse(history, model),
        Alphabet::Registers => rw_register::analyse(history, model, Default::default()),
        Alphabet::Bank => unreachable!("no history here is of a bank"),
    }
}

/// What was done, and what it costs.
fn measured<T>(work: impl Fn() -> T) -> (T, f64) {
    (work(), each(|| drop(work())))
}
