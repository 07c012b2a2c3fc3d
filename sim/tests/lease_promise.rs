//! A voter that has heard from a leader helps to elect no other for an election time-out, even when an old answer makes it forget that
//! leader: the leader may be reading by the lease that this voter granted.

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
use std::rc::Rc;
use std::time::Duration;

/// n1 is the voter; n2 and n3 send what the story says and count the votes that they get.
struct Played;

impl Guest for Played {
    fn boot(&self, env: SimEnv) -> LocalBoxFuture<'static, ()> {
        async move {
            match env.id() {
                Name(1) => {
                    let options = Options::new((1..=3).map(Name).collect());
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

#[test]
fn a_promised_lease_outlives_the_memory_of_the_leader() {
    let guest = || -> Rc<dyn Guest> { Rc::new(Played) };
    let counters = sim::simulate(Seed(1), WorldParams::calm(), 3, guest, async |cluster| {
        cluster.set_up(Seed(1)).await.expect("a simulated cluster starts");
        cluster.clock().sleep(Duration::from_secs(4)).await;
        cluster.tear_down().await.counters
    });
    assert_eq!(counters.get("vote too early"), None, "{counters:?}");
    assert_eq!(counters.get("vote in time"), Some(&1), "{counters:?}");
}
