//! A directed graph of typed edges, in one array: trim, components, topological ranks. Linear in its edges.

/// Why one transaction comes before another. The order is the order in which an edge is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Edge {
    /// The other appended the next version.
    Ww,
    /// The other read what this one appended.
    Wr,
    /// The other appended the version after the one that this read.
    Rw,
    /// The same process, one after the other.
    Process,
    /// This one had completed when the other was invoked.
    Realtime,
    /// Carries an anti-dependency on, between nodes that stand for no transaction.
    Relay,
}

const EDGES: [Edge; 6] = [Edge::Ww, Edge::Wr, Edge::Rw, Edge::Process, Edge::Realtime, Edge::Relay];

/// Some kinds of edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges(u8);

impl Edges {
    pub const fn of(edges: &[Edge]) -> Edges {
        let mut mask = 0;
        let mut i = 0;
        while i < edges.len() {
            mask |= 1 << edges[i] as u8;
            i += 1;
        }
        Edges(mask)
    }

    pub fn with(self, edge: Edge) -> Edges {
        Edges(self.0 | 1 << edge as u8)
    }

    pub fn without(self, edge: Edge) -> Edges {
        Edges(self.0 & !(1 << edge as u8))
    }

    /// Those of these that are among some others.
    pub fn among(self, others: Edges) -> Edges {
        Edges(self.0 & others.0)
    }

    /// Whether all of these are among some others.
    pub fn are_among(self, others: Edges) -> bool {
        self.0 & !others.0 == 0
    }

    pub fn contains(self, edge: Edge) -> bool {
        self.0 & (1 << edge as u8) != 0
    }
}

/// Nodes are numbers; the edges of a node stand together.
#[derive(Debug, Default)]
pub struct Graph {
    start: Vec<u32>,
    packed: Vec<u32>,
}

/// Room for the kind of an edge below the number of its node.
const KIND_BITS: u32 = 3;
const KIND_MASK: u32 = (1 << KIND_BITS) - 1;
const NODE_MAX: u32 = u32::MAX >> KIND_BITS;

/// Kind and target.
fn unpack(packed: u32) -> (Edge, u32) {
    (EDGES[(packed & KIND_MASK) as usize], packed >> KIND_BITS)
}

/// An edge on its way into a graph. Ordered by its ends, then by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackedEdge(u64);

impl PackedEdge {
    pub fn new(from: u32, to: u32, edge: Edge) -> PackedEdge {
        assert!(from.max(to) <= NODE_MAX, "our graphs have fewer than 2^29 nodes");
        PackedEdge(u64::from(from) << 32 | u64::from(to) << KIND_BITS | edge as u64)
    }

    /// Source and target.
    pub fn ends(self) -> (u32, u32) {
        ((self.0 >> 32) as u32, self.packed() >> KIND_BITS)
    }

    pub fn edge(self) -> Edge {
        unpack(self.packed()).0
    }

    fn packed(self) -> u32 {
        self.0 as u32
    }

    fn from(self) -> usize {
        (self.0 >> 32) as usize
    }
}

impl Graph {
    /// A counting sort by source: edges of a node keep their order.
    pub fn new(nodes: usize, edges: &[PackedEdge]) -> Graph {
        let mut start = vec![0u32; nodes + 1];
        for edge in edges {
            start[edge.from() + 1] += 1;
        }
        for node in 0..nodes {
            start[node + 1] += start[node];
        }
        let mut free = start.clone();
        let mut packed = vec![0u32; edges.len()];
        for edge in edges {
            let slot = &mut free[edge.from()];
            packed[*slot as usize] = edge.packed();
            *slot += 1;
        }
        Graph { start, packed }
    }

    /// Without nodes, with room for so many.
    pub fn with_room(nodes: usize) -> Graph {
        let mut start = Vec::with_capacity(nodes + 1);
        start.push(0);
        Graph { start, packed: Vec::new() }
    }

    /// Adds the next node with all its edges.
    pub fn push(&mut self, edges: &[PackedEdge]) {
        self.packed.extend(edges.iter().map(|edge| edge.packed()));
        self.start.push(self.packed.len() as u32);
    }

    pub fn nodes(&self) -> usize {
        self.start.len().saturating_sub(1)
    }

    /// Where a node's edges lead.
    pub fn out(&self, node: u32) -> impl Iterator<Item = (Edge, u32)> {
        let range = self.start[node as usize] as usize..self.start[node as usize + 1] as usize;
        self.packed[range].iter().map(|packed| unpack(*packed))
    }

    /// Every edge.
    pub fn edges(&self) -> impl Iterator<Item = (u32, Edge, u32)> {
        (0..self.nodes() as u32)
            .flat_map(|from| self.out(from).map(move |(edge, to)| (from, edge, to)))
    }

    /// Whether there is no cycle.
    pub fn is_acyclic(&self) -> bool {
        self.is_acyclic_over(Edges(u8::MAX))
    }

    /// Whether there is no cycle of these edges.
    pub fn is_acyclic_over(&self, allowed: Edges) -> bool {
        self.topological_order(allowed).is_some()
    }

    /// All nodes in an order in which these edges lead upwards, unless they make a cycle: nodes without predecessors are taken
    /// away, first come first served, until nothing is left (Kahn).
    pub fn topological_order(&self, allowed: Edges) -> Option<Vec<u32>> {
        let mut predecessors = vec![0u32; self.nodes()];
        for packed in &self.packed {
            let (edge, to) = unpack(*packed);
            predecessors[to as usize] += u32::from(allowed.contains(edge));
        }
        let mut free: Vec<u32> = Vec::with_capacity(self.nodes());
        free.extend((0..self.nodes() as u32).filter(|node| predecessors[*node as usize] == 0));
        let mut done = 0;
        while let Some(&node) = free.get(done) {
            done += 1;
            for (_, to) in self.out(node).filter(|(edge, _)| allowed.contains(*edge)) {
                predecessors[to as usize] -= 1;
                if predecessors[to as usize] == 0 {
                    free.push(to);
                }
            }
        }
        (done == self.nodes()).then_some(free)
    }

    /// The strongly connected component of each node, over these edges only (Tarjan). A component's number
    /// is above those of the components it leads to.
    pub fn components(&self, allowed: Edges) -> Components {
        let mut tarjan = Tarjan {
            graph: self,
            allowed,
            index: vec![0; self.nodes()],
            low: vec![0; self.nodes()],
            next: self.start.clone(),
            count: 0,
            stack: Vec::new(),
            path: Vec::new(),
            component: vec![0; self.nodes()],
            components: 0,
        };
        for node in 0..self.nodes() as u32 {
            if tarjan.index[node as usize] == 0 {
                tarjan.visit(node);
            }
        }
        Components { of: tarjan.component, count: tarjan.components }
    }
}

/// Strongly connected components.
#[derive(Debug)]
pub struct Components {
    /// By node.
    pub of: Vec<u32>,
    pub count: u32,
}

impl Components {
    /// The nodes of each component, ascending, as one array and where each begins.
    pub fn members(&self) -> (Vec<u32>, Vec<u32>) {
        let mut start = vec![0u32; self.count as usize + 1];
        self.of.iter().for_each(|component| start[*component as usize + 1] += 1);
        for i in 0..self.count as usize {
            start[i + 1] += start[i];
        }
        let mut free = start.clone();
        let mut members = vec![0u32; self.of.len()];
        for (node, component) in self.of.iter().enumerate() {
            let slot = &mut free[*component as usize];
            members[*slot as usize] = node as u32;
            *slot += 1;
        }
        (start, members)
    }
}

struct Tarjan<'g> {
    graph: &'g Graph,
    allowed: Edges,
    /// Order of discovery from 1; 0 while unseen.
    index: Vec<u32>,
    /// Smallest index reached; `u32::MAX` once its component is done.
    low: Vec<u32>,
    next: Vec<u32>,
    count: u32,
    stack: Vec<u32>,
    path: Vec<u32>,
    component: Vec<u32>,
    components: u32,
}

impl Tarjan<'_> {
    fn visit(&mut self, root: u32) {
        self.discover(root);
        while let Some(&node) = self.path.last() {
            let at = node as usize;
            if self.next[at] < self.graph.start[at + 1] {
                let packed = self.graph.packed[self.next[at] as usize];
                self.next[at] += 1;
                let (edge, to) = unpack(packed);
                if !self.allowed.contains(edge) {
                    continue;
                }
                if self.index[to as usize] == 0 {
                    self.discover(to);
                } else if self.low[to as usize] != u32::MAX {
                    self.low[at] = self.low[at].min(self.index[to as usize]);
                }
                continue;
            }
            self.path.pop();
            let low = self.low[at];
            if let Some(parent) = self.path.last() {
                let parent = *parent as usize;
                self.low[parent] = self.low[parent].min(low);
            }
            if low == self.index[at] {
                self.finish(node);
            }
        }
    }

    fn discover(&mut self, node: u32) {
        self.count += 1;
        self.index[node as usize] = self.count;
        self.low[node as usize] = self.count;
        self.stack.push(node);
        self.path.push(node);
    }

    fn finish(&mut self, root: u32) {
        while let Some(node) = self.stack.pop() {
            self.low[node as usize] = u32::MAX;
            self.component[node as usize] = self.components;
            if node == root {
                break;
            }
        }
        self.components += 1;
    }
}
