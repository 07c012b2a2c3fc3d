//! Elle's list-append: transactions of appends and reads over a few lists at a time.
//!
//! Promises: a value is asked to be appended to its key at most once in a run, values of a key rise in the order
//! of asking, and keys are numbered from 1 without gaps. A key that holds its appends retires and a fresh one
//! takes its slot. An append that failed for certain (a refused connection above all) gives its place in the key
//! back, so a dead node does not use keys up; its value is never asked again, since a value that failed once and
//! was acknowledged later could not be told from an aborted read.

use crate::generator::{Context, Generator, Next};
use crate::history::{Event, Kind};
use crate::op::{Key, Mop, Op, Value};
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
    pub(super) fn exponential(count: usize, rng: &mut ChaCha8Rng) -> usize {
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

/// The shape of a workload: of this one, and of [calls](super::calls) as far as they have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendOptions {
    /// Keys in use at a time.
    pub keys: u16,
    /// Micro-operations in a transaction, at most; at least one.
    pub txn_max: u16,
    /// Appends that a key takes before it retires.
    pub appends_per_key: u32,
    /// Of a hundred micro-operations, how many read.
    pub read_percent: u8,
    /// Which of the active keys.
    pub distribution: Distribution,
}

impl Default for AppendOptions {
    fn default() -> AppendOptions {
        AppendOptions {
            keys: 12,
            txn_max: 4,
            appends_per_key: 128,
            read_percent: 50,
            distribution: Distribution::Uniform,
        }
    }
}

struct Slot {
    key: Key,
    /// Values asked so far; the last one's number.
    asked: Value,
    /// Of these, how many hold or may hold a place in the list.
    held: u32,
}

/// The generator of the workload: never exhausted.
pub struct Append {
    options: AppendOptions,
    slots: Vec<Slot>,
    next_key: Key,
}

impl Append {
    /// Of the options given; a count of 0 is taken for 1.
    pub fn new(options: AppendOptions) -> Append {
        let mut append = Append { options, slots: Vec::new(), next_key: 1 };
        for _ in 0..append.options.keys.max(1) {
            let slot = append.fresh();
            append.slots.push(slot);
        }
        append
    }

    fn fresh(&mut self) -> Slot {
        let key = self.next_key;
        self.next_key += 1;
        Slot { key, asked: 0, held: 0 }
    }

    fn mop(&mut self, rng: &mut ChaCha8Rng) -> Mop {
        let slot = self.slot(rng);
        if rng.range(0, 100) < u64::from(self.options.read_percent) {
            return Mop::Read { key: self.slots[slot].key, values: None };
        }
        let chosen = &mut self.slots[slot];
        chosen.asked += 1;
        chosen.held += 1;
        let mop = Mop::Append { key: chosen.key, value: chosen.asked };
        if chosen.held >= self.options.appends_per_key {
            self.slots[slot] = self.fresh();
        }
        mop
    }

    fn slot(&self, rng: &mut ChaCha8Rng) -> usize {
        let count = self.slots.len();
        match self.options.distribution {
            Distribution::Uniform => rng.range(0, count as u64) as usize,
            Distribution::Exponential => Distribution::exponential(count, rng),
        }
    }
}

impl Generator for Append {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let Some(thread) = context.free(rng) else { return Next::Pending };
        let length = rng.range(1, u64::from(self.options.txn_max.max(1)) + 1);
        let mops = (0..length).map(|_| self.mop(rng)).collect();
        Next::Invoke { thread: thread.id, op: Op::Txn(mops) }
    }

    fn update(&mut self, event: &Event) {
        if event.kind != Kind::Fail {
            return;
        }
        for mop in event.op.mops() {
            if let Mop::Append { key, .. } = mop
                && let Some(slot) = self.slots.iter_mut().find(|slot| slot.key == *key)
            {
                slot.held = slot.held.saturating_sub(1);
            }
        }
    }
}
