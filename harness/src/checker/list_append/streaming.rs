//! List-append while the history grows, for strict serializability: other models let a transaction read what is long over, so
//! that nothing may be forgotten, and are left to the checker of whole histories.
//!
//! What shows by itself is told at once: reads of failed and intermediate states, of what nobody asked to append, elements
//! twice, incompatible orders, contradictions within a transaction. Everything else is a cycle, found by `order` when the
//! completion comes that closes it. Of a list only its end is kept (`lists`).
//!
//! Promises: no false alarm; and as long as nothing was forgotten early, it finds something wrong exactly in the histories in
//! which the checker of whole histories does. What is held grows with what is open, with the keys, and with appends that
//! nobody has read yet, not with the history. Operations that never complete and those of unknown outcome are kept until seen.
//!
//! Cannot see: cycles through one of the transactions that were forgotten early, because what they appended was not read by
//! 1,024 others; the outcome of what was open for more than 2^17 events; what reads of
//! unknown or failed transactions show. `finish` says how many there were, and calls that `Unknown`.

mod asked;
mod failed;
mod lists;
mod order;
mod trouble;
mod words;

use super::direct::Expected;
use crate::checker::streaming::{Held, Streaming};
use crate::checker::{Anomaly, Verdict};
use crate::history::{Event, Kind as Ending, Process};
use crate::op::{Key, Mop, Value};
use failed::Failed;
use lists::{Append, List, edge, hashed};
use order::{Cycle, Due, Floor, Id, Kind, Order, Own};
use std::collections::BTreeMap;
use trouble::{Shown, Trouble, incompatible, stale, unknown, wrong};

/// An operation that is open for so many events counts as one of unknown outcome.
const LATE_AFTER: usize = 1 << 17;

/// Runs of elements over all lists, beyond one each, at which it gives up: an element that is appended twice must be noticed.
const RUNS_MAX: usize = 1 << 20;

/// Checks transactions over lists as they come.
#[derive(Default)]
pub struct StreamingLists {
    order: Order,
    lists: BTreeMap<Key, List>,
    failed: Failed,
    running: BTreeMap<Process, Running>,
    just_seen: Vec<Id>,
    /// Whether somebody read a list as one left it who had come to an end.
    depends: bool,
    /// Runs of elements, beyond the first of each list.
    runs: usize,
    late: usize,
    /// Transactions without success that show what they read.
    unjudged: usize,
    over: Option<Verdict>,
}

struct Running {
    id: Id,
    appends: Vec<Own>,
    /// Whether it was open for so long that its end is not waited for.
    is_late: bool,
}

impl StreamingLists {
    fn step(&mut self, index: usize, event: &Event) -> Result<(), Trouble> {
        let (process, mops) = (event.process, event.op.mops());
        if event.kind == Ending::Invoke {
            return self.asked(index, process, mops);
        }
        let Some(Running { id, appends, is_late }) = self.running.remove(&process) else {
            return Err(Trouble::Unfit(format!(
                "event {index} completes what {process} has not asked for"
            )));
        };
        if !mops.is_empty() && !own(mops).eq(appends.iter().map(|own| (own.key, own.value))) {
            return Err(Trouble::Unfit(format!("event {index} appends other than was asked for")));
        }
        let shows = |mop: &Mop| matches!(mop, Mop::Read { values: Some(_), .. });
        self.unjudged += usize::from(event.kind != Ending::Ok && mops.iter().any(shows));
        match event.kind {
            _ if is_late => Ok(()),
            Ending::Ok => self.succeeded(Due { event: index, by: id, process }, mops),
            Ending::Fail => self.failed(index, id, &appends),
            Ending::Info | Ending::Invoke => {
                self.order.give_up(id);
                Ok(())
            }
        }
    }

    fn asked(&mut self, index: usize, process: Process, mops: &[Mop]) -> Result<(), Trouble> {
        let appends: Vec<Own> = own(mops).map(|(key, value)| Own { key, value }).collect();
        let places = (0..mops.len()).filter(|place| matches!(mops[*place], Mop::Append { .. }));
        for (at, place) in places.enumerate() {
            let Own { key, value } = appends[at];
            let list = self.lists.entry(key).or_insert_with(List::new);
            let runs = list.asked.runs();
            if !list.asked.insert(value) {
                return Err(Trouble::Unfit(format!(
                    "value {value} is appended to key {key} again by event {index}: an element must be unique \
                     within its key"
                )));
            }
            self.runs = self.runs + list.asked.runs().max(1) - runs.max(1);
            if self.runs > RUNS_MAX {
                return Err(Trouble::Unfit(format!(
                    "elements are numbered with more than {RUNS_MAX} gaps: whether one is appended twice is known at the end alone"
                )));
            }
            let is_last = appends[at + 1..].iter().all(|later| later.key != key);
            let append = Append { txn: index, index: place, is_last, forgotten: None };
            list.unseen.insert(value, append);
        }
        self.order.begin(index, process, appends.clone());
        let running = Running { id: index, appends, is_late: false };
        match self.running.insert(process, running) {
            Some(Running { id, .. }) => Err(Trouble::Unfit(format!(
                "{process} invokes at event {index} while its operation of event {id} is open: a process asks one \
                 thing at a time"
            ))),
            None => Ok(()),
        }
    }

    fn failed(&mut self, index: usize, id: Id, appends: &[Own]) -> Result<(), Trouble> {
        let happened = self.order.get(id).is_some_and(|txn| txn.happened);
        if happened {
            let seen = |own: &&Own| self.lists[&own.key].shows(own.value);
            let own = appends.iter().find(seen).expect("it was seen to happen");
            let Own { key, value } = *own;
            let text = format!(
                "element {value} of key {key} was read, and the transaction of event {id} that appended it failed"
            );
            return Err(wrong("G1a", &text, vec![id], index));
        }
        for Own { key, value } in appends {
            if let Some(list) = self.lists.get_mut(key) {
                list.unseen.remove(value);
            }
            self.failed.add(*key, *value, id);
        }
        self.order.drop(id);
        Ok(())
    }

    fn succeeded(&mut self, due: Due, mops: &[Mop]) -> Result<(), Trouble> {
        agrees_with_itself(mops, due)?;
        self.order.succeed(due.by, due.event);
        for mop in mops {
            if let Mop::Read { key, values } = mop {
                let values = values.as_deref().unwrap_or_default();
                self.read(&Shown { key: *key, values, by: due })?;
            }
        }
        Ok(self.happens(due.by)?)
    }

    fn read(&mut self, shown: &Shown) -> Result<(), Trouble> {
        let Shown { key, values, by } = *shown;
        let list = self.lists.entry(key).or_insert_with(List::new);
        let known = list.len();
        if values.len() < list.first {
            return Err(stale(shown, list));
        }
        let common = values.len().min(known);
        let hash = values[..common].iter().fold(0, |hash, value| hashed(hash, *value));
        if list.version(common).is_none_or(|version| version.hash != hash) {
            return Err(incompatible(shown, list));
        }
        for value in &values[common..] {
            self.place(shown, *value)?;
        }
        if values.len() > known {
            self.overtake(key)?;
        }
        self.settle_read(key, values.len(), by)
    }

    /// The list goes on with an element.
    fn place(&mut self, shown: &Shown, value: Value) -> Result<(), Trouble> {
        let Shown { key, by, .. } = *shown;
        let list = self.lists.get_mut(&key).expect("it was looked at");
        let Some(append) = list.unseen.remove(&value) else {
            return Err(unknown(shown, self.failed.txn(key, value), value));
        };
        let is_later = |earlier: &(Value, Append)| {
            earlier.1.txn == append.txn && earlier.1.index > append.index
        };
        let mut before = list.versions.iter().filter_map(|version| version.end);
        let out_of_order = if append.is_last { None } else { before.find(is_later) };
        if let Some((first, _)) = out_of_order {
            let id = append.txn;
            let text = format!(
                "key {key} shows {first} before {value}, which the transaction of event {id} appended the other way round"
            );
            return Err(wrong("reordered-appends", &text, vec![by.by, id], by.event));
        }
        self.follows_last(key, value, append)?;
        let list = self.lists.get_mut(&key).expect("it was looked at");
        list.push(value, append);
        if let Some(txn) = self.order.get_mut(append.txn) {
            txn.unseen -= 1;
            self.just_seen.push(append.txn);
            if append.txn != by.by {
                self.order.seen_by(append.txn, by);
            }
            self.happens(append.txn)?;
        }
        Ok(())
    }

    /// An append that happened and is not seen comes after all that is.
    fn follows_last(&mut self, key: Key, value: Value, append: Append) -> Result<(), Cycle> {
        let last = self.lists[&key].last();
        let (ww, rw) = (edge(Kind::Ww, key, value), edge(Kind::Rw, key, value));
        let writer = last.end.map(|(_, before)| before.txn);
        let kept = writer.iter().map(|id| (*id, ww)).chain(last.readers.iter().map(|id| (*id, rw)));
        let floors = [(last.written, ww), (last.read, rw)];
        for (before, edge) in kept {
            match append.forgotten {
                None => self.order.edge(before, append.txn, edge)?,
                Some((_, due)) => self.order.before_due(before, due, edge)?,
            }
        }
        for (floor, edge) in floors {
            if append.forgotten.is_none() {
                self.order.after_floor(append.txn, floor, edge)?;
            }
        }
        Ok(())
    }

    /// The last version is a new one: what happened and is not seen comes after it.
    fn overtake(&mut self, key: Key) -> Result<(), Cycle> {
        for (value, append) in self.unseen(key) {
            self.follows_last(key, value, append)?;
        }
        Ok(())
    }

    /// Appends to a key that happened and that nobody saw.
    fn unseen(&self, key: Key) -> Vec<(Value, Append)> {
        let happened = |append: &Append| {
            append.forgotten.is_some() || self.order.get(append.txn).is_some_and(|txn| txn.happened)
        };
        let unseen = self.lists[&key].unseen.iter().filter(|(_, append)| happened(append));
        unseen.map(|(value, append)| (*value, *append)).collect()
    }

    /// A transaction is known to have taken effect.
    fn happens(&mut self, id: Id) -> Result<(), Cycle> {
        let Some(txn) = self.order.get_mut(id).filter(|txn| !txn.happened) else { return Ok(()) };
        txn.happened = true;
        for Own { key, value } in txn.appends.clone() {
            if let Some(append) = self.lists[&key].unseen.get(&value).copied() {
                self.follows_last(key, value, append)?;
            }
        }
        Ok(())
    }

    /// A read comes after who wrote what it shows and before who wrote what it does not.
    fn settle_read(&mut self, key: Key, length: usize, by: Due) -> Result<(), Trouble> {
        let list = &self.lists[&key];
        let Some(version) = list.version(length) else { return Ok(()) };
        let (end, written) = (version.end, version.written);
        let next = list.version(length + 1).and_then(|version| version.end);
        if let Some((value, append)) = end {
            let Append { txn, is_last, .. } = append;
            if !is_last && txn != by.by {
                let text = format!(
                    "key {key} was read up to {value}, after which the transaction of event {txn} appended more to it"
                );
                return Err(wrong("G1b", &text, vec![txn, by.by], by.event));
            }
            let wr = edge(Kind::Wr, key, value);
            self.depends |= txn != by.by && self.order.get(txn).is_none_or(|txn| txn.closed);
            self.order.edge(txn, by.by, wr)?;
            self.order.after_floor(by.by, written, wr)?;
        }
        let later = match next {
            Some(next) => vec![next],
            None => self.unseen(key),
        };
        for (value, append) in later {
            let rw = edge(Kind::Rw, key, value);
            match append.forgotten {
                None => self.order.edge(by.by, append.txn, rw)?,
                Some((_, due)) => self.order.before_due(by.by, due, rw)?,
            }
        }
        if let (Some(txn), Some(list)) = (self.order.get_mut(by.by), self.lists.get_mut(&key))
            && let Some(version) = list.version_mut(length)
            && !version.readers.contains(&by.by)
        {
            version.readers.push(by.by);
            txn.reads.push((key, length));
        }
        Ok(())
    }

    fn forget(&mut self, index: usize) {
        while let Some(oldest) = self.order.oldest_open().filter(|id| index - id > LATE_AFTER) {
            self.order.give_up(oldest);
            self.late += 1;
            let late = self.running.values_mut().find(|running| running.id == oldest);
            late.into_iter().for_each(|running| running.is_late = true);
        }
        let just_seen = std::mem::take(&mut self.just_seen);
        for (id, txn) in self.order.forget(&just_seen) {
            let floor = Floor { earliest: txn.earliest, of: id, process: txn.process };
            let Some(due) = txn.due else { continue };
            for (key, length) in txn.reads {
                self.lists.entry(key).or_insert_with(List::new).forget_read(length, id, floor);
            }
            for Own { key, value } in txn.appends {
                let list = self.lists.entry(key).or_insert_with(List::new);
                list.forget_append(value, (floor, due));
            }
        }
    }

    fn over(&mut self, index: usize, trouble: Trouble) -> Option<Anomaly> {
        let anomaly = match trouble {
            Trouble::Unfit(reason) => {
                self.over = Some(Verdict::Unknown(vec![reason]));
                None
            }
            Trouble::Wrong(anomaly) => Some(anomaly),
            Trouble::Cycle(cycle) => Some(words::cycle(&cycle, &self.order, index)),
        };
        if let Some(anomaly) = &anomaly {
            self.over = Some(Verdict::Invalid(vec![anomaly.clone()]));
        }
        (self.order, self.lists) = (Order::default(), BTreeMap::new());
        anomaly
    }

    fn undecided(&self) -> Vec<String> {
        let early = self.order.forgotten_early;
        let early = (early > 0).then(|| {
            format!(
                "{early} transactions were forgotten before all that they depend on was known: cycles through \
                 them would not have been seen"
            )
        });
        let late = (self.late > 0).then(|| {
            format!(
                "{} transactions were open for so long that their end was not waited for",
                self.late
            )
        });
        let unjudged = (self.unjudged > 0).then(|| {
            format!(
                "{} transactions that did not succeed show what they read: that is judged at the end alone",
                self.unjudged
            )
        });
        let little = (!self.depends).then(|| "nobody read what another had appended".to_owned());
        [early, late, unjudged, little].into_iter().flatten().collect()
    }
}

impl Streaming for StreamingLists {
    fn event(&mut self, index: usize, event: &Event) -> Option<Anomaly> {
        if self.over.is_some() || event.process == Process::Nemesis {
            return None;
        }
        match self.step(index, event) {
            Ok(()) => {
                self.forget(index);
                None
            }
            Err(trouble) => self.over(index, trouble),
        }
    }

    fn held(&self) -> Held {
        let of_list = |list: &List| list.versions.len() - 1 + list.unseen.len();
        Held {
            keys: self.lists.len(),
            operations: self.order.len() + self.running.len(),
            versions: self.lists.values().map(of_list).sum::<usize>()
                + self.failed.len()
                + self.runs,
            configurations: self.order.edges(),
        }
    }

    fn finish(self: Box<Self>) -> Verdict {
        let undecided = self.undecided();
        match self.over {
            Some(verdict) => verdict,
            None if undecided.is_empty() => Verdict::Valid,
            None => Verdict::Unknown(undecided),
        }
    }
}

fn own(mops: &[Mop]) -> impl Iterator<Item = (Key, Value)> {
    mops.iter().filter_map(|mop| match mop {
        Mop::Append { key, value } => Some((*key, *value)),
        Mop::Read { .. } => None,
    })
}

/// What a transaction says of itself: its reads must agree with its earlier reads and appends, and show none of its later ones.
fn agrees_with_itself(mops: &[Mop], by: Due) -> Result<(), Trouble> {
    let mut expected: BTreeMap<Key, Expected> = BTreeMap::new();
    for (at, mop) in mops.iter().enumerate() {
        let expects = expected.entry(mop.key()).or_insert(Expected::Anything);
        let (key, values) = match mop {
            Mop::Append { value, .. } => {
                expects.append(*value);
                continue;
            }
            Mop::Read { key, values } => (*key, values.as_deref()),
        };
        let later = own(&mops[at..]).find(|(other, value)| {
            *other == key && values.is_some_and(|values| values.contains(value))
        });
        if let Some((_, value)) = later {
            let text =
                format!("a transaction read key {key} with {value}, which it appended after that");
            return Err(wrong("future-read", &text, vec![by.by], by.event));
        }
        if !expects.allows(values) {
            let values = words::list(values.unwrap_or_default());
            let text = format!(
                "a transaction read key {key} as {values}, which its own earlier reads and appends contradict"
            );
            return Err(wrong("internal", &text, vec![by.by], by.event));
        }
        *expects = Expected::Exactly(values, Vec::new());
    }
    Ok(())
}
