//! Rare branches (FoundationDB's `BUGGIFY`): what a sound node may do and hardly ever does, done often.
//!
//! A run has each branch with probability 1/4, drawn when a node first comes to it; a branch that a run has is taken with the
//! probability that `--buggify` says, drawn by each node for itself. So a run in which one rare thing happens again and again is
//! found as well as one in which many do. Promise: where it is off nothing is drawn.

use harness::seed::{Draw, Seed, Stream};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// How likely a run has a branch.
const HAS: f64 = 0.25;

/// The rare branches of one run.
#[derive(Default)]
pub(crate) struct Rare {
    /// By name, whether this run has it.
    has: BTreeMap<&'static str, bool>,
    /// Of nodes by number; of 0: which branches there are.
    streams: BTreeMap<u16, ChaCha8Rng>,
}

impl Rare {
    /// Whether the node takes the branch now.
    pub(crate) fn takes(&mut self, seed: Seed, ppm: u64, node: u16, name: &'static str) -> bool {
        if ppm == 0 {
            return false;
        }
        let streams = &mut self.streams;
        let mut stream =
            |of| streams.entry(of).or_insert_with(|| seed.stream(Stream::Rare(of))).next_ppm();
        let has = *self.has.entry(name).or_insert_with(|| stream(0) < (HAS * 1e6) as u64);
        has && stream(node) < ppm
    }
}

/// A number below a million.
trait NextPpm {
    fn next_ppm(&mut self) -> u64;
}

impl NextPpm for ChaCha8Rng {
    fn next_ppm(&mut self) -> u64 {
        self.range(0, 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a hundred runs take each of two branches in a hundred tries.
    fn taken(ppm: u64) -> Vec<[usize; 2]> {
        let of = |seed| {
            let mut rare = Rare::default();
            let mut take = |name| (0..100).filter(|_| rare.takes(Seed(seed), ppm, 1, name)).count();
            [take("one"), take("other")]
        };
        (0..100).map(of).collect()
    }

    #[test]
    fn a_branch_is_in_some_runs_and_there_it_is_taken_as_often_as_is_said() {
        let taken = taken(250_000);
        for branch in [0, 1] {
            let often: Vec<usize> =
                taken.iter().map(|run| run[branch]).filter(|times| *times > 0).collect();
            assert!((10..45).contains(&often.len()), "in {} of 100 runs", often.len());
            assert!(often.iter().all(|times| (8..45).contains(times)), "{often:?}");
        }
        assert!(taken.iter().any(|run| run[0] > 0 && run[1] == 0), "each by itself");
    }

    #[test]
    fn where_it_is_off_nothing_is_taken_and_nothing_is_drawn() {
        let mut rare = Rare::default();
        assert!(!rare.takes(Seed(1), 0, 1, "one"));
        assert!(rare.has.is_empty() && rare.streams.is_empty());
    }
}
