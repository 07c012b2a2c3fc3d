//! What referees judged is read strictly, too: nothing that Elle's generators or etcd's tests wrote is refused for what no process
//! can have done. The data stand outside the repository (`GOLDEN_DIR`, or `../shared/golden` beside it); without them every test says
//! SKIP and passes, unless `GOLDEN_REQUIRED=1`.

use flate2::read::GzDecoder;
use harness::interchange::{self, Alphabet, Format};
use harness::op::Object;
use std::io::Read;
use std::path::PathBuf;

/// A folder of the golden data, if they are there.
fn folder(name: &str) -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let golden = std::env::var("GOLDEN_DIR").unwrap_or(beside.to_string());
    let folder = PathBuf::from(golden).join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("GOLDEN_REQUIRED").is_ok_and(|required| required == "1");
    assert!(!required, "GOLDEN_REQUIRED=1, but {} is no directory", folder.display());
    println!("SKIP: there are no golden data (GOLDEN_DIR)");
    None
}

/// The files of a folder whose names end so, in order.
fn files(folder: &str, ending: &str) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = folder_entries(folder) else { return Vec::new() };
    let named = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        name.ends_with(ending).then(|| (name, std::fs::read(path).expect("it is there")))
    };
    let files: Vec<(String, Vec<u8>)> = folder.into_iter().filter_map(named).collect();
    assert!(!files.is_empty(), "there is nothing that ends with {ending}");
    files
}

fn folder_entries(name: &str) -> Option<Vec<PathBuf>> {
    let entries = folder(name)?.read_dir().expect("it is a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it is there").path()).collect();
    paths.sort();
    Some(paths)
}

fn alphabet(name: &str) -> Alphabet {
    if name.starts_with("rw") { Alphabet::Registers } else { Alphabet::Lists }
}

fn strict(name: &str, edn: &[u8]) {
    let strict = interchange::read_strictly(edn, Some(Format::Edn), alphabet(name));
    let events = strict.map(|imported| imported.history.events.len());
    assert!(events.as_ref().is_ok_and(|events| *events > 0), "{name}: {events:?}");
}

#[test]
fn what_simulated_databases_wrote_is_sound() {
    for (name, edn) in files("elle/sim", ".edn") {
        strict(&name, &edn);
    }
}

#[test]
fn what_elles_generators_wrote_is_sound() {
    for (name, packed) in files("elle/fuzz", "-fuzz.edn.gz") {
        let mut text = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("it is packed text");
        for (number, line) in text.lines().enumerate() {
            strict(&format!("{name}, line {}", number + 1), line.as_bytes());
        }
    }
}

#[test]
fn what_etcds_tests_logged_is_sound() {
    for (name, log) in files("porcupine/jepsen", ".log") {
        let strict = interchange::read_calls_strictly(&log, None, Object::CasRegister);
        assert!(strict.is_ok(), "{name}: {strict:?}");
    }
}
