//! Processes that are killed from inside: where they were, what their disks then have, and that nothing of it waits for the next boot.

use crate::stage::{self, N1, N2, Setting, idle, inject, pass};
use elastickv::env::{Disk, Env};
use futures_util::future::{FutureExt, LocalBoxFuture, pending};
use harness::cluster::{Artifacts, Cluster};
use harness::fault::Fault;
use sim::cluster::SimCluster;
use sim::env::SimEnv;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

const LOG: &str = "wal/1.log";

/// Node 1 writes, syncs and answers nobody, a byte every 10 ms or so, in its first two boots; the second goes on where the first was.
fn writer(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        if env.node != 1 || env.boot > 2 {
            return pending().await;
        }
        let disk = env.disk();
        if env.boot == 1 {
            disk.create(LOG).await.expect("a disk takes files");
            disk.sync_dir("wal").await.expect("a disk takes files");
        }
        loop {
            env.sleep(Duration::from_millis(10)).await;
            disk.append(LOG, b"x").await.expect("the file is there");
            env.reached("appended");
            disk.sync(LOG).await.expect("the file is there");
            env.reached("synced");
            env.yield_point("before the reply").await;
            env.reached("replied");
        }
    }
    .boxed_local()
}

fn play<F, T>(script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting::calm(writer), script)
}

fn at(step: &str, or_after_ms: u32) -> Fault {
    Fault::KillAt { node: N1, step: step.to_owned(), or_after_ms }
}

/// What was appended and what is durable of it when node 1 was killed at the step, and what the run left behind.
fn killed(step: &'static str) -> (usize, usize, Artifacts) {
    play(async move |cluster| {
        pass(&cluster, 200).await;
        let before = cluster.clock().now();
        inject(&cluster, at(step, 1_000)).await;
        assert!(cluster.clock().now() - before < Duration::from_millis(200), "it was there soon");
        assert!(cluster.connect(N1).await.is_err(), "nobody is there");
        let len = |image: Option<bytes::Bytes>| image.map_or(0, |bytes| bytes.len());
        let world = cluster.world();
        let (appended, durable) =
            (len(world.cached_image(1, LOG)), len(world.synced_image(1, LOG)));
        pass(&cluster, 1_000).await;
        assert_eq!(len(world.cached_image(1, LOG)), appended, "it is dead");
        (appended, durable, cluster.tear_down().await)
    })
}

fn count(artifacts: &Artifacts, mark: &str) -> usize {
    artifacts.counters.get(mark).map_or(0, |count| *count as usize)
}

#[test]
fn a_process_dies_between_append_and_sync_after_the_sync_or_before_the_reply_as_it_is_told() {
    let (appended, durable, left) = killed("wal sync");
    assert!(appended > 2);
    assert_eq!(durable, appended - 1, "the last append was not synced");
    assert_eq!(count(&left, "synced"), durable);
    assert_eq!(count(&left, "killed at: wal sync"), 1);

    let (appended, durable, left) = killed("wal synced");
    assert_eq!(durable, appended, "the disk has it");
    assert_eq!(count(&left, "synced"), appended - 1, "and the process did not hear of it");

    let (appended, durable, left) = killed("before the reply");
    assert_eq!((durable, count(&left, "synced")), (appended, appended));
    assert_eq!(count(&left, "replied"), appended - 1);
    assert_eq!(count(&left, "killed inside a named step"), 1);
    assert_eq!((left.effects, left.findings), (vec![1], Vec::new()));
}

#[test]
fn a_restarted_process_passes_the_step_at_which_the_last_one_died() {
    play(async |cluster| {
        inject(&cluster, at("wal sync", 1_000)).await;
        inject(&cluster, Fault::Restart(N1)).await;
        let before = cluster.world().cached_image(1, LOG).map(|bytes| bytes.len());
        pass(&cluster, 500).await;
        let after = cluster.world().cached_image(1, LOG).map(|bytes| bytes.len());
        assert!(after > before.map(|len| len + 5), "{before:?}, {after:?}");
        assert_eq!(cluster.env(N1).boot, 2);
        inject(&cluster, Fault::KillAfter { node: N1, polls: 3 }).await;
        inject(&cluster, Fault::Restart(N1)).await;
        pass(&cluster, 500).await;
        assert_eq!(cluster.leaders().await, []);
        assert!(cluster.env(N1).wall_ms() > 0, "the third boot runs");
        assert_eq!(cluster.tear_down().await.effects, [1, 0, 1, 0]);
    });
}

#[test]
fn who_never_comes_to_the_step_is_killed_when_the_time_is_over_and_no_step_is_counted() {
    let left = play(async |cluster| {
        let before = cluster.clock().now();
        inject(&cluster, at("snap rename", 300)).await;
        let took = cluster.clock().now() - before;
        assert!((300..310).contains(&took.as_millis()), "{took:?}");
        assert!(cluster.connect(N1).await.is_err());
        inject(&cluster, at("snap rename", 300)).await;
        assert!(cluster.clock().now() - before < took * 2, "a dead process is not waited for");
        cluster.tear_down().await
    });
    assert_eq!(left.effects, [1, 0]);
    assert_eq!(count(&left, "killed inside a named step"), 0);
}

#[test]
fn a_step_that_nobody_knows_is_refused_with_those_that_there_are() {
    play(async |cluster| {
        let refused = cluster.inject(&at("wal fsync", 300)).await.unwrap_err().to_string();
        let list = cluster.steps().join(", ");
        assert_eq!(refused, format!("there is no step `wal fsync`: the steps are {list}"));
        assert!(cluster.env(N1).wall_ms() > 0, "it was not killed");
        let of_groups = at("between prewrites", 300);
        assert!(cluster.inject(&of_groups).await.is_err(), "there is one group");
        assert_eq!(cluster.tear_down().await.effects, [0, 0]);
    });
}

#[test]
fn a_process_dies_after_so_many_polls_of_its_tasks_and_one_that_waits_for_ever_after_two_seconds() {
    let took = |node, polls| {
        play(async move |cluster| {
            let before = cluster.clock().now();
            inject(&cluster, Fault::KillAfter { node, polls }).await;
            let took = (cluster.clock().now() - before).as_millis();
            assert!(cluster.connect(node).await.is_err(), "nobody is there");
            assert_eq!(cluster.tear_down().await.effects, [1]);
            took
        })
    };
    let (few, many) = (took(N1, 1), took(N1, 40));
    assert!(few < 20 && (100..1_000).contains(&many), "{few} ms, {many} ms");
    assert_eq!(took(N1, 0), few, "0 is taken for 1");
    assert!((2_000..2_010).contains(&took(N2, 1)));
}

#[test]
fn a_fuse_that_is_set_changes_nothing_until_it_is_through() {
    let marks = |fault: Option<Fault>| {
        stage::play(Setting::calm(writer), async move |cluster| {
            match fault {
                Some(fault) => inject(&cluster, fault).await,
                None => pass(&cluster, 300).await,
            }
            cluster.tear_down().await.counters
        })
    };
    let (with, without) = (marks(Some(at("snap sync", 300))), marks(None));
    assert_eq!(with["appended"], without["appended"]);
    assert!(stage::play(Setting::calm(idle), async |cluster| cluster.steps().len()) > 10);
}

#[test]
fn a_storm_kills_a_process_so_many_times_and_leaves_it_running() {
    play(async |cluster| {
        pass(&cluster, 100).await;
        let before = cluster.clock().now();
        inject(&cluster, Fault::Storm { node: N1, times: 4, up_ms: 50, down_ms: 20 }).await;
        let took = (cluster.clock().now() - before).as_millis();
        assert!((230..240).contains(&took), "four times down, three times up: {took} ms");
        pass(&cluster, 1).await;
        assert_eq!((cluster.env(N1).boot, cluster.env(N2).boot), (5, 1));
        assert!(cluster.env(N1).wall_ms() > 0, "the fifth boot runs");
        inject(&cluster, Fault::Kill(N1)).await;
        // Of a process that was dead before, the first kill kills nobody.
        inject(&cluster, Fault::Storm { node: N1, times: 2, up_ms: 5, down_ms: 5 }).await;
        assert_eq!(cluster.tear_down().await.effects, [4, 1, 1]);
    });
}

/// Node 1 writes 100 bytes every 10 ms and never syncs.
fn hoarder(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        let disk = env.disk();
        if env.node != 1 || env.boot > 1 || disk.create(LOG).await.is_err() {
            return pending().await;
        }
        loop {
            env.sleep(Duration::from_millis(10)).await;
            disk.append(LOG, &[7; 100]).await.expect("the file is there");
        }
    }
    .boxed_local()
}

#[test]
fn a_process_dies_when_more_waits_for_it_than_its_limit_and_one_that_keeps_below_when_the_time_is_over()
 {
    let took = |kib: u32, or_after_ms: u32| {
        stage::play(Setting::calm(hoarder), async move |cluster| {
            let before = cluster.clock().now();
            inject(&cluster, Fault::LimitMemory { node: N1, kib, or_after_ms }).await;
            let took = (cluster.clock().now() - before).as_millis();
            let wrote = cluster.world().cached_image(1, LOG).map_or(0, |bytes| bytes.len());
            let left = cluster.tear_down().await;
            assert_eq!(left.effects, [1]);
            (took, wrote, count(&left, "killed out of memory"))
        })
    };
    let (soon, wrote, times) = took(4, 5_000);
    assert!(soon < 500 && (4_097..=4_200).contains(&wrote), "{wrote} bytes after {soon} ms");
    assert_eq!(times, 1);
    let (late, wrote, times) = took(64, 700);
    assert!((700..710).contains(&late) && wrote < 10_000, "{wrote} bytes after {late} ms");
    assert_eq!(times, 0);
}

/// Wakes up every 10 ms.
fn ticker(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        loop {
            env.sleep(Duration::from_millis(10)).await;
        }
    }
    .boxed_local()
}

#[test]
fn what_nobody_reads_counts_as_well() {
    stage::play(Setting::calm(ticker), async |cluster| {
        // Node 2 never receives; the script plays node 1.
        let message = bytes::Bytes::from(vec![1; 600]);
        let one = cluster.env(N1);
        for _ in 0..2 {
            one.send(elastickv::env::NodeId(2), elastickv::env::Lane::Normal, message.clone());
        }
        pass(&cluster, 500).await;
        let before = cluster.clock().now();
        inject(&cluster, Fault::LimitMemory { node: N2, kib: 1, or_after_ms: 900 }).await;
        assert!((cluster.clock().now() - before).as_millis() < 100);
        assert_eq!(count(&cluster.tear_down().await, "killed out of memory"), 1);
    });
}
