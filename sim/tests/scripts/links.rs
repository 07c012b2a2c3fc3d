//! One script for each thing that can be wrong with a single link: which way, what datagrams and byte streams make of it, what counts
//! as an effect, and that all is as before when it is mended. Node 1 is played by the script itself; node 2 echoes.

use crate::impaired::{count, listen, ms, play, send};
use crate::stage::{N1, N2, PORT, inject, pass};
use elastickv::env::{Env, NodeId};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::Cluster;
use harness::fault::{Fault, Impairment, Sort};
use sim::cluster::SimCluster;
use std::rc::Rc;

async fn impair(cluster: &SimCluster, how: Impairment) {
    inject(cluster, Fault::Links { links: vec![(N1, N2)], how }).await;
}

async fn mend(cluster: &SimCluster, sort: Sort) {
    inject(cluster, Fault::LinksWhole(sort)).await;
}

/// A thousand datagrams each way while the link from node 1 is impaired so, and a thousand after it was mended: how many came
/// there and back, how many came after it, and the effects.
fn thousands(how: Impairment) -> (usize, usize, usize, Vec<u64>) {
    play(async move |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        impair(&cluster, how).await;
        (0..1000).for_each(|_| {
            send(&cluster, 1, 1, 9);
            send(&cluster, 2, 1, 9);
        });
        pass(&cluster, 5_000).await;
        mend(&cluster, how.sort()).await;
        (0..1000).for_each(|_| send(&cluster, 1, 2, 9));
        pass(&cluster, 100).await;
        let there = (count(&at_two, 1), count(&at_one, 1));
        (there.0, there.1, count(&at_two, 2), cluster.tear_down().await.effects)
    })
}

#[test]
fn what_a_link_loses_doubles_or_damages_it_does_one_way_as_often_as_was_said_and_counts_it() {
    for (how, least, most) in [
        (Impairment::Lost { percent: 20 }, 750, 850),
        (Impairment::Doubled { percent: 20 }, 1150, 1250),
        (Impairment::Damaged { percent: 20 }, 750, 850),
    ] {
        let (there, back, after, effects) = thousands(how);
        assert!((least..most).contains(&there), "{how}: {there}");
        assert_eq!((back, after), (1000, 1000), "{how}");
        assert_eq!(effects, [there.abs_diff(1000) as u64, 0], "{how}");
    }
}

#[test]
fn a_late_link_adds_its_base_jitter_and_tail_to_each_message_one_way() {
    let (seen, back, effects) = play(async |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        let how = Impairment::Late { base_ms: 100, jitter_ms: 20, tail_percent: 10, tail_ms: 800 };
        impair(&cluster, how).await;
        let began = ms(&cluster);
        let mut last = 0;
        for _ in 0..200 {
            send(&cluster, 1, 1, 9);
            send(&cluster, 2, 1, 9);
            pass(&cluster, 1_000).await;
            last = ms(&cluster);
        }
        mend(&cluster, Sort::Latency).await;
        send(&cluster, 1, 2, 9);
        pass(&cluster, 10).await;
        assert_eq!(at_two.borrow().last().map(|(_, at)| at - last), Some(1), "it is mended");
        let took = |(k, (_, at)): (usize, &(u8, u64))| at - began - 1_000 * k as u64;
        let seen: Vec<u64> = at_two.borrow().iter().enumerate().map(took).take(200).collect();
        let back = at_one.borrow().iter().enumerate().map(took).all(|took| took == 1);
        (seen, back, cluster.tear_down().await.effects)
    });
    assert!(back && seen.iter().all(|took| (101..=921).contains(took)), "{seen:?}");
    let tail = seen.iter().filter(|took| **took > 121).count();
    assert!((8..35).contains(&tail), "{tail} of 200 in the tail");
    assert_eq!(effects, [200, 0]);
}

#[test]
fn on_a_link_without_order_some_are_overtaken_and_all_arrive() {
    let how = Impairment::Reordered { percent: 20, within_ms: 50 };
    let (seen, effects) = play(async move |cluster| {
        let seen = listen(&cluster, N2);
        impair(&cluster, how).await;
        for first in 0..100 {
            send(&cluster, 1, first, 9);
            pass(&cluster, 1).await;
        }
        pass(&cluster, 100).await;
        mend(&cluster, Sort::Order).await;
        (100..200).for_each(|first| send(&cluster, 1, first, 9));
        pass(&cluster, 100).await;
        let seen: Vec<u8> = seen.borrow().iter().map(|(first, _)| *first).collect();
        (seen, cluster.tear_down().await.effects)
    });
    let (under, after) = seen.split_at(100);
    let overtaken = under.windows(2).filter(|pair| pair[0] > pair[1]).count();
    assert!((10..30).contains(&effects[0]) && overtaken > 5, "{effects:?}, {overtaken} overtaken");
    assert!(after.is_sorted(), "{after:?}");
    let mut all = seen.clone();
    all.sort_unstable();
    assert_eq!(all, (0..200).collect::<Vec<u8>>());
}

#[test]
fn a_narrow_link_lets_through_one_after_another_and_loses_what_its_queue_does_not_take() {
    let (seen, back, effects) = play(async |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        impair(&cluster, Impairment::Narrow { kib_per_s: 8 }).await;
        let began = ms(&cluster);
        for first in 0..6 {
            send(&cluster, 1, first, 8 * 1024);
            send(&cluster, 2, first, 8 * 1024);
        }
        pass(&cluster, 10_000).await;
        mend(&cluster, Sort::Rate).await;
        let freed = ms(&cluster);
        send(&cluster, 1, 9, 80 * 1024);
        pass(&cluster, 10).await;
        assert_eq!(at_two.borrow().last(), Some(&(9, freed + 1)));
        let at = |(_, at): &(u8, u64)| at - began;
        let seen: Vec<u64> = at_two.borrow().iter().take(4).map(at).collect();
        let back = at_one.borrow().iter().filter(|seen| at(seen) == 1).count();
        (seen, back, cluster.tear_down().await.effects)
    });
    assert_eq!((seen, back), (vec![1001, 2001, 3001, 4001], 6));
    assert_eq!(effects, [6, 0], "four waited and two found the queue full");
}

/// What node 1 and a client say to node 2 comes back, each in so many milliseconds.
async fn echoed(cluster: &Rc<SimCluster>, bytes: usize) -> (u64, u64) {
    let said: Vec<u8> = (0..bytes).map(|k| (k % 251) as u8).collect();
    let mut took = Vec::new();
    for is_client in [false, true] {
        let mut heard = vec![0; bytes];
        let began = ms(cluster);
        if is_client {
            let mut client = cluster.connect(N2).await.expect("it listens");
            client.write_all(&said).await.expect("it is open");
            client.read_exact(&mut heard).await.expect("it echoes");
        } else {
            let mut peer = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
            peer.write_all(&said).await.expect("it is open");
            peer.read_exact(&mut heard).await.expect("it echoes");
        }
        assert_eq!(heard, said);
        took.push(ms(cluster) - began);
    }
    (took[0], took[1])
}

#[test]
fn a_byte_stream_drips_in_a_few_bytes_at_a_time_at_the_rate_and_datagrams_and_clients_do_not() {
    let (took, client, after, effects) = play(async |cluster| {
        let seen = listen(&cluster, N2);
        impair(&cluster, Impairment::Dripping { bytes_per_s: 500 }).await;
        send(&cluster, 1, 1, 900);
        let began = ms(&cluster);
        let (took, client) = echoed(&cluster, 1_000).await;
        assert_eq!(seen.borrow()[0].1 - began, 1);
        mend(&cluster, Sort::Drip).await;
        let (after, _) = echoed(&cluster, 1_000).await;
        (took, client, after, cluster.tear_down().await.effects)
    });
    assert!((2_000..2_600).contains(&took), "two seconds for a thousand bytes: {took} ms");
    assert!(client < 10 && after < 10, "{client} ms, {after} ms");
    assert!((125..200).contains(&effects[0]), "eight bytes a packet: {effects:?}");
}

#[test]
fn what_single_links_do_a_byte_stream_survives_and_a_client_does_not_notice() {
    for how in [
        Impairment::Lost { percent: 30 },
        Impairment::Doubled { percent: 30 },
        Impairment::Damaged { percent: 30 },
        Impairment::Reordered { percent: 30, within_ms: 50 },
        Impairment::Late { base_ms: 10, jitter_ms: 10, tail_percent: 9, tail_ms: 300 },
        Impairment::Narrow { kib_per_s: 8 },
    ] {
        let effects = play(async move |cluster| {
            impair(&cluster, how).await;
            for _ in 0..10 {
                let (_, client) = echoed(&cluster, 700).await;
                assert!(client < 10, "{client} ms");
            }
            cluster.tear_down().await.effects
        });
        let is_only_for_datagrams = how.sort() == Sort::Double;
        assert_eq!(effects[0] > 0, !is_only_for_datagrams, "{how}: {effects:?}");
    }
}

#[test]
fn of_a_sort_the_later_one_counts_on_all_links_and_sorts_combine() {
    let (there, back, effects) = play(async |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        impair(&cluster, Impairment::Lost { percent: 100 }).await;
        impair(&cluster, Impairment::Doubled { percent: 100 }).await;
        let how = Impairment::Lost { percent: 100 };
        inject(&cluster, Fault::Links { links: vec![(N2, N1)], how }).await;
        send(&cluster, 1, 1, 9);
        send(&cluster, 2, 1, 9);
        pass(&cluster, 10).await;
        mend(&cluster, Sort::Loss).await;
        send(&cluster, 1, 1, 9);
        send(&cluster, 2, 1, 9);
        pass(&cluster, 10).await;
        (count(&at_two, 1), count(&at_one, 1), cluster.tear_down().await.effects)
    });
    assert_eq!((there, back, effects), (4, 1, vec![0, 2, 1, 0]));
}

#[test]
fn what_an_impaired_link_does_to_what_nobody_could_have_got_is_no_effect() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::Kill(N2)).await;
        for how in [Impairment::Lost { percent: 100 }, Impairment::Damaged { percent: 100 }] {
            impair(&cluster, how).await;
            send(&cluster, 1, 1, 9);
            pass(&cluster, 10).await;
            mend(&cluster, how.sort()).await;
        }
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [1, 0, 0, 0, 0], "only the kill acted");
}

#[test]
fn impaired_links_are_between_nodes_that_are_there() {
    play(async |cluster| {
        let links = vec![(N1, harness::cluster::NodeId(9))];
        let fault = Fault::Links { links, how: Impairment::Lost { percent: 9 } };
        let sentence = cluster.inject(&fault).await.expect_err("there is no n9").to_string();
        assert_eq!(sentence, "node n9 is not in this cluster (n1..n2)");
    });
}
