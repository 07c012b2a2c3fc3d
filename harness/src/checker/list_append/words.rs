//! Anomalies in words: who, when, which key, which elements.

use super::direct::Finding;
use super::versions::{Versions, read_values};
use crate::checker::transactional::columns::{Columns, Touch, Txn};
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::graph::Edge;
use crate::checker::transactional::words::{Told, Words, each_once};
use crate::op::{Mop, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Lists up to this length are written in full.
const FULL_LENGTH: usize = 8;

/// What the words are about.
#[derive(Clone, Copy)]
pub(super) struct ListWords<'a, 'h> {
    pub columns: &'a Columns<'h, Mop>,
    pub versions: &'a Versions<'h>,
}

impl<'h> Words<'h> for ListWords<'_, 'h> {
    type Mop = Mop;
    type Finding = Finding;

    fn columns(&self) -> &Columns<'h, Mop> {
        self.columns
    }

    fn mop(&self, mop: &Mop, around: &[Value]) -> String {
        elided(mop, around)
    }

    fn because(&self, (from, edge, to): (u32, Edge, u32), a: &str, b: &str) -> Because {
        let (before, after) = (&self.columns.txns[from as usize], &self.columns.txns[to as usize]);
        match edge {
            Edge::Ww => self.overwritten(from, after, a, b),
            Edge::Wr => self.observed(from, after, a, b),
            Edge::Rw => self.missed(before, to, a, b),
            Edge::Process | Edge::Realtime | Edge::Relay => unexplained(a, b),
        }
    }

    fn finding(&self, finding: &Finding) -> Told {
        use crate::checker::transactional::AnomalyType::*;
        let touches: Vec<&Touch<Mop>> = finding.touches.iter().map(|i| self.touch(*i)).collect();
        let mut events: Vec<usize> =
            touches.iter().map(|touch| self.columns.txn(touch).event).collect();
        let writers = finding.values.iter();
        let writers: Vec<&Txn<Mop>> =
            writers.filter_map(|value| self.writer(finding.row, *value)).collect();
        events.extend(writers.iter().map(|txn| txn.event));
        let read = touches[0];
        let text = match finding.anomaly {
            GarbageRead => format!(
                "garbage read: {}, read by {}, was appended by nobody: {}",
                self.element(finding),
                self.who(read),
                elided(read.mop, &finding.values),
            ),
            DuplicateElements => self.duplicate(finding, read, &writers),
            IncompatibleOrder => self.incompatible(finding, &touches),
            G1a => format!(
                "aborted read: {}, read by {}, was appended by {}, which failed: {}",
                self.element(finding),
                self.who(read),
                self.writer_name(&writers),
                elided(read.mop, &finding.values),
            ),
            G1b => format!(
                "intermediate read: {} read key {} up to {}, after which {} appended more to it: {}",
                self.who(read),
                self.key(finding),
                finding.values[0],
                self.writer_name(&writers),
                elided(read.mop, &finding.values),
            ),
            DirtyUpdate => self.dirty_update(finding, read),
            FutureRead => format!(
                "future read: {} read {} before it appended that itself: {}",
                self.who(read),
                self.element(finding),
                elided(read.mop, &finding.values),
            ),
            ReorderedAppends => format!(
                "reordered appends: {} appended {} and then {} to key {}, but {} read them the other way \
                 round: {}",
                self.writer_name(&writers),
                finding.values[0],
                finding.values[1],
                self.key(finding),
                self.who(read),
                elided(read.mop, &finding.values),
            ),
            LostUpdate => self.lost_update(finding, &touches),
            _ => self.internal(read),
        };
        Told { text, events: each_once(events) }
    }
}

impl<'h> ListWords<'_, 'h> {
    fn internal(self, read: &Touch<Mop>) -> String {
        let txn = self.columns.txn(read);
        let before = txn.mops[..read.index as usize].iter().rev();
        let before = before.filter(|mop| mop.key() == read.mop.key()).find_map(read_values);
        let around = differing(before.unwrap_or(&[]), read_values(read.mop).unwrap_or(&[]));
        format!(
            "internal contradiction: {} read {}, which does not follow from what it had read and appended \
             before: {}",
            self.name(txn),
            elided(read.mop, &around),
            self.mops(txn, &around),
        )
    }

    fn duplicate(self, finding: &Finding, read: &Touch<Mop>, writers: &[&Txn<Mop>]) -> String {
        let value = finding.values[0];
        let times = read_values(read.mop).unwrap_or(&[]).iter().filter(|other| **other == value);
        let times = match times.count() {
            2 => "twice".to_string(),
            count => format!("{count} times"),
        };
        let appended = match writers {
            [] => "appended by nobody".to_string(),
            _ => format!("appended once by {}", self.writer_name(writers)),
        };
        let (element, reader) = (self.element(finding), self.who(read));
        let list = elided(read.mop, &finding.values);
        format!("duplicate append: {element}, {appended}, read {times} by {reader}: {list}")
    }

    fn incompatible(self, finding: &Finding, touches: &[&Touch<Mop>]) -> String {
        let [shorter, longer] = touches else { return String::new() };
        let lists = [shorter, longer].map(|touch| read_values(touch.mop).unwrap_or(&[]));
        let around = differing(lists[0], lists[1]);
        format!(
            "incompatible order: key {} was read as {} by {} and as {} by {}: the first should be a \
             prefix of the second",
            self.key(finding),
            elided_list(lists[0], &around),
            self.who(shorter),
            elided_list(lists[1], &around),
            self.who(longer),
        )
    }

    fn dirty_update(self, finding: &Finding, read: &Touch<Mop>) -> String {
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
            self.who(read),
            elided(read.mop, &finding.values),
        )
    }

    fn lost_update(self, finding: &Finding, touches: &[&Touch<Mop>]) -> String {
        let names: Vec<String> = touches.iter().take(4).map(|touch| self.who(touch)).collect();
        let more = touches.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let first = self.columns.txn(touches[0]);
        format!(
            "lost update: key {} was read as {} by {}{more}, and each of them then appended to it, the \
             first as {}",
            self.key(finding),
            elided(touches[0].mop, &[]),
            names.join(" and "),
            self.mops(first, &[]),
        )
    }

    fn touch(&self, touch: usize) -> &Touch<'h, Mop> {
        &self.columns.touches[touch]
    }

    fn key(self, finding: &Finding) -> u64 {
        self.columns.keys[finding.row]
    }

    fn element(self, finding: &Finding) -> String {
        format!("key {} value {}", self.key(finding), finding.values[0])
    }

    fn writer(&self, row: usize, value: Value) -> Option<&Txn<'h, Mop>> {
        let append = self.versions.append_of(self.columns, row, value)?;
        Some(&self.columns.txns[append.txn as usize])
    }

    fn writer_name(self, writers: &[&Txn<Mop>]) -> String {
        writers.first().map_or("nobody".to_string(), |txn| self.name(txn))
    }
}

/// The elements at the first place where two lists differ.
fn differing(a: &[Value], b: &[Value]) -> Vec<Value> {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    [a.get(same), b.get(same)].into_iter().flatten().copied().collect()
}

/// A micro-operation, of a long list only the beginning, the end and what is near some elements.
pub(super) fn elided(mop: &Mop, around: &[Value]) -> String {
    match mop {
        Mop::Read { key, values: Some(values) } => {
            format!("[:r {key} {}]", elided_list(values, around))
        }
        short => short.to_string(),
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
