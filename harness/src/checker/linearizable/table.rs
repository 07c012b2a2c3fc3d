//! A table from pairs of numbers to a number: open addressing, linear probing. It is only ever asked, never walked, so
//! no order of hashing can reach a result.

/// Nothing is known of this pair.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Slot {
    /// Filled in this round, or not at all.
    round: u32,
    value: u32,
    key: (u32, u64),
}

/// The table.
pub(super) struct Table {
    slots: Vec<Slot>,
    filled: usize,
    round: u32,
}

impl Table {
    pub fn new() -> Table {
        Table { slots: vec![EMPTY; 64], filled: 0, round: 1 }
    }

    pub fn len(&self) -> usize {
        self.filled
    }

    /// Empties it, and keeps its room.
    pub fn clear(&mut self) {
        self.filled = 0;
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.slots.fill(EMPTY);
            self.round = 1;
        }
    }

    /// What is kept for a pair, [`NONE`] at first, to be read and replaced.
    pub fn entry(&mut self, key: (u32, u64)) -> &mut u32 {
        if self.filled * 2 >= self.slots.len() {
            self.grow();
        }
        let at = self.place(key);
        let slot = &mut self.slots[at];
        if slot.round != self.round {
            *slot = Slot { round: self.round, value: NONE, key };
            self.filled += 1;
        }
        &mut slot.value
    }

    fn place(&self, key: (u32, u64)) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash(key) as usize & mask;
        while self.slots[at].round == self.round && self.slots[at].key != key {
            at = (at + 1) & mask;
        }
        at
    }

    fn grow(&mut self) {
        let larger = vec![EMPTY; self.slots.len() * 2];
        for slot in std::mem::replace(&mut self.slots, larger) {
            if slot.round == self.round {
                let at = self.place(slot.key);
                self.slots[at] = slot;
            }
        }
    }
}

const EMPTY: Slot = Slot { round: 0, value: NONE, key: (0, 0) };

/// Two rounds of multiplication and a fold, as wyhash does it.
fn hash((a, b): (u32, u64)) -> u64 {
    let wide = u128::from(b ^ 0x9e37_79b9_7f4a_7c15)
        * u128::from((u64::from(a) << 32 | u64::from(!a)) ^ 0xd6e8_feb8_6659_fd93);
    let folded = (wide as u64) ^ ((wide >> 64) as u64);
    folded.wrapping_mul(0xa076_1d64_78bd_642f) >> 16
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_keeps_what_a_map_keeps_over_rounds_and_growth() {
        let mut table = Table::new();
        for round in 0..3u32 {
            let mut map = BTreeMap::new();
            for i in 0..5000u32 {
                let key = (i % 700, u64::from(i * i % 91));
                let kept = table.entry(key);
                assert_eq!(*kept, map.get(&key).copied().unwrap_or(NONE));
                *kept = i + round;
                map.insert(key, i + round);
            }
            assert_eq!(table.len(), map.len());
            table.clear();
        }
    }
}
