//! A history as columns: transactions in completion order, and all that touches a key side by side.
//!
//! Invocations and completions are paired by process. A history may lack invocations (bare completions);
//! an operation that never completed is kept as [`Outcome::Open`]. Nothing is copied out of the history:
//! micro-operations are borrowed. Operations of another alphabet count as transactions that touch nothing.

use super::dependencies::{Moment, Timeline};
use super::words::Shown;
use crate::history::{History, Kind, Process};
use crate::op::{Key, Op};
use std::collections::BTreeMap;
use std::ops::Range;

pub use crate::columns::Outcome;

/// A micro-operation of one alphabet.
pub trait MicroOp: Sized {
    /// Those of an operation; none where it is of another alphabet.
    fn all(op: &Op) -> &[Self];
    /// What it touches.
    fn key(&self) -> Key;
}

/// One transaction.
#[derive(Debug)]
pub struct Txn<'h, M> {
    /// The event that stands for it: its completion, or its invocation while open.
    pub event: usize,
    /// Its invocation, where the history has one.
    pub invoked: Option<usize>,
    pub outcome: Outcome,
    pub mops: &'h [M],
}

/// One micro-operation, from its key's point of view.
#[derive(Debug)]
pub struct Touch<'h, M> {
    pub txn: u32,
    /// Its position in the transaction.
    pub index: u32,
    pub mop: &'h M,
}

impl<M> Clone for Touch<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Touch<'_, M> {}

/// The columns.
#[derive(Debug)]
pub struct Columns<'h, M> {
    pub history: &'h History,
    /// In completion order, open ones last.
    pub txns: Vec<Txn<'h, M>>,
    /// The transaction of each event, [`NONE`] for the nemesis.
    pub txn_of_event: Vec<u32>,
    /// Distinct, ascending: a key's row is its position.
    pub keys: Vec<Key>,
    /// By row, then by transaction, then by position in it.
    pub touches: Vec<Touch<'h, M>>,
    first_touch: Vec<u32>,
}

/// No transaction, no write, no position.
pub const NONE: u32 = u32::MAX;

impl<M> Timeline for Columns<'_, M> {
    fn count(&self) -> usize {
        self.txns.len()
    }

    fn outcome(&self, txn: u32) -> Outcome {
        self.txns[txn as usize].outcome
    }

    fn process(&self, txn: u32) -> Process {
        self.history.events[self.txns[txn as usize].event].process
    }

    fn each_moment(&self, mut act: impl FnMut(u32, Moment)) {
        for (index, event) in self.history.client_events() {
            let moment = match event.kind {
                Kind::Invoke => Moment::Invoked,
                Kind::Ok => Moment::Succeeded,
                Kind::Fail | Kind::Info => continue,
            };
            act(self.txn_of_event[index], moment);
        }
    }
}

impl<'h, M: MicroOp> Columns<'h, M> {
    /// Reads the history once. The error is what makes it impossible to check, in one sentence.
    pub fn new(history: &'h History) -> Result<Columns<'h, M>, String> {
        let mut txn_of_event = vec![NONE; history.events.len()];
        let txns = pair(history, &mut txn_of_event)?;
        let mut keys = Vec::with_capacity(txns.iter().map(|txn| txn.mops.len()).sum());
        keys.extend(txns.iter().flat_map(|txn| txn.mops).map(M::key));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        let mut columns = Columns {
            history,
            txns,
            txn_of_event,
            first_touch: vec![0; keys.len() + 1],
            keys,
            touches: Vec::new(),
        };
        columns.group_by_key(count);
        Ok(columns)
    }

    /// The row of a key that the history names.
    pub fn row(&self, key: Key) -> usize {
        // Keys are mostly numbered from 0 without gaps.
        match self.keys.get(key as usize) {
            Some(found) if *found == key => key as usize,
            _ => self.keys.binary_search(&key).expect("every key of the history has a row"),
        }
    }

    /// Where the touches of a row are.
    pub fn touches_of(&self, row: usize) -> Range<usize> {
        self.first_touch[row] as usize..self.first_touch[row + 1] as usize
    }

    /// The transaction that a touch belongs to.
    pub fn txn(&self, touch: &Touch<M>) -> &Txn<'h, M> {
        &self.txns[touch.txn as usize]
    }

    /// A transaction as words need it.
    pub fn shown(&self, txn: u32) -> Shown {
        let txn = &self.txns[txn as usize];
        let event = &self.history.events[txn.event];
        let at = |index: usize| (index, self.history.events[index].time);
        Shown {
            process: event.process,
            outcome: txn.outcome,
            node: event.node,
            ended: at(txn.event),
            invoked: txn.invoked.map(at),
        }
    }

    fn group_by_key(&mut self, count: usize) {
        for mop in self.txns.iter().flat_map(|txn| txn.mops) {
            let row = self.row(mop.key());
            self.first_touch[row + 1] += 1;
        }
        for row in 0..self.keys.len() {
            self.first_touch[row + 1] += self.first_touch[row];
        }
        let mut free = self.first_touch.clone();
        let Some(filler) = self.txns.iter().find_map(|txn| txn.mops.first()) else { return };
        let mut touches = vec![Touch { txn: 0, index: 0, mop: filler }; count];
        for (number, txn) in self.txns.iter().enumerate() {
            for (index, mop) in txn.mops.iter().enumerate() {
                let slot = &mut free[self.row(mop.key())];
                touches[*slot as usize] = Touch { txn: number as u32, index: index as u32, mop };
                *slot += 1;
            }
        }
        self.touches = touches;
    }
}

/// Pairs invocations with completions.
fn pair<'h, M: MicroOp>(
    history: &'h History,
    txn_of_event: &mut [u32],
) -> Result<Vec<Txn<'h, M>>, String> {
    let mut txns: Vec<Txn<M>> = Vec::with_capacity(history.events.len() / 2 + 1);
    let mut running: BTreeMap<Process, usize> = BTreeMap::new();
    for (index, event) in history.client_events() {
        if event.kind == Kind::Invoke {
            if let Some(earlier) = running.insert(event.process, index) {
                return Err(format!(
                    "{} invokes at event {index} while its operation of event {earlier} is open: \
                     a process asks one thing at a time",
                    event.process
                ));
            }
            continue;
        }
        let invoked = running.remove(&event.process);
        let outcome = match event.kind {
            Kind::Ok => Outcome::Ok,
            Kind::Fail => Outcome::Fail,
            Kind::Info | Kind::Invoke => Outcome::Info,
        };
        let mut mops = M::all(&event.op);
        if let (true, Some(invoked)) = (mops.is_empty(), invoked) {
            // A completion that does not repeat what was asked.
            mops = M::all(&history.events[invoked].op);
        }
        note(txn_of_event, txns.len(), [Some(index), invoked]);
        txns.push(Txn { event: index, invoked, outcome, mops });
    }
    let mut open: Vec<usize> = running.into_values().collect();
    open.sort_unstable();
    for index in open {
        note(txn_of_event, txns.len(), [Some(index), None]);
        let mops = M::all(&history.events[index].op);
        txns.push(Txn { event: index, invoked: Some(index), outcome: Outcome::Open, mops });
    }
    Ok(txns)
}

fn note(txn_of_event: &mut [u32], txn: usize, events: [Option<usize>; 2]) {
    events.into_iter().flatten().for_each(|event| txn_of_event[event] = txn as u32);
}
