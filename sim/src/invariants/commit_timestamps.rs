//! Commit timestamps follow the log: at one index every node sees the same commit, a later index has a later timestamp, no
//! key has two versions with one timestamp, and no leader stamps beyond the ceiling that Raft agreed on.
//! Cannot see: timestamps of entries that conflicted, since they wrote nothing.

use super::Invariant;
use elastickv::env::{Fact, RequestId};
use std::collections::BTreeMap;

/// Timestamps carry 16 bits of counter below their milliseconds.
const COUNTER_BITS: u32 = 16;

/// What was committed where.
#[derive(Default)]
pub struct CommitTimestamps {
    commits: BTreeMap<u64, Commit>,
    versions: BTreeMap<(u64, u64), u64>,
    ceiling_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Commit {
    term: u64,
    request: RequestId,
    ts: u64,
}

impl Invariant for CommitTimestamps {
    fn name(&self) -> &'static str {
        "commit-timestamps"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            Fact::Committed { index, term, request, commit_ts, ref keys } => {
                self.committed(node, index, Commit { term, request, ts: commit_ts }, keys)
            }
            Fact::Ceiling { ceiling_ms, .. } => {
                self.ceiling_ms = self.ceiling_ms.max(Some(ceiling_ms));
                Ok(())
            }
            Fact::Stamped { term, ts } => self.stamped(node, term, ts),
            _ => Ok(()),
        }
    }

    /// All groups of a process share its clock, and so their ceilings.
    fn observe_beside(&mut self, _node: u16, fact: &Fact) -> Result<(), String> {
        if let Fact::Ceiling { ceiling_ms, .. } = *fact {
            self.ceiling_ms = self.ceiling_ms.max(Some(ceiling_ms));
        }
        Ok(())
    }
}

impl CommitTimestamps {
    fn committed(
        &mut self,
        node: u16,
        index: u64,
        commit: Commit,
        keys: &[u64],
    ) -> Result<(), String> {
        if let Some(known) = self.commits.get(&index) {
            return if *known == commit {
                Ok(())
            } else {
                Err(differ(node, index, *known, commit))
            };
        }
        let before = self.commits.range(..index).next_back();
        let after = self.commits.range(index + 1..).next();
        if let Some((other, known)) = before.filter(|(_, known)| known.ts >= commit.ts) {
            return Err(order(node, *other, known.ts, index, commit.ts));
        }
        if let Some((other, known)) = after.filter(|(_, known)| known.ts <= commit.ts) {
            return Err(order(node, index, commit.ts, *other, known.ts));
        }
        self.commits.insert(index, commit);
        for &key in keys {
            let first = *self.versions.entry((key, commit.ts)).or_insert(index);
            if first != index {
                return Err(format!(
                    "key {key:#x} has two versions at timestamp {}, of index {first} and, on n{node}, of index {index}",
                    commit.ts
                ));
            }
        }
        Ok(())
    }

    fn stamped(&self, node: u16, term: u64, ts: u64) -> Result<(), String> {
        let ms = ts >> COUNTER_BITS;
        match self.ceiling_ms {
            Some(ceiling) if ms > ceiling => Err(format!(
                "n{node}, leader of term {term}, stamped {ts}, which is {} ms beyond the highest ceiling applied, {ceiling} ms",
                ms - ceiling
            )),
            _ => Ok(()),
        }
    }
}

fn differ(node: u16, index: u64, known: Commit, commit: Commit) -> String {
    let show = |c: Commit| {
        let RequestId { node, boot, counter } = c.request;
        format!("request {node}.{boot}.{counter} of term {} at timestamp {}", c.term, c.ts)
    };
    format!("n{node} committed at index {index} {}, another {}", show(commit), show(known))
}

fn order(node: u16, low: u64, low_ts: u64, high: u64, high_ts: u64) -> String {
    format!(
        "index {low} has timestamp {low_ts}, not below {high_ts} of the later index {high} (seen on n{node})"
    )
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;

    fn committed(index: u64, counter: u64, commit_ts: u64) -> Fact {
        let request = RequestId { node: 1, boot: 1, counter };
        Fact::Committed { index, term: 1, request, commit_ts, keys: vec![0xa] }
    }

    fn found(facts: impl IntoIterator<Item = (u16, Fact)>) -> bool {
        violation(CommitTimestamps::default(), facts).is_some()
    }

    #[test]
    fn nodes_that_disagree_about_an_index_are_found() {
        assert!(found([(1, committed(5, 1, 50)), (2, committed(5, 2, 50))]));
        assert!(found([(1, committed(5, 1, 50)), (2, committed(5, 1, 51))]));
        assert!(!found([(1, committed(5, 1, 50)), (2, committed(5, 1, 50))]));
    }

    #[test]
    fn timestamps_that_do_not_grow_with_the_log_are_found_in_whatever_order_they_are_seen() {
        assert!(found([(1, committed(5, 1, 50)), (1, committed(6, 2, 50))]));
        assert!(found([(1, committed(6, 2, 50)), (2, committed(5, 1, 60))]));
        assert!(!found([(1, committed(6, 2, 60)), (2, committed(5, 1, 50))]));
    }

    #[test]
    fn one_index_writes_a_key_twice_without_a_complaint_and_another_never_at_its_timestamp() {
        let mut invariant = CommitTimestamps::default();
        invariant.versions.insert((0xa, 50), 3);
        assert!(invariant.observe(1, 1, &committed(5, 1, 50)).is_err());
        let request = RequestId::default();
        let keys = vec![0xa, 0xa];
        let twice = Fact::Committed { index: 5, term: 1, request, commit_ts: 50, keys };
        assert!(!found([(1, twice)]));
    }

    #[test]
    fn a_stamp_beyond_every_applied_ceiling_is_found() {
        let ceiling = |ceiling_ms| Fact::Ceiling { index: 1, ceiling_ms };
        let stamp = |ms: u64| Fact::Stamped { term: 2, ts: ms << COUNTER_BITS | 7 };
        assert!(found([(1, ceiling(100)), (2, stamp(101))]));
        assert!(!found([(1, ceiling(100)), (3, ceiling(90)), (2, stamp(100))]));
        assert!(!found([(2, stamp(101)), (1, ceiling(100))]));
    }
}
