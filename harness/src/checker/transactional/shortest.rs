//! A shortest cycle through one of several edges. Steps onto barriers are free: only transactions count.

use super::cycles::STEPS_MAX;
use super::graph::{Edge, Edges, Graph};
use std::collections::VecDeque;

/// A closed walk.
#[derive(Debug)]
pub struct Walk {
    /// Each node and the kind of edge that leaves it.
    pub nodes: Vec<(u32, Edge)>,
    /// Whether the search for a shorter one was cut off.
    pub capped: bool,
}

/// Breadth-first search from the end of an edge back to its beginning, reused for many edges.
pub struct Walker<'g> {
    graph: &'g Graph,
    /// Node numbers repeat after so many (a product graph holds each node several times).
    period: u32,
    barriers: u32,
    /// In which search the node was reached last.
    round_of: Vec<u32>,
    round: u32,
    distance: Vec<u32>,
    came_from: Vec<(u32, Edge)>,
    queue: VecDeque<(u32, u32)>,
    steps: usize,
}

impl<'g> Walker<'g> {
    /// `nodes` of the graph repeat; of each repetition those from `barriers` on are barriers.
    pub fn new(graph: &'g Graph, nodes: usize, barriers: u32) -> Walker<'g> {
        Walker {
            graph,
            period: nodes as u32,
            barriers,
            round_of: vec![0; graph.nodes()],
            round: 0,
            distance: vec![0; graph.nodes()],
            came_from: vec![(0, Edge::Ww); graph.nodes()],
            queue: VecDeque::new(),
            steps: 0,
        }
    }

    /// The shortest closed walk that takes one of the candidates (of kind `marked`) and returns by allowed
    /// edges. The first of equals; at least one, if any candidate can be closed.
    pub fn shortest_cycle(
        &mut self,
        candidates: &[(u32, u32)],
        marked: Edge,
        allowed: Edges,
    ) -> Option<Walk> {
        let mut best = None;
        let mut bound = u32::MAX;
        for (from, to) in candidates {
            if best.is_some() && self.steps > STEPS_MAX {
                return best.map(|nodes| Walk { nodes, capped: true });
            }
            let Some(length) = self.way_back(*to, *from, allowed, bound) else { continue };
            bound = length;
            best = Some(self.walk(*from, *to, marked));
            // Two transactions: nothing is shorter.
            if length == 1 {
                break;
            }
        }
        best.map(|nodes| Walk { nodes, capped: false })
    }

    /// How many transactions further the goal is, if fewer than `bound`.
    fn way_back(&mut self, start: u32, goal: u32, allowed: Edges, bound: u32) -> Option<u32> {
        self.round += 1;
        self.queue.clear();
        self.reach(start, 0, (start, Edge::Ww));
        self.queue.push_back((start, 0));
        while let Some((node, distance)) = self.queue.pop_front() {
            if distance > self.distance[node as usize] {
                continue;
            }
            if node == goal {
                return Some(distance);
            }
            for (edge, to) in self.graph.out(node) {
                self.steps += 1;
                if !allowed.contains(edge) {
                    continue;
                }
                let free = to % self.period >= self.barriers;
                let further = distance + u32::from(!free);
                if further >= bound || !self.reach(to, further, (node, edge)) {
                    continue;
                }
                if free {
                    self.queue.push_front((to, further));
                } else {
                    self.queue.push_back((to, further));
                }
            }
        }
        None
    }

    /// Notes a way to a node, unless one as short is known.
    fn reach(&mut self, node: u32, distance: u32, from: (u32, Edge)) -> bool {
        let at = node as usize;
        if self.round_of[at] == self.round && self.distance[at] <= distance {
            return false;
        }
        self.round_of[at] = self.round;
        self.distance[at] = distance;
        self.came_from[at] = from;
        true
    }

    fn walk(&self, from: u32, to: u32, marked: Edge) -> Vec<(u32, Edge)> {
        let mut back = Vec::new();
        let mut node = from;
        while node != to {
            let (before, edge) = self.came_from[node as usize];
            back.push((before, edge));
            node = before;
        }
        back.push((from, marked));
        back.reverse();
        back
    }
}
