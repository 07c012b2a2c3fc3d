//! What slowness does to Elastickv: an answer that is late proves nothing of now, and a leader that is heard too late is
//! followed by another without losing what it acknowledged.

use elastickv::env::NodeId as Name;
use elastickv::options::Options;
use futures_util::future::{Either, select};
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::redis::connection::Redis;
use harness::redis::resp::Reply;
use harness::seed::Seed;
use sim::cluster::SimCluster;
use sim::node::Elastickv;
use sim::params::WorldParams;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

const NODES: u16 = 5;

/// Tells a story to five nodes in a world without chance, and returns what it returned and what the nodes reached.
fn told<T, F>(story: impl FnOnce(Teller) -> F + Send + 'static) -> (T, BTreeMap<String, u64>)
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let guest = || -> Rc<dyn sim::cluster::Guest> {
        Rc::new(Elastickv::new(Options::new((1..=NODES).map(Name).collect())))
    };
    sim::simulate(Seed(1), WorldParams::calm(), NODES, guest, move |cluster| async move {
        cluster.set_up(Seed(1)).await.expect("a simulated cluster starts");
        let told = story(Teller(cluster.clone())).await;
        let artifacts = cluster.tear_down().await;
        assert_eq!(artifacts.findings, []);
        (told, artifacts.counters)
    })
}

struct Teller(Rc<SimCluster>);

impl Teller {
    async fn slow(&self, nodes: &[NodeId], delay_ms: u32) {
        let fault = Fault::Slow { nodes: nodes.to_vec(), delay_ms, jitter_ms: 0 };
        self.0.inject(&fault).await.expect("the simulation enacts every fault");
    }

    async fn fast(&self) {
        self.0.inject(&Fault::Fast).await.expect("the simulation enacts every fault");
    }

    async fn ask(&self, node: NodeId, words: &[&str]) -> Option<Reply> {
        let attempt = async {
            let mut redis = Redis::new(self.0.connect(node).await.ok()?);
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            redis.ask(&words).await.ok()
        };
        let limit = self.0.clock().sleep(Duration::from_secs(10));
        match select(pin!(attempt), limit).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => None,
        }
    }

    /// Asks until the cluster has a leader that is none of these.
    async fn leader_besides(&self, not: &[NodeId]) -> NodeId {
        for _ in 0..10_000 {
            let leaders = self.0.leaders().await;
            if let Some(leader) = leaders.into_iter().find(|leader| !not.contains(leader)) {
                return leader;
            }
            self.0.clock().sleep(Duration::from_millis(1)).await;
        }
        panic!("no leader besides {not:?} in 10 s");
    }

    fn others(&self, than: NodeId) -> Vec<NodeId> {
        self.0.nodes().iter().copied().filter(|node| *node != than).collect()
    }
}

fn length(reply: Option<Reply>) -> Option<i64> {
    match reply {
        Some(Reply::Integer(length)) => Some(length),
        Some(Reply::Array(items)) => Some(items.len() as i64),
        _ => None,
    }
}

/// A leader whose followers answer so much later is read from so many times.
fn read_while_followers_are_late(delay_ms: u32, reads: u32) -> BTreeMap<String, u64> {
    let (_, counters) = told(async move |story| {
        let leader = story.leader_besides(&[]).await;
        assert_eq!(length(story.ask(leader, &["RPUSH", "list", "1"]).await), Some(1));
        story.slow(&story.others(leader), delay_ms).await;
        story.0.clock().sleep(Duration::from_secs(5)).await;
        for _ in 0..reads {
            let list = story.ask(leader, &["LRANGE", "list", "0", "-1"]).await;
            assert_eq!(length(list), Some(1), "late is not never");
        }
        assert_eq!(story.0.leaders().await, [leader], "it is heard in time");
        story.fast().await;
    });
    counters
}

#[test]
fn an_acknowledgement_that_is_older_than_a_lease_gives_none() {
    let options = Options::new(vec![Name(1)]);
    let lease_ms = options.lease().as_millis() as u32;
    let reached =
        |counters: &BTreeMap<String, u64>, mark: &str| counters.get(mark).copied().unwrap_or(0);
    for (delay_ms, by_lease) in [(lease_ms / 2, true), (lease_ms + 50, false)] {
        let (none, some) = (
            read_while_followers_are_late(delay_ms, 0),
            read_while_followers_are_late(delay_ms, 3),
        );
        let more = |mark| reached(&some, mark) - reached(&none, mark);
        assert_eq!(more("lease read") > 0, by_lease, "{delay_ms} ms late: {some:?}");
        assert_eq!(more("read index") > 0, !by_lease, "{delay_ms} ms late: {some:?}");
    }
}

#[test]
fn a_leader_that_is_heard_too_late_is_followed_by_another_and_nothing_acknowledged_is_lost() {
    let (lists, counters) = told(async |story| {
        let first = story.leader_besides(&[]).await;
        assert_eq!(length(story.ask(first, &["RPUSH", "list", "1"]).await), Some(1));
        story.slow(&[first], 4000).await;
        let second = story.leader_besides(&[first]).await;
        assert_eq!(length(story.ask(second, &["RPUSH", "list", "2"]).await), Some(2));
        story.fast().await;
        let mut lists = Vec::new();
        for node in story.0.nodes().to_vec() {
            // What left the slowed node before still comes late, and others may wait for it.
            lists.push(length(story.ask(node, &["LRANGE", "list", "0", "-1"]).await));
        }
        lists
    });
    assert_eq!(lists, [Some(2); NODES as usize]);
    assert_eq!(counters.get("leader elected"), Some(&2), "{counters:?}");
}
