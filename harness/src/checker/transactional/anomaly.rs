//! The anomalies that a history of transactions can show, and which of them imply which.
//!
//! The names and the implications are Elle's (Adya's, extended to sessions and real time), restricted to
//! what lists and registers without predicates can show. Two are ours: `garbage-read`, where Elle stops with
//! an exception or says nothing, and `reordered-appends`, which Elle does not see.

use std::fmt;

/// An anomaly of a history of transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnomalyType {
    /// A value was read that nobody ever wrote.
    GarbageRead,
    /// An element was read more often than once in one list.
    DuplicateElements,
    /// Two reads of a key, neither a prefix of the other.
    IncompatibleOrder,
    /// What orders the versions of a key contradicts itself.
    CyclicVersions,
    /// A read of what a failed transaction wrote.
    G1a,
    /// A read of a state between two writes of another transaction.
    G1b,
    /// An acknowledged append built on a failed one, or the reverse.
    DirtyUpdate,
    /// A transaction read its own write before making it.
    FutureRead,
    /// A transaction's appends to a key stand in another order than it made them.
    ReorderedAppends,
    /// A transaction disagrees with its own earlier reads and writes.
    Internal,
    /// Two transactions read one version of a key and both wrote to it.
    LostUpdate,
    /// A cycle of write-write dependencies.
    G0,
    /// A cycle of write-write and write-read dependencies.
    G1c,
    /// A cycle with exactly one anti-dependency.
    GSingleItem,
    /// A cycle with several anti-dependencies, no two of them adjacent.
    GNonadjacentItem,
    /// A cycle with adjacent anti-dependencies.
    G2Item,
    /// `G0` closed by the order within a process.
    G0Process,
    /// `G1c` closed by the order within a process.
    G1cProcess,
    /// `G-single-item` closed by the order within a process.
    GSingleItemProcess,
    /// `G-nonadjacent-item` closed by the order within a process.
    GNonadjacentItemProcess,
    /// `G2-item` closed by the order within a process.
    G2ItemProcess,
    /// `G0` closed by real time.
    G0Realtime,
    /// `G1c` closed by real time.
    G1cRealtime,
    /// `G-single-item` closed by real time.
    GSingleItemRealtime,
    /// `G-nonadjacent-item` closed by real time.
    GNonadjacentItemRealtime,
    /// `G2-item` closed by real time.
    G2ItemRealtime,
}

use AnomalyType::*;

impl AnomalyType {
    /// Every type; the ones seen without a cycle first.
    pub const ALL: [AnomalyType; 26] = [
        GarbageRead,
        DuplicateElements,
        IncompatibleOrder,
        CyclicVersions,
        G1a,
        G1b,
        DirtyUpdate,
        FutureRead,
        ReorderedAppends,
        Internal,
        LostUpdate,
        G0,
        G1c,
        GSingleItem,
        GNonadjacentItem,
        G2Item,
        G0Process,
        G1cProcess,
        GSingleItemProcess,
        GNonadjacentItemProcess,
        G2ItemProcess,
        G0Realtime,
        G1cRealtime,
        GSingleItemRealtime,
        GNonadjacentItemRealtime,
        G2ItemRealtime,
    ];

    /// Elle's name.
    pub fn name(self) -> &'static str {
        match self {
            GarbageRead => "garbage-read",
            DuplicateElements => "duplicate-elements",
            IncompatibleOrder => "incompatible-order",
            CyclicVersions => "cyclic-versions",
            G1a => "G1a",
            G1b => "G1b",
            DirtyUpdate => "dirty-update",
            FutureRead => "future-read",
            ReorderedAppends => "reordered-appends",
            Internal => "internal",
            LostUpdate => "lost-update",
            G0 => "G0",
            G1c => "G1c",
            GSingleItem => "G-single-item",
            GNonadjacentItem => "G-nonadjacent-item",
            G2Item => "G2-item",
            G0Process => "G0-process",
            G1cProcess => "G1c-process",
            GSingleItemProcess => "G-single-item-process",
            GNonadjacentItemProcess => "G-nonadjacent-item-process",
            G2ItemProcess => "G2-item-process",
            G0Realtime => "G0-realtime",
            G1cRealtime => "G1c-realtime",
            GSingleItemRealtime => "G-single-item-realtime",
            GNonadjacentItemRealtime => "G-nonadjacent-item-realtime",
            G2ItemRealtime => "G2-item-realtime",
        }
    }

    /// The type of that name.
    pub fn named(name: &str) -> Option<AnomalyType> {
        AnomalyType::ALL.into_iter().find(|anomaly| anomaly.name() == name)
    }

    /// What it implies in one step: whoever shows this one also shows those.
    fn implies(self) -> &'static [AnomalyType] {
        match self {
            FutureRead => &[G1c],
            IncompatibleOrder | DirtyUpdate => &[G1a],
            LostUpdate => &[G2Item],
            G0 => &[G1c, G0Process],
            G1c => &[G1cProcess],
            GSingleItem => &[GNonadjacentItem, GSingleItemProcess],
            GNonadjacentItem => &[G2Item, GNonadjacentItemProcess],
            G2Item => &[G2ItemProcess],
            G0Process => &[G1cProcess, G0Realtime],
            G1cProcess => &[G1cRealtime],
            GSingleItemProcess => &[GNonadjacentItemProcess, GSingleItemRealtime],
            GNonadjacentItemProcess => &[G2ItemProcess, GNonadjacentItemRealtime],
            G2ItemProcess => &[G2ItemRealtime],
            G0Realtime => &[G1cRealtime],
            GSingleItemRealtime => &[GNonadjacentItemRealtime],
            GNonadjacentItemRealtime => &[G2ItemRealtime],
            _ => &[],
        }
    }
}

impl fmt::Display for AnomalyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of anomaly types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnomalySet(u32);

impl AnomalySet {
    /// Whether the type is in it.
    pub fn contains(self, anomaly: AnomalyType) -> bool {
        self.0 & (1 << anomaly as u32) != 0
    }

    /// Adds a type.
    pub fn insert(&mut self, anomaly: AnomalyType) {
        self.0 |= 1 << anomaly as u32;
    }

    /// Both together.
    pub fn union(self, other: AnomalySet) -> AnomalySet {
        AnomalySet(self.0 | other.0)
    }

    /// Whether they share a type.
    pub fn meets(self, other: AnomalySet) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The types in it.
    pub fn iter(self) -> impl Iterator<Item = AnomalyType> {
        AnomalyType::ALL.into_iter().filter(move |anomaly| self.contains(*anomaly))
    }

    /// With everything that its members imply.
    pub fn implied(mut self) -> AnomalySet {
        loop {
            let more = self
                .iter()
                .flat_map(|anomaly| anomaly.implies())
                .fold(self, |set, implied| set.union(AnomalySet(1 << *implied as u32)));
            if more == self {
                return self;
            }
            self = more;
        }
    }
}

impl FromIterator<AnomalyType> for AnomalySet {
    fn from_iter<I: IntoIterator<Item = AnomalyType>>(anomalies: I) -> AnomalySet {
        let mut set = AnomalySet::default();
        anomalies.into_iter().for_each(|anomaly| set.insert(anomaly));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_all_types_is_in_the_order_of_their_bits() {
        for (bit, anomaly) in AnomalyType::ALL.into_iter().enumerate() {
            assert_eq!(anomaly as usize, bit, "{anomaly}");
            assert_eq!(AnomalyType::named(anomaly.name()), Some(anomaly));
        }
    }

    #[test]
    fn a_cycle_of_writes_implies_every_weaker_cycle_of_its_family() {
        let implied = AnomalySet::from_iter([G0]).implied();
        let expected = [G0, G1c, G0Process, G1cProcess, G0Realtime, G1cRealtime];
        assert_eq!(implied, AnomalySet::from_iter(expected));
    }
}
