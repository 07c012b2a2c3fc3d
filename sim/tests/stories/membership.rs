//! Members leave the group, come back with nothing, and hand leadership over.

use super::teller::{N1, N2, N3, told};
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::redis::resp::Reply;

fn others(than: NodeId) -> Vec<NodeId> {
    [N1, N2, N3].into_iter().filter(|node| *node != than).collect()
}

#[test]
fn a_leader_that_is_removed_steps_down_and_the_others_go_on() {
    told(|teller| async move {
        let leader = teller.leader().await;
        let rest = others(leader);
        teller.push(leader, 1).await;
        teller.inject(Fault::Remove(leader)).await;
        for (node, value) in rest.iter().zip(2..) {
            teller.push(*node, value).await;
        }
        let next = teller.leader().await;
        assert_ne!(next, leader);
        teller.inject(Fault::Join(leader)).await;
        assert_eq!(teller.list(leader).await, [1, 2, 3]);
    });
}

#[test]
fn who_comes_back_with_nothing_has_all_of_it_and_counts() {
    told(|teller| async move {
        for value in 1..=5 {
            teller.push(N2, value).await;
        }
        teller.inject(Fault::Remove(N2)).await;
        teller.push(others(N2)[0], 6).await;
        teller.inject(Fault::Join(N2)).await;
        // Its requests are those of another life, though it counts them from the beginning.
        for value in 7..=11 {
            teller.push(N2, value).await;
        }
        teller.inject(Fault::Kill(N1)).await;
        assert_eq!(teller.list(N2).await, (1..=11).collect::<Vec<_>>(), "two of three serve");
        teller.inject(Fault::Restart(N1)).await;
        assert_eq!(teller.list(N1).await.len(), 11);
    });
}

#[test]
fn who_was_removed_stays_so_when_everything_restarts() {
    told(|teller| async move {
        teller.push(N1, 1).await;
        teller.inject(Fault::Remove(N3)).await;
        for fault in [Fault::Kill as fn(NodeId) -> Fault, Fault::Restart] {
            for node in [N1, N2, N3] {
                teller.inject(fault(node)).await;
            }
        }
        // Two members are left, and both are needed: a removed node is no third.
        teller.push(N1, 2).await;
        teller.inject(Fault::Kill(N2)).await;
        let alone = teller.ask(N1, &["RPUSH", "list", "3"]).await;
        assert!(!matches!(alone, Some(Reply::Integer(_))), "n3 does not count: {alone:?}");
        teller.inject(Fault::Restart(N2)).await;
        teller.inject(Fault::Join(N3)).await;
        let list = teller.list(N3).await;
        assert!(list == [1, 2] || list == [1, 2, 3], "{list:?}");
    });
}

#[test]
fn what_is_so_takes_no_step_and_what_cannot_be_is_told() {
    told(|teller| async move {
        let leader = teller.leader().await;
        for fault in [Fault::Join(N1), Fault::Transfer(leader)] {
            teller.inject(fault).await;
        }
        teller.inject(Fault::Remove(N1)).await;
        teller.inject(Fault::Remove(N1)).await;
        let refused = teller.0.inject(&Fault::Wipe(N2)).await.expect_err("it is a member");
        assert!(refused.0.contains("n2 is not wiped"), "{refused}");
        teller.inject(Fault::Wipe(N1)).await;
        let refused = teller.0.inject(&Fault::Transfer(N1)).await.expect_err("it is no member");
        assert!(refused.0.contains("n1 did not take over within 5s"), "{refused}");
        assert!(refused.0.contains("target is not a voter"), "{refused}");
        teller.inject(Fault::Join(N1)).await;
        let effects = teller.0.tear_down().await.effects;
        assert_eq!(effects, [0, 0, 1, 0, 0, 1, 0, 2]);
    });
}

#[test]
fn leadership_goes_to_whom_it_is_given() {
    told(|teller| async move {
        for (to, value) in [N3, N1, N2, N3].into_iter().zip(1..) {
            if teller.leader().await != to {
                teller.inject(Fault::Transfer(to)).await;
            }
            assert_eq!(teller.leader().await, to);
            teller.push(to, value).await;
        }
        assert_eq!(teller.list(N1).await, [1, 2, 3, 4]);
    });
}
