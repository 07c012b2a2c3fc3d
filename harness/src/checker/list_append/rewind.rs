//! The end of a serial order: transactions are taken from the last on, each as soon as all that must come after it was taken.
//! The twin of [`replay`](super::replay), for the later part of a history.
//!
//! Promises: from what is left nothing leads into what was taken, so no cycle goes through that.

use super::replay::{LOOKS_MAX, WAKING_READERS, slots_of, takes_part};
use super::slots::Slots;
use crate::checker::transactional::dependencies::Order;
use crate::columns::{Columns, NONE, Outcome};
use std::collections::BTreeMap;

/// For each transaction from `from` on whether it was taken.
pub(super) fn take(columns: &Columns, slots: &Slots, order: Order, from: usize) -> Vec<bool> {
    let mut rewind = Rewind::new(columns, slots, order, from);
    let looks_max = LOOKS_MAX * (columns.len() - from + 64);
    let mut looks = 0;
    for txn in (from..columns.len()).rev() {
        if !takes_part(columns, slots, txn) {
            continue;
        }
        rewind.awake.push(txn as u32);
        while let Some(txn) = rewind.awake.pop() {
            looks += 1;
            rewind.look(txn as usize);
        }
        if looks > looks_max {
            break;
        }
    }
    rewind.taken
}

/// What a transaction waits for.
enum Obstacle {
    Txn(usize),
    Slot(usize),
    /// The transactions that were invoked last.
    Invoked,
    /// One that is not to be taken here.
    Never,
}

struct Rewind<'a> {
    columns: &'a Columns,
    slots: &'a Slots,
    /// By slot how many reads of it, and how many appends there that nobody saw, were not taken.
    readers: Vec<u32>,
    unseen: Vec<u32>,
    /// Where this part begins. What is kept by transaction begins there.
    from: usize,
    realtime: bool,
    /// The one that must come after it, if the order of processes counts.
    after: Vec<u32>,
    taken: Vec<bool>,
    /// How many were not taken of those that were invoked when so many had ended, and where the last of them are.
    invoked: Vec<u32>,
    latest: usize,
    behind_invoked: Vec<u32>,
    behind_txn: Vec<u32>,
    behind_slot: Vec<u32>,
    next: Vec<u32>,
    awake: Vec<u32>,
}

impl<'a> Rewind<'a> {
    fn new(columns: &'a Columns, slots: &'a Slots, order: Order, from: usize) -> Rewind<'a> {
        let count = columns.len() - from;
        let realtime = order == Order::Realtime;
        let mut rewind = Rewind {
            columns,
            slots,
            readers: slots.readers.clone(),
            unseen: slots.unseen.clone(),
            from,
            realtime,
            after: if order == Order::Process { same_process(columns) } else { Vec::new() },
            taken: vec![false; count],
            invoked: vec![0; if realtime { columns.closed().saturating_sub(from) + 1 } else { 1 }],
            latest: 0,
            behind_invoked: Vec::new(),
            behind_txn: vec![NONE; count],
            behind_slot: vec![NONE; slots.writers.len()],
            next: vec![NONE; count],
            awake: Vec::new(),
        };
        rewind.behind_invoked = vec![NONE; rewind.invoked.len()];
        rewind.count();
        rewind
    }

    /// Counts who was invoked when, and the appends of unknown outcome that nobody saw.
    fn count(&mut self) {
        for txn in 0..self.columns.len() {
            let sure = self.columns.outcome(txn) == Outcome::Ok;
            if sure && txn < self.from || !takes_part(self.columns, self.slots, txn) {
                continue;
            }
            if !sure {
                for (slot, _) in slots_of(self.columns, self.slots, txn)
                    .filter(|(slot, appends)| *appends && self.slots.writers[*slot] != txn as u32)
                {
                    self.unseen[slot] += 1;
                }
            }
            if let Some(ended) = self.ended_before(txn) {
                self.invoked[ended] += 1;
                self.latest = self.latest.max(ended);
            }
        }
    }

    /// How many had ended when it was invoked, counted from where this part begins.
    fn ended_before(&self, txn: usize) -> Option<usize> {
        let ended = self.realtime.then(|| self.columns.ended_before(txn)).flatten()?;
        ended.checked_sub(self.from)
    }

    /// Takes a transaction, or lets it wait.
    fn look(&mut self, txn: usize) {
        let last = match self.obstacle(txn) {
            None => return self.take(txn),
            Some(Obstacle::Never) => return,
            Some(Obstacle::Txn(later)) => &mut self.behind_txn[later - self.from],
            Some(Obstacle::Slot(slot)) => &mut self.behind_slot[slot],
            Some(Obstacle::Invoked) => &mut self.behind_invoked[self.latest],
        };
        self.next[txn - self.from] = std::mem::replace(last, txn as u32);
    }

    fn obstacle(&self, txn: usize) -> Option<Obstacle> {
        let sure = self.columns.outcome(txn) == Outcome::Ok;
        if self.realtime && sure && self.latest + self.from > txn {
            return Some(Obstacle::Invoked);
        }
        let after = self.after.get(txn).filter(|after| **after != NONE);
        if let Some(after) = after.filter(|after| !self.is_taken(**after)) {
            return Some(Obstacle::Txn(*after as usize));
        }
        slots_of(self.columns, self.slots, txn).find_map(|(slot, appends)| {
            // What follows an append is what its version is followed by, and who read it.
            let next = match (appends, self.slots.writers[slot] == txn as u32) {
                (false, _) => slot,
                (true, true) => slot + 1,
                (true, false) => return None,
            };
            let writer = self.slots.writers[next];
            if writer != NONE && writer as usize != txn && !self.is_taken(writer) {
                let here = writer as usize >= self.from;
                return Some(if here { Obstacle::Txn(writer as usize) } else { Obstacle::Never });
            }
            let waits = self.unseen[next] as usize > self.own(txn, next, true)
                || appends && self.readers[next] as usize > self.own(txn, next, false);
            waits.then_some(Obstacle::Slot(next))
        })
    }

    fn is_taken(&self, txn: u32) -> bool {
        (txn as usize).checked_sub(self.from).is_some_and(|txn| self.taken[txn])
    }

    /// How many of its own micro-operations are in a slot.
    fn own(&self, txn: usize, slot: usize, appends: bool) -> usize {
        let own = slots_of(self.columns, self.slots, txn);
        own.filter(|own| *own == (slot, appends)).count()
    }

    fn take(&mut self, txn: usize) {
        self.taken[txn - self.from] = true;
        let (columns, slots) = (self.columns, self.slots);
        for (slot, appends) in slots_of(columns, slots, txn) {
            let left = match (appends, slots.writers[slot] == txn as u32) {
                (false, _) => &mut self.readers[slot],
                (true, false) => &mut self.unseen[slot],
                (true, true) => continue,
            };
            *left -= 1;
            if *left <= WAKING_READERS {
                let last = std::mem::replace(&mut self.behind_slot[slot], NONE);
                self.wake(last);
            }
        }
        if let Some(ended) = self.ended_before(txn) {
            self.invoked[ended] -= 1;
            if self.invoked[ended] == 0 {
                while self.latest > 0 && self.invoked[self.latest] == 0 {
                    self.latest -= 1;
                }
                let last = std::mem::replace(&mut self.behind_invoked[ended], NONE);
                self.wake(last);
            }
        }
        let last = std::mem::replace(&mut self.behind_txn[txn - self.from], NONE);
        self.wake(last);
    }

    /// Those that wait for the same; the first of them is looked at first.
    fn wake(&mut self, mut last: u32) {
        while last != NONE {
            self.awake.push(last);
            last = self.next[last as usize - self.from];
        }
    }
}

/// For each transaction that succeeded the one after it of the same process.
fn same_process(columns: &Columns) -> Vec<u32> {
    let mut later: BTreeMap<u32, u32> = BTreeMap::new();
    let mut after = vec![NONE; columns.len()];
    for txn in (0..columns.len()).rev().filter(|txn| columns.outcome(*txn) == Outcome::Ok) {
        after[txn] = later.insert(columns.process(txn), txn as u32).unwrap_or(NONE);
    }
    after
}
