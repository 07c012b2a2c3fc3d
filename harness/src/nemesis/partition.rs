//! The network between nodes is cut: halves, a lone node, rings of majorities; both ways or one way.
//!
//! A shape is a list of directed cuts. A new shape replaces the one before it without a heal between, so that
//! links open and close in one step.

use super::{ClusterView, Family, Timed};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Directed links between which nothing passes.
pub type Cuts = Vec<(NodeId, NodeId)>;

/// The shapes that a seed chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Two random halves; the smaller first.
    Halves,
    /// A random minority of any size against the rest.
    Minority,
    /// A leader alone.
    IsolateLeader,
    /// A random node alone.
    IsolateNode,
    /// Every node sees a majority, and no two the same.
    MajoritiesRing,
    /// A leader that is heard but does not hear.
    DeafLeader,
    /// A leader that hears but is not heard.
    MuteLeader,
    /// One half does not hear the other.
    OneWayHalves,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 8] = [
        Shape::Halves,
        Shape::Minority,
        Shape::IsolateLeader,
        Shape::IsolateNode,
        Shape::MajoritiesRing,
        Shape::DeafLeader,
        Shape::MuteLeader,
        Shape::OneWayHalves,
    ];

    /// The words for it in a history.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Halves => "halves",
            Shape::Minority => "minority",
            Shape::IsolateLeader => "isolate leader",
            Shape::IsolateNode => "isolate node",
            Shape::MajoritiesRing => "majorities ring",
            Shape::DeafLeader => "deaf leader",
            Shape::MuteLeader => "mute leader",
            Shape::OneWayHalves => "one-way halves",
        }
    }

    /// The cuts, with whatever is random in them drawn. None where there are too few nodes.
    pub fn cuts(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Cuts {
        let mut nodes = view.which(|_| true);
        rng.shuffle(&mut nodes);
        match self {
            Shape::Halves => both_ways(nodes.split_at(nodes.len() / 2)),
            Shape::Minority => {
                let size = rng.range(1, view.minority() as u64 + 1) as usize;
                both_ways(nodes.split_at(size.min(nodes.len())))
            }
            Shape::IsolateNode => both_ways(nodes.split_at(nodes.len().min(1))),
            Shape::IsolateLeader => both_ways(leader_first(&mut nodes, view)),
            Shape::MajoritiesRing => majorities_ring(&nodes),
            Shape::DeafLeader => {
                let (leader, rest) = leader_first(&mut nodes, view);
                one_way(rest, leader)
            }
            Shape::MuteLeader => {
                let (leader, rest) = leader_first(&mut nodes, view);
                one_way(leader, rest)
            }
            Shape::OneWayHalves => {
                let (a, b) = nodes.split_at(nodes.len() / 2);
                if rng.chance(0.5) { one_way(a, b) } else { one_way(b, a) }
            }
        }
    }
}

/// A leader that runs, or the first of the nodes if none is known, and the rest.
fn leader_first<'a>(nodes: &'a mut [NodeId], view: &ClusterView) -> (&'a [NodeId], &'a [NodeId]) {
    let leads = |id: &NodeId| {
        view.leaders.contains(id) && view.node(*id).is_some_and(super::NodeView::acts)
    };
    if let Some(at) = nodes.iter().position(leads) {
        nodes.swap(0, at);
    }
    nodes.split_at(nodes.len().min(1))
}

fn one_way(from: &[NodeId], to: &[NodeId]) -> Cuts {
    from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).collect()
}

fn both_ways((a, b): (&[NodeId], &[NodeId])) -> Cuts {
    let mut cuts = one_way(a, b);
    cuts.extend(one_way(b, a));
    cuts
}

/// Nodes on a ring, each of which sees so many neighbours on either side that with itself they are a majority. No
/// two see the same. Three nodes cannot stand on such a ring: there the two ends of a path do not see each other.
pub fn majorities_ring(nodes: &[NodeId]) -> Cuts {
    let count = nodes.len();
    if count < 3 {
        return Vec::new();
    }
    if count == 3 {
        return both_ways((&nodes[..1], &nodes[2..]));
    }
    let reach = (count / 2).div_ceil(2);
    let far = |i: usize, j: usize| {
        let apart = i.abs_diff(j);
        apart.min(count - apart) > reach
    };
    let pairs = (0..count).flat_map(|i| (0..count).map(move |j| (i, j)));
    pairs.filter(|(i, j)| far(*i, *j)).map(|(i, j)| (nodes[i], nodes[j])).collect()
}

/// Cuts of these shapes.
#[derive(Clone, Debug)]
pub struct Partition {
    shapes: Vec<Shape>,
}

impl Partition {
    /// Chooses among the shapes given.
    pub fn new(shapes: Vec<Shape>) -> Partition {
        Partition { shapes }
    }
}

impl Family for Partition {
    /// Two times in three the heal comes after 0.3 to 15 s, else with the next shape or at the end.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.shapes.is_empty() {
            return Vec::new();
        }
        let shape = *rng.pick(&self.shapes);
        let fault =
            Fault::Partition { shape: shape.name().to_owned(), cuts: shape.cuts(view, rng) };
        let heals = rng.chance(0.67);
        let heal = Duration::from_millis(rng.log_uniform(300, 15_000));
        if !view.can_act(&fault) {
            return Vec::new();
        }
        let mut timed = vec![Timed::now(fault)];
        if heals {
            timed.push(Timed::after(heal, Fault::HealNetwork));
        }
        timed
    }
}
