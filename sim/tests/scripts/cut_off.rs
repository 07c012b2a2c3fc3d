//! Connections that are reset from outside or forgotten by a middlebox: what both sides see, what still passes, and how it ends. Node 1
//! is played by the script itself; nodes 2 and 3 echo.

use crate::clients::{N3, echoes, play, within};
use crate::stage::{N1, N2, PORT, inject, pass};
use bytes::Bytes;
use elastickv::env::{Env, Lane, Listener, NodeId, Port};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::{self, Cluster};
use harness::fault::{Fault, Way};
use sim::cluster::SimCluster;
use sim::stream::SimSocket;
use std::io::ErrorKind;
use std::rc::Rc;

/// A connection from node 1 to another, which has answered.
async fn peer(cluster: &Rc<SimCluster>, node: u16) -> SimSocket {
    let mut peer = cluster.env(N1).connect(NodeId(node), PORT).await.expect("it listens");
    assert!(echoes(cluster, &mut peer).await);
    peer
}

/// What reading from it says within a millisecond.
async fn read(cluster: &SimCluster, socket: &mut SimSocket) -> Option<Result<usize, ErrorKind>> {
    let read = within(cluster, 1, socket.read(&mut [0; 9])).await;
    read.map(|read| read.map_err(|error| error.kind()))
}

const RESET: Option<Result<usize, ErrorKind>> = Some(Err(ErrorKind::ConnectionReset));

#[test]
fn a_reset_breaks_every_stream_of_a_node_on_both_sides_and_no_other_and_fresh_ones_pass() {
    let effects = play(async |cluster| {
        let mut listener =
            cluster.env(N2).listen(Port::INTERNAL).await.expect("nobody else listens");
        let dialled = cluster.env(N1).connect(NodeId(2), Port::INTERNAL);
        let (near, far) = futures_util::future::join(dialled, listener.accept()).await;
        let (mut near, mut far) = (near.expect("it listens"), far.expect("it dialled"));
        let mut client = cluster.connect(N2).await.expect("it listens");
        assert!(echoes(&cluster, &mut client).await);
        let mut other = peer(&cluster, 3).await;
        inject(&cluster, Fault::Reset { nodes: vec![N2] }).await;
        assert_eq!(read(&cluster, &mut near).await, RESET);
        assert_eq!(read(&cluster, &mut far).await, RESET);
        assert!(near.write_all(b"x").await.is_err());
        assert!(!echoes(&cluster, &mut client).await);
        assert!(echoes(&cluster, &mut other).await);
        peer(&cluster, 2).await;
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [2]);
}

#[test]
fn where_there_is_no_stream_the_next_one_is_reset_once() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::Reset { nodes: vec![N2] }).await;
        let mut other = peer(&cluster, 3).await;
        let mut near = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        near.write_all(b"x").await.expect("its kernel takes it");
        pass(&cluster, 10).await;
        assert_eq!(read(&cluster, &mut near).await, RESET);
        assert!(echoes(&cluster, &mut other).await);
        peer(&cluster, 2).await;
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [1]);
}

#[test]
fn a_reset_crosses_a_cut() {
    play(async |cluster| {
        let mut near = peer(&cluster, 2).await;
        let cuts = vec![(N1, N2), (N2, N1)];
        inject(&cluster, Fault::Partition { shape: "script".into(), cuts }).await;
        inject(&cluster, Fault::Reset { nodes: vec![N2] }).await;
        assert_eq!(read(&cluster, &mut near).await, RESET);
    });
}

#[test]
fn a_forgotten_stream_is_silent_that_way_until_it_is_reset_and_fresh_ones_pass() {
    for way in Way::ALL {
        let effects = play(async move |cluster| {
            let mut listener =
                cluster.env(N2).listen(Port::INTERNAL).await.expect("nobody else listens");
            let dialled = cluster.env(N1).connect(NodeId(2), Port::INTERNAL);
            let (near, far) = futures_util::future::join(dialled, listener.accept()).await;
            let (mut near, mut far) = (near.expect("it listens"), far.expect("it dialled"));
            pass(&cluster, 10).await;
            inject(&cluster, Fault::Forget { nodes: vec![N2], way }).await;
            near.write_all(b"there").await.expect("it does not know");
            far.write_all(b"back").await.expect("it does not know");
            pass(&cluster, 5_000).await;
            let there = read(&cluster, &mut far).await;
            assert_eq!(there, (!way.is_in()).then_some(Ok(5)), "{way}");
            let back = read(&cluster, &mut near).await;
            assert_eq!(back, (!way.is_out()).then_some(Ok(4)), "{way}");
            cluster.env(N1).send(NodeId(2), Lane::Normal, Bytes::from_static(b"passes"));
            let received = within(&cluster, 100, cluster.env(N2).receive(Lane::Normal)).await;
            assert!(received.is_some(), "datagrams pass");
            peer(&cluster, 2).await;
            inject(&cluster, Fault::Remember).await;
            assert_eq!(read(&cluster, &mut near).await, RESET);
            assert_eq!(read(&cluster, &mut far).await, RESET);
            peer(&cluster, 2).await;
            cluster.tear_down().await.effects
        });
        assert!(effects[0] >= 5 && effects[1] == 0, "sent again and again: {effects:?}");
    }
}

#[test]
fn where_there_is_no_stream_the_next_one_is_forgotten_and_only_that() {
    let effects = play(async |cluster| {
        inject(&cluster, Fault::Forget { nodes: vec![N2], way: Way::Both }).await;
        let mut other = peer(&cluster, 3).await;
        let mut near = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        assert!(!echoes(&cluster, &mut near).await);
        peer(&cluster, 2).await;
        inject(&cluster, Fault::Remember).await;
        assert_eq!(read(&cluster, &mut near).await, RESET);
        assert!(echoes(&cluster, &mut other).await);
        cluster.tear_down().await.effects
    });
    assert!(effects[0] > 0, "{effects:?}");
}

#[test]
fn an_operator_is_not_cut_off() {
    let effects = play(async |cluster| {
        let mut listener =
            cluster.env(N3).listen(Port::INTERNAL).await.expect("nobody else listens");
        let dialled = cluster.env(cluster::NodeId(0)).connect(NodeId(3), Port::INTERNAL);
        let (near, far) = futures_util::future::join(dialled, listener.accept()).await;
        let (mut near, mut far) = (near.expect("it listens"), far.expect("it dialled"));
        inject(&cluster, Fault::Reset { nodes: vec![N3] }).await;
        inject(&cluster, Fault::Forget { nodes: vec![N3], way: Way::Both }).await;
        near.write_all(b"asks").await.expect("it is open");
        far.read_exact(&mut [0; 4]).await.expect("it is open");
        inject(&cluster, Fault::Remember).await;
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0, 0, 0]);
}

#[test]
fn a_node_that_dies_resets_nobody_who_was_forgotten() {
    play(async |cluster| {
        let mut near = peer(&cluster, 2).await;
        inject(&cluster, Fault::Forget { nodes: vec![N2], way: Way::Both }).await;
        inject(&cluster, Fault::Kill(N2)).await;
        pass(&cluster, 1_000).await;
        assert_eq!(read(&cluster, &mut near).await, None, "it is half open");
        inject(&cluster, Fault::Remember).await;
        assert_eq!(read(&cluster, &mut near).await, RESET);
    });
}
