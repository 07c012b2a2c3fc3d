//! A fact as numbers: how what a node says of itself enters the trace. The numbers are the tag and the fields in the
//! order in which they are declared; a list is folded into one number.

use crate::trace::digest;
use elastickv::env::{Fact, GroupId, RequestId};

/// The fact's tag, with the group above it where it is not the default group, and fields; unused places are 0.
pub(crate) fn words(group: GroupId, fact: &Fact) -> [u64; 7] {
    let mut words = plain(fact);
    words[0] |= u64::from(group.0 - GroupId::DEFAULT.0) << 32;
    words
}

fn plain(fact: &Fact) -> [u64; 7] {
    match *fact {
        Fact::Recovered { boot, applied, state_hash, last_commit_ts, newest_version } => {
            [1, u64::from(boot), applied, state_hash, last_commit_ts, newest_version, 0]
        }
        Fact::Leads { term } => [2, term, 0, 0, 0, 0, 0],
        Fact::Follows { term } => [3, term, 0, 0, 0, 0, 0],
        Fact::Answered { request, entry, index } => {
            let entry = entry.unwrap_or_default();
            let (own, other) = (origin(request), origin(entry));
            [4, own, request.counter, other, entry.counter, index, 0]
        }
        Fact::Applied { index, term, state_hash } => [5, index, term, state_hash, 0, 0, 0],
        Fact::Committed { index, term, request, commit_ts, ref keys } => {
            [6, index, term, origin(request), request.counter, commit_ts, digest(keys)]
        }
        Fact::Ceiling { index, ceiling_ms } => [7, index, ceiling_ms, 0, 0, 0, 0],
        Fact::Stamped { term, ts } => [8, term, ts, 0, 0, 0, 0],
        Fact::Acked { request, index, commit_ts } => {
            [9, origin(request), request.counter, index, commit_ts, 0, 0]
        }
        Fact::Installed { index, state_hash } => [10, index, state_hash, 0, 0, 0, 0],
        Fact::Elected { term, covered, last, ref terms } => {
            let terms: Vec<u64> = terms.iter().flat_map(|(first, term)| [*first, *term]).collect();
            [11, term, covered, last, digest(&terms), 0, 0]
        }
        Fact::CommittedTo { by_term, index, term } => [12, by_term, index, term, 0, 0, 0],
        Fact::LeaseRead { term, applied } => [13, term, applied, 0, 0, 0, 0],
        Fact::SnapshotRead { ts, applied } => [14, ts, applied, 0, 0, 0, 0],
    }
}

fn origin(request: RequestId) -> u64 {
    u64::from(request.node) << 32 | u64::from(request.boot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fact_of_another_group_has_other_numbers() {
        let fact = Fact::Leads { term: 3 };
        assert_eq!(words(GroupId::DEFAULT, &fact), plain(&fact));
        assert_ne!(words(GroupId(2), &fact), words(GroupId(3), &fact));
    }

    #[test]
    fn facts_that_differ_have_different_numbers() {
        let committed = |counter, keys: &[u64]| Fact::Committed {
            index: 1,
            term: 2,
            request: RequestId { node: 1, boot: 1, counter },
            commit_ts: 9,
            keys: keys.to_vec(),
        };
        let all = [
            Fact::Leads { term: 3 },
            Fact::Follows { term: 3 },
            Fact::Leads { term: 4 },
            committed(1, &[1, 2]),
            committed(2, &[1, 2]),
            committed(1, &[2, 1]),
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(words(GroupId(1), a) == words(GroupId(1), b), i == j, "{a:?} {b:?}");
            }
        }
    }
}
