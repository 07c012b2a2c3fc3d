//! What an edge was inferred from: the elements, the lists and the reader that show it.

use super::versions::{Append, Seen};
use super::words::{ListWords, elided_list};
use crate::checker::transactional::columns::{NONE, Txn};
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::words::Words;
use crate::op::{Mop, Value};

impl ListWords<'_, '_> {
    /// From write to write.
    pub fn overwritten(self, from: u32, after: &Txn<Mop>, a: &str, b: &str) -> Because {
        for mop in after.mops {
            let Mop::Append { key, value } = mop else { continue };
            let row = self.columns.row(*key);
            let Some(append) = self.versions.append_of(self.columns, row, *value) else { continue };
            let order = &self.versions.keys[row].order;
            let at = if append.position == NONE { order.len() } else { append.position as usize };
            let Some(earlier) = at.checked_sub(1) else { continue };
            if self.writer_at(row, earlier) != Some(from) {
                continue;
            }
            let earlier = order[earlier];
            let (witness, events) = self.witness(row, &[earlier, *value]);
            let text = if append.position == NONE {
                format!(
                    "{a}'s append of {earlier} is the last to key {key} in {witness}, which lacks {b}'s append of {value}"
                )
            } else {
                format!(
                    "{b} appended {value} to key {key} right after {a} had appended {earlier}: {witness}"
                )
            };
            return Because { text, events, values: vec![earlier, *value] };
        }
        unexplained(a, b)
    }

    /// From write to read.
    pub fn observed(self, from: u32, after: &Txn<Mop>, a: &str, b: &str) -> Because {
        for mop in after.mops {
            let Mop::Read { key, values: Some(values) } = mop else { continue };
            let Some(last) = values.last() else { continue };
            let row = self.columns.row(*key);
            let append = self.versions.append_of(self.columns, row, *last);
            if append.is_some_and(|append| append.txn == from) {
                let text = format!("{b} observed {a}'s append of {last} to key {key}");
                return Because { text, events: Vec::new(), values: vec![*last] };
            }
        }
        unexplained(a, b)
    }

    /// From read to write.
    pub fn missed(self, before: &Txn<Mop>, to: u32, a: &str, b: &str) -> Because {
        for mop in before.mops.iter().filter(|mop| matches!(mop, Mop::Read { .. })) {
            let row = self.columns.row(mop.key());
            let Some(last) = self.last_element(row, mop) else { continue };
            let next = last.map_or(0, |last| last + 1);
            let mut appends = self.versions.appends_of(row).iter();
            let follows = |append: &&Append| {
                let order = self.versions.keys[row].order.len();
                let at = if append.position == NONE { order } else { append.position as usize };
                append.txn == to && at == next
            };
            let Some(append) = appends.find(follows) else { continue };
            return self.because_missed(row, last, append, a, b);
        }
        unexplained(a, b)
    }

    fn because_missed(
        self,
        row: usize,
        last: Option<usize>,
        append: &Append,
        a: &str,
        b: &str,
    ) -> Because {
        let key = self.columns.keys[row];
        let last = last.map(|last| self.versions.keys[row].order[last]);
        let values: Vec<Value> = last.into_iter().chain([append.value]).collect();
        let state = match last {
            None => format!("{a} observed key {key} empty"),
            Some(last) => format!("{a} observed key {key} up to {last}"),
        };
        let (witness, events) = self.witness(row, &values);
        let text = if append.position == NONE {
            format!(
                "{state}, the end of all reads, and so did not see {b}'s append of {}",
                append.value
            )
        } else if events.is_empty() {
            format!(
                "{state} and so did not see {b}'s append of {}, the only one to it",
                append.value
            )
        } else {
            format!("{state} and did not see {b}'s append of {}, the next: {witness}", append.value)
        };
        Because { text, events, values }
    }

    /// The position of the last element that a read shows, as the versions of the key have it.
    fn last_element(self, row: usize, mop: &Mop) -> Option<Option<usize>> {
        let range = self.columns.touches_of(row);
        let touches = range.clone().zip(&self.columns.touches[range]);
        let (i, touch) = touches.into_iter().find(|(_, touch)| std::ptr::eq(touch.mop, mop))?;
        match self.versions.seen[i] {
            Seen::Nothing => None,
            seen => self.versions.last_seen(row, touch, seen),
        }
    }

    fn writer_at(self, row: usize, position: usize) -> Option<u32> {
        let writer = *self.versions.keys[row].writers.get(position)?;
        (writer != NONE).then(|| self.versions.appends[writer as usize].txn)
    }

    /// The read that the version order of a key comes from.
    fn witness(self, row: usize, around: &[Value]) -> (String, Vec<usize>) {
        let key = &self.versions.keys[row];
        let Some(witness) = key.witness else {
            return ("no read of it".to_string(), Vec::new());
        };
        let reader = self.columns.txn(&self.columns.touches[witness]);
        let list = elided_list(key.longest, around);
        (format!("{list} as read by {}", self.name(reader)), vec![reader.event])
    }
}
