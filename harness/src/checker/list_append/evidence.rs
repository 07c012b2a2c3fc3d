//! What an edge was inferred from: the elements, the lists and the reader that show it.

use super::versions::{Append, Seen, Versions};
use super::words::{ListWords, elided_list, read_values};
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::words::Words;
use crate::columns::{MopRef, NONE};
use crate::op::Value;

impl ListWords<'_> {
    /// From write to write.
    pub fn overwritten(&self, from: u32, to: u32, a: &str, b: &str) -> Because {
        for mop in self.all.columns.mops(to as usize) {
            let MopRef::Append { key, value } = mop else { continue };
            let versions = self.versions(self.all.row(key));
            let Some(append) = versions.append_of(self.all, value) else { continue };
            let order = &versions.order;
            let at = if append.position == NONE { order.len() } else { append.position as usize };
            let Some(earlier) = at.checked_sub(1) else { continue };
            if versions.writer(earlier) != Some(from) {
                continue;
            }
            let earlier = order[earlier];
            let (witness, events) = self.witness(&versions, &[earlier, value]);
            let text = if append.position == NONE {
                format!(
                    "{a}'s append of {earlier} is the last to key {key} in {witness}, which lacks {b}'s append of {value}"
                )
            } else {
                format!(
                    "{b} appended {value} to key {key} right after {a} had appended {earlier}: {witness}"
                )
            };
            return Because { text, events, values: vec![earlier, value] };
        }
        unexplained(a, b)
    }

    /// From write to read.
    pub fn observed(&self, from: u32, to: u32, a: &str, b: &str) -> Because {
        for mop in self.all.columns.mops(to as usize) {
            let Some(last) = read_values(mop).and_then(<[_]>::last) else { continue };
            let key = mop.key();
            let versions = self.versions(self.all.row(key));
            let append = versions.append_of(self.all, *last);
            if append.is_some_and(|append| append.txn == from) {
                let text = format!("{b} observed {a}'s append of {last} to key {key}");
                return Because { text, events: Vec::new(), values: vec![*last] };
            }
        }
        unexplained(a, b)
    }

    /// From read to write.
    pub fn missed(&self, from: u32, to: u32, a: &str, b: &str) -> Because {
        for (index, mop) in self.all.columns.mops(from as usize).enumerate() {
            if matches!(mop, MopRef::Append { .. }) {
                continue;
            }
            let versions = self.versions(self.all.row(mop.key()));
            let Some(last) = self.last_element(&versions, from, index) else { continue };
            let next = last.map_or(0, |last| last + 1);
            let follows = |append: &&Append| {
                let order = versions.order.len();
                let at = if append.position == NONE { order } else { append.position as usize };
                append.txn == to && at == next
            };
            let Some(append) = versions.appends.iter().find(follows) else { continue };
            return self.because_missed(&versions, last, append, a, b);
        }
        unexplained(a, b)
    }

    fn because_missed(
        &self,
        versions: &Versions,
        last: Option<usize>,
        append: &Append,
        a: &str,
        b: &str,
    ) -> Because {
        let key = self.all.key(versions.row);
        let last = last.map(|last| versions.order[last]);
        let values: Vec<Value> = last.into_iter().chain([append.value]).collect();
        let state = match last {
            None => format!("{a} observed key {key} empty"),
            Some(last) => format!("{a} observed key {key} up to {last}"),
        };
        let (witness, events) = self.witness(versions, &values);
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
    fn last_element(&self, versions: &Versions, txn: u32, index: usize) -> Option<Option<usize>> {
        let from = versions.touches.partition_point(|touch| touch.txn < txn);
        let own = versions.touches[from..].iter();
        let at = from + own.take_while(|touch| touch.index() != index).count();
        match versions.seen[at] {
            Seen::Nothing => None,
            _ => versions.last_seen(self.all, at),
        }
    }

    /// The read that the version order of a key comes from.
    fn witness(&self, versions: &Versions, around: &[Value]) -> (String, Vec<usize>) {
        let Some(witness) = versions.witness else {
            return ("no read of it".to_string(), Vec::new());
        };
        let reader = versions.touches[witness].txn;
        let list = elided_list(versions.longest, around);
        (format!("{list} as read by {}", self.name(reader)), vec![self.all.event(reader)])
    }
}
