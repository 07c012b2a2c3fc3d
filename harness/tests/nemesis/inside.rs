//! Kills from inside: whom, where, and when the node starts again.

use crate::{nodes, rng, whole};
use harness::cluster::NodeId;
use harness::fault::Fault;
use harness::nemesis::memory::{LIMIT_MAX_KIB, LIMIT_MIN_KIB, Limits};
use harness::nemesis::process::Target;
use harness::nemesis::steps::{Awaits, POLLS_MAX, Steps, WAIT_MAX_MS, WAIT_MIN_MS};
use harness::nemesis::storm::{Storms, TIMES_MAX, TIMES_MIN};
use harness::nemesis::{ClusterView, Family, Timed};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

proptest! {
    #[test]
    fn one_node_that_runs_is_killed_and_starts_again_when_it_is_surely_dead(
        count in 1u16..10, down: u16, paused: u16, seed: u64,
    ) {
        let mut view = whole(count);
        for i in 0..count {
            if down >> i & 1 == 1 {
                view.apply(&Fault::Kill(NodeId(i + 1)));
            }
            if paused >> i & 1 == 1 {
                view.apply(&Fault::Pause(NodeId(i + 1)));
            }
        }
        for target in Target::ALL {
            let families: [&dyn Family; 3] = [
                &Steps::new(vec![target]),
                &Awaits::new(vec![target]),
                &Limits::new(vec![target]),
            ];
            for family in families {
                let struck = family.strike(&view, &mut rng(seed));
                let [Timed { after, fault }, Timed { after: later, fault: end }] = &struck[..]
                else {
                    prop_assert!(struck.is_empty());
                    continue;
                };
                prop_assert_eq!(*after, Duration::ZERO);
                prop_assert!(view.can_act(fault));
                prop_assert_eq!(vec![end.clone()], fault.nodes().into_iter().map(Fault::Restart).collect::<Vec<_>>());
                match fault {
                    Fault::KillAt { step, or_after_ms, .. } => {
                        prop_assert!(view.steps.contains(step));
                        prop_assert!((WAIT_MIN_MS..=WAIT_MAX_MS).contains(&u64::from(*or_after_ms)));
                        prop_assert!(*later >= Duration::from_millis(u64::from(*or_after_ms) + 50));
                    }
                    Fault::KillAfter { polls, .. } => {
                        prop_assert!((1..=POLLS_MAX).contains(&u64::from(*polls)));
                    }
                    Fault::LimitMemory { kib, or_after_ms, .. } => {
                        prop_assert!((LIMIT_MIN_KIB..=LIMIT_MAX_KIB).contains(&u64::from(*kib)));
                        prop_assert!(*later >= Duration::from_millis(u64::from(*or_after_ms) + 50));
                    }
                    other => prop_assert!(false, "{}", other),
                }
                let before = view.which(|node| !node.up).len();
                let mut after = view.clone();
                after.apply(fault);
                let dead = after.which(|node| !node.up).len();
                prop_assert_eq!(dead, before + 1);
                prop_assert!(dead <= target.down_max(&view));
            }
        }
    }
}

#[test]
fn every_step_that_a_cluster_has_is_chosen_and_where_it_has_none_nothing_is() {
    let view = whole(3);
    let steps = Steps::new(vec![Target::One]);
    let chosen: BTreeSet<String> = (0..60)
        .flat_map(|seed| steps.strike(&view, &mut rng(seed)))
        .filter_map(|timed| match timed.fault {
            Fault::KillAt { step, .. } => Some(step),
            _ => None,
        })
        .collect();
    assert_eq!(chosen, view.steps.iter().cloned().collect());
    let without = ClusterView::new(&nodes(3));
    assert_eq!(steps.strike(&without, &mut rng(1)), []);
    let (node, step) = (NodeId(1), "wal sync".to_owned());
    assert!(!without.can_act(&Fault::KillAt { node, step, or_after_ms: 1 }));
}

proptest! {
    #[test]
    fn a_storm_is_over_soon_and_hits_one_node_that_runs(count in 1u16..10, down: u16, seed: u64) {
        let mut view = whole(count);
        for i in (0..count).filter(|i| down >> i & 1 == 1) {
            view.apply(&Fault::Kill(NodeId(i + 1)));
        }
        let before = view.which(|node| !node.up).len();
        for target in Target::ALL {
            for Timed { after, fault } in Storms::new(vec![target]).strike(&view, &mut rng(seed)) {
                prop_assert!(after.is_zero() && view.can_act(&fault));
                let Fault::Storm { times, up_ms, down_ms, .. } = fault else { panic!("{fault}") };
                prop_assert!((TIMES_MIN..=TIMES_MAX).contains(&u64::from(times)));
                prop_assert!(times * (up_ms + down_ms) <= 10_000);
                prop_assert!(before < target.down_max(&view));
                let mut after = view.clone();
                after.apply(&fault);
                prop_assert_eq!(&after, &view, "it runs again");
            }
        }
    }
}
