//! A serial order, if one is easily had: transactions are taken in the order of their completions, each as soon as all that
//! must come before it was taken. What is left then lies on a cycle, or behind one; if nothing is, there is no cycle.
//!
//! The dependencies are not written down: that a version is overwritten after it was read, and read after it was appended,
//! shows in the [slots](super::slots). Takes part who may be followed, as in [`dependencies`](super::dependencies); what
//! was taken lies on no cycle, so the graph need not hold it. By two threads, one takes from the end what nothing left comes
//! [after](super::rewind), and what neither could take is looked at last.

use super::rewind;
use super::slots::Slots;
use super::touches::Touches;
use crate::checker::transactional::dependencies::Order;
use crate::columns::{Columns, NONE, Outcome};
use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;

/// Of many readers that an append waits for, only these last ones wake it.
pub(super) const WAKING_READERS: u32 = 4;
/// Looks at transactions, for each one: who needs more is left to the graph.
pub(super) const LOOKS_MAX: usize = 16;

/// What was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// By transaction.
    pub taken: Vec<bool>,
    /// Whether that is all that take part.
    pub complete: bool,
}

impl Taken {
    /// Of so many transactions.
    pub fn nothing(count: usize) -> Taken {
        Taken { taken: vec![false; count], complete: false }
    }
}

/// Takes what can be taken.
pub(super) fn take(all: &Touches, slots: &Slots, order: Order, jobs: usize) -> Taken {
    let count = all.columns.len();
    let mut replay = Replay::new(all.columns, slots, order);
    if jobs == 1 {
        replay.over(0..count);
    } else {
        let half = count / 2;
        let later = thread::scope(|scope| {
            let later = scope.spawn(|| rewind::take(all.columns, slots, order, half));
            replay.over(0..half);
            later.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        replay.taken[half..].copy_from_slice(&later);
        replay.advance();
        replay.over(half..count);
    }
    Taken { complete: replay.left == 0, taken: replay.taken }
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
    slots: &'a Slots,
    /// By slot how many reads of it were not taken.
    readers: Vec<u32>,
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
    /// How many were looked at and not taken.
    left: usize,
}

impl<'a> Replay<'a> {
    fn new(columns: &'a Columns, slots: &'a Slots, order: Order) -> Replay<'a> {
        let count = columns.len();
        let mut replay = Replay {
            columns,
            slots,
            readers: slots.readers.clone(),
            realtime: order == Order::Realtime,
            before: if order == Order::Process { same_process(columns) } else { Vec::new() },
            taken: vec![false; count],
            earliest: 0,
            behind_txn: vec![NONE; count],
            behind_slot: vec![NONE; slots.writers.len()],
            next: vec![NONE; count],
            awake: Vec::new(),
            left: 0,
        };
        replay.advance();
        replay
    }

    /// Takes what can be taken of these, and of those before that wait for them.
    fn over(&mut self, txns: Range<usize>) {
        let looks_max = LOOKS_MAX * (txns.len() + 64);
        let mut looks = 0;
        for txn in txns {
            if self.taken[txn] || !takes_part(self.columns, self.slots, txn) {
                continue;
            }
            self.left += 1;
            if looks > looks_max {
                continue;
            }
            self.awake.push(txn as u32);
            while let Some(txn) = self.awake.pop() {
                looks += 1;
                self.left -= usize::from(self.look(txn));
            }
        }
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
        slots_of(self.columns, self.slots, number).find_map(|(slot, appends)| {
            if let Some(writer) = self.slots.writer_before(slot)
                && writer != txn
                && !self.taken[writer as usize]
            {
                return Some(Obstacle::Txn(writer));
            }
            let readers = self.readers[slot];
            if !appends || readers == 0 {
                return None;
            }
            let own =
                slots_of(self.columns, self.slots, number).filter(|own| *own == (slot, false));
            let own = own.count();
            (readers as usize > own).then_some(Obstacle::Readers(slot))
        })
    }

    fn take(&mut self, txn: u32) {
        let number = txn as usize;
        self.taken[number] = true;
        self.advance();
        let (columns, slots) = (self.columns, self.slots);
        for (slot, _) in slots_of(columns, slots, number).filter(|(_, appends)| !appends) {
            self.readers[slot] -= 1;
            if self.readers[slot] <= WAKING_READERS {
                let last = std::mem::replace(&mut self.behind_slot[slot], NONE);
                self.wake(last);
            }
        }
        let last = std::mem::replace(&mut self.behind_txn[number], NONE);
        self.wake(last);
    }

    fn advance(&mut self) {
        while self.earliest < self.columns.closed()
            && (self.taken[self.earliest] || self.columns.outcome(self.earliest) != Outcome::Ok)
        {
            self.earliest += 1;
        }
    }

    /// Those that wait for the same; the first of them is looked at first.
    fn wake(&mut self, mut last: u32) {
        while last != NONE {
            self.awake.push(last);
            last = self.next[last as usize];
        }
    }
}

/// Whether anything may come after a transaction.
pub(super) fn takes_part(columns: &Columns, slots: &Slots, txn: usize) -> bool {
    let shows = |(slot, appends): (usize, bool)| !appends || slots.writers[slot] == txn as u32;
    match columns.outcome(txn) {
        Outcome::Ok => true,
        Outcome::Fail => false,
        Outcome::Info | Outcome::Open => slots_of(columns, slots, txn).any(shows),
    }
}

/// The slots of a transaction's micro-operations, and whether each is an append.
pub(super) fn slots_of<'s>(
    columns: &Columns,
    slots: &'s Slots,
    txn: usize,
) -> impl Iterator<Item = (usize, bool)> + use<'s> {
    slots.of_cells(columns.first_cell(txn)..columns.first_cell(txn + 1))
}
