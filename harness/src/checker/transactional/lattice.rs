//! Consistency models, which of them imply which, and what each prohibits: Elle's lattice as a table of
//! direct facts. Everything else (`a model prohibits what its weaker models prohibit`) is derived.
//!
//! Only the anomalies that lists and registers can show are listed, so a model that differs from a weaker
//! one by predicates alone prohibits the same here.

use super::anomaly::AnomalyType::{self, *};

/// A model and what is said of it directly.
pub struct Row {
    /// Adya's or the literature's name.
    pub canonical: &'static str,
    /// The name for people.
    pub friendly: &'static str,
    /// A third name.
    pub alias: Option<&'static str>,
    /// The next weaker models, by canonical name.
    pub implies: &'static [&'static str],
    /// What it prohibits beyond them.
    pub prohibits: &'static [AnomalyType],
}

impl Row {
    /// Every name it is known by.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let friendly = (self.friendly != self.canonical).then_some(self.friendly);
        [Some(self.canonical), friendly, self.alias].into_iter().flatten()
    }
}

/// Every model. The first three are referred to by position.
pub static MODELS: [Row; 36] = [
    Row {
        canonical: "PL-SS",
        friendly: "strong-serializable",
        alias: Some("strict-serializable"),
        implies: &[
            "linearizable",
            "session-serializable",
            "strong-session-serializable",
            "strong-snapshot-isolation",
        ],
        prohibits: &[G2ItemRealtime],
    },
    Row {
        canonical: "PL-3",
        friendly: "serializable",
        alias: Some("conflict-serializable"),
        implies: &["PL-2.99", "PL-3U", "PL-SI", "view-serializable"],
        prohibits: &[],
    },
    Row {
        canonical: "PL-SI",
        friendly: "snapshot-isolation",
        alias: None,
        implies: &["PL-FCV", "PL-MSR", "parallel-snapshot-isolation", "prefix"],
        prohibits: &[GNonadjacentItem],
    },
    Row { canonical: "1SR", friendly: "1SR", alias: None, implies: &[], prohibits: &[] },
    Row {
        canonical: "PL-1",
        friendly: "read-uncommitted",
        alias: None,
        implies: &[],
        prohibits: &[GarbageRead, G0, DuplicateElements, CyclicVersions],
    },
    Row {
        canonical: "PL-2",
        friendly: "read-committed",
        alias: None,
        implies: &["PL-1"],
        prohibits: &[G1a, G1b, G1c, DirtyUpdate, FutureRead, IncompatibleOrder],
    },
    Row {
        canonical: "PL-2+",
        friendly: "consistent-view",
        alias: None,
        implies: &["PL-2L", "PL-CS"],
        prohibits: &[GSingleItem],
    },
    Row {
        canonical: "PL-2.99",
        friendly: "repeatable-read",
        alias: None,
        implies: &["PL-CS", "monotonic-atomic-view"],
        prohibits: &[GNonadjacentItem, GSingleItem, G2Item],
    },
    Row {
        canonical: "PL-2L",
        friendly: "monotonic-view",
        alias: None,
        implies: &["PL-2"],
        prohibits: &[],
    },
    Row {
        canonical: "PL-3U",
        friendly: "update-serializable",
        alias: None,
        implies: &["PL-FCV"],
        prohibits: &[],
    },
    Row {
        canonical: "PL-CS",
        friendly: "cursor-stability",
        alias: None,
        implies: &["PL-2"],
        prohibits: &[LostUpdate],
    },
    Row {
        canonical: "PL-FCV",
        friendly: "forward-consistent-view",
        alias: None,
        implies: &["PL-2+"],
        prohibits: &[],
    },
    Row {
        canonical: "PL-MSR",
        friendly: "monotonic-snapshot-read",
        alias: None,
        implies: &["PL-2"],
        prohibits: &[],
    },
    Row {
        canonical: "PRAM",
        friendly: "PRAM",
        alias: None,
        implies: &["monotonic-reads", "monotonic-writes", "read-your-writes"],
        prohibits: &[],
    },
    Row {
        canonical: "causal",
        friendly: "causal",
        alias: None,
        implies: &["PRAM", "writes-follow-reads"],
        prohibits: &[],
    },
    Row {
        canonical: "causal-cerone",
        friendly: "causal-cerone",
        alias: None,
        implies: &["read-atomic"],
        prohibits: &[],
    },
    Row {
        canonical: "linearizable",
        friendly: "linearizable",
        alias: None,
        implies: &["sequential"],
        prohibits: &[],
    },
    Row {
        canonical: "monotonic-atomic-view",
        friendly: "monotonic-atomic-view",
        alias: None,
        implies: &["PL-2"],
        prohibits: &[],
    },
    Row {
        canonical: "monotonic-reads",
        friendly: "monotonic-reads",
        alias: None,
        implies: &[],
        prohibits: &[],
    },
    Row {
        canonical: "monotonic-writes",
        friendly: "monotonic-writes",
        alias: None,
        implies: &[],
        prohibits: &[],
    },
    Row {
        canonical: "parallel-snapshot-isolation",
        friendly: "parallel-snapshot-isolation",
        alias: None,
        implies: &["causal-cerone", "update-atomic"],
        prohibits: &[],
    },
    Row {
        canonical: "prefix",
        friendly: "prefix",
        alias: None,
        implies: &["causal-cerone"],
        prohibits: &[],
    },
    Row {
        canonical: "read-atomic",
        friendly: "read-atomic",
        alias: None,
        implies: &["monotonic-atomic-view"],
        prohibits: &[Internal, ReorderedAppends],
    },
    Row {
        canonical: "read-your-writes",
        friendly: "read-your-writes",
        alias: None,
        implies: &[],
        prohibits: &[],
    },
    Row {
        canonical: "sequential",
        friendly: "sequential",
        alias: None,
        implies: &["causal"],
        prohibits: &[],
    },
    Row {
        canonical: "session-serializable",
        friendly: "session-serializable",
        alias: None,
        implies: &["1SR"],
        prohibits: &[],
    },
    Row {
        canonical: "strong-PL-1",
        friendly: "strong-read-uncommitted",
        alias: None,
        implies: &["strong-session-PL-1"],
        prohibits: &[G0Realtime],
    },
    Row {
        canonical: "strong-PL-2",
        friendly: "strong-read-committed",
        alias: None,
        implies: &["strong-PL-1", "strong-session-PL-2"],
        prohibits: &[G1cRealtime],
    },
    Row {
        canonical: "strong-session-PL-1",
        friendly: "strong-session-read-uncommitted",
        alias: None,
        implies: &["PL-1"],
        prohibits: &[G0Process],
    },
    Row {
        canonical: "strong-session-PL-2",
        friendly: "strong-session-read-committed",
        alias: None,
        implies: &["PL-2", "strong-session-PL-1"],
        prohibits: &[G1cProcess],
    },
    Row {
        canonical: "strong-session-serializable",
        friendly: "strong-session-serializable",
        alias: None,
        implies: &["PL-3", "strong-session-snapshot-isolation"],
        prohibits: &[G2ItemProcess],
    },
    Row {
        canonical: "strong-session-snapshot-isolation",
        friendly: "strong-session-snapshot-isolation",
        alias: None,
        implies: &["PL-SI", "strong-session-PL-2"],
        prohibits: &[GNonadjacentItemProcess, GSingleItemProcess],
    },
    Row {
        canonical: "strong-snapshot-isolation",
        friendly: "strong-snapshot-isolation",
        alias: None,
        implies: &["strong-PL-2", "strong-session-snapshot-isolation"],
        prohibits: &[GNonadjacentItemRealtime, GSingleItemRealtime],
    },
    Row {
        canonical: "update-atomic",
        friendly: "update-atomic",
        alias: None,
        implies: &["read-atomic"],
        prohibits: &[LostUpdate],
    },
    Row {
        canonical: "view-serializable",
        friendly: "view-serializable",
        alias: None,
        implies: &[],
        prohibits: &[],
    },
    Row {
        canonical: "writes-follow-reads",
        friendly: "writes-follow-reads",
        alias: None,
        implies: &[],
        prohibits: &[],
    },
];
