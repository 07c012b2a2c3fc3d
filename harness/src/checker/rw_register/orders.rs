//! Which version of a key comes before which: inferred by one rule after the other, each with its evidence.
//!
//! A rule whose orders contradict what the rules before it said (or each other) is not used at all, as in
//! Elle, and the contradiction is kept: it is an anomaly, or for a caller's order a note.

use super::hint::OrderHint;
use super::linearizable::{Precedence, precedences};
use super::versions::{Access, Version, Versions};
use super::{Inference, NAME};
use crate::checker::transactional::columns::{Columns, NONE, Outcome};
use crate::checker::transactional::graph::{Edge, Edges, Graph, PackedEdge};
use crate::history::Process;
use crate::op::RegisterMop;
use std::collections::BTreeMap;
use std::fmt;

/// A rule of inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    /// The initial state comes before every value.
    InitialState,
    /// What a transaction read comes before what it wrote.
    WfrKeys,
    /// A process sees the versions of a key in their order.
    SequentialKeys,
    /// What was there when one transaction completed does not come after what a later one found.
    LinearizableKeys,
    /// The caller says so.
    OrderHint,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::InitialState => "initial-state",
            Rule::WfrKeys => "wfr-keys",
            Rule::SequentialKeys => "sequential-keys",
            Rule::LinearizableKeys => "linearizable-keys",
            Rule::OrderHint => "transaction-order",
        })
    }
}

/// One version comes before another, and the transactions that show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Precedes {
    pub from: Version,
    pub to: Version,
    pub rule: Rule,
    /// The one that left the key at the first version, and the one that found or left it at the second. Twice
    /// the same where one shows it, [`NONE`] where none is needed.
    pub shown_by: [u32; 2],
}

/// Versions of a key that come before each other.
#[derive(Clone, Debug)]
pub(super) struct Contradiction {
    /// The rule that closed the circle.
    pub rule: Rule,
    /// Everything that orders them among themselves, by every rule so far.
    pub precedes: Vec<Precedes>,
}

/// The order of all versions.
#[derive(Debug)]
pub(super) struct Orders {
    /// By the version that comes first.
    precedes: Vec<Precedes>,
    start: Vec<u32>,
    pub contradictions: Vec<Contradiction>,
    pub notes: Vec<String>,
}

impl Orders {
    /// Applies every rule that was asked for.
    pub fn infer(
        columns: &Columns<RegisterMop>,
        versions: &Versions,
        inference: Inference,
        hint: Option<&OrderHint>,
    ) -> Orders {
        let rules = Rules { columns, versions };
        let mut collected = Collected::new(versions.count());
        collected.add(Rule::InitialState, rules.initial_state());
        if inference.wfr_keys {
            collected.add(Rule::WfrKeys, rules.writes_follow_reads());
        }
        if inference.sequential_keys {
            collected.add(Rule::SequentialKeys, rules.sequential_keys());
        }
        if inference.linearizable_keys {
            collected.add(Rule::LinearizableKeys, rules.linearizable_keys());
        }
        if let Some(hint) = hint {
            match hint.refuted(columns, versions) {
                Some(why) => collected.notes.push(void(&why)),
                None => collected.add(Rule::OrderHint, rules.hinted(hint)),
            }
        }
        collected.sorted()
    }

    /// What comes right after a version, by any rule.
    pub fn after(&self, version: Version) -> &[Precedes] {
        let version = version as usize;
        &self.precedes[self.start[version] as usize..self.start[version + 1] as usize]
    }
}

fn void(why: &str) -> String {
    format!(
        "the order of transactions that was given to {NAME} contradicts the history, so it was not used: {why}"
    )
}

/// What the rules said so far.
struct Collected {
    versions: usize,
    precedes: Vec<Precedes>,
    contradictions: Vec<Contradiction>,
    notes: Vec<String>,
}

impl Collected {
    fn new(versions: usize) -> Collected {
        let (precedes, contradictions, notes) = (Vec::new(), Vec::new(), Vec::new());
        Collected { versions, precedes, contradictions, notes }
    }

    fn add(&mut self, rule: Rule, fresh: Vec<Precedes>) {
        let known = self.precedes.len();
        self.precedes.extend(fresh);
        if rule == Rule::InitialState {
            // Nothing leads back yet.
            return;
        }
        let edge = |p: &Precedes| PackedEdge::new(p.from, p.to, Edge::Ww);
        let edges: Vec<PackedEdge> = self.precedes.iter().map(edge).collect();
        let graph = Graph::new(self.versions, &edges);
        if graph.is_acyclic() {
            return;
        }
        if rule == Rule::OrderHint {
            let why = "some key's versions come in another order by what is observed";
            self.notes.push(void(why));
        } else {
            let circles = circles(&self.precedes, &graph);
            self.contradictions
                .extend(circles.into_iter().map(|precedes| Contradiction { rule, precedes }));
        }
        self.precedes.truncate(known);
    }

    fn sorted(self) -> Orders {
        let mut start = vec![0u32; self.versions + 1];
        for precedes in &self.precedes {
            start[precedes.from as usize + 1] += 1;
        }
        for version in 0..self.versions {
            start[version + 1] += start[version];
        }
        let mut precedes = self.precedes;
        // Stable: the rules stay in their order.
        precedes.sort_by_key(|precedes| precedes.from);
        let (contradictions, notes) = (self.contradictions, self.notes);
        Orders { precedes, start, contradictions, notes }
    }
}

/// What lies within each strongly connected component, in the order of versions.
fn circles(precedes: &[Precedes], graph: &Graph) -> Vec<Vec<Precedes>> {
    let components = graph.components(Edges::of(&[Edge::Ww]));
    let mut found: BTreeMap<u32, Vec<Precedes>> = BTreeMap::new();
    for p in precedes {
        let component = components.of[p.from as usize];
        if component == components.of[p.to as usize] {
            found.entry(component).or_default().push(*p);
        }
    }
    let mut circles: Vec<Vec<Precedes>> = found.into_values().collect();
    circles.sort_by_key(|circle| circle.iter().map(|p| p.from).min());
    circles
}

struct Rules<'a, 'h> {
    columns: &'a Columns<'h, RegisterMop>,
    versions: &'a Versions,
}

impl Rules<'_, '_> {
    fn rows(&self) -> std::ops::Range<usize> {
        0..self.columns.keys.len()
    }

    /// Only where somebody saw it.
    fn initial_state(&self) -> Vec<Precedes> {
        let mut found = Vec::new();
        for mut versions in self.rows().map(|row| self.versions.of_row(row)) {
            let Some(from) = versions.next() else { continue };
            if self.versions.is_read[from as usize] {
                let (rule, shown_by) = (Rule::InitialState, [NONE, NONE]);
                found.extend(versions.map(|to| Precedes { from, to, rule, shown_by }));
            }
        }
        found
    }

    fn writes_follow_reads(&self) -> Vec<Precedes> {
        let mut found = Vec::new();
        for row in self.rows() {
            let initial = self.versions.of_row(row).start;
            for access in self.versions.accesses(row).iter().filter(|a| a.read != initial) {
                let shown_by = [access.txn, access.txn];
                found.extend(precedes(access.read, access.write, Rule::WfrKeys, shown_by));
            }
        }
        found
    }

    fn sequential_keys(&self) -> Vec<Precedes> {
        let processes = self.processes();
        let count = processes.iter().max().map_or(0, |last| *last as usize + 1);
        // The row that a process touched last, and how.
        let mut before: Vec<Option<(usize, Access)>> = vec![None; count];
        let mut found = Vec::new();
        for row in self.rows() {
            for access in self.versions.accesses(row) {
                if self.columns.txns[access.txn as usize].outcome != Outcome::Ok {
                    continue;
                }
                let process = processes[access.txn as usize] as usize;
                let earlier = before[process].replace((row, *access));
                if let Some((_, earlier)) = earlier.filter(|(touched, _)| *touched == row) {
                    let shown_by = [earlier.txn, access.txn];
                    let (from, to) = (earlier.left, access.found);
                    found.extend(precedes(from, to, Rule::SequentialKeys, shown_by));
                }
            }
        }
        found
    }

    /// For each transaction a number of its process, without gaps.
    fn processes(&self) -> Vec<u32> {
        let mut numbers: BTreeMap<Process, u32> = BTreeMap::new();
        let process = |event: usize| self.columns.history.events[event].process;
        let txns = self.columns.txns.iter().map(|txn| {
            let next = numbers.len() as u32;
            *numbers.entry(process(txn.event)).or_insert(next)
        });
        txns.collect()
    }

    fn linearizable_keys(&self) -> Vec<Precedes> {
        let mut found = Vec::new();
        for row in self.rows() {
            let drawn = precedences(self.columns, self.versions, row).into_iter();
            found.extend(drawn.map(|Precedence { from, to, settled_by, found_by }| {
                let shown_by = [settled_by, found_by];
                Precedes { from, to, rule: Rule::LinearizableKeys, shown_by }
            }));
        }
        found
    }

    /// Consecutive writes of each key; of crashed ones, those that somebody read.
    fn hinted(&self, hint: &OrderHint) -> Vec<Precedes> {
        let happened = |access: &&Access| {
            let ok = self.columns.txns[access.txn as usize].outcome == Outcome::Ok;
            access.write != NONE && (ok || self.versions.is_read[access.write as usize])
        };
        let mut found = Vec::new();
        for row in self.rows() {
            let mut writes: Vec<(u64, Version, u32)> = Vec::new();
            for access in self.versions.accesses(row).iter().filter(happened) {
                let number = hint.number(self.columns, access.txn);
                writes.extend(number.map(|number| (number, access.write, access.txn)));
            }
            writes.sort_unstable();
            for pair in writes.windows(2).filter(|pair| pair[0].0 < pair[1].0) {
                let shown_by = [pair[0].2, pair[1].2];
                found.extend(precedes(pair[0].1, pair[1].1, Rule::OrderHint, shown_by));
            }
        }
        found
    }
}

/// Nothing where either is not known, or both are the same.
fn precedes(from: Version, to: Version, rule: Rule, shown_by: [u32; 2]) -> Option<Precedes> {
    let known = from != NONE && to != NONE && from != to;
    known.then_some(Precedes { from, to, rule, shown_by })
}
