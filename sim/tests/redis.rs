//! What a client sees of scripts and of Pub/Sub, whichever node it asks and whatever lies between them.
#![cfg(madsim)]

use elastickv::env::NodeId as Name;
use elastickv::options::Options;
use futures_util::future::{Either, join_all, select};
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::redis::connection::Redis;
use harness::redis::resp::Reply;
use harness::seed::Seed;
use sim::cluster::SimCluster;
use sim::node::Elastickv;
use sim::params::WorldParams;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);

struct Teller(Rc<SimCluster>);

/// Tells a story to three nodes in a calm world, in which nothing must be found.
fn told<S, F>(story: S)
where
    S: FnOnce(Rc<Teller>) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let options = || Options::new((1..=3).map(Name).collect());
    let guest = move || -> Rc<dyn sim::cluster::Guest> { Rc::new(Elastickv::new(options())) };
    let findings = sim::simulate(Seed(1), WorldParams::calm(), 3, guest, |cluster| async move {
        cluster.set_up(Seed(1)).await.expect("a simulated cluster starts");
        let teller = Rc::new(Teller(cluster));
        story(teller.clone()).await;
        teller.0.tear_down().await.findings
    });
    assert_eq!(findings, []);
}

impl Teller {
    async fn inject(&self, fault: Fault) {
        self.0.inject(&fault).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
    }

    async fn open(&self, node: NodeId) -> Redis {
        for _ in 0..100 {
            match self.0.connect(node).await {
                Ok(stream) => return Redis::new(stream),
                Err(_) => self.0.clock().sleep(Duration::from_millis(100)).await,
            }
        }
        panic!("{node} does not serve");
    }

    /// Asks until the answer is no error, for as long as an election takes.
    async fn until(&self, node: NodeId, words: &[&str]) -> Reply {
        let mut redis = self.open(node).await;
        for _ in 0..100 {
            match ask(&mut redis, words).await {
                Reply::Error(_) => self.0.clock().sleep(Duration::from_millis(100)).await,
                answer => return answer,
            }
        }
        panic!("{node} did not answer {words:?}");
    }

    async fn subscriber(&self, node: NodeId) -> Redis {
        let mut redis = self.open(node).await;
        ask(&mut redis, &["SUBSCRIBE", "channel"]).await;
        redis
    }

    async fn publish(&self, node: NodeId, message: &str) -> Reply {
        ask(&mut self.open(node).await, &["PUBLISH", "channel", message]).await
    }

    /// What comes within a second.
    async fn heard(&self, redis: &mut Redis) -> Option<String> {
        let reply =
            match select(pin!(redis.reply()), self.0.clock().sleep(Duration::from_secs(1))).await {
                Either::Left((reply, _)) => reply.expect("the node serves"),
                Either::Right(_) => return None,
            };
        match reply {
            Reply::Array(parts) => match parts.as_slice() {
                [_, _, Reply::Bulk(message)] => Some(String::from_utf8_lossy(message).into_owned()),
                _ => panic!("no message: {parts:?}"),
            },
            other => panic!("no message: {other:?}"),
        }
    }
}

async fn ask(redis: &mut Redis, words: &[&str]) -> Reply {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    redis.ask(&words).await.expect("the node serves")
}

#[test]
fn a_message_reaches_subscribers_on_every_node_but_those_that_are_cut_off() {
    told(|story| async move {
        let mut near = story.subscriber(N2).await;
        let mut far = story.subscriber(N3).await;
        assert_eq!(story.publish(N1, "to both").await, Reply::Integer(2));
        assert_eq!(story.heard(&mut near).await.as_deref(), Some("to both"));
        assert_eq!(story.heard(&mut far).await.as_deref(), Some("to both"));

        let cuts = [N1, N2].iter().flat_map(|node| [(*node, N3), (N3, *node)]).collect();
        story.inject(Fault::Partition { shape: "one".into(), cuts }).await;
        let before = story.0.clock().now();
        assert_eq!(story.publish(N2, "to one").await, Reply::Integer(1));
        let took = story.0.clock().now() - before;
        assert!(took < Duration::from_millis(2100), "the others are waited for {took:?}");
        assert_eq!(story.heard(&mut near).await.as_deref(), Some("to one"));
        assert_eq!(story.heard(&mut far).await, None);
        assert_eq!(story.publish(N3, "behind the cut").await, Reply::Integer(1));
        assert_eq!(story.heard(&mut far).await.as_deref(), Some("behind the cut"));
        assert_eq!(story.heard(&mut near).await, None);

        story.inject(Fault::HealNetwork).await;
        assert_eq!(story.publish(N2, "to both again").await, Reply::Integer(2));
        assert_eq!(story.heard(&mut near).await.as_deref(), Some("to both again"));
        assert_eq!(story.heard(&mut far).await.as_deref(), Some("to both again"));
    });
}

#[test]
fn a_subscriber_gets_messages_and_replies_in_order_while_it_asks() {
    told(|story| async move {
        let mut redis = story.subscriber(N1).await;
        for turn in 0..20u32 {
            let message = turn.to_string();
            assert_eq!(
                story.publish(NodeId(1 + turn as u16 % 3), &message).await,
                Reply::Integer(1)
            );
            redis.command(&[b"PING", message.as_bytes()]);
            redis.flush().await.expect("the node serves");
            assert_eq!(story.heard(&mut redis).await, Some(message.clone()));
            let pong = Reply::Array(vec![Reply::Bulk("pong".into()), Reply::Bulk(message.into())]);
            assert_eq!(redis.reply().await.expect("the node serves"), pong);
        }
    });
}

#[test]
fn scripts_on_every_node_at_once_lose_no_update() {
    const ADD: &str = "local sum = tonumber(redis.call('GET', KEYS[1]) or '0') + 1 \
                       redis.call('SET', KEYS[1], sum) redis.call('RPUSH', KEYS[2], sum) return sum";
    told(|story| async move {
        story.until(N1, &["SET", "sum", "0"]).await;
        let clients = [N1, N2, N3, N1, N2, N3].map(|node| {
            let story = story.clone();
            async move {
                let mut redis = story.open(node).await;
                for _ in 0..10 {
                    let sum = ask(&mut redis, &["EVAL", ADD, "2", "sum", "sums"]).await;
                    assert!(matches!(sum, Reply::Integer(_)), "{sum:?}");
                }
            }
        });
        join_all(clients).await;
        let sums: Vec<Reply> =
            (1..=60).map(|sum: u32| Reply::Bulk(sum.to_string().into())).collect();
        assert_eq!(story.until(N2, &["LRANGE", "sums", "0", "-1"]).await, Reply::Array(sums));
    });
}
