//! Leader Completeness (Raft §5.4): an entry that is committed in some term is in the log of every leader of a later term, or in
//! the snapshot that its log stands on.
//!
//! When a node knows an entry to be committed, it was committed in the node's own term or before: so every leader of a higher term
//! holds it, whenever in time it was elected. Which term an entry carries says less: one of an old term may be committed by a much later
//! leader, and those in between need not have it. Of each term the last entry is compared; the ones before it
//! follow by Log Matching.
//!
//! Detects: `vote_without_log_check`. Cannot see: an entry that nobody came to apply, and of a leader's log that it holds other
//! bytes under the same index and term.

use super::Invariant;
use elastickv::env::Fact;
use std::collections::BTreeMap;

/// What is committed, and what leaders held.
#[derive(Default)]
pub struct LeaderCompleteness {
    /// By the term in which, or before which, it was committed: the last entry's index and term, and who said so.
    committed: BTreeMap<u64, (u64, u64, u16)>,
    /// By term.
    leaders: BTreeMap<u64, Held>,
}

/// A leader's log when it was elected.
struct Held {
    node: u16,
    covered: u64,
    last: u64,
    terms: Vec<(u64, u64)>,
}

impl Invariant for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "leader-completeness"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            Fact::CommittedTo { by_term, index, term } => {
                let known = self.committed.get(&by_term);
                if known.is_some_and(|(last, ..)| *last >= index) {
                    return Ok(());
                }
                self.committed.insert(by_term, (index, term, node));
                let mut later = self.leaders.range(by_term + 1..);
                later.try_for_each(|(leads, held)| held.has(*leads, by_term, index, term, node))
            }
            Fact::Elected { term, covered, last, ref terms } => {
                let held = Held { node, covered, last, terms: terms.clone() };
                let mut earlier = self.committed.range(..term);
                let complete = earlier
                    .try_for_each(|(by, (index, of, who))| held.has(term, *by, *index, *of, *who));
                self.leaders.insert(term, held);
                complete
            }
            _ => Ok(()),
        }
    }
}

impl Held {
    /// Whether the leader of a term has an entry that was committed by an earlier one.
    fn has(&self, leads: u64, by: u64, index: u64, term: u64, who: u16) -> Result<(), String> {
        let found = (index <= self.last).then(|| self.term_at(index)).flatten();
        if index <= self.covered || found == Some(term) {
            return Ok(());
        }
        let instead = match found {
            Some(other) => format!("an entry of term {other} there"),
            None => format!("a log that ends at entry {}", self.last),
        };
        Err(format!(
            "n{} came to lead term {leads} with {instead}, but entry {index} of term {term} was committed by term {by}, as n{who} knew",
            self.node
        ))
    }

    fn term_at(&self, index: u64) -> Option<u64> {
        let begun = self.terms.partition_point(|(first, _)| *first <= index);
        self.terms[..begun].last().map(|(_, term)| *term)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;

    fn committed(by_term: u64, index: u64, term: u64) -> Fact {
        Fact::CommittedTo { by_term, index, term }
    }

    /// Leads with a log after a snapshot at 2 that ends like this.
    fn elected(term: u64, terms: &[(u64, u64)], last: u64) -> Fact {
        Fact::Elected { term, covered: 2, last, terms: terms.to_vec() }
    }

    fn found(facts: [(u16, Fact); 2]) -> bool {
        violation(LeaderCompleteness::default(), facts).is_some()
    }

    #[test]
    fn a_leader_without_a_committed_entry_is_found_whenever_it_is_told() {
        let short = elected(5, &[(3, 1), (6, 5)], 6);
        let other = elected(5, &[(3, 1), (5, 2), (8, 5)], 8);
        for bad in [short, other] {
            assert!(found([(1, committed(4, 7, 4)), (2, bad.clone())]));
            assert!(found([(2, bad), (1, committed(4, 7, 4))]), "told late, committed before");
        }
    }

    #[test]
    fn a_leader_that_holds_it_or_whose_snapshot_covers_it_is_fine() {
        assert!(!found([(1, committed(4, 7, 4)), (2, elected(5, &[(3, 1), (6, 4), (9, 5)], 9))]));
        assert!(!found([(1, committed(4, 2, 4)), (2, elected(5, &[(3, 5)], 3))]));
    }

    #[test]
    fn what_a_later_leader_committed_an_earlier_one_need_not_have() {
        let old = elected(5, &[(3, 1), (6, 5)], 6);
        assert!(!found([(1, committed(6, 7, 4)), (2, old.clone())]));
        assert!(!found([(1, committed(5, 9, 4)), (2, old)]), "its own term's doing");
    }
}
