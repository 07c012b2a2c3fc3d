//! What families do to disks, and what a disk makes of its node.

use crate::{nodes, rng};
use harness::cluster::NodeId;
use harness::fault::{Damage, DiskTrouble, Fault, FaultKind};
use harness::nemesis::disk::{
    Damages, DiskBound, DiskState, FAILS_AFTER_MAX, Lies, OLD_MAX_MS, OLD_MIN_MS, SLOWER_MAX_MS,
    SLOWER_MIN_MS, Swaps, Troubles,
};
use harness::nemesis::membership::Membership;
use harness::nemesis::{ClusterView, Family, Timed};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_disk_in_trouble_is_of_a_member_that_runs_and_is_whole_again_within_ten_seconds() {
    let mut view = ClusterView::new(&nodes(5));
    view.apply(&Fault::Kill(NodeId(1)));
    view.apply(&Fault::Remove(NodeId(2)));
    view.apply(&Fault::SpoilDisk { node: NodeId(3), how: DiskTrouble::ShortReads });
    for family in [Troubles::slow(), Troubles::errors(), Troubles::full(), Troubles::short_reads()]
    {
        let mut counts = BTreeSet::new();
        for seed in 0..100 {
            let timed = family.strike(&view, &mut rng(seed));
            let (begun, ended): (Vec<_>, Vec<_>) =
                timed.iter().partition(|timed| timed.fault.kind().is_some());
            for Timed { after, fault } in &begun {
                assert!(*after == Duration::ZERO && view.can_act(fault), "{fault}");
                assert!([4, 5].contains(&fault.nodes()[0].0), "{fault}");
                match fault {
                    Fault::SpoilDisk { how: DiskTrouble::SlowSyncs { by_ms }, .. } => {
                        assert!((SLOWER_MIN_MS..=SLOWER_MAX_MS).contains(&u64::from(*by_ms)));
                    }
                    Fault::SpoilDisk { how: DiskTrouble::Errors { after }, .. } => {
                        assert!(u64::from(*after) <= FAILS_AFTER_MAX);
                    }
                    Fault::SpoilDisk { .. } => {}
                    other => panic!("{other} is not of a disk"),
                }
            }
            for (begun, ended) in begun.iter().zip(&ended) {
                assert_eq!(ended.fault, Fault::DiskWhole(begun.fault.nodes()[0]));
                assert!((500..=10_000).contains(&ended.after.as_millis()), "{ended:?}");
            }
            assert_eq!(begun.len(), ended.len());
            counts.insert(begun.len());
        }
        assert_eq!(counts, [0, 1, 2].into(), "{family:?}");
    }
}

#[test]
fn a_disk_is_mended_when_what_troubles_it_has_shown_whatever_else_has_not() {
    let (mend, slow) = (Fault::DiskWhole(NodeId(1)), DiskTrouble::SlowSyncs { by_ms: 50 });
    let mut view = ClusterView::new(&nodes(3));
    view.apply(&Fault::SpoilDisk { node: NodeId(1), how: slow });
    assert!(!view.must_wait(&mend));
    view.idle.push(FaultKind::ShortRead);
    assert!(!view.must_wait(&mend), "that is wrong with no disk, or with another");
    view.idle.push(FaultKind::SlowSync);
    assert!(view.must_wait(&mend));
    view.apply(&Fault::DiskWhole(NodeId(1)));
    assert!(!view.must_wait(&mend));
}

#[test]
fn who_ends_by_a_disk_is_down_until_the_disk_is_whole() {
    let node = NodeId(2);
    for how in [DiskTrouble::Full, DiskTrouble::Errors { after: 1 }] {
        let mut view = ClusterView::new(&nodes(3));
        view.apply(&Fault::SpoilDisk { node, how });
        assert_eq!(view.which(|node| !node.up), [node]);
        for cannot in [Fault::Kill(node), Fault::Restart(node), Fault::Pause(node)] {
            assert!(!view.can_act(&cannot), "{cannot}");
        }
        view.apply(&Fault::Restart(node));
        assert_eq!(view.which(|node| !node.up), [node], "its disk is as it was");
        assert_eq!(view.healing(), [Fault::DiskWhole(node)]);
        view.apply(&Fault::DiskWhole(node));
        assert_eq!(view, ClusterView::new(&nodes(3)));
    }
    let mut view = ClusterView::new(&nodes(3));
    view.apply(&Fault::SpoilDisk { node, how: DiskTrouble::ShortReads });
    view.apply(&Fault::Kill(node));
    assert_eq!(view.healing(), [Fault::DiskWhole(node), Fault::Restart(node)]);
    view.apply(&Fault::DiskWhole(node));
    assert!(view.can_act(&Fault::Restart(node)), "a kill is mended by itself");
    view.apply(&Fault::SpoilDisk { node, how: DiskTrouble::ShortReads });
    view.apply(&Fault::Remove(node));
    view.apply(&Fault::Wipe(node));
    assert_eq!(view.nodes[1].disk, DiskState::Whole, "another disk takes its place");
}

#[test]
fn a_damaged_disk_is_lost_until_its_node_is_replaced_within_ten_seconds() {
    for how in [Damage::Rot, Damage::Misdirected] {
        for seed in 0..50 {
            let mut view = ClusterView::new(&nodes(3));
            let timed = Damages::new(how).strike(&view, &mut rng(seed));
            let [damage, replace] = &timed[..] else { panic!("not two: {timed:?}") };
            let node = damage.fault.nodes()[0];
            assert!(damage.after == Duration::ZERO && damage.fault.kind() == Some(how.kind()));
            assert_eq!(replace.fault, Fault::Replace(node));
            assert!((1..=10).contains(&replace.after.as_secs()), "{replace:?}");
            view.apply(&damage.fault);
            assert_eq!(view.which(|node| !node.up), [node]);
            for cannot in [Fault::Restart(node), Fault::DiskWhole(node), Fault::Kill(node)] {
                assert!(!view.can_act(&cannot), "{cannot}");
            }
            assert_eq!(
                Damages::new(how).strike(&view, &mut rng(seed)),
                [],
                "two of three are needed"
            );
            assert_eq!(view.healing(), [Fault::Replace(node)]);
            view.apply(&Fault::Replace(node));
            assert_eq!(view, ClusterView::new(&nodes(3)));
        }
    }
    let two = ClusterView::new(&nodes(2));
    assert_eq!(Damages::new(Damage::Rot).strike(&two, &mut rng(1)), []);
}

#[test]
fn who_is_lost_counts_as_one_that_left() {
    let damage = |node| Fault::DamageDisk { node: NodeId(node), how: Damage::Rot, at: 1 };
    let mut view = ClusterView::new(&nodes(5));
    view.leaders = vec![NodeId(5)];
    view.apply(&damage(1));
    view.apply(&Fault::Remove(NodeId(2)));
    assert_eq!(view.given_up(), 2);
    assert!(!view.can_act(&damage(3)), "it would be the third");
    assert_eq!(Membership::default().strike(&view, &mut rng(1)), []);
    // What is lost may leave, and is lost no more when it is wiped.
    view.apply(&Fault::Remove(NodeId(1)));
    assert_eq!(view.given_up(), 2);
    view.apply(&Fault::Wipe(NodeId(1)));
    view.apply(&Fault::Join(NodeId(1)));
    assert_eq!(view.given_up(), 1);
    assert!(view.can_act(&damage(3)));
}

#[test]
fn a_disk_that_lies_counts_as_lost_and_is_once_its_machine_has_no_power() {
    let node = NodeId(1);
    let lie = Fault::SpoilDisk { node, how: DiskTrouble::LyingSyncs };
    let mut ends = BTreeSet::new();
    for seed in 0..60 {
        let timed = Lies::default().strike(&ClusterView::new(&nodes(3)), &mut rng(seed));
        assert_eq!(timed[0].fault.kind(), Some(FaultKind::LyingSync));
        let node = timed[0].fault.nodes()[0];
        let [_, then, replaced] = &timed[..] else { panic!("{timed:?}") };
        // Also where the disk makes up for it: another fault may take its power before.
        assert_eq!(replaced.fault, Fault::Replace(node));
        assert!(then.after + Duration::from_secs(1) <= replaced.after);
        let forgets = then.fault == Fault::ForgetSyncs(node);
        assert!(forgets || then.fault == Fault::DiskWhole(node), "{then:?}");
        ends.insert(forgets);
    }
    assert_eq!(ends.len(), 2);
    let mut view = ClusterView::new(&nodes(3));
    assert!(!view.can_act(&Fault::ForgetSyncs(node)), "it has not lied");
    view.apply(&lie);
    assert_eq!((view.given_up(), view.which(|node| node.up).len()), (1, 3));
    assert_eq!(Lies::default().strike(&view, &mut rng(1)), []);
    for power in [Fault::PowerOff(node), Fault::Reboot(node), Fault::ForgetSyncs(node)] {
        let mut view = view.clone();
        view.apply(&power);
        assert!(!view.can_act(&Fault::Restart(node)), "{power}");
        assert_eq!(view.healing(), [Fault::Replace(node)]);
    }
    view.apply(&Fault::Kill(node));
    assert_eq!(view.healing(), [Fault::DiskWhole(node), Fault::Restart(node)]);
    assert!(view.can_act(&Fault::ForgetSyncs(node)), "its machine is on");
}

#[test]
fn a_disk_that_is_an_older_one_is_lost_until_its_node_is_replaced() {
    let mut ages = BTreeSet::new();
    for seed in 0..50 {
        let mut view = ClusterView::new(&nodes(3));
        let timed = Swaps::default().strike(&view, &mut rng(seed));
        let [swap, replace] = &timed[..] else { panic!("not two: {timed:?}") };
        let Fault::SwapDisk { node, after_ms } = swap.fault else { panic!("{swap:?}") };
        assert!((OLD_MIN_MS..=OLD_MAX_MS).contains(&u64::from(after_ms)));
        ages.insert(after_ms);
        assert_eq!(replace.fault, Fault::Replace(node));
        let back = replace.after - Duration::from_millis(after_ms.into());
        assert!((1_000..=10_000).contains(&back.as_millis()), "{replace:?}");
        view.apply(&swap.fault);
        assert_eq!((view.which(|node| !node.up), view.given_up()), (vec![node], 1));
        for cannot in [Fault::Restart(node), Fault::DiskWhole(node), swap.fault.clone()] {
            assert!(!view.can_act(&cannot), "{cannot}");
        }
        assert_eq!(Swaps::default().strike(&view, &mut rng(seed)), [], "two of three are needed");
        assert_eq!(view.healing(), [Fault::Replace(node)]);
        view.apply(&Fault::Replace(node));
        assert_eq!(view, ClusterView::new(&nodes(3)));
    }
    assert!(ages.len() > 30);
    assert_eq!(Swaps::default().strike(&ClusterView::new(&nodes(2)), &mut rng(1)), []);
}

#[test]
fn without_a_bound_any_number_is_lost_and_who_has_forgotten_starts_with_what_it_has() {
    let mut view = ClusterView { disk_bound: DiskBound::None, ..ClusterView::new(&nodes(3)) };
    let all = nodes(3);
    for node in &all {
        let swap = Fault::SwapDisk { node: *node, after_ms: 300 };
        assert!(view.can_act(&swap));
        view.apply(&swap);
        assert_eq!(view.which(|node| !node.up), [], "it has started with the older one");
        let lie = Fault::SpoilDisk { node: *node, how: DiskTrouble::LyingSyncs };
        assert!(view.can_act(&lie), "{node}");
        view.apply(&lie);
    }
    for (node, power) in all.iter().zip([Fault::ForgetSyncs, Fault::PowerOff, Fault::Reboot]) {
        view.apply(&power(*node));
        assert!(view.can_act(&Fault::Restart(*node)));
    }
    let mend = |with: fn(NodeId) -> Fault| all.iter().copied().map(with).collect::<Vec<Fault>>();
    assert_eq!(view.healing(), [mend(Fault::DiskWhole), mend(Fault::Restart)].concat());
    let whole = ClusterView { disk_bound: DiskBound::None, ..ClusterView::new(&all) };
    let mut both = BTreeSet::new();
    for seed in 0..20 {
        let timed = Lies::default().strike(&whole, &mut rng(seed));
        let node = timed[0].fault.nodes()[0];
        let after: Vec<&Fault> = timed[1..].iter().map(|timed| &timed.fault).collect();
        let (forgets, mended) = (Fault::ForgetSyncs(node), Fault::DiskWhole(node));
        let back = Fault::Restart(node);
        match after[0] == &forgets {
            true => assert_eq!(after, [&forgets, &mended, &back], "nobody replaces it"),
            false => assert_eq!(after, [&mended, &back], "it is mended once, when it was to be"),
        }
        both.insert(after.len());
    }
    assert_eq!(both.len(), 2);
    // Its checksums keep it down all the same.
    for node in &all {
        let damage = Fault::DamageDisk { node: *node, how: Damage::Rot, at: 1 };
        let mut view = whole.clone();
        view.apply(&damage);
        assert_eq!(view.healing(), [Fault::Replace(*node)]);
    }
}
