//! The rows of keys, in the order in which the keys came: open addressing, linear probing. The table is only ever asked,
//! never walked, so no order of hashing can reach a result.

use crate::op::Key;

const EMPTY: u32 = u32::MAX;

/// Keys and their rows.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    keys: Vec<Key>,
    /// A power of two, at most half of it filled.
    slots: Vec<u32>,
}

impl Default for Rows {
    fn default() -> Rows {
        Rows { keys: Vec::new(), slots: vec![EMPTY; 64] }
    }
}

impl Rows {
    /// By row.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The row of a key, a new one if it is new.
    pub fn row(&mut self, key: Key) -> usize {
        let at = self.place(key);
        let row = self.slots[at];
        if row != EMPTY {
            return row as usize;
        }
        let row = self.keys.len();
        self.slots[at] = row as u32;
        self.keys.push(key);
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        row
    }

    fn place(&self, key: Key) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize & mask;
        while self.slots[at] != EMPTY && self.keys[self.slots[at] as usize] != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        self.slots = vec![EMPTY; self.slots.len() * 2];
        for row in 0..self.keys.len() {
            let at = self.place(self.keys[row]);
            self.slots[at] = row as u32;
        }
    }
}
