//! What an edge was inferred from: the versions, and the rule and the transactions that order them.

use super::orders::{Precedes, Rule};
use super::versions::{Access, Version};
use super::words::RegisterWords;
use crate::checker::transactional::columns::{NONE, Txn};
use crate::checker::transactional::evidence::{Because, unexplained};
use crate::checker::transactional::proof::{Dependency, Place, Proof};
use crate::checker::transactional::words::Words;
use crate::history::seconds;
use crate::op::RegisterMop;

impl RegisterWords<'_, '_> {
    /// From write to write.
    pub fn overwritten(self, from: u32, to: u32, a: &str, b: &str) -> Because {
        let found = self.next_write(from, to, |access| access.write);
        let Some((precedes, key)) = found else { return unexplained(a, b) };
        let (first, second) = (self.version(precedes.from), self.version(precedes.to));
        let mut because = self.order(&precedes);
        because.text = format!(
            "{b} set key {key} to {second}, which comes after {a}'s {first}: {}",
            because.text
        );
        because.proofs = vec![self.ordered(&precedes, because.text.clone())];
        because
    }

    /// From write to read.
    pub fn observed(self, from: u32, to: u32, a: &str, b: &str) -> Because {
        for (row, access) in self.accesses_of(from) {
            let read = self.versions.access_of(row, to).map(|access| access.read);
            if access.write != NONE && read == Some(access.write) {
                let (value, key) = (self.version(access.write), self.columns.keys[row]);
                let text = format!("{b} observed {a}'s write of {value} to key {key}");
                let places = [self.write_of(access.write), self.touched(to, row, false)];
                let places = places.into_iter().flatten().collect();
                let proofs = vec![Proof { kind: Dependency::Wr, text: text.clone(), places }];
                return Because { text, events: Vec::new(), values: Vec::new(), proofs };
            }
        }
        unexplained(a, b)
    }

    /// From read to write.
    pub fn missed(self, from: u32, to: u32, a: &str, b: &str) -> Because {
        let found = self.next_write(from, to, |access| access.read);
        let Some((precedes, key)) = found else { return unexplained(a, b) };
        let (first, second) = (self.version(precedes.from), self.version(precedes.to));
        let mut because = self.order(&precedes);
        let places =
            [self.write_of(precedes.from), self.touched(from, self.columns.row(key), false)];
        let read = Proof {
            kind: Dependency::Wr,
            text: format!("{a} read key {key} as {first}, {}", self.origin(precedes.from)),
            places: places.into_iter().flatten().collect(),
        };
        let next =
            format!("{b}'s write of {second} to key {key} comes after {first}: {}", because.text);
        because.proofs = vec![read, self.ordered(&precedes, next)];
        because.text = format!(
            "{a} read key {key} as {first} and so did not see {b}'s write of {second}, which comes after \
             it: {}",
            because.text
        );
        because
    }

    /// Why one version of a key comes before another.
    pub fn order(self, precedes: &Precedes) -> Because {
        let [before, after] = precedes.shown_by;
        let (first, second) = (self.version(precedes.from), self.version(precedes.to));
        let name = |txn: u32| self.name(txn);
        let (text, mut events) = match precedes.rule {
            Rule::InitialState => ("nil is the initial state".to_string(), Vec::new()),
            Rule::WfrKeys => (
                format!("{} read {first} and then wrote {second} (wfr-keys)", name(before)),
                vec![],
            ),
            Rule::SequentialKeys => (
                format!(
                    "{} left it at {first}, and the same process next touched it at {second}, {} \
                     (sequential-keys)",
                    name(before),
                    name(after)
                ),
                Vec::new(),
            ),
            Rule::LinearizableKeys => self.real_time(before, after, &first, &second),
            Rule::OrderHint => (
                format!(
                    "the order that was given puts the write by {} before that by {} \
                     (transaction-order)",
                    name(before),
                    name(after)
                ),
                Vec::new(),
            ),
        };
        let shown = precedes.shown_by.into_iter().filter(|txn| *txn != NONE);
        events.extend(shown.map(|txn| self.columns.txns[txn as usize].event));
        Because { text, events, values: Vec::new(), proofs: Vec::new() }
    }

    /// That one version comes before another, with the writes and with what orders them.
    fn ordered(self, precedes: &Precedes, text: String) -> Proof {
        let writes = [self.write_of(precedes.from), self.write_of(precedes.to)];
        let row = self.versions.row(precedes.to);
        let shown_by = precedes.shown_by.into_iter().filter(|txn| *txn != NONE);
        let shown_by = shown_by.flat_map(|txn| {
            [false, true].into_iter().filter_map(move |write| self.touched(txn, row, write))
        });
        let mut places: Vec<Place> = writes.into_iter().flatten().chain(shown_by).collect();
        places.sort_unstable();
        places.dedup();
        Proof { kind: Dependency::Ww, text, places }
    }

    /// Who wrote a version.
    fn origin(self, version: Version) -> String {
        match self.writer(version) {
            Some(txn) => format!("written by {}", self.name(txn)),
            None => "which nobody wrote".to_string(),
        }
    }

    fn writer(self, version: Version) -> Option<u32> {
        let touches = self.columns.touches_of(self.versions.row(version));
        let written = |touch: &usize| {
            let mop = self.columns.touches[*touch].mop;
            matches!(mop, RegisterMop::Write { .. }) && self.versions.of_touch[*touch] == version
        };
        touches.into_iter().find(written).map(|touch| self.columns.touches[touch].txn)
    }

    /// Where a version was written.
    fn write_of(self, version: Version) -> Option<Place> {
        let row = self.versions.row(version);
        self.touched(self.writer(version)?, row, true)
    }

    /// Where a transaction last wrote to a key, or first read it.
    fn touched(self, txn: u32, row: usize, write: bool) -> Option<Place> {
        let Txn { event, mops, .. } = &self.columns.txns[txn as usize];
        let key = self.columns.keys[row];
        let is_one = |mop: &RegisterMop| {
            mop.key() == key && matches!(mop, RegisterMop::Write { .. }) == write
        };
        let mop = if write { mops.iter().rposition(is_one) } else { mops.iter().position(is_one) };
        Some(Place::mop(*event, mop?))
    }

    fn real_time(self, before: u32, after: u32, first: &str, second: &str) -> (String, Vec<usize>) {
        let (before, after) = (self.shown(before), self.shown(after));
        let (invoked, time) = after.invoked.unwrap_or(after.ended);
        let time = seconds(time);
        let text = format!(
            "{} had left it at {first} (event {}) before {}, invoked at {time} (event {invoked}), touched \
             it at {second} (linearizable-keys)",
            before.name(),
            before.ended.0,
            after.name()
        );
        (text, vec![invoked])
    }

    /// What a transaction did, key by key.
    fn accesses_of(&self, txn: u32) -> Vec<(usize, Access)> {
        let mut rows: Vec<usize> = self.columns.txns[txn as usize]
            .mops
            .iter()
            .map(|mop: &RegisterMop| self.columns.row(mop.key()))
            .collect();
        rows.sort_unstable();
        rows.dedup();
        let access = |row| self.versions.access_of(row, txn).map(|access| (row, *access));
        rows.into_iter().filter_map(access).collect()
    }

    /// The order from one transaction's version of a key to what another wrote to it, and the key.
    fn next_write(
        self,
        from: u32,
        to: u32,
        version: fn(&Access) -> Version,
    ) -> Option<(Precedes, u64)> {
        for (row, access) in self.accesses_of(from) {
            let Some(written) = self.versions.access_of(row, to).map(|access| access.write) else {
                continue;
            };
            let version = version(&access);
            if version == NONE || written == NONE {
                continue;
            }
            let mut after = self.orders.after(version).iter();
            if let Some(found) = after.find(|precedes| precedes.to == written) {
                return Some((*found, self.columns.keys[row]));
            }
        }
        None
    }
}
