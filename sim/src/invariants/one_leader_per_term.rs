//! Election Safety (Raft §5.2): at most one node leads in a term, and no node twice with a restart between: it would have had to
//! forget its term or its vote.
//! Detects: `vote_twice_in_a_term`. Cannot see: a leader that never said so.

use super::Invariant;
use elastickv::env::Fact;
use std::collections::BTreeMap;

/// Who led each term.
#[derive(Default)]
pub struct OneLeaderPerTerm {
    leaders: BTreeMap<u64, (u16, u64)>,
}

impl Invariant for OneLeaderPerTerm {
    fn name(&self) -> &'static str {
        "one-leader-per-term"
    }

    fn observe(&mut self, node: u16, boot: u64, fact: &Fact) -> Result<(), String> {
        let Fact::Leads { term } = *fact else { return Ok(()) };
        match *self.leaders.entry(term).or_insert((node, boot)) {
            first if first == (node, boot) => Ok(()),
            (first, before) if first == node => {
                Err(format!("n{node} leads term {term} in boot {boot} and led it in boot {before}"))
            }
            (first, _) => Err(format!("n{first} and n{node} both lead term {term}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;

    #[test]
    fn a_node_that_leads_a_term_again_after_a_restart_is_found() {
        let mut invariant = OneLeaderPerTerm::default();
        assert_eq!(invariant.observe(1, 1, &Fact::Leads { term: 4 }), Ok(()));
        assert_eq!(invariant.observe(1, 1, &Fact::Leads { term: 4 }), Ok(()));
        assert!(invariant.observe(1, 2, &Fact::Leads { term: 4 }).is_err());
    }

    #[test]
    fn a_term_with_two_leaders_is_found() {
        let facts = [(1, Fact::Leads { term: 4 }), (2, Fact::Leads { term: 4 })];
        let text = violation(OneLeaderPerTerm::default(), facts);
        assert_eq!(text.as_deref(), Some("n1 and n2 both lead term 4"));
    }

    #[test]
    fn leaders_of_different_terms_are_fine_and_one_may_say_it_twice() {
        let leads = |term| Fact::Leads { term };
        let facts = [(1, leads(4)), (1, leads(4)), (2, leads(5)), (1, leads(6))];
        assert_eq!(violation(OneLeaderPerTerm::default(), facts), None);
    }
}
