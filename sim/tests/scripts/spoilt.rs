//! What a disk in trouble answers, what becomes of a process that cannot go on with it, and that all is as before when it is whole.

use crate::stage::{self, N1, Setting, idle, inject, pass};
use elastickv::env::{Disk, Env};
use futures_util::future::{FutureExt, LocalBoxFuture, pending};
use harness::cluster::{Artifacts, Cluster};
use harness::fault::{DiskTrouble, Fault};
use harness::seed::Seed;
use sim::cluster::SimCluster;
use sim::disk::SimDisk;
use sim::env::SimEnv;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::Duration;

fn play<F, T>(
    program: stage::Program,
    script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static,
) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting::calm(program), script)
}

/// Its disk, as the current boot of node 1 has it.
fn disk(cluster: &SimCluster) -> SimDisk {
    cluster.env(N1).disk()
}

async fn spoil(cluster: &SimCluster, how: DiskTrouble) {
    inject(cluster, Fault::SpoilDisk { node: N1, how }).await;
    pass(cluster, 1).await;
}

async fn mend(cluster: &SimCluster) {
    inject(cluster, Fault::DiskWhole(N1)).await;
    pass(cluster, 1).await;
}

async fn with_log(cluster: &SimCluster) {
    let disk = disk(cluster);
    disk.create("log").await.unwrap();
    disk.append("log", b"0123456789").await.unwrap();
}

/// How long a sync of the log takes.
async fn sync_takes(cluster: &SimCluster) -> Duration {
    let before = cluster.clock().now();
    disk(cluster).sync("log").await.unwrap();
    cluster.clock().now() - before
}

/// Writes, and syncs what it wrote, a hundred times a second.
fn writes(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        if let Err(error) = keep_writing(env).await {
            env.gives_up(&error);
        }
    }
    .boxed_local()
}

async fn keep_writing(env: SimEnv) -> io::Result<()> {
    let disk = env.disk();
    if disk.list("").await?.is_empty() {
        disk.create("log").await?;
    }
    loop {
        disk.append("log", b"x").await?;
        disk.sync("log").await?;
        env.sleep(Duration::from_millis(10)).await;
    }
}

/// Reads and writes when it starts, and never again.
fn starts(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        if let Err(error) = env.disk().create("started").await {
            return env.gives_up(&error);
        }
        pending().await
    }
    .boxed_local()
}

fn count(artifacts: &Artifacts, mark: &str) -> u64 {
    artifacts.counters.get(mark).copied().unwrap_or(0)
}

#[test]
fn syncs_are_so_much_slower_and_then_as_fast_as_ever() {
    let artifacts = play(idle, async |cluster| {
        with_log(&cluster).await;
        let usual = sync_takes(&cluster).await;
        spoil(&cluster, DiskTrouble::SlowSyncs { by_ms: 500 }).await;
        for _ in 0..3 {
            let slow = sync_takes(&cluster).await;
            assert!(slow >= Duration::from_millis(500) && slow < Duration::from_millis(540));
        }
        mend(&cluster).await;
        assert!(usual < Duration::from_millis(40) && sync_takes(&cluster).await < usual * 40);
        assert_eq!(cluster.world().synced_image(1, "log"), None, "its name was not synced");
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects, [3, 0]);
}

#[test]
fn calls_fail_from_the_one_on_that_was_said_and_nothing_that_was_written_is_lost() {
    let artifacts = play(idle, async |cluster| {
        with_log(&cluster).await;
        spoil(&cluster, DiskTrouble::Errors { after: 2 }).await;
        let failing = disk(&cluster);
        failing.append("log", b"a").await.unwrap();
        failing.append("log", b"b").await.unwrap();
        for _ in 0..2 {
            let error = failing.append("log", b"c").await.unwrap_err();
            assert_eq!(error.to_string(), "input/output error");
        }
        assert!(failing.sync("log").await.is_err() && failing.sync_dir("").await.is_err());
        assert!(failing.read_at("log", 0, 1).await.is_err() && failing.len("log").await.is_err());
        assert!(failing.rename("log", "other").await.is_err());
        mend(&cluster).await;
        let read = disk(&cluster).read_at("log", 0, 99).await.unwrap();
        assert_eq!(read, &b"0123456789ab"[..]);
        disk(&cluster).sync("log").await.unwrap();
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects, [7, 0]);
    assert_eq!(count(&artifacts, "disk call failed"), 7);
}

#[test]
fn on_a_full_disk_nothing_is_written_and_all_else_goes_on() {
    let artifacts = play(idle, async |cluster| {
        with_log(&cluster).await;
        spoil(&cluster, DiskTrouble::Full).await;
        let full = disk(&cluster);
        let refused = [
            full.create("other").await,
            full.append("log", b"x").await,
            full.write_at("log", 0, b"x").await,
        ];
        for error in refused.map(Result::unwrap_err) {
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert_eq!(error.to_string(), "no space left on device");
        }
        full.truncate("log", 4).await.unwrap();
        full.sync("log").await.unwrap();
        full.rename("log", "moved").await.unwrap();
        full.sync_dir("").await.unwrap();
        assert_eq!(full.read_at("moved", 0, 99).await.unwrap(), &b"0123"[..]);
        mend(&cluster).await;
        disk(&cluster).append("moved", b"x").await.unwrap();
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects, [3, 0]);
}

#[test]
fn a_short_read_gives_some_of_it_and_never_nothing() {
    let artifacts = play(idle, async |cluster| {
        with_log(&cluster).await;
        spoil(&cluster, DiskTrouble::ShortReads).await;
        let short = disk(&cluster);
        for offset in 0..9 {
            let read = short.read_at("log", offset, 99).await.unwrap();
            let rest = &b"0123456789"[offset as usize..];
            assert!(!read.is_empty() && read.len() < rest.len() && rest.starts_with(&read));
        }
        assert_eq!(short.read_at("log", 9, 99).await.unwrap(), &b"9"[..], "one byte is the least");
        assert_eq!(short.read_at("log", 10, 99).await.unwrap(), &b""[..], "the end");
        mend(&cluster).await;
        assert_eq!(disk(&cluster).read_at("log", 0, 99).await.unwrap().len(), 10);
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects, [9, 0]);
}

#[test]
fn a_process_that_cannot_go_on_ends_without_a_finding_and_starts_when_the_disk_is_whole() {
    for how in [DiskTrouble::Full, DiskTrouble::Errors { after: 1 }] {
        let artifacts = play(writes, async move |cluster| {
            pass(&cluster, 200).await;
            spoil(&cluster, how).await;
            let written = cluster.world().cached_image(1, "log").unwrap();
            pass(&cluster, 5_000).await;
            assert_eq!(cluster.env(N1).boot, 1, "nobody starts it again");
            inject(&cluster, Fault::Restart(N1)).await;
            pass(&cluster, 200).await;
            assert_eq!(cluster.env(N1).boot, 2, "it started, and ended for the same reason");
            assert_eq!(cluster.world().cached_image(1, "log").unwrap(), written);
            mend(&cluster).await;
            mend(&cluster).await;
            pass(&cluster, 200).await;
            assert_eq!(cluster.env(N1).boot, 3);
            let now = cluster.world().cached_image(1, "log").unwrap();
            assert!(now.len() > written.len() && now.starts_with(&written));
            cluster.tear_down().await
        });
        assert_eq!(artifacts.findings, []);
        assert_eq!(count(&artifacts, "node stopped by its disk"), 2);
        assert!(artifacts.effects[0] >= 2, "{:?}", artifacts.effects);
    }
}

#[test]
fn where_nothing_is_asked_of_a_disk_a_restart_shows_what_is_wrong_with_it() {
    let artifacts = play(starts, async |cluster| {
        pass(&cluster, 10).await;
        let before = cluster.clock().now();
        spoil(&cluster, DiskTrouble::Full).await;
        assert!(cluster.clock().now() - before < Duration::from_secs(2));
        assert_eq!(cluster.env(N1).boot, 2);
        mend(&cluster).await;
        assert_eq!(cluster.env(N1).boot, 3);
        cluster.tear_down().await
    });
    assert_eq!((artifacts.findings, artifacts.effects), (Vec::new(), vec![1, 0]));
}

#[test]
fn a_disk_that_is_mended_does_not_start_who_was_killed() {
    play(writes, async |cluster| {
        inject(&cluster, Fault::Kill(N1)).await;
        spoil(&cluster, DiskTrouble::Errors { after: 0 }).await;
        mend(&cluster).await;
        pass(&cluster, 200).await;
        assert_eq!(cluster.env(N1).boot, 1, "whom it did not end it does not start");
    });
}

/// Ends for an error that no fault has caused.
fn fails(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        env.sleep(Duration::from_millis(300)).await;
        env.gives_up(&io::Error::other("the log is not whole"));
    }
    .boxed_local()
}

#[test]
fn an_error_that_no_fault_has_caused_is_a_finding_also_while_a_disk_is_in_trouble() {
    for spoilt in [false, true] {
        let artifacts = play(fails, async move |cluster| {
            if spoilt {
                inject(&cluster, Fault::SpoilDisk { node: N1, how: DiskTrouble::Full }).await;
            }
            pass(&cluster, 1_000).await;
            cluster.tear_down().await
        });
        let finding = &artifacts.findings[0];
        assert_eq!(finding.name, "node-panic");
        assert!(finding.text.contains("panicked: the log is not whole"), "{}", finding.text);
        assert_eq!(count(&artifacts, "node stopped by its disk"), 0);
    }
}

/// `log` with durable bytes `0123456789`, and `ab` behind them that a sync has said to be durable.
async fn with_lie(cluster: &SimCluster) {
    with_log(cluster).await;
    disk(cluster).sync("log").await.unwrap();
    disk(cluster).sync_dir("").await.unwrap();
    spoil(cluster, DiskTrouble::LyingSyncs).await;
    disk(cluster).append("log", b"ab").await.unwrap();
    disk(cluster).create("new").await.unwrap();
    disk(cluster).sync("log").await.unwrap();
    disk(cluster).sync_dir("").await.unwrap();
    let world = cluster.world();
    assert_eq!(world.synced_image(1, "log").unwrap(), &b"0123456789"[..]);
    assert_eq!(world.synced_image(1, "new"), None);
}

#[test]
fn what_a_lying_sync_said_is_so_when_the_disk_is_whole() {
    let artifacts = play(idle, async |cluster| {
        with_lie(&cluster).await;
        disk(&cluster).append("log", b"c").await.unwrap();
        disk(&cluster).create("newer").await.unwrap();
        mend(&cluster).await;
        inject(&cluster, Fault::ForgetSyncs(N1)).await;
        let world = cluster.world();
        assert_eq!(world.synced_image(1, "log").unwrap(), &b"0123456789ab"[..]);
        assert_eq!(world.synced_image(1, "new").unwrap(), &b""[..]);
        assert_eq!(world.synced_image(1, "newer"), None, "no sync has said so");
        disk(&cluster).sync("log").await.unwrap();
        assert_eq!(world.synced_image(1, "log").unwrap(), &b"0123456789abc"[..]);
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects[..3], [2, 0, 0], "who does not lie forgets nothing");
    assert_eq!(count(&artifacts, "sync that lied"), 2);
}

#[test]
fn without_power_a_disk_that_lied_forgets_and_its_node_does_not_start() {
    let forgotten = |seed| {
        let setting = Setting { seed: Seed(seed), ..Setting::calm(idle) };
        stage::play(setting, async |cluster| {
            with_lie(&cluster).await;
            let boot = cluster.env(N1).boot;
            inject(&cluster, Fault::ForgetSyncs(N1)).await;
            inject(&cluster, Fault::Restart(N1)).await;
            mend(&cluster).await;
            pass(&cluster, 100).await;
            assert_eq!(cluster.env(N1).boot, boot);
            let left = cluster.world().cached_image(1, "log").unwrap();
            assert!(left.starts_with(b"0123456789"), "what was durable before is");
            let artifacts = cluster.tear_down().await;
            assert_eq!(count(&artifacts, "node not rebuilt from a disk that is lost"), 1);
            assert!(artifacts.effects[0] >= 2 && artifacts.effects[1] == 1);
            left.len()
        })
    };
    assert!((0..20).any(|seed| forgotten(seed) == 10));
}

#[test]
fn a_disk_is_as_it_was_so_long_ago_and_its_node_does_not_start() {
    let artifacts = play(writes, async |cluster| {
        pass(&cluster, 200).await;
        disk(&cluster).sync_dir("").await.unwrap();
        let world = cluster.world();
        let then = world.synced_image(1, "log").unwrap();
        let before = cluster.clock().now();
        inject(&cluster, Fault::SwapDisk { node: N1, after_ms: 500 }).await;
        let took = cluster.clock().now() - before;
        assert!(took >= Duration::from_millis(500) && took < Duration::from_millis(510));
        assert_eq!(world.synced_image(1, "log").unwrap(), then, "what it wrote meanwhile is gone");
        assert_eq!(world.cached_image(1, "log").unwrap(), then);
        for again in [Fault::Restart(N1), Fault::DiskWhole(N1)] {
            inject(&cluster, again).await;
        }
        inject(&cluster, Fault::SwapDisk { node: N1, after_ms: 0 }).await;
        pass(&cluster, 500).await;
        assert_eq!(cluster.env(N1).boot, 1, "it does not start");
        assert_eq!(world.cached_image(1, "log").unwrap(), then);
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects, [1, 0, 0, 0]);
    assert_eq!(count(&artifacts, "older disk swapped back"), 1);
    assert_eq!(artifacts.findings, []);
}

/// Leaves a mark of every start, and does no more.
fn marks_its_starts(env: SimEnv) -> LocalBoxFuture<'static, ()> {
    async move {
        let disk = env.disk();
        disk.create(&format!("start {}", env.boot)).await.unwrap();
        disk.sync_dir("").await.unwrap();
        pending().await
    }
    .boxed_local()
}

#[test]
fn who_has_written_nothing_meanwhile_is_started_so_that_an_older_disk_is_another_one() {
    let artifacts = play(marks_its_starts, async |cluster| {
        pass(&cluster, 200).await;
        inject(&cluster, Fault::SwapDisk { node: N1, after_ms: 100 }).await;
        assert_eq!(cluster.env(N1).boot, 2);
        assert!(cluster.world().synced_image(1, "start 1").is_some());
        assert!(cluster.world().synced_image(1, "start 2").is_none());
        cluster.tear_down().await
    });
    assert_eq!(artifacts.effects, [1]);
}
