//! The shape of a workload: how many keys, how they are chosen, how long transactions are, how much of them reads.

use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// How often each of the active keys is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Equally often.
    #[default]
    Uniform,
    /// Each twice as often as the one before it.
    Exponential,
}

impl Distribution {
    /// One of so many slots: slot i has weight 2^i, so from the last one down each step is a coin.
    fn exponential(count: usize, rng: &mut ChaCha8Rng) -> usize {
        let tails = rng.range(0, u64::MAX).leading_zeros() as usize;
        (count - 1).saturating_sub(tails)
    }

    /// The word for it on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::Uniform => "uniform",
            Distribution::Exponential => "exponential",
        }
    }
}

impl FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Distribution, String> {
        match text {
            "uniform" => Ok(Distribution::Uniform),
            "exponential" => Ok(Distribution::Exponential),
            _ => Err(format!("`{text}` is not a key distribution: uniform or exponential")),
        }
    }
}

/// What a workload's operations look like; each workload says what of it it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Keys in use at a time.
    pub keys: u16,
    /// Micro-operations in a transaction, at least.
    #[serde(default = "one")]
    pub txn_min: u16,
    /// Micro-operations in a transaction, at most.
    pub txn_max: u16,
    /// Appends, or other changes, that a key takes before it retires.
    pub appends_per_key: u32,
    /// Of a hundred micro-operations, how many read.
    pub read_percent: u8,
    /// Which of the active keys.
    pub distribution: Distribution,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            keys: 12,
            txn_min: 1,
            txn_max: 4,
            appends_per_key: 128,
            read_percent: 50,
            distribution: Distribution::Uniform,
        }
    }
}

fn one() -> u16 {
    1
}

impl Shape {
    /// How long the next transaction is; a shortest that is longer than the longest is the longest.
    pub(super) fn length(&self, rng: &mut ChaCha8Rng) -> u64 {
        let max = u64::from(self.txn_max.max(1));
        rng.range(u64::from(self.txn_min).clamp(1, max), max + 1)
    }

    /// Whether the next micro-operation, or call, reads.
    pub(super) fn reads(&self, rng: &mut ChaCha8Rng) -> bool {
        rng.range(0, 100) < u64::from(self.read_percent)
    }

    /// Which of so many slots for keys.
    pub(super) fn slot(&self, count: usize, rng: &mut ChaCha8Rng) -> usize {
        match self.distribution {
            Distribution::Uniform => rng.range(0, count as u64) as usize,
            Distribution::Exponential => Distribution::exponential(count, rng),
        }
    }
}
