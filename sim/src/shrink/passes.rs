//! What is left out, in which order: what makes the next runs cheap comes first.

use super::{Shrinker, Size, smaller};
use harness::plan::{Ask, Look, Plan};
use std::time::Duration;

/// Other seeds under which a candidate is tried: few while runs are long, more for the last steps.
const SALTS: [u64; 2] = [3, 16];

/// Once, then everything again until nothing more can be left out.
pub(super) fn all(shrinker: &mut Shrinker) {
    cut(shrinker);
    try_one(shrinker, smaller::plain);
    for salts in SALTS {
        shrinker.salts = salts;
        window(shrinker);
        until_nothing_more(shrinker);
    }
    // The run does not hang on these.
    shrinker.best = smaller::described(&shrinker.best);
}

fn until_nothing_more(shrinker: &mut Shrinker) {
    while !shrinker.is_spent() {
        let before = (Size::of(&shrinker.best), shrinker.best.told.world.clone());
        nodes(shrinker);
        clients(shrinker);
        thin(shrinker);
        faults(shrinker);
        keys(shrinker);
        asks(shrinker);
        mops(shrinker);
        cut(shrinker);
        try_one(shrinker, smaller::tight);
        gaps(shrinker);
        world(shrinker);
        try_one(shrinker, smaller::renumbered);
        if (Size::of(&shrinker.best), shrinker.best.told.world.clone()) == before {
            break;
        }
    }
}

/// One candidate, if it is another plan.
fn try_one(shrinker: &mut Shrinker, change: impl Fn(&Plan) -> Plan) {
    let changed = change(&shrinker.best);
    if changed != shrinker.best {
        shrinker.take_of(&[changed]);
    }
}

/// Nothing after the failure is complete, or at least a shorter part of it all: the shortest first, which is the cheapest. What
/// comes before an end does not change with it, so no other seed is tried.
fn cut(shrinker: &mut Shrinker) {
    loop {
        let until = shrinker.best.until;
        let from = smaller::moments(&shrinker.best).first().copied().unwrap_or_default();
        let length = until.saturating_sub(from);
        let parts = [1, 2, 4, 8, 16, 24, 32, 48].map(|part| from + length * part / 64);
        let by = shrinker.shown_by().unwrap_or(until);
        let close = [50, 500].map(|ms| by + Duration::from_millis(ms));
        let mut ends: Vec<Duration> =
            parts.into_iter().chain(close).filter(|end| *end < until).collect();
        ends.sort_unstable();
        let shorter = |plan: &Plan, index: usize| smaller::until(plan, ends[index]);
        let spare = length > smaller::AFTERWARDS * 2;
        if !spare || shrinker.take_here(ends.len(), shorter).is_none() {
            return;
        }
    }
}

/// Nothing before the failure's last part, which then begins at once: the shortest part first.
fn window(shrinker: &mut Shrinker) {
    loop {
        let until = shrinker.best.until;
        let first = smaller::moments(&shrinker.best).first().copied().unwrap_or_default();
        let length = until.saturating_sub(first);
        let from = |index: usize| until - length * [1, 2, 4, 8, 16, 32, 48][index] / 64;
        let last_part = |plan: &Plan, index: usize| smaller::since(plan, from(index));
        let spare = length > smaller::AFTERWARDS * 64;
        if !spare || shrinker.take(7, last_part).is_none() {
            return;
        }
    }
}

/// Every smaller cluster, the smallest first.
fn nodes(shrinker: &mut Shrinker) {
    let smaller = shrinker.best.options.nodes.saturating_sub(1);
    let on_fewer = |plan: &Plan, index: usize| smaller::on_nodes(plan, index as u16 + 1);
    shrinker.take(usize::from(smaller), on_fewer);
}

fn faults(shrinker: &mut Shrinker) {
    let looks = shrinker.best.looks.clone();
    shed(shrinker, looks, 1, |plan, looks: &[Look]| smaller::with_looks(plan, looks.to_vec()));
}

/// Operations by the dozen: each one less makes every later run cheaper.
fn thin(shrinker: &mut Shrinker) {
    let asks = shrinker.best.asks.clone();
    let least = asks.len() / 32;
    if least > 1 {
        shed(shrinker, asks, least, |plan, asks: &[Ask]| smaller::with_asks(plan, asks.to_vec()));
    }
}

fn clients(shrinker: &mut Shrinker) {
    let threads = smaller::threads(&shrinker.best);
    shed(shrinker, threads, 1, smaller::with_threads);
}

fn keys(shrinker: &mut Shrinker) {
    let keys = smaller::keys(&shrinker.best);
    shed(shrinker, keys, 1, smaller::with_keys);
}

fn asks(shrinker: &mut Shrinker) {
    let asks = shrinker.best.asks.clone();
    shed(shrinker, asks, 1, |plan, asks: &[Ask]| smaller::with_asks(plan, asks.to_vec()));
}

fn mops(shrinker: &mut Shrinker) {
    loop {
        let places = smaller::spare_mops(&shrinker.best);
        let lacking = |plan: &Plan, index: usize| smaller::without_mop(plan, places[index]);
        if shrinker.take(places.len(), lacking).is_none() {
            return;
        }
    }
}

fn world(shrinker: &mut Shrinker) {
    loop {
        let candidates = smaller::calmer(&shrinker.best);
        if candidates.is_empty() || shrinker.take_of(&candidates).is_none() {
            return;
        }
    }
}

/// Long waits become short: the wait before the first moment, and every one between two.
fn gaps(shrinker: &mut Shrinker) {
    const SHORT: Duration = Duration::from_millis(20);
    let mut index = 0;
    loop {
        let moments = smaller::moments(&shrinker.best);
        let Some(&at) = moments.get(index) else { return };
        let before = if index == 0 { Duration::ZERO } else { moments[index - 1] };
        let wait = at - before;
        let spare = wait.saturating_sub(SHORT);
        let by = [spare, spare * 3 / 4, spare / 2, spare / 4];
        let by = by.into_iter().filter(|by| *by >= SHORT);
        let candidates: Vec<Plan> = by.map(|by| smaller::earlier(&shrinker.best, at, by)).collect();
        if candidates.is_empty() || shrinker.take_of(&candidates).is_none() {
            index += 1;
        }
    }
}

/// Leaves out halves, then quarters, and so on down to `least` items at a time; what was left out stays out.
fn shed<T: Clone + Sync>(
    shrinker: &mut Shrinker,
    mut items: Vec<T>,
    least: usize,
    with: impl Fn(&Plan, &[T]) -> Plan + Sync,
) {
    let mut size = items.len();
    while size >= least.max(1) && !shrinker.is_spent() {
        let mut from = 0;
        loop {
            let starts: Vec<usize> = (from..items.len()).step_by(size).collect();
            let without = |start: usize| {
                let end = (start + size).min(items.len());
                [&items[..start], &items[end..]].concat()
            };
            let fewer = |plan: &Plan, index: usize| with(plan, &without(starts[index]));
            let Some(taken) = shrinker.take(starts.len(), fewer) else { break };
            from = starts[taken];
            items = without(from);
        }
        size = if size == 1 { 0 } else { size.div_ceil(2).min(size - 1) };
    }
}
