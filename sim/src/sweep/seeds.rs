//! Which seeds a sweep runs: a range, or the part of it that falls to one of several machines.

use harness::seed::Seed;
use std::fmt;
use std::str::FromStr;

/// One of `of` parts, counted from 1. Written `2/4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u64,
    of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let shard = text.split_once('/').and_then(|(number, of)| {
            Some(Shard { number: number.parse().ok()?, of: of.parse().ok()? })
        });
        shard.filter(|shard| (1..=shard.of).contains(&shard.number)).ok_or_else(|| {
            format!("`{text}` is not a shard: a shard is a part and their number, from 1/4 to 4/4")
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

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

    /// How many belong to the shard.
    pub fn len(&self) -> u64 {
        let after_the_first = self.count.checked_sub(self.shard.number);
        after_the_first.map_or(0, |rest| rest / self.shard.of + 1)
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shard's seed of this index, below [`Seeds::len`].
    pub fn seed(&self, index: u64) -> Seed {
        Seed(self.start.0 + (self.shard.number - 1) + index * self.shard.of)
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

    #[test]
    fn shards_part_the_seeds_without_a_gap_or_an_overlap() {
        for (count, of) in [(1, 1), (10, 3), (9, 3), (2, 5)] {
            let mut all: Vec<u64> = Vec::new();
            for number in 1..=of {
                let seeds = Seeds::new(Seed(7), count, Shard { number, of }).unwrap();
                all.extend((0..seeds.len()).map(|index| seeds.seed(index).0));
            }
            all.sort_unstable();
            assert_eq!(all, (7..7 + count).collect::<Vec<u64>>(), "{count} in {of}");
        }
    }

    #[test]
    fn a_shard_or_a_range_that_cannot_be_is_refused_with_a_sentence() {
        for text in ["0/4", "5/4", "4", "a/b", "1/0", "/", "-1/4", ""] {
            let sentence = text.parse::<Shard>().unwrap_err();
            assert!(sentence.contains("is not a shard"), "{sentence}");
        }
        assert!(Seeds::new(Seed(1), 0, Shard::WHOLE).unwrap_err().contains("above 0"));
        assert!(Seeds::new(Seed(u64::MAX), 2, Shard::WHOLE).unwrap_err().contains("only 1"));
        let last = Seeds::new(Seed(u64::MAX), 1, Shard::WHOLE).unwrap();
        assert_eq!(last.seed(0), Seed(u64::MAX));
        let most = Seeds::new(Seed(0), u64::MAX, Shard { number: 3, of: u64::MAX }).unwrap();
        assert_eq!((most.len(), most.seed(0)), (1, Seed(2)));
    }

    #[test]
    fn a_shard_reads_back_as_it_is_written() {
        let shard: Shard = "2/4".parse().unwrap();
        assert_eq!(shard.to_string(), "2/4");
    }
}
