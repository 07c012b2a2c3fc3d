//! What an edge was inferred from: the elements, the lists and the reader that show it.

use super::versions::{Append, Versions};
use super::words::{ListWords, elided_list, read_values};
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::proof::{Dependency, Place, Proof};
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
            let mut places = self.append_places(&versions, &[earlier, value]);
            places.extend(self.witness_place(&versions));
            let text = if append.position == NONE {
                format!(
                    "{a}'s append of {earlier} is the last to key {key} in {witness}, which lacks {b}'s append of {value}"
                )
            } else {
                format!(
                    "{b} appended {value} to key {key} right after {a} had appended {earlier}: {witness}"
                )
            };
            let proofs = vec![Proof { kind: Dependency::Ww, text: text.clone(), places }];
            return Because { text, events, values: vec![earlier, value], proofs };
        }
        unexplained(a, b)
    }

    /// From write to read.
    pub fn observed(&self, from: u32, to: u32, a: &str, b: &str) -> Because {
        for (index, mop) in self.all.columns.mops(to as usize).enumerate() {
            let Some(last) = read_values(mop).and_then(<[_]>::last) else { continue };
            let key = mop.key();
            let versions = self.versions(self.all.row(key));
            let append = versions.append_of(self.all, *last);
            if append.is_some_and(|append| append.txn == from) {
                let text = format!("{b} observed {a}'s append of {last} to key {key}");
                let mut places = self.append_places(&versions, &[*last]);
                places.push(Place::mop(self.all.event(to), index));
                let proofs = vec![Proof { kind: Dependency::Wr, text: text.clone(), places }];
                return Because { text, events: Vec::new(), values: vec![*last], proofs };
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
            let mut because = self.because_missed(&versions, last, append, a, b);
            let read = Place::mop(self.all.event(from), index);
            because.proofs = self.proofs_of_missed(&versions, last, append, read, (a, b));
            return because;
        }
        unexplained(a, b)
    }

    /// An anti-dependency opened up: what was read, and what comes next.
    fn proofs_of_missed(
        &self,
        versions: &Versions,
        last: Option<usize>,
        append: &Append,
        read: Place,
        (a, b): (&str, &str),
    ) -> Vec<Proof> {
        let (key, value) = (self.all.key(versions.row), append.value);
        let last = last.map(|last| versions.order[last]);
        let writer = last.and_then(|last| versions.append_of(self.all, last));
        let writer = writer.map_or("nobody".to_string(), |append| self.name(append.txn));
        let seen = match last {
            None => format!("{a} observed key {key} empty, its initial state"),
            Some(last) => format!("{a} observed {last}, appended to key {key} by {writer}"),
        };
        let next = match last {
            _ if append.position == NONE => {
                format!("{b} appended {value} to key {key}, after all that is ever read of it")
            }
            None => format!("{b} appended {value}, the first of key {key}"),
            Some(last) => {
                format!("{b} appended {value} to key {key} after {writer} had appended {last}")
            }
        };
        let mut seen_at: Vec<Place> = self.append_places(versions, last.as_slice());
        seen_at.push(read);
        let values: Vec<Value> = last.into_iter().chain([value]).collect();
        let (witness, _) = self.witness(versions, &values);
        let mut next_at = self.append_places(versions, &values);
        next_at.extend(self.witness_place(versions));
        vec![
            Proof { kind: Dependency::Wr, text: seen, places: seen_at },
            Proof { kind: Dependency::Ww, text: format!("{next}: {witness}"), places: next_at },
        ]
    }

    /// Where elements were appended.
    fn append_places(&self, versions: &Versions, values: &[Value]) -> Vec<Place> {
        let appends = values.iter().filter_map(|value| versions.append_of(self.all, *value));
        appends
            .map(|append| Place::mop(self.all.event(append.txn), append.index as usize))
            .collect()
    }

    /// Where the read is that the version order of a key comes from.
    fn witness_place(&self, versions: &Versions) -> Option<Place> {
        let touch = versions.touches[versions.witness?];
        Some(Place::mop(self.all.event(touch.txn), touch.index()))
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
        Because { text, events, values, proofs: Vec::new() }
    }

    /// The position of the last element that a read shows, as the versions of the key have it.
    fn last_element(&self, versions: &Versions, txn: u32, index: usize) -> Option<Option<usize>> {
        let from = versions.touches.partition_point(|touch| touch.txn < txn);
        let own = versions.touches[from..].iter();
        let at = from + own.take_while(|touch| touch.index() != index).count();
        versions.last_seen(self.all, at)
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
