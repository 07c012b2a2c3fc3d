//! Every test of the catalog on a few seeds. `SEED=0x9f3c21aa cargo test -p sim --test catalog` runs that one instead.

use harness::catalog;
use harness::checker::Verdict;
use harness::seed::Seed;
use sim::execute::Case;
use sim::record::replay_line;

const SEEDS: [Seed; 3] = [Seed(0x2a), Seed(0x9f3c21aa), Seed(0xdeadbeef00000001)];

fn seeds() -> Vec<Seed> {
    match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a seed")],
        Err(_) => SEEDS.to_vec(),
    }
}

/// Half a simulated minute of a test, valid.
fn holds(test: &str) {
    for seed in seeds() {
        let mut case = Case::new(catalog::find(test).expect("it is in the catalog"), seed);
        case.options.set("time", "30").expect("a time");
        let line = replay_line(&case);
        println!("{line}");
        let outcome = case.execute().expect("the simulation always runs");
        assert_eq!(outcome.judgement.verdict, Verdict::Valid, "{line}");
        assert!(outcome.judgement.summary.total.ok > 500, "{line}: {}", outcome.judgement.summary);
    }
}

#[test]
fn redis_append() {
    holds("redis-append");
}

#[test]
fn redis_append_calm() {
    holds("redis-append-calm");
}

#[test]
fn redis_append_contended() {
    holds("redis-append-contended");
}

#[test]
fn every_test_of_the_catalog_is_here() {
    let here = ["redis-append", "redis-append-calm", "redis-append-contended"];
    let names: Vec<&str> = catalog::catalog().iter().map(|test| test.name).collect();
    assert_eq!(names, here);
}
