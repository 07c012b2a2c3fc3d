//! One script for each promise of flaky and of throttled links: whose messages, how many or how fast, what a byte stream makes
//! of it, and what counts as an effect. Node 1 is played by the script itself, through its `Env`; node 2 echoes.

use crate::stage::{self, N1, N2, PORT, Setting, echo, inject, pass};
use bytes::Bytes;
use elastickv::env::{Env, Lane, NodeId};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::Cluster;
use harness::fault::Fault;
use sim::cluster::SimCluster;
use sim::params::WorldParams;
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;

const KIB: usize = 1024;

/// What arrived as a datagram at a node: its first byte, and when in milliseconds.
pub type Seen = Rc<RefCell<Vec<(u8, u64)>>>;

pub fn play<F, T>(script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting { params: WorldParams::calm(), ..Setting::calm(echo) }, script)
}

pub fn listen(cluster: &Rc<SimCluster>, node: harness::cluster::NodeId) -> Seen {
    let seen = Seen::default();
    let (env, filled, told) = (cluster.env(node), seen.clone(), cluster.clone());
    cluster.spawn(async move {
        loop {
            let (_, message) = env.receive(Lane::Normal).await;
            filled.borrow_mut().push((message[0], ms(&told)));
        }
    });
    seen
}

pub fn ms(cluster: &SimCluster) -> u64 {
    cluster.clock().now().as_millis() as u64
}

pub fn send(cluster: &SimCluster, from: u16, first: u8, bytes: usize) {
    let message = Bytes::from(vec![first; bytes]);
    cluster.env(harness::cluster::NodeId(from)).send(NodeId(3 - from), Lane::Normal, message);
}

/// How many of them began with that byte.
pub fn count(seen: &Seen, first: u8) -> usize {
    seen.borrow().iter().filter(|(byte, _)| *byte == first).count()
}

async fn flaky(cluster: &SimCluster, loss_percent: u8, duplicate_percent: u8) {
    inject(cluster, Fault::Flaky { nodes: vec![N1], loss_percent, duplicate_percent }).await;
}

async fn throttle(cluster: &SimCluster, kib_per_s: u32) {
    inject(cluster, Fault::Throttle { nodes: vec![N1], kib_per_s }).await;
}

#[test]
fn what_leaves_a_flaky_node_is_lost_or_doubled_as_often_as_was_said_and_what_comes_to_it_is_not() {
    let (there, back, after, effects) = play(async |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        flaky(&cluster, 20, 0).await;
        (0..1000).for_each(|_| send(&cluster, 1, 1, 9));
        pass(&cluster, 100).await;
        flaky(&cluster, 0, 30).await;
        (0..1000).for_each(|_| {
            send(&cluster, 1, 2, 9);
            send(&cluster, 2, 2, 9);
        });
        pass(&cluster, 100).await;
        inject(&cluster, Fault::Reliable).await;
        (0..1000).for_each(|_| send(&cluster, 1, 3, 9));
        pass(&cluster, 100).await;
        let there = (count(&at_two, 1), count(&at_two, 2));
        let back = at_one.borrow().len();
        (there, back, count(&at_two, 3), cluster.tear_down().await.effects)
    });
    assert!((750..850).contains(&there.0), "{there:?}");
    assert!((1250..1350).contains(&there.1), "{there:?}");
    assert_eq!((back, after), (1000, 1000));
    assert_eq!(effects, [1000 - there.0 as u64, there.1 as u64 - 1000, 0]);
}

#[test]
fn a_stream_loses_nothing_to_flaky_links_and_a_client_not_even_time() {
    let effects = play(async |cluster| {
        let nodes = vec![N1, N2];
        inject(&cluster, Fault::Flaky { nodes, loss_percent: 30, duplicate_percent: 30 }).await;
        let mut client = cluster.connect(N2).await.expect("it listens");
        let began = ms(&cluster);
        for _ in 0..100 {
            client.write_all(b"ping").await.expect("it is open");
            client.read_exact(&mut [0; 4]).await.expect("it echoes");
        }
        assert_eq!(ms(&cluster) - began, 200, "two milliseconds each");
        let mut peer = cluster.env(N1).connect(NodeId(2), PORT).await.expect("late is not never");
        let began = ms(&cluster);
        for number in 0..50u8 {
            let (said, mut heard) = ([number; 700], [0; 700]);
            peer.write_all(&said).await.expect("it is open");
            peer.read_exact(&mut heard).await.expect("what is lost is sent again");
            assert_eq!(heard, said);
        }
        assert!(ms(&cluster) - began > 1_000, "some were sent again");
        cluster.tear_down().await.effects
    });
    assert!(effects[0] > 20, "packets lost: {effects:?}");
}

#[test]
fn what_flaky_links_lose_that_nobody_could_have_got_is_no_effect() {
    let effects = play(async |cluster| {
        flaky(&cluster, 100, 0).await;
        inject(&cluster, Fault::Kill(N2)).await;
        send(&cluster, 1, 1, 9);
        pass(&cluster, 10).await;
        flaky(&cluster, 0, 100).await;
        send(&cluster, 1, 1, 9);
        pass(&cluster, 10).await;
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0, 1, 0], "only the kill acted");
}

#[test]
fn a_throttled_link_lets_datagrams_through_one_after_another_until_it_is_free_again() {
    let (seen, effects) = play(async |cluster| {
        let (at_two, at_one) = (listen(&cluster, N2), listen(&cluster, N1));
        throttle(&cluster, 8).await;
        let began = ms(&cluster);
        for first in 0..6 {
            send(&cluster, 1, first, 8 * KIB);
            send(&cluster, 2, first, 8 * KIB);
        }
        pass(&cluster, 10).await;
        assert_eq!(at_one.borrow().len(), 6, "what comes to it is not throttled");
        pass(&cluster, 10_000).await;
        inject(&cluster, Fault::Unthrottle).await;
        let freed = ms(&cluster);
        send(&cluster, 1, 9, 80 * KIB);
        pass(&cluster, 10).await;
        let at = |first: u8, at: u64| at - if first == 9 { freed } else { began };
        let seen: Vec<(u8, u64)> =
            at_two.borrow().iter().map(|(first, time)| (*first, at(*first, *time))).collect();
        (seen, cluster.tear_down().await.effects)
    });
    assert_eq!(seen, [(0, 1001), (1, 2001), (2, 3001), (3, 4001), (9, 1)]);
    assert_eq!(effects, [6, 0], "four waited and two found the queue full");
}

#[test]
fn a_stream_passes_a_throttled_link_at_its_rate_and_a_client_does_not_notice() {
    let (took, client, effects) = play(async |cluster| {
        throttle(&cluster, 64).await;
        let mut client = cluster.connect(N2).await.expect("it listens");
        let began = ms(&cluster);
        client.write_all(&[7; 32 * KIB]).await.expect("it is open");
        client.read_exact(&mut vec![0; 32 * KIB]).await.expect("it echoes");
        let client = ms(&cluster) - began;
        let mut peer = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        let began = ms(&cluster);
        peer.write_all(&[7; 32 * KIB]).await.expect("it is open");
        peer.read_exact(&mut vec![0; 32 * KIB]).await.expect("it echoes");
        (ms(&cluster) - began, client, cluster.tear_down().await.effects)
    });
    assert!(client < 20, "{client} ms");
    assert!((500..2_000).contains(&took), "half a second and what was sent again: {took} ms");
    assert!(effects[0] > 0, "{effects:?}");
}

#[test]
fn impairments_name_only_nodes_that_are_there() {
    play(async |cluster| {
        let nodes = vec![N1, harness::cluster::NodeId(9)];
        for fault in [
            Fault::Flaky { nodes: nodes.clone(), loss_percent: 9, duplicate_percent: 9 },
            Fault::Throttle { nodes, kib_per_s: 8 },
        ] {
            let sentence = cluster.inject(&fault).await.expect_err("there is no n9").to_string();
            assert_eq!(sentence, "node n9 is not in this cluster (n1..n2)");
        }
    });
}
