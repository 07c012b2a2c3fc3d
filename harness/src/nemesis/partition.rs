//! The network between nodes is cut: halves, a lone node, a bridge, rings of majorities; both ways or one way.
//!
//! A shape is a list of directed cuts. A new shape replaces the one before it without a heal between, so that
//! links open and close in one step.

use super::range::{Range, Unit};
use super::{ClusterView, Family, Timed};
use crate::cluster::NodeId;
use crate::fault::Fault;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

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
    /// The first half of the nodes and the second, as they are numbered.
    FirstHalf,
    /// Two halves that do not see each other, and one node that sees both.
    Bridge,
    /// Every node sees a majority; who sees whom is drawn.
    StochasticRing,
    /// Each node that thinks it leads is alone, the others stay together.
    PrimariesApart,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Shape; 12] = [
        Shape::Halves,
        Shape::Minority,
        Shape::IsolateLeader,
        Shape::IsolateNode,
        Shape::MajoritiesRing,
        Shape::DeafLeader,
        Shape::MuteLeader,
        Shape::OneWayHalves,
        Shape::FirstHalf,
        Shape::Bridge,
        Shape::StochasticRing,
        Shape::PrimariesApart,
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
            Shape::FirstHalf => "first half",
            Shape::Bridge => "bridge",
            Shape::StochasticRing => "stochastic majorities ring",
            Shape::PrimariesApart => "primaries apart",
        }
    }

    /// The cuts, with whatever is random in them drawn. None where there are too few nodes. A link of a leader is among them, if
    /// one is known: two followers have nothing to say to each other.
    pub fn cuts(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Cuts {
        of_a_leader(self.drawn(view, rng), view)
    }

    fn drawn(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Cuts {
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
            Shape::FirstHalf => {
                nodes.sort_unstable();
                both_ways(nodes.split_at(nodes.len() / 2))
            }
            Shape::Bridge => bridge(&nodes),
            Shape::StochasticRing => stochastic_ring(&nodes, rng),
            Shape::PrimariesApart => primaries_apart(&nodes, view),
        }
    }
}

/// Where no cut touches a leader, a leader and a node that is cut change places.
fn of_a_leader(mut cuts: Cuts, view: &ClusterView) -> Cuts {
    let leaders = || view.leaders.iter().copied().filter(|id| leads(id, view));
    let touched = cuts.iter().any(|(a, b)| leaders().any(|leader| leader == *a || leader == *b));
    let (Some(leader), Some(&(other, _)), false) = (leaders().next(), cuts.first(), touched) else {
        return cuts;
    };
    for end in cuts.iter_mut().flat_map(|(a, b)| [a, b]) {
        match *end {
            node if node == leader => *end = other,
            node if node == other => *end = leader,
            _ => {}
        }
    }
    cuts
}

fn leads(id: &NodeId, view: &ClusterView) -> bool {
    view.leaders.contains(id) && view.node(*id).is_some_and(super::NodeView::acts)
}

/// A leader that runs, or the first of the nodes if none is known, and the rest.
fn leader_first<'a>(nodes: &'a mut [NodeId], view: &ClusterView) -> (&'a [NodeId], &'a [NodeId]) {
    if let Some(at) = nodes.iter().position(|id| leads(id, view)) {
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

/// Two halves around the first of the nodes. Two nodes have no third between them.
pub fn bridge(nodes: &[NodeId]) -> Cuts {
    let Some((_, ends)) = nodes.split_first() else { return Vec::new() };
    both_ways(ends.split_at(ends.len() / 2))
}

/// Links are drawn, each between one of those who see the fewest and one of those who see the fewest of the rest, until every
/// node sees a majority; no other link is left.
fn stochastic_ring(nodes: &[NodeId], rng: &mut ChaCha8Rng) -> Cuts {
    let majority = nodes.len() / 2 + 1;
    let mut sees: Vec<Vec<usize>> = (0..nodes.len()).map(|i| vec![i]).collect();
    let fewest = |sees: &[Vec<usize>], among: Vec<usize>, rng: &mut ChaCha8Rng| {
        let least = among.iter().map(|i| sees[*i].len()).min()?;
        let least: Vec<usize> = among.into_iter().filter(|i| sees[*i].len() == least).collect();
        Some(*rng.pick(&least))
    };
    while let Some(one) = fewest(&sees, (0..nodes.len()).collect(), rng) {
        if sees[one].len() >= majority {
            break;
        }
        let strangers = (0..nodes.len()).filter(|other| !sees[one].contains(other)).collect();
        let Some(other) = fewest(&sees, strangers, rng) else { break };
        sees[one].push(other);
        sees[other].push(one);
    }
    let pairs = (0..nodes.len()).flat_map(|i| (0..nodes.len()).map(move |j| (i, j)));
    pairs.filter(|(i, j)| !sees[*i].contains(j)).map(|(i, j)| (nodes[i], nodes[j])).collect()
}

/// A random node alone if nobody is known to lead.
fn primaries_apart(nodes: &[NodeId], view: &ClusterView) -> Cuts {
    let (leaders, others): (Vec<NodeId>, Vec<NodeId>) =
        nodes.iter().partition(|id| leads(id, view));
    if leaders.is_empty() {
        return both_ways(nodes.split_at(nodes.len().min(1)));
    }
    let mut cuts = both_ways((&leaders, &others));
    let apart = leaders.iter().flat_map(|a| leaders.iter().map(move |b| (*a, *b)));
    cuts.extend(apart.filter(|(a, b)| a != b));
    cuts
}

/// Cuts of these shapes.
#[derive(Clone, Debug)]
pub struct Partition {
    shapes: Vec<Shape>,
    lasts: Range,
}

impl Partition {
    /// Chooses among the shapes given.
    pub fn new(shapes: Vec<Shape>) -> Partition {
        Partition { shapes, lasts: Range::log(500, 15_000, Unit::Ms) }
    }
}

impl Family for Partition {
    fn told(&self) -> String {
        let shapes: Vec<&str> = self.shapes.iter().map(|shape| shape.name()).collect();
        format!("{}; for {} or on to the next", shapes.join(", "), self.lasts)
    }

    fn ranges(&mut self) -> Vec<&mut Range> {
        vec![&mut self.lasts]
    }

    /// Two times in three the heal comes after a while, else with the next shape or at the end.
    fn strike(&self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<Timed> {
        if self.shapes.is_empty() {
            return Vec::new();
        }
        let shape = *rng.pick(&self.shapes);
        let fault =
            Fault::Partition { shape: shape.name().to_owned(), cuts: shape.cuts(view, rng) };
        let heals = rng.chance(0.67);
        let heal = self.lasts.time(rng);
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
