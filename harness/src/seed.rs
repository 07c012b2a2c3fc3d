//! One seed, independent named streams. A new draw in one stream shifts no other.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What one run is made of. Written in hex (`0x9f3c21aa`), read in hex or decimal, or from a commit hash of 40 hex
/// digits: the first 16 of them, so that every commit has a seed that anybody can name again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Seed(pub u64);

/// The part of a run that a stream of random numbers belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Latency, loss, duplication where no link is named.
    Net,
    /// Which ready task runs next.
    Scheduler,
    /// Fsync times and what a power cut leaves.
    Disk,
    /// Which operation, which key.
    Workload,
    /// Which fault, when.
    Nemesis,
    /// The swarm choice of parameters.
    Params,
    /// What a node draws: election time-outs, back-offs.
    Node(u16),
    /// Where a node's tasks stall.
    Stall(u16),
    /// What a client draws.
    Client(u16),
    /// One directed link, by its two ends.
    Link(u16, u16),
    /// Which rare branches a node takes; of 0: which there are in this run.
    Rare(u16),
}

impl Seed {
    /// The generator of one named stream, at its beginning.
    pub fn stream(self, stream: Stream) -> ChaCha8Rng {
        let number = match stream {
            Stream::Net => 1,
            Stream::Scheduler => 2,
            Stream::Disk => 3,
            Stream::Workload => 4,
            Stream::Nemesis => 5,
            Stream::Params => 6,
            Stream::Node(i) => (1 << 32) | u64::from(i),
            Stream::Client(i) => (2 << 32) | u64::from(i),
            Stream::Stall(i) => (3 << 32) | u64::from(i),
            Stream::Rare(i) => (6 << 32) | u64::from(i),
            Stream::Link(from, to) => (4 << 32) | (u64::from(from) << 16) | u64::from(to),
        };
        let mut rng = ChaCha8Rng::seed_from_u64(self.0);
        rng.set_stream(number);
        rng
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Seed, String> {
        if is_commit(text) {
            return u64::from_str_radix(&text[..16], 16)
                .map(Seed)
                .map_err(|error| error.to_string());
        }
        let digits = text.replace('_', "");
        let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            Some(hex) => u64::from_str_radix(hex, 16),
            None => digits.parse(),
        };
        number.map(Seed).map_err(|_| {
            format!(
                "`{text}` is not a seed: a seed is a number below 2^64, decimal (7) or hex (0x9f3c21aa), or a commit \
                 hash of 40 hex digits"
            )
        })
    }
}

/// Whether a text that is read as a seed is a commit hash: 40 hex digits.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Ranges and chances on a stream: a few lines of our own, so that no library's range algorithm can
/// change what a seed means.
pub trait Draw: Rng {
    /// Uniform in `low..high`; `low` if the range is empty. Multiply-shift: bias below 2^-32 for the ranges used here.
    fn range(&mut self, low: u64, high: u64) -> u64 {
        let span = high.saturating_sub(low);
        low + ((u128::from(self.next_u64()) * u128::from(span)) >> 64) as u64
    }

    /// True with probability `p` (0.0 to 1.0). One draw whatever `p` is.
    fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in 0.0..1.0, 53 bits.
    fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// One of a slice, which must not be empty.
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.range(0, from.len() as u64) as usize]
    }

    /// Fisher-Yates.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.range(0, i as u64 + 1) as usize);
        }
    }

    /// Log-uniform in `low..=high`, both above 0: each factor of two is equally likely.
    fn log_uniform(&mut self, low: u64, high: u64) -> u64 {
        // Powers of two by integer steps and a linear part: no libm, whose last bit may differ.
        let octaves = (high / low.max(1)).max(1).ilog2() + 1;
        let octave = self.range(0, u64::from(octaves));
        let from = low << octave;
        self.range(from, (from * 2).min(high + 1)).clamp(low, high)
    }
}

impl<R: Rng> Draw for R {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_in_one_stream_shifts_no_other() {
        let seed = Seed(7);
        let mut net = seed.stream(Stream::Net);
        let before: Vec<u64> = (0..4).map(|_| net.next_u64()).collect();
        let mut disk = seed.stream(Stream::Disk);
        disk.next_u64();
        let mut again = seed.stream(Stream::Net);
        let after: Vec<u64> = (0..4).map(|_| again.next_u64()).collect();
        assert_eq!(before, after);
        assert_ne!(before[0], seed.stream(Stream::Disk).next_u64());
    }

    #[test]
    fn seeds_are_read_in_hex_and_decimal_and_written_in_hex() {
        assert_eq!("0x2a".parse(), Ok(Seed(42)));
        assert_eq!("42".parse(), Ok(Seed(42)));
        assert_eq!(Seed(42).to_string(), "0x2a");
        let sentence = "fortytwo".parse::<Seed>().unwrap_err();
        assert!(sentence.contains("`fortytwo`"), "{sentence}");
    }

    #[test]
    fn a_commit_hash_is_a_seed_by_its_first_16_digits() {
        let hash = "8d48dd8a00112233445566778899aabbccddeeff";
        assert_eq!(hash.parse(), Ok(Seed(0x8d48_dd8a_0011_2233)));
        assert_eq!(hash.to_uppercase().parse(), Ok(Seed(0x8d48_dd8a_0011_2233)));
        for text in [&hash[..39], &format!("{hash}0"), "8d48dd8", &"g".repeat(40)] {
            let sentence = text.parse::<Seed>().unwrap_err();
            assert!(sentence.contains("40 hex digits"), "{sentence}");
        }
    }

    #[test]
    fn draws_stay_inside_their_ranges() {
        let mut rng = Seed(1).stream(Stream::Net);
        for _ in 0..10_000 {
            assert!((5..9).contains(&rng.range(5, 9)));
            assert!((64..=2000).contains(&rng.log_uniform(64, 2000)));
            assert!((0.0..1.0).contains(&rng.unit()));
        }
        assert_eq!(rng.range(3, 3), 3);
        assert!(!rng.chance(0.0) && rng.chance(1.0));
    }
}
