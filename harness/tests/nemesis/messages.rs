//! What one strike breaks of single links, of clients, of connections and of messages, and what a view says of it.

use crate::{nodes, rng};
use harness::cluster::NodeId;
use harness::fault::{Fault, Impairment, Sequence, Sort, Way};
use harness::nemesis::address::{Addresses, STALE_MAX_MS};
use harness::nemesis::clients::Clients;
use harness::nemesis::cut_off::{HalfOpen, Resets};
use harness::nemesis::held::{Echoes, Holds};
use harness::nemesis::links::{self, Links, Which};
use harness::nemesis::senders::Senders;
use harness::nemesis::{ClusterView, Family, Timed};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

/// Whether it is within the bounds that its family promises.
fn is_bounded(how: Impairment) -> bool {
    let percent_fits =
        |percent: u8| (links::PERCENT_MIN..=links::PERCENT_MAX).contains(&u64::from(percent));
    match how {
        Impairment::Late { base_ms, jitter_ms, tail_percent, tail_ms } => {
            let latest = u64::from(base_ms) + u64::from(jitter_ms) + u64::from(tail_ms);
            base_ms > 0
                && jitter_ms <= base_ms
                && tail_percent <= 10
                && latest <= links::LATE_MAX_MS
        }
        Impairment::Lost { percent }
        | Impairment::Doubled { percent }
        | Impairment::Damaged { percent } => percent_fits(percent),
        Impairment::Reordered { percent, within_ms } => {
            percent_fits(percent) && u64::from(within_ms) <= links::HELD_MAX_MS
        }
        Impairment::Narrow { kib_per_s } => {
            (links::RATE_MIN..=links::RATE_MAX).contains(&u64::from(kib_per_s))
        }
        Impairment::Dripping { bytes_per_s } => {
            (links::DRIP_MIN..=links::DRIP_MAX).contains(&u64::from(bytes_per_s))
        }
    }
}

proptest! {
    #[test]
    fn single_links_are_impaired_within_bounds_and_mended(count in 2u16..10, seed: u64) {
        let view = ClusterView::new(&nodes(count));
        for sort in Sort::ALL {
            let timed = Links::new(sort, Which::ALL.to_vec()).strike(&view, &mut rng(seed));
            let [Timed { after, fault }, undone] = &timed[..] else { panic!("{timed:?}") };
            prop_assert!(*after == Duration::ZERO && view.can_act(fault));
            prop_assert_eq!(&undone.fault, &Fault::LinksWhole(sort));
            prop_assert!((3_000..=15_000).contains(&undone.after.as_millis()));
            let Fault::Links { how, .. } = fault else { panic!("{fault}") };
            prop_assert!(how.sort() == sort && how.harms() && is_bounded(*how), "{how}");
        }
    }

    #[test]
    fn links_are_chosen_between_running_nodes_and_where_a_leader_is(
        count in 1u16..8, leader in 1u16..8, down: u16, seed: u64,
    ) {
        let leader = NodeId((leader - 1) % count + 1);
        let mut view = ClusterView { leaders: vec![leader], ..ClusterView::new(&nodes(count)) };
        for i in (0..count).filter(|i| down >> i & 1 == 1) {
            view.apply(&Fault::Kill(NodeId(i + 1)));
        }
        let running = view.which(|node| node.acts());
        let (others, leads) = (running.len().saturating_sub(1), running.contains(&leader));
        for which in Which::ALL {
            let links = which.links(&view, &mut rng(seed));
            if others == 0 {
                prop_assert!(links.is_empty());
                continue;
            }
            prop_assert!(links.is_sorted_by(|a, b| a < b), "each once");
            prop_assert!(links.iter().all(|(a, b)| a != b && running.contains(a) && running.contains(b)));
            let at_leader = links.iter().any(|(a, b)| *a == leader || *b == leader);
            prop_assert!(at_leader || !leads, "{which:?}: {links:?}");
            let (senders, receivers): (BTreeSet<_>, BTreeSet<_>) = links.iter().copied().unzip();
            let fits = match which {
                _ if !leads => links.len() == running.len() * others,
                Which::One => links.len() == 1,
                Which::OutOf => senders.len() == 1 && links.len() == others,
                Which::Into => receivers.len() == 1 && links.len() == others,
                Which::Leader => links.len() == 2 * others,
                Which::Some => !links.is_empty(),
                Which::All => links.len() == running.len() * others,
            };
            prop_assert!(fits, "{which:?} of {running:?}: {links:?}");
        }
    }
}

#[test]
fn clients_are_cut_from_nodes_that_run_every_way_and_healed() {
    let mut ways = BTreeSet::new();
    for seed in 0..40 {
        let mut view = ClusterView::new(&nodes(3));
        view.apply(&Fault::Kill(NodeId(1)));
        let timed = Clients::new(Senders::ALL.to_vec()).strike(&view, &mut rng(seed));
        let [Timed { fault: Fault::CutClients { nodes, way }, .. }, undone] = &timed[..] else {
            panic!("{timed:?}")
        };
        ways.insert(*way);
        assert!(!nodes.is_empty() && !nodes.contains(&NodeId(1)));
        assert_eq!(undone.fault, Fault::HealClients);
        assert!((1_000..=10_000).contains(&undone.after.as_millis()));
    }
    assert_eq!(ways.len(), 3);
    let mut view = ClusterView::new(&nodes(1));
    assert!(!view.can_act(&Fault::HealClients));
    view.apply(&Fault::CutClients { nodes: vec![NodeId(1)], way: Way::Both });
    assert_eq!(view.healing(), [Fault::HealClients]);
}

#[test]
fn streams_of_nodes_that_run_are_reset_or_forgotten_and_what_is_forgotten_is_reset_in_the_end() {
    for seed in 0..40 {
        let mut view = ClusterView::new(&nodes(3));
        view.apply(&Fault::Pause(NodeId(1)));
        let reset = Resets::new(Senders::ALL.to_vec()).strike(&view, &mut rng(seed));
        let [Timed { fault: Fault::Reset { nodes: of }, .. }] = &reset[..] else {
            panic!("{reset:?}")
        };
        assert!(!of.is_empty() && !of.contains(&NodeId(1)));
        let timed = HalfOpen::new(Senders::ALL.to_vec()).strike(&view, &mut rng(seed));
        let [Timed { fault, .. }, undone] = &timed[..] else { panic!("{timed:?}") };
        assert_eq!(undone.fault, Fault::Remember);
        assert!((2_000..=15_000).contains(&undone.after.as_millis()));
        assert!(!view.can_act(&Fault::Remember));
        view.apply(fault);
        assert_eq!(view.healing(), [Fault::Remember, Fault::Resume(NodeId(1))]);
    }
}

#[test]
fn links_are_impaired_only_where_messages_pass_and_each_sort_is_mended_by_itself() {
    let (n1, n2, n3) = (NodeId(1), NodeId(2), NodeId(3));
    let impair = |link, how| Fault::Links { links: vec![link], how };
    let lost = |percent| Impairment::Lost { percent };
    let mut view = ClusterView::new(&nodes(3));
    assert!(!view.can_act(&impair((n1, n2), lost(0))) && !view.can_act(&impair((n1, n1), lost(9))));
    view.apply(&Fault::Partition { shape: "one".into(), cuts: vec![(n1, n2)] });
    assert!(!view.can_act(&impair((n1, n2), lost(9))) && view.can_act(&impair((n2, n1), lost(9))));
    view.apply(&Fault::HealNetwork);
    view.apply(&Fault::Kill(n3));
    assert!(!view.can_act(&impair((n1, n3), lost(9))) && view.can_act(&impair((n1, n2), lost(9))));
    assert!(!view.can_act(&Fault::LinksWhole(Sort::Loss)));
    view.apply(&impair((n1, n2), Impairment::Damaged { percent: 9 }));
    view.apply(&impair((n1, n2), lost(9)));
    view.apply(&impair((n2, n1), lost(9)));
    assert_eq!(view.impaired[&Sort::Loss], [(n2, n1)], "the new replaces the old");
    let healing =
        [Fault::LinksWhole(Sort::Loss), Fault::LinksWhole(Sort::Damage), Fault::Restart(n3)];
    assert_eq!(view.healing(), healing);
    view.apply(&impair((n1, n2), lost(0)));
    assert!(!view.can_act(&Fault::LinksWhole(Sort::Loss)));
    assert!(view.can_act(&Fault::LinksWhole(Sort::Damage)));
}

#[test]
fn addresses_change_where_all_run_and_the_old_one_is_believed_within_bounds() {
    let whose = [Senders::One, Senders::Leader];
    for seed in 0..40 {
        let mut view = ClusterView::new(&nodes(3));
        let timed = Addresses::new(whose.to_vec()).strike(&view, &mut rng(seed));
        let [Timed { fault: Fault::Readdress { node, stale_ms }, .. }] = timed[..] else {
            panic!("{timed:?}")
        };
        assert!((1_000..=STALE_MAX_MS).contains(&u64::from(stale_ms)));
        view.apply(&timed[0].fault);
        assert_eq!(view.healing(), [], "it has restarted");
        view.apply(&Fault::Kill(node));
        assert!(!view.can_act(&timed[0].fault));
        assert!(Addresses::new(whose.to_vec()).strike(&view, &mut rng(seed)).is_empty());
    }
}

#[test]
fn messages_are_held_back_in_every_order_and_let_go() {
    let mut orders = BTreeSet::new();
    for seed in 0..40 {
        let mut view = ClusterView::new(&nodes(3));
        let timed = Holds::new(Which::ALL.to_vec()).strike(&view, &mut rng(seed));
        let [Timed { fault, .. }, undone] = &timed[..] else { panic!("{timed:?}") };
        let Fault::Hold { then, .. } = fault else { panic!("{fault}") };
        orders.insert(match then {
            Sequence::Sent => 0,
            Sequence::Reversed => 1,
            Sequence::Drawn(_) => 2,
        });
        assert_eq!(undone.fault, Fault::Release);
        assert!((2_000..=8_000).contains(&undone.after.as_millis()));
        assert!(view.can_act(fault) && !view.can_act(&Fault::Release));
        view.apply(fault);
        view.apply(&Fault::Hold { links: Vec::new(), then: *then });
        assert_eq!(view.healing(), [Fault::Release], "what was held is still there");
    }
    assert_eq!(orders.len(), 3);
}

#[test]
fn a_node_is_told_old_messages_only_where_somebody_tells_it_some_and_all_run() {
    let (n1, n2, n3) = (NodeId(1), NodeId(2), NodeId(3));
    let echo = |node| Fault::Echo { node, down_ms: 9 };
    let whom = [Senders::One, Senders::Leader];
    let strike = |view: &ClusterView| Echoes::new(whom.to_vec()).strike(view, &mut rng(1));
    let led = |count| ClusterView { leaders: vec![n2], ..ClusterView::new(&nodes(count)) };
    assert!(!ClusterView::new(&nodes(1)).can_act(&echo(n1)));
    assert!(!ClusterView::new(&nodes(3)).can_act(&echo(n1)), "nobody leads");
    let mut view = led(3);
    assert!(view.can_act(&echo(n1)) && view.can_act(&echo(n2)));
    let [Timed { after: Duration::ZERO, fault: Fault::Echo { .. } }] = strike(&view)[..] else {
        panic!("it strikes")
    };
    view.apply(&echo(n1));
    assert_eq!(view.healing(), []);
    view.apply(&Fault::Partition { shape: "deaf".into(), cuts: vec![(n2, n1), (n3, n1)] });
    assert!(!view.can_act(&echo(n1)) && view.can_act(&echo(n2)), "a leader is told by the others");
    view.apply(&Fault::Kill(n3));
    assert!(!view.can_act(&echo(n2)), "it reaches no majority");
    view.apply(&Fault::HealNetwork);
    assert!(view.can_act(&echo(n2)) && strike(&view).is_empty(), "all have to run");
}

#[test]
fn a_link_is_broken_where_a_leader_uses_it_and_a_leader_is_known() {
    let (n1, n2, n3) = (NodeId(1), NodeId(2), NodeId(3));
    let lost = |from, to| {
        let how = Impairment::Lost { percent: 9 };
        Fault::Links { links: vec![(from, to)], how }
    };
    let cut = |from, to| Fault::Partition { shape: "one".into(), cuts: vec![(from, to)] };
    let hold = |from, to| Fault::Hold { links: vec![(from, to)], then: Sequence::Sent };
    let flaky = |node| Fault::Flaky { nodes: vec![node], loss_percent: 9, duplicate_percent: 0 };
    let mut view = ClusterView::new(&nodes(3));
    for fault in [lost(n2, n3), cut(n2, n3), hold(n2, n3)] {
        assert!(view.can_act(&fault), "{fault}: nobody is known to lead");
    }
    view.leaders = vec![n1];
    for of in [lost, cut, hold] {
        assert!(
            !view.can_act(&of(n2, n3)) && view.can_act(&of(n2, n1)) && view.can_act(&of(n1, n2))
        );
    }
    view.apply(&hold(n1, n2));
    assert!(!view.can_act(&lost(n1, n2)), "what is held is harmed by nothing else");
    view.apply(&Fault::Release);
    view.apply(&cut(n2, n1));
    assert!(!view.can_act(&flaky(n2)) && view.can_act(&flaky(n1)), "n2 is not heard");
    view.apply(&Fault::Remove(n3));
    assert!(!view.can_act(&flaky(n3)), "who is no member says nothing");
    assert!(view.can_act(&lost(n1, n2)));
    view.apply(&Fault::Pause(n1));
    view.leaders = vec![n1];
    assert!(!view.can_act(&flaky(n2)), "n2 is alone");
}

#[test]
fn clients_are_cut_from_one_that_they_talk_to() {
    let mut view = ClusterView { asked: vec![NodeId(2)], ..ClusterView::new(&nodes(5)) };
    let cut = |node| Fault::CutClients { nodes: vec![NodeId(node)], way: Way::Both };
    assert!(view.can_act(&cut(2)) && !view.can_act(&cut(1)));
    for seed in 0..40 {
        let timed = Clients::new(Senders::ALL.to_vec()).strike(&view, &mut rng(seed));
        let Some(Timed { fault: Fault::CutClients { nodes, .. }, .. }) = timed.first() else {
            panic!("{timed:?}")
        };
        assert!(nodes.contains(&NodeId(2)), "{nodes:?}");
    }
    view.apply(&Fault::Kill(NodeId(2)));
    assert!(Clients::new(Senders::ALL.to_vec()).strike(&view, &mut rng(1)).is_empty());
}

#[test]
fn a_member_is_removed_only_if_who_leads_has_a_majority_without_it() {
    let node = NodeId;
    // Each hears two others: 1 hears 2 and 3, 2 hears 1 and 4, 3 hears 1 and 5, 4 hears 2 and 5.
    let heard = [(1, 2), (1, 3), (2, 4), (3, 5), (4, 5)];
    let is_cut = |(a, b): &(u16, u16)| a != b && !heard.contains(&(*a.min(b), *a.max(b)));
    let all = (1..=5).flat_map(|a| (1..=5).map(move |b| (a, b)));
    let cuts = all.filter(is_cut).map(|(a, b)| (node(a), node(b))).collect();
    let mut view = ClusterView { leaders: vec![node(1)], ..ClusterView::new(&nodes(5)) };
    view.apply(&Fault::Partition { shape: "majorities ring".into(), cuts });
    assert!(!view.can_act(&Fault::Remove(node(3))), "n1 hears n2 only of the four");
    assert!(view.can_act(&Fault::Remove(node(5))), "n1 hears n2 and n3 of the four");
    view.leaders = vec![node(4)];
    assert!(view.can_act(&Fault::Remove(node(3))));
    view.leaders.push(node(1));
    assert!(!view.can_act(&Fault::Remove(node(3))), "n1 leads another group");
    view.leaders = vec![node(3)];
    assert!(!view.can_act(&Fault::Remove(node(3))), "n2 and n4, who could lead, do not hear of it");
    view.apply(&Fault::HealNetwork);
    assert!(view.can_act(&Fault::Remove(node(3))));
}

#[test]
fn an_operator_is_asked_only_where_it_can_come_about_in_time() {
    let (n1, n2, n3) = (NodeId(1), NodeId(2), NodeId(3));
    let mut view = ClusterView { leaders: vec![n1], ..ClusterView::new(&nodes(3)) };
    let (remove, transfer) = (Fault::Remove(n3), Fault::Transfer(n2));
    let (split, ceiling) =
        (Fault::Split { at: "500".into() }, Fault::HoldCeiling { for_ms: 12_000 });
    assert!([&remove, &transfer, &split, &ceiling].into_iter().all(|fault| view.can_act(fault)));
    let flaky = |node| Fault::Flaky { nodes: vec![node], loss_percent: 30, duplicate_percent: 0 };
    view.apply(&flaky(n2));
    assert!(!view.can_act(&transfer) && !view.can_act(&remove), "not all is heard that it takes");
    assert!(view.can_act(&split) && view.can_act(&ceiling));
    view.apply(&flaky(n3));
    assert!(view.can_act(&transfer) && view.can_act(&remove), "it takes no n3");
    view.apply(&Fault::Reliable);
    view.apply(&Fault::Hold { links: vec![(n1, n2)], then: Sequence::Sent });
    assert!(!view.can_act(&remove), "the two that are left do not hear each other");
    assert!(view.can_act(&split) && view.can_act(&ceiling), "n3 hears the leader");
    view.apply(&Fault::Release);
    view.apply(&Fault::Slow { nodes: vec![n1], delay_ms: 4_000, jitter_ms: 0 });
    assert!(![&remove, &transfer, &split, &ceiling].into_iter().any(|fault| view.can_act(fault)));
    view.apply(&Fault::Fast);
    view.apply(&Fault::WallLeap { node: n1, back_ms: 30_000 });
    assert!(view.can_act(&split) && !view.can_act(&ceiling), "its clock comes to no ceiling");
    view.apply(&Fault::WallReset(n1));
    view.apply(&Fault::CutClients { nodes: vec![n1, n2, n3], way: Way::Both });
    assert!(!view.can_act(&ceiling), "nobody asks");
}
