//! A toy list store that runs random plans, and what may be done to its history afterwards.

use crate::schedule::{End, Plan, Step, agenda};
use harness::history::{Event, History, Kind, Process};
use harness::op::{Key, Mop, Op, Value};
use std::collections::BTreeMap;
use std::time::Duration;

/// All lists.
pub type State = BTreeMap<Key, Vec<Value>>;

/// Runs plans against a list store.
pub fn execute(plans: &[Plan], atomic: bool) -> History {
    let mut run = Run::new(plans);
    for (time, step, txn) in agenda(plans, atomic) {
        match step {
            Step::Invoke => run.invoke(time, txn),
            Step::Effect(index) => run.effect(txn, index),
            Step::Complete => run.complete(time, txn),
        }
    }
    run.history
}

struct Run<'p> {
    plans: &'p [Plan],
    store: State,
    asked: Vec<Vec<Mop>>,
    seen: Vec<Vec<Mop>>,
    processes: Vec<u32>,
    free: Vec<u32>,
    processes_used: u32,
    history: History,
}

impl<'p> Run<'p> {
    fn new(plans: &'p [Plan]) -> Run<'p> {
        let mut appended: BTreeMap<Key, Value> = BTreeMap::new();
        let mut mop = |(key, append, _): &(Key, bool, u64)| {
            if !append {
                return Mop::Read { key: *key, values: None };
            }
            let value = appended.entry(*key).or_default();
            *value += 1;
            Mop::Append { key: *key, value: *value }
        };
        let asked: Vec<Vec<Mop>> =
            plans.iter().map(|plan| plan.mops.iter().map(&mut mop).collect()).collect();
        Run {
            plans,
            store: BTreeMap::new(),
            seen: asked.clone(),
            processes: vec![0; asked.len()],
            asked,
            free: Vec::new(),
            processes_used: 0,
            history: History::default(),
        }
    }

    fn invoke(&mut self, time: u64, txn: usize) {
        self.processes[txn] = self.free.pop().unwrap_or_else(|| {
            self.processes_used += 1;
            self.processes_used - 1
        });
        self.push(time, txn, Kind::Invoke, self.asked[txn].clone());
    }

    fn effect(&mut self, txn: usize, index: usize) {
        if !self.plans[txn].end.happens() {
            return;
        }
        match &mut self.seen[txn][index] {
            Mop::Append { key, value } => self.store.entry(*key).or_default().push(*value),
            Mop::Read { key, values } => {
                *values = Some(self.store.get(key).cloned().unwrap_or_default());
            }
        }
    }

    fn complete(&mut self, time: u64, txn: usize) {
        match self.plans[txn].end {
            End::Ok => {
                // Effects that come too late (one at a time they may) were not seen.
                let mut mops = self.seen[txn].clone();
                for mop in &mut mops {
                    if let Mop::Read { values, .. } = mop {
                        values.get_or_insert_default();
                    }
                }
                self.push(time, txn, Kind::Ok, mops);
                self.free.push(self.processes[txn]);
            }
            End::Fail => {
                self.push(time, txn, Kind::Fail, self.asked[txn].clone());
                self.free.push(self.processes[txn]);
            }
            End::Info { .. } => self.push(time, txn, Kind::Info, self.asked[txn].clone()),
            End::Never { .. } => {}
        }
    }

    fn push(&mut self, time: u64, txn: usize, kind: Kind, mops: Vec<Mop>) {
        push(&mut self.history, time, self.processes[txn], kind, mops);
    }
}

/// Appends an event.
pub fn push(history: &mut History, time: u64, process: u32, kind: Kind, mops: Vec<Mop>) {
    let time = Duration::from_millis(time);
    let (process, op) = (Process::Client(process), Op::Txn(mops));
    history.push(Event { time, process, kind, op, node: None, error: None });
}

/// Disturbs one list that was read, if there is one at that place.
pub fn slip(history: &mut History, event: usize, mop: usize, place: usize) {
    let Some(event) = history.events.get_mut(event).filter(|event| event.kind == Kind::Ok) else {
        return;
    };
    let Op::Txn(mops) = &mut event.op else { return };
    if let Some(Mop::Read { values: Some(values), .. }) = mops.get_mut(mop) {
        match place {
            0 => values.reverse(),
            1 => drop(values.pop()),
            2 => values.extend(values.first().copied()),
            _ => values.extend([4]),
        }
    }
}
