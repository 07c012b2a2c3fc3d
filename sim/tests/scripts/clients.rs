//! Clients that are cut from a node: which way, whom it does not concern, and that all is as before when they are healed. Node 1 is
//! played by the script itself; nodes 2 and 3 echo.

use crate::stage::{self, N1, N2, PORT, Setting, echo, inject, pass};
use bytes::Bytes;
use elastickv::env::{Env, Lane, Listener, NodeId, Port};
use futures_util::future::{Either, select};
use futures_util::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use harness::cluster::{self, Cluster};
use harness::fault::{Fault, Way};
use sim::cluster::SimCluster;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

pub const N3: cluster::NodeId = cluster::NodeId(3);

pub fn play<F, T>(script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting { nodes: 3, ..Setting::calm(echo) }, script)
}

pub async fn within<T>(
    cluster: &SimCluster,
    ms: u64,
    future: impl Future<Output = T>,
) -> Option<T> {
    match select(pin!(future), pin!(cluster.clock().sleep(Duration::from_millis(ms)))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Whether what is said comes back within a second.
pub async fn echoes(
    cluster: &SimCluster,
    connection: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> bool {
    let said = async {
        connection.write_all(b"ping").await?;
        connection.read_exact(&mut [0; 4]).await
    };
    matches!(within(cluster, 1_000, said).await, Some(Ok(())))
}

async fn cut(cluster: &SimCluster, way: Way) {
    inject(cluster, Fault::CutClients { nodes: vec![N2], way }).await;
}

#[test]
fn clients_are_cut_from_a_node_and_not_from_another_and_what_they_said_arrives_after_the_heal() {
    for way in Way::ALL {
        let effects = play(async move |cluster| {
            let mut old = cluster.connect(N2).await.expect("it listens");
            assert!(echoes(&cluster, &mut old).await);
            cut(&cluster, way).await;
            assert!(!echoes(&cluster, &mut old).await);
            let mut other = cluster.connect(N3).await.expect("it listens");
            assert!(echoes(&cluster, &mut other).await);
            let mut fresh = pin!(cluster.connect(N2));
            assert!(within(&cluster, 1_000, fresh.as_mut()).await.is_none(), "it is silent");
            inject(&cluster, Fault::HealClients).await;
            fresh.await.expect("its kernel goes on trying");
            let back = within(&cluster, 5_000, old.read_exact(&mut [0; 4])).await;
            assert!(matches!(back, Some(Ok(()))), "what was said is sent again");
            cluster.tear_down().await.effects
        });
        assert!(effects[0] > 3 && effects[1] == 0, "{way}: {effects:?}");
    }
}

#[test]
fn one_way_a_question_arrives_whose_answer_is_lost_and_the_other_way_it_does_not() {
    for (way, arrives) in [(Way::Out, true), (Way::In, false), (Way::Both, false)] {
        play(async move |cluster| {
            let mut listener = cluster.env(N1).listen(PORT).await.expect("nobody else listens");
            let mut near = cluster.connect(N1).await.expect("it listens");
            let mut far = listener.accept().await.expect("it dialled");
            inject(&cluster, Fault::CutClients { nodes: vec![N1], way }).await;
            near.write_all(b"said").await.expect("its kernel takes it");
            let heard = within(&cluster, 1_000, far.read_exact(&mut [0; 4])).await;
            assert_eq!(heard.is_some(), arrives, "{way}");
            far.write_all(b"back").await.expect("its kernel takes it");
            let back = within(&cluster, 1_000, near.read_exact(&mut [0; 4])).await;
            assert_eq!(back.is_some(), way == Way::In, "{way}");
        });
    }
}

#[test]
fn nodes_see_each_other_and_an_operator_sees_them() {
    let effects = play(async |cluster| {
        cut(&cluster, Way::Both).await;
        let mut peer = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        peer.write_all(b"ping").await.expect("it is open");
        peer.read_exact(&mut [0; 4]).await.expect("it echoes");
        cluster.env(N1).send(NodeId(2), Lane::Normal, Bytes::from_static(b"passes"));
        let received = within(&cluster, 100, cluster.env(N2).receive(Lane::Normal)).await;
        assert_eq!(received, Some((NodeId(1), Bytes::from_static(b"passes"))));
        let mut internal =
            cluster.env(N2).listen(Port::INTERNAL).await.expect("nobody else listens");
        let operator = cluster::NodeId(0);
        let dialled = cluster.env(operator).connect(NodeId(2), Port::INTERNAL);
        let (dialled, accepted) = futures_util::future::join(dialled, internal.accept()).await;
        dialled.expect("an operator is no client");
        accepted.expect("it dialled");
        pass(&cluster, 10).await;
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [0]);
}

#[test]
fn a_later_cut_of_clients_replaces_the_one_before() {
    play(async |cluster| {
        cut(&cluster, Way::Both).await;
        inject(&cluster, Fault::CutClients { nodes: vec![N3], way: Way::Both }).await;
        let mut healed = cluster.connect(N2).await.expect("it listens");
        assert!(echoes(&cluster, &mut healed).await);
        assert!(within(&cluster, 1_000, cluster.connect(N3)).await.is_none());
    });
}
