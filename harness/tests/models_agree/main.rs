//! The checkers of one property each against twins of their own, against the search for linearizability, and against
//! histories that were mutated.
//!
//! Toy stores are asked at random by several clients, some questions without an answer, some refused; then in some histories one
//! answer is changed. What a twin counts, a checker must count. What a linearizable store did is never accused: whatever a
//! checker calls invalid, the search (which has a brute-force twin elsewhere) must call so, too.
//!
//! `MODEL_HISTORIES` histories of each kind are tried, 50,000 unless it says otherwise.

mod mutations;
mod store;
mod stories;
mod twins;

use harness::checker::bank::BankTotal;
use harness::checker::causal_reverse::CausalReverse;
use harness::checker::counter_bounds::CounterBounds;
use harness::checker::durability::Durability;
use harness::checker::linearizable::Linearizable;
use harness::checker::long_fork::LongFork;
use harness::checker::monotonic::Monotonic;
use harness::checker::set_final::SetFinal;
use harness::checker::set_full::SetFull;
use harness::checker::total_queue::TotalQueue;
use harness::checker::unique_ids::UniqueIds;
use harness::checker::zset_safety::ZsetSafety;
use harness::checker::{Analyse, Checker, Findings, Verdict};
use harness::history::History;
use harness::op::Object;
use harness::seed::{Draw, Seed, Stream};
use store::{Shop, lie, random};
use twins::{Asked, Counts, asked};

fn histories() -> u64 {
    let said = std::env::var("MODEL_HISTORIES").ok();
    said.map_or(50_000, |said| said.parse().expect("MODEL_HISTORIES is a number"))
}

/// A small history of a seed, with a lie in three of five.
fn small(shop: Shop, seed: u64) -> History {
    let mut rng = Seed(seed).stream(Stream::Workload);
    let (questions, clients) = (rng.range(1, 12), rng.range(1, 5));
    let unknown = *rng.pick(&[0, 100, 300]);
    let mut history = random(shop, questions, clients, unknown, &mut rng);
    if rng.chance(0.6) {
        lie(shop, &mut history, &mut rng);
    }
    history
}

fn told(findings: &Findings, history: &History) -> String {
    let events: Vec<String> = history
        .events
        .iter()
        .map(|event| format!("{} {:?} {:?}", event.process, event.kind, event.op))
        .collect();
    format!("{findings:#?}\n{}", events.join("\n"))
}

fn is_invalid(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Invalid(_))
}

/// Anomalies name events that there are, and begin with their names.
fn well_told(findings: &Findings, history: &History) -> bool {
    let Verdict::Invalid(anomalies) = findings.verdict() else { return true };
    anomalies.iter().all(|anomaly| {
        anomaly.text.starts_with(&format!("{}: ", anomaly.name))
            && !anomaly.events.is_empty()
            && anomaly.events.iter().all(|event| *event < history.events.len())
    })
}

/// Compares a checker with its twin, and with the search where the store has an object.
fn agree(
    checker: &dyn Analyse,
    shop: Shop,
    twin: Option<fn(&[Asked]) -> Counts>,
    object: Option<Object>,
) {
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..histories() {
        let history = small(shop, seed);
        let findings = checker.analyse(&history);
        let told = || format!("{shop:?} {seed:#x}: {}", told(&findings, &history));
        assert!(well_told(&findings, &history), "{}", told());
        if let Some(twin) = twin {
            assert_eq!(findings.counts(), &twin(&asked(&history)), "{}", told());
        }
        match findings.verdict() {
            Verdict::Valid => valid += 1,
            Verdict::Unknown(reasons) => assert!(!reasons.is_empty(), "{}", told()),
            Verdict::Invalid(_) => {
                invalid += 1;
                if let Some(object) = object {
                    let linearizable = Linearizable::of(object).check(&history);
                    assert!(is_invalid(&linearizable), "{linearizable:?} {}", told());
                }
            }
        }
    }
    println!("{}: {valid} valid, {invalid} invalid of {}", checker.name(), histories());
    // Were all histories of one kind, agreement would say little.
    assert!(
        valid * 20 > histories() && invalid * 100 > histories(),
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn last_reads_of_sets_are_judged_as_the_twin_judges_them() {
    agree(&SetFinal, Shop::Set, Some(twins::set_final), Some(Object::Set));
}

#[test]
fn sets_are_judged_as_the_twin_judges_them() {
    let checker = SetFull { linearizable: true };
    agree(&checker, Shop::Set, Some(twins::set_full), Some(Object::Set));
}

#[test]
fn a_set_that_does_not_claim_to_be_linearizable_may_be_stale() {
    for seed in 0..histories() {
        let history = small(Shop::Set, seed);
        let mut strict = SetFull { linearizable: true }.analyse(&history).counts().clone();
        strict.remove("stale");
        assert_eq!(SetFull::default().analyse(&history).counts(), &strict, "{seed:#x}");
    }
}

#[test]
fn elements_that_may_have_been_removed_are_not_missed() {
    for seed in 0..histories() {
        let history = small(Shop::ShrinkingSet, seed);
        let all = asked(&history);
        for (checker, counts) in [
            (&SetFinal as &dyn Analyse, twins::set_final(&all)),
            (&SetFull { linearizable: true }, twins::set_full(&all)),
        ] {
            let findings = checker.analyse(&history);
            assert_eq!(findings.counts(), &counts, "{seed:#x} {}", told(&findings, &history));
            if is_invalid(&findings.verdict()) {
                let linearizable = Linearizable::of(Object::Set).check(&history);
                assert!(is_invalid(&linearizable), "{seed:#x} {}", told(&findings, &history));
            }
        }
    }
}

#[test]
fn causality_is_judged_as_the_twin_judges_it() {
    agree(&CausalReverse, Shop::Set, Some(twins::causal_reverse), Some(Object::Set));
}

#[test]
fn queues_are_judged_as_the_twin_judges_them() {
    agree(&TotalQueue, Shop::Queue, Some(twins::total_queue), Some(Object::Queue));
}

#[test]
fn ids_are_judged_as_the_twin_judges_them() {
    agree(&UniqueIds, Shop::Ids, Some(twins::unique_ids), Some(Object::Counter));
}

#[test]
fn bounds_of_counters_are_judged_as_the_twin_judges_them() {
    agree(&CounterBounds, Shop::Counter, Some(twins::counter_bounds), Some(Object::Counter));
    agree(&CounterBounds, Shop::Balance, Some(twins::counter_bounds), Some(Object::Counter));
}

#[test]
fn growth_of_counters_is_judged_as_the_twin_judges_it() {
    agree(&Monotonic::default(), Shop::Counter, Some(twins::monotonic), Some(Object::Counter));
}

#[test]
fn banks_are_judged_as_the_twin_judges_them() {
    let checker =
        BankTotal { accounts: Some((0..3).collect()), total: Some(0), negative_balances: true };
    agree(&checker, Shop::Bank, Some(twins::bank), None);
}

#[test]
fn what_a_bank_infers_is_wrong_too_when_it_is_said() {
    let said =
        BankTotal { accounts: Some((0..3).collect()), total: Some(0), negative_balances: true };
    let inferred = BankTotal { negative_balances: true, ..BankTotal::default() };
    for seed in 0..histories() {
        let history = small(Shop::Bank, seed);
        let findings = inferred.analyse(&history);
        if is_invalid(&findings.verdict()) {
            assert!(is_invalid(&said.check(&history)), "{seed:#x} {}", told(&findings, &history));
        }
    }
}

#[test]
fn forks_are_judged_as_the_twin_judges_them() {
    let (mut forks, mut none) = (0, 0);
    for seed in 0..histories() {
        let history = small(Shop::Group, seed);
        let findings = LongFork.analyse(&history);
        let forked = findings.counts().contains_key("long-fork");
        let all = asked(&history);
        assert_eq!(
            forked,
            !twins::some_order_of_writes(&all),
            "{seed:#x} {}",
            told(&findings, &history)
        );
        assert!(well_told(&findings, &history), "{seed:#x}");
        *(if forked { &mut forks } else { &mut none }) += 1;
    }
    assert!(forks * 200 > histories() && none > 0, "{forks} forks of {}", histories());
}

#[test]
fn sorted_sets_of_two_members_are_judged_as_the_search_judges_them() {
    let checker = ZsetSafety { ordered_ties: false, ..ZsetSafety::default() };
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..histories() {
        let history = small(Shop::Zset, seed);
        let findings = checker.analyse(&history);
        let found = Linearizable::of(Object::Zset).check(&history);
        let told = || format!("{seed:#x} {found:?} {}", told(&findings, &history));
        assert!(well_told(&findings, &history), "{}", told());
        assert_eq!(is_invalid(&findings.verdict()), is_invalid(&found), "{}", told());
        *(if is_invalid(&found) { &mut invalid } else { &mut valid }) += 1;
    }
    assert!(
        valid * 10 > histories() && invalid * 10 > histories(),
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn what_is_wrong_of_two_members_of_a_sorted_set_is_wrong_of_all_of_it() {
    let checker = ZsetSafety { ordered_ties: false, ..ZsetSafety::default() };
    let (mut found, mut missed) = (0, 0);
    for seed in 0..histories() {
        let history = small(Shop::WideZset, seed);
        let findings = checker.analyse(&history);
        let linearizable = !is_invalid(&Linearizable::of(Object::Zset).check(&history));
        match (is_invalid(&findings.verdict()), linearizable) {
            (true, true) => panic!("{seed:#x} {}", told(&findings, &history)),
            (true, false) => found += 1,
            (false, false) => missed += 1,
            (false, true) => {}
        }
    }
    println!("zset-safety: {found} found, {missed} want three members or more");
    assert!(found * 10 > histories() && missed * 50 < found, "{found} found, {missed} missed");
}

#[test]
fn what_is_not_durable_is_not_linearizable() {
    agree(&Durability::default(), Shop::Set, None, Some(Object::Set));
    agree(&Durability::default(), Shop::Register, None, Some(Object::Register));
}

#[test]
fn what_a_store_did_is_never_accused() {
    let bank = BankTotal { negative_balances: true, ..BankTotal::default() };
    let checkers: [(&dyn Analyse, Shop); 12] = [
        (&SetFinal, Shop::Set),
        (&SetFull { linearizable: true }, Shop::Set),
        (&CausalReverse, Shop::Set),
        (&Durability::default(), Shop::Set),
        (&Durability::default(), Shop::Register),
        (&TotalQueue, Shop::Queue),
        (&UniqueIds, Shop::Ids),
        (&CounterBounds, Shop::Balance),
        (&Monotonic::default(), Shop::Counter),
        (&bank, Shop::Bank),
        (&LongFork, Shop::Group),
        (&ZsetSafety::default(), Shop::Zset),
    ];
    for (checker, shop) in checkers {
        for seed in 0..histories() / 100 {
            let mut rng = Seed(seed).stream(Stream::Workload);
            let history = random(shop, 150, 4, *rng.pick(&[0, 10]), &mut rng);
            let findings = checker.analyse(&history);
            let told = || format!("{shop:?} {seed:#x} {}", told(&findings, &history));
            assert!(!is_invalid(&findings.verdict()), "{}", told());
        }
    }
}

#[test]
fn an_empty_history_says_nothing() {
    let history = History::default();
    let checkers: [&dyn Analyse; 12] = [
        &SetFinal,
        &SetFull::default(),
        &CausalReverse,
        &Durability::default(),
        &TotalQueue,
        &UniqueIds,
        &CounterBounds,
        &Monotonic::default(),
        &BankTotal::default(),
        &LongFork,
        &ZsetSafety::default(),
        &harness::checker::function_stats::FunctionStats,
    ];
    for checker in checkers {
        let verdict = checker.analyse(&history).verdict();
        assert!(matches!(verdict, Verdict::Unknown(_)), "{}: {verdict:?}", checker.name());
    }
}
