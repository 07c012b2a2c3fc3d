//! What the simulated disk keeps when a process is killed, when the power fails, and while a sync is under way. What a
//! power cut may leave of each kind of change is in the disk's own tests.

use crate::stage::{self, N1, Setting, idle, inject, pass};
use bytes::Bytes;
use elastickv::env::{self as layer, Disk, Env, Fact, GroupId};
use futures_util::future::FutureExt;
use futures_util::select_biased;
use harness::cluster::{Cluster, NodeId};
use harness::fault::Fault;
use harness::seed::Seed;
use sim::cluster::SimCluster;
use sim::disk::SimDisk;
use sim::invariants::{Invariant, Sent};
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

fn play<F, T>(seed: u64, script: impl FnOnce(Rc<SimCluster>) -> F + Send + 'static) -> T
where
    F: Future<Output = T>,
    T: Send + 'static,
{
    stage::play(Setting { seed: Seed(seed), ..Setting::calm(idle) }, script)
}

/// The node's disk, as its current boot has it.
fn disk(cluster: &SimCluster) -> SimDisk {
    cluster.env(N1).disk()
}

async fn restart(cluster: &SimCluster) {
    inject(cluster, Fault::Restart(N1)).await;
    pass(cluster, 1).await;
}

/// `log` with a durable name and the durable bytes `12`.
async fn with_log(cluster: &SimCluster) {
    let disk = disk(cluster);
    disk.create("log").await.unwrap();
    disk.append("log", b"12").await.unwrap();
    disk.sync("log").await.unwrap();
    disk.sync_dir("").await.unwrap();
}

async fn content(cluster: &SimCluster) -> Vec<u8> {
    disk(cluster).read_at("log", 0, 99).await.unwrap().to_vec()
}

#[test]
fn a_killed_process_finds_all_that_it_wrote() {
    play(1, async |cluster| {
        with_log(&cluster).await;
        disk(&cluster).append("log", b"34").await.unwrap();
        disk(&cluster).create("new").await.unwrap();
        inject(&cluster, Fault::Kill(N1)).await;
        restart(&cluster).await;
        assert_eq!(content(&cluster).await, b"1234");
        assert_eq!(disk(&cluster).list("").await.unwrap(), ["log", "new"]);
        assert_eq!(cluster.world().synced_image(1, "log").unwrap(), &b"12"[..]);
    });
}

#[test]
fn a_power_cut_and_a_reboot_keep_what_was_synced_and_lose_or_tear_the_rest() {
    let left = |ends: fn(NodeId) -> Fault, seed| {
        play(seed, async move |cluster| {
            with_log(&cluster).await;
            disk(&cluster).append("log", b"3456").await.unwrap();
            inject(&cluster, ends(N1)).await;
            restart(&cluster).await;
            content(&cluster).await
        })
    };
    let expected = ["12", "123", "1234", "12345", "123456"].map(|s| s.as_bytes().to_vec());
    for ends in [Fault::PowerOff, Fault::Reboot] {
        let all: BTreeSet<Vec<u8>> = (0..40).map(|seed| left(ends, seed)).collect();
        assert_eq!(all, expected.clone().into());
    }
}

#[test]
fn a_rebooted_node_stays_down_until_it_is_restarted() {
    let effects = play(1, async |cluster| {
        inject(&cluster, Fault::Reboot(N1)).await;
        inject(&cluster, Fault::Reboot(N1)).await;
        pass(&cluster, 60_000).await;
        assert_eq!(cluster.env(N1).boot, 1);
        restart(&cluster).await;
        assert_eq!(cluster.env(N1).boot, 2);
        cluster.tear_down().await.effects
    });
    assert_eq!(effects, [1, 0, 0], "there was nothing left to end the second time");
}

#[test]
fn a_power_cut_after_a_kill_takes_the_page_cache_too() {
    let left = |seed| {
        play(seed, async |cluster| {
            with_log(&cluster).await;
            disk(&cluster).append("log", b"3").await.unwrap();
            inject(&cluster, Fault::Kill(N1)).await;
            inject(&cluster, Fault::PowerOff(N1)).await;
            restart(&cluster).await;
            content(&cluster).await
        })
    };
    assert!((0..20).map(left).any(|left| left == b"12"));
}

#[test]
fn bytes_on_their_way_to_the_platter_are_not_durable() {
    let left = |seed| {
        play(seed, async |cluster| {
            with_log(&cluster).await;
            let disk = disk(&cluster);
            disk.append("log", b"3").await.unwrap();
            let mut sync = pin!(disk.sync("log").fuse());
            let mut early = cluster.clock().sleep(Duration::from_micros(900)).fuse();
            select_biased! {
                _ = sync => panic!("a sync takes at least a millisecond"),
                () = early => {}
            }
            assert_eq!(cluster.world().synced_image(1, "log").unwrap(), &b"12"[..]);
            inject(&cluster, Fault::PowerOff(N1)).await;
            cluster.clock().sleep(Duration::from_millis(30)).await;
            restart(&cluster).await;
            content(&cluster).await
        })
    };
    assert!((0..20).map(left).any(|left| left == b"12"));
}

#[test]
fn a_sync_goes_on_in_the_kernel_when_its_process_is_killed() {
    play(1, async |cluster| {
        with_log(&cluster).await;
        let disk = disk(&cluster);
        disk.append("log", b"3").await.unwrap();
        assert!(disk.sync("log").now_or_never().is_none());
        inject(&cluster, Fault::Kill(N1)).await;
        cluster.clock().sleep(Duration::from_millis(30)).await;
        assert_eq!(cluster.world().synced_image(1, "log").unwrap(), &b"123"[..]);
    });
}

#[test]
fn a_sync_takes_between_one_and_twenty_milliseconds() {
    play(1, async |cluster| {
        with_log(&cluster).await;
        let mut all = BTreeSet::new();
        for _ in 0..200 {
            let began = cluster.clock().now();
            disk(&cluster).sync("log").await.unwrap();
            all.insert((cluster.clock().now() - began).as_millis());
        }
        assert!(all.first() == Some(&1) && all.last().is_some_and(|ms| (17..21).contains(ms)));
    });
}

#[test]
fn a_rename_without_a_folder_sync_may_be_undone_by_a_power_cut() {
    let left = |seed, synced: bool| {
        play(seed, async move |cluster| {
            with_log(&cluster).await;
            let disk = disk(&cluster);
            disk.create("log.new").await.unwrap();
            disk.append("log.new", b"new").await.unwrap();
            disk.sync("log.new").await.unwrap();
            disk.rename("log.new", "log").await.unwrap();
            if synced {
                disk.sync_dir("").await.unwrap();
            }
            inject(&cluster, Fault::PowerOff(N1)).await;
            restart(&cluster).await;
            content(&cluster).await
        })
    };
    let loose: BTreeSet<Vec<u8>> = (0..40).map(|seed| left(seed, false)).collect();
    assert_eq!(loose, [b"12".to_vec(), b"new".to_vec()].into());
    assert!((0..20).all(|seed| left(seed, true) == b"new"));
}

/// What is sent must be what `log` durably ends with.
struct SentIsSynced;

impl Invariant for SentIsSynced {
    fn name(&self) -> &'static str {
        "sent-is-synced"
    }

    fn observe(&mut self, _: u16, _: u64, _: &Fact) -> Result<(), String> {
        Ok(())
    }

    fn watches_sends(&self) -> bool {
        true
    }

    fn sent(&mut self, sent: &Sent<'_>) -> Result<(), String> {
        let synced = sent.disk.synced_image("log").unwrap_or_default();
        if synced.ends_with(sent.message) {
            return Ok(());
        }
        Err(format!("n{} sent {:?} to n{} on {:?}", sent.node, sent.message, sent.to, sent.lane))
    }
}

#[test]
fn an_invariant_sees_the_durable_disk_when_a_message_leaves_and_is_found_broken_once() {
    let findings = play(1, async |cluster| {
        cluster.world().register(Box::new(SentIsSynced));
        with_log(&cluster).await;
        let promise = |text: &'static [u8]| {
            cluster.env(N1).send(layer::NodeId(2), layer::Lane::Normal, Bytes::from_static(text));
        };
        promise(b"12");
        disk(&cluster).append("log", b"3").await.unwrap();
        promise(b"3");
        promise(b"3");
        let restored = Fact::Recovered {
            boot: 1,
            applied: 0,
            state_hash: 0,
            last_commit_ts: 1,
            newest_version: 2,
        };
        cluster.env(N1).observe(GroupId::DEFAULT, restored);
        cluster.tear_down().await.findings
    });
    let texts: Vec<(&str, &str)> = findings.iter().map(|f| (&f.name[..], &f.text[..])).collect();
    let stamp = "n1 in boot 1 has last commit timestamp 1, below its newest version 2";
    let sent = "n1 sent b\"3\" to n2 on Normal";
    assert_eq!(texts, [("sent-is-synced", sent), ("restart-timestamps", stamp)]);
}

#[test]
fn a_copy_of_the_disk_answers_after_the_run() {
    let files = play(1, async |cluster| {
        with_log(&cluster).await;
        disk(&cluster).append("log", b"3").await.unwrap();
        cluster.tear_down().await;
        let read = |image: sim::disk::DiskImage| {
            image.read_at("log", 0, 9).now_or_never().expect("it is ready at once").unwrap()
        };
        (read(cluster.world().durable_disk(1)), read(cluster.world().cached_disk(1)))
    });
    assert_eq!(files, ("12".into(), "123".into()));
}
