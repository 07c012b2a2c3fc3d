//! Disks fail, fill up and are damaged under a store that keeps its promises all the same.

use super::teller::{N1, N2, N3, told};
use harness::catalog;
use harness::checker::Verdict;
use harness::cluster::Cluster;
use harness::fault::{Damage, DiskTrouble, Fault};
use harness::seed::Seed;
use sim::execute::Case;
use std::time::Duration;

#[test]
fn a_leader_that_ends_by_its_disk_is_followed_by_another_and_comes_back_with_all_it_had() {
    for how in
        [DiskTrouble::Full, DiskTrouble::Errors { after: 0 }, DiskTrouble::Errors { after: 5 }]
    {
        told(async move |teller| {
            let leader = teller.leader().await;
            teller.push(leader, 1).await;
            teller.inject(Fault::SpoilDisk { node: leader, how }).await;
            assert!(teller.0.connect(leader).await.is_err(), "{leader} is down");
            let next = teller.leader().await;
            assert_ne!(next, leader);
            teller.push(next, 2).await;
            teller.inject(Fault::DiskWhole(leader)).await;
            teller.push(leader, 3).await;
            assert_eq!(teller.list(leader).await, [1, 2, 3]);
        });
    }
}

#[test]
fn all_disks_at_once_may_be_full_and_nothing_is_lost() {
    told(async |teller| {
        teller.push(N1, 1).await;
        for node in [N1, N2, N3] {
            teller.inject(Fault::SpoilDisk { node, how: DiskTrouble::Full }).await;
        }
        for node in [N3, N1, N2] {
            teller.inject(Fault::DiskWhole(node)).await;
        }
        teller.push(N2, 2).await;
        assert_eq!(teller.list(N3).await, [1, 2]);
    });
}

#[test]
fn short_reads_and_slow_syncs_change_no_answer() {
    told(async |teller| {
        for node in [N1, N2, N3] {
            teller.inject(Fault::SpoilDisk { node, how: DiskTrouble::ShortReads }).await;
        }
        teller.push(N1, 1).await;
        teller.inject(Fault::Kill(N2)).await;
        teller.inject(Fault::Restart(N2)).await;
        for node in [N1, N2, N3] {
            let slow = DiskTrouble::SlowSyncs { by_ms: 200 };
            teller.inject(Fault::SpoilDisk { node, how: slow }).await;
        }
        teller.push(N2, 2).await;
        assert_eq!(teller.list(N3).await, [1, 2]);
    });
}

#[test]
fn a_damaged_disk_is_refused_at_every_start_and_its_node_is_replaced() {
    for at in 0..8 {
        for how in [Damage::Rot, Damage::Misdirected] {
            told(async move |teller| {
                teller.push(N2, 1).await;
                teller.inject(Fault::DamageDisk { node: N2, how, at }).await;
                for again in [Fault::Restart(N2), Fault::DiskWhole(N2)] {
                    assert!(teller.0.connect(N2).await.is_err(), "{how} at {at}: n2 runs");
                    teller.inject(again).await;
                    teller.0.clock().sleep(Duration::from_secs(1)).await;
                }
                assert!(teller.0.connect(N2).await.is_err(), "{how} at {at}: n2 runs");
                teller.push(N1, 2).await;
                teller.inject(Fault::Replace(N2)).await;
                teller.inject(Fault::Replace(N2)).await;
                teller.push(N2, 3).await;
                // It counts: of the others one is enough.
                teller.inject(Fault::Kill(N3)).await;
                teller.push(N1, 4).await;
                assert_eq!(teller.list(N2).await, [1, 2, 3, 4]);
            });
        }
    }
}

#[test]
fn what_a_disk_has_only_said_is_so_when_it_makes_up_for_it() {
    told(async |teller| {
        for node in [N1, N2, N3] {
            let how = DiskTrouble::LyingSyncs;
            teller.inject(Fault::SpoilDisk { node, how }).await;
            teller.push(N2, u64::from(node.0)).await;
        }
        for node in [N1, N2, N3] {
            teller.inject(Fault::DiskWhole(node)).await;
        }
        for node in [N1, N2, N3] {
            teller.inject(Fault::PowerOff(node)).await;
        }
        for node in [N1, N2, N3] {
            teller.inject(Fault::Restart(node)).await;
        }
        assert_eq!(teller.list(N1).await, [1, 2, 3]);
    });
}

#[test]
fn who_has_forgotten_what_it_promised_is_replaced_and_the_others_have_it() {
    for leads in [true, false] {
        told(async move |teller| {
            let leader = teller.leader().await;
            let node = [N1, N2, N3].into_iter().find(|node| (*node == leader) == leads).unwrap();
            let how = DiskTrouble::LyingSyncs;
            teller.inject(Fault::SpoilDisk { node, how }).await;
            for value in 1..=5 {
                teller.push(node, value).await;
            }
            teller.inject(Fault::ForgetSyncs(node)).await;
            teller.inject(Fault::Restart(node)).await;
            let other = [N1, N2, N3].into_iter().find(|other| *other != node).unwrap();
            teller.push(other, 6).await;
            assert!(teller.0.connect(node).await.is_err(), "{node} has started");
            teller.inject(Fault::Replace(node)).await;
            assert_eq!(teller.list(node).await, [1, 2, 3, 4, 5, 6]);
        });
    }
}

#[test]
fn who_has_an_older_disk_is_replaced_and_the_others_have_what_it_forgot() {
    for leads in [true, false] {
        told(async move |teller| {
            let leader = teller.leader().await;
            let node = [N1, N2, N3].into_iter().find(|node| (*node == leader) == leads).unwrap();
            teller.push(node, 1).await;
            teller.inject(Fault::SwapDisk { node, after_ms: 1_500 }).await;
            teller.inject(Fault::Restart(node)).await;
            let other = [N1, N2, N3].into_iter().find(|other| *other != node).unwrap();
            teller.push(other, 2).await;
            assert!(teller.0.connect(node).await.is_err(), "{node} has started");
            teller.inject(Fault::Replace(node)).await;
            assert_eq!(teller.list(node).await, [1, 2]);
        });
    }
}

/// Disks are swapped for older ones, on three nodes.
fn swapped(seed: u64, bound: &str) -> Verdict {
    let mut case = Case::new(catalog::find("redis-append").expect("it is there"), Seed(seed));
    for (word, value) in [
        ("nodes", "3"),
        ("time", "15"),
        ("faults", "stale-disk"),
        ("interval", "1-2"),
        ("rate", "50"),
        ("disk-bound", bound),
    ] {
        case.options.set(word, value).expect("it is an option");
    }
    let outcome = case.execute().expect("a simulated cluster starts");
    assert!(outcome.run.artifacts.counters["older disk swapped back"] > 0);
    outcome.judgement.verdict
}

#[test]
fn what_is_lost_without_a_bound_is_found_and_with_it_nothing_is_lost() {
    let mut found = 0;
    for seed in 1..=4 {
        assert_eq!(swapped(seed, "minority"), Verdict::Valid, "seed {seed}");
        found += usize::from(matches!(swapped(seed, "none"), Verdict::Invalid(_)));
    }
    assert!(found > 0, "acknowledged writes were forgotten");
}
