//! The contract holds on the in-memory cluster: the clauses themselves are sound and can fail.

use bytes::Bytes;
use futures_util::future::{LocalBoxFuture, ready};
use harness::cluster::{Artifacts, Clock, Cluster, Connection, FaultError, NodeId};
use harness::contract;
use harness::fault::{Fault, FaultKind};
use harness::in_memory::clock::VirtualClock;
use harness::in_memory::{Answer, InMemory};
use harness::seed::Seed;
use std::io;

fn broken_clauses(cluster: &dyn Cluster, clock: &VirtualClock) -> Vec<(&'static str, String)> {
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

/// A cluster that says it did what it did not do.
struct Pretends {
    inner: InMemory,
    ignores: fn(&Fault) -> bool,
}

impl Cluster for Pretends {
    fn nodes(&self) -> &[NodeId] {
        self.inner.nodes()
    }

    fn clock(&self) -> &dyn Clock {
        self.inner.clock()
    }

    fn supports(&self, kind: FaultKind) -> bool {
        self.inner.supports(kind)
    }

    fn set_up(&self, seed: Seed) -> LocalBoxFuture<'_, io::Result<()>> {
        self.inner.set_up(seed)
    }

    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>> {
        self.inner.connect(node)
    }

    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>> {
        if (self.ignores)(fault) { Box::pin(ready(Ok(()))) } else { self.inner.inject(fault) }
    }

    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>> {
        self.inner.leaders()
    }

    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts> {
        self.inner.tear_down()
    }
}

#[test]
fn a_cluster_that_slows_nobody_or_never_ends_it_breaks_the_contract() {
    let pretends: [(fn(&Fault) -> bool, &str); 2] = [
        (
            |fault| matches!(fault, Fault::Slow { .. }),
            "slowed by 1.5s, n1 answered after 1ms on an old",
        ),
        (|fault| *fault == Fault::Fast, "n1 is not slowed and for 30s took"),
    ];
    for (ignores, sentence) in pretends {
        let clock = VirtualClock::default();
        let cluster = Pretends { inner: InMemory::new(3, clock.clone()), ignores };
        let broken = broken_clauses(&cluster, &clock);
        let [(name, said)] = &broken[..] else { panic!("one clause is broken, not {broken:?}") };
        assert!(
            name.starts_with("a slowed node answers late") && said.contains(sentence),
            "{said}"
        );
    }
}
