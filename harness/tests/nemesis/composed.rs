//! What families do together: strikes an interval apart, each undone at its own time, and in the end all of it.

use crate::{SECOND, nodes, rng, whole};
use harness::cluster::NodeId;
use harness::fault::{Damage, Fault, FaultKind, Impairment, Sequence, Sort, Way};
use harness::nemesis::compose::{Composed, Interval};
use harness::nemesis::drift::{DRIFT_MAX, DRIFT_MAX_PPM};
use harness::nemesis::partition::Shape;
use harness::nemesis::planned::Planned;
use harness::nemesis::range::Range;
use harness::nemesis::skew::SKEW_MAX_MS;
use harness::nemesis::strobe::{PERIOD_MAX_MS, PERIOD_MIN_MS};
use harness::nemesis::{ClusterView, Family, Nemesis, Timed};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

proptest! {
    #[test]
    fn whatever_happened_is_healed(count in 1u16..10, seed: u64) {
        let (view, _) = disturbed(count, &FaultKind::ALL, seed, 60);
        let mut healed = view;
        for fault in healed.healing() {
            prop_assert!(healed.can_act(&fault));
            prop_assert_eq!(fault.kind(), None);
            healed.apply(&fault);
        }
        let fresh = whole(count);
        prop_assert_eq!(ClusterView { now: fresh.now, leaders: Vec::new(), ..healed }, fresh);
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
            prop_assert!(after.given_up() <= after.minority(), "{fault} is one too many");
            for node in before.nodes.iter().chain(&after.nodes) {
                let (least, most) = node.wall.at(before.now);
                prop_assert!(-SKEW_MAX_MS <= least && most <= SKEW_MAX_MS, "{node:?}");
            }
        }
    }

    #[test]
    fn clocks_that_go_on_by_themselves_are_bounded_and_a_drift_ends_in_time(seed: u64) {
        let kinds = [
            FaultKind::Jump,
            FaultKind::Strobe,
            FaultKind::Drift,
            FaultKind::Freeze,
            FaultKind::Leap,
        ];
        let mut drifts: BTreeMap<NodeId, Duration> = BTreeMap::new();
        for (before, fault) in disturbed(5, &kinds, seed, 300).1 {
            match fault {
                Fault::WallStrobe { period_ms, .. } => {
                    let period_ms = u64::from(period_ms);
                    prop_assert!((PERIOD_MIN_MS..=PERIOD_MAX_MS).contains(&period_ms));
                }
                Fault::WallDrift { node, ppm } => {
                    prop_assert!(u64::from(ppm.unsigned_abs()) <= DRIFT_MAX_PPM);
                    drifts.insert(node, before.now);
                }
                Fault::WallFreeze(node) => drop(drifts.insert(node, before.now)),
                Fault::WallReset(node) => drop(drifts.remove(&node)),
                _ => {}
            }
            let longest = drifts.values().map(|since| before.now - *since).max();
            prop_assert!(longest.is_none_or(|longest| longest <= DRIFT_MAX), "{longest:?}");
        }
    }

    #[test]
    fn a_seed_decides_every_fault(seed: u64) {
        let (_, first) = disturbed(5, &FaultKind::ALL, seed, 60);
        let (_, second) = disturbed(5, &FaultKind::ALL, seed, 60);
        prop_assert_eq!(first, second);
    }
}

/// The view at the end and, before each fault, the view.
type Disturbed = (ClusterView, Vec<(ClusterView, Fault)>);

const INTERVAL: Interval = Interval { min: Duration::from_secs(3), max: Duration::from_secs(8) };

/// What a swarm does to a cluster in so many seconds.
fn disturbed(count: u16, kinds: &[FaultKind], seed: u64, seconds: u32) -> Disturbed {
    let mut rng = rng(seed);
    let swarm = Composed::swarm(kinds, INTERVAL, SECOND, &mut rng);
    disturbed_by(swarm, count, rng, seconds)
}

fn disturbed_by(mut nemesis: Composed, count: u16, mut rng: ChaCha8Rng, seconds: u32) -> Disturbed {
    let mut view = whole(count);
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
fn where_none_may_be_left_out_each_kind_strikes_once_a_round() {
    for seed in 0..40 {
        let mut rng = rng(seed);
        let every = Composed::every(&FaultKind::ALL, INTERVAL, SECOND, &mut rng);
        let (_, told) = disturbed_by(every, 5, rng, 2_400);
        let mut strikes: Vec<(Duration, FaultKind)> =
            told.iter().filter_map(|(view, fault)| Some((view.now, fault.kind()?))).collect();
        strikes.dedup();
        let kinds = FaultKind::ALL.len();
        // What cannot act is passed over until it can, and may be the first of a later round: members change only where a
        // leader reaches a majority.
        let round: BTreeSet<FaultKind> =
            strikes.iter().take(4 * kinds).map(|(_, kind)| *kind).collect();
        assert_eq!(round.len(), kinds, "seed {seed}: {strikes:?}");
    }
    let orders: BTreeSet<Vec<FaultKind>> = (0..10)
        .map(|seed| {
            let mut rng = rng(seed);
            let kinds = [FaultKind::Jump, FaultKind::Flaky, FaultKind::Latency];
            let every = Composed::every(&kinds, INTERVAL, SECOND, &mut rng);
            let (_, told) = disturbed_by(every, 5, rng, 60);
            let mut strikes: Vec<_> =
                told.iter().filter_map(|(view, fault)| Some((view.now, fault.kind()?))).collect();
            strikes.dedup();
            let first: Vec<FaultKind> = strikes.into_iter().take(3).map(|(_, kind)| kind).collect();
            assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "{first:?}");
            first
        })
        .collect();
    assert!(orders.len() > 1, "rounds have orders of their own");
}

#[test]
fn a_kind_that_cannot_act_does_not_hold_the_others_up() {
    let mut rng = rng(1);
    // A node alone has no links.
    let kinds = [FaultKind::Partition, FaultKind::Flaky, FaultKind::Pause, FaultKind::Strobe];
    let every = Composed::every(&kinds, INTERVAL, SECOND, &mut rng);
    let (_, told) = disturbed_by(every, 1, rng, 300);
    let strobes = told.iter().filter(|(_, fault)| fault.kind() == Some(FaultKind::Strobe)).count();
    assert!(strobes > 30, "{strobes} strobes");
}

#[test]
fn strikes_are_an_interval_apart() {
    let (_, told) = disturbed(5, &[FaultKind::Jump], 3, 600);
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

/// What comes of these strikes, four seconds apart, and at which second.
fn struck(strikes: Vec<Vec<Timed>>) -> Vec<(u32, Fault)> {
    let interval = Interval { min: 4 * SECOND, max: 4 * SECOND };
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
    told
}

#[test]
fn the_end_of_an_old_fault_does_not_end_a_new_one_of_its_kind() {
    let nodes = |node| vec![NodeId(node)];
    let slow = |node| Fault::Slow { nodes: nodes(node), delay_ms: 9, jitter_ms: 0 };
    let flaky = |node| Fault::Flaky { nodes: nodes(node), loss_percent: 9, duplicate_percent: 9 };
    let throttle = |node| Fault::Throttle { nodes: nodes(node), kib_per_s: 9 };
    let drift = |ppm| Fault::WallDrift { node: NodeId(1), ppm };
    let forget = |node| Fault::Forget { nodes: nodes(node), way: Way::Both };
    let hold = |number| {
        let links = vec![(NodeId(1), NodeId(2))];
        Fault::Hold { links, then: Sequence::Drawn(number) }
    };
    let unasked = |node| Fault::CutClients { nodes: nodes(node), way: Way::Both };
    let links = |percent| {
        let links = vec![(NodeId(1), NodeId(2))];
        Fault::Links { links, how: Impairment::Lost { percent } }
    };
    let pace = |ppm| Fault::MonoDrift { node: NodeId(1), ppm };
    for [first, second, end] in [
        [slow(1), slow(2), Fault::Fast],
        [flaky(1), flaky(2), Fault::Reliable],
        [throttle(1), throttle(2), Fault::Unthrottle],
        [drift(500), drift(900), Fault::WallReset(NodeId(1))],
        [links(9), links(30), Fault::LinksWhole(Sort::Loss)],
        [unasked(1), unasked(2), Fault::HealClients],
        [forget(1), forget(2), Fault::Remember],
        [hold(1), hold(2), Fault::Release],
        [pace(500), pace(900), Fault::MonoReset(NodeId(1))],
        [drift(500), Fault::WallFreeze(NodeId(1)), Fault::WallReset(NodeId(1))],
    ] {
        let began = vec![Timed::now(first.clone()), Timed::after(6 * SECOND, end.clone())];
        let went_on = vec![Timed::now(second.clone())];
        assert_eq!(struck(vec![began.clone(), went_on]), [(4, first.clone()), (8, second.clone())]);
        let ended = vec![Timed::now(second.clone()), Timed::after(7 * SECOND, end.clone())];
        assert_eq!(struck(vec![began, ended]), [(4, first), (8, second), (15, end)]);
    }
}

#[test]
fn a_jump_puts_off_the_end_of_another_jump_but_of_no_drift() {
    let (node, reset) = (NodeId(1), Fault::WallReset(NodeId(1)));
    let jump = Fault::WallJump { node, by_ms: 9 };
    let strike = |fault: &Fault, lasts| {
        vec![Timed::now(fault.clone()), Timed::after(lasts * SECOND, reset.clone())]
    };
    for (first, end) in [(jump.clone(), 15), (Fault::WallDrift { node, ppm: 900 }, 10)] {
        let told = struck(vec![strike(&first, 6), strike(&jump, 7)]);
        assert_eq!(told, [(4, first), (8, jump.clone()), (end, reset.clone())]);
    }
}

/// Strikes that were written down, one after another, and then nothing.
struct Strikes(RefCell<VecDeque<Vec<Timed>>>);

impl Strikes {
    fn new(strikes: Vec<Vec<Timed>>) -> Strikes {
        Strikes(RefCell::new(strikes.into()))
    }
}

impl Family for Strikes {
    fn told(&self) -> String {
        "written down".to_owned()
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        Vec::new()
    }

    fn strike(&self, _: &ClusterView, _: &mut ChaCha8Rng) -> Vec<Timed> {
        self.0.borrow_mut().pop_front().unwrap_or_default()
    }
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
    fn told(&self) -> String {
        "one link".to_owned()
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        Vec::new()
    }

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

/// What comes of a lossy link that is to be mended after three seconds, in seconds since it was made so, if nothing shows for so long.
fn lossy(idle_until: u32) -> Vec<(u32, Fault)> {
    let (one, other) = (NodeId(1), NodeId(2));
    let lossy = |from, to| {
        let how = Impairment::Lost { percent: 9 };
        let begun = Timed::now(Fault::Links { links: vec![(from, to)], how });
        vec![begun, Timed::after(3 * SECOND, Fault::LinksWhole(Sort::Loss))]
    };
    let strikes = vec![lossy(one, other), lossy(other, one)];
    let interval = Interval { min: 4 * SECOND, max: 20 * SECOND };
    let families: Vec<(u64, Box<dyn Family>)> = vec![(1, Box::new(Strikes::new(strikes)))];
    let mut rng = rng(1);
    let mut nemesis = Composed::new(families, interval, Duration::ZERO, &mut rng);
    let mut view = ClusterView::new(&nodes(2));
    let (mut told, mut began) = (Vec::new(), None);
    for second in 0..40 {
        view.now = SECOND * second;
        let since = began.map(|began| second - began);
        view.idle = match since {
            Some(since) if since < idle_until => vec![FaultKind::LinkLoss],
            _ => Vec::new(),
        };
        while let Some(fault) = nemesis.next(&view, &mut rng) {
            view.apply(&fault);
            told.push((second - *began.get_or_insert(second), fault));
        }
    }
    told
}

#[test]
fn what_has_not_shown_is_struck_once_more_elsewhere_and_mended_when_it_has_shown() {
    let (one, other) = (NodeId(1), NodeId(2));
    let how = Impairment::Lost { percent: 9 };
    let lossy_links = |from, to| Fault::Links { links: vec![(from, to)], how };
    let mended = Fault::LinksWhole(Sort::Loss);
    let shown = lossy(0);
    assert_eq!(shown[..2], [(0, lossy_links(one, other)), (3, mended.clone())]);
    // After two seconds it has not; what is struck then would be mended three later, and has not shown for two more.
    let idle = lossy(7);
    assert_eq!(idle[..2], [(0, lossy_links(one, other)), (2, lossy_links(other, one))]);
    assert_eq!(idle[2], (7, mended));
}

#[test]
fn what_is_held_is_let_go_when_somebody_is_there_to_hear_it() {
    let (one, other) = (NodeId(1), NodeId(2));
    let hold = Fault::Hold { links: vec![(one, other)], then: Sequence::Sent };
    let held = vec![
        Timed::now(hold.clone()),
        Timed::after(SECOND, Fault::Kill(other)),
        Timed::after(2 * SECOND, Fault::Release),
        Timed::after(6 * SECOND, Fault::Restart(other)),
    ];
    let told = [
        (4, hold.clone()),
        (5, Fault::Kill(other)),
        (10, Fault::Restart(other)),
        (10, Fault::Release),
    ];
    assert_eq!(struck(vec![held])[..], told);
    let mut view = ClusterView::new(&nodes(2));
    view.apply(&hold);
    view.apply(&Fault::Kill(other));
    assert_eq!(view.healing(), [Fault::Restart(other), Fault::Release]);
}

#[test]
fn a_node_whose_disk_is_lost_is_replaced_when_somebody_leads() {
    let node = NodeId(1);
    let mut view = ClusterView { leaders: vec![NodeId(2)], ..ClusterView::new(&nodes(3)) };
    view.apply(&Fault::DamageDisk { node, how: Damage::Rot, at: 1 });
    assert!(!view.must_wait(&Fault::Replace(node)));
    view.leaders.clear();
    assert!(view.can_act(&Fault::Replace(node)) && view.must_wait(&Fault::Replace(node)));
    view.apply(&Fault::Replace(node));
    assert!(!view.must_wait(&Fault::Replace(node)));
}
