//! Keys are parted among groups: what a client sees of transactions that touch several, of leaders that are apart and of splits.

use super::teller::{N1, N2, N3, Teller, told_to};
use elastickv::options::Options;
use futures_util::future::join;
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::redis::resp::Reply;
use harness::seed::Seed;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn two_groups(options: Options) -> Options {
    Options {
        shards: ":m=1,m:=2".parse().expect("ranges"),
        txn_lock_ttl: Duration::from_secs(2),
        lock_resolver: Duration::from_secs(1),
        ..options
    }
}

fn two_groups_apart(options: Options) -> Options {
    Options { gather_leaders: Duration::ZERO, ..two_groups(options) }
}

/// One key of each group.
async fn set_both(teller: &Teller, node: NodeId, value: &str) -> Option<Reply> {
    teller.ask(node, &["MSET", "a", value, "z", value]).await
}

async fn both(teller: &Teller, node: NodeId) -> (Reply, Reply) {
    let pair = |reply| match reply {
        Reply::Array(items) => <[Reply; 2]>::try_from(items).ok(),
        _ => None,
    };
    teller.until(node, &["MGET", "a", "z"], pair).await.into()
}

/// Writes both keys in one transaction, as often as it takes.
async fn until_set(teller: &Teller, node: NodeId, words: &[&str]) {
    let no_error = |reply| (!matches!(reply, Reply::Error(_))).then_some(());
    teller.until(node, words, no_error).await;
}

#[test]
fn what_two_leaders_lead_is_refused_and_when_one_leads_it_happens_whole() {
    static APART: AtomicU32 = AtomicU32::new(0);
    for seed in 1..=6 {
        told_to(Seed(seed), two_groups_apart, |teller| async move {
            for words in [["SET", "a", "0"], ["SET", "z", "0"]] {
                until_set(&teller, N1, &words).await;
            }
            let leaders = teller.0.leaders().await;
            let reply = set_both(&teller, N1, "1").await;
            if leaders.len() == 2 {
                APART.fetch_add(1, Ordering::Relaxed);
                let text = "ERR EXEC read fence spans multiple shard leaders";
                assert_eq!(reply, Some(Reply::Error(text.to_owned())));
                teller.inject(Fault::Transfer(leaders[0])).await;
            }
            until_set(&teller, N2, &["MSET", "a", "2", "z", "2"]).await;
            let two = Reply::Bulk("2".into());
            for node in [N1, N2, N3] {
                assert_eq!(both(&teller, node).await, (two.clone(), two.clone()));
            }
            let marks = teller.0.tear_down().await.counters;
            assert!(marks["transaction across groups committed"] > 0, "{marks:?}");
        });
    }
    let apart = APART.load(Ordering::Relaxed);
    assert!((1..6).contains(&apart), "{apart} of 6 began apart");
}

#[test]
fn leaders_gather_on_the_default_groups_leader() {
    told_to(Seed(3), two_groups, |teller| async move {
        teller.0.clock().sleep(Duration::from_secs(10)).await;
        assert_eq!(teller.0.leaders().await.len(), 1);
    });
}

/// Every transaction writes the same value to both keys, and leaders die in the middle of them.
#[test]
fn a_transaction_whose_coordinator_dies_happens_whole_or_not_at_all() {
    told_to(Seed(1), two_groups, |teller| async move {
        until_set(&teller, N1, &["MSET", "a", "0", "z", "0"]).await;
        for turn in 1..=24_u64 {
            let leader = teller.leader().await;
            let value = turn.to_string();
            let kill = async {
                teller.0.clock().sleep(Duration::from_millis(2 * turn)).await;
                teller.inject(Fault::Kill(leader)).await;
            };
            join(set_both(&teller, leader, &value), kill).await;
            let other = if leader == N1 { N2 } else { N1 };
            let (a, z) = both(&teller, other).await;
            assert_eq!(a, z, "turn {turn}");
            teller.inject(Fault::Restart(leader)).await;
        }
        until_set(&teller, N3, &["MSET", "a", "end", "z", "end"]).await;
        let marks = teller.0.tear_down().await.counters;
        for mark in ["expired transaction rolled back", "secondary lock resolved"] {
            assert!(marks.contains_key(mark), "{mark} was not reached: {marks:?}");
        }
    });
}

#[test]
fn a_split_is_on_record_and_splits_no_transaction() {
    told_to(Seed(1), two_groups, |teller| async move {
        until_set(&teller, N1, &["MSET", "a", "0", "z", "0"]).await;
        for at in ["b", "y", "b"] {
            teller.inject(Fault::Split { at: at.to_owned() }).await;
        }
        for fault in [Fault::Kill as fn(NodeId) -> Fault, Fault::Restart] {
            for node in [N1, N2, N3] {
                teller.inject(fault(node)).await;
            }
        }
        // Ranges that were split since are of the same groups: all three are one transaction still.
        until_set(&teller, N2, &["MSET", "a", "1", "c", "1", "z", "1"]).await;
        let one = Reply::Bulk("1".into());
        assert_eq!(both(&teller, N3).await, (one.clone(), one));
        let artifacts = teller.0.tear_down().await;
        assert_eq!(artifacts.effects[..3], [1, 1, 0], "the third time it was so already");
        let taken = artifacts.counters["route catalog taken"];
        assert!(taken >= 3, "{taken}: every node when it restarts");
    });
}
