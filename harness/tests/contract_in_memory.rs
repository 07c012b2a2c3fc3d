//! The contract holds on the in-memory cluster: the clauses themselves are sound and can fail.

use bytes::Bytes;
use futures_util::future::{LocalBoxFuture, ready};
use harness::cluster::{Artifacts, Clock, Cluster, Connection, FaultError, NodeId};
use harness::contract;
use harness::fault::{DiskTrouble, Fault, FaultKind, Impairment, Sort, Way};
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

/// A cluster that says it did what it did not do: nothing, or something else.
struct Pretends {
    inner: InMemory,
    instead: fn(&Fault) -> Option<Fault>,
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

    fn steps(&self) -> Vec<String> {
        self.inner.steps()
    }

    fn set_up(&self, seed: Seed) -> LocalBoxFuture<'_, io::Result<()>> {
        self.inner.set_up(seed)
    }

    fn connect(&self, node: NodeId) -> LocalBoxFuture<'_, io::Result<Connection>> {
        self.inner.connect(node)
    }

    fn inject<'a>(&'a self, fault: &'a Fault) -> LocalBoxFuture<'a, Result<(), FaultError>> {
        let Some(fault) = (self.instead)(fault) else { return Box::pin(ready(Ok(()))) };
        Box::pin(async move { self.inner.inject(&fault).await })
    }

    fn leaders(&self) -> LocalBoxFuture<'_, Vec<NodeId>> {
        self.inner.leaders()
    }

    fn tear_down(&self) -> LocalBoxFuture<'_, Artifacts> {
        self.inner.tear_down()
    }
}

#[test]
fn a_cluster_that_pretends_breaks_the_contract() {
    let slow = "a slowed node answers late, and promptly again when it is fast";
    let reboot = "a rebooted node refuses or is silent until it is restarted";
    let flaky = "flaky links between nodes lose nothing of a client's";
    let throttle = "throttled links between nodes hold up no client";
    let membership = "the group goes on without a removed node";
    let pretends: [(fn(&Fault) -> Option<Fault>, &str, &str); 17] = [
        (
            |fault| Some(fault.clone()).filter(|fault| fault.kind() != Some(FaultKind::IoError)),
            "a node whose disk fails is gone",
            "n1 answered status `PONG` on an old connection during `disk of n1 fails after 3 calls`",
        ),
        (
            |fault| match fault {
                Fault::SpoilDisk { node, how: DiskTrouble::ShortReads } => {
                    Some(Fault::SpoilDisk { node: *node, how: DiskTrouble::Full })
                }
                other => Some(other.clone()),
            },
            "a node whose disk reads short answers",
            "during `disk of n1 reads short`: n1 did not answer within 30s",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::HoldCeiling { .. })),
            "under a held ceiling writes are refused",
            "no write was refused for it",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::Transfer(_))),
            "who is handed leadership leads",
            "n2 was to lead, but [NodeId(1)] lead",
        ),
        (
            |fault| match fault {
                Fault::Remove(_) => Some(Fault::Kill(NodeId(2))),
                Fault::Join(_) => Some(Fault::Restart(NodeId(2))),
                other => Some(other.clone()),
            },
            membership,
            "n2 did not answer within 30s",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::Slow { .. })),
            slow,
            "slowed by 1.5s, n1 answered after 1ms on an old",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| *fault != Fault::Fast),
            slow,
            "n1 is not slowed and for 30s took",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::Reboot(_))),
            reboot,
            "n1 answered status `PONG` after reboot n1",
        ),
        (
            |fault| match fault {
                Fault::Flaky { nodes, .. } => Some(Fault::Kill(nodes[0])),
                Fault::Reliable => Some(Fault::Restart(NodeId(1))),
                other => Some(other.clone()),
            },
            flaky,
            "n1 broke a connection: broken pipe during `flaky n1 n2 n3: 20 % lost, 20 % doubled`",
        ),
        (
            |fault| match fault {
                Fault::Flaky { nodes, .. } => Some(Fault::Pause(nodes[0])),
                Fault::Reliable => Some(Fault::Resume(NodeId(1))),
                other => Some(other.clone()),
            },
            flaky,
            "n1 did not answer a client within 2s",
        ),
        (
            |fault| match fault {
                Fault::Throttle { nodes, .. } => Some(Fault::Pause(nodes[0])),
                Fault::Unthrottle => Some(Fault::Resume(NodeId(1))),
                other => Some(other.clone()),
            },
            throttle,
            "n1 did not answer a client within 2s during `throttle n1 n2 n3: 8 KiB/s`",
        ),
        (
            |fault| match fault {
                Fault::Links { links, how: Impairment::Damaged { .. } } => {
                    Some(Fault::Kill(links[0].0))
                }
                Fault::LinksWhole(Sort::Damage) => Some(Fault::Restart(NodeId(1))),
                other => Some(other.clone()),
            },
            "single links that damage hold up no client",
            "n1 broke a connection: broken pipe during `links n1>n2 n1>n3 n2>n1",
        ),
        (
            |fault| match fault {
                Fault::CutClients { way: Way::Out, .. } => None,
                other => Some(other.clone()),
            },
            "a node that clients are cut from answers none of them",
            "n1 answered status `PONG` on a connection that is cut, outbound",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::Reset { .. })),
            "a connection that is reset breaks",
            "n1 answered status `PONG` on a reset connection",
        ),
        (
            |fault| match fault {
                Fault::Forget { nodes, .. } => Some(Fault::Reset { nodes: nodes.clone() }),
                other => Some(other.clone()),
            },
            "a forgotten connection is silent",
            "a forgotten connection broke",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::Echo { .. })),
            "a node that is told old messages again",
            "restarted n1 answered status `PONG` on an old connection",
        ),
        (
            |fault| Some(fault.clone()).filter(|fault| !matches!(fault, Fault::Readdress { .. })),
            "a node that comes back under another address",
            "n1 answered status `PONG` on a connection to its old address",
        ),
    ];
    for (instead, clause, sentence) in pretends {
        let clock = VirtualClock::default();
        let cluster = Pretends { inner: InMemory::new(3, clock.clone()), instead };
        let broken = broken_clauses(&cluster, &clock);
        let [(name, said)] = &broken[..] else { panic!("one clause is broken, not {broken:?}") };
        assert!(name.starts_with(clause) && said.contains(sentence), "{name}: {said}");
    }
}
