//! Elle's list-append and rw-register: transactions of writes and reads over a few keys at a time.
//!
//! Promises: a value is asked to be written to its key at most once in a run, values of a key rise in the order
//! of asking, and keys are numbered from 1 without gaps. A key that holds its writes retires and a fresh one
//! takes its slot. A write that failed for certain (a refused connection above all) gives its place in the key
//! back, so a dead node does not use keys up; its value is never asked again, since a value that failed once and
//! was acknowledged later could not be told from an aborted read.

use super::shape::Shape;
use crate::generator::{Context, Generator, Next};
use crate::history::{Event, Kind};
use crate::op::{Held, Key, Mop, Op, RegisterMop, Value};
use rand_chacha::ChaCha8Rng;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// A list, to which values are appended.
    Lists,
    /// One value, which a write replaces.
    Registers,
}

impl Alphabet {
    /// A transaction of writes, where there is a value, and reads.
    fn op(self, steps: impl Iterator<Item = (Key, Option<Value>)>) -> Op {
        match self {
            Alphabet::Lists => Op::Txn(
                steps
                    .map(|(key, value)| match value {
                        Some(value) => Mop::Append { key, value },
                        None => Mop::Read { key, values: None },
                    })
                    .collect(),
            ),
            Alphabet::Registers => Op::Registers(
                steps
                    .map(|(key, value)| match value {
                        Some(value) => RegisterMop::Write { key, value },
                        None => RegisterMop::Read { key, value: Held::Unknown },
                    })
                    .collect(),
            ),
        }
    }

    /// A read of one key.
    pub fn read(self, key: Key) -> Op {
        self.op([(key, None)].into_iter())
    }
}

/// The keys that a transaction writes.
fn written(op: &Op) -> Vec<Key> {
    let lists = op.mops().iter().filter_map(|mop| match mop {
        Mop::Append { key, .. } => Some(*key),
        Mop::Read { .. } => None,
    });
    let registers = op.register_mops().iter().filter_map(|mop| match mop {
        RegisterMop::Write { key, .. } => Some(*key),
        RegisterMop::Read { .. } => None,
    });
    lists.chain(registers).collect()
}

struct Slot {
    key: Key,
    /// Values asked so far; the last one's number.
    asked: Value,
    /// Of these, how many hold or may hold a place in the list.
    held: u32,
}

/// The generator of both workloads: never exhausted.
pub struct Transactions {
    alphabet: Alphabet,
    shape: Shape,
    slots: Vec<Slot>,
    next_key: Key,
}

impl Transactions {
    /// Of the shape given; a count of 0 is taken for 1.
    pub fn new(alphabet: Alphabet, shape: Shape) -> Transactions {
        let mut transactions = Transactions { alphabet, shape, slots: Vec::new(), next_key: 1 };
        for _ in 0..transactions.shape.keys.max(1) {
            let slot = transactions.fresh();
            transactions.slots.push(slot);
        }
        transactions
    }

    fn fresh(&mut self) -> Slot {
        let key = self.next_key;
        self.next_key += 1;
        Slot { key, asked: 0, held: 0 }
    }

    /// A key, and what is written to it.
    fn step(&mut self, rng: &mut ChaCha8Rng) -> (Key, Option<Value>) {
        let slot = self.shape.slot(self.slots.len(), rng);
        let key = self.slots[slot].key;
        if self.shape.reads(rng) {
            return (key, None);
        }
        let chosen = &mut self.slots[slot];
        chosen.asked += 1;
        chosen.held += 1;
        let value = chosen.asked;
        if chosen.held >= self.shape.appends_per_key {
            self.slots[slot] = self.fresh();
        }
        (key, Some(value))
    }
}

impl Generator for Transactions {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let Some(thread) = context.free(rng) else { return Next::Pending };
        let steps: Vec<_> = (0..self.shape.length(rng)).map(|_| self.step(rng)).collect();
        Next::Invoke { thread: thread.id, op: self.alphabet.op(steps.into_iter()) }
    }

    fn update(&mut self, event: &Event) {
        if event.kind != Kind::Fail {
            return;
        }
        for key in written(&event.op) {
            if let Some(slot) = self.slots.iter_mut().find(|slot| slot.key == key) {
                slot.held = slot.held.saturating_sub(1);
            }
        }
    }
}
