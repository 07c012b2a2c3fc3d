//! Cycles of the dependency graph, by type: for each strongly connected component the types that Elle would
//! look for, in its order, and for each a shortest cycle.
//!
//! Whether a type occurs is decided exactly and in polynomial time: components of a subgraph, of its product
//! with `was the last edge an anti-dependency`, and for exactly one anti-dependency reachability in batches of
//! 64 over the condensed graph. Only how short the cycle is that gets shown is subject to a cap
//! ([`STEPS_MAX`] edges looked at for each type and component); a capped cycle says so.

use super::anomaly::{AnomalySet, AnomalyType};
use super::graph::{Components, Edge, Edges, Graph, PackedEdge};
use super::shortest::Walker;
use AnomalyType::*;

/// Edges looked at in search of a shorter cycle, for one type in one component.
pub const STEPS_MAX: usize = 2_000_000;

/// A cycle of transactions.
#[derive(Clone, Debug)]
pub struct Cycle {
    pub anomaly: AnomalyType,
    /// (from, why, to); each begins where the one before ended.
    pub steps: Vec<(u32, Edge, u32)>,
    /// Whether the search for a shorter one was cut off.
    pub capped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Through an edge of the marked kind.
    Through(Edge),
    /// With exactly one anti-dependency.
    OneRw,
    /// With anti-dependencies, no two of them adjacent.
    NonadjacentRw,
}

/// A type of cycle: which edges it may use, which it must.
struct Spec {
    anomaly: AnomalyType,
    allowed: Edges,
    shape: Shape,
    /// The order that it needs beyond the data.
    beyond: Option<Edge>,
}

const fn spec(anomaly: AnomalyType, edges: &[Edge], shape: Shape, beyond: Option<Edge>) -> Spec {
    Spec { anomaly, allowed: Edges::of(edges), shape, beyond }
}

use Edge::{Process, Realtime, Relay, Rw, Wr, Ww};
use Shape::{NonadjacentRw, OneRw, Through};

/// In Elle's order, by depth in the graph of implications. A type implied by one found in the same component
/// is not looked for; so every cycle of a `-process` or `-realtime` type needs that order.
static SPECS: [Spec; 15] = [
    spec(GSingleItem, &[Ww, Wr, Rw, Relay], OneRw, None),
    spec(G0, &[Ww], Through(Ww), None),
    spec(GNonadjacentItem, &[Ww, Wr, Rw, Relay], NonadjacentRw, None),
    spec(GSingleItemProcess, &[Ww, Wr, Rw, Relay, Process], OneRw, Some(Process)),
    spec(G1c, &[Ww, Wr], Through(Wr), None),
    spec(GNonadjacentItemProcess, &[Ww, Wr, Rw, Relay, Process], NonadjacentRw, Some(Process)),
    spec(GSingleItemRealtime, &[Ww, Wr, Rw, Relay, Realtime], OneRw, Some(Realtime)),
    spec(G2Item, &[Ww, Wr, Rw, Relay], Through(Rw), None),
    spec(GNonadjacentItemRealtime, &[Ww, Wr, Rw, Relay, Realtime], NonadjacentRw, Some(Realtime)),
    spec(G0Process, &[Ww, Process], Through(Ww), Some(Process)),
    spec(G1cProcess, &[Ww, Wr, Process], Through(Wr), Some(Process)),
    spec(G2ItemProcess, &[Ww, Wr, Rw, Relay, Process], Through(Rw), Some(Process)),
    spec(G0Realtime, &[Ww, Realtime], Through(Ww), Some(Realtime)),
    spec(G1cRealtime, &[Ww, Wr, Realtime], Through(Wr), Some(Realtime)),
    spec(G2ItemRealtime, &[Ww, Wr, Rw, Relay, Realtime], Through(Rw), Some(Realtime)),
];

const ALL_EDGES: Edges = Edges::of(&[Ww, Wr, Rw, Process, Realtime, Relay]);

/// Every cycle to report, at most one for each type and component. Nodes from `txns` on are barriers.
pub fn find(graph: &Graph, txns: usize) -> Vec<Cycle> {
    let components = graph.components(ALL_EDGES);
    if components.count as usize == graph.nodes() {
        return Vec::new();
    }
    let (start, members) = components.members();
    let mut local = vec![0u32; graph.nodes()];
    let mut cycles = Vec::new();
    // Tarjan numbers the last component first: from the end, the history's beginning comes first.
    for range in start.windows(2).rev() {
        let nodes = &members[range[0] as usize..range[1] as usize];
        if nodes.len() > 1 {
            cycles.extend(Component::new(graph, &components, nodes, txns, &mut local).cycles());
        }
    }
    cycles.sort_by_key(|cycle| (cycle.anomaly, cycle.steps.iter().map(|step| step.0).min()));
    cycles
}

/// One strongly connected component, with its own numbering.
struct Component<'a> {
    graph: Graph,
    /// The kinds of its edges.
    kinds: Edges,
    /// By local number, ascending: transactions before barriers.
    nodes: &'a [u32],
    /// The first local number of a barrier.
    barriers: u32,
}

impl<'a> Component<'a> {
    fn new(
        whole: &Graph,
        components: &Components,
        nodes: &'a [u32],
        txns: usize,
        local: &mut [u32],
    ) -> Component<'a> {
        for (number, node) in nodes.iter().enumerate() {
            local[*node as usize] = number as u32;
        }
        let mut graph = Graph::with_room(nodes.len());
        let mut kinds = Edges::of(&[]);
        let mut edges = Vec::new();
        for (number, node) in nodes.iter().enumerate() {
            edges.clear();
            for (edge, to) in whole.out(*node) {
                if components.of[to as usize] == components.of[*node as usize] {
                    edges.push(PackedEdge::new(number as u32, local[to as usize], edge));
                }
            }
            // Of the data's edges between two nodes only the strongest counts: a cycle by a weaker one is one by
            // it, too. The order of processes and of real time is no weaker than they are: it stays.
            edges.sort_unstable();
            edges.dedup_by_key(|edge| (edge.ends(), edge.edge().max(Rw)));
            kinds = edges.iter().fold(kinds, |kinds, edge| kinds.with(edge.edge()));
            graph.push(&edges);
        }
        let barriers = nodes.partition_point(|node| (*node as usize) < txns) as u32;
        Component { graph, kinds, nodes, barriers }
    }

    fn cycles(&self) -> Vec<Cycle> {
        let mut found = AnomalySet::default();
        let mut cycles = Vec::new();
        let [process, realtime, rw] = [Process, Realtime, Rw].map(|kind| self.kinds.contains(kind));
        // It is a component, by all its edges.
        let mut looked_over =
            LookedOver { kinds: self.kinds, acyclic: Vec::new(), cyclic: vec![self.kinds] };
        for spec in &SPECS {
            let possible = match spec.beyond {
                Some(Process) => process,
                Some(Realtime) => realtime,
                _ => true,
            };
            let possible = possible && (rw || matches!(spec.shape, Through(Ww | Wr)));
            if !possible
                || found.implied().contains(spec.anomaly)
                || looked_over.is_acyclic(&self.graph, spec.allowed)
            {
                continue;
            }
            if let Some((steps, capped)) = self.search(spec, &mut looked_over) {
                found.insert(spec.anomaly);
                cycles.push(Cycle { anomaly: spec.anomaly, steps, capped });
            }
        }
        cycles
    }

    fn search(
        &self,
        spec: &Spec,
        looked_over: &mut LookedOver,
    ) -> Option<(Vec<(u32, Edge, u32)>, bool)> {
        let walk = match spec.shape {
            Through(marked) => {
                let candidates = on_cycles(&self.graph, spec.allowed, marked);
                let mut walker = Walker::new(&self.graph, self.nodes.len(), self.barriers);
                walker.shortest_cycle(&candidates, marked, spec.allowed)
            }
            OneRw => {
                let rest = spec.allowed.without(Rw);
                let condensed = Condensed::new(&self.graph, rest);
                if condensed.is_acyclic() {
                    looked_over.acyclic.push(rest);
                }
                let candidates = condensed.closed_by_one(&self.graph, rest);
                let mut walker = Walker::new(&self.graph, self.nodes.len(), self.barriers);
                walker.shortest_cycle(&candidates, Rw, rest)
            }
            NonadjacentRw => {
                let product = nonadjacent(&self.graph, spec.allowed);
                let candidates = on_cycles(&product, spec.allowed, Rw);
                let mut walker = Walker::new(&product, self.nodes.len(), self.barriers);
                walker.shortest_cycle(&candidates, Rw, spec.allowed)
            }
        };
        let walk = walk?;
        Some((self.steps(&walk.nodes), walk.capped))
    }

    /// A walk in local numbers as steps between transactions: barriers vanish into the edge that led to them.
    fn steps(&self, walk: &[(u32, Edge)]) -> Vec<(u32, Edge, u32)> {
        let count = self.nodes.len() as u32;
        let walk = walk.iter().map(|(node, edge)| (node % count, *edge));
        let stops: Vec<_> = walk.filter(|(node, _)| *node < self.barriers).collect();
        let txn = |i: usize| self.nodes[stops[i % stops.len()].0 as usize];
        (0..stops.len()).map(|i| (txn(i), stops[i].1, txn(i + 1))).collect()
    }
}

/// Which kinds of edges make no cycle: many types look for one in the same few.
struct LookedOver {
    /// Those that there are.
    kinds: Edges,
    acyclic: Vec<Edges>,
    cyclic: Vec<Edges>,
}

impl LookedOver {
    fn is_acyclic(&mut self, graph: &Graph, allowed: Edges) -> bool {
        // Mostly the order of processes adds no cycle, and then both are known at once.
        let [allowed, wider] =
            [allowed, allowed.with(Process)].map(|edges| edges.among(self.kinds));
        self.known(wider) == Some(true)
            || self.known(allowed).unwrap_or_else(|| {
                self.look(graph, wider) || (wider != allowed && self.look(graph, allowed))
            })
    }

    /// Whether that is acyclic, as far as it follows from what was looked over.
    fn known(&self, allowed: Edges) -> Option<bool> {
        if self.acyclic.iter().any(|wider| allowed.are_among(*wider)) {
            return Some(true);
        }
        self.cyclic.iter().any(|narrower| narrower.are_among(allowed)).then_some(false)
    }

    fn look(&mut self, graph: &Graph, allowed: Edges) -> bool {
        self.known(allowed).unwrap_or_else(|| {
            let acyclic = graph.is_acyclic_over(allowed);
            if acyclic { &mut self.acyclic } else { &mut self.cyclic }.push(allowed);
            acyclic
        })
    }
}

/// The marked edges inside components of the allowed subgraph: each lies on a cycle of it.
fn on_cycles(graph: &Graph, allowed: Edges, marked: Edge) -> Vec<(u32, u32)> {
    let components = graph.components(allowed);
    let inside = |(from, edge, to): &(u32, Edge, u32)| {
        *edge == marked && components.of[*from as usize] == components.of[*to as usize]
    };
    graph.edges().filter(inside).map(|(from, _, to)| (from, to)).collect()
}

/// Each node twice: after an anti-dependency (from `nodes` on) and after any other edge. From the former no
/// anti-dependency leads on, so that every cycle has no two in a row.
fn nonadjacent(graph: &Graph, allowed: Edges) -> Graph {
    let count = graph.nodes() as u32;
    let mut edges = Vec::new();
    for (from, edge, to) in graph.edges().filter(|(_, edge, _)| allowed.contains(*edge)) {
        if edge == Rw {
            edges.push(PackedEdge::new(from, to + count, edge));
        } else if edge == Relay {
            edges.push(PackedEdge::new(from + count, to + count, edge));
        } else {
            edges.push(PackedEdge::new(from, to, edge));
            edges.push(PackedEdge::new(from + count, to, edge));
        }
    }
    Graph::new(2 * count as usize, &edges)
}

/// The components of the allowed subgraph, ranked so that edges lead upwards.
struct Condensed {
    components: Components,
    rank: Vec<u32>,
    /// Components by rank.
    order: Vec<u32>,
    start: Vec<u32>,
    members: Vec<u32>,
}

impl Condensed {
    fn new(graph: &Graph, allowed: Edges) -> Condensed {
        if let Some(order) = graph.topological_order(allowed) {
            return Condensed::of_nodes(order);
        }
        let components = graph.components(allowed);
        let (start, members) = components.members();
        let count = components.count as usize;
        let rank = vec![0; count];
        let mut condensed =
            Condensed { components, rank, order: Vec::with_capacity(count), start, members };
        condensed.rank(graph, allowed);
        condensed
    }

    /// Of nodes that are components of their own, in an order in which edges lead upwards.
    fn of_nodes(order: Vec<u32>) -> Condensed {
        let count = order.len() as u32;
        let mut rank = vec![0; order.len()];
        for (at, node) in order.iter().enumerate() {
            rank[*node as usize] = at as u32;
        }
        let components = Components { of: (0..count).collect(), count };
        Condensed {
            components,
            rank,
            order,
            start: (0..=count).collect(),
            members: (0..count).collect(),
        }
    }

    /// Whether every component is one node.
    fn is_acyclic(&self) -> bool {
        self.components.of.len() == self.components.count as usize
    }

    /// The anti-dependencies from whose end the allowed edges lead back to their beginning.
    fn closed_by_one(&self, graph: &Graph, allowed: Edges) -> Vec<(u32, u32)> {
        let mut hits = Vec::new();
        let mut open = Vec::new();
        for (from, _, to) in graph.edges().filter(|(_, edge, _)| *edge == Rw) {
            let (begin, end) = (self.rank_of(to), self.rank_of(from));
            if begin == end {
                hits.push((from, to));
            } else if begin < end {
                open.push((begin, end, from, to));
            }
        }
        open.sort_unstable();
        let mut reached = vec![0u64; self.order.len()];
        let mut steps = 0;
        for batch in open.chunks(64) {
            // Once there is one, the others only serve to find a shorter one.
            if !hits.is_empty() && steps > STEPS_MAX {
                break;
            }
            steps += self.close(graph, allowed, batch, &mut reached, &mut hits);
        }
        hits.sort_unstable();
        hits
    }

    /// Kahn's order, first come first served: close to the order of the history, which keeps the ranges
    /// short that [`Condensed::close`] sweeps.
    fn rank(&mut self, graph: &Graph, allowed: Edges) {
        let crossing = |(from, edge, to): &(u32, Edge, u32)| {
            allowed.contains(*edge) && self.component(*from) != self.component(*to)
        };
        let mut predecessors = vec![0u32; self.rank.len()];
        for (_, _, to) in graph.edges().filter(crossing) {
            predecessors[self.component(to) as usize] += 1;
        }
        let mut free: Vec<u32> =
            (0..self.rank.len() as u32).rev().filter(|c| predecessors[*c as usize] == 0).collect();
        let mut done = 0;
        while let Some(&component) = free.get(done) {
            for node in self.nodes(component) {
                for (edge, to) in graph.out(*node) {
                    if crossing(&(*node, edge, to)) {
                        let to = self.component(to);
                        predecessors[to as usize] -= 1;
                        if predecessors[to as usize] == 0 {
                            free.push(to);
                        }
                    }
                }
            }
            done += 1;
        }
        for (rank, component) in free.iter().enumerate() {
            self.rank[*component as usize] = rank as u32;
        }
        self.order = free;
    }

    fn component(&self, node: u32) -> u32 {
        self.components.of[node as usize]
    }

    fn rank_of(&self, node: u32) -> u32 {
        self.rank[self.component(node) as usize]
    }

    fn nodes(&self, component: u32) -> &[u32] {
        let component = component as usize;
        &self.members[self.start[component] as usize..self.start[component + 1] as usize]
    }

    /// Up to 64 anti-dependencies at once, one bit each: sweeps the ranks that lie between their ends.
    fn close(
        &self,
        graph: &Graph,
        allowed: Edges,
        batch: &[(u32, u32, u32, u32)],
        reached: &mut [u64],
        hits: &mut Vec<(u32, u32)>,
    ) -> usize {
        let low = batch[0].0 as usize;
        let high = batch.iter().map(|(_, end, ..)| *end).max().unwrap_or(0) as usize;
        for (bit, (begin, ..)) in batch.iter().enumerate() {
            reached[*begin as usize] |= 1 << bit;
        }
        let mut steps = high - low;
        for rank in low..high {
            let here = reached[rank];
            if here == 0 {
                continue;
            }
            for node in self.nodes(self.order[rank]) {
                for (edge, to) in graph.out(*node) {
                    steps += 1;
                    let to = self.rank_of(to) as usize;
                    if allowed.contains(edge) && to <= high {
                        reached[to] |= here;
                    }
                }
            }
        }
        for (bit, (_, end, from, to)) in batch.iter().enumerate() {
            if reached[*end as usize] & (1 << bit) != 0 {
                hits.push((*from, *to));
            }
        }
        reached[low..=high].fill(0);
        steps
    }
}
