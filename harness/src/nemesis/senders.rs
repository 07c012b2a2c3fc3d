//! Whose messages are late, lost or throttled: members that run, chosen anew at every strike. Who is no member says nothing.

use super::ClusterView;
use crate::cluster::NodeId;
use crate::seed::Draw;
use rand_chacha::ChaCha8Rng;

/// Whose messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Senders {
    /// Any one.
    One,
    /// A leader; any one if none is known.
    Leader,
    /// A random minority of any size.
    Minority,
    /// All that run.
    All,
}

impl Senders {
    /// Every choice.
    pub const ALL: [Senders; 4] = [Senders::One, Senders::Leader, Senders::Minority, Senders::All];

    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Senders::One => "one",
            Senders::Leader => "a leader",
            Senders::Minority => "a minority",
            Senders::All => "all",
        }
    }

    /// Several of them, with commas between.
    pub fn names(of: &[Senders]) -> String {
        of.iter().map(|senders| senders.name()).collect::<Vec<_>>().join(", ")
    }

    /// Members that run, in order.
    pub fn nodes(self, view: &ClusterView, rng: &mut ChaCha8Rng) -> Vec<NodeId> {
        let mut nodes = view.which(|node| node.member && node.acts());
        rng.shuffle(&mut nodes);
        let minority = rng.range(1, view.minority() as u64 + 1) as usize;
        if self == Senders::Leader
            && let Some(at) = nodes.iter().position(|id| view.leaders.contains(id))
        {
            nodes.swap(0, at);
        }
        nodes.truncate(match self {
            Senders::One | Senders::Leader => 1,
            Senders::Minority => minority,
            Senders::All => nodes.len(),
        });
        nodes.sort_unstable();
        nodes
    }
}
