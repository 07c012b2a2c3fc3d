//! The order of a key's versions in real time, if the key by itself is linearizable.
//!
//! A version is *settled* when the first transaction that left the key at it completes, and *current* until the
//! last transaction that found the key at it was invoked (after Gibbons and Korach's zones). One comes before
//! another if it was settled before the other was last current: what was left before somebody asked cannot be
//! newer than what that one found.
//!
//! Promises: the edges have the same paths as all such pairs, and a cycle if these have one. They are drawn
//! from each version to the frontier of those that come next, so their number is that of the versions times
//! the operations that are concurrent on the key.

use super::versions::{Version, Versions};
use crate::checker::transactional::columns::{Columns, NONE, Outcome};
use crate::op::RegisterMop;

/// When a version was there for certain: event and transaction.
#[derive(Clone, Copy, Debug)]
struct Zone {
    version: Version,
    settled: Option<(usize, u32)>,
    current: Option<(usize, u32)>,
}

/// One version comes before another, as two transactions show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Precedence {
    pub from: Version,
    pub to: Version,
    /// It left the key at the one version.
    pub settled_by: u32,
    /// It found the key at the other, and was invoked later.
    pub found_by: u32,
}

/// What real time says of the versions of a row.
pub(super) fn precedences(
    columns: &Columns<RegisterMop>,
    versions: &Versions,
    row: usize,
) -> Vec<Precedence> {
    let all = versions.of_row(row);
    let mut zones: Vec<Zone> =
        all.clone().map(|version| Zone { version, settled: None, current: None }).collect();
    let at = |version: Version| (version - all.start) as usize;
    for access in versions.accesses(row) {
        let txn = &columns.txns[access.txn as usize];
        if access.left != NONE && txn.outcome == Outcome::Ok {
            let settled = &mut zones[at(access.left)].settled;
            let candidate = (txn.event, access.txn);
            *settled = Some(settled.map_or(candidate, |known| known.min(candidate)));
        }
        if let (true, Some(invoked)) = (access.found != NONE, txn.invoked) {
            let current = &mut zones[at(access.found)].current;
            *current = (*current).max(Some((invoked, access.txn)));
        }
    }
    frontier(&zones)
}

fn frontier(zones: &[Zone]) -> Vec<Precedence> {
    // By when they were last current.
    let mut later: Vec<(usize, u32, usize)> = Vec::new();
    for (zone, Zone { current, .. }) in zones.iter().enumerate() {
        later.extend(current.map(|(event, txn)| (event, txn, zone)));
    }
    later.sort_unstable();
    let soonest = soonest_settled(zones, &later);
    let mut found = Vec::new();
    for (number, zone) in zones.iter().enumerate() {
        let Some((settled, settled_by)) = zone.settled else { continue };
        let from = later.partition_point(|(current, ..)| *current <= settled);
        // Whatever was still current after this one was settled stands behind it, if not behind this zone.
        let next = soonest[from].into_iter().flatten().find(|(_, next)| *next != number);
        let limit = next.map_or(usize::MAX, |(settled, _)| settled);
        let near = later[from..].iter().take_while(|(current, ..)| *current <= limit);
        let mut draw = |(_, found_by, to): &(usize, u32, usize)| {
            let to = &zones[*to];
            let precedence =
                Precedence { from: zone.version, to: to.version, settled_by, found_by: *found_by };
            found.extend((to.version != zone.version).then_some(precedence));
        };
        near.for_each(&mut draw);
        if let Some((_, next)) = next
            && let Some((current, found_by)) = zones[next].current
            && current > limit
        {
            draw(&(current, found_by, next));
        }
    }
    found
}

/// For each position the two zones from there on that were settled first.
type Soonest = [Option<(usize, usize)>; 2];

fn soonest_settled(zones: &[Zone], later: &[(usize, u32, usize)]) -> Vec<Soonest> {
    let mut soonest = vec![[None, None]; later.len() + 1];
    for (position, (.., zone)) in later.iter().enumerate().rev() {
        let [first, second] = soonest[position + 1];
        let fresh = zones[*zone].settled.map(|(settled, _)| (settled, *zone));
        soonest[position] = match (fresh, first) {
            (None, _) => [first, second],
            (Some(_), None) => [fresh, None],
            (Some(new), Some(old)) if new < old => [fresh, first],
            _ => [first, second.min(fresh).or(fresh)],
        };
    }
    soonest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Bounds = (Option<usize>, Option<usize>);

    fn zones(bounds: &[Bounds]) -> Vec<Zone> {
        let zone = |(version, (settled, current)): (usize, &Bounds)| Zone {
            version: version as u32,
            // Completions and invocations are different events.
            settled: settled.map(|event| (event * 2, 0)),
            current: current.map(|event| (event * 2 + 1, 0)),
        };
        bounds.iter().enumerate().map(zone).collect()
    }

    /// What can be reached from where, in one step or more.
    fn closed(count: usize, edges: impl IntoIterator<Item = (usize, usize)>) -> Vec<Vec<bool>> {
        let mut reaches = vec![vec![false; count]; count];
        edges.into_iter().for_each(|(from, to)| reaches[from][to] = true);
        for middle in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reaches[from][to] |= reaches[from][middle] && reaches[middle][to];
                }
            }
        }
        reaches
    }

    fn all_pairs(zones: &[Zone]) -> Vec<(usize, usize)> {
        let count = zones.len();
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let before = |(from, to): &(usize, usize)| {
            let (Some((settled, _)), Some((current, _))) =
                (zones[*from].settled, zones[*to].current)
            else {
                return false;
            };
            from != to && settled < current
        };
        pairs.filter(before).collect()
    }

    proptest! {
        #[test]
        fn the_frontier_has_the_paths_of_all_pairs(
            bounds in prop::collection::vec((prop::option::of(0..12usize), prop::option::of(0..12usize)), 1..8),
        ) {
            let zones = zones(&bounds);
            let drawn = frontier(&zones);
            let drawn = drawn.iter().map(|edge| (edge.from as usize, edge.to as usize));
            let frontier = closed(zones.len(), drawn);
            let full = closed(zones.len(), all_pairs(&zones));
            let is_cyclic = |reaches: &[Vec<bool>]| (0..reaches.len()).any(|i| reaches[i][i]);
            prop_assert_eq!(is_cyclic(&frontier), is_cyclic(&full));
            if !is_cyclic(&full) {
                prop_assert_eq!(frontier, full);
            }
        }
    }

    /// Waves of writers that all overlap within their wave, each version read once in the next.
    #[test]
    fn the_frontier_is_no_wider_than_what_is_concurrent() {
        let (waves, width) = (400, 5);
        let mut zones = Vec::new();
        for wave in 0..waves {
            for i in 0..width {
                let start = wave * 4 * width;
                zones.push(Zone {
                    version: zones.len() as u32,
                    settled: Some((start + width + i, 0)),
                    current: Some((start + i, 0)),
                });
            }
        }
        assert!(frontier(&zones).len() <= waves * width * 2 * width);
    }
}
