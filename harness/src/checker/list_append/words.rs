//! Anomalies in words: who, when, which key, which elements.

use super::direct::Finding;
use super::touches::{Touch, Touches};
use super::versions::Versions;
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::graph::Edge;
use crate::checker::transactional::words::{Shown, Told, Words, each_once};
use crate::columns::MopRef;
use crate::op::{Key, Value};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::rc::Rc;

/// Lists up to this length are written in full.
const FULL_LENGTH: usize = 8;

/// What the words are about.
pub(super) struct ListWords<'c> {
    pub all: &'c Touches<'c>,
    /// Of the keys that there was something to say of.
    known: RefCell<BTreeMap<usize, Rc<Versions<'c>>>>,
}

impl Words for ListWords<'_> {
    type Finding = Finding;

    fn shown(&self, txn: u32) -> Shown {
        self.all.shown(txn)
    }

    fn mops(&self, txn: u32, around: &[Value]) -> String {
        let mops = self.all.columns.mops(txn as usize);
        let mops: Vec<String> = mops.map(|mop| elided(mop, around)).collect();
        format!("[{}]", mops.join(" "))
    }

    fn because(&self, (from, edge, to): (u32, Edge, u32), a: &str, b: &str) -> Because {
        match edge {
            Edge::Ww => self.overwritten(from, to, a, b),
            Edge::Wr => self.observed(from, to, a, b),
            Edge::Rw => self.missed(from, to, a, b),
            Edge::Process | Edge::Realtime | Edge::Relay => unexplained(a, b),
        }
    }

    fn finding(&self, finding: &Finding) -> Told {
        use crate::checker::transactional::AnomalyType::*;
        let touches: Vec<Touch> =
            finding.touches.iter().map(|i| self.all.of(finding.row)[*i]).collect();
        let writers = finding.values.iter();
        let writers: Vec<u32> =
            writers.filter_map(|value| self.writer(finding.row, *value)).collect();
        let txns = touches.iter().map(|touch| touch.txn).chain(writers.iter().copied());
        let events: Vec<usize> = txns.map(|txn| self.all.event(txn)).collect();
        let read = touches[0];
        let text = match finding.anomaly {
            GarbageRead => format!(
                "garbage read: {}, read by {}, was appended by nobody: {}",
                self.element(finding),
                self.name(read.txn),
                self.elided(read, &finding.values),
            ),
            DuplicateElements => self.duplicate(finding, read, &writers),
            IncompatibleOrder => self.incompatible(finding, &touches),
            G1a => format!(
                "aborted read: {}, read by {}, was appended by {}, which failed: {}",
                self.element(finding),
                self.name(read.txn),
                self.writer_name(&writers),
                self.elided(read, &finding.values),
            ),
            G1b => format!(
                "intermediate read: {} read key {} up to {}, after which {} appended more to it: {}",
                self.name(read.txn),
                self.key(finding),
                finding.values[0],
                self.writer_name(&writers),
                self.elided(read, &finding.values),
            ),
            DirtyUpdate => self.dirty_update(finding, read),
            FutureRead => format!(
                "future read: {} read {} before it appended that itself: {}",
                self.name(read.txn),
                self.element(finding),
                self.elided(read, &finding.values),
            ),
            ReorderedAppends => format!(
                "reordered appends: {} appended {} and then {} to key {}, but {} read them the other way \
                 round: {}",
                self.writer_name(&writers),
                finding.values[0],
                finding.values[1],
                self.key(finding),
                self.name(read.txn),
                self.elided(read, &finding.values),
            ),
            LostUpdate => self.lost_update(finding, &touches),
            _ => self.internal(read),
        };
        Told { text, events: each_once(events) }
    }
}

impl<'c> ListWords<'c> {
    pub fn new(all: &'c Touches<'c>) -> ListWords<'c> {
        ListWords { all, known: RefCell::default() }
    }

    /// The versions of a key.
    pub fn versions(&self, row: usize) -> Rc<Versions<'c>> {
        let mut known = self.known.borrow_mut();
        let versions = known.entry(row).or_insert_with(|| {
            Rc::new(Versions::new(self.all, row).expect("they were in order when they were judged"))
        });
        Rc::clone(versions)
    }

    fn internal(&self, read: Touch) -> String {
        let key = self.all.columns.mops(read.txn as usize).nth(read.index()).map(|mop| mop.key());
        let before = self.all.columns.mops(read.txn as usize).take(read.index());
        let before = before.filter(|mop| Some(mop.key()) == key).filter_map(read_values).last();
        let values = self.mop(read).and_then(read_values).unwrap_or(&[]);
        let around = differing(before.unwrap_or(&[]), values);
        format!(
            "internal contradiction: {} read {}, which does not follow from what it had read and appended \
             before: {}",
            self.name(read.txn),
            self.elided(read, &around),
            self.mops(read.txn, &around),
        )
    }

    fn duplicate(&self, finding: &Finding, read: Touch, writers: &[u32]) -> String {
        let value = finding.values[0];
        let times = self.values(finding, read).iter().filter(|other| **other == value);
        let times = match times.count() {
            2 => "twice".to_string(),
            count => format!("{count} times"),
        };
        let appended = match writers {
            [] => "appended by nobody".to_string(),
            _ => format!("appended once by {}", self.writer_name(writers)),
        };
        let (element, reader) = (self.element(finding), self.name(read.txn));
        let list = self.elided(read, &finding.values);
        format!("duplicate append: {element}, {appended}, read {times} by {reader}: {list}")
    }

    fn incompatible(&self, finding: &Finding, touches: &[Touch]) -> String {
        let [shorter, longer] = touches else { return String::new() };
        let lists = [shorter, longer].map(|touch| self.values(finding, *touch));
        let around = differing(lists[0], lists[1]);
        format!(
            "incompatible order: key {} was read as {} by {} and as {} by {}: the first should be a \
             prefix of the second",
            self.key(finding),
            elided_list(lists[0], &around),
            self.name(shorter.txn),
            elided_list(lists[1], &around),
            self.name(longer.txn),
        )
    }

    fn dirty_update(&self, finding: &Finding, read: Touch) -> String {
        let writer = |i: usize| {
            let txn = self.writer(finding.row, finding.values[i]);
            txn.map_or("nobody".to_string(), |txn| self.name(txn))
        };
        format!(
            "dirty update: key {}: {}, appended by {}, which failed, comes before {}, appended by {}, \
             which succeeded; read by {}: {}",
            self.key(finding),
            finding.values[0],
            writer(0),
            finding.values[1],
            writer(1),
            self.name(read.txn),
            self.elided(read, &finding.values),
        )
    }

    fn lost_update(&self, finding: &Finding, touches: &[Touch]) -> String {
        let names: Vec<String> = touches.iter().take(4).map(|touch| self.name(touch.txn)).collect();
        let more = touches.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "lost update: key {} was read as {} by {}{more}, and each of them then appended to it, the \
             first as {}",
            self.key(finding),
            self.elided(touches[0], &[]),
            names.join(" and "),
            self.mops(touches[0].txn, &[]),
        )
    }

    fn mop(&self, touch: Touch) -> Option<MopRef<'c>> {
        self.all.columns.mops(touch.txn as usize).nth(touch.index())
    }

    fn elided(&self, touch: Touch, around: &[Value]) -> String {
        self.mop(touch).map_or(String::new(), |mop| elided(mop, around))
    }

    fn values(&self, finding: &Finding, touch: Touch) -> &'c [Value] {
        self.all.values(finding.row, touch).unwrap_or(&[])
    }

    fn key(&self, finding: &Finding) -> Key {
        self.all.key(finding.row)
    }

    fn element(&self, finding: &Finding) -> String {
        format!("key {} value {}", self.key(finding), finding.values[0])
    }

    fn writer(&self, row: usize, value: Value) -> Option<u32> {
        self.versions(row).append_of(self.all, value).map(|append| append.txn)
    }

    fn writer_name(&self, writers: &[u32]) -> String {
        writers.first().map_or("nobody".to_string(), |txn| self.name(*txn))
    }
}

/// The list that a micro-operation read.
pub(super) fn read_values(mop: MopRef<'_>) -> Option<&[Value]> {
    match mop {
        MopRef::Read { values, .. } => values,
        MopRef::Append { .. } => None,
    }
}

/// The elements at the first place where two lists differ.
fn differing(a: &[Value], b: &[Value]) -> Vec<Value> {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    [a.get(same), b.get(same)].into_iter().flatten().copied().collect()
}

/// A micro-operation, of a long list only the beginning, the end and what is near some elements.
fn elided(mop: MopRef, around: &[Value]) -> String {
    match mop {
        MopRef::Append { key, value } => format!("[:append {key} {value}]"),
        MopRef::Read { key, values: None } => format!("[:r {key} nil]"),
        MopRef::Read { key, values: Some(values) } => {
            format!("[:r {key} {}]", elided_list(values, around))
        }
    }
}

/// `[1 2 … 112 113 114 … 300]`.
pub(super) fn elided_list(values: &[Value], around: &[Value]) -> String {
    let shown = shown_positions(values, around);
    let mut text = String::from("[");
    let mut next = 0;
    for position in shown {
        if position > 0 {
            text.push(' ');
        }
        if position > next {
            text.push_str("… ");
        }
        let _ = write!(text, "{}", values[position]);
        next = position + 1;
    }
    text.push(']');
    text
}

fn shown_positions(values: &[Value], around: &[Value]) -> BTreeSet<usize> {
    let last = values.len();
    if last <= FULL_LENGTH {
        return (0..last).collect();
    }
    let mut shown = BTreeSet::from([0, last - 2, last - 1]);
    for (position, _) in values.iter().enumerate().filter(|(_, value)| around.contains(value)) {
        shown.extend(position.saturating_sub(1)..(position + 2).min(last));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_differ_where_one_has_another_element_or_none() {
        assert_eq!(differing(&[1, 2, 3], &[1, 5, 3]), [2, 5]);
        assert_eq!(differing(&[1, 2], &[1, 2, 3]), [3]);
        assert!(differing(&[1, 2], &[1, 2]).is_empty());
    }

    #[test]
    fn a_long_list_is_shown_at_its_ends_and_around_what_matters() {
        let values: Vec<Value> = (1..=300).collect();
        assert_eq!(elided_list(&values, &[113]), "[1 … 112 113 114 … 299 300]");
        assert_eq!(elided_list(&values, &[]), "[1 … 299 300]");
        assert_eq!(elided_list(&values[..4], &[]), "[1 2 3 4]");
        assert_eq!(elided_list(&[], &[1]), "[]");
    }
}
