//! What is kept of a list: the end of its longest read so far, from the first version that somebody may still read, and the
//! appends that nobody saw. What lies before is a number of elements and a hash.
//!
//! Cannot see: two different lists of one length whose hashes are the same (about one in 2^64, for elements that nobody chose to be so).

use super::asked::Asked;
use super::order::{Due, Edge, Floor, Id, Kind};
use crate::op::{Key, Value};
use std::collections::{BTreeMap, VecDeque};

/// A version: what was there up to an element.
#[derive(Debug)]
pub(super) struct Version {
    pub hash: u64,
    /// The element that ends it, and who appended that; nothing at first.
    pub end: Option<(Value, Append)>,
    /// Who read it and is kept.
    pub readers: Vec<Id>,
    /// Of its writer and of readers that were forgotten.
    pub written: Option<Floor>,
    pub read: Option<Floor>,
}

/// Who appended an element, or asked to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Append {
    pub txn: Id,
    /// Its position in the transaction.
    pub index: usize,
    /// Whether the transaction appends nothing more to the list.
    pub is_last: bool,
    /// What is left to be said of a transaction that was forgotten.
    pub forgotten: Option<(Floor, Due)>,
}

/// One list.
#[derive(Debug)]
pub(super) struct List {
    /// How many versions were forgotten, of which no one may be read any more.
    pub first: usize,
    pub versions: VecDeque<Version>,
    /// The latest by when the end of one of those had been there.
    pub gone: Option<Due>,
    pub unseen: BTreeMap<Value, Append>,
    pub asked: Asked,
}

impl List {
    pub fn new() -> List {
        let empty = Version { hash: 0, end: None, readers: Vec::new(), written: None, read: None };
        let versions = VecDeque::from([empty]);
        List { first: 0, versions, gone: None, unseen: BTreeMap::new(), asked: Asked::default() }
    }

    /// How many elements the longest read had.
    pub fn len(&self) -> usize {
        self.first + self.versions.len() - 1
    }

    /// The version of so many elements, if it is kept.
    pub fn version(&self, length: usize) -> Option<&Version> {
        self.versions.get(length.checked_sub(self.first)?)
    }

    pub fn version_mut(&mut self, length: usize) -> Option<&mut Version> {
        self.versions.get_mut(length.checked_sub(self.first)?)
    }

    /// The longest.
    pub fn last(&self) -> &Version {
        self.versions.back().expect("one version is always kept")
    }

    /// Whether a version that is kept ends with the element.
    pub fn shows(&self, value: Value) -> bool {
        self.versions.iter().any(|version| version.end.is_some_and(|(end, _)| end == value))
    }

    /// The next element was seen.
    pub fn push(&mut self, value: Value, append: Append) {
        let hash = hashed(self.last().hash, value);
        let written = append.forgotten.map(|(floor, _)| floor);
        let end = Some((value, append));
        self.versions.push_back(Version { hash, end, readers: Vec::new(), written, read: None });
    }

    /// Notes what is left to be said of an append whose transaction is forgotten.
    pub fn forget_append(&mut self, value: Value, left: (Floor, Due)) {
        if let Some(append) = self.unseen.get_mut(&value) {
            append.forgotten = Some(left);
            return;
        }
        let ends = |version: &&mut Version| version.end.is_some_and(|(end, _)| end == value);
        if let Some(version) = self.versions.iter_mut().find(ends) {
            if let Some((_, append)) = &mut version.end {
                append.forgotten = Some(left);
            }
            version.written = version.written.max(Some(left.0));
        }
        self.forget_versions();
    }

    /// Notes what is left to be said of a reader that is forgotten.
    pub fn forget_read(&mut self, length: usize, reader: Id, floor: Floor) {
        if let Some(version) = self.version_mut(length) {
            version.readers.retain(|other| *other != reader);
            version.read = version.read.max(Some(floor));
        }
    }

    /// Whoever reads a version now whose next one was there before everything that is open is told by its length.
    fn forget_versions(&mut self) {
        while let Some((_, Append { forgotten: Some((_, due)), .. })) =
            self.versions.get(1).and_then(|next| next.end)
        {
            self.gone = self.gone.max(Some(due));
            self.first += 1;
            let before = self.versions.pop_front();
            // All that came before the version comes before what follows it.
            let floor = before.and_then(|before| before.written.max(before.read));
            if let Some(next) = self.versions.front_mut() {
                next.written = next.written.max(floor);
            }
        }
    }
}

/// Why an append comes after another, or after a read of what was there before it.
pub(super) fn edge(kind: Kind, key: Key, value: Value) -> Edge {
    Edge { kind, key, value }
}

/// The hash of a list with one more element. The element's factor is never zero, so that none hides what was before it.
pub(super) fn hashed(before: u64, value: Value) -> u64 {
    let factor = value.wrapping_mul(0xa076_1d64_78bd_642f) ^ 0xd6e8_feb8_6659_fd93;
    let wide = u128::from(before ^ 0x9e37_79b9_7f4a_7c15) * u128::from(factor.max(1));
    (wide as u64 ^ (wide >> 64) as u64).rotate_left(23).wrapping_add(0xe703_7ed1_a0b4_28db)
}
