//! A voter that has heard from a leader helps to elect no other for an election time-out, even when an old answer makes it forget that
//! leader: the leader may be reading by the lease that this voter granted.

use elastickv::bug::{Bug, Bugs};
use elastickv::env::{Env, Lane, NodeId as Name};
use elastickv::options::Options;
use elastickv::raft::{Message, MessageKind};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use harness::cluster::Cluster;
use harness::seed::Seed;
use sim::cluster::Guest;
use sim::env::SimEnv;
use sim::params::WorldParams;
use std::collections::BTreeMap;
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
