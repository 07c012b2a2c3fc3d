//! What was acknowledged is on disk: rebuilt from the bytes that no power cut could take, a node reaches every entry that it
//! answered for; rebuilt from what its process wrote, it reaches every entry that it applied.
//! Detects: a store or a log whose sync was forgotten, a rename that was not made durable. Cannot see: a loss on a node that answered
//! for nothing.

use super::{Invariant, View};
use elastickv::env::Fact;
use std::collections::BTreeMap;

/// How far each node must reach.
#[derive(Default)]
pub struct NothingLost {
    acknowledged: BTreeMap<u16, u64>,
    applied: BTreeMap<u16, u64>,
}

impl Invariant for NothingLost {
    fn name(&self) -> &'static str {
        "nothing-lost"
    }

    fn observe(&mut self, node: u16, boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            // Boot 0 is the rebuilding itself.
            _ if boot == 0 => {}
            Fact::Acked { index, .. } => {
                let acknowledged = self.acknowledged.entry(node).or_default();
                *acknowledged = index.max(*acknowledged);
            }
            Fact::Applied { index, .. } | Fact::Installed { index, .. } => {
                self.applied.insert(node, index);
            }
            // A power cut may have taken what was applied and not answered for.
            Fact::Recovered { applied, .. } => {
                self.applied.insert(node, applied);
                return self.reaches(node, View::PowerCut, applied);
            }
            _ => {}
        }
        Ok(())
    }

    fn rebuilt(&mut self, node: u16, view: View, reached: u64) -> Result<(), String> {
        self.reaches(node, view, reached)
    }

    fn wiped(&mut self, node: u16) {
        self.acknowledged.remove(&node);
        self.applied.remove(&node);
    }
}

impl NothingLost {
    fn reaches(&self, node: u16, view: View, reached: u64) -> Result<(), String> {
        let (wanted, what) = match view {
            View::PowerCut => (self.acknowledged.get(&node), "acknowledged"),
            View::Kill => (self.applied.get(&node), "applied"),
        };
        match wanted {
            Some(index) if *index > reached => Err(format!(
                "n{node} {what} entry {index}, but rebuilt as after a {view} it reaches entry {reached}"
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elastickv::env::RequestId;

    fn fed(facts: &[Fact]) -> NothingLost {
        let mut invariant = NothingLost::default();
        facts.iter().for_each(|fact| invariant.observe(1, 1, fact).expect("nothing is lost yet"));
        invariant
    }

    fn acked(index: u64) -> Fact {
        Fact::Acked { request: RequestId::default(), index, commit_ts: 1 }
    }

    fn recovered(applied: u64) -> Fact {
        Fact::Recovered { boot: 2, applied, state_hash: 0, last_commit_ts: 0, newest_version: 0 }
    }

    #[test]
    fn a_disk_that_ends_before_what_was_acknowledged_or_applied_is_found() {
        let facts = [Fact::Applied { index: 9, term: 1, state_hash: 0 }, acked(7)];
        let mut invariant = fed(&facts);
        assert_eq!(invariant.rebuilt(1, View::PowerCut, 7), Ok(()));
        assert_eq!(invariant.rebuilt(1, View::Kill, 9), Ok(()));
        assert!(invariant.rebuilt(1, View::PowerCut, 6).is_err());
        assert!(invariant.rebuilt(1, View::Kill, 8).is_err());
        assert_eq!(invariant.rebuilt(2, View::Kill, 0), Ok(()), "another node said nothing");
    }

    #[test]
    fn a_node_that_was_wiped_owes_nothing() {
        let mut invariant = fed(&[Fact::Applied { index: 9, term: 1, state_hash: 0 }, acked(7)]);
        invariant.wiped(1);
        assert_eq!(invariant.observe(1, 2, &recovered(0)), Ok(()));
        assert_eq!(invariant.rebuilt(1, View::Kill, 0), Ok(()));
    }

    #[test]
    fn a_restart_must_find_what_was_acknowledged_and_may_miss_what_was_only_applied() {
        let facts = [Fact::Applied { index: 9, term: 1, state_hash: 0 }, acked(7)];
        assert_eq!(fed(&facts).observe(1, 2, &recovered(7)), Ok(()));
        assert!(fed(&facts).observe(1, 2, &recovered(6)).is_err());
    }
}
