//! Ranges that the parameters of faults are drawn from: data of their families, which the swarm choice narrows and tells.
//!
//! A run whose pauses are of every length hides what needs many short ones; so each seed has a part of each range.

use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::fmt;
use std::time::Duration;

/// From the lowest to the highest, both among what is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    low: u64,
    high: u64,
    scale: Scale,
    unit: Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// Each factor of two is equally likely.
    Log,
    /// Each number is.
    Even,
}

/// What the numbers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Ms,
    /// Of a hundred.
    Percent,
    /// Of a million.
    Ppm,
    /// KiB.
    Kib,
    /// KiB a second.
    KibPerS,
    /// Bytes a second.
    BytesPerS,
    /// What is counted says its own name.
    Times,
}

impl Range {
    /// Each factor of two is equally likely; `low` is above 0.
    pub const fn log(low: u64, high: u64, unit: Unit) -> Range {
        Range { low, high, scale: Scale::Log, unit }
    }

    /// Each number is equally likely.
    pub const fn even(low: u64, high: u64, unit: Unit) -> Range {
        Range { low, high, scale: Scale::Even, unit }
    }

    /// The least that is drawn.
    pub fn low(self) -> u64 {
        self.low
    }

    /// The most.
    pub fn high(self) -> u64 {
        self.high
    }

    /// One of its numbers.
    pub fn draw(self, rng: &mut ChaCha8Rng) -> u64 {
        match self.scale {
            Scale::Log => rng.log_uniform(self.low, self.high),
            Scale::Even => rng.range(self.low, self.high + 1),
        }
    }

    /// One of its numbers, of milliseconds.
    pub fn time(self, rng: &mut ChaCha8Rng) -> Duration {
        Duration::from_millis(self.draw(rng))
    }

    /// A part of it: of factors, one of two at least; of numbers, half of them at least; all of it where it has no more.
    #[must_use]
    pub fn narrowed(self, rng: &mut ChaCha8Rng) -> Range {
        let Range { low, high, .. } = self;
        let (low, high) = match self.scale {
            Scale::Log => {
                let from = rng.log_uniform(low, (high / 2).max(low));
                (from, rng.log_uniform((2 * from).min(high), high))
            }
            Scale::Even => {
                let half = (high - low) / 2;
                let from = rng.range(low, high - half + 1);
                (from, rng.range(from + half, high + 1))
            }
        };
        Range { low, high, ..self }
    }
}

impl Unit {
    fn tell(self, number: u64) -> String {
        match self {
            Unit::Ms if number >= 1_000 => format!("{} s", number as f64 / 1_000.0),
            Unit::Ms => format!("{number} ms"),
            Unit::Percent => format!("{number} %"),
            Unit::Ppm => format!("{number} ppm"),
            Unit::Kib => format!("{number} KiB"),
            Unit::KibPerS => format!("{number} KiB/s"),
            Unit::BytesPerS => format!("{number} bytes/s"),
            Unit::Times => number.to_string(),
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.unit.tell(self.low), self.unit.tell(self.high));
        // A unit that both have is said once.
        match (low.split_once(' '), high.split_once(' ')) {
            (Some((number, unit)), Some((_, same))) if unit == same => {
                write!(f, "{number} to {high}")
            }
            _ => write!(f, "{low} to {high}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream};

    fn rng(seed: u64) -> ChaCha8Rng {
        Seed(seed).stream(Stream::Nemesis)
    }

    const ALL: [Range; 6] = [
        Range::log(50, 8_000, Unit::Ms),
        Range::log(1, 50, Unit::Percent),
        Range::log(500, 700, Unit::Ppm),
        Range::even(0, 10, Unit::Percent),
        Range::even(3, 4, Unit::Times),
        Range::even(7, 7, Unit::Times),
    ];

    #[test]
    fn a_part_is_within_the_whole_and_wide_enough_and_what_is_drawn_is_within_the_part() {
        for whole in ALL {
            for seed in 0..500 {
                let rng = &mut rng(seed);
                let part = whole.narrowed(rng);
                assert!(whole.low <= part.low && part.low <= part.high && part.high <= whole.high);
                let wide = match whole.scale {
                    Scale::Log => part.high >= (2 * part.low).min(whole.high),
                    Scale::Even => part.high - part.low >= (whole.high - whole.low) / 2,
                };
                assert!(wide, "{part} of {whole}");
                let drawn = part.draw(rng);
                assert!((part.low..=part.high).contains(&drawn), "{drawn} of {part}");
            }
        }
    }

    #[test]
    fn some_seeds_have_only_short_times_and_some_only_long_ones() {
        let parts = (0..100).map(|seed| ALL[0].narrowed(&mut rng(seed)));
        assert!(parts.clone().any(|part| part.high < 400));
        assert!(parts.clone().any(|part| part.low > 2_000));
    }

    #[test]
    fn a_range_is_told_with_its_units() {
        let told = [
            (Range::log(50, 900, Unit::Ms), "50 to 900 ms"),
            (Range::log(50, 1_250, Unit::Ms), "50 ms to 1.25 s"),
            (Range::log(2_000, 20_000, Unit::Ms), "2 to 20 s"),
            (Range::even(0, 10, Unit::Percent), "0 to 10 %"),
            (Range::even(3, 8, Unit::Times), "3 to 8"),
            (Range::log(8, 64, Unit::KibPerS), "8 to 64 KiB/s"),
        ];
        for (range, words) in told {
            assert_eq!(range.to_string(), words);
        }
    }
}
