//! A serial order, if one is easily had: transactions are taken in the order of their completions, each as soon as all that
//! must come before it was taken. What is left then lies on a cycle, or behind one; if nothing is, there is no cycle.
//!
//! The dependencies are not written down: that a version is overwritten after it was read, and read after it was appended,
//! shows in the [slots](super::slots). Takes part who may be followed, as in [`dependencies`](super::dependencies); what
//! was taken lies on no cycle, so the graph need not hold it.

use super::slots::Slots;
use super::touches::Touches;
use crate::checker::transactional::dependencies::Order;
use crate::columns::{Columns, NONE, Outcome};
use std::collections::BTreeMap;

/// Of many readers that an append waits for, only these last ones wake it.
const WAKING_READERS: u32 = 4;
/// Looks at transactions, for each one: who needs more is left to the graph.
const LOOKS_MAX: usize = 16;

/// What was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// By transaction.
    pub taken: Vec<bool>,
    /// Whether that is all that take part.
    pub complete: bool,
}

/// Takes what can be taken. Counts the readers of the slots down.
pub(super) fn take(all: &Touches, slots: &mut Slots, order: Order) -> Taken {
    let count = all.columns.len();
    let mut replay = Replay {
        columns: all.columns,
        realtime: order == Order::Realtime,
        before: if order == Order::Process { same_process(all.columns) } else { Vec::new() },
        taken: vec![false; count],
        earliest: 0,
        behind_txn: vec![NONE; count],
        behind_slot: vec![NONE; slots.writers.len()],
        next: vec![NONE; count],
        awake: Vec::new(),
        slots,
    };
    let (mut left, mut looks) = (0, 0);
    for txn in 0..count {
        if !replay.takes_part(txn) {
            continue;
        }
        left += 1;
        replay.awake.push(txn as u32);
        while let Some(txn) = replay.awake.pop() {
            looks += 1;
            left -= usize::from(replay.look(txn));
        }
        if looks > LOOKS_MAX * (count + 64) {
            break;
        }
    }
    Taken { taken: replay.taken, complete: left == 0 && looks <= LOOKS_MAX * (count + 64) }
}

/// For each transaction that succeeded the one before it of the same process.
fn same_process(columns: &Columns) -> Vec<u32> {
    let mut last: BTreeMap<u32, u32> = BTreeMap::new();
    let before = |txn: usize| match columns.outcome(txn) {
        Outcome::Ok => last.insert(columns.process(txn), txn as u32).unwrap_or(NONE),
        Outcome::Info | Outcome::Fail | Outcome::Open => NONE,
    };
    (0..columns.len()).map(before).collect()
}

/// What a transaction waits for.
enum Obstacle {
    Txn(u32),
    Readers(usize),
}

struct Replay<'a> {
    columns: &'a Columns,
    slots: &'a mut Slots,
    realtime: bool,
    /// By transaction the one that must come before it, if the order of processes counts.
    before: Vec<u32>,
    taken: Vec<bool>,
    /// The first that succeeded and was not taken.
    earliest: usize,
    /// By transaction and by slot: the last that waits for it.
    behind_txn: Vec<u32>,
    behind_slot: Vec<u32>,
    /// The one that waits for the same.
    next: Vec<u32>,
    awake: Vec<u32>,
}

impl Replay<'_> {
    /// Whether anything may come after it.
    fn takes_part(&self, txn: usize) -> bool {
        match self.columns.outcome(txn) {
            Outcome::Ok => true,
            Outcome::Fail => false,
            Outcome::Info | Outcome::Open => self
                .slots_of(txn)
                .any(|(slot, appends)| !appends || self.slots.writers[slot] == txn as u32),
        }
    }

    fn slots_of(&self, txn: usize) -> impl Iterator<Item = (usize, bool)> {
        self.slots.of_cells(self.columns.first_cell(txn)..self.columns.first_cell(txn + 1))
    }

    /// Takes a transaction, or lets it wait.
    fn look(&mut self, txn: u32) -> bool {
        let last = match self.obstacle(txn) {
            None => {
                self.take(txn);
                return true;
            }
            Some(Obstacle::Txn(earlier)) => &mut self.behind_txn[earlier as usize],
            Some(Obstacle::Readers(slot)) => &mut self.behind_slot[slot],
        };
        self.next[txn as usize] = std::mem::replace(last, txn);
        false
    }

    fn obstacle(&self, txn: u32) -> Option<Obstacle> {
        let number = txn as usize;
        if self.realtime
            && let Some(ended) = self.columns.ended_before(number)
            && self.earliest < ended
        {
            return Some(Obstacle::Txn(self.earliest as u32));
        }
        if let Some(before) = self.before.get(number).filter(|before| **before != NONE)
            && !self.taken[*before as usize]
        {
            return Some(Obstacle::Txn(*before));
        }
        self.slots_of(number).find_map(|(slot, appends)| {
            if let Some(writer) = self.slots.writer_before(slot)
                && writer != txn
                && !self.taken[writer as usize]
            {
                return Some(Obstacle::Txn(writer));
            }
            let readers = self.slots.readers[slot];
            if !appends || readers == 0 {
                return None;
            }
            let own = self.slots_of(number).filter(|own| *own == (slot, false)).count();
            (readers as usize > own).then_some(Obstacle::Readers(slot))
        })
    }

    fn take(&mut self, txn: u32) {
        let number = txn as usize;
        self.taken[number] = true;
        while self.earliest < self.columns.closed()
            && (self.taken[self.earliest] || self.columns.outcome(self.earliest) != Outcome::Ok)
        {
            self.earliest += 1;
        }
        let cells = self.columns.first_cell(number)..self.columns.first_cell(number + 1);
        for cell in cells {
            let Some((slot, false)) = self.slots.of_cells(cell..cell + 1).next() else { continue };
            self.slots.readers[slot] -= 1;
            if self.slots.readers[slot] <= WAKING_READERS {
                let last = std::mem::replace(&mut self.behind_slot[slot], NONE);
                self.wake(last);
            }
        }
        let last = std::mem::replace(&mut self.behind_txn[number], NONE);
        self.wake(last);
    }

    /// Those that wait for the same; the first of them is looked at first.
    fn wake(&mut self, mut last: u32) {
        while last != NONE {
            self.awake.push(last);
            last = self.next[last as usize];
        }
    }
}
