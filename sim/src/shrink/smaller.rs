//! Plans with less in them: pure, each from a plan to a smaller one.

use super::within;
use harness::op::{Key, Op};
use harness::plan::{Ask, Look, Plan};
use std::collections::BTreeSet;
use std::time::Duration;

/// Time that the last operation has to come to an end.
pub(super) const AFTERWARDS: Duration = Duration::from_millis(20);

/// Without the moments at which nothing was chosen; operations are due when they are asked.
pub(super) fn plain(plan: &Plan) -> Plan {
    let looks = plan.looks.iter().filter(|look| look.fault.is_some()).cloned().collect();
    let asks = plan.asks.iter().map(|ask| Ask { due: ask.at, ..ask.clone() }).collect();
    Plan { looks, asks, next_ask: None, ..plan.clone() }
}

/// Nothing from `end` on.
pub(super) fn until(plan: &Plan, end: Duration) -> Plan {
    let mut shorter = plan.clone();
    shorter.asks.retain(|ask| ask.at < end);
    shorter.looks.retain(|look| look.due < end);
    shorter.next_ask = shorter.next_ask.filter(|due| *due < end);
    shorter.until = end.min(plan.until);
    shorter
}

/// Nothing before `from`; what comes then comes when the first of it all did.
pub(super) fn since(plan: &Plan, from: Duration) -> Plan {
    let first = moments(plan).first().copied().unwrap_or_default();
    let mut later = plan.clone();
    later.asks.retain(|ask| ask.at >= from);
    later.looks.retain(|look| look.due >= from);
    earlier(&later, from, from.saturating_sub(first))
}

/// Not longer than what it asks and breaks.
pub(super) fn tight(plan: &Plan) -> Plan {
    let last_ask = plan.asks.iter().map(|ask| ask.at).max();
    let last = last_ask.max(plan.faults().map(|(time, _)| time).max());
    until(plan, last.unwrap_or_default() + AFTERWARDS)
}

/// On fewer nodes: what names the others goes; clients stay on their nodes.
pub(super) fn on_nodes(plan: &Plan, nodes: u16) -> Plan {
    let old = plan.options.nodes.max(1);
    let mut fewer = plan.clone();
    fewer.options.nodes = nodes;
    fewer.looks.retain_mut(|look| {
        let Some(fault) = &look.fault else { return true };
        look.fault = within(fault, nodes);
        look.fault.is_some()
    });
    fewer.asks.retain(|ask| ask.thread % old < nodes);
    for ask in &mut fewer.asks {
        ask.thread = ask.thread / old * nodes + ask.thread % old;
    }
    fewer.told.overrides.retain(|o| o.from <= nodes && o.to <= nodes);
    fewer
}

/// With these operations only.
pub(super) fn with_asks(plan: &Plan, asks: Vec<Ask>) -> Plan {
    Plan { asks, ..plan.clone() }
}

/// With these moments only.
pub(super) fn with_looks(plan: &Plan, looks: Vec<Look>) -> Plan {
    Plan { looks, ..plan.clone() }
}

/// With these clients only.
pub(super) fn with_threads(plan: &Plan, threads: &[u16]) -> Plan {
    let stay = plan.asks.iter().filter(|ask| threads.contains(&ask.thread));
    with_asks(plan, stay.cloned().collect())
}

/// With these keys only.
pub(super) fn with_keys(plan: &Plan, keys: &[Key]) -> Plan {
    let mut fewer = plan.clone();
    fewer.asks.retain_mut(|ask| {
        match &mut ask.op {
            Op::Txn(mops) => mops.retain(|mop| keys.contains(&mop.key())),
            Op::Registers(mops) => mops.retain(|mop| keys.contains(&mop.key())),
            Op::Call(call) => return keys.contains(&call.key),
            Op::Fault(_) | Op::Bank(_) => return true,
        }
        ask.op.length() > 0
    });
    fewer
}

/// Clients that ask, in order.
pub(super) fn threads(plan: &Plan) -> Vec<u16> {
    let threads: BTreeSet<u16> = plan.asks.iter().map(|ask| ask.thread).collect();
    threads.into_iter().collect()
}

/// Keys that are named, in order.
pub(super) fn keys(plan: &Plan) -> Vec<Key> {
    let keys: BTreeSet<Key> = plan.asks.iter().flat_map(|ask| ask.op.keys()).collect();
    keys.into_iter().collect()
}

/// As few clients as there are threads that ask, each on the node that it was on.
pub(super) fn renumbered(plan: &Plan) -> Plan {
    let nodes = plan.options.nodes.max(1);
    let mut next: Vec<u16> = (0..nodes).collect();
    let mut fresh = Vec::new();
    for thread in threads(plan) {
        let node = usize::from(thread % nodes);
        fresh.push((thread, next[node]));
        next[node] += nodes;
    }
    let mut fewer = plan.clone();
    for ask in &mut fewer.asks {
        let new = fresh.iter().find(|(old, _)| *old == ask.thread).map(|(_, new)| *new);
        ask.thread = new.unwrap_or(ask.thread);
    }
    fewer.options.clients = threads(&fewer).last().map_or(1, |last| last + 1);
    fewer
}

/// Micro-operations of operations that have several, by both indices.
pub(super) fn spare_mops(plan: &Plan) -> Vec<(usize, usize)> {
    let several = plan.asks.iter().enumerate().filter(|(_, ask)| ask.op.length() > 1);
    several.flat_map(|(ask, a)| (0..a.op.length()).map(move |mop| (ask, mop))).collect()
}

/// Without one micro-operation.
pub(super) fn without_mop(plan: &Plan, (ask, mop): (usize, usize)) -> Plan {
    let mut fewer = plan.clone();
    match &mut fewer.asks[ask].op {
        Op::Txn(mops) => drop(mops.remove(mop)),
        Op::Registers(mops) => drop(mops.remove(mop)),
        Op::Call(_) | Op::Bank(_) | Op::Fault(_) => {}
    }
    fewer
}

/// Moments at which something is asked or broken, in order, each once.
pub(super) fn moments(plan: &Plan) -> Vec<Duration> {
    let asks = plan.asks.iter().map(|ask| ask.at);
    let moments: BTreeSet<Duration> = asks.chain(plan.looks.iter().map(|look| look.due)).collect();
    moments.into_iter().collect()
}

/// All from `from` on comes so much earlier.
pub(super) fn earlier(plan: &Plan, from: Duration, by: Duration) -> Plan {
    let moved = |time: Duration| if time >= from { time.saturating_sub(by) } else { time };
    let mut sooner = plan.clone();
    for ask in &mut sooner.asks {
        (ask.due, ask.at) = (moved(ask.due), moved(ask.at));
    }
    for look in &mut sooner.looks {
        look.due = moved(look.due);
    }
    sooner.next_ask = sooner.next_ask.map(moved);
    sooner.until = moved(sooner.until);
    sooner
}

/// What a world can do without, and the value that means so.
const CALM: &[(&str, u64)] = &[
    ("loss-ppm", 0),
    ("duplication-ppm", 0),
    ("tail-ppm", 0),
    ("stall-ppm", 0),
    ("reorder", 0),
    ("jitter-ns", 0),
];

/// In a world without any chance, and in each that lacks one more kind of it.
pub(super) fn calmer(plan: &Plan) -> Vec<Plan> {
    let world = &plan.told.world;
    let on: Vec<_> =
        CALM.iter().filter(|(name, calm)| world.get(*name).is_some_and(|v| v != calm)).collect();
    let without = |names: &[&(&str, u64)]| {
        let mut calm = plan.clone();
        for (name, value) in names {
            calm.told.world.insert((*name).to_owned(), *value);
        }
        calm
    };
    let mut calmer: Vec<Plan> = on.iter().map(|one| without(&[*one])).collect();
    if on.len() > 1 {
        calmer.insert(0, without(&on));
    }
    calmer
}

/// Its options say what it does: its length, the kinds of its faults.
pub(super) fn described(plan: &Plan) -> Plan {
    let mut told = plan.clone();
    let kinds: BTreeSet<_> = plan.faults().filter_map(|(_, fault)| fault.kind()).collect();
    told.options.faults = kinds.into_iter().collect();
    told.options.time = plan.until;
    told
}
