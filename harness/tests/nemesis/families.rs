//! What one strike of a family breaks, and what a view says of it.

use crate::{nodes, rng};
use harness::cluster::NodeId;
use harness::fault::Fault;
use harness::nemesis::flaky::{Flaky, PERCENT_MAX, PERCENT_MIN};
use harness::nemesis::latency::{DELAY_MAX_MS, DELAY_MIN_MS, Latency};
use harness::nemesis::membership::Membership;
use harness::nemesis::partition::{Cuts, Shape, bridge, majorities_ring};
use harness::nemesis::process::{End, Processes, Target};
use harness::nemesis::rolling::Rolling;
use harness::nemesis::senders::Senders;
use harness::nemesis::throttle::{RATE_MAX, RATE_MIN, Throttle};
use harness::nemesis::transfer::Transfers;
use harness::nemesis::{ClusterView, Family, Timed};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Whom a node both hears and is heard by, itself included.
fn sees(node: NodeId, of: &[NodeId], cuts: &Cuts) -> BTreeSet<NodeId> {
    let cut = |from, to| cuts.contains(&(from, to));
    of.iter().copied().filter(|other| !cut(node, *other) && !cut(*other, node)).collect()
}

#[test]
fn on_a_ring_every_node_sees_a_majority_and_no_two_the_same() {
    for count in 3..=9 {
        let nodes = nodes(count);
        let cuts = majorities_ring(&nodes);
        let seen: BTreeSet<BTreeSet<NodeId>> =
            nodes.iter().map(|node| sees(*node, &nodes, &cuts)).collect();
        assert_eq!(seen.len(), nodes.len(), "{count} nodes: majorities are distinct");
        assert!(seen.iter().all(|seen| seen.len() > nodes.len() / 2), "{count} nodes: majorities");
        assert!(cuts.iter().all(|(from, to)| cuts.contains(&(*to, *from))), "both ways");
    }
    assert!(majorities_ring(&nodes(2)).is_empty());
}

#[test]
fn over_a_bridge_one_node_sees_all_and_the_others_their_half_and_it() {
    for count in 3..=9 {
        let nodes = nodes(count);
        let cuts = bridge(&nodes);
        assert_eq!(sees(nodes[0], &nodes, &cuts).len(), nodes.len());
        let others: BTreeSet<BTreeSet<NodeId>> =
            nodes[1..].iter().map(|node| sees(*node, &nodes, &cuts)).collect();
        assert_eq!(others.len(), 2, "{count} nodes: two halves");
        let shared = others.iter().skip(1).fold(others.iter().next().cloned(), |shared, side| {
            shared.map(|shared| shared.intersection(side).copied().collect())
        });
        assert_eq!(shared, Some(BTreeSet::from([nodes[0]])), "{count} nodes: only the bridge");
    }
    assert!(bridge(&nodes(2)).is_empty());
}

#[test]
fn the_first_half_are_those_with_the_smallest_numbers() {
    let nodes = nodes(5);
    let cuts = Shape::FirstHalf.cuts(&ClusterView::new(&nodes), &mut rng(1));
    let [first, second] = [nodes[0], nodes[4]].map(|node| sees(node, &nodes, &cuts));
    assert_eq!(first, nodes[..2].iter().copied().collect());
    assert_eq!(second, nodes[2..].iter().copied().collect());
}

proptest! {
    #[test]
    fn halves_are_disjoint_and_cover_the_cluster(count in 2u16..10, seed: u64) {
        let nodes = nodes(count);
        let cuts = Shape::Halves.cuts(&ClusterView::new(&nodes), &mut rng(seed));
        let sides: BTreeSet<BTreeSet<NodeId>> =
            nodes.iter().map(|node| sees(*node, &nodes, &cuts)).collect();
        prop_assert_eq!(sides.len(), 2);
        let sizes: usize = sides.iter().map(BTreeSet::len).sum();
        prop_assert_eq!(sizes, nodes.len(), "disjoint");
        let union: BTreeSet<NodeId> = sides.iter().flatten().copied().collect();
        prop_assert_eq!(union.len(), nodes.len(), "covering");
        prop_assert!(sides.iter().all(|side| side.len() >= nodes.len() / 2));
    }

    #[test]
    fn a_minority_is_smaller_than_the_rest(count in 3u16..10, seed: u64) {
        let nodes = nodes(count);
        let cuts = Shape::Minority.cuts(&ClusterView::new(&nodes), &mut rng(seed));
        let least = nodes.iter().map(|node| sees(*node, &nodes, &cuts).len()).min();
        prop_assert!(least.is_some_and(|least| least >= 1 && 2 * least < nodes.len()));
    }

    #[test]
    fn on_a_drawn_ring_every_node_sees_a_majority_and_somebody_not_all(
        count in 4u16..10, seed: u64,
    ) {
        let nodes = nodes(count);
        let cuts = Shape::StochasticRing.cuts(&ClusterView::new(&nodes), &mut rng(seed));
        let seen = nodes.iter().map(|node| sees(*node, &nodes, &cuts).len());
        prop_assert!(seen.clone().all(|seen| seen > nodes.len() / 2));
        prop_assert!(seen.min().is_some_and(|least| least < nodes.len()));
        prop_assert!(cuts.iter().all(|(from, to)| cuts.contains(&(*to, *from))), "both ways");
    }

    #[test]
    fn primaries_are_alone_each_and_the_rest_together(count in 3u16..10, leads: u16, seed: u64) {
        let nodes = nodes(count);
        let leaders: Vec<NodeId> =
            nodes.iter().copied().filter(|node| leads >> node.0 & 1 == 1).collect();
        let view = ClusterView { leaders: leaders.clone(), ..ClusterView::new(&nodes) };
        let cuts = Shape::PrimariesApart.cuts(&view, &mut rng(seed));
        let alone = nodes.iter().filter(|node| sees(**node, &nodes, &cuts).len() == 1).count();
        prop_assert!(leaders.iter().all(|leader| sees(*leader, &nodes, &cuts).len() == 1));
        let rest = nodes.len() - leaders.len();
        prop_assert_eq!(alone, leaders.len().max(1) + usize::from(!leaders.is_empty() && rest == 1));
    }

    #[test]
    fn shapes_of_a_leader_cut_the_leader_in_their_direction(
        count in 2u16..10, leader in 1u16..10, seed: u64,
    ) {
        let nodes = nodes(count);
        let leader = NodeId((leader - 1) % count + 1);
        let view = ClusterView { leaders: vec![leader], ..ClusterView::new(&nodes) };
        let others: Vec<NodeId> = nodes.iter().copied().filter(|node| *node != leader).collect();
        let from: BTreeSet<_> = others.iter().map(|other| (leader, *other)).collect();
        let to: BTreeSet<_> = others.iter().map(|other| (*other, leader)).collect();
        let cuts = |shape: Shape| -> BTreeSet<(NodeId, NodeId)> {
            shape.cuts(&view, &mut rng(seed)).into_iter().collect()
        };
        prop_assert_eq!(cuts(Shape::MuteLeader), from.clone());
        prop_assert_eq!(cuts(Shape::DeafLeader), to.clone());
        prop_assert_eq!(cuts(Shape::IsolateLeader), from.union(&to).copied().collect());
    }

    #[test]
    fn every_shape_cuts_a_link_of_a_leader_if_there_is_one(
        count in 3u16..10, leader in 1u16..10, seed: u64,
    ) {
        let leader = NodeId((leader - 1) % count + 1);
        let view = ClusterView { leaders: vec![leader], ..ClusterView::new(&nodes(count)) };
        for shape in Shape::ALL {
            let cuts = shape.cuts(&view, &mut rng(seed));
            let touched = cuts.iter().any(|(from, to)| *from == leader || *to == leader);
            prop_assert!(touched, "{}: {cuts:?}", shape.name());
        }
    }

    #[test]
    fn no_shape_cuts_a_node_from_itself_or_a_link_twice(count in 1u16..10, seed: u64) {
        let view = ClusterView::new(&nodes(count));
        for shape in Shape::ALL {
            let cuts = shape.cuts(&view, &mut rng(seed));
            let distinct: BTreeSet<_> = cuts.iter().collect();
            prop_assert_eq!(distinct.len(), cuts.len());
            prop_assert!(cuts.iter().all(|(from, to)| from != to));
        }
    }

    #[test]
    fn a_target_never_takes_down_more_than_it_says(count in 1u16..10, down: u16, seed: u64) {
        let mut view = ClusterView::new(&nodes(count));
        for i in (0..count).filter(|i| down >> i & 1 == 1) {
            view.apply(&Fault::Kill(NodeId(i + 1)));
        }
        let before = view.which(|node| !node.up).len();
        for target in Target::ALL {
            let mut after = view.clone();
            for timed in Processes::new(End::Power, vec![target]).strike(&view, &mut rng(seed)) {
                if timed.after == Duration::ZERO {
                    prop_assert!(after.can_act(&timed.fault), "{} cannot act", timed.fault);
                    after.apply(&timed.fault);
                } else {
                    prop_assert!((50..=8_000).contains(&timed.after.as_millis()));
                }
            }
            let down = after.which(|node| !node.up).len();
            prop_assert!(down <= before.max(target.down_max(&view)), "{target:?}: {down} down");
        }
    }

    #[test]
    fn only_running_nodes_are_slowed_and_no_more_than_was_chosen(
        count in 1u16..10, leader in 1u16..10, down: u16, seed: u64,
    ) {
        let leader = NodeId((leader - 1) % count + 1);
        let mut view = ClusterView { leaders: vec![leader], ..ClusterView::new(&nodes(count)) };
        for i in (0..count).filter(|i| down >> i & 1 == 1) {
            view.apply(&Fault::Pause(NodeId(i + 1)));
        }
        let running = view.which(|node| node.acts());
        for senders in Senders::ALL {
            let timed = Latency::new(vec![senders]).strike(&view, &mut rng(seed));
            let [Timed { after, fault: Fault::Slow { nodes, delay_ms, jitter_ms } }, undone] =
                &timed[..]
            else {
                prop_assert!(timed.is_empty() && running.is_empty(), "{timed:?}");
                continue;
            };
            prop_assert_eq!(*after, Duration::ZERO);
            prop_assert!((DELAY_MIN_MS..=DELAY_MAX_MS).contains(&u64::from(*delay_ms)));
            prop_assert!(jitter_ms <= delay_ms);
            prop_assert!(u64::from(delay_ms + jitter_ms) <= DELAY_MAX_MS);
            prop_assert_eq!(&undone.fault, &Fault::Fast);
            prop_assert!((1_000..=15_000).contains(&undone.after.as_millis()));
            prop_assert!(nodes.iter().all(|node| running.contains(node)));
            prop_assert!(nodes.is_sorted_by(|a, b| a < b), "each once");
            let fits = match senders {
                Senders::One => nodes.len() == 1,
                Senders::Leader => nodes.len() == 1 && (!running.contains(&leader) || nodes[0] == leader),
                Senders::Minority => (1..=view.minority().max(1)).contains(&nodes.len()),
                Senders::All => *nodes == running,
            };
            prop_assert!(fits, "{senders:?} of {running:?}: {nodes:?}");
        }
    }

    #[test]
    fn links_are_broken_within_bounds_and_mended(count in 2u16..10, seed: u64) {
        let view = ClusterView::new(&nodes(count));
        let flaky = Flaky::new(Senders::ALL.to_vec()).strike(&view, &mut rng(seed));
        let throttle = Throttle::new(Senders::ALL.to_vec()).strike(&view, &mut rng(seed));
        for (timed, mends) in [(flaky, Fault::Reliable), (throttle, Fault::Unthrottle)] {
            let [Timed { after, fault }, undone] = &timed[..] else { panic!("{timed:?}") };
            prop_assert!(*after == Duration::ZERO && view.can_act(fault));
            prop_assert_eq!(&undone.fault, &mends);
            prop_assert!((2_000..=15_000).contains(&undone.after.as_millis()));
            match fault {
                Fault::Flaky { loss_percent, duplicate_percent, .. } => {
                    let most = u64::from(*loss_percent.max(duplicate_percent));
                    prop_assert!((PERCENT_MIN..=PERCENT_MAX).contains(&most), "{fault}");
                }
                Fault::Throttle { kib_per_s, .. } => {
                    prop_assert!((RATE_MIN..=RATE_MAX).contains(&u64::from(*kib_per_s)));
                }
                other => prop_assert!(false, "{other}"),
            }
        }
    }
}

#[test]
fn a_slowness_acts_only_where_it_delays_a_running_node() {
    let mut view = ClusterView::new(&nodes(3));
    let slow = |nodes: &[u16], delay_ms, jitter_ms| {
        let nodes = nodes.iter().copied().map(NodeId).collect();
        Fault::Slow { nodes, delay_ms, jitter_ms }
    };
    assert!(!view.can_act(&Fault::Fast), "nothing is slow");
    assert!(!view.can_act(&slow(&[], 10, 0)) && !view.can_act(&slow(&[1], 0, 0)));
    assert!(view.can_act(&slow(&[1], 0, 1)) && view.can_act(&slow(&[1, 2], 10, 0)));
    view.apply(&Fault::Kill(NodeId(1)));
    assert!(!view.can_act(&slow(&[1], 10, 0)) && view.can_act(&slow(&[1, 2], 10, 0)));
    view.apply(&slow(&[1, 2], 10, 0));
    assert_eq!(view.slow, [NodeId(1), NodeId(2)]);
    view.apply(&slow(&[3], 10, 0));
    assert_eq!(view.slow, [NodeId(3)], "the new replaces the old");
    assert_eq!(view.healing(), [Fault::Fast, Fault::Restart(NodeId(1))]);
    view.apply(&slow(&[3], 0, 0));
    assert!(view.slow.is_empty() && !view.can_act(&Fault::Fast));
}

#[test]
fn links_are_broken_only_where_a_running_node_has_some_and_all_is_healed_in_order() {
    let (n1, n2) = (NodeId(1), NodeId(2));
    let flaky = |loss_percent, duplicate_percent| Fault::Flaky {
        nodes: vec![n1],
        loss_percent,
        duplicate_percent,
    };
    let throttle = Fault::Throttle { nodes: vec![n1], kib_per_s: 8 };
    let alone = ClusterView::new(&nodes(1));
    assert!(!alone.can_act(&flaky(9, 9)) && !alone.can_act(&throttle));
    let mut view = ClusterView::new(&nodes(2));
    assert!(view.can_act(&flaky(0, 1)) && view.can_act(&throttle) && !view.can_act(&flaky(0, 0)));
    assert!(!view.can_act(&Fault::Reliable) && !view.can_act(&Fault::Unthrottle));
    view.apply(&flaky(9, 0));
    view.apply(&throttle);
    view.apply(&Fault::WallStrobe { node: n1, delta_ms: 5, period_ms: 5 });
    view.apply(&Fault::WallDrift { node: n2, ppm: 500 });
    view.apply(&Fault::Reboot(n1));
    assert!(!view.can_act(&flaky(9, 9)) && !view.can_act(&Fault::Reboot(n1)), "n1 is down");
    let healing = [
        Fault::Reliable,
        Fault::Unthrottle,
        Fault::Restart(n1),
        Fault::WallReset(n1),
        Fault::WallReset(n2),
    ];
    assert_eq!(view.healing(), healing);
    view.apply(&flaky(0, 0));
    assert!(view.flaky.is_empty());
}

/// A cluster whose first node leads, with these out.
fn led(count: u16, out: &[u16]) -> ClusterView {
    let mut view = ClusterView::new(&nodes(count));
    view.leaders = vec![NodeId(1)];
    out.iter().for_each(|id| view.apply(&Fault::Remove(NodeId(*id))));
    view
}

proptest! {
    #[test]
    fn who_leaves_comes_back_and_no_more_than_a_minority_is_out(
        count in 1u16..8, out in 0usize..4, seed: u64
    ) {
        let out: Vec<u16> = (2..=count).take(out).collect();
        let view = led(count, &out);
        let timed = Membership::default().strike(&view, &mut rng(seed));
        let removed: Vec<NodeId> = timed.iter().filter_map(|timed| match timed.fault {
            Fault::Remove(node) => Some(node),
            _ => None,
        }).collect();
        prop_assert!(removed.len() <= 1);
        if let [node] = removed[..] {
            prop_assert!(out.len() < view.minority() && !out.contains(&node.0));
            let [between @ .., last] = &timed[1..] else { panic!("it never comes back") };
            prop_assert_eq!(&last.fault, &Fault::Join(node));
            prop_assert!(last.after >= Duration::from_secs(1));
            let wiped = between.iter().all(|t| t.fault == Fault::Wipe(node) && t.after <= last.after);
            prop_assert!(wiped && between.len() <= 1);
        }
    }

    #[test]
    fn a_rolling_restart_takes_every_node_once_and_only_where_all_run(
        count in 1u16..8, down: bool, seed: u64
    ) {
        let mut view = led(count, &[]);
        if down {
            view.apply(&Fault::Kill(NodeId(1)));
        }
        let struck = Rolling::default().strike(&view, &mut rng(seed));
        prop_assert_eq!(struck.len(), usize::from(!down));
        for Timed { fault, .. } in struck {
            let Fault::Rolling { nodes: mut order, .. } = fault else { panic!("{fault}") };
            order.sort_unstable();
            prop_assert_eq!(order, nodes(count));
        }
    }

    #[test]
    fn leadership_goes_to_a_member_that_runs_and_does_not_lead(count in 1u16..8, seed: u64) {
        let mut view = led(count, &[3]);
        view.apply(&Fault::Kill(NodeId(2)));
        let struck = Transfers.strike(&view, &mut rng(seed));
        for Timed { fault, .. } in &struck {
            let Fault::Transfer(to) = fault else { panic!("{fault}") };
            prop_assert!(to.0 > 3, "{to}");
        }
        prop_assert_eq!(struck.len(), usize::from(count > 3 && view.can_act(&Fault::Transfer(NodeId(4)))));
    }
}

#[test]
fn members_change_only_where_a_leader_reaches_a_majority_and_come_back_at_the_end() {
    let (n1, n2) = (NodeId(1), NodeId(2));
    let mut view = led(3, &[]);
    assert!(view.can_act(&Fault::Remove(n1)) && view.can_act(&Fault::Transfer(n2)));
    assert!(!view.can_act(&Fault::Join(n2)) && !view.can_act(&Fault::Transfer(n1)));
    assert!(!view.can_act(&Fault::Wipe(n2)), "a member keeps its disk");
    view.apply(&Fault::Partition {
        shape: "isolate leader".into(),
        cuts: vec![(n1, n2), (NodeId(3), n1)],
    });
    assert!(!view.can_act(&Fault::Remove(n2)) && !view.can_act(&Fault::Transfer(n2)));
    view.apply(&Fault::HealNetwork);
    view.leaders.clear();
    assert!(
        !view.can_act(&Fault::Remove(n2)) && !view.can_act(&Fault::Transfer(n2)),
        "nobody leads"
    );
    view.leaders.push(n1);
    view.apply(&Fault::Remove(n2));
    assert!(!view.can_act(&Fault::Remove(n1)), "two have to stay");
    assert!(!view.can_act(&Fault::Remove(n2)) && view.can_act(&Fault::Join(n2)));
    assert!(view.can_act(&Fault::Wipe(n2)));
    view.apply(&Fault::Kill(n2));
    assert_eq!(view.healing(), [Fault::Restart(n2), Fault::Join(n2)]);
    view.apply(&Fault::Join(n2));
    assert_eq!(view.healing(), [], "who joined runs");
}
