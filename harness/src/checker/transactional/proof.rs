//! A cycle as data: its transactions, its dependencies and, for each of these, what it was inferred from. What the
//! words of `evidence` say, for whoever draws it or opens a dependency up.
//!
//! Every anti-dependency opens up into the read that it starts from and the order of writes that puts its end after
//! that: both can be looked up in the history, by event and micro-operation.
//!
//! Cannot see: of a long cycle the middle, which is counted only.

use super::graph::Edge;

/// A place in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The event's index.
    pub event: usize,
    /// The position of a micro-operation in it; `None` for all of it.
    pub mop: Option<usize>,
}

impl Place {
    /// All of an event.
    pub fn event(event: usize) -> Place {
        Place { event, mop: None }
    }

    /// A micro-operation of an event.
    pub fn mop(event: usize, mop: usize) -> Place {
        Place { event, mop: Some(mop) }
    }
}

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The other wrote the next version.
    Ww,
    /// The other read what this one wrote.
    Wr,
    /// The other wrote the version after the one that this read.
    Rw,
    /// The same process, one after the other.
    Process,
    /// This one had completed when the other was invoked.
    Realtime,
}

impl Dependency {
    /// Elle's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Dependency::Ww => "ww",
            Dependency::Wr => "wr",
            Dependency::Rw => "rw",
            Dependency::Process => "process",
            Dependency::Realtime => "realtime",
        }
    }

    pub(super) fn of(edge: Edge) -> Dependency {
        match edge {
            Edge::Ww => Dependency::Ww,
            Edge::Wr => Dependency::Wr,
            Edge::Process => Dependency::Process,
            Edge::Realtime => Dependency::Realtime,
            // A relay carries an anti-dependency on.
            Edge::Rw | Edge::Relay => Dependency::Rw,
        }
    }
}

/// Something that a dependency was inferred from, and where it shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What it shows.
    pub kind: Dependency,
    /// The same in words.
    pub text: String,
    /// Where.
    pub places: Vec<Place>,
}

/// A transaction of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name in the words: `T1`.
    pub name: String,
    /// Who, when, where and what, in words.
    pub words: String,
    /// The event that stands for it: its completion, or its invocation while open.
    pub event: usize,
}

/// A dependency of a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who comes first, by its position among the members.
    pub from: usize,
    /// Who comes after it.
    pub to: usize,
    /// Why.
    pub kind: Dependency,
    /// The same in words.
    pub because: String,
    /// What it was inferred from.
    pub proofs: Vec<Proof>,
}

/// A cycle of transactions, in the order in which its words tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycle {
    /// Its transactions, as far as they are told.
    pub members: Vec<Member>,
    /// Its dependencies, as far as they are told; the last is the contradiction.
    pub steps: Vec<Step>,
    /// How many transactions it has in all.
    pub length: usize,
    /// Where steps are left out, and how many: before this position in `steps`.
    pub left_out: Option<(usize, usize)>,
}

impl Cycle {
    /// Every place that it stands on, ascending, each once.
    pub fn places(&self) -> Vec<Place> {
        let members = self.members.iter().map(|member| Place::event(member.event));
        let proofs = self.steps.iter().flat_map(|step| &step.proofs);
        let mut places: Vec<Place> =
            members.chain(proofs.flat_map(|proof| proof.places.iter().copied())).collect();
        places.sort_unstable();
        places.dedup();
        places
    }
}
