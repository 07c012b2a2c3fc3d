//! Snapshots are stable (snapshot isolation, "Generalized Isolation Level Definitions" §4.2): once a snapshot was read, on any node, nothing
//! appears in it. A transaction that comes later in the log than all that the reader had applied has a later timestamp than
//! the snapshot.
//!
//! Detects: `commit_ts_allocated_before_propose`, `start_ts_from_hlc_next`. Cannot see: an entry that some node had applied before the
//! snapshot was read on another that lagged; a later snapshot of a node tells it.

use super::Invariant;
use elastickv::env::Fact;
use std::collections::BTreeMap;

/// The snapshots that were read: by the last entry that the reader had applied, timestamp and reader. Timestamps grow with
/// the entries; a snapshot that another one covers is not kept.
#[derive(Default)]
pub struct SnapshotReadsStable {
    read: BTreeMap<u64, (u64, u16)>,
}

impl Invariant for SnapshotReadsStable {
    fn name(&self) -> &'static str {
        "snapshot-reads-stable"
    }

    fn observe(&mut self, node: u16, _boot: u64, fact: &Fact) -> Result<(), String> {
        match *fact {
            Fact::SnapshotRead { ts, applied } => {
                self.keep(node, ts, applied);
                Ok(())
            }
            Fact::Committed { index, commit_ts, .. } => {
                match self.read.range(..index).next_back() {
                    Some((applied, (ts, reader))) if *ts >= commit_ts => Err(format!(
                        "entry {index} wrote at timestamp {commit_ts} on n{node} after n{reader} had read the snapshot at {ts} with entries up to {applied}"
                    )),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

impl SnapshotReadsStable {
    fn keep(&mut self, node: u16, ts: u64, applied: u64) {
        if self.read.range(..=applied).next_back().is_some_and(|(_, (known, _))| *known >= ts) {
            return;
        }
        self.read.insert(applied, (ts, node));
        while let Some((&later, &(known, _))) = self.read.range(applied + 1..).next()
            && known <= ts
        {
            self.read.remove(&later);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fed::violation;
    use super::*;
    use elastickv::env::RequestId;

    fn read(ts: u64, applied: u64) -> Fact {
        Fact::SnapshotRead { ts, applied }
    }

    fn committed(index: u64, commit_ts: u64) -> Fact {
        let request = RequestId::default();
        Fact::Committed { index, term: 1, request, commit_ts, keys: vec![] }
    }

    fn found(facts: impl IntoIterator<Item = (u16, Fact)>) -> bool {
        violation(SnapshotReadsStable::default(), facts).is_some()
    }

    #[test]
    fn a_version_that_appears_in_a_snapshot_that_was_read_is_found_on_whatever_node() {
        assert!(found([(1, read(50, 5)), (1, committed(6, 49))]));
        assert!(found([(1, read(50, 5)), (2, committed(6, 50))]));
        assert!(found([(1, read(40, 4)), (1, read(50, 5)), (2, committed(7, 50))]));
    }

    #[test]
    fn what_the_reader_had_applied_and_what_is_later_are_fine() {
        assert!(!found([(1, read(50, 5)), (2, committed(5, 50)), (1, committed(6, 51))]));
        assert!(!found([(1, committed(5, 50)), (1, read(50, 5))]));
    }

    #[test]
    fn a_snapshot_covers_what_was_read_with_more_applied_and_no_newer_timestamp() {
        let mut invariant = SnapshotReadsStable::default();
        for (ts, applied) in [(40, 4), (50, 6), (50, 7), (50, 5), (60, 9)] {
            assert_eq!(invariant.observe(1, 1, &read(ts, applied)), Ok(()));
        }
        let kept: Vec<_> =
            invariant.read.iter().map(|(applied, (ts, _))| (*applied, *ts)).collect();
        assert_eq!(kept, [(4, 40), (5, 50), (9, 60)]);
    }
}
