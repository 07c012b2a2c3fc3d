//! What must come before what, of the transactions that are kept.
//!
//! Every transaction has an *earliest* moment: the latest of its own invocation and of those of all that must come before it.
//! One that ended before its earliest moment comes both before and after another: that is every cycle with real time in it. A
//! cycle without is one of transactions with the same earliest moment, and is looked for among these alone.
//!
//! A transaction is forgotten when it ended before everything open was asked, all its appends were seen, and all that must come
//! before it was forgotten: nothing new can come before it, unless what shows that is an anomaly by itself. Where appends are
//! not read for long, the oldest is forgotten all the same: then cycles through it are not seen, and it is counted.

use crate::history::Process;
use crate::op::{Key, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A transaction: the position of its invocation, which is its earliest moment, too.
pub(super) type Id = usize;

/// So many transactions may wait for reads of their appends, or for others that do.
pub(super) const WAITING_MAX: usize = 1024;

/// Why one comes before the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its append stands before the other's.
    Ww,
    /// The other read its append.
    Wr,
    /// It did not see the other's append.
    Rw,
}

/// An edge's evidence: the element that was appended, or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub kind: Kind,
    pub key: Key,
    pub value: Value,
}

/// By when a transaction must have taken effect: somebody's completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub event: usize,
    /// Its own, or that of one who saw it.
    pub by: Id,
    pub process: Process,
}

/// Of what was forgotten: the earliest moment of what comes after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Floor {
    pub earliest: usize,
    pub of: Id,
    pub process: Process,
}

/// What raised an earliest moment.
#[derive(Clone, Copy, Debug)]
enum Why {
    Kept(Id, Edge),
    Forgotten(Floor, Edge),
}

/// A read of a list up to there.
pub(super) type Read = (Key, usize);

/// An append.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub key: Key,
    pub value: Value,
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Txn {
    pub process: Process,
    /// Its completion, if it succeeded.
    pub ended: Option<usize>,
    pub due: Option<Due>,
    pub earliest: usize,
    why: Option<Why>,
    after: Vec<(Id, Edge)>,
    /// How many that are kept must come before it.
    before: usize,
    /// Whether it is known to have taken effect.
    pub happened: bool,
    /// Whether nothing more is heard of it.
    pub closed: bool,
    pub appends: Vec<Own>,
    pub unseen: usize,
    pub reads: Vec<Read>,
}

/// A contradiction: each step comes before the next, and the last before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    /// With what leads from each to the next.
    pub steps: Vec<(Id, Edge)>,
    pub last: Id,
    /// What leads from the last to the first: an edge, or real time.
    pub close: Close,
}

/// How a cycle is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Close {
    By(Edge),
    /// The last must have taken effect by then, and the first was asked later; what was forgotten lies before the first step.
    Realtime {
        due: Due,
        asked: usize,
        forgotten: Option<(Floor, Edge)>,
    },
}

/// All that are kept.
#[derive(Debug, Default)]
pub(super) struct Order {
    txns: BTreeMap<Id, Txn>,
    open: BTreeSet<Id>,
    /// Closed, by when they must have taken effect; not yet before all that is open.
    closed: BTreeSet<(usize, Id)>,
    /// The same, before all that is open.
    settled: BTreeSet<(usize, Id)>,
    edges: usize,
    /// How many were forgotten that something might have come before.
    pub forgotten_early: usize,
}

impl Order {
    pub fn get(&self, id: Id) -> Option<&Txn> {
        self.txns.get(&id)
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut Txn> {
        self.txns.get_mut(&id)
    }

    pub fn len(&self) -> usize {
        self.txns.len()
    }

    pub fn edges(&self) -> usize {
        self.edges
    }

    /// The oldest transaction whose end is waited for.
    pub fn oldest_open(&self) -> Option<Id> {
        self.open.first().copied()
    }

    /// A transaction is asked.
    pub fn begin(&mut self, id: Id, process: Process, appends: Vec<Own>) {
        let unseen = appends.len();
        self.open.insert(id);
        let txn = Txn {
            process,
            ended: None,
            due: None,
            earliest: id,
            why: None,
            after: Vec::new(),
            before: 0,
            happened: false,
            closed: false,
            appends,
            unseen,
            reads: Vec::new(),
        };
        self.txns.insert(id, txn);
    }

    /// It succeeded.
    pub fn succeed(&mut self, id: Id, event: usize) {
        self.open.remove(&id);
        let Some(txn) = self.txns.get_mut(&id) else { return };
        let due = Due { event, by: id, process: txn.process };
        (txn.ended, txn.due, txn.closed) = (Some(event), Some(due), true);
        self.closed.insert((event, id));
    }

    /// Nobody knows what became of it. If nobody sees that it happened, it is kept for as long as it may have appended.
    pub fn give_up(&mut self, id: Id) {
        self.open.remove(&id);
        let Some(txn) = self.txns.get_mut(&id) else { return };
        txn.closed = true;
        if let Some(due) = txn.due {
            self.closed.insert((due.event, id));
        } else if txn.appends.is_empty() {
            self.txns.remove(&id);
        }
    }

    /// It did not happen, and nobody thought so.
    pub fn drop(&mut self, id: Id) {
        self.open.remove(&id);
        self.txns.remove(&id);
    }

    /// Somebody saw it, who ended then.
    pub fn seen_by(&mut self, id: Id, due: Due) {
        let Some(txn) = self.txns.get_mut(&id) else { return };
        if txn.due.is_some_and(|known| known.event <= due.event) {
            return;
        }
        let before = txn.due.replace(due);
        if txn.closed {
            if let Some(before) = before {
                self.closed.remove(&(before.event, id));
                self.settled.remove(&(before.event, id));
            }
            self.closed.insert((due.event, id));
        }
    }

    /// One comes before the other, if both are kept.
    pub fn edge(&mut self, from: Id, to: Id, edge: Edge) -> Result<(), Cycle> {
        if from == to || !self.txns.contains_key(&to) {
            return Ok(());
        }
        let Some(first) = self.txns.get_mut(&from) else { return Ok(()) };
        if first.after.iter().any(|(known, _)| *known == to) {
            return Ok(());
        }
        first.after.push((to, edge));
        self.edges += 1;
        let earliest = first.earliest;
        let second = self.txns.get_mut(&to).expect("it is kept");
        second.before += 1;
        if earliest > second.earliest {
            self.raise(to, earliest, Why::Kept(from, edge))?;
        }
        if self.txns[&to].earliest == self.txns[&from].earliest {
            return self.look_for_cycle(from, to, edge);
        }
        Ok(())
    }

    /// What was forgotten comes before it, if it is kept.
    pub fn after_floor(&mut self, to: Id, floor: Option<Floor>, edge: Edge) -> Result<(), Cycle> {
        match floor {
            Some(floor) => self.raise(to, floor.earliest, Why::Forgotten(floor, edge)),
            None => Ok(()),
        }
    }

    /// It comes before what was forgotten and must have taken effect by then.
    pub fn before_due(&self, from: Id, due: Due, edge: Edge) -> Result<(), Cycle> {
        match self.txns.get(&from) {
            Some(txn) if txn.earliest > due.event => {
                let mut cycle = self.chain(from, due);
                cycle.steps.push((from, edge));
                cycle.last = due.by;
                Err(cycle)
            }
            _ => Ok(()),
        }
    }

    fn raise(&mut self, to: Id, earliest: usize, why: Why) -> Result<(), Cycle> {
        let mut raised = vec![(to, why)];
        while let Some((id, why)) = raised.pop() {
            let Some(txn) = self.txns.get_mut(&id).filter(|txn| txn.earliest < earliest) else {
                continue;
            };
            (txn.earliest, txn.why) = (earliest, Some(why));
            if let Some(due) = txn.due.filter(|due| due.event < earliest) {
                return Err(self.chain(id, due));
            }
            raised.extend(txn.after.iter().map(|(next, edge)| (*next, Why::Kept(id, *edge))));
        }
        Ok(())
    }

    /// From where its earliest moment comes to a transaction that must have taken effect before that.
    fn chain(&self, last: Id, due: Due) -> Cycle {
        let asked = self.txns[&last].earliest;
        let (mut steps, mut forgotten, mut at) = (Vec::new(), None, last);
        while at != asked {
            match self.txns.get(&at).and_then(|txn| txn.why) {
                Some(Why::Kept(before, edge)) => {
                    steps.push((before, edge));
                    at = before;
                }
                Some(Why::Forgotten(floor, edge)) => {
                    forgotten = Some((floor, edge));
                    break;
                }
                None => break,
            }
        }
        steps.reverse();
        Cycle { steps, last, close: Close::Realtime { due, asked, forgotten } }
    }

    /// A way back from `to` to `from` among those with the same earliest moment.
    fn look_for_cycle(&self, from: Id, to: Id, edge: Edge) -> Result<(), Cycle> {
        let earliest = self.txns[&from].earliest;
        let mut came: BTreeMap<Id, (Id, Edge)> = BTreeMap::new();
        let mut left = vec![to];
        while let Some(id) = left.pop() {
            if id == from {
                return Err(closed(from, to, edge, &came));
            }
            for (next, by) in &self.txns[&id].after {
                let same = self.txns.get(next).is_some_and(|txn| txn.earliest == earliest);
                if same && *next != to && !came.contains_key(next) {
                    came.insert(*next, (id, *by));
                    left.push(*next);
                }
            }
        }
        Ok(())
    }

    /// Forgets what may be, and says what that was. Of some an append was just seen.
    pub fn forget(&mut self, just_seen: &[Id]) -> Vec<(Id, Txn)> {
        let mut forgotten = Vec::new();
        just_seen.iter().for_each(|id| self.forget_ready(*id, &mut forgotten));
        let horizon = self.oldest_open().unwrap_or(usize::MAX);
        while let Some((due, id)) = self.closed.first().copied().filter(|(due, _)| *due < horizon) {
            self.closed.remove(&(due, id));
            self.settled.insert((due, id));
            self.forget_ready(id, &mut forgotten);
        }
        while self.settled.len() > WAITING_MAX
            && let Some((_, id)) = self.settled.first().copied()
        {
            self.forgotten_early += 1;
            for next in self.forget_one(id, &mut forgotten) {
                self.forget_ready(next, &mut forgotten);
            }
        }
        forgotten
    }

    fn forget_ready(&mut self, id: Id, forgotten: &mut Vec<(Id, Txn)>) {
        let mut ready = vec![id];
        while let Some(id) = ready.pop() {
            let Some(txn) = self.txns.get(&id) else { continue };
            let due = txn.due.map_or(usize::MAX, |due| due.event);
            if txn.before == 0 && txn.unseen == 0 && self.settled.contains(&(due, id)) {
                ready.extend(self.forget_one(id, forgotten));
            }
        }
    }

    /// Those that come after it and have one fewer to wait for.
    fn forget_one(&mut self, id: Id, forgotten: &mut Vec<(Id, Txn)>) -> Vec<Id> {
        let Some(txn) = self.txns.remove(&id) else { return Vec::new() };
        if let Some(due) = txn.due {
            self.settled.remove(&(due.event, id));
        }
        self.edges -= txn.after.len();
        let after: Vec<Id> = txn.after.iter().map(|(next, _)| *next).collect();
        for next in &after {
            if let Some(next) = self.txns.get_mut(next) {
                next.before -= 1;
            }
        }
        forgotten.push((id, txn));
        after
    }
}

fn closed(from: Id, to: Id, edge: Edge, came: &BTreeMap<Id, (Id, Edge)>) -> Cycle {
    let mut steps = Vec::new();
    let mut at = from;
    while at != to {
        let (before, by) = came[&at];
        steps.push((before, by));
        at = before;
    }
    steps.reverse();
    Cycle { steps, last: from, close: Close::By(edge) }
}
