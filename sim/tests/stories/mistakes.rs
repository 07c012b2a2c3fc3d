//! Mistakes each told with the bug and without: what the client is told then and must not be. Some no workload's operations reach.
//! The unfenced reads are told of each kind of collection; of sets, a sweep finds them, too.

use super::teller::{N1, N2, N3, Teller, told_to};
use elastickv::bug::{Bug, Bugs};
use elastickv::options::Options;
use futures_util::future::{join, join_all, join3};
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::redis::resp::Reply;
use harness::seed::Seed;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether the story comes to a bad end, told with this bug or with none.
fn ends_badly<S, F>(bug: Option<Bug>, with: fn(Options) -> Options, story: S) -> bool
where
    S: FnOnce(Rc<Teller>) -> F + Send + 'static,
    F: Future<Output = bool>,
{
    let told = Arc::new(AtomicBool::new(false));
    let end = told.clone();
    let bugs = bug.into_iter().fold(Bugs::NONE, Bugs::with);
    let with = move |options| Options { bugs, ..with(options) };
    told_to(Seed(1), with, |teller| async move {
        end.store(story(teller).await, Ordering::Relaxed);
    });
    told.load(Ordering::Relaxed)
}

/// Only the bug makes the story end badly.
macro_rules! tells {
    ($bug:expr, $with:expr, $story:expr) => {
        assert!(ends_badly(Some($bug), $with, $story), "{} does not show", $bug);
        assert!(!ends_badly(None, $with, $story), "it goes wrong without {}, too", $bug);
    };
}

fn as_it_is(options: Options) -> Options {
    options
}

fn integer(reply: Reply) -> Option<i64> {
    if let Reply::Integer(number) = reply { Some(number) } else { None }
}

fn next(node: NodeId) -> NodeId {
    [N2, N3, N1][usize::from(node.0) - 1]
}

/// How many members were acknowledged, and how many were begun.
#[derive(Default)]
struct Members {
    begun: Cell<i64>,
    acknowledged: Cell<i64>,
}

impl Members {
    async fn write(&self, teller: &Teller, node: NodeId, [command, key]: [&str; 2]) {
        self.begun.set(self.begun.get() + 1);
        let member = self.begun.get().to_string();
        let words = match command {
            "ZADD" | "HSET" => vec![command, key, &member, &member],
            _ => vec![command, key, &member],
        };
        if let Some(Reply::Integer(_)) = teller.ask(node, &words).await {
            self.acknowledged.set(self.acknowledged.get() + 1);
        }
    }

    /// Whether a reader counts fewer than were acknowledged when it asked.
    async fn are_missed(&self, teller: &Teller, node: NodeId, read: [&str; 2]) -> bool {
        let acknowledged = self.acknowledged.get();
        let counted = teller.ask(node, &read).await.and_then(integer);
        counted.is_some_and(|counted| counted < acknowledged)
    }
}

/// Whether any reader misses what was acknowledged when it asked, as leadership goes round while members are added.
async fn misses(teller: Rc<Teller>, write: [&'static str; 2], read: [&'static str; 2]) -> bool {
    let members = Members::default();
    let mut missed = false;
    for _ in 0..24 {
        let leader = teller.leader().await;
        let to = next(leader);
        let after = |after_us: u64| teller.0.clock().sleep(Duration::from_micros(after_us));
        let writers = (0..20_u64).map(async |turn| {
            after(turn * 3000).await;
            members.write(&teller, leader, write).await;
        });
        let readers = (0..200_u64).map(async |turn| {
            after(turn * 400).await;
            members.are_missed(&teller, to, read).await
        });
        let hands_over = teller.inject(Fault::Transfer(to));
        let (found, ..) = join3(join_all(readers), join_all(writers), hands_over).await;
        missed |= found.contains(&true);
    }
    missed
}

#[test]
fn collections_read_at_a_snapshot_from_before_the_fence_miss_what_was_acknowledged() {
    for (write, read) in [
        (["SADD", "key"], ["SCARD", "key"]),
        (["HSET", "key"], ["HLEN", "key"]),
        (["ZADD", "key"], ["ZCARD", "key"]),
    ] {
        tells!(Bug::CollectionTsBeforeFence, as_it_is, move |teller| misses(teller, write, read));
    }
}

/// What upstream's server fences, it still does.
#[test]
fn a_lists_length_is_read_behind_the_fence_also_then() {
    let bug = Some(Bug::CollectionTsBeforeFence);
    let story = |teller| misses(teller, ["RPUSH", "key"], ["LLEN", "key"]);
    assert!(!ends_badly(bug, as_it_is, story));
}

#[test]
fn a_key_that_a_fast_clock_found_expired_is_back_by_a_slow_one() {
    tells!(Bug::TtlWallClockLocal, as_it_is, |teller: Rc<Teller>| async move {
        let leader = teller.leader().await;
        let done = |reply: Reply| reply.is_status("OK").then_some(());
        teller.until(leader, &["SET", "key", "value", "EX", "60"], done).await;
        teller.inject(Fault::WallJump { node: leader, by_ms: 61_000 }).await;
        let answer = |reply| (!matches!(reply, Reply::Error(_))).then_some(reply);
        let gone = teller.until(leader, &["GET", "key"], answer).await;
        assert_eq!(gone, Reply::Null);
        let to = next(leader);
        teller.inject(Fault::Transfer(to)).await;
        teller.until(to, &["GET", "key"], answer).await != Reply::Null
    });
}

/// The names say every time of the run as upstream's keys do, inverted.
#[test]
fn a_key_is_hidden_by_keys_that_continue_it_as_a_timestamp_would() {
    tells!(Bug::NoKeyTerminator, as_it_is, |teller: Rc<Teller>| async move {
        let done = |reply: Reply| reply.is_status("OK").then_some(());
        teller.until(N1, &["SET", "key", "value"], done).await;
        let start = sim::clock::WALL_START_MS;
        for ms in (start..start + 40_000).step_by(256) {
            let time = !(ms << 16);
            let name = [b"key", &time.to_be_bytes()[..5]].concat();
            teller.ask_bytes(N1, &[b"SET", &name, b"other"]).await;
            teller.0.clock().sleep(Duration::from_millis(20)).await;
        }
        let answer = |reply| (!matches!(reply, Reply::Error(_))).then_some(reply);
        teller.until(N1, &["GET", "key"], answer).await != Reply::Bulk("value".into())
    });
}

#[test]
fn a_counter_counts_twice_what_conflicts_with_itself_on_the_wire() {
    tells!(Bug::RetryWireWriteConflict, as_it_is, |teller: Rc<Teller>| async move {
        let turns = 24;
        for turn in 0..turns {
            let leader = teller.leader().await;
            let others = [N1, N2, N3].into_iter().filter(|node| *node != leader);
            let cuts = others.map(|other| (other, leader)).collect();
            // What the leader proposed is on its way; that it arrived, it does not hear.
            let cut = async {
                teller.0.clock().sleep(Duration::from_micros(4000 + 500 * turn)).await;
                teller.inject(Fault::Partition { shape: "deaf leader".into(), cuts }).await;
            };
            join(teller.ask(leader, &["INCR", "key"]), cut).await;
            teller.0.clock().sleep(Duration::from_secs(4)).await;
            teller.inject(Fault::HealNetwork).await;
            teller.0.clock().sleep(Duration::from_secs(6)).await;
        }
        let counted = |reply| match reply {
            Reply::Bulk(bytes) => std::str::from_utf8(&bytes).ok()?.parse::<u64>().ok(),
            _ => None,
        };
        teller.until(N1, &["GET", "key"], counted).await > turns
    });
}

fn three_groups(options: Options) -> Options {
    Options {
        shards: ":i=1,i:q=2,q:=3".parse().expect("ranges"),
        txn_lock_ttl: Duration::from_secs(2),
        lock_resolver: Duration::from_secs(1),
        ..options
    }
}

/// Leaders die in the middle of transactions over all groups, and their keys are wanted again.
#[test]
fn a_rollback_that_stops_at_the_primarys_marker_leaves_keys_locked_for_ever() {
    tells!(Bug::AbortShortcircuitOnMarker, three_groups, |teller: Rc<Teller>| async move {
        let set = ["MSET", "a", "0", "m", "0", "z", "0"];
        let done = |reply: Reply| reply.is_status("OK").then_some(());
        teller.until(N1, &set, done).await;
        for turn in 1..=24_u64 {
            let leader = teller.leader().await;
            let kill = async {
                teller.0.clock().sleep(Duration::from_millis(2 * turn)).await;
                teller.inject(Fault::Kill(leader)).await;
            };
            join(teller.ask(leader, &set), kill).await;
            teller.inject(Fault::Restart(leader)).await;
            teller.0.clock().sleep(Duration::from_secs(15)).await;
            for key in ["a", "m", "z"] {
                if !matches!(teller.ask(N2, &["GET", key]).await, Some(Reply::Bulk(_))) {
                    return true;
                }
            }
        }
        false
    });
}
