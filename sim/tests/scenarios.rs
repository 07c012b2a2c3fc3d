//! Pinned stories: what a client loses to each planted bug that an invariant finds first. Each is told twice, with the bug
//! and without, on the same seed.

use elastickv::bug::{Bug, Bugs};
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

const NODES: u16 = 5;

/// Tells a story to a cluster of five whose nodes have these bugs.
fn told<T, S, F>(seed: u64, bugs: impl Fn(u16) -> Bugs + Send + 'static, story: S) -> T
where
    T: Send + 'static,
    S: FnOnce(Teller) -> F + Send + 'static,
    F: Future<Output = T>,
{
    let options = move |node: u16| Options {
        bugs: bugs(node),
        ..Options::new((1..=NODES).map(Name).collect())
    };
    let guest = move || -> Rc<dyn sim::cluster::Guest> { Rc::new(Elastickv::each(options)) };
    sim::simulate(Seed(seed), WorldParams::calm(), NODES, guest, move |cluster| async move {
        cluster.set_up(Seed(seed)).await.expect("a simulated cluster starts");
        story(Teller(cluster)).await
    })
}

fn everywhere(bug: Option<Bug>) -> impl Fn(u16) -> Bugs + Send + 'static {
    move |_| bug.into_iter().fold(Bugs::NONE, Bugs::with)
}

struct Teller(Rc<SimCluster>);

impl Teller {
    async fn pass(&self, ms: u64) {
        self.0.clock().sleep(Duration::from_millis(ms)).await;
    }

    async fn inject(&self, fault: Fault) {
        self.0.inject(&fault).await.expect("the simulation enacts every fault");
    }

    async fn all(&self, fault: fn(NodeId) -> Fault, nodes: &[NodeId]) {
        for node in nodes {
            self.inject(fault(*node)).await;
        }
    }

    /// One attempt at one node; `None` if there was no answer in time.
    async fn ask(&self, node: NodeId, words: &[&str], within_ms: u64) -> Option<Reply> {
        let attempt = async {
            let mut redis = Redis::new(self.0.connect(node).await.ok()?);
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            redis.ask(&words).await.ok()
        };
        match select(pin!(attempt), self.0.clock().sleep(Duration::from_millis(within_ms))).await {
            Either::Left((reply, _)) => reply,
            Either::Right(_) => None,
        }
    }

    async fn push(&self, node: NodeId, value: u64, within_ms: u64) -> bool {
        let value = value.to_string();
        let reply = self.ask(node, &["RPUSH", "list", &value], within_ms).await;
        matches!(reply, Some(Reply::Integer(_)))
    }

    /// The list as this node gives it, asked until it answers.
    async fn list(&self, node: NodeId) -> Vec<u64> {
        for _ in 0..200 {
            if let Some(Reply::Array(items)) =
                self.ask(node, &["LRANGE", "list", "0", "-1"], 1000).await
            {
                let number = |item: &Reply| match item {
                    Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
                    _ => None,
                };
                return items.iter().filter_map(number).collect();
            }
            self.pass(100).await;
        }
        panic!("{node} did not answer a read in time");
    }

    /// The one leader, waited for; not one of these.
    async fn leader_besides(&self, not: &[NodeId]) -> Option<NodeId> {
        for _ in 0..10_000 {
            let leaders = self.0.leaders().await;
            if let Some(leader) = leaders.into_iter().find(|leader| !not.contains(leader)) {
                return Some(leader);
            }
            self.pass(1).await;
        }
        None
    }

    fn others(&self, than: &[NodeId]) -> Vec<NodeId> {
        self.0.nodes().iter().copied().filter(|node| !than.contains(node)).collect()
    }

    async fn split(&self, one: &[NodeId]) {
        let other = self.others(one);
        let pairs = one.iter().flat_map(|a| other.iter().flat_map(move |b| [(*a, *b), (*b, *a)]));
        self.inject(Fault::Partition { shape: "halves".into(), cuts: pairs.collect() }).await;
    }
}

/// A leader and two followers commit, the client is told, the three lose power, and the two followers come back with the rest.
/// Returns (acknowledged, read back).
async fn power_cut_after_the_answer(story: Teller) -> (Vec<u64>, Vec<u64>) {
    let leader = story.leader_besides(&[]).await.expect("a leader");
    story.push(leader, 1, 5000).await;
    let mut acknowledged = vec![1];
    let majority = [vec![leader], story.others(&[leader])[..2].to_vec()].concat();
    story.split(&majority).await;
    if story.push(leader, 2, 1500).await {
        acknowledged.push(2);
    }
    story.all(Fault::PowerOff, &majority).await;
    story.inject(Fault::HealNetwork).await;
    story.all(Fault::Restart, &majority[1..]).await;
    let read = story.list(majority[1]).await;
    (acknowledged, read)
}

/// A voter elects a new leader and loses power before it hears from it; back without its vote it serves the old leader, who
/// then commits beside the new one. Then the old leader's side loses power too, and comes back without it. Returns (acknowledged, read back).
async fn voter_forgets(story: Teller) -> (Vec<u64>, Vec<u64>) {
    let old = story.leader_besides(&[]).await.expect("a leader");
    story.push(old, 1, 5000).await;
    let mut acknowledged = vec![1];
    let minority = [old, story.others(&[old])[0]];
    story.split(&minority).await;
    let Some(new) = story.leader_besides(&[old]).await else { return (vec![], vec![]) };
    let voter = story.others(&[old, new, minority[1]])[0];
    story.inject(Fault::PowerOff(voter)).await;
    story.split(&[minority[0], minority[1], voter]).await;
    story.inject(Fault::Restart(voter)).await;
    if story.push(old, 2, 1500).await {
        acknowledged.push(2);
    }
    story.all(Fault::PowerOff, &[old, minority[1], voter]).await;
    story.inject(Fault::HealNetwork).await;
    story.all(Fault::Restart, &[minority[1], voter]).await;
    let read = story.list(new).await;
    (acknowledged, read)
}

/// Everyone loses power and comes back. Returns (acknowledged, read back).
async fn everyone_loses_power(story: Teller) -> (Vec<u64>, Vec<u64>) {
    let leader = story.leader_besides(&[]).await.expect("a leader");
    let mut acknowledged = Vec::new();
    for value in 1..=5 {
        if story.push(leader, value, 5000).await {
            acknowledged.push(value);
        }
    }
    let everyone = story.others(&[]);
    story.all(Fault::PowerOff, &everyone).await;
    story.all(Fault::Restart, &everyone).await;
    let read = story.list(NodeId(1)).await;
    (acknowledged, read)
}

/// The leader's wall clock runs a minute ahead, it answers a write and dies. Returns how many of its successor's answers to
/// twenty writes, half a second apart, were successes.
async fn clock_ahead_then_death(story: Teller) -> usize {
    let fast = NodeId(1);
    let mut writes = 0;
    // n1 alone has the bug: it must lead.
    for _ in 0..50 {
        let leader = story.leader_besides(&[]).await.expect("a leader");
        if leader == fast {
            break;
        }
        story.inject(Fault::Kill(leader)).await;
        story.leader_besides(&[leader]).await.expect("another leader");
        story.inject(Fault::Restart(leader)).await;
        story.pass(2500).await;
    }
    assert_eq!(story.0.leaders().await, [fast]);
    assert!(story.push(fast, 1, 5000).await);
    story.inject(Fault::WallJump { node: fast, by_ms: 60_000 }).await;
    story.push(fast, 2, 300).await;
    story.inject(Fault::Kill(fast)).await;
    let next = story.leader_besides(&[fast]).await.expect("a successor");
    for value in 3..23 {
        writes += usize::from(story.push(next, value, 400).await);
        story.pass(100).await;
    }
    writes
}

/// A follower is killed amid the sync of an entry and is back at once; then nobody writes until the leader has sent again what it
/// has no answer for. Returns what the world found.
async fn killed_amid_syncs(story: Teller) -> Vec<String> {
    let leader = story.leader_besides(&[]).await.expect("a leader");
    story.pass(1500).await;
    let follower = story.others(&[leader])[0];
    for round in 0..10 {
        let mut redis = Redis::new(story.0.connect(leader).await.expect("the leader is up"));
        redis.command(&[b"RPUSH", b"list", round.to_string().as_bytes()]);
        redis.flush().await.expect("the leader is up");
        story.pass(4 + 2 * round).await;
        story.inject(Fault::Kill(follower)).await;
        story.inject(Fault::Restart(follower)).await;
        story.pass(600).await;
    }
    let artifacts = story.0.tear_down().await;
    artifacts.findings.into_iter().map(|finding| finding.text).collect()
}

/// What was acknowledged and cannot be read back.
fn lost((acknowledged, read): (Vec<u64>, Vec<u64>)) -> Vec<u64> {
    acknowledged.into_iter().filter(|value| !read.contains(value)).collect()
}

#[test]
fn what_a_restarted_process_finds_in_the_page_cache_is_synced_before_it_is_promised() {
    for seed in 0..12 {
        let found = told(seed, everywhere(None), killed_amid_syncs);
        assert!(found.is_empty(), "seed {seed}: {found:?}");
    }
}

#[test]
fn an_append_acknowledged_before_followers_synced_it_is_lost_with_their_power() {
    let bug = everywhere(Some(Bug::AckBeforeFsync));
    assert_eq!(lost(told(1, bug, power_cut_after_the_answer)), [2]);
    assert_eq!(lost(told(1, everywhere(None), power_cut_after_the_answer)), [0; 0]);
}

#[test]
fn a_voter_that_forgets_its_vote_lets_two_leaders_commit_and_one_of_them_loses() {
    let bug = everywhere(Some(Bug::VoteNotPersisted));
    assert_eq!(lost(told(45, bug, voter_forgets)), [2]);
    assert_eq!(lost(told(45, everywhere(None), voter_forgets)), [0; 0]);
}

#[test]
fn a_last_commit_timestamp_apart_from_its_batch_hides_what_was_acknowledged_after_a_power_cut() {
    let bug = everywhere(Some(Bug::LastCommitTsNosync));
    assert_eq!(lost(told(0, bug, everyone_loses_power)), [1, 2, 3, 4, 5]);
    assert_eq!(lost(told(0, everywhere(None), everyone_loses_power)), [0; 0]);
}

#[test]
fn a_stamp_above_the_ceiling_locks_the_next_leader_out_of_writing() {
    let fast_only =
        |node| if node == 1 { Bugs::NONE.with(Bug::HlcUnfencedNext) } else { Bugs::NONE };
    assert_eq!(told(0, fast_only, clock_ahead_then_death), 0);
    assert_eq!(told(0, |_| Bugs::NONE, clock_ahead_then_death), 20);
}
