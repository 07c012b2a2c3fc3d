//! The rw-register checker against Elle's verdicts (jepsen-io/elle at ccdee6f) on histories that are not ours.
//!
//! `valid?`, `not` and `also-not` must agree, with these exceptions, each counted and bounded:
//! - Elle is silent about values that nobody wrote and about reads of a transaction's own later write: such
//!   histories are compared by their other types;
//! - Elle gives crashed writes no edges, we do once they were read: there ours may be the stricter verdict, and
//!   never the weaker; where the brute-force twin can tell, it agrees with the stricter one;
//! - Elle's linearizable-keys alone looks at neighbouring operations, so that one that reads and writes hides
//!   what was before it: there we may find cyclic versions that Elle finds only with all rules together;
//! - a value written twice is an exception in Elle or a finding about its reader; with us it is `Unknown`.
//!
//! Types agree in part by nature, see `golden_list_append`: their disagreements are counted and bounded.

use elle::{inner, is_cycle, json_lines, text};
use harness::checker::rw_register::{Inference, OrderHint, analyse, analyse_prohibiting};
use harness::checker::transactional::{AnomalyType, EMPTY_GRAPH, Model, Report, Validity};
use harness::history::{History, Kind};
use harness::interchange::Alphabet;
use harness::op::{Held, Key, RegisterMop, Value};
use registers::serializable;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[path = "golden/elle.rs"]
#[macro_use]
mod elle;
#[path = "twin/registers.rs"]
mod registers;
#[path = "twin/serial.rs"]
mod serial;

fn history(edn: &str) -> History {
    elle::history(edn, Alphabet::Registers)
}

/// What `model+wfr`, `+seq`, `+lin` and `+all` stand for.
fn option_set(name: &str) -> (Model, Inference) {
    let (model, rules) = name.split_once('+').unwrap_or((name, ""));
    let has = |rule: &str| rules == rule || rules == "all";
    assert!(["", "wfr", "seq", "lin", "all"].contains(&rules), "{name}");
    let inference = Inference {
        wfr_keys: has("wfr"),
        sequential_keys: has("seq"),
        linearizable_keys: has("lin"),
    };
    (model.parse().unwrap(), inference)
}

/// Types that Elle does not have for registers.
const OURS: [AnomalyType; 2] = [AnomalyType::GarbageRead, AnomalyType::FutureRead];

fn word(validity: &Validity) -> &'static str {
    match validity {
        Validity::True => "true",
        Validity::False => "false",
        Validity::Unknown(_) => "unknown",
    }
}

/// Agreements and disagreements with Elle.
#[derive(Default)]
struct Tally {
    checks: usize,
    wrong: Vec<String>,
    types_differ: Vec<String>,
    /// With types that Elle does not have.
    ours_alone: usize,
    /// Stricter than Elle, because of a crashed write that was read.
    stricter: usize,
    /// Cyclic versions that Elle finds by all rules only.
    nothing_hidden: usize,
}

impl Tally {
    /// `all` is what Elle says with every rule.
    fn compare(
        &mut self,
        what: &str,
        history: &History,
        report: &Report,
        (elle, all): (&Json, Option<&Json>),
    ) {
        self.checks += 1;
        let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
        let same = word(&report.valid) == elle::validity(elle)
            && set(&report.not) == elle::strings(&elle["not"])
            && set(&report.also_not) == elle::strings(&elle["also-not"]);
        if elle_is_blind(history) {
            self.compare_without_ours(what, report, elle);
        } else if crashed_write_was_read(history) && !(same && same_direct_types(report, elle)) {
            self.stricter += 1;
            let alarm = report.valid == Validity::False && elle::validity(elle) != "false";
            let refuted =
                alarm && twin_order(what).is_some_and(|realtime| serializable(history, realtime));
            if refuted || !rules_out_as_much(report, elle) || loosened(&report.valid, elle) {
                self.wrong(what, report, elle);
            }
        } else if same {
            self.compare_types(what, report, elle);
        } else if cyclic(report)
            && all.is_some_and(|all| elle_is_cyclic(all) && !elle_is_cyclic(elle))
        {
            self.nothing_hidden += 1;
        } else {
            self.wrong(what, report, elle);
        }
    }

    fn wrong(&mut self, what: &str, report: &Report, elle: &Json) {
        let (valid, not, types) = (word(&report.valid), &report.not, &report.anomaly_types);
        self.wrong.push(format!("{what}: {valid} not {not:?} {types:?}\n   elle {elle}"));
    }

    /// Elle is blind to some types: without them the others must say what Elle says.
    fn compare_without_ours(&mut self, what: &str, report: &Report, elle: &Json) {
        self.ours_alone += 1;
        if elle::validity(elle) == "false" && report.valid == Validity::False {
            // Elle orders a value before itself where its own transaction read it: edges that are none.
            if !rules_out_as_much(report, elle) {
                self.wrong(what, report, elle);
            }
            return;
        }
        let mut report = report.clone();
        report.anomaly_types.retain(|name| OURS.iter().all(|ours| ours.name() != name));
        let valid = match &report.anomaly_types[..] {
            [] => "true",
            [only] if only == EMPTY_GRAPH => "unknown",
            _ => "false",
        };
        if valid != elle::validity(elle) {
            self.wrong(what, &report, elle);
        } else {
            self.compare_types(what, &report, elle);
        }
    }

    fn compare_types(&mut self, what: &str, report: &Report, elle: &Json) {
        let ours: BTreeSet<String> = report.anomaly_types.iter().cloned().collect();
        let (expected, incomplete) = elle::types(elle);
        if !same_direct_types(report, elle) {
            self.wrong(what, report, elle);
        } else if ours != expected && (!incomplete || ours.is_subset(&expected)) {
            self.types_differ.push(format!("{what}: {ours:?}, elle {expected:?}"));
        }
    }

    fn assert(self, name: &str, bounds: Bounds) {
        println!(
            "{name}: {} checks, {} wrong, {} with types of ours alone, {} stricter by crashed writes, {} with \
             nothing hidden, {} with other types",
            self.checks,
            self.wrong.len(),
            self.ours_alone,
            self.stricter,
            self.nothing_hidden,
            self.types_differ.len()
        );
        self.types_differ.iter().take(20).for_each(|line| println!("  types {line}"));
        self.wrong.iter().take(20).for_each(|line| println!("  wrong {line}"));
        assert!(self.checks > 0);
        assert_eq!(self.wrong.len(), 0);
        let counted =
            [self.ours_alone, self.stricter, self.nothing_hidden, self.types_differ.len()];
        let Bounds { ours_alone, stricter, nothing_hidden, types_differ } = bounds;
        assert_eq!(counted, [ours_alone, stricter, nothing_hidden, types_differ]);
    }
}

/// How many checks differ for which reason.
#[derive(Default)]
struct Bounds {
    ours_alone: usize,
    stricter: usize,
    nothing_hidden: usize,
    types_differ: usize,
}

/// Whether real time counts for the twin, where its model implies the rules of an option set.
fn twin_order(what: &str) -> Option<bool> {
    let options = what.rsplit(' ').next().unwrap_or_default();
    match options {
        "serializable" | "serializable+wfr" => Some(false),
        strict if strict.starts_with("strict-serializable") => Some(true),
        _ => None,
    }
}

/// Whether a successful transaction read what one of unknown outcome wrote.
fn crashed_write_was_read(history: &History) -> bool {
    let crashed = history.events.iter().filter(|event| event.kind == Kind::Info);
    let crashed = crashed.flat_map(|event| event.op.register_mops());
    let crashed: BTreeSet<_> = crashed.filter_map(written_by).collect();
    let ok = history.events.iter().filter(|event| event.kind == Kind::Ok);
    ok.flat_map(|event| event.op.register_mops()).any(|mop| match mop {
        RegisterMop::Read { key, value: Held::Value(value) } => crashed.contains(&(*key, *value)),
        _ => false,
    })
}

/// Whether a successful transaction read what nobody wrote, or what itself wrote only later.
fn elle_is_blind(history: &History) -> bool {
    let written: BTreeSet<_> =
        history.events.iter().flat_map(|e| e.op.register_mops()).filter_map(written_by).collect();
    let ok = history.events.iter().filter(|event| event.kind == Kind::Ok);
    let reads = ok.flat_map(|event| {
        let mops = event.op.register_mops();
        mops.iter().enumerate().map(move |(i, mop)| (mop, &mops[i..]))
    });
    reads.into_iter().any(|(mop, later)| match mop {
        RegisterMop::Read { key, value: Held::Value(value) } => {
            let wanted = (*key, *value);
            !written.contains(&wanted) || later.iter().any(|mop| written_by(mop) == Some(wanted))
        }
        _ => false,
    })
}

fn written_by(mop: &RegisterMop) -> Option<(Key, Value)> {
    match mop {
        RegisterMop::Write { key, value } => Some((*key, *value)),
        RegisterMop::Read { .. } => None,
    }
}

fn cyclic(report: &Report) -> bool {
    report.counts.contains_key(AnomalyType::CyclicVersions.name())
}

fn elle_is_cyclic(verdict: &Json) -> bool {
    elle::types(verdict).0.contains(AnomalyType::CyclicVersions.name())
}

/// Whether every model that Elle rules out is ruled out.
fn rules_out_as_much(report: &Report, elle: &Json) -> bool {
    let ours: BTreeSet<&String> = report.not.iter().chain(&report.also_not).collect();
    let mut elles = elle::strings(&elle["not"]);
    elles.extend(elle::strings(&elle["also-not"]));
    elles.iter().all(|model| ours.contains(model))
}

/// Whether we find less wrong than Elle does.
fn loosened(valid: &Validity, elle: &Json) -> bool {
    elle::validity(elle) == "false" && *valid != Validity::False
}

/// Whether both find the same without a cycle of transactions.
fn same_direct_types(report: &Report, elle: &Json) -> bool {
    let direct = |name: &&String| !is_cycle(name);
    let ours: BTreeSet<&String> = report.anomaly_types.iter().filter(direct).collect();
    let (elles, _) = elle::types(elle);
    ours == elles.iter().filter(direct).collect()
}

fn compare_option_sets(tally: &mut Tally, what: &str, edn: &str, verdicts: &Json) {
    let history = history(edn);
    for (name, verdict) in verdicts.as_object().unwrap() {
        if verdict.get("valid?").is_some() {
            let (model, inference) = option_set(name);
            let report = analyse(&history, model, inference);
            let all =
                name.strip_suffix("+lin").and_then(|model| verdicts.get(format!("{model}+all")));
            tally.compare(&format!("{what} {name}"), &history, &report, (verdict, all));
        }
    }
}

/// Elle: an exception, and an intermediate read that need not be one.
const WRITTEN_TWICE: [&str; 2] = ["duplicate-write-input", "duplicate-write-same-txn-ok"];

#[test]
fn hand_written_cases_get_elles_verdict_under_every_option_set() {
    let elle = golden!("hand_written_cases_get_elles_verdict_under_every_option_set");
    let cases = text(elle.join("cases/rw-cases.edn"));
    let verdicts = json_lines(&text(elle.join("cases/rw-cases.verdicts.jsonl")));
    assert_eq!((cases.lines().count(), verdicts.len()), (33, 33));
    let mut tally = Tally::default();
    for (case, verdict) in cases.lines().zip(&verdicts) {
        let name = case.split('"').nth(1).unwrap();
        if WRITTEN_TWICE.contains(&name) {
            is_doubted(inner(case), verdict);
        } else {
            compare_option_sets(&mut tally, name, inner(case), verdict);
        }
    }
    tally.assert(
        "cases",
        Bounds { ours_alone: 40, stricter: 38, types_differ: 2, ..Bounds::default() },
    );
}

/// Unknown under every option set, since a value was written twice.
fn is_doubted(edn: &str, verdicts: &Json) {
    let history = history(edn);
    for name in verdicts.as_object().unwrap().keys().filter(|name| *name != "i" && *name != "name")
    {
        let (model, inference) = option_set(name);
        let report = analyse(&history, model, inference);
        let said = |reason: &String| reason.contains("must be written once");
        assert!(matches!(&report.valid, Validity::Unknown(reason) if said(reason)), "{report:#?}");
    }
}

#[test]
fn a_thousand_random_histories_get_elles_verdict_under_every_option_set() {
    let elle = golden!("a_thousand_random_histories_get_elles_verdict_under_every_option_set");
    let histories = text(elle.join("fuzz/rw-fuzz.edn.gz"));
    let verdicts = json_lines(&text(elle.join("fuzz/rw-fuzz.verdicts.jsonl.gz")));
    assert_eq!((histories.lines().count(), verdicts.len()), (1000, 1000));
    let mut tally = Tally::default();
    for (i, (line, verdict)) in histories.lines().zip(&verdicts).enumerate() {
        compare_option_sets(&mut tally, &i.to_string(), line, verdict);
    }
    assert_eq!(tally.checks, 20_000);
    tally.assert(
        "fuzz",
        Bounds { ours_alone: 120, stricter: 159, nothing_hidden: 4, types_differ: 6 },
    );
}

fn compare_files(folder: &str, tally: &mut Tally) {
    let entries = std::fs::read_dir(elle::folder().unwrap().join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.to_string_lossy().ends_with(".verdict.json")) {
        let verdict: Json = serde_json::from_str(&text(path.clone())).unwrap();
        if verdict["checker"] == "rw-register" {
            let file = verdict["file"].as_str().unwrap();
            let edn = text(path.with_file_name(file));
            compare_option_sets(tally, file, &edn, &verdict["results"]);
        }
    }
}

#[test]
fn clean_histories_with_crashes_and_failures_get_elles_verdict() {
    golden!("clean_histories_with_crashes_and_failures_get_elles_verdict");
    let mut tally = Tally::default();
    compare_files("sim", &mut tally);
    tally.assert("sim", Bounds::default());
}

#[test]
fn elle_clis_history_gets_elles_verdict() {
    golden!("elle_clis_history_gets_elles_verdict");
    let mut tally = Tally::default();
    compare_files("upstream", &mut tally);
    tally.assert("upstream", Bounds { ours_alone: 20, ..Bounds::default() });
}

/// Elle's `:transaction-order`: from the index of a completion to its number.
fn hint(options: &Json) -> Option<OrderHint> {
    let order = options.get("transaction-order")?.as_object()?;
    let pair =
        |(index, number): (&String, &Json)| (index.parse().unwrap(), number.as_u64().unwrap());
    Some(OrderHint(order.iter().map(pair).collect::<BTreeMap<usize, u64>>()))
}

#[test]
fn histories_of_elles_unit_tests_get_elles_verdict() {
    let elle = golden!("histories_of_elles_unit_tests_get_elles_verdict");
    let lattice: Json = serde_json::from_str(&text(elle.join("lattice-anomalies.json"))).unwrap();
    let histories = text(elle.join("upstream/rw-from-elle-tests.edn"));
    let verdicts = json_lines(&text(elle.join("upstream/rw-from-elle-tests.verdicts.jsonl")));
    assert_eq!((histories.lines().count(), verdicts.len()), (29, 29));
    let mut tally = Tally::default();
    for (i, (line, verdict)) in histories.lines().zip(&verdicts).enumerate() {
        let options = &verdict["opts"];
        let history = history(inner(line));
        let has = |rule: &str| options[rule] == true;
        let inference = Inference {
            wfr_keys: has("wfr-keys?"),
            sequential_keys: has("sequential-keys?"),
            linearizable_keys: has("linearizable-keys?"),
        };
        let prohibited = elle::prohibited(&lattice, options);
        let hint = hint(options);
        let report = analyse_prohibiting(&history, prohibited, inference, hint.as_ref());
        match i {
            // Elle refuses a mix of integer classes, which only the JVM has. Nobody wrote what is read.
            7 => assert_eq!(report.anomaly_types, [EMPTY_GRAPH, "garbage-read"]),
            // Two invocations by one process at once: later versions of Elle refuse it, as we do.
            12 => {
                let refused = |r: &String| r.contains("a process asks one thing at a time");
                assert!(matches!(&report.valid, Validity::Unknown(reason) if refused(reason)));
            }
            _ => tally.compare(&i.to_string(), &history, &report, (&verdict["given"], None)),
        }
    }
    tally.assert("unit tests", Bounds { ours_alone: 9, ..Bounds::default() });
}

#[test]
fn clean_histories_are_valid_by_every_rule() {
    let elle = golden!("clean_histories_are_valid_by_every_rule");
    for (size, count) in [("1k", 1_000), ("10k", 10_000), ("100k", 100_000)] {
        let history = history(&text(elle.join(format!("perf/rw-clean-{size}.edn.gz"))));
        for rules in ["", "+wfr", "+seq", "+lin", "+all"] {
            let (model, inference) = option_set(&format!("strict-serializable{rules}"));
            let report = analyse(&history, model, inference);
            assert_eq!(report.valid, Validity::True, "{size}{rules} {:#?}", report.anomalies);
            assert_eq!(report.coverage.ok, count);
            assert!(
                report.coverage.observed * 3 > report.coverage.written,
                "{:?}",
                report.coverage
            );
        }
    }
}
