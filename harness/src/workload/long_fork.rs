//! Long fork: registers in groups, each written once and by itself, each group read as a whole.
//!
//! In every order of its writes a reader sees what was written up to some point. Two readers of a group of whom each sees a write
//! that the other does not have seen the group along two histories that split: what parallel snapshot isolation allows, and
//! snapshot isolation does not.
//!
//! Promises: a key is written at most once in a run, and keys are numbered from 1 without gaps; a group's size is the shape's
//! longest transaction, and it retires when a write is asked of it that it has no key left for.

use super::shape::Shape;
use crate::generator::{Context, Generator, Next};
use crate::history::Event;
use crate::op::{Held, Key, Op, RegisterMop};
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// What a key is written: it says no more than that it was.
const WRITTEN: u64 = 1;

struct Group {
    first: Key,
    /// Its keys that were not asked to be written yet.
    unwritten: Vec<Key>,
}

/// The generator of the workload: never exhausted.
pub struct LongFork {
    shape: Shape,
    groups: Vec<Group>,
    next_key: Key,
}

impl LongFork {
    /// Of the shape given; a count of 0 is taken for 1, a group has at least two keys.
    pub fn new(shape: Shape) -> LongFork {
        let mut long_fork = LongFork { shape, groups: Vec::new(), next_key: 1 };
        for _ in 0..long_fork.shape.keys.max(1) {
            let group = long_fork.fresh();
            long_fork.groups.push(group);
        }
        long_fork
    }

    fn size(&self) -> u64 {
        u64::from(self.shape.txn_max.max(2))
    }

    fn fresh(&mut self) -> Group {
        let first = self.next_key;
        self.next_key += self.size();
        Group { first, unwritten: (first..self.next_key).collect() }
    }

    fn mops(&mut self, rng: &mut ChaCha8Rng) -> Vec<RegisterMop> {
        let slot = self.shape.slot(self.groups.len(), rng);
        if self.shape.reads(rng) {
            let first = self.groups[slot].first;
            let mut keys: Vec<Key> = (first..first + self.size()).collect();
            rng.shuffle(&mut keys);
            return keys
                .into_iter()
                .map(|key| RegisterMop::Read { key, value: Held::Unknown })
                .collect();
        }
        if self.groups[slot].unwritten.is_empty() {
            self.groups[slot] = self.fresh();
        }
        let unwritten = &mut self.groups[slot].unwritten;
        let key = unwritten.swap_remove(rng.range(0, unwritten.len() as u64) as usize);
        vec![RegisterMop::Write { key, value: WRITTEN }]
    }
}

impl Generator for LongFork {
    fn next(&mut self, context: &Context, rng: &mut ChaCha8Rng) -> Next {
        let Some(thread) = context.free(rng) else { return Next::Pending };
        Next::Invoke { thread: thread.id, op: Op::Registers(self.mops(rng)) }
    }

    fn update(&mut self, _: &Event) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Seed, Stream};
    use std::collections::BTreeSet;

    #[test]
    fn a_key_is_written_once_and_a_group_is_read_whole() {
        let shape = Shape { keys: 3, txn_max: 3, ..Shape::default() };
        let (mut long_fork, mut rng) = (LongFork::new(shape), Seed(7).stream(Stream::Workload));
        let mut written = BTreeSet::new();
        for _ in 0..3000 {
            match &long_fork.mops(&mut rng)[..] {
                [RegisterMop::Write { key, .. }] => assert!(written.insert(*key), "{key}"),
                mops => {
                    let groups: BTreeSet<u64> =
                        mops.iter().map(|mop| (mop.key() - 1) / 3).collect();
                    let keys: BTreeSet<Key> = mops.iter().map(RegisterMop::key).collect();
                    assert_eq!((mops.len(), groups.len(), keys.len()), (3, 1, 3));
                }
            }
        }
        assert!(written.len() > 1000, "{}", written.len());
    }
}
