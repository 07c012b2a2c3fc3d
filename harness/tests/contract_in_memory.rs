//! The contract holds on the in-memory cluster: the clauses themselves are sound and can fail.

use bytes::Bytes;
use harness::cluster::NodeId;
use harness::contract;
use harness::in_memory::clock::VirtualClock;
use harness::in_memory::{Answer, InMemory};
use harness::seed::Seed;

fn broken_clauses(cluster: &InMemory, clock: &VirtualClock) -> Vec<(&'static str, String)> {
    let results =
        clock.run(contract::check_all(cluster, Seed(1))).expect("only time is waited for");
    assert_eq!(results.len(), contract::all().len(), "every clause was checked");
    results.into_iter().filter_map(|(name, result)| Some((name, result.err()?))).collect()
}

#[test]
fn every_clause_holds_in_memory() {
    for nodes in [1, 3, 5] {
        let clock = VirtualClock::default();
        let cluster = InMemory::new(nodes, clock.clone());
        assert_eq!(broken_clauses(&cluster, &clock), []);
    }
}

#[test]
fn a_node_that_never_answers_breaks_the_contract() {
    let clock = VirtualClock::default();
    let mute = |node: NodeId, _: &[Bytes]| match node {
        NodeId(2) => Answer::Swallow,
        _ => Answer::Serve,
    };
    let cluster = InMemory::new(3, clock.clone()).scripted(mute);
    let broken = broken_clauses(&cluster, &clock);
    assert!(broken.iter().any(|(name, _)| *name == "every node answers"), "{broken:?}");
    assert!(
        broken.iter().all(|(_, sentence)| sentence.contains("n2 did not answer")),
        "{broken:?}"
    );
}
