//! Who tells a story: injects faults, asks nodes, waits for answers.

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
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

pub const N1: NodeId = NodeId(1);
pub const N2: NodeId = NodeId(2);
pub const N3: NodeId = NodeId(3);

pub struct Teller(pub Rc<SimCluster>);

/// Tells a story to three nodes in a calm world, in which nothing must be found.
pub fn told<S, F>(story: S)
where
    S: FnOnce(Rc<Teller>) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    told_to(Seed(1), |options| options, story);
}

/// The same to nodes that were told more when they started, in the calm world of a seed.
pub fn told_to<W, S, F>(seed: Seed, with: W, story: S)
where
    W: Fn(Options) -> Options + Send + 'static,
    S: FnOnce(Rc<Teller>) -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let options = move || with(Options::new((1..=3).map(Name).collect()));
    let guest = move || -> Rc<dyn sim::cluster::Guest> { Rc::new(Elastickv::new(options())) };
    let findings = sim::simulate(seed, WorldParams::calm(), 3, guest, move |cluster| async move {
        cluster.set_up(seed).await.expect("a simulated cluster starts");
        let teller = Rc::new(Teller(cluster));
        story(teller.clone()).await;
        teller.0.tear_down().await.findings
    });
    assert_eq!(findings, []);
}

impl Teller {
    pub async fn inject(&self, fault: Fault) {
        self.0.inject(&fault).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
    }

    pub async fn ask(&self, node: NodeId, words: &[&str]) -> Option<Reply> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.ask_bytes(node, &words).await
    }

    pub async fn ask_bytes(&self, node: NodeId, words: &[&[u8]]) -> Option<Reply> {
        let attempt = async {
            let mut redis = Redis::new(self.0.connect(node).await.ok()?);
            redis.ask(words).await.ok()
        };
        match select(pin!(attempt), self.0.clock().sleep(Duration::from_secs(1))).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => None,
        }
    }

    /// Asks until there is an answer of this kind.
    pub async fn until<T>(&self, node: NodeId, words: &[&str], read: fn(Reply) -> Option<T>) -> T {
        let mut last = None;
        for _ in 0..200 {
            last = self.ask(node, words).await;
            if let Some(answer) = last.clone().and_then(read) {
                return answer;
            }
            self.0.clock().sleep(Duration::from_millis(100)).await;
        }
        panic!("{node} did not answer {words:?}, but {last:?}");
    }

    pub async fn push(&self, node: NodeId, value: u64) {
        let integer = |reply| matches!(reply, Reply::Integer(_)).then_some(());
        self.until(node, &["RPUSH", "list", &value.to_string()], integer).await;
    }

    pub async fn list(&self, node: NodeId) -> Vec<u64> {
        let items = |reply| match reply {
            Reply::Array(items) => Some(items),
            _ => None,
        };
        let items = self.until(node, &["LRANGE", "list", "0", "-1"], items).await;
        let number = |item: &Reply| match item {
            Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            _ => None,
        };
        items.iter().filter_map(number).collect()
    }

    pub async fn leader(&self) -> NodeId {
        for _ in 0..200 {
            if let [leader] = self.0.leaders().await[..] {
                return leader;
            }
            self.0.clock().sleep(Duration::from_millis(100)).await;
        }
        panic!("nobody leads");
    }
}
