//! Messages that are held back and let go in another order, and messages of a node's former life that it is told once more. Node 1 is
//! played by the script itself.

use crate::impaired::{listen, ms, play, send};
use crate::stage::{N1, N2, PORT, inject, pass};
use elastickv::env::{Env, NodeId};
use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::Cluster;
use harness::fault::{Fault, Sequence};
use sim::cluster::SimCluster;

async fn hold(cluster: &SimCluster, then: Sequence) {
    inject(cluster, Fault::Hold { links: vec![(N1, N2)], then }).await;
}

/// The first bytes of ten datagrams that are held, in the order in which they arrive when they are let go, and the effects.
fn held(then: Sequence) -> (Vec<u8>, Vec<u64>) {
    play(async move |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        hold(&cluster, then).await;
        for first in 0..10 {
            send(&cluster, 1, first, 9);
            send(&cluster, 2, first, 9);
            pass(&cluster, 1).await;
        }
        pass(&cluster, 3_000).await;
        assert!(at_two.borrow().is_empty());
        assert_eq!(at_one.borrow().len(), 10, "the other way nothing is held");
        let mut peer = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        peer.write_all(b"ping").await.expect("it is open");
        peer.read_exact(&mut [0; 4]).await.expect("byte streams pass");
        inject(&cluster, Fault::Release).await;
        let released = ms(&cluster);
        pass(&cluster, 10).await;
        assert!(at_two.borrow().iter().all(|(_, at)| *at == released));
        send(&cluster, 1, 99, 9);
        pass(&cluster, 10).await;
        let mut seen: Vec<u8> = at_two.borrow().iter().map(|(first, _)| *first).collect();
        assert_eq!(seen.pop(), Some(99), "nothing is held any more");
        (seen, cluster.tear_down().await.effects)
    })
}

#[test]
fn what_is_held_arrives_when_it_is_let_go_in_the_order_that_was_said() {
    let sent: Vec<u8> = (0..10).collect();
    assert_eq!(held(Sequence::Sent), (sent.clone(), vec![10, 0]));
    assert_eq!(held(Sequence::Reversed).0, sent.iter().rev().copied().collect::<Vec<u8>>());
    let (mut drawn, effects) = held(Sequence::Drawn(3));
    assert!(drawn != sent && effects == [10, 0], "{drawn:?}");
    assert_eq!(drawn, held(Sequence::Drawn(3)).0);
    drawn.sort_unstable();
    assert_eq!(drawn, sent, "each of them once");
}

#[test]
fn a_later_hold_keeps_what_an_earlier_one_held() {
    play(async |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        hold(&cluster, Sequence::Sent).await;
        send(&cluster, 1, 1, 9);
        pass(&cluster, 10).await;
        let then = Sequence::Reversed;
        inject(&cluster, Fault::Hold { links: vec![(N2, N1)], then }).await;
        send(&cluster, 1, 2, 9);
        send(&cluster, 2, 3, 9);
        pass(&cluster, 10).await;
        let first = |(first, _): &(u8, u64)| *first;
        assert_eq!(at_two.borrow().iter().map(first).collect::<Vec<u8>>(), [2]);
        assert!(at_one.borrow().is_empty());
        inject(&cluster, Fault::Release).await;
        pass(&cluster, 10).await;
        assert_eq!(at_two.borrow().iter().map(first).collect::<Vec<u8>>(), [2, 1]);
        assert_eq!(at_one.borrow().len(), 1);
        assert_eq!(cluster.tear_down().await.effects, [1, 1, 0]);
    });
}

/// The effects of a hold, of the kill of the node that it keeps something from, before it does or after, and of letting it go.
fn held_from_a_dead_node(before: bool) -> Vec<u64> {
    play(async move |cluster| {
        hold(&cluster, Sequence::Sent).await;
        if before {
            inject(&cluster, Fault::Kill(N2)).await;
        }
        send(&cluster, 1, 1, 9);
        pass(&cluster, 10).await;
        if !before {
            inject(&cluster, Fault::Kill(N2)).await;
        }
        inject(&cluster, Fault::Release).await;
        pass(&cluster, 10).await;
        cluster.tear_down().await.effects
    })
}

#[test]
fn what_is_held_counts_if_it_was_kept_from_somebody_whatever_becomes_of_it() {
    assert_eq!(held_from_a_dead_node(false), [1, 1, 0]);
    assert_eq!(held_from_a_dead_node(true), [0, 1, 0], "nobody was there, then or later");
}

#[test]
fn a_node_is_killed_and_told_once_more_what_its_former_life_was_told_last() {
    let (seen, boot, effects) = play(async |cluster| {
        let echo = inject(&cluster, Fault::Echo { node: N2, down_ms: 100 });
        let told = async {
            for first in 0..40 {
                send(&cluster, 1, first, 9);
                pass(&cluster, 9).await;
            }
        };
        join(echo, told).await;
        let boot = cluster.env(N2).boot;
        let seen = listen(&cluster, N2);
        pass(&cluster, 10).await;
        let seen: Vec<u8> = seen.borrow().iter().map(|(first, _)| *first).collect();
        (seen, boot, cluster.tear_down().await.effects)
    });
    assert_eq!(boot, 2);
    assert!(seen.len() == 32 && seen.is_sorted() && seen[31] - seen[0] == 31, "{seen:?}");
    assert_eq!(effects, [32]);
}

#[test]
fn a_node_that_nobody_told_anything_only_restarts() {
    let (boot, effects) = play(async |cluster| {
        inject(&cluster, Fault::Echo { node: N2, down_ms: 100 }).await;
        assert!((5_000..6_000).contains(&ms(&cluster)));
        (cluster.env(N2).boot, cluster.tear_down().await.effects)
    });
    assert_eq!((boot, effects), (2, vec![0]));
}
