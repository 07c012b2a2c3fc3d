//! A voter that has heard from a leader helps to elect no other for an election time-out, even when an old answer makes it forget that
//! leader: the leader may be reading by the lease that this voter granted. And how far clocks may run apart before that is not enough.

use elastickv::bug::{Bug, Bugs};
use elastickv::env::{Env, Lane, NodeId as Name};
use elastickv::options::Options;
use elastickv::raft::{Message, MessageKind};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, select};
use harness::cluster::{Cluster, Finding, NodeId};
use harness::fault::Fault;
use harness::nemesis::mono::PACE_MAX_PPM;
use harness::redis::connection::Redis;
use harness::seed::Seed;
use sim::cluster::{Guest, SimCluster};
use sim::env::SimEnv;
use sim::node::Elastickv;
use sim::params::WorldParams;
use std::collections::BTreeMap;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// n1 is the voter; n2 and n3 send what the story says and count the votes that they get.
struct Played {
    votes_at_once: bool,
}

impl Guest for Played {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        let bug = self.votes_at_once.then_some(Bug::VoteBeforeLeaseRunsOut);
        async move {
            match env.id() {
                Name(1) => {
                    let bugs = bug.into_iter().fold(Bugs::NONE, Bugs::with);
                    let options = Options::new((1..=3).map(Name).collect());
                    let options = Options { bugs, ..options };
                    elastickv::node::run(env, options).await.expect("a disk that works");
                }
                Name(2) => {
                    env.sleep(Duration::from_millis(500)).await;
                    say(env, MessageKind::Heartbeat, 2, false);
                    std::future::pending().await
                }
                _ => candidate(env).await,
            }
        }
        .boxed_local()
    }
}

fn say(env: SimEnv, kind: MessageKind, term: u64, reject: bool) {
    let from = u64::from(env.id().0);
    let message = Message { from, term, index: 1, log_term: 1, reject, ..Message::new(kind, 1) };
    env.send(Name(1), Lane::Heartbeat, message.encode());
}

async fn candidate(env: SimEnv) {
    env.sleep(Duration::from_millis(600)).await;
    // An answer to a pre-vote of long ago: n1 meets term 5 and forgets its leader.
    say(env, MessageKind::PreVoteResp, 5, true);
    for (after_ms, term) in [(20, 6), (1000, 7), (1400, 8)] {
        env.sleep(Duration::from_millis(after_ms)).await;
        say(env, MessageKind::Vote, term, false);
        env.sleep(Duration::from_millis(50)).await;
        while let Some((_, answer)) = env.receive(Lane::Heartbeat).now_or_never() {
            let answer = Message::decode(&answer).expect("n1 speaks Raft");
            if answer.kind == MessageKind::VoteResp && !answer.reject {
                env.reached(if term < 8 { "vote too early" } else { "vote in time" });
            }
        }
    }
    std::future::pending().await
}

/// What the candidate was given, by a voter with or without the mistake.
fn votes(votes_at_once: bool) -> BTreeMap<String, u64> {
    let guest = move || -> Rc<dyn Guest> { Rc::new(Played { votes_at_once }) };
    sim::simulate(Seed(1), WorldParams::calm(), 3, guest, async |cluster| {
        cluster.set_up(Seed(1)).await.expect("a simulated cluster starts");
        cluster.clock().sleep(Duration::from_secs(4)).await;
        cluster.tear_down().await.counters
    })
}

#[test]
fn a_promised_lease_outlives_the_memory_of_the_leader() {
    let counters = votes(false);
    assert_eq!(counters.get("vote too early"), None, "{counters:?}");
    assert_eq!(counters.get("vote in time"), Some(&1), "{counters:?}");
}

/// The story of `vote_before_lease_runs_out`.
#[test]
fn a_voter_that_keeps_no_promise_votes_while_the_lease_may_be_in_use() {
    let counters = votes(true);
    assert!(counters.contains_key("vote too early"), "{counters:?}");
}

/// A leader of three that is asked all the while, and after so long cut off from the others, with clocks at these paces: how many reads it
/// served by its lease, and what the invariants say.
fn asked_while_cut_off(
    seed: u64,
    leader_ppm: i32,
    others_ppm: i32,
    before_ms: u64,
) -> (u64, Vec<Finding>) {
    let guest =
        || -> Rc<dyn Guest> { Rc::new(Elastickv::new(Options::new((1..=3).map(Name).collect()))) };
    sim::simulate(Seed(seed), WorldParams::calm(), 3, guest, async move |cluster| {
        cluster.set_up(Seed(seed)).await.expect("a simulated cluster starts");
        let clock = cluster.clock();
        let leader = loop {
            clock.sleep(Duration::from_millis(100)).await;
            if let [leader] = cluster.leaders().await[..] {
                break leader;
            }
        };
        let others: Vec<NodeId> =
            cluster.nodes().iter().copied().filter(|node| *node != leader).collect();
        let inject = async |fault: Fault| cluster.inject(&fault).await.expect("a known node");
        inject(Fault::MonoDrift { node: leader, ppm: leader_ppm }).await;
        for node in &others {
            inject(Fault::MonoDrift { node: *node, ppm: others_ppm }).await;
        }
        ask_for(&cluster, leader, before_ms).await;
        let cuts = others.iter().flat_map(|other| [(leader, *other), (*other, leader)]).collect();
        inject(Fault::Partition { shape: "isolate leader".into(), cuts }).await;
        ask_for(&cluster, leader, 6_000).await;
        inject(Fault::HealNetwork).await;
        for node in cluster.nodes() {
            inject(Fault::MonoReset(*node)).await;
        }
        let left = cluster.tear_down().await;
        (left.counters.get("lease read").copied().unwrap_or(0), left.findings)
    })
}

/// Asks a node for a list every 20 ms for so long.
async fn ask_for(cluster: &SimCluster, node: NodeId, ms: u64) {
    let clock = cluster.clock();
    let end = clock.now() + Duration::from_millis(ms);
    while clock.now() < end {
        let asked = async {
            let mut redis = Redis::new(cluster.connect(node).await?);
            redis.ask(&[b"LRANGE", b"list", b"0", b"-1"]).await
        };
        // Whatever it answers: what a read was served by is what counts.
        drop(select(pin!(asked), clock.sleep(Duration::from_millis(50))).await);
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// What the nemesis may do to monotonic clocks.
const PACE: i32 = PACE_MAX_PPM as i32;

#[test]
fn clocks_within_the_nemesis_bound_keep_leases_exclusive() {
    let options = Options::new(vec![Name(1)]);
    let (promised, read) = (options.election_timeout(), options.lease());
    let (fast, slow) = ((1_000_000 + PACE) as u32, (1_000_000 - PACE) as u32);
    assert!(read * fast < promised * slow, "{read:?} of {promised:?} at {PACE} ppm");
    for seed in 0..20 {
        let (reads, findings) = asked_while_cut_off(seed, -PACE, PACE, 3_000);
        assert!(reads > 50, "seed {seed}: {reads} reads by lease");
        assert_eq!(findings, [], "seed {seed}");
    }
}

#[test]
fn clocks_that_were_beyond_the_bound_for_a_while_are_granted_no_lease_to_break() {
    for (leader, others) in [(-500_000, 1_000_000), (-150_000, 150_000), (0, 400_000)] {
        for seed in 0..5 {
            let (_, findings) = asked_while_cut_off(seed, leader, others, 20_000);
            assert_eq!(findings, [], "seed {seed}");
        }
    }
}

/// Nobody can notice in time.
#[test]
fn clocks_that_have_just_left_the_bound_break_leases_and_the_invariant_says_so() {
    let found = |seed| {
        let (_, findings) = asked_while_cut_off(seed, -500_000, 1_000_000, 3_000);
        findings.iter().any(|finding| {
            finding.name == "lease-exclusivity" && finding.text.contains("leads term")
        })
    };
    let times = (0..5).filter(|seed| found(*seed)).count();
    assert!(times >= 3, "found with {times} of 5 seeds");
}
