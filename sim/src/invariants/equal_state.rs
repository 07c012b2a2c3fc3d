//! State Machine Safety (Raft §5.4.3): nodes that have applied the same index applied an entry of the same term there and have the
//! same state, whether they applied entries, installed a snapshot or read it back from their disk.
//! Cannot see: states that differ and hash alike (2^-64).

use super::Invariant;
use elastickv::env::Fact;
use std::collections::BTreeMap;

/// The state's hash at each applied index, and who said so first.
#[derive(Default)]
pub struct EqualState {
    states: BTreeMap<u64, (u64, u16)>,
    terms: BTreeMap<u64, (u64, u16)>,
}

impl Invariant for EqualState {
    fn name(&self) -> &'static str {
        "equal-state"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        if let Fact::Applied { index, term, .. } = *fact {
            let (first, by) = *self.terms.entry(index).or_insert((term, node));
            if first != term {
                return Err(format!(
                    "n{node} applied an entry of term {term} at index {index}, but n{by} one of term {first}"
                ));
            }
        }
        let (index, hash, how) = match *fact {
            Fact::Applied { index, state_hash, .. } => (index, state_hash, "after applying"),
            Fact::Recovered { applied, state_hash, .. } => (applied, state_hash, "recovered at"),
            Fact::Installed { index, state_hash } => (index, state_hash, "after installing"),
            _ => return Ok(()),
        };
        let (first, by) = *self.states.entry(index).or_insert((hash, node));
        if first == hash {
            return Ok(());
        }
        Err(format!(
            "n{node} {how} index {index} has state {hash:#018x}, but n{by} had {first:#018x} there"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;

    fn applied(index: u64, state_hash: u64) -> Fact {
        Fact::Applied { index, term: 1, state_hash }
    }

    fn recovered(applied: u64, state_hash: u64) -> Fact {
        Fact::Recovered { boot: 2, applied, state_hash, last_commit_ts: 0, newest_version: 0 }
    }

    #[test]
    fn states_that_differ_at_an_index_are_found_however_they_came_about() {
        let bad = [applied(7, 9), recovered(7, 9), Fact::Installed { index: 7, state_hash: 9 }];
        for fact in bad {
            let text = violation(EqualState::default(), [(1, applied(7, 8)), (2, fact)]);
            assert!(text.is_some_and(|text| text.contains("index 7") && text.contains("n1")));
        }
    }

    #[test]
    fn entries_of_different_terms_at_an_index_are_found_although_the_states_are_equal() {
        let other = Fact::Applied { index: 7, term: 2, state_hash: 8 };
        let text = violation(EqualState::default(), [(1, applied(7, 8)), (2, other)]);
        assert!(text.is_some_and(|text| text.contains("term 2") && text.contains("term 1")));
    }

    #[test]
    fn equal_states_at_an_index_are_fine_and_other_indices_may_differ() {
        let facts = [
            (1, applied(7, 8)),
            (1, applied(8, 5)),
            (2, applied(7, 8)),
            (1, recovered(8, 5)),
            (3, Fact::Installed { index: 8, state_hash: 5 }),
        ];
        assert_eq!(violation(EqualState::default(), facts), None);
    }
}
