//! Appends that failed, the newest of them: whoever reads an older one is told that nobody appended it.

use super::order::Id;
use crate::op::{Key, Value};
use std::collections::{BTreeMap, VecDeque};

/// So many are remembered.
const FAILED_MAX: usize = 256;

/// Those that are remembered.
#[derive(Debug, Default)]
pub(super) struct Failed {
    by: BTreeMap<(Key, Value), Id>,
    oldest_first: VecDeque<(Key, Value)>,
}

impl Failed {
    pub fn len(&self) -> usize {
        self.by.len()
    }

    pub fn add(&mut self, key: Key, value: Value, txn: Id) {
        self.by.insert((key, value), txn);
        self.oldest_first.push_back((key, value));
        if self.oldest_first.len() > FAILED_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.by.remove(&oldest);
        }
    }

    /// The transaction that appended it.
    pub fn txn(&self, key: Key, value: Value) -> Option<Id> {
        self.by.get(&(key, value)).copied()
    }
}
