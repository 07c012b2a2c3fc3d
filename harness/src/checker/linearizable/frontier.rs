//! Configurations, and a round of the search: each is kept once, and only where no other can do all that it can.

use super::bags::{Bag, Bags};
use super::space::State;
use super::table::{NONE, Table};

/// What one class of orders has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Configuration {
    pub state: State,
    /// The operations of unknown outcome that have taken effect.
    pub bag: Bag,
    /// The open operations that have taken effect, by their slots.
    pub mask: u64,
    /// How it came to this, if that is noted.
    pub trace: u32,
}

struct Node {
    configuration: Configuration,
    /// The next one of the same state and changes, or [`NONE`].
    next: u32,
    /// Another can do all that this one can.
    is_spare: bool,
}

/// What is reached between two answers, in the order in which it is.
pub(super) struct Round {
    nodes: Vec<Node>,
    /// The last node of each state and of each mask of operations that change something.
    last: Table,
    /// The slots of those that change nothing.
    pure: u64,
}

impl Round {
    pub fn new() -> Round {
        Round { nodes: Vec::new(), last: Table::new(), pure: 0 }
    }

    /// Begins anew, with these slots of operations that change nothing.
    pub fn begin(&mut self, pure: u64) {
        self.pure = pure;
        self.nodes.clear();
        self.last.clear();
    }

    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The configuration at a place, unless it is spare.
    pub fn get(&self, at: usize) -> Option<Configuration> {
        let node = &self.nodes[at];
        (!node.is_spare).then_some(node.configuration)
    }

    /// All that are not spare.
    pub fn iter(&self) -> impl Iterator<Item = Configuration> {
        self.nodes.iter().filter(|node| !node.is_spare).map(|node| node.configuration)
    }

    /// Adds one, unless it is spare: another has come to the same state by the same changes, with no more operations of
    /// unknown outcome and no fewer of those that change nothing.
    pub fn add(&mut self, configuration: Configuration, bags: &Bags) {
        let number = self.nodes.len() as u32;
        let pure = self.pure;
        let last = self.last.entry((configuration.state, configuration.mask & !pure));
        let next = *last;
        let mut at = next;
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            let (seen, other) = (configuration.mask & pure, node.configuration.mask & pure);
            if seen & !other == 0 && bags.within(node.configuration.bag, configuration.bag) {
                return;
            }
            node.is_spare |=
                other & !seen == 0 && bags.within(configuration.bag, node.configuration.bag);
            at = node.next;
        }
        *last = number;
        self.nodes.push(Node { configuration, next, is_spare: false });
    }
}
