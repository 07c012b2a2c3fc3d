//! What nemeses promise, for every cluster from three to nine nodes and many seeds.

use harness::cluster::NodeId;
use harness::fault::{Fault, FaultKind};
use harness::nemesis::clock::SKEW_MAX_MS;
use harness::nemesis::compose::{Composed, Interval};
use harness::nemesis::latency::{DELAY_MAX_MS, DELAY_MIN_MS, Latency, Slowed};
use harness::nemesis::partition::{Cuts, Shape, majorities_ring};
use harness::nemesis::planned::Planned;
use harness::nemesis::process::{End, Processes, Target};
use harness::nemesis::{ClusterView, Family, Nemesis, Timed};
use harness::seed::{Seed, Stream};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn nodes(count: u16) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

fn rng(seed: u64) -> ChaCha8Rng {
    Seed(seed).stream(Stream::Nemesis)
}

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
        for slowed in Slowed::ALL {
            let timed = Latency::new(vec![slowed]).strike(&view, &mut rng(seed));
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
            prop_assert!((500..=15_000).contains(&undone.after.as_millis()));
            prop_assert!(nodes.iter().all(|node| running.contains(node)));
            prop_assert!(nodes.is_sorted_by(|a, b| a < b), "each once");
            let fits = match slowed {
                Slowed::One => nodes.len() == 1,
                Slowed::Leader => nodes.len() == 1 && (!running.contains(&leader) || nodes[0] == leader),
                Slowed::Minority => (1..=view.minority().max(1)).contains(&nodes.len()),
                Slowed::All => *nodes == running,
            };
            prop_assert!(fits, "{slowed:?} of {running:?}: {nodes:?}");
        }
    }

    #[test]
    fn whatever_happened_is_healed(count in 1u16..10, seed: u64) {
        let (view, _) = disturbed(count, &FaultKind::ALL, seed, 60);
        let mut healed = view;
        for fault in healed.healing() {
            prop_assert!(healed.can_act(&fault));
            prop_assert_eq!(fault.kind(), None);
            healed.apply(&fault);
        }
        let fresh = ClusterView::new(&nodes(count));
        prop_assert_eq!(healed.nodes, fresh.nodes);
        prop_assert_eq!(healed.cuts, fresh.cuts);
        prop_assert_eq!(healed.slow, fresh.slow);
    }

    #[test]
    fn a_composed_nemesis_injects_only_what_can_act_and_keeps_its_bounds(
        count in 1u16..10, seed: u64,
    ) {
        let (_, told) = disturbed(count, &FaultKind::ALL, seed, 120);
        for (before, fault) in &told {
            prop_assert!(before.can_act(fault), "{fault} cannot act");
            let mut after = before.clone();
            after.apply(fault);
            prop_assert!(after.which(|node| node.paused).len() <= after.minority());
            prop_assert!(after.nodes.iter().all(|node| node.wall_ms.abs() <= SKEW_MAX_MS));
        }
    }

    #[test]
    fn a_seed_decides_every_fault(seed: u64) {
        let (_, first) = disturbed(5, &FaultKind::ALL, seed, 60);
        let (_, second) = disturbed(5, &FaultKind::ALL, seed, 60);
        prop_assert_eq!(first, second);
    }
}

/// What a composed nemesis does to a cluster in so many seconds: the view at the end and, before each fault, the view.
fn disturbed(
    count: u16,
    kinds: &[FaultKind],
    seed: u64,
    seconds: u32,
) -> (ClusterView, Vec<(ClusterView, Fault)>) {
    let mut rng = rng(seed);
    let interval = Interval { min: 3 * SECOND, max: 8 * SECOND };
    let mut nemesis = Composed::swarm(kinds, interval, SECOND, &mut rng);
    let mut view = ClusterView::new(&nodes(count));
    let mut told = Vec::new();
    while let Some(due) = nemesis.due().filter(|due| *due < SECOND * seconds) {
        view.now = view.now.max(due);
        view.leaders = view.which(|node| node.acts()).into_iter().take(1).collect();
        match nemesis.next(&view, &mut rng) {
            Some(fault) => {
                told.push((view.clone(), fault.clone()));
                view.apply(&fault);
            }
            None => assert!(nemesis.due().is_none_or(|due| due > view.now), "it moves on"),
        }
    }
    (view, told)
}

#[test]
fn a_swarm_breaks_only_what_is_enabled_and_over_many_seeds_all_of_it() {
    let mut seen = BTreeSet::new();
    for seed in 0..40 {
        let (_, told) = disturbed(5, &[FaultKind::Kill, FaultKind::Pause], seed, 120);
        seen.extend(told.iter().filter_map(|(_, fault)| fault.kind()));
        assert!(!told.is_empty(), "seed {seed} broke nothing");
    }
    assert_eq!(seen, BTreeSet::from([FaultKind::Kill, FaultKind::Pause]));
    let mut shapes = BTreeSet::new();
    let mut replaced = false;
    for seed in 0..60 {
        for (before, fault) in disturbed(5, &[FaultKind::Partition], seed, 120).1 {
            if let Fault::Partition { shape, .. } = fault {
                shapes.insert(shape);
                replaced |= !before.cuts.is_empty();
            }
        }
    }
    assert_eq!(shapes.len(), Shape::ALL.len(), "{shapes:?}");
    assert!(replaced, "one shape follows another without a heal between");
}

#[test]
fn strikes_are_an_interval_apart() {
    let (_, told) = disturbed(5, &[FaultKind::Clock], 3, 600);
    let strikes: BTreeSet<Duration> =
        told.iter().filter(|(_, fault)| fault.kind().is_some()).map(|(view, _)| view.now).collect();
    let strikes: Vec<Duration> = strikes.into_iter().collect();
    assert!(strikes.len() > 70);
    for pair in strikes.windows(2) {
        let apart = pair[1] - pair[0];
        assert!((3 * SECOND..=8 * SECOND).contains(&apart), "{apart:?}");
    }
}

#[test]
fn a_killed_node_starts_again_by_itself() {
    let (_, told) = disturbed(5, &[FaultKind::Kill], 11, 300);
    let kills = told.iter().filter(|(_, fault)| matches!(fault, Fault::Kill(_))).count();
    let restarts = told.iter().filter(|(_, fault)| matches!(fault, Fault::Restart(_))).count();
    assert!(kills > 20 && kills - restarts <= 5, "{kills} kills, {restarts} restarts");
    for (at, fault) in &told {
        if let Fault::Kill(node) = fault {
            let back = told
                .iter()
                .find(|(view, later)| view.now >= at.now && *later == Fault::Restart(*node));
            let down = back.map(|(view, _)| view.now - at.now);
            assert!(down.is_none_or(|down| down <= 8 * SECOND), "{node} was down {down:?}");
        }
    }
}

#[test]
fn slowness_ends_by_itself_unless_another_follows_it() {
    let (mut ended, mut followed, mut jitters) = (0, 0, BTreeSet::new());
    for seed in 0..20 {
        let (_, told) = disturbed(5, &[FaultKind::Latency], seed, 300);
        for pair in told.windows(2) {
            let ((before, fault), (after, next)) = (&pair[0], &pair[1]);
            let Fault::Slow { jitter_ms, .. } = fault else { continue };
            jitters.insert(*jitter_ms > 0);
            assert!(after.now - before.now <= 15 * SECOND, "{fault} went on too long");
            match next {
                Fault::Fast => ended += 1,
                Fault::Slow { .. } => followed += 1,
                other => panic!("nothing but slowness is enabled, not {other}"),
            }
        }
    }
    assert!(ended > 100 && followed > 100, "{ended} ended, {followed} were followed");
    assert_eq!(jitters.len(), 2, "with jitter and without");
}

#[test]
fn the_end_of_an_old_slowness_does_not_end_a_new_one() {
    let slow = |node| Fault::Slow { nodes: vec![NodeId(node)], delay_ms: 9, jitter_ms: 0 };
    let interval = Interval { min: 4 * SECOND, max: 4 * SECOND };
    let strikes = vec![
        vec![Timed::now(slow(1)), Timed::after(6 * SECOND, Fault::Fast)],
        vec![Timed::now(slow(2)), Timed::after(7 * SECOND, Fault::Fast)],
    ];
    let families: Vec<(u64, Box<dyn Family>)> = vec![(1, Box::new(Strikes::new(strikes)))];
    let mut rng = rng(1);
    let mut nemesis = Composed::new(families, interval, Duration::ZERO, &mut rng);
    let mut view = ClusterView::new(&nodes(2));
    let mut told = Vec::new();
    for second in 0..30 {
        view.now = SECOND * second;
        while let Some(fault) = nemesis.next(&view, &mut rng) {
            view.apply(&fault);
            told.push((second, fault));
        }
    }
    assert_eq!(told, [(4, slow(1)), (8, slow(2)), (15, Fault::Fast)]);
}

/// Strikes that were written down, one after another, and then nothing.
struct Strikes(RefCell<VecDeque<Vec<Timed>>>);

impl Strikes {
    fn new(strikes: Vec<Vec<Timed>>) -> Strikes {
        Strikes(RefCell::new(strikes.into()))
    }
}

impl Family for Strikes {
    fn strike(&self, _: &ClusterView, _: &mut ChaCha8Rng) -> Vec<Timed> {
        self.0.borrow_mut().pop_front().unwrap_or_default()
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
fn without_families_nothing_is_ever_due() {
    let interval = Interval { min: SECOND, max: SECOND };
    let nemesis = Composed::swarm(&[], interval, SECOND, &mut rng(1));
    assert_eq!(nemesis.due(), None);
}

#[test]
fn a_script_injects_each_fault_at_its_time() {
    let kill = Fault::Kill(NodeId(1));
    let mut script = Planned::script([(2 * SECOND, kill.clone())]);
    let mut view = ClusterView::new(&nodes(1));
    assert_eq!(script.due(), Some(2 * SECOND));
    assert_eq!(script.next(&view, &mut rng(1)), None);
    view.now = 2 * SECOND;
    assert_eq!(script.next(&view, &mut rng(1)), Some(kill));
    assert_eq!(script.due(), None);
}

/// Cuts one link at each strike; only the first cut is to be healed, ten seconds later.
#[derive(Default)]
struct HealOnce {
    struck: Cell<bool>,
}

impl Family for HealOnce {
    fn strike(&self, _: &ClusterView, _: &mut ChaCha8Rng) -> Vec<Timed> {
        let cuts = vec![(NodeId(1), NodeId(2))];
        let mut timed = vec![Timed::now(Fault::Partition { shape: "one link".into(), cuts })];
        if !self.struck.replace(true) {
            timed.push(Timed::after(10 * SECOND, Fault::HealNetwork));
        }
        timed
    }
}

#[test]
fn the_heal_of_an_old_partition_does_not_end_a_new_one() {
    let interval = Interval { min: 4 * SECOND, max: 4 * SECOND };
    let families: Vec<(u64, Box<dyn Family>)> = vec![(1, Box::new(HealOnce::default()))];
    let mut rng = rng(1);
    let mut nemesis = Composed::new(families, interval, Duration::ZERO, &mut rng);
    let mut view = ClusterView::new(&nodes(2));
    let mut told = Vec::new();
    for second in 0..30 {
        view.now = SECOND * second;
        while let Some(fault) = nemesis.next(&view, &mut rng) {
            view.apply(&fault);
            told.push(fault);
        }
    }
    assert_eq!(told.len(), 7);
    assert!(told.iter().all(|fault| fault.kind() == Some(FaultKind::Partition)), "{told:?}");
}

#[test]
fn nothing_is_struck_so_late_that_it_could_hardly_act() {
    let interval = Interval { min: SECOND, max: SECOND };
    for seed in 0..20 {
        let mut rng = rng(seed);
        let composed = Composed::swarm(&FaultKind::ALL, interval, Duration::ZERO, &mut rng);
        let mut nemesis = composed.ending(20 * SECOND);
        let mut view = ClusterView::new(&nodes(5));
        let mut struck = 0;
        for tick in 0..200 {
            view.now = SECOND / 10 * tick;
            while let Some(fault) = nemesis.next(&view, &mut rng) {
                view.apply(&fault);
                struck += usize::from(fault.kind().is_some());
                let late = fault.kind().is_some() && view.now > 18 * SECOND;
                assert!(!late, "{fault} at {:?} of 20 s", view.now);
            }
        }
        assert!(struck > 0, "seed {seed}");
    }
}
