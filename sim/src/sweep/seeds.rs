//! Which seeds a sweep runs: a range, or the part of it that falls to one of several machines.

use super::shard::Shard;
use harness::seed::Seed;
use std::fmt;

/// Seeds in a row, of which every `of`-th belongs to the shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    start: Seed,
    count: u64,
    shard: Shard,
}

impl Seeds {
    /// `count` seeds from `start`.
    pub fn new(start: Seed, count: u64, shard: Shard) -> Result<Seeds, String> {
        if count == 0 {
            return Err("`0` does not fit --seeds: a whole number above 0, such as 300".to_owned());
        }
        if start.0.checked_add(count - 1).is_none() {
            return Err(format!(
                "`{count}` does not fit --seeds: from seed {start} on there are only {} below 2^64",
                u64::MAX - start.0 + 1
            ));
        }
        Ok(Seeds { start, count, shard })
    }

    /// The first of all, whatever the shard.
    pub fn start(&self) -> Seed {
        self.start
    }

    /// How many there are in all shards.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Which part of them.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// How many belong to the shard.
    pub fn len(&self) -> u64 {
        let after_the_first = self.count.checked_sub(self.shard.number());
        after_the_first.map_or(0, |rest| rest / self.shard.of() + 1)
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shard's seed of this index, below [`Seeds::len`].
    pub fn seed(&self, index: u64) -> Seed {
        Seed(self.start.0 + (self.shard.number() - 1) + index * self.shard.of())
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.start.0, self.start.0 + (self.count - 1));
        write!(f, "seeds {first:#x} to {last:#x} ({first} to {last})")?;
        if self.shard == Shard::WHOLE {
            return Ok(());
        }
        write!(f, ", {} of them in shard {}", self.len(), self.shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64, of: u64) -> Shard {
        format!("{number}/{of}").parse().unwrap()
    }

    #[test]
    fn shards_part_the_seeds_without_a_gap_or_an_overlap() {
        for (count, of) in [(1, 1), (10, 3), (9, 3), (2, 5)] {
            let mut all: Vec<u64> = Vec::new();
            for number in 1..=of {
                let seeds = Seeds::new(Seed(7), count, part(number, of)).unwrap();
                all.extend((0..seeds.len()).map(|index| seeds.seed(index).0));
            }
            all.sort_unstable();
            assert_eq!(all, (7..7 + count).collect::<Vec<u64>>(), "{count} in {of}");
        }
    }

    #[test]
    fn a_range_that_cannot_be_is_refused_with_a_sentence() {
        assert!(Seeds::new(Seed(1), 0, Shard::WHOLE).unwrap_err().contains("above 0"));
        assert!(Seeds::new(Seed(u64::MAX), 2, Shard::WHOLE).unwrap_err().contains("only 1"));
        let last = Seeds::new(Seed(u64::MAX), 1, Shard::WHOLE).unwrap();
        assert_eq!(last.seed(0), Seed(u64::MAX));
        let most = Seeds::new(Seed(0), u64::MAX, part(3, u64::MAX)).unwrap();
        assert_eq!((most.len(), most.seed(0)), (1, Seed(2)));
    }
}
