//! Sometimes: marks that some run of many should reach. One run that does not is no fault; a sweep in which none
//! does tests less than it says.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub mod seen;

/// Marks over many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Runs that were merged.
    pub runs: u64,
    /// By mark, in how many runs it was reached, and how often in all.
    pub marks: BTreeMap<String, Reached>,
}

/// How often a mark was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// In so many runs at least once.
    pub runs: u64,
    /// So many times in all.
    pub times: u64,
}

impl Coverage {
    /// Adds one run's counters ([`crate::cluster::Artifacts::counters`]).
    pub fn add(&mut self, counters: &BTreeMap<String, u64>) {
        self.runs += 1;
        for (mark, times) in counters {
            let reached = self.entry(mark);
            reached.runs += u64::from(*times > 0);
            reached.times += times;
        }
    }

    /// Adds what another part of a sweep reached. In any order, the same sum.
    pub fn merge(&mut self, other: &Coverage) {
        self.runs += other.runs;
        for (mark, theirs) in &other.marks {
            let reached = self.entry(mark);
            reached.runs += theirs.runs;
            reached.times += theirs.times;
        }
    }

    /// Of the marks that should be reached sometimes, those that never were.
    pub fn missing<'m>(&self, expected: &[&'m str]) -> Vec<&'m str> {
        let reached = |mark: &str| self.marks.get(mark).is_some_and(|reached| reached.runs > 0);
        expected.iter().copied().filter(|mark| !reached(mark)).collect()
    }

    fn entry(&mut self, mark: &str) -> &mut Reached {
        self.marks.entry(mark.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_shards_equals_adding_all_runs_in_one() {
        let run = |pairs: &[(&str, u64)]| {
            pairs.iter().map(|(mark, times)| ((*mark).to_owned(), *times)).collect()
        };
        let runs: [BTreeMap<String, u64>; 3] =
            [run(&[("lease read", 3)]), run(&[("lease read", 0), ("snapshot", 1)]), run(&[])];
        let mut whole = Coverage::default();
        runs.iter().for_each(|counters| whole.add(counters));
        let mut left = Coverage::default();
        let mut right = Coverage::default();
        left.add(&runs[2]);
        right.add(&runs[1]);
        right.add(&runs[0]);
        left.merge(&right);
        assert_eq!(left, whole);
        assert_eq!(whole.marks["lease read"], Reached { runs: 1, times: 3 });
        assert_eq!(whole.missing(&["lease read", "snapshot", "split vote"]), ["split vote"]);
    }
}
