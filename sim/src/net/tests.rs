//! What a link does to its messages.

use super::*;
use crate::params::WorldParams;

const MS: u64 = 1_000_000;

fn trips(params: &WorldParams, count: usize) -> Vec<Trip> {
    let mut net = Net::new(Seed(3), 2, &[]);
    (0..count).map(|k| net.trip(params, 1, 2, 100, k as u64 * 1000)).collect()
}

#[test]
fn a_message_meets_the_same_fate_whatever_other_links_carry() {
    let params = WorldParams::from_seed(Seed(3));
    let alone = trips(&params, 50);
    let mut net = Net::new(Seed(3), 2, &[]);
    for (k, trip) in alone.iter().enumerate() {
        net.trip(&params, 2, 1, 9, 0);
        assert_eq!(net.trip(&params, 1, 2, 100, k as u64 * 1000), *trip);
    }
}

#[test]
fn an_override_decides_of_its_message_alone() {
    let params = WorldParams::from_seed(Seed(3));
    let usual = trips(&params, 50);
    let decreed = [(7, Fate::Lost), (8, Fate::Late(5_000_000)), (9, Fate::Twice)];
    let overrides = decreed.map(|(number, fate)| Override { from: 1, to: 2, number, fate });
    let mut net = Net::new(Seed(3), 2, &overrides);
    for (k, usual) in usual.into_iter().enumerate() {
        net.trip(&params, 2, 1, 9, 0);
        let trip = net.trip(&params, 1, 2, 100, k as u64 * 1000);
        match k {
            7 => assert_eq!(trip, Trip::default()),
            8 => assert_eq!(trip.arrives, usual.arrives.map(|at| at + 5_000_000)),
            9 => assert!(trip.again.is_some() && trip.arrives == usual.arrives),
            _ => assert_eq!(trip, usual, "message {k}"),
        }
    }
    assert_eq!((net.carried(1, 2), net.carried(2, 1)), (50, 50));
}

#[test]
fn loss_and_duplication_come_as_often_as_asked() {
    let mut params = WorldParams::calm();
    params.loss_ppm = 30_000;
    params.duplication_ppm = 30_000;
    let all = trips(&params, 20_000);
    let lost = all.iter().filter(|t| t.arrives.is_none()).count();
    let twice = all.iter().filter(|t| t.again.is_some()).count();
    assert!((500..700).contains(&lost), "{lost} of 20000 lost");
    assert!((480..700).contains(&twice), "{twice} of 20000 doubled");
}

#[test]
fn a_calm_link_takes_exactly_its_latency_and_the_tail_stays_below_its_end() {
    let mut params = WorldParams::calm();
    assert!(trips(&params, 9).iter().enumerate().all(|(k, t)| {
        *t == Trip { arrives: Some(k as u64 * 1000 + params.latency_ns), ..Trip::default() }
    }));
    (params.tail_ppm, params.tail_ns, params.reorder) = (1_000_000, 64_000_000, true);
    let extra = |t: &Trip, k: u64| t.arrives.unwrap() - k * 1000 - params.latency_ns;
    let all: Vec<u64> = trips(&params, 1000).iter().zip(0..).map(|(t, k)| extra(t, k)).collect();
    assert!(all.iter().all(|&extra| (250_000..=64_000_000).contains(&extra)));
    assert!(all.iter().any(|&extra| extra > 32_000_000));
}

#[test]
fn slowness_changes_when_a_message_arrives_and_nothing_else_of_any_message() {
    let mut params = WorldParams::calm();
    (params.loss_ppm, params.duplication_ppm, params.reorder) = (100_000, 100_000, true);
    let usual = trips(&params, 3000);
    let mut net = Net::new(Seed(3), 2, &[]);
    let mut late = [Vec::new(), Vec::new()];
    for (k, usual) in usual.iter().enumerate() {
        match k {
            1000 => net.slow([1].into_iter(), 200, 100, 7),
            2000 => net.fast(),
            _ => {}
        }
        let trip = net.trip(&params, 1, 2, 100, k as u64 * 1000);
        let slow = (1000..2000).contains(&k);
        assert_eq!(trip.blame.injections(), if slow { &[7][..] } else { &[] });
        assert_eq!(net.trip(&params, 2, 1, 100, k as u64 * 1000).blame, Blame::default());
        let copies = [(trip.arrives, usual.arrives), (trip.again, usual.again)];
        for (late, (arrives, usual)) in late.iter_mut().zip(copies) {
            assert_eq!(arrives.is_some(), usual.is_some());
            late.extend(arrives.zip(usual).map(|(a, b)| (k, a - b)).filter(|_| slow));
            assert!(slow || arrives == usual);
        }
    }
    for late in &late {
        assert!(late.iter().all(|(_, extra)| (200 * MS..=300 * MS).contains(extra)));
        let mean = late.iter().map(|(_, extra)| extra).sum::<u64>() / late.len() as u64;
        assert!((240 * MS..260 * MS).contains(&mean), "{mean}");
    }
    // A doubled message's two copies are late by times of their own.
    assert!(late[1].iter().all(|copy| !late[0].contains(copy)));
}

#[test]
fn a_link_has_a_bandwidth() {
    let mut params = WorldParams::calm();
    params.ns_per_kib = 8192;
    let mut net = Net::new(Seed(3), 2, &[]);
    let mut arrives = || net.trip(&params, 1, 2, 1 << 20, 0).arrives.unwrap() - params.latency_ns;
    assert_eq!((arrives(), arrives()), (8_388_608, 2 * 8_388_608));
}

#[test]
fn flakiness_loses_and_doubles_what_it_says_and_changes_nothing_else_of_any_message() {
    let mut params = WorldParams::calm();
    (params.loss_ppm, params.duplication_ppm, params.reorder) = (100_000, 100_000, true);
    let usual = trips(&params, 30_000);
    let mut net = Net::new(Seed(3), 2, &[]);
    let (mut lost, mut doubled, mut kept) = (0, 0, 0);
    for (k, usual) in usual.iter().enumerate() {
        match k {
            10_000 => net.spoil([1].into_iter(), 20, 30, 7),
            20_000 => net.reliable(),
            _ => {}
        }
        let trip = net.trip(&params, 1, 2, 100, k as u64 * 1000);
        assert_eq!(net.trip(&params, 2, 1, 100, k as u64 * 1000).spoiled, None);
        if !(10_000..20_000).contains(&k) {
            assert_eq!(trip, *usual);
            continue;
        }
        match (usual.arrives, trip.arrives) {
            (Some(_), None) => {
                assert_eq!(trip.spoiled, Some(7), "message {k}");
                lost += 1;
            }
            (at, after) => {
                assert_eq!(after, at, "message {k}");
                kept += usize::from(at.is_some());
                assert!(usual.again.is_none() || trip.again == usual.again);
                let twice = trip.again.is_some() && usual.again.is_none();
                assert_eq!(trip.spoiled, twice.then_some(7), "message {k}");
                doubled += usize::from(twice);
            }
        }
    }
    assert!(
        (1_650..1_950).contains(&lost),
        "{lost} of 9,000 that the link alone would not have lost"
    );
    assert!(doubled * 100 / kept >= 25 && doubled * 100 / kept <= 29, "{doubled} of {kept}");
}

#[test]
fn what_is_decreed_of_a_message_no_impairment_changes() {
    let params = WorldParams::calm();
    let decreed = [(0, Fate::Late(5_000_000)), (1, Fate::Twice), (2, Fate::Lost)];
    let overrides = decreed.map(|(number, fate)| Override { from: 1, to: 2, number, fate });
    let mut net = Net::new(Seed(3), 2, &overrides);
    net.spoil([1].into_iter(), 100, 0, 7);
    net.throttle([1].into_iter(), 1, 8);
    let mut trip = || net.trip(&params, 1, 2, 1 << 20, 0);
    assert_eq!(trip().arrives, Some(params.latency_ns + 5_000_000));
    assert!(trip().again.is_some());
    let lost = [trip(), trip()].map(|trip| (trip.arrives, trip.spoiled));
    assert_eq!(lost, [(None, None), (None, Some(7))]);
}

#[test]
fn what_befalls_other_links_changes_nothing_of_a_message() {
    for reorder in [false, true] {
        let params = WorldParams {
            loss_ppm: 100_000,
            duplication_ppm: 100_000,
            tail_ppm: 100_000,
            tail_ns: 90 * MS,
            jitter_ns: 9 * MS,
            reorder,
            ..WorldParams::calm()
        };
        let (mut whole, mut harmed) = (Net::new(Seed(3), 3, &[]), Net::new(Seed(3), 3, &[]));
        harmed.throttle([3].into_iter(), 8, 0);
        harmed.slow([3].into_iter(), 50, 0, 1);
        assert!(whole.is_plain() && !harmed.is_plain());
        for k in 0..3000 {
            for (from, to) in [(1, 2), (0, 1)] {
                let trip = |net: &mut Net| net.trip(&params, from, to, 100, k * 10_000);
                assert_eq!(trip(&mut whole), trip(&mut harmed), "message {k}");
            }
        }
    }
}

#[test]
fn a_throttled_link_queues_and_loses_what_its_queue_does_not_take() {
    let params = WorldParams::calm();
    let mut net = Net::new(Seed(3), 2, &[]);
    net.throttle([1].into_iter(), 8, 7);
    let kib_8 = 8 * 1024;
    for behind in 0..4 {
        let trip = net.trip(&params, 1, 2, kib_8, 0);
        assert_eq!(trip.arrives, Some((behind + 1) * 1_000 * MS + params.latency_ns));
        assert_eq!(trip.blame.injections(), [7], "each takes a second or more");
    }
    let full = net.trip(&params, 1, 2, kib_8, 0);
    assert_eq!((full.arrives, full.spoiled), (None, Some(7)));
    for (from, to) in [(2, 1), (1, 0), (0, 1)] {
        assert_eq!(net.trip(&params, from, to, kib_8, 0).arrives, Some(params.latency_ns));
    }
    net.unthrottle();
    let free = net.trip(&params, 1, 2, kib_8, 10_000 * MS);
    assert_eq!((free.arrives, free.blame), (Some(10_001 * MS), Blame::default()));
}

#[test]
fn a_network_is_whole_when_nothing_impairs_it() {
    let mut net = Net::new(Seed(3), 2, &[]);
    assert!(net.is_whole());
    net.spoil([1].into_iter(), 1, 0, 0);
    net.throttle([1].into_iter(), 8, 1);
    net.reliable();
    assert!(!net.is_whole());
    net.unthrottle();
    assert!(net.is_whole());
    net.spoil([1].into_iter(), 0, 0, 0);
    assert!(net.is_whole(), "it spoils nothing");
    net.throttle(std::iter::empty(), 8, 0);
    net.cut_clients(std::iter::empty(), Way::Both, 0);
    assert!(net.is_whole(), "they are of no node");
}
