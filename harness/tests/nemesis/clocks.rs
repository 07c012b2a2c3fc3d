//! Clocks that stand still, leap back or run at another pace: whose, and within which bounds.

use crate::{SECOND, nodes, rng};
use harness::cluster::NodeId;
use harness::fault::Fault;
use harness::nemesis::drift::DRIFT_MAX;
use harness::nemesis::freeze::Freezes;
use harness::nemesis::leap::{BACK_MIN_MS, Leaps};
use harness::nemesis::mono::{PACE_MAX_PPM, PACE_MIN_PPM, Paces};
use harness::nemesis::skew::SKEW_MAX_MS;
use harness::nemesis::{ClusterView, Family, Timed};
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_leader_leaps_back_across_the_window_and_within_the_bounds_or_nobody_does(
        leader in 1u16..4, moved_ms in -60_000i64..60_000, seed: u64,
    ) {
        let leader = NodeId(leader);
        let mut view = ClusterView { leaders: vec![leader], ..ClusterView::new(&nodes(3)) };
        view.apply(&Fault::WallJump { node: leader, by_ms: moved_ms });
        let struck = Leaps::default().strike(&view, &mut rng(seed));
        let room = SKEW_MAX_MS + moved_ms;
        prop_assert_eq!(struck.is_empty(), room < BACK_MIN_MS as i64);
        if let [Timed { fault: Fault::WallLeap { node, back_ms }, .. }, end] = &struck[..] {
            prop_assert_eq!(*node, leader);
            prop_assert!((BACK_MIN_MS as i64..=room).contains(&i64::from(*back_ms)));
            prop_assert_eq!(&end.fault, &Fault::WallReset(leader));
            prop_assert!(end.after >= 2 * SECOND && end.after <= 20 * SECOND);
        }
    }

    #[test]
    fn a_clock_stands_still_only_where_it_stays_within_its_bounds_and_goes_on_in_time(
        moved_ms in -60_000i64..60_000, seed: u64,
    ) {
        let mut view = ClusterView { leaders: vec![NodeId(1)], ..ClusterView::new(&nodes(1)) };
        view.apply(&Fault::WallJump { node: NodeId(1), by_ms: moved_ms });
        let struck = Freezes::default().strike(&view, &mut rng(seed));
        let loses_ms = DRIFT_MAX.as_millis() as i64;
        prop_assert_eq!(struck.is_empty(), moved_ms - loses_ms < -SKEW_MAX_MS);
        if let [begin, end] = &struck[..] {
            prop_assert_eq!(&begin.fault, &Fault::WallFreeze(NodeId(1)));
            prop_assert_eq!(&end.fault, &Fault::WallReset(NodeId(1)));
            prop_assert!(end.after <= DRIFT_MAX);
            view.apply(&begin.fault);
            view.now += end.after;
            let (least, _) = view.nodes[0].wall.at(view.now);
            prop_assert!(least >= -SKEW_MAX_MS);
        }
    }
}

proptest! {
    #[test]
    fn monotonic_clocks_stay_within_what_leases_pay_for_and_are_true_again_in_time(
        count in 1u16..8, seed: u64,
    ) {
        let view = ClusterView { leaders: vec![NodeId(1)], ..ClusterView::new(&nodes(count)) };
        let struck = Paces::default().strike(&view, &mut rng(seed));
        let (begun, ended) = struck.split_at(struck.len() / 2);
        prop_assert!(!begun.is_empty());
        for (begin, end) in begun.iter().zip(ended) {
            let Fault::MonoDrift { node, ppm } = begin.fault else { panic!("{}", begin.fault) };
            prop_assert!((PACE_MIN_PPM..=PACE_MAX_PPM).contains(&u64::from(ppm.unsigned_abs())));
            prop_assert_eq!(&end.fault, &Fault::MonoReset(node));
            prop_assert!(end.after >= 2 * SECOND && end.after <= 20 * SECOND);
        }
    }
}

#[test]
fn a_monotonic_clock_of_another_pace_is_set_right_at_the_end_and_once() {
    let node = NodeId(2);
    let mut view = ClusterView::new(&nodes(3));
    assert!(!view.can_act(&Fault::MonoReset(node)));
    assert!(!view.can_act(&Fault::MonoDrift { node, ppm: 0 }));
    view.apply(&Fault::MonoDrift { node, ppm: 9 });
    view.apply(&Fault::Kill(node));
    assert_eq!(view.healing(), [Fault::Restart(node), Fault::MonoReset(node)]);
    view.apply(&Fault::MonoReset(node));
    assert_eq!(view.healing(), [Fault::Restart(node)]);
}
