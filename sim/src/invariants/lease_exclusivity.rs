//! A lease is exclusive (Raft's dissertation §6.4.1, "Using clocks to reduce messaging for read-only queries"): when a read is served by
//! a lease, in true time, nobody has come to lead a later term, and everything that any node ever acknowledged is applied where it
//! is served.
//!
//! Sound while no monotonic clock outruns another by more than lease and time-out are apart (1.7 s and 2.0 s here: 7 % either way on every
//! node keep within that, and no nemesis goes further): a lease is counted from when a quorum's acknowledged message was made, is shorter than an
//! election time-out, and for that long none of the quorum lends a vote; who led earlier acknowledges only what was committed
//! before, and that a leader has applied before it serves. Beyond that bound no layer looks at others' clocks and refuses: reads by lease can
//! be stale, and this invariant says so.
//!
//! Detects: `lease_no_invalidate_on_loss`, `lease_ignores_term_commit`. Cannot see: a new leader before
//! it says so, some milliseconds after its votes; a lease that nobody read by while another led; nor what is wrong with reads
//! that were confirmed by a quorum.

use super::Invariant;
use elastickv::env::Fact;

/// The latest leader, and how far anything was acknowledged.
#[derive(Default)]
pub struct LeaseExclusivity {
    /// Term and node.
    latest: (u64, u16),
    /// Index and node.
    acknowledged: (u64, u16),
}

impl Invariant for LeaseExclusivity {
    fn name(&self) -> &'static str {
        "lease-exclusivity"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            Fact::Leads { term } => self.latest = self.latest.max((term, node)),
            Fact::Acked { index, .. } => {
                self.acknowledged = self.acknowledged.max((index, node));
            }
            Fact::LeaseRead { term, applied } => return self.served(node, term, applied),
            _ => {}
        }
        Ok(())
    }
}

impl LeaseExclusivity {
    fn served(&self, node: u16, term: u64, applied: u64) -> Result<(), String> {
        let ((later, leader), (index, by)) = (self.latest, self.acknowledged);
        if later > term {
            return Err(format!(
                "n{node} served a read by the lease of term {term}, but n{leader} leads term {later} already"
            ));
        }
        if index > applied {
            return Err(format!(
                "n{node} served a read by the lease of term {term} from entry {applied}, but n{by} has acknowledged entry {index}"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;
    use elastickv::env::RequestId;

    fn leads(term: u64) -> Fact {
        Fact::Leads { term }
    }

    fn acked(index: u64) -> Fact {
        Fact::Acked { request: RequestId::default(), index, commit_ts: 1 }
    }

    fn read(term: u64, applied: u64) -> Fact {
        Fact::LeaseRead { term, applied }
    }

    fn text(facts: impl IntoIterator<Item = (u16, Fact)>) -> Option<String> {
        violation(LeaseExclusivity::default(), facts)
    }

    #[test]
    fn a_read_by_lease_after_another_came_to_lead_is_found() {
        let text = text([(1, leads(4)), (1, read(4, 9)), (2, leads(5)), (1, read(4, 9))]);
        assert!(text.is_some_and(|text| text.contains("n2 leads term 5")));
    }

    #[test]
    fn a_read_by_lease_that_misses_what_was_acknowledged_is_found() {
        let text = text([(1, acked(9)), (2, leads(5)), (2, read(5, 8))]);
        assert!(text.is_some_and(|text| text.contains("n1 has acknowledged entry 9")));
    }

    #[test]
    fn the_only_leader_with_everything_applied_reads_by_its_lease() {
        let facts = [(1, leads(4)), (1, acked(9)), (2, leads(5)), (2, read(5, 9)), (2, acked(10))];
        assert_eq!(text(facts), None);
    }
}
