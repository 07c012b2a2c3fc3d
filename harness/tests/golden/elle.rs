//! Elle's histories and verdicts (jepsen-io/elle at ccdee6f), as they stand outside the repository: `GOLDEN_DIR`,
//! or `../shared/golden` beside it. Without them every test says SKIP and passes, unless `GOLDEN_REQUIRED=1`.

use flate2::read::GzDecoder;
use harness::checker::transactional::{AnomalySet, AnomalyType, Model};
use harness::history::History;
use harness::interchange::{self, Alphabet, Format};
use serde_json::Value as Json;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

/// Where they are.
pub fn folder() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let golden = std::env::var("GOLDEN_DIR").unwrap_or(beside.to_string());
    let elle = PathBuf::from(golden).join("elle");
    if elle.is_dir() {
        return Some(elle);
    }
    let required = std::env::var("GOLDEN_REQUIRED").is_ok_and(|required| required == "1");
    assert!(!required, "GOLDEN_REQUIRED=1, but {} is no directory", elle.display());
    None
}

/// The data, or a word about why there are none.
macro_rules! golden {
    ($test:literal) => {
        match elle::folder() {
            Some(elle) => elle,
            None => {
                println!("SKIP {}: there are no golden data (GOLDEN_DIR)", $test);
                return;
            }
        }
    };
}

/// What a file says, unpacked.
pub fn text(path: PathBuf) -> String {
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut text = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        return text;
    }
    String::from_utf8(bytes).unwrap()
}

/// The history of `{:name … :history [..]}`.
pub fn inner(line: &str) -> &str {
    let (_, rest) = line.split_once(":history ").unwrap();
    rest.trim_end().strip_suffix('}').unwrap()
}

/// An object a line.
pub fn json_lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// An array of strings.
pub fn strings(json: &Json) -> BTreeSet<String> {
    let items = json.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().map(|item| item.as_str().unwrap().to_string()).collect()
}

/// Reads a history.
pub fn history(edn: &str, alphabet: Alphabet) -> History {
    interchange::read(edn.as_bytes(), Some(Format::Edn), alphabet)
        .unwrap_or_else(|error| panic!("{error}"))
        .history
}

/// `true`, `false`, `unknown` or `exception`.
pub fn validity(verdict: &Json) -> String {
    match &verdict["valid?"] {
        Json::Bool(valid) => valid.to_string(),
        other => other.as_str().unwrap().to_string(),
    }
}

/// Elle's types; and whether it found no cycle of a type that it knows must exist, or time ran out.
pub fn types(verdict: &Json) -> (BTreeSet<String>, bool) {
    let all = strings(&verdict["anomaly-types"]);
    let count = all.len();
    let found = |t: &String| !t.ends_with("-cycle-exists") && t != "cycle-search-timeout";
    let types: BTreeSet<String> = all.into_iter().filter(found).collect();
    let incomplete = types.len() < count;
    (types, incomplete)
}

/// Whether an anomaly is a cycle of transactions.
pub fn is_cycle(name: &str) -> bool {
    ["G0", "G1c", "G-", "G2"].iter().any(|family| name.starts_with(family))
}

/// Elle's `:anomalies` option: all that imply one of these.
fn implying(lattice: &Json, names: &BTreeSet<String>) -> AnomalySet {
    let implies =
        |anomaly: &AnomalyType| !strings(&lattice[anomaly.name()]["implies"]).is_disjoint(names);
    AnomalyType::ALL.into_iter().filter(implies).collect()
}

/// What a unit test of Elle's looks for: its models (without the option, strict serializability) and more.
pub fn prohibited(lattice: &Json, options: &Json) -> AnomalySet {
    let models = match options.get("consistency-models") {
        None => BTreeSet::from(["strict-serializable".to_string()]),
        Some(models) => strings(models),
    };
    let models = models.iter().map(|model| model.parse::<Model>().unwrap().prohibits());
    let extra = implying(lattice, &strings(&options["anomalies"]));
    models.fold(extra, AnomalySet::union)
}
