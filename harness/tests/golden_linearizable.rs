//! The linearizability checker against Porcupine's verdicts (anishathalye/porcupine at 55508eb) on histories that are not
//! ours: the logs of Jepsen's etcd tests of 2014, and a store of strings with one, ten and fifty clients.
//!
//! The data stand outside the repository: `GOLDEN_DIR`, or `../shared/golden` beside it. Without them every
//! test says SKIP and passes, unless `GOLDEN_REQUIRED=1`.
//!
//! One log of the 103 is empty. Porcupine calls it linearizable; here it is unknown, since it tests nothing.

use harness::checker::Verdict;
use harness::checker::linearizable::model::Model;
use harness::checker::linearizable::{Caps, FailedCas, Found, Linearizable, Operation, search};
use harness::history::History;
use harness::interchange::{self, CallFormat};
use harness::op::Object;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn porcupine() -> Option<PathBuf> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/golden");
    let golden = std::env::var("GOLDEN_DIR").unwrap_or(beside.to_string());
    let porcupine = PathBuf::from(golden).join("porcupine");
    if porcupine.is_dir() {
        return Some(porcupine);
    }
    let required = std::env::var("GOLDEN_REQUIRED").is_ok_and(|required| required == "1");
    assert!(!required, "GOLDEN_REQUIRED=1, but {} is no directory", porcupine.display());
    None
}

fn bytes(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// File and verdict of every row with that model.
fn rows(porcupine: &std::path::Path, model: &str) -> Vec<(String, String)> {
    let table = String::from_utf8(bytes(porcupine.join("verdicts.tsv"))).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let of_model = rows.filter(|row| row[1] == model);
    of_model.map(|row| (row[0].to_owned(), row[5].to_owned())).collect()
}

#[test]
fn every_log_of_etcd_gets_porcupines_verdict() {
    let Some(porcupine) = porcupine() else {
        println!("SKIP every_log_of_etcd_gets_porcupines_verdict: no golden data (GOLDEN_DIR)");
        return;
    };
    let observing =
        Linearizable { failed_cas: FailedCas::Observed, ..Linearizable::of(Object::CasRegister) };
    let rows = rows(&porcupine, "cas-register");
    assert_eq!(rows.len(), 103);
    let mut jepsens_differ = 0;
    for (file, expected) in rows {
        let log = bytes(porcupine.join(&file));
        let history = interchange::read_calls(&log, None, Object::CasRegister).unwrap().history;
        let said = interchange::read_calls(&log, Some(CallFormat::EtcdLog), Object::CasRegister);
        assert_eq!(said.unwrap().history, history);
        let verdict = judged(&observing, &history);
        match (expected.as_str(), log.is_empty()) {
            ("Ok", false) => assert_eq!(verdict, "valid", "{file}"),
            ("Ok", true) => assert_eq!(verdict, "unknown", "{file}"),
            _ => assert_eq!(verdict, "invalid", "{file}"),
        }
        // What is illegal without the observations is illegal with them.
        let jepsens = judged(&Linearizable::of(Object::CasRegister), &history);
        assert!(jepsens == verdict || expected == "Illegal", "{file}");
        jepsens_differ += usize::from(jepsens != verdict);
    }
    println!("in {jepsens_differ} of 103 logs only a failed cas shows what is wrong");
}

/// The verdict, once every anomaly has been looked at.
fn judged(checker: &Linearizable, history: &History) -> &'static str {
    let verdict = checker.analyse(history).verdict;
    if let Verdict::Invalid(anomalies) = &verdict {
        for anomaly in anomalies {
            assert!(anomaly.text.starts_with("nonlinearizable: key 0"), "{}", anomaly.text);
            assert!(!anomaly.events.is_empty());
            assert!(anomaly.events.iter().all(|event| *event < history.events.len()));
        }
    }
    verdict.name()
}

/// What a client asks of one string.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Get(String),
    Put(String),
    Append(String),
}

/// One string, empty at first.
struct Text;

impl Model<Asked> for Text {
    type State = String;

    fn initial(&self) -> String {
        String::new()
    }

    fn step(&self, state: &String, asked: &Asked) -> Option<String> {
        match asked {
            Asked::Get(seen) => (seen == state).then(|| state.clone()),
            Asked::Put(text) => Some(text.clone()),
            Asked::Append(text) => Some(format!("{state}{text}")),
        }
    }

    fn is_pure(&self, asked: &Asked) -> bool {
        matches!(asked, Asked::Get(_))
    }

    fn words(&self, state: &String) -> String {
        format!("{state:?}")
    }
}

/// Every order of appends is another string: where the deep search does not find one, nothing will.
const CAPS: Caps = Caps { narrow: 2000, deep: 100_000, configurations: 2000, visited: u64::MAX };

/// Parses `{:process 9, :type :invoke, :f :append, :key "0", :value "x 9 0 y"}`, whose strings hold no quotes.
fn strings(text: &str) -> BTreeMap<String, Vec<Operation<Asked>>> {
    let mut operations: BTreeMap<String, Vec<Operation<Asked>>> = BTreeMap::new();
    let mut open: BTreeMap<&str, (String, usize)> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let field = |name: &str| line.split_once(name).unwrap().1.split([',', '}']).next().unwrap();
        let quoted: Vec<&str> = line.split('"').collect();
        let value = quoted.get(3).copied().unwrap_or_default().to_owned();
        let what = match field(":f ") {
            ":get" => Asked::Get(value),
            ":put" => Asked::Put(value),
            ":append" => Asked::Append(value),
            other => panic!("{other}"),
        };
        let process = field(":process ");
        if field(":type ") == ":invoke" {
            let of_key = operations.entry(quoted[1].to_owned()).or_default();
            open.insert(process, (quoted[1].to_owned(), of_key.len()));
            of_key.push(Operation { what, invoked: index, returned: None });
        } else {
            let (key, place) = open.remove(process).unwrap();
            let operation = &mut operations.get_mut(&key).unwrap()[place];
            (operation.what, operation.returned) = (what, Some(index));
        }
    }
    assert!(open.is_empty());
    operations
}

#[test]
fn every_store_of_strings_gets_porcupines_verdict() {
    let Some(porcupine) = porcupine() else {
        println!(
            "SKIP every_store_of_strings_gets_porcupines_verdict: no golden data (GOLDEN_DIR)"
        );
        return;
    };
    let rows = rows(&porcupine, "kv-partitioned");
    assert_eq!(rows.len(), 6);
    for (file, expected) in rows {
        let text = String::from_utf8(bytes(porcupine.join(&file))).unwrap();
        let found = strings(&text).into_values().map(|of_key| search(&Text, &of_key, &CAPS));
        let found: Vec<Found> = found.collect();
        // Porcupine looks no further than the first key that is wrong: others of that file may be hard.
        let illegal = found.iter().any(|found| matches!(found, Found::Stuck(_)));
        let legal = found.iter().all(|found| *found == Found::Linearizable);
        assert_eq!((legal, illegal), (expected == "Ok", expected == "Illegal"), "{file}");
    }
}
