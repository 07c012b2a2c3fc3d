//! A node that comes back under another address: who speaks into silence and until when, what it says itself, and that all is as before
//! when its name is looked up again. Node 1 is played by the script itself; nodes 2 and 3 echo.

use crate::clients::{echoes, play, within};
use crate::stage::{N1, N2, PORT, inject, pass};
use bytes::Bytes;
use elastickv::env::{Env, Lane, NodeId};
use futures_util::future::join;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use harness::cluster::Cluster;
use harness::fault::Fault;
use sim::cluster::SimCluster;

fn send(cluster: &SimCluster, from: harness::cluster::NodeId, to: u16) {
    cluster.env(from).send(NodeId(to), Lane::Normal, Bytes::from_static(b"told"));
}

async fn is_told(cluster: &SimCluster, node: harness::cluster::NodeId) -> bool {
    within(cluster, 10, cluster.env(node).receive(Lane::Normal)).await.is_some()
}

#[test]
fn the_old_address_is_silent_until_the_name_is_looked_up_again_and_old_streams_are_for_good() {
    let effects = play(async |cluster| {
        let mut old = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        let mut client = cluster.connect(N2).await.expect("it listens");
        assert!(echoes(&cluster, &mut old).await && echoes(&cluster, &mut client).await);
        let stale = inject(&cluster, Fault::Readdress { node: N2, stale_ms: 4_000 });
        let meanwhile = async {
            pass(&cluster, 100).await;
            assert_eq!(cluster.env(N2).boot, 2, "it runs");
            send(&cluster, N1, 2);
            assert!(!is_told(&cluster, N2).await, "to the old address");
            send(&cluster, N2, 1);
            assert!(is_told(&cluster, N1).await, "it knows the others");
            assert!(!echoes(&cluster, &mut old).await, "silence, no reset");
            let dialled = cluster.env(N1).connect(NodeId(2), PORT);
            assert!(within(&cluster, 500, dialled).await.is_none(), "nobody refuses");
            assert!(within(&cluster, 500, cluster.connect(N2)).await.is_none());
        };
        join(stale, meanwhile).await;
        send(&cluster, N1, 2);
        assert!(is_told(&cluster, N2).await);
        let mut fresh = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        assert!(echoes(&cluster, &mut fresh).await);
        let read = within(&cluster, 5_000, client.read(&mut [0])).await;
        assert!(read.is_none(), "it is half open");
        cluster.tear_down().await.effects
    });
    assert!(effects[0] > 5, "{effects:?}");
}

#[test]
fn what_was_dialled_at_the_old_address_never_opens_and_its_writer_is_told_in_the_end() {
    play(async |cluster| {
        let mut old = cluster.env(N1).connect(NodeId(2), PORT).await.expect("it listens");
        let stale = inject(&cluster, Fault::Readdress { node: N2, stale_ms: 2_000 });
        let meanwhile = async {
            pass(&cluster, 10).await;
            old.write_all(b"into silence").await.expect("its kernel takes it");
            cluster.env(N1).connect(NodeId(2), PORT).await.err().map(|error| error.kind())
        };
        let (_, dialled) = join(stale, meanwhile).await;
        assert_eq!(dialled, Some(std::io::ErrorKind::TimedOut));
        let read = within(&cluster, 60_000, old.read(&mut [0])).await;
        let said = read.map(|read| read.map_err(|error| error.kind()));
        assert_eq!(said, Some(Err(std::io::ErrorKind::TimedOut)));
    });
}
